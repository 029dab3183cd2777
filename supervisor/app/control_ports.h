#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "supervisor/control/process_source.h"
#include "supervisor/control/remote.h"
#include "supervisor/control/server.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"

namespace reeve::app {

// The control API on TCP, as [control] listen says: a server for each address.  One that can't be
// had keeps nobody from anything: it is said, and tried again.
class ControlPorts {
public:
    // While an address can't be had.
    static constexpr std::chrono::milliseconds kRetry{2000};
    // Whoever guesses tokens is told of once in so long.
    static constexpr std::chrono::milliseconds kQuiet{10'000};

    struct Log {
        std::function<void(const std::string&)> info;
        std::function<void(const std::string&)> warn;
    };

    ControlPorts(loop::Loop& loop, Log log);

    // What the servers go by, as of now.
    const control::RemoteAccess& access() const { return access_; }

    // From now on by this configuration.  An address that is still wanted stays open, with all who
    // are connected there; at others they get the answers to what they have asked.
    void set(const conf::Control& control);

    // Begins to listen.  `world` is what the servers answer from, and refers to access().
    void start(const control::World& world);
    void stop();

    void tell_wrong_token(const control::Peer& peer);

    // For the doctor.
    std::vector<control::Finding> findings() const;

private:
    struct Port {
        Port(loop::Loop& loop, std::function<void(Port&)> again)
            : retry{loop, [this, again = std::move(again)] { again(*this); }}, work{loop} {}

        conf::ListenAddress address;
        std::unique_ptr<control::Server> server;  // null: not open
        std::string trouble;
        int error = 0;  // the errno that `trouble` tells of
        loop::Timer retry;
        loop::Work work;
    };

    void open_all();
    void open(Port& port);
    void serve(Port& port, base::Fd listening);
    void find_out(Port& port);
    void fail(Port& port, std::string trouble);
    void retire(Port& port);
    void bury();

    loop::Loop& loop_;
    Log log_;
    control::RemoteAccess access_;
    conf::Control control_;
    std::optional<control::World> world_;
    std::vector<std::unique_ptr<Port>> ports_;
    std::vector<std::unique_ptr<control::Server>>
        retired_;  // with clients that still get an answer
    loop::Timer bury_;
    std::optional<std::chrono::milliseconds> told_wrong_;
    std::size_t wrong_ = 0;  // since then
};

}  // namespace reeve::app
