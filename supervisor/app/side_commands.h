#pragma once

#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "supervisor/base/exit_status.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"
#include "supervisor/os/spawn.h"
#include "supervisor/track/sweeper.h"

// Commands that are run beside the programs: a probe's exec, start_pre and stop_post, stop_command
// and reload_command, the handlers of on_event.
namespace reeve::app {

using model::RunId;

// How one of them ended, or why it did not begin.
struct SideResult {
    enum class Kind { exited, timed_out, not_started };
    Kind kind = Kind::exited;
    base::ExitStatus status{};            // exited
    std::chrono::milliseconds timeout{};  // timed_out
    std::string failure{};  // not_started: "exec pg_isready: No such file or directory"
    // not_started: the machine lacks something for now (processes, memory, descriptors, a free
    // place), which says nothing about what the command is for.
    bool transient = false;
    // The end of what it wrote, stdout and stderr as they came, kSideOutput bytes at most.
    std::string output{};
    std::size_t not_copied = 0;  // bytes that SideOrder::copy_to had no room for at the end

    bool ok() const { return kind == Kind::exited && status == base::ExitStatus{}; }
    // "exit 2", "timed out after 3s", "exec pg_isready: No such file or directory"
    std::string text() const;
    // With the last line that it wrote: "exit 2: no response"
    std::string text_with_output() const;
};

inline constexpr std::size_t kSideOutput = 4096;

// The last line with something in it, for people: control characters escaped, its end cut off
// after so many bytes.  Empty: there is none.
std::string last_line(std::string_view output);

struct SideOrder {
    // Who waits for whom when there are many: a probe that hangs keeps no hook from running.
    enum class Lane { probe, hook, handler };
    Lane lane = Lane::hook;

    // The instance that it is run for; nullopt: none.
    std::optional<std::uint32_t> slot{};

    // All of it but output, tag, session and death signal, which are settled here, and what nofile
    // and oom_score_adj are where it says nothing.
    os::SpawnRequest request{};

    // After which it is killed, with all that came from it; 0: never.
    std::chrono::milliseconds timeout{0};

    // What it reads from its standard input, which takes the place of request.input.
    std::optional<std::string> input{};

    // Gets a copy of all that it writes, and waits for no one: it is not read faster than this
    // takes it.  Non-blocking; -1: nobody wants it.
    base::Fd copy_to{};

    // What request.mount_namespace is, kept open until it is there.
    std::shared_ptr<base::Fd> view{};
};

// Runs them, each as a run of its own: with a number and a tag of its own, so that its processes
// are nobody else's, and whatever it leaves behind is killed as soon as it has ended.
//
// It neither waits for processes nor sweeps: whoever owns reaper and sweeper (LinuxHost) hands on
// what comes of the runs that is_side() says are ours.
class SideCommands {
public:
    // So many at once.  Hooks may wait for each other (a start_pre until another program's port is
    // open), so there is a place for each program of any size of house.
    static constexpr std::size_t kProbesAtOnce = 16;
    static constexpr std::size_t kHooksAtOnce = 4096;
    static constexpr std::size_t kHandlersAtOnce = 4;
    // So many wait; who comes then is refused.
    static constexpr std::size_t kWaiting = 4096;
    static constexpr std::size_t kHandlersWaiting = 64;

    struct Parts {
        loop::Loop& loop;
        os::Spawner& spawner;
        track::Tracker& tracker;
        track::Sweeper& sweeper;
        std::function<void()> arm_sweep;  // the sweeper has something to do
        std::function<void()> on_room;    // the spawner may take more
        std::optional<rlimit> nofile{};
        std::optional<int> oom_score_adj{};
    };

    // Neither comes from inside a call of this class's.  Both may call it.
    struct Callbacks {
        // Once, as soon as it is known; what it left behind may still be dying.
        std::function<void(const SideResult&)> on_end{};
        // After that: nothing is left of it.
        std::function<void()> on_gone{};
    };

    explicit SideCommands(Parts parts);
    ~SideCommands();
    SideCommands(const SideCommands&) = delete;
    SideCommands& operator=(const SideCommands&) = delete;

    // nullopt, and nothing comes of it: too many wait already, or it is closed.
    [[nodiscard]] std::optional<RunId> start(SideOrder order, Callbacks callbacks);

    // Ends it and all that came from it; on_end and on_gone come as always.
    void kill(RunId command);
    void kill_all();
    // From now on none is started.
    void close() { closed_ = true; }
    void kill_all_of(std::uint32_t slot, SideOrder::Lane lane);
    // The same, and nobody wants to hear of it any more.
    void abandon(RunId command);

    // Whether anything of them may be left.
    bool any() const { return !live_.empty(); }
    // A process of one on that lane.
    bool any_of(std::uint32_t slot, SideOrder::Lane lane) const;

    static bool is_side(RunId run) { return run >= kFirst; }

    // --- from whoever owns the spawner, the reaper and the sweeper; only with what is_side()
    // ----------

    // The spawner may take more.
    void pump();
    // Its main process was taken.  Sweeper::main_gone() is to be called after it.
    void main_ended(RunId run, const base::ExitStatus& status);
    void on_emptied(RunId run);
    void on_left_behind(RunId run);

private:
    // The roster's numbers begin at 1, and will not come this far.
    static constexpr RunId kFirst = RunId{1} << 62;
    static constexpr std::size_t kLanes = 3;

    struct Live;
    struct Report {
        RunId command;
        std::shared_ptr<Callbacks> callbacks;
        std::optional<SideResult> result;  // nullopt: it is gone
    };
    struct Queue {
        std::deque<RunId> waiting;
        std::size_t running = 0;
    };

    Live* find(RunId run);
    Queue& queue_of(const Live& live);
    void launch(Live& live);
    std::optional<base::OsError> clone(Live& live);
    void watch_flight(Live& live);
    void landed(RunId run);
    void on_output(RunId run);
    bool read_output(Live& live);
    void copy(Live& live, std::string_view bytes);
    void read_on(Live& live);
    void drain(Live& live);
    void on_deadline(RunId run);
    void end(Live& live, SideResult result);
    void remove(Live& live);
    void deliver();

    Parts parts_;
    bool closed_ = false;
    RunId last_ = kFirst;
    std::unordered_map<RunId, std::unique_ptr<Live>> live_;
    std::array<Queue, kLanes> queues_;
    std::deque<Report> reports_;
    loop::Deferred reports_due_;
};

}  // namespace reeve::app
