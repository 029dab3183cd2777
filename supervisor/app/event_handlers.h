#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conf/config.h"
#include "conf/paths.h"
#include "supervisor/app/side_commands.h"
#include "supervisor/core/event.h"
#include "supervisor/log/own_log.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"

namespace reeve::app {

// Runs the commands of [[on_event]] for what happens, beside everything else: so many at once, so
// many wait, and what comes when these are too many is dropped and counted.
//
// That a handler fails is said in the log and is no event: it could be its own cause.  Nor are the
// processes that a handler starts anybody's orphans.
class EventHandlers {
public:
    static constexpr std::size_t kAtOnce = SideCommands::kHandlersAtOnce;
    static constexpr std::size_t kWaiting = 100;
    // What they have at the end, when all programs have gone: a container has ten seconds for
    // everything.
    static constexpr std::chrono::milliseconds kLastTime{5000};

    // All must outlive it.  `environment` is reeve's own.
    EventHandlers(loop::Loop& loop, core::EventLog& events, SideCommands& commands,
                  log::OwnLog& log, conf::EnvironmentMap environment);
    ~EventHandlers();
    EventHandlers(const EventHandlers&) = delete;
    EventHandlers& operator=(const EventHandlers&) = delete;

    // From the next event on.
    void set(std::vector<conf::EventHandler> handlers);

    // reeve ends: calls back when what has happened until then is handled, or when the time for
    // that is up and it is closed.  Never from inside this call, and not after close().
    void finish(std::function<void()> done);
    // None is started any more.  Those that run are about to be killed, by whoever calls this.
    void close();

private:
    struct Waiting {
        std::shared_ptr<const conf::EventHandler> handler;
        std::shared_ptr<const std::string> event;  // as JSON
        std::string name;                          // of the event
    };

    void hear(const core::Event& event);
    void pump();
    void end();
    void run(Waiting next);

    core::EventLog& events_;
    SideCommands& commands_;
    log::OwnLog& log_;
    std::vector<std::string> environment_;
    std::vector<std::shared_ptr<const conf::EventHandler>> handlers_;
    core::EventLog::ListenerId listener_ = 0;
    std::deque<Waiting> waiting_;
    std::multiset<std::string> running_;  // as the log calls them
    std::uint64_t dropped_ = 0;           // since there was no room
    // Events are published in the middle of things, and a handler is started when they are over.
    loop::Deferred pump_;
    std::function<void()> finished_;  // null: nobody waits for the last of them
    loop::Timer last_time_;
    bool closed_ = false;
    bool said_closed_ = false;
};

}  // namespace reeve::app
