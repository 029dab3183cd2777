#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "conf/config.h"
#include "supervisor/log/block_pool.h"
#include "supervisor/log/capture.h"
#include "supervisor/log/console.h"
#include "supervisor/log/counters.h"
#include "supervisor/log/file_sink.h"
#include "supervisor/log/followers.h"
#include "supervisor/log/inherit_sink.h"
#include "supervisor/log/line.h"
#include "supervisor/log/look.h"
#include "supervisor/log/output_pipe.h"
#include "supervisor/log/own_log.h"
#include "supervisor/log/trouble.h"
#include "supervisor/loop/async.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"

namespace reeve::log {

// What runs on the log thread.  Made and destroyed by the supervision thread while the log thread
// doesn't run; all else but post() is called on the log thread.
class Engine {
public:
    using PostToMain = std::function<void(std::function<void()>)>;
    using OnLines = Followers::OnLines;  // is called on the log thread

    static base::OsExpected<std::unique_ptr<Engine>> open(Console& console, OwnLog& own_log);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    void post(std::function<void()> task) { inbox_.post(std::move(task)); }
    void run() { loop_->run(); }
    void stop() { loop_->stop(); }

    struct Opening {
        struct Stream {
            conf::Output output;
            base::Fd read_end;  // none: of a terminal, which comes with each run
            std::shared_ptr<ReadCursor> cursor;
        };
        InstanceId id = 0;
        InstanceName name;
        std::optional<Owner> owner;
        std::optional<Stream> out;  // none: reeve's own descriptor was handed over
        std::optional<Stream> err;  // none: that, or merged
    };
    void open_instance(Opening opening);
    void set_outputs(InstanceId id, const std::string& name, const conf::Output& out,
                     const conf::Output& err, std::optional<Owner> owner);
    using Positions = std::array<std::optional<std::uint64_t>, 2>;
    void add_boundary(InstanceId id, Positions positions, bool begins, std::uint32_t run);
    void begin_on_terminal(InstanceId id, base::Fd master, std::uint32_t run);
    void set_pid(InstanceId id, std::uint32_t run, std::uint64_t pid);
    void stop_waiting(InstanceId id);
    void await_line(InstanceId id, const std::shared_ptr<LineWait>& wait);
    void begin_stop(InstanceId id);
    void end_stop(InstanceId id);
    void close_instance(InstanceId id, bool for_good);
    void reopen_files();
    void set_prefix(bool prefix);

    std::vector<Line> query(const Query& query);
    // As follow(), when `look.following` says so.
    Look look(std::uint64_t follower, const LookRequest& request, const OnLines& on_lines);
    // Grow for as long as the instance was not closed for good.
    std::vector<InstanceCounters> counters();
    // How many lines of each run were dropped, with what the pipes still have; who hears reports
    // knows it by then.
    std::vector<std::uint64_t> dropped_of(const std::vector<RunKey>& runs);
    // Is called on the log thread, when something has changed.
    using OnReport = std::function<void(OutputReport)>;
    void report_to(OnReport on_report);

    void follow(std::uint64_t follower, Query query, OnLines on_lines);
    void took(std::uint64_t follower, std::size_t lines);
    void unfollow(std::uint64_t follower);

    // The listener is called on the log thread.
    void attach(InstanceId id, std::size_t lines, TerminalListener listener);
    void type(InstanceId id, std::string_view bytes);
    void seat_took(InstanceId id, std::size_t bytes);
    // All that is written there by now is given to who sits there.
    void flush_seat(InstanceId id);
    void detach(InstanceId id);

    void drain(std::function<void()> done);
    // Whether any byte has moved since this was asked before.
    bool drains_on();
    // There is no more time: says what is lost.
    void give_up();

    // For Capture.
    loop::PollSet& poll_set() { return *poll_set_; }
    BlockPool& blocks() { return blocks_; }
    OwnLog& own_log() { return own_log_; }
    // For each stream that is read in this turn.
    void will_read() { ++streams_; }
    void was_read(std::size_t bytes, bool from_large_pipe);
    // Streams have been read again and again lately, little by little.
    bool is_busy() const { return busy_turns_ >= kBusyTurns; }
    // How large the pipe of one more busy stream should be, in bytes.  0: as it is.
    std::size_t larger_pipe();
    static constexpr std::size_t kLargestPipe = 1024 * 1024;
    void to_followers(const Line& line) { followers_.offer(line); }
    bool is_followed(InstanceId instance) const { return followers_.any_for(instance); }
    // It wants report_dropped() to be called in a second.
    void has_dropped(Capture& capture);
    // It wants look_after_pull() to be called now and then.
    void has_pull(Capture& capture);
    void watch_failed(const std::string& name, const base::OsError& error);
    // It wants watch() to be called in a second.
    void watch_later() { retry_later()(); }
    void forget_blocked(const Capture& capture);
    void add_blocked(Capture& capture) {
        blocked_.push_back(&capture);
        look_at_places_later();
    }

private:
    struct Instance;
    // Where other threads find the engine, or that it is no more.
    struct Door {
        std::mutex mutex;
        Engine* engine = nullptr;
    };

    static constexpr int kBusyTurns = 16;
    // All that a pipe may hold: the last words of a program that has just died are in the answer.
    static constexpr std::size_t kCatchUp = 1024 * 1024;

    Engine(std::unique_ptr<loop::Loop> loop, std::unique_ptr<loop::PollSet> poll_set,
           Console& console, OwnLog& own_log);

    std::vector<Outlet> make_outlets(const Instance& instance, Capture& capture,
                                     const conf::Output& output, const std::optional<Owner>& owner);
    std::unique_ptr<Sink> make_sink(const Instance& instance, Capture& capture,
                                    const conf::Sink& wanted, const std::optional<Owner>& owner);
    std::unique_ptr<InheritSink> inherit(Console::Target target, const std::string& name,
                                         conf::LogFormat format);
    std::shared_ptr<SharedFile> open_file(const Instance& instance, const conf::Sink& wanted,
                                          const std::optional<Owner>& owner);
    void open_pool();
    void unused(SharedFile& file);
    std::vector<SharedFile*>::iterator place_of(const std::string& path);
    template <typename Action>
    void each_file(Action action);
    std::function<void()> retry_later();
    void retry();
    void resume_blocked();
    void update_width();
    template <typename Action>
    void each_capture(Action action);
    Capture* find(InstanceId id, Source source);
    std::vector<Line> collect(const Query& query, bool with_partial);
    struct Looked;
    void look_at(const Capture& capture, const LookRequest& request,
                 std::optional<std::uint32_t> run, Looked& looked);
    bool wants_older(const Looked& looked, const LookRequest& request,
                     std::optional<WallTime> oldest_wanted) const;
    void forget(Capture& capture);
    void report_dropped();
    void look_at_stopping();
    void look_at_places_later();
    void look_at_places();
    void report(Instance& instance);
    std::vector<Trouble> troubles_of(Instance& instance);
    void end_of_turn();
    void drain_step();

    // Before what posts to it or is watched on it.
    std::unique_ptr<loop::Loop> loop_;
    std::unique_ptr<loop::PollSet> poll_set_;
    Console& console_;
    OwnLog& own_log_;
    const bool privileged_;
    std::shared_ptr<Door> door_;

    loop::Async inbox_;
    loop::Timer retry_timer_;
    loop::Timer pool_timer_;
    loop::Timer dropped_timer_;
    loop::Timer pull_timer_;
    loop::Timer stopping_timer_;
    loop::Timer places_timer_;
    loop::Timer drain_timer_;
    loop::AfterPoll turn_end_;
    std::function<void()> drained_;
    std::uint64_t moved_ = 0;  // as drains_on() saw it

    std::unique_ptr<WriterPool> pool_;  // before the files that are submitted to it
    Prefixing prefixing_;
    Scratch scratch_;
    std::unique_ptr<const SharedFile::Services> file_services_;
    std::vector<SharedFile*> files_;                    // that have users, by their paths
    std::vector<std::shared_ptr<SharedFile>> leaving_;  // with nobody but us who holds them
    std::map<InstanceId, std::unique_ptr<Instance>> instances_;
    // What instances came to that were closed to be opened again.
    std::map<InstanceId, InstanceCounters> closed_;
    std::set<InstanceId> stopping_;
    OnReport on_report_;
    Followers followers_;
    std::vector<Capture*> seated_;  // with somebody at their terminal

    BlockPool blocks_;
    // Of this turn.
    std::size_t streams_ = 0;
    std::size_t bytes_ = 0;
    bool only_large_pipes_ = true;
    std::chrono::nanoseconds last_read_{0};
    int busy_turns_ = 0;
    int large_pipes_ = 0;
    std::uint32_t next_writer_ = 0;
    std::set<Capture*> dropping_;
    std::set<Capture*> pulled_;
    // In the order in which their sinks refused, so that each gets its turn.
    std::vector<Capture*> blocked_;
};

}  // namespace reeve::log
