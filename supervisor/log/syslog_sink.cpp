#include "supervisor/log/syslog_sink.h"

#include <utility>

namespace reeve::log {

SyslogSink::SyslogSink(StreamName stream, SinkServices services, std::unique_ptr<Sink> fallback,
                       std::string path)
    : DaemonSink{{.path = std::move(path), .stream_too = true},
                 std::move(stream),
                 std::move(services),
                 std::move(fallback)},
      name_{syslog_name(this->stream().name, kLongestAppName)} {
    connect_first();
}

void SyslogSink::connected(const LogSocket& socket) {
    host_ = syslog_host();
    dialect_ = dialect_of(socket);
}

void SyslogSink::queue(LogSocket& socket, const Record& record) {
    const std::string_view stream_name = stream().source == Source::err ? "stderr" : "stdout";
    parameters_.clear();
    append_parameter(parameters_, "program", stream().program);
    append_parameter(parameters_, "instance", std::to_string(stream().instance));
    append_parameter(parameters_, "run", std::to_string(record.run));
    append_parameter(parameters_, "stream", stream_name);
    const bool err = stream().source == Source::err;
    queue_syslog(socket, dialect_,
                 {.severity = err ? Severity::error : Severity::info,
                  .host = host_,
                  .name = name_,
                  .message_id = stream_name,
                  .parameters = parameters_},
                 record);
}

}  // namespace reeve::log
