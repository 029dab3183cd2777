#pragma once

#include <string>
#include <string_view>

#include "supervisor/log/log_socket.h"

namespace reeve::log {

// Entries for journald in its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): fields, one a
// message.

// NAME=value, or with its size before it where the value has control characters; any bytes will do.
void append_field(std::string& out, std::string_view name, std::string_view value);

// Queues the line as MESSAGE, with SYSLOG_TIMESTAMP and where they are known SYSLOG_PID, REEVE_PID
// and REEVE_RUN; REEVE_PARTIAL=1 when no newline came after it.  `fields` go before them, as
// append_field() made them.
void queue_journal(LogSocket& socket, std::string_view fields, const Record& line);

inline constexpr std::string_view kJournalSocket = "/run/systemd/journal/socket";

}  // namespace reeve::log
