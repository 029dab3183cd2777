#pragma once

#include <memory>
#include <string>

#include "supervisor/log/daemon_sink.h"
#include "supervisor/log/syslog_message.h"

namespace reeve::log {

inline constexpr const char* kSyslogSocket = "/dev/log";

// Lines to syslogd: stdout as daemon.info, stderr as daemon.err.  See syslog_message.h.
class SyslogSink final : public DaemonSink {
public:
    SyslogSink(StreamName stream, SinkServices services, std::unique_ptr<Sink> fallback,
               std::string path = kSyslogSocket);

private:
    void queue(LogSocket& socket, const Record& record) override;
    void connected(const LogSocket& socket) override;

    const std::string name_;
    std::string host_;
    SyslogDialect dialect_ = SyslogDialect::rfc5424;
    std::string parameters_;
};

}  // namespace reeve::log
