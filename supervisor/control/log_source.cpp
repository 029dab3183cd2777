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

}  // namespace

void ThreadLogSource::query(log::Query query, std::function<void(std::vector<log::Line>)> answer) {
    thread_.query(std::move(query), std::move(answer));
}

std::unique_ptr<LogSource::Follower> ThreadLogSource::follow(
    log::Query query, std::function<void(std::vector<log::Line>)> on_lines) {
    return std::make_unique<ThreadFollower>(thread_.follow(std::move(query), std::move(on_lines)));
}

}  // namespace reeve::control
