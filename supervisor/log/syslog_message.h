#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "supervisor/log/log_socket.h"

namespace reeve::log {

// How a message to syslogd is written.
//
// rfc5424:  <30>1 2026-11-22T10:17:00.120Z host web@2 4121 stdout [reeve@32473 program="web"
//           instance="2" run="3" stream="stdout"] the line
// local:    <30>Nov 22 10:17:00 web@2[4121]: the line
//
// `local` is what syslog(3) writes and the only thing that journald understands on /dev/log: what
// RFC 5424 puts before the line would become part of it.  So it is used where /dev/log is a link to
// journald's socket, and RFC 5424 everywhere else.  rsyslog, too, takes RFC 5424 apart on /dev/log
// only when it is told to (and goes on understanding syslog(3)):
//
//   module(load="imuxsock" SysSock.UseSpecialParser="off" SysSock.IgnoreTimestamp="off")
//
// The name of the structured data needs an enterprise number: 32473 is the one that RFC 5612 keeps
// for examples, so it is nobody's, and clashes with nobody's.
enum class SyslogDialect : std::uint8_t { rfc5424, local };

// Facility `daemon`.
enum class Severity : std::uint8_t { error = 3, warning = 4, info = 6, debug = 7 };
constexpr int kDaemonFacility = 3;

struct SyslogHeader {
    Severity severity = Severity::info;
    std::string_view host{};        // as syslog_name() makes it
    std::string_view name{};        // APP-NAME, likewise
    std::string_view message_id{};  // empty: none
    std::string_view parameters{};  // `program="web" instance="2"`; empty: no structured data
};

// Queues `text` as one message, or as several when it is too long for one: rsyslog cuts at 8096
// bytes unless it is told otherwise.  All of them but the last, and the last one of a line without
// a newline, have partial="true" in their structured data.
//
// A NUL is written as "#000", as rsyslog would: many others take it for the message's end.  All
// other bytes are sent as they are, which RFC 5424 permits (6.4, 8.2).
void queue_syslog(LogSocket& socket, SyslogDialect dialect, const SyslogHeader& header,
                  const Record& line);

// What the daemon at the socket understands; of a socket that is connected.
SyslogDialect dialect_of(const LogSocket& socket);

// At most `longest` characters, and none but the printable ones of ASCII; "-" for none.  The end
// is kept of a name that is too long: that is where instances differ.
std::string syslog_name(std::string_view name, std::size_t longest);
constexpr std::size_t kLongestAppName = 48;  // RFC 5424, 6
constexpr std::size_t kLongestHost = 255;
std::string syslog_host();

// A parameter of structured data, with a space before it unless it is the first.
void append_parameter(std::string& out, std::string_view name, std::string_view value);

}  // namespace reeve::log
