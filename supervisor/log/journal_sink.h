#pragma once

#include <memory>
#include <string>

#include "supervisor/log/daemon_sink.h"
#include "supervisor/log/journal_message.h"

namespace reeve::log {

// Lines to journald with their program, instance, run, stream and pid as fields, so that
// `journalctl REEVE_PROGRAM=web` finds them; stdout with priority 6, stderr with 3.
class JournalSink final : public DaemonSink {
public:
    JournalSink(StreamName stream, SinkServices services, std::unique_ptr<Sink> fallback,
                std::string path = std::string{kJournalSocket});

private:
    void queue(LogSocket& socket, const Record& record) override;

    std::string fields_;  // that all its lines have
};

}  // namespace reeve::log
