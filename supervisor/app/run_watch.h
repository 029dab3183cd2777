#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "conf/config.h"
#include "supervisor/app/probe.h"
#include "supervisor/base/fd.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/timer.h"

namespace reeve::app {

// Looks whether a run is ready and healthy, by what [program.NAME.ready] and .health say: by
// probes, and by the newline on a descriptor of its own.
class RunWatch {
public:
    struct Parts {
        loop::Loop& loop;
        SideCommands& commands;
        const conf::Program& program;  // it, and that of set_health(), outlive the watch
        int instance = 1;
        // A command that is run as the program is: by its user, in its directory, with its
        // environment.
        std::function<SideOrder(const std::vector<std::string>& words)> order;
        // Once after each await_ready(), and for a newline whenever it comes.
        std::function<void()> on_ready;
        // What was found instead, so far.
        std::function<void(std::string)> on_hint;
        // Once after each probe_health().
        std::function<void(model::ProbeVerdict, std::string)> on_probed;
    };

    explicit RunWatch(Parts parts);

    // Where the run is to write a newline: the end that it is to be given.  At most once.  An error
    // where no pipe can be had.
    base::OsExpected<base::Fd> open_descriptor();

    // Asks for its health by this from now on.
    void set_health(const conf::Program& program);

    // Neither calls back from inside.
    void await_ready();
    void probe_health();
    // Nothing comes any more, but for the newline.
    void end();

private:
    void try_ready();
    void on_newline();
    ProbeTarget target_of(const std::vector<conf::ProbeTarget>& probes) const;

    Parts parts_;
    const conf::Program* healthy_by_ = nullptr;
    std::unique_ptr<Probe> ready_;
    std::unique_ptr<Probe> health_;
    loop::Timer next_try_;
    std::chrono::steady_clock::time_point tried_{};
    bool had_newline_ = false;
    base::Fd newline_;
    loop::FdWatch newline_watch_;
};

}  // namespace reeve::app
