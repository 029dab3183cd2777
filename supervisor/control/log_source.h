#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/log/counters.h"
#include "supervisor/log/line.h"
#include "supervisor/log/look.h"
#include "supervisor/log/own_log.h"
#include "supervisor/log/terminal_listener.h"
#include "supervisor/os/terminal.h"

namespace reeve::log {
class LogThread;
}

namespace reeve::loop {
class Loop;
}

namespace reeve::control {

// Where the calls get programs' output from; instances go by their slot in the roster.  Answers
// come later, never from inside the call.
class LogSource {
public:
    virtual ~LogSource() = default;

    virtual void query(log::Query query, std::function<void(std::vector<log::Line>)> answer) = 0;

    // As LogThread::dropped_of().  A source that drops nothing may answer from inside the call.
    virtual void dropped_of(std::vector<log::RunKey> runs,
                            std::function<void(std::vector<std::uint64_t>)> answer);

    // As LogThread::counters().  A source that counts nothing may answer from inside the call.
    virtual void counters(std::function<void(std::vector<log::InstanceCounters>)> answer);

    // As LogThread::Follower: while it hasn't heard took() of what it gave, it may leave out lines
    // and say `missed`.  No callback after its end.
    class Follower {
    public:
        virtual ~Follower() = default;
        virtual void took(std::size_t lines) = 0;
    };
    virtual std::unique_ptr<Follower> follow(
        log::Query query, std::function<void(std::vector<log::Line>)> on_lines) = 0;

    // As LogThread::look().  A source that knows no files answers with what memory has.
    virtual std::unique_ptr<Follower> look(log::LookRequest request,
                                           std::function<void(log::Look)> answer,
                                           std::function<void(std::vector<log::Line>)> on_lines);

    // reeve's own log, as OwnLog::lines_after().
    virtual std::vector<log::OwnLine> own_lines(std::uint64_t after);
    // `on_line` is called on the loop when there are more, until the watch dies.
    class OwnWatch {
    public:
        virtual ~OwnWatch() = default;
    };
    virtual std::unique_ptr<OwnWatch> watch_own(std::function<void()> on_line);

    // As LogThread::Attachment.
    class Terminal {
    public:
        virtual ~Terminal() = default;
        virtual void type(std::string bytes) = 0;
        virtual void resize(os::WindowSize size) = 0;
        virtual void took(std::size_t bytes) = 0;
        virtual void flush(std::function<void()> done) = 0;
    };
    // Null: the instance has had no terminal yet, or somebody sits there.
    virtual std::unique_ptr<Terminal> attach(log::InstanceId instance, os::WindowSize size,
                                             std::size_t lines, log::TerminalListener listener) = 0;
};

// The real one.
class ThreadLogSource final : public LogSource {
public:
    ThreadLogSource(loop::Loop& loop, log::LogThread& thread, log::OwnLog& own_log);
    ~ThreadLogSource() override;

    void query(log::Query query, std::function<void(std::vector<log::Line>)> answer) override;
    void dropped_of(std::vector<log::RunKey> runs,
                    std::function<void(std::vector<std::uint64_t>)> answer) override;
    void counters(std::function<void(std::vector<log::InstanceCounters>)> answer) override;
    std::unique_ptr<Follower> follow(log::Query query,
                                     std::function<void(std::vector<log::Line>)> on_lines) override;
    std::unique_ptr<Follower> look(log::LookRequest request, std::function<void(log::Look)> answer,
                                   std::function<void(std::vector<log::Line>)> on_lines) override;
    std::vector<log::OwnLine> own_lines(std::uint64_t after) override;
    std::unique_ptr<OwnWatch> watch_own(std::function<void()> on_line) override;
    std::unique_ptr<Terminal> attach(log::InstanceId instance, os::WindowSize size,
                                     std::size_t lines, log::TerminalListener listener) override;

private:
    class Watch;
    struct Watches;

    loop::Loop& loop_;
    log::LogThread& thread_;
    log::OwnLog& own_log_;
    std::shared_ptr<Watches> watches_;
};

}  // namespace reeve::control
