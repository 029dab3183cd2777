#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/log/own_log.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/timer.h"
#include "supervisor/model/notification.h"
#include "supervisor/model/notify_sender.h"
#include "supervisor/os/closer.h"
#include "supervisor/os/notify_socket.h"
#include "supervisor/track/tracker.h"

namespace reeve::app {

// Hears what the runs say of themselves by sd_notify(3): one socket for each instance that is asked
// to, over all its runs.
class NotifyListener {
public:
    struct Parts {
        loop::Loop& loop;
        track::Tracker& tracker;
        log::OwnLog& own_log;
        std::string directory;  // of the sockets; absolute, and for nobody else's
        // As the log should call it: "web", "web@2".
        std::function<std::string(model::RunId)> name_of_run;
    };
    // What a process of that run has said, in the order in which it was.  Not from inside a call
    // but read() and begin_run().
    using OnSaid = std::function<void(model::RunId, const model::Notification&)>;

    NotifyListener(Parts parts, OnSaid on_said);
    ~NotifyListener();
    NotifyListener(const NotifyListener&) = delete;
    NotifyListener& operator=(const NotifyListener&) = delete;

    // What open_notify_socket(), which is for a thread that may wait, is to be asked for.
    os::NotifyRequest request_for(const std::string& name, std::optional<uid_t> only_user) const;
    bool has(std::uint32_t slot) const { return sockets_.contains(slot); }
    base::OsExpected<void> add(std::uint32_t slot, std::string name, os::NotifySocket socket);
    void remove(std::uint32_t slot);
    // For $NOTIFY_SOCKET.
    const std::string& address_of(std::uint32_t slot) const;

    // What comes from now on is believed if it is this run's; `users` are those that its processes
    // run as.
    void begin_run(std::uint32_t slot, model::RunId run, std::vector<uid_t> users);
    void main_is(std::uint32_t slot, pid_t pid);  // 0: it was taken
    // All that was sent until now, before it is told that its sender has ended.
    void read(std::uint32_t slot);
    // A child was taken.
    void reaped(pid_t pid, std::optional<model::RunId> run);

private:
    struct Socket;

    void listen(Socket& socket);
    bool read_some(Socket& socket, int most);
    void hear(Socket& socket, os::Notified notified);
    void say(Socket& socket, const std::string& what);

    Parts parts_;
    OnSaid on_said_;
    os::Closer closer_;
    model::RecentPids recent_;
    std::map<std::uint32_t, std::unique_ptr<Socket>> sockets_;
    loop::Timer again_;
};

}  // namespace reeve::app
