#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/log/line.h"
#include "supervisor/log/terminal_listener.h"
#include "supervisor/os/terminal.h"

namespace reeve::log {
class LogThread;
}

namespace reeve::control {

// Where the calls get programs' output from; instances go by their slot in the roster.  Answers
// come later, never from inside the call.
class LogSource {
public:
    virtual ~LogSource() = default;

    virtual void query(log::Query query, std::function<void(std::vector<log::Line>)> answer) = 0;

    // As LogThread::Follower: while it hasn't heard took() of what it gave, it may leave out lines
    // and say `missed`.  No callback after its end.
    class Follower {
    public:
        virtual ~Follower() = default;
        virtual void took(std::size_t lines) = 0;
    };
    virtual std::unique_ptr<Follower> follow(
        log::Query query, std::function<void(std::vector<log::Line>)> on_lines) = 0;

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
    explicit ThreadLogSource(log::LogThread& thread) : thread_{thread} {}

    void query(log::Query query, std::function<void(std::vector<log::Line>)> answer) override;
    std::unique_ptr<Follower> follow(log::Query query,
                                     std::function<void(std::vector<log::Line>)> on_lines) override;
    std::unique_ptr<Terminal> attach(log::InstanceId instance, os::WindowSize size,
                                     std::size_t lines, log::TerminalListener listener) override;

private:
    log::LogThread& thread_;
};

}  // namespace reeve::control
