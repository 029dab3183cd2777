#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>

#include "supervisor/app/service_status.h"
#include "supervisor/base/fd.h"
#include "supervisor/core/event.h"
#include "supervisor/core/roster.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"

namespace reeve::app {

// reeve as a service of systemd, Type=notify: sd_notify(3), systemd.service(5).  Of no effect where
// $NOTIFY_SOCKET is not set.  It never waits for the manager: what its socket does not take is sent
// again a moment later.
//
//   READY=1              once each program that starts by itself is ready or done, or can't be said
//                        to be on its way: in backoff, failed, or waiting for such a one
//   STATUS=              after changes, once a second at most
//   RELOADING=1, READY=1 around each apply
//   STOPPING=1           when the shutdown begins
//   EXTEND_TIMEOUT_USEC= while the start goes on, and for as long as the shutdown may take
//   WATCHDOG=1           from a timer of the supervision loop
class ServiceManager {
public:
    using Warn = std::function<void(const std::string&)>;

    // `loop`, `roster` and `events` must outlive this.
    ServiceManager(loop::Loop& loop, const core::Roster& roster, core::EventLog& events,
                   ServiceWishes wishes, Warn warn);
    ~ServiceManager();
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;

    // What starts by itself has been told to.
    void started();
    void apply_begins();
    void apply_ended(bool successful);

private:
    void open();
    void on_event(const core::Event& event);
    void look();
    void say_status();
    void stopping();
    void extend_start();
    bool is_up() const;
    std::string status() const;
    void send(std::string text);
    void flush();

    const core::Roster& roster_;
    core::EventLog& events_;
    ServiceWishes wishes_;
    Warn warn_;
    base::Fd socket_;
    core::EventLog::ListenerId listener_{};
    std::deque<std::string> unsent_;
    std::string last_status_;
    bool started_ = false;
    bool ready_ = false;
    bool stopping_ = false;
    bool last_apply_failed_ = false;
    bool told_trouble_ = false;
    int applies_ = 0;      // under way
    loop::Deferred look_;  // a death and the start that follows it are one change
    loop::Timer quiet_;    // since the last STATUS
    loop::Timer extend_;
    loop::Timer again_;
    loop::Timer watchdog_;
    bool status_due_ = false;
};

}  // namespace reeve::app
