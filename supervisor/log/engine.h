#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "supervisor/log/console.h"
#include "supervisor/log/counters.h"
#include "supervisor/log/file_writer.h"
#include "supervisor/log/line.h"
#include "supervisor/log/output_pipe.h"
#include "supervisor/log/own_log.h"
#include "supervisor/log/ring.h"
#include "supervisor/log/sink.h"
#include "supervisor/loop/async.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"
#include "supervisor/model/line_buffer.h"

namespace reeve::log {

class Engine;

// The log thread's side of one instance's stdout or stderr: pipe -> lines -> ring, followers, sink.
class Capture {
public:
    struct Boundary {
        std::uint64_t position = 0;  // bytes of the pipe that come before it
        bool begins = false;         // a run begins here; else one ends
        std::uint32_t run = 0;
    };

    Capture(Engine& engine, InstanceId instance, const std::string& name, Source source,
            bool has_marks, base::Fd read_end, std::shared_ptr<ReadCursor> cursor);

    InstanceId instance() const { return instance_; }
    const Ring& ring() const { return ring_; }
    const StreamCounters& counters() const { return counters_; }
    Source source() const { return source_; }

    void set_sink(std::unique_ptr<Sink> sink);
    Sink& sink() { return *sink_; }

    // `position` nullopt: here, after what is in the pipe now.
    void add_boundary(std::optional<std::uint64_t> position, bool begins, std::uint32_t run);
    void set_pid(std::uint32_t run, std::uint64_t pid);
    void set_dropping(bool dropping);

    // Reads what is in the pipe, `most` bytes of it, while the sink has room.
    void catch_up(std::size_t most);
    // Goes on if it was held up by its sink.
    void resume();
    // Tries again what the kernel refused to watch.
    void watch();
    bool pipe_empty() const { return bytes_in_pipe(read_end_.get()) == 0; }

    // The end of the stream: what is in the pipe is taken, the last line completed.
    void finish();

    // Says how many lines were dropped since it said so last.
    void report_dropped();

    void collect(const Query& query, std::vector<Line>& lines, bool with_partial) const;

private:
    bool may_read();
    // False when there was nothing.
    bool read_once();
    void take(std::string_view bytes);
    void finish_line();
    void pass_boundaries();
    void add_line(std::string_view text, bool ends);
    void add_mark(Line::Kind kind, std::uint32_t run, std::uint64_t number);
    void hand_to_sink();

    Engine& engine_;
    const InstanceId instance_;
    const std::string& name_;
    const Source source_;
    const bool has_marks_;
    bool dropping_ = false;
    bool blocked_ = false;
    bool watched_ = false;
    WallTime now_{0};
    std::uint32_t run_ = 0;

    base::Fd read_end_;
    std::shared_ptr<ReadCursor> cursor_;
    model::LineBuffer splitter_;
    Ring ring_;
    StreamCounters counters_;
    std::uint64_t dropped_said_ = 0;
    std::vector<Boundary> boundaries_;  // the next one first
    std::unique_ptr<Sink> sink_;
    loop::FdWatch watch_;
};

// What runs on the log thread.  Made and destroyed by the supervision thread while the log thread
// doesn't run; all else but post() is called on the log thread.
class Engine {
public:
    using PostToMain = std::function<void(std::function<void()>)>;
    using OnLines = std::function<void(std::vector<Line>)>;  // is called on the log thread

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
            base::Fd read_end;
            std::shared_ptr<ReadCursor> cursor;
        };
        InstanceId id = 0;
        std::string name;
        std::optional<Owner> owner;
        Stream out;
        std::optional<Stream> err;  // none: merged
    };
    void open_instance(Opening opening);
    void set_outputs(InstanceId id, const conf::Output& out, const conf::Output& err,
                     std::optional<Owner> owner);
    using Positions = std::array<std::optional<std::uint64_t>, 2>;
    void add_boundary(InstanceId id, Positions positions, bool begins, std::uint32_t run);
    void set_pid(InstanceId id, std::uint32_t run, std::uint64_t pid);
    void stop_waiting(InstanceId id);
    void close_instance(InstanceId id);
    void reopen_files();
    void set_prefix(bool prefix);

    std::vector<Line> query(const Query& query);
    std::vector<InstanceCounters> counters();

    void follow(std::uint64_t follower, const Query& query, OnLines on_lines);
    void took(std::uint64_t follower, std::size_t lines);
    void unfollow(std::uint64_t follower);

    void drain(std::function<void()> done);

    // For Capture.
    loop::Loop& loop() { return *loop_; }
    std::span<char> buffer() { return {buffer_.get(), kBuffer}; }
    std::string& batch() { return batch_; }
    OwnLog& own_log() { return own_log_; }
    void was_read(std::size_t bytes);
    void to_followers(const Line& line);
    bool has_followers() const { return !followers_.empty(); }
    void watch_failed(const std::string& name, const base::OsError& error);
    void add_blocked(Capture& capture) { blocked_.push_back(&capture); }

private:
    struct Instance;
    struct Follower;
    // Where other threads find the engine, or that it is no more.
    struct Door {
        std::mutex mutex;
        Engine* engine = nullptr;
    };

    static constexpr std::size_t kBuffer = 64 * 1024;

    Engine(std::unique_ptr<loop::Loop> loop, Console& console, OwnLog& own_log);

    std::unique_ptr<Sink> make_sink(const Instance& instance, Source source,
                                    const conf::Output& output, std::optional<Owner> owner);
    void file_outcome(InstanceId id, Source source);
    void retry();
    void resume_blocked();
    void update_width();
    template <typename Action>
    void each_capture(Action action);
    Capture* find(InstanceId id, Source source);
    std::vector<Line> collect(const Query& query, bool with_partial);
    void forget_blocked(const Capture& capture);
    void deliver(Follower& follower);
    void end_of_turn();
    void drain_step();

    // Before what posts to it or is watched on it.
    std::unique_ptr<loop::Loop> loop_;
    Console& console_;
    OwnLog& own_log_;
    std::shared_ptr<Door> door_;

    loop::Async inbox_;
    loop::Timer retry_timer_;
    loop::Timer pool_timer_;
    loop::Timer drain_timer_;
    loop::AfterPoll turn_end_;
    std::function<void()> drained_;

    std::unique_ptr<WriterPool> pool_;
    Prefixing prefixing_;
    std::map<InstanceId, std::unique_ptr<Instance>> instances_;
    std::map<std::uint64_t, std::unique_ptr<Follower>> followers_;

    std::unique_ptr<char[]> buffer_;  // no page of it is touched before it is read into
    std::string batch_;
    std::size_t reads_ = 0;  // in this turn
    std::size_t bytes_ = 0;
    std::chrono::nanoseconds last_read_{0};
    std::uint32_t next_writer_ = 0;
    // In the order in which their sinks refused, so that each gets its turn.
    std::vector<Capture*> blocked_;
};

}  // namespace reeve::log
