#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "conf/config.h"
#include "supervisor/model/attribution.h"
#include "supervisor/model/state.h"

namespace reeve::core {

using model::RunId;

// What the host must know to begin a run.  `program` lives until the run is forgotten, or it is
// told of another; the name until the call returns.
struct SpawnOrder {
    RunId id;            // answers name the run by this
    std::uint32_t slot;  // which instance, counted over all of them from 0
    const conf::Program& program;
    int instance;             // from 1
    const std::string& name;  // "web", "web@2"
    std::uint64_t run;        // of this instance, from 1
};

// A command that is run beside a program: one of a hook's, or reload_command.  The references live
// until the call returns.
using CommandId = std::uint64_t;
struct CommandOrder {
    CommandId id;
    RunId run;  // of the instance, for its environment; there may be no process yet, or any more
    std::uint32_t slot;
    const conf::Program& program;
    int instance;
    const std::string& name;
    std::uint64_t run_number;
    const std::vector<std::string>& words;
    pid_t main_pid;           // 0: there is none
    model::Duration timeout;  // after which it is killed; 0: never
};
struct CommandEnd {
    bool ok = false;
    std::string how{};  // "exit 1", "killed by SIGKILL", "exec mkdir: No such file or directory"
    std::string last_line{};  // that it wrote; may be empty
    bool no_room = false;     // the system lacked something; it was not started
};

// An instance that is there already has another definition, or another name.
struct Redefinition {
    std::uint32_t slot;
    std::optional<RunId> run;      // that goes on under it; nullopt: it is for the next
    const conf::Program& program;  // lives as in SpawnOrder
    int instance;                  // from 1
    const std::string& name;       // lives until the call returns
};

// The one seam between what decides and the machine it decides about.  app/linux_host implements it
// with processes, tests/sim with a world of its own.
//
// Orders return at once and never fail here; what came of them is told later, and never from inside
// the call, by the on_* functions of Roster.  Each spawn() is answered by on_executed or
// on_spawn_failed; after on_executed comes on_main_exited, once (a child that dies before it could
// report is a main process that exited).
class Host {
public:
    virtual ~Host() = default;

    virtual model::TimePoint now() const = 0;
    virtual model::WallTime wall_now() const = 0;
    virtual std::uint32_t random() = 0;

    // What local clocks show; the same object all the time.
    virtual const conf::Zone& zone() const {
        static const conf::UtcZone utc;
        return utc;
    }

    // Calls Roster::on_wake() at or after that time; replaces the last wish; nullopt: never.
    virtual void wake_at(std::optional<model::TimePoint> when) = 0;

    virtual void spawn(const SpawnOrder& order) = 0;

    // To the run's main process, its process group or all of its processes.  A run that has no
    // process yet is given up instead (on_spawn_failed).  What is gone is not signalled.  False: we
    // may not signal it (a main process that has become another user's).
    virtual bool signal(RunId run, int signal, conf::StopScope scope) = 0;

    // Kills all of the run's processes, again and again, until none is left: then on_emptied.
    virtual void kill_tree(RunId run) = 0;

    // Answered by on_emptied, or by on_left_behind and later, when it is true, on_emptied.
    virtual void check_tree(RunId run) = 0;

    // The command of a program of type `forking` ended well, or the daemon that it left behind did
    // while it was starting: looks for the daemon among what is left of the run, by its pid file if
    // it has one, until it is found or nothing is left.  Answered by on_main_found or
    // on_main_missing; a run that is being stopped or killed meanwhile is owed no answer.
    virtual void find_main(RunId run) = 0;

    // Looks for what [program.NAME.ready] says, until it is found or end_watch() is called:
    // answered by on_ready, and meanwhile by on_ready_hint with what was found instead.  What a run
    // says of itself is listened to from its spawn on, and may be told by on_ready before this is
    // asked.
    virtual void await_ready(RunId run) = 0;

    // Tries what [program.NAME.health] says once: answered by on_probed, unless end_watch() comes
    // before.
    virtual void probe_health(RunId run) = 0;

    // Nobody wants to know any more.
    virtual void end_watch(RunId run) = 0;
    // As reeve's own user, in the program's directory.  Answered by on_command_ended when it has
    // ended and nothing is left of it, what it left behind included, which is killed.
    virtual void run_command(const CommandOrder& order) = 0;
    // Makes that answer come soon.
    virtual void kill_command(CommandId command) = 0;

    // The run is over as far as the roster is concerned.  Descendants that were allowed to stay
    // (leftovers = "keep") go on being attributed to the instance, for as long as there are any.
    virtual void forget(RunId run) = 0;

    // What can be changed without a new run is: where its output goes.
    virtual void redefine(const Redefinition& definition) = 0;

    // The instance is no more, and nothing of it is left but what leftovers = "keep" has let live.
    // Its slot is not used again.
    virtual void retire(std::uint32_t slot) = 0;

    // All descendants of reeve that belong to no run that is still being stopped: kept leftovers
    // and strays.  Answered by Roster::on_rest_gone when there is none (left); `kill` repeats
    // SIGKILL until then.
    virtual void end_rest(bool kill) = 0;
};

}  // namespace reeve::core
