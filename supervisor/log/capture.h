#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/log/counters.h"
#include "supervisor/log/line.h"
#include "supervisor/log/line_wait.h"
#include "supervisor/log/outlet.h"
#include "supervisor/log/output_pipe.h"
#include "supervisor/log/pull.h"
#include "supervisor/log/ring.h"
#include "supervisor/log/seat.h"
#include "supervisor/loop/poll_set.h"
#include "supervisor/model/line_buffer.h"

namespace reeve::log {

class Engine;

// The log thread's side of one instance's stdout or stderr: pipe -> ring, followers, sinks.
//
// Or of its terminal, of which each run has one of its own: then a run is over when its terminal
// has nothing more to read, and only then the next one's is read.
class Capture final : private loop::PollSet::Client, public RoomListener {
public:
    struct Boundary {
        std::uint64_t position = 0;  // bytes of the pipe that come before it
        bool begins = false;         // a run begins here; else one ends
        std::uint32_t run = 0;
        base::Fd terminal{};       // of the run that begins
        std::uint64_t number = 0;  // its sibling has the same; that of a run may come again
    };

    // Without a `read_end` it is a terminal's.
    Capture(Engine& engine, InstanceId instance, StreamName name, bool has_marks, base::Fd read_end,
            std::shared_ptr<ReadCursor> cursor);
    ~Capture();
    Capture(const Capture&) = delete;
    Capture& operator=(const Capture&) = delete;

    InstanceId instance() const { return instance_; }
    const Ring& ring() const { return ring_; }
    const StreamCounters& counters() const { return counters_; }
    // The run whose bytes come now, and what of one was dropped; 0 also of a run that is forgotten.
    std::uint32_t run() const { return run_; }
    std::uint64_t dropped_of(std::uint32_t run) const;
    Source source() const { return name_.source; }
    const StreamName& name() const { return name_; }

    // Where it goes from now on; a line that is on its way is first brought to its end where it was
    // begun, unless there is no room there.  `make` is called once, when it is time.
    using MakeOutlets = std::function<std::vector<Outlet>()>;
    void set_outlets(MakeOutlets make);
    std::vector<Outlet>& outlets() { return outlets_; }

    // The instance has another name.
    void rename(std::string name) { name_.name = std::move(name); }

    // The other stream of the instance, which is told the same boundaries and lives as long: what
    // one that is not held up has of a run stands between the run's marks.
    void set_sibling(Capture* sibling) { sibling_ = sibling; }

    // `position` nullopt: here, after what is in the pipe now.  Then pass_boundaries(), when the
    // sibling has it as well.
    void add_boundary(std::optional<std::uint64_t> position, bool begins, std::uint32_t run);
    void pass_boundaries();
    void begin_on_terminal(base::Fd master, std::uint32_t run);
    void set_pid(std::uint32_t run, std::uint64_t pid);
    void set_dropping(bool dropping);
    // Shows it each line that comes, until it is over; null: nobody waits any more.
    void set_line_wait(std::shared_ptr<LineWait> wait);

    // Who sits at the terminal from now on, and is given the last `lines` lines; null: nobody.
    void set_seat(std::unique_ptr<Seat> seat, std::size_t lines);
    Seat* seat() const { return seat_.get(); }
    // Brings what was typed to the terminal, as far as that takes it.
    void pass_typed();

    // Reads what is in the pipe, `most` bytes of it, while its sinks have room.
    void catch_up(std::size_t most);
    // Goes on if it was held up by a sink.
    void resume();
    // Tries again what the kernel refused to watch.
    void watch();
    bool pipe_empty() const { return bytes_in_pipe(read_end_.get()) == 0; }
    bool idle() const;
    // Reads on itself if who reads for it is held up.  False when nobody does.
    bool look_after_pull();

    // The end of the stream: what is in the pipe is taken, the last line completed.
    void finish();

    // Says how many lines were dropped since it said so last, when no more are or they have been
    // for a while.  To be called about each second while it returns true.
    bool report_dropped();

    // `after`: only what came since.
    void collect(const Query& query, std::vector<Line>& lines, bool with_partial,
                 const std::optional<Ring::Position>& after = {}) const;
    // Of what was written before that memory may have nothing.
    WallTime reaches_back_to() const;
    // Where more of it is to be found than in memory; of several the one that tells most.
    FileSink* file() const;
    bool has_marks() const { return has_marks_; }
    bool is_terminal() const { return is_terminal_; }

private:
    void on_ready(loop::PollSet::Ready ready) override;
    void on_room() override;
    void on_company() override { end_pull(); }
    void listen();
    bool start_pull();
    void end_pull();
    bool awaits_line() const { return line_wait_ && !line_wait_->is_over(); }
    bool may_read();
    // False when there was nothing.
    bool read_once();
    bool terminal_said_nothing(int error);
    void end_terminal();
    void begin_terminal(base::Fd master);
    loop::FdWatch::Events wanted() const;
    std::string last_lines(std::size_t count) const;
    std::string_view without_return(std::string_view line) const;
    void grow_pipe();
    void take(const Slice& slice);
    void take_part(const Slice& slice);
    void change_outlets();
    void end_line();
    void advance_past(std::uint64_t boundary);
    void put_bytes(Outlet& outlet, const Slice& slice);
    void begin_splitting();
    void on_line(std::string_view text, Record::End end);
    void add_mark(Line::Kind kind, std::uint32_t run, std::uint64_t number);
    void count_dropped();
    void say_dropped();

    Engine& engine_;
    const InstanceId instance_;
    StreamName name_;
    const bool has_marks_;
    const bool is_terminal_;
    bool in_run_ = false;  // of a terminal: its run has not ended
    bool blocked_ = false;
    bool at_announced_ = false;  // the watch pauses
    bool watched_ = false;
    bool mid_line_ = false;   // the last byte that came was no newline
    bool splitting_ = false;  // the splitter knows what has come of the line
    bool in_piece_ = false;
    std::uint8_t seconds_unsaid_ = 0;
    std::uint32_t run_ = 0;
    WallTime now_{0};

    base::Fd read_end_;
    std::size_t pipe_size_ = kFirstPipe;
    bool grown_ = false;  // or it was tried
    const WallTime opened_;
    std::shared_ptr<ReadCursor> cursor_;
    model::LineBuffer splitter_;
    Ring ring_;
    StreamCounters counters_;
    // Dropped lines of the last two runs that lost any, the younger first.
    struct Loss {
        std::uint32_t run = 0;
        std::uint64_t lines = 0;
    };
    std::unique_ptr<std::array<Loss, 2>> losses_;  // null: none
    std::uint64_t dropped_said_ = 0;
    std::uint64_t dropped_looked_ = 0;  // as report_dropped() saw it last
    std::vector<Boundary> boundaries_;  // the next one first
    std::uint64_t added_ = 0;           // the number of the last
    std::uint64_t passed_ = 0;          // of the last that is behind us
    Capture* sibling_ = nullptr;
    std::unique_ptr<Seat> seat_;
    std::shared_ptr<LineWait> line_wait_;
    std::vector<Outlet> outlets_;
    std::unique_ptr<MakeOutlets> next_outlets_;  // once the line that is on its way has ended
    std::shared_ptr<Pull> pull_;                 // while somebody else reads; the watch pauses
    loop::PollSet::Watch watch_;
};

}  // namespace reeve::log
