#include "supervisor/log/journal_sink.h"

#include <utility>

namespace reeve::log {

JournalSink::JournalSink(StreamName stream, SinkServices services, std::unique_ptr<Sink> fallback,
                         std::string path)
    : DaemonSink{{.path = std::move(path), .large_as_memfd = true},
                 std::move(stream),
                 std::move(services),
                 std::move(fallback)} {
    const StreamName& name = this->stream();
    const bool err = name.source == Source::err;
    append_field(fields_, "PRIORITY", err ? "3" : "6");
    append_field(fields_, "SYSLOG_FACILITY", "3");  // daemon
    append_field(fields_, "SYSLOG_IDENTIFIER", name.name);
    append_field(fields_, "REEVE_PROGRAM", name.program);
    append_field(fields_, "REEVE_INSTANCE", std::to_string(name.instance));
    append_field(fields_, "REEVE_STREAM", err ? "stderr" : "stdout");
    connect_first();
}

void JournalSink::queue(LogSocket& socket, const Record& record) {
    queue_journal(socket, fields_, record);
}

}  // namespace reeve::log
