#include "supervisor/log/own_target.h"

#include <unistd.h>

#include <utility>

#include "supervisor/base/error.h"
#include "supervisor/log/batch.h"
#include "supervisor/log/compressor.h"
#include "supervisor/log/journal_message.h"
#include "supervisor/log/log_file.h"
#include "supervisor/log/syslog_message.h"

namespace reeve::log {

namespace {

constexpr std::string_view kName = "reeve";

Severity severity_of(conf::LogLevel level) {
    switch (level) {
        case conf::LogLevel::trace:
        case conf::LogLevel::debug:
            return Severity::debug;
        case conf::LogLevel::info:
            return Severity::info;
        case conf::LogLevel::warn:
            return Severity::warning;
        case conf::LogLevel::error:
            return Severity::error;
    }
    return Severity::error;
}

// Rotated as a program's file is that says nothing about it.
class FileOwnTarget final : public OwnTarget {
public:
    explicit FileOwnTarget(std::string path)
        : path_{std::move(path)}, plan_{path_, std::nullopt, conf::Rotation{}, FileClock::real()} {}

    Result deliver(std::deque<OwnEntry>& entries) override {
        // After a failed write the first line in there may be the rest of one.
        const bool rest = !batch_.empty();
        std::size_t added = 0;
        if (!rest) {
            for (const OwnEntry& entry : entries) batch_.append(entry.line + "\n");
            added = entries.size();
        }
        const auto errors = file_.write(batch_, std::exchange(reopen_, false), compressor_);
        error_ = errors.open != 0 ? errors.open : errors.write;
        if (errors.open != 0) {
            if (!rest) batch_ = {};
            return Result::failed;
        }
        entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(added));
        if (errors.write != 0) return Result::failed;
        return entries.empty() ? Result::done : deliver(entries);
    }

    void reopen() override { reopen_ = true; }
    const std::string& path() const override { return path_; }
    std::string why() const override { return base::errno_text(error_); }
    std::string left_over() override { return std::exchange(batch_, {}).text(); }

private:
    const std::string path_;
    const FilePlan plan_;
    LogFile file_{plan_};
    Compressor compressor_;
    Batch batch_;
    bool reopen_ = false;
    int error_ = 0;
};

class SocketOwnTarget : public OwnTarget {
public:
    explicit SocketOwnTarget(LogSocket::Options options) : socket_{std::move(options)} {}

    Result deliver(std::deque<OwnEntry>& entries) override {
        // Before anything is written for it: who listens decides how.
        bool connected_anew = !socket_.connected();
        if (connected_anew && !connect()) return Result::failed;
        while (!entries.empty()) {
            if (socket_.empty()) {
                const OwnEntry& entry = entries.front();
                queue(socket_, entry,
                      {.stream = stream_,
                       .time = entry.time,
                       .pid = ::getpid(),
                       .text = std::string_view{entry.line}.substr(entry.message_at)});
            }
            switch (socket_.send()) {
                case LogSocket::Sent::all:
                    entries.pop_front();
                    break;
                case LogSocket::Sent::busy:
                    return Result::busy;
                case LogSocket::Sent::later:
                    return Result::later;
                case LogSocket::Sent::gone:
                    if (std::exchange(connected_anew, true) || !connect()) {
                        socket_.disconnect();
                        forget_queued();
                        return Result::failed;
                    }
                    break;
                case LogSocket::Sent::too_large:
                    forget_queued();
                    return Result::failed;
            }
        }
        return Result::done;
    }

    int waits_for() const override { return socket_.fd(); }
    void reopen() override { (void)connect(); }
    const std::string& path() const override { return socket_.path(); }
    std::string why() const override { return base::errno_text(socket_.error()); }

protected:
    virtual void queue(LogSocket& socket, const OwnEntry& entry, const Record& record) = 0;
    virtual void connected(const LogSocket&) {}

private:
    bool connect() {
        if (!socket_.connect()) return false;
        connected(socket_);
        return true;
    }
    void forget_queued() {
        while (!socket_.empty())
            socket_.take_back([](const LogSocket::Origin&, std::string_view) {});
    }

    LogSocket socket_;
    const StreamName stream_{.name = std::string{kName}, .program = std::string{kName}};
};

class SyslogOwnTarget final : public SocketOwnTarget {
public:
    explicit SyslogOwnTarget(std::string path)
        : SocketOwnTarget{{.path = std::move(path), .stream_too = true}} {}

private:
    void queue(LogSocket& socket, const OwnEntry& entry, const Record& record) override {
        queue_syslog(socket, dialect_,
                     {.severity = severity_of(entry.level), .host = host_, .name = kName}, record);
    }
    void connected(const LogSocket& socket) override {
        host_ = syslog_host();
        dialect_ = dialect_of(socket);
    }

    std::string host_ = "-";
    SyslogDialect dialect_ = SyslogDialect::rfc5424;
};

class JournalOwnTarget final : public SocketOwnTarget {
public:
    explicit JournalOwnTarget(std::string path)
        : SocketOwnTarget{{.path = std::move(path), .large_as_memfd = true}} {}

private:
    void queue(LogSocket& socket, const OwnEntry& entry, const Record& record) override {
        std::string fields;
        append_field(fields, "PRIORITY",
                     std::to_string(static_cast<int>(severity_of(entry.level))));
        append_field(fields, "SYSLOG_FACILITY", std::to_string(kDaemonFacility));
        append_field(fields, "SYSLOG_IDENTIFIER", kName);
        queue_journal(socket, fields, record);
    }
};

}  // namespace

std::unique_ptr<OwnTarget> make_own_target(const conf::OwnLogTarget& target,
                                           const OwnSockets& sockets) {
    using Kind = conf::OwnLogTarget::Kind;
    switch (target.kind) {
        case Kind::standard_error:
            break;
        case Kind::file:
            return std::make_unique<FileOwnTarget>(target.path);
        case Kind::syslog:
            return std::make_unique<SyslogOwnTarget>(sockets.syslog);
        case Kind::journal:
            return std::make_unique<JournalOwnTarget>(sockets.journal);
    }
    return nullptr;
}

}  // namespace reeve::log
