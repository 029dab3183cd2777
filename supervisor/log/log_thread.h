#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "conf/config.h"
#include "conf/pattern.h"
#include "supervisor/base/fd.h"
#include "supervisor/log/console.h"
#include "supervisor/log/counters.h"
#include "supervisor/log/line.h"
#include "supervisor/log/log_directory.h"
#include "supervisor/log/look.h"
#include "supervisor/log/own_log.h"
#include "supervisor/log/record.h"
#include "supervisor/log/terminal_listener.h"
#include "supervisor/log/trouble.h"
#include "supervisor/loop/async.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"
#include "supervisor/os/terminal.h"

namespace reeve::log {

class Engine;

// What a program's stdout and stderr become.  Borrowed: valid until close_instance().  The same
// number twice when stderr is merged.  They are close-on-exec; the spawn dup2()s them.
struct OutputFds {
    int out = -1;
    int err = -1;
};

// The supervision loop's end of the log thread.  Nothing here waits for that thread; callbacks come
// on the supervision loop, and none after the LogThread (or the Follower) has died.
//
// A line's way: program -> pipe -> log thread -> ring in memory, followers, sink.  A stream whose
// sink has no room is not read, so that its program waits; nobody else does.  With more than one
// program (set_prefix) each line on reeve's own stdout or stderr is "NAME | text", NAME padded to
// the longest name that is open (24 at most).
class LogThread {
public:
    // Fails for want of a descriptor or a thread.  `loop` is the caller's; `console` and `own_log`
    // must outlive this.
    static base::OsExpected<std::unique_ptr<LogThread>> start(loop::Loop& loop, Console& console,
                                                              OwnLog& own_log);
    ~LogThread();
    LogThread(const LogThread&) = delete;
    LogThread& operator=(const LogThread&) = delete;

    // An Output's `path` is the file; put path_of(instance) there where each has its own.
    //
    // Makes the pipes of an instance, once for all its runs, owned by the program's user so that it
    // can open /dev/stdout again.  `owner` nullopt: reeve's own user.  Asked again for an id that
    // is open it answers with the same descriptors and changes name, owner and sinks to these;
    // which streams are captured stays as it is.
    base::OsExpected<OutputFds> open_instance(InstanceId id, InstanceName name,
                                              const conf::Output& out, const conf::Output& err,
                                              std::optional<Owner> owner);

    // The same for an instance whose every run gets a terminal of its own, from begin_run().
    void open_on_terminal(InstanceId id, InstanceName name, const conf::Output& out,
                          std::optional<Owner> owner);

    // Call it before the spawn: what is in the pipe until then belongs to the run before, what
    // comes from then on to this one.  Output waits for its sink (again).  What the run gets:
    // what open_instance() gave, or a new terminal, which fails where none can be had.
    base::OsExpected<OutputFds> begin_run(InstanceId id, std::uint32_t run);
    // After the spawn: the mark gets its pid.
    void set_pid(InstanceId id, std::uint32_t run, pid_t pid);
    // When the run's main process has been reaped, before anything new is spawned.  What is in the
    // pipe is still the run's; a last line without newline is completed.
    void end_run(InstanceId id, std::uint32_t run);

    // Calls back once, when a line of that run matches, on whichever stream; to be asked before
    // begin_run() of it.  Takes the place of what was asked for before; without a pattern nobody
    // waits any more.
    void await_line(InstanceId id, std::uint32_t run, std::optional<conf::Pattern> pattern,
                    std::function<void()> matched);

    // The program is stopping and its time is up: until the next begin_run() what its sink doesn't
    // take is dropped and counted.
    void stop_waiting(InstanceId id);

    // It is told to stop: from now on a stream whose place has had no room for a second drops what
    // it can't have, so that the program comes to its end; until that has come, and at most until
    // the next begin_run().
    void begin_stop(InstanceId id);
    void end_stop(InstanceId id);

    // Takes what is left in the pipes, then forgets the instance, its lines included; its counters
    // go on where it is opened again, unless this is `for_good`.
    void close_instance(InstanceId id, bool for_good = true);

    // SIGUSR1: files are opened anew, under the names that they have in the configuration.
    void reopen_files();

    void set_prefix(bool prefix);

    // The instances' pipes are read first (what their sinks allow), so the last words of a program
    // that has just died are in the answer.  In the order of time.
    void query(Query query, std::function<void(std::vector<Line>)> answer);

    void counters(std::function<void(std::vector<InstanceCounters>)> answer);

    // How many lines of each of the runs were dropped, for as long as that is remembered: until
    // two later ones have lost some.
    void dropped_of(std::vector<RunKey> runs,
                    std::function<void(std::vector<std::uint64_t>)> answer);

    // Called when a place begins to fail or to hold its instance up, and when it is well again.
    void on_report(std::function<void(OutputReport)> callback);

    // Live lines, from `query` on; `last_lines` = 0 for none of the past (until and run are only
    // for the past).  The first batch is that past, perhaps empty.  The follower has at most
    // `most_bytes` (here 1 MiB at most) on their way to it; when it doesn't say took(), it is given
    // a `missed` mark instead of lines, and no program waits for it.
    class Follower {
    public:
        ~Follower();
        Follower(const Follower&) = delete;
        Follower& operator=(const Follower&) = delete;

        // So many entries of the vectors given are dealt with.
        void took(std::size_t lines);

    private:
        friend class LogThread;
        Follower(std::weak_ptr<LogThread*> thread, std::uint64_t id)
            : thread_{std::move(thread)}, id_{id} {}

        std::weak_ptr<LogThread*> thread_;
        std::uint64_t id_;
    };
    std::unique_ptr<Follower> follow(Query query, std::function<void(std::vector<Line>)> on_lines);

    // What memory has, and which files have more.  With request.follow, and when `answer` says
    // so, the follower gets what comes from that moment on.
    std::unique_ptr<Follower> look(LookRequest request, std::function<void(Look)> answer,
                                   std::function<void(std::vector<Line>)> on_lines);

    // Somebody at an instance's terminal, over all its runs.
    class Attachment {
    public:
        // Leaves it, without a size.
        ~Attachment();
        Attachment(const Attachment&) = delete;
        Attachment& operator=(const Attachment&) = delete;

        // As if it were typed; on_taken() follows.  What is typed between two runs is the next
        // one's. How much is on its way is the caller's business.
        void type(std::string bytes);
        void resize(os::WindowSize size);
        // So many bytes given by on_output() are dealt with.  Who doesn't say so is told what he
        // has missed instead, and no program waits for him.
        void took(std::size_t bytes);
        // `done` once all that has been written so far was given to on_output().
        void flush(std::function<void()> done);

    private:
        friend class LogThread;
        Attachment(std::weak_ptr<LogThread*> thread, std::uint64_t id, InstanceId instance)
            : thread_{std::move(thread)}, id_{id}, instance_{instance} {}

        std::weak_ptr<LogThread*> thread_;
        std::uint64_t id_;
        InstanceId instance_;
    };
    // Null: the instance is not open, has no terminal, or somebody sits there.  The listener is
    // first given the last `lines` lines, and is not called after the Attachment has died.
    std::unique_ptr<Attachment> attach(InstanceId id, os::WindowSize size, std::size_t lines,
                                       TerminalListener listener);

    // At shutdown, with no program left: takes what is in the pipes and brings it to the sinks.
    // `done(true)` when all is there; `done(false)` when nothing has moved for `patience`, or after
    // five times as long, each counted from when the log thread comes to it.
    void drain(std::chrono::milliseconds patience, std::function<void(bool complete)> done);

private:
    struct Instance;

    explicit LogThread(loop::Loop& loop);
    // Tasks run on the log thread in the order of these calls, whichever of the two it was: at
    // once, or with what else comes within kSoon.
    void to_engine(std::function<void(Engine&)> task);
    void to_engine_soon(std::function<void(Engine&)> task);
    void flush();
    void wait_for_drain();
    void drain_more();
    void end_drain(bool complete);
    void set_window(InstanceId id, os::WindowSize size);
    template <typename Action>
    void to_attached(std::uint64_t id, Action action);

    loop::Async from_engine_;
    loop::Timer drain_deadline_;
    std::chrono::milliseconds drain_patience_{};
    int drain_deadlines_ = 0;  // that are left
    loop::Timer flush_soon_;
    std::vector<std::function<void(Engine&)>> held_;
    std::function<void(bool)> drain_done_;
    std::function<void(OutputReport)> on_report_;
    std::map<InstanceId, std::unique_ptr<Instance>> instances_;
    std::function<void(std::vector<Line>)> deliver_to(std::uint64_t follower);

    std::map<std::uint64_t, std::function<void(std::vector<Line>)>> followers_;
    std::uint64_t next_follower_ = 1;
    std::map<std::uint64_t, TerminalListener> attached_;
    std::uint64_t next_attachment_ = 1;
    std::shared_ptr<LogThread*> self_;

    std::unique_ptr<Engine> engine_;  // of the log thread while that runs
    std::thread thread_;
};

}  // namespace reeve::log
