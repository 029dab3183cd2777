#include "supervisor/control/log_source.h"

#include <algorithm>
#include <atomic>
#include <optional>

#include "supervisor/log/log_thread.h"
#include "supervisor/loop/async.h"

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

void LogSource::dropped_of(std::vector<log::RunKey> runs,
                           std::function<void(std::vector<std::uint64_t>)> answer) {
    answer(std::vector<std::uint64_t>(runs.size(), 0));
}

void LogSource::counters(std::function<void(std::vector<log::InstanceCounters>)> answer) {
    answer({});
}

std::unique_ptr<LogSource::Follower> LogSource::look(
    log::LookRequest request, std::function<void(log::Look)> answer,
    std::function<void(std::vector<log::Line>)> on_lines) {
    log::Query query = std::move(request.query);
    if (!request.runs.empty()) query.run = request.runs.front();
    if (request.follow) {
        auto follower = follow(std::move(query), std::move(on_lines));
        log::Look look;
        look.following = true;
        answer(std::move(look));
        return follower;
    }
    this->query(std::move(query), [answer = std::move(answer)](std::vector<log::Line> lines) {
        log::Look look;
        look.lines = std::move(lines);
        answer(std::move(look));
    });
    return nullptr;
}

std::vector<log::OwnLine> LogSource::own_lines(std::uint64_t) {
    return {};
}

std::unique_ptr<LogSource::OwnWatch> LogSource::watch_own(std::function<void()>) {
    return nullptr;
}

// While somebody watches, lines of any thread wake the loop: one call for all that come until it
// runs.
struct ThreadLogSource::Watches {
    std::optional<loop::Async> async;
    std::atomic<bool> posted{false};
    std::vector<std::function<void()>*> callbacks;
};

class ThreadLogSource::Watch final : public OwnWatch {
public:
    Watch(std::shared_ptr<Watches> watches, log::OwnLog& own_log, std::function<void()> on_line)
        : watches_{std::move(watches)}, own_log_{own_log}, on_line_{std::move(on_line)} {
        watches_->callbacks.push_back(&on_line_);
    }
    ~Watch() override {
        std::erase(watches_->callbacks, &on_line_);
        if (!watches_->callbacks.empty()) return;
        own_log_.on_line({});
        watches_->async.reset();
        watches_->posted = false;
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

private:
    std::shared_ptr<Watches> watches_;
    log::OwnLog& own_log_;
    std::function<void()> on_line_;
};

ThreadLogSource::ThreadLogSource(loop::Loop& loop, log::LogThread& thread, log::OwnLog& own_log)
    : loop_{loop}, thread_{thread}, own_log_{own_log}, watches_{std::make_shared<Watches>()} {}

ThreadLogSource::~ThreadLogSource() = default;

std::unique_ptr<LogSource::Follower> ThreadLogSource::look(
    log::LookRequest request, std::function<void(log::Look)> answer,
    std::function<void(std::vector<log::Line>)> on_lines) {
    return std::make_unique<ThreadFollower>(
        thread_.look(std::move(request), std::move(answer), std::move(on_lines)));
}

std::vector<log::OwnLine> ThreadLogSource::own_lines(std::uint64_t after) {
    return own_log_.lines_after(after);
}

std::unique_ptr<LogSource::OwnWatch> ThreadLogSource::watch_own(std::function<void()> on_line) {
    auto watch = std::make_unique<Watch>(watches_, own_log_, std::move(on_line));
    if (watches_->async) return watch;
    watches_->async.emplace(loop_);
    own_log_.on_line([watches = watches_.get()] {
        if (watches->posted.exchange(true)) return;
        watches->async->post([watches] {
            watches->posted = false;
            // From a copy: who is called may end its watch.
            const auto callbacks = watches->callbacks;
            for (auto* const callback : callbacks)
                if (std::ranges::find(watches->callbacks, callback) != watches->callbacks.end())
                    (*callback)();
        });
    });
    return watch;
}

void ThreadLogSource::query(log::Query query, std::function<void(std::vector<log::Line>)> answer) {
    thread_.query(std::move(query), std::move(answer));
}

void ThreadLogSource::dropped_of(std::vector<log::RunKey> runs,
                                 std::function<void(std::vector<std::uint64_t>)> answer) {
    thread_.dropped_of(std::move(runs), std::move(answer));
}

void ThreadLogSource::counters(std::function<void(std::vector<log::InstanceCounters>)> answer) {
    thread_.counters(std::move(answer));
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
