#include "supervisor/control/log_source.h"

#include "supervisor/log/log_thread.h"

namespace reeve::control {

namespace {

class ThreadFollower final : public LogSource::Follower {
public:
    explicit ThreadFollower(std::unique_ptr<log::LogThread::Follower> follower)
        : follower_{std::move(follower)} {}

    void took(std::size_t lines) override { follower_->took(lines); }

private:
    std::unique_ptr<log::LogThread::Follower> follower_;
};

class ThreadTerminal final : public LogSource::Terminal {
public:
    explicit ThreadTerminal(std::unique_ptr<log::LogThread::Attachment> attachment)
        : attachment_{std::move(attachment)} {}

    void type(std::string bytes) override { attachment_->type(std::move(bytes)); }
    void resize(os::WindowSize size) override { attachment_->resize(size); }
    void took(std::size_t bytes) override { attachment_->took(bytes); }
    void flush(std::function<void()> done) override { attachment_->flush(std::move(done)); }

private:
    std::unique_ptr<log::LogThread::Attachment> attachment_;
};

}  // namespace

void ThreadLogSource::query(log::Query query, std::function<void(std::vector<log::Line>)> answer) {
    thread_.query(std::move(query), std::move(answer));
}

std::unique_ptr<LogSource::Follower> ThreadLogSource::follow(
    log::Query query, std::function<void(std::vector<log::Line>)> on_lines) {
    return std::make_unique<ThreadFollower>(thread_.follow(std::move(query), std::move(on_lines)));
}

std::unique_ptr<LogSource::Terminal> ThreadLogSource::attach(log::InstanceId instance,
                                                             os::WindowSize size, std::size_t lines,
                                                             log::TerminalListener listener) {
    auto attachment = thread_.attach(instance, size, lines, std::move(listener));
    if (!attachment) return nullptr;
    return std::make_unique<ThreadTerminal>(std::move(attachment));
}

}  // namespace reeve::control
