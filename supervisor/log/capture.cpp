#include "supervisor/log/capture.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "supervisor/log/engine.h"
#include "supervisor/log/file_sink.h"

namespace reeve::log {

namespace {

// The most that a pipe can hold, short of a privileged program's asking for more.
constexpr std::size_t kPipe = Engine::kLargestPipe;
constexpr std::size_t kMostBoundaries = 256;
// A stream with more to read than this gives the others their turn.
constexpr int kReadsATurn = 4;
// Where a run on a terminal ends is known when there is nothing more to read.
constexpr std::uint64_t kNotYetKnown = std::numeric_limits<std::uint64_t>::max();
// Seconds of dropping after which it is said that it goes on.
constexpr std::uint8_t kQuiet = 10;

WallTime wall_time() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return std::chrono::duration_cast<WallTime>(std::chrono::seconds{now.tv_sec} +
                                                std::chrono::nanoseconds{now.tv_nsec});
}

}  // namespace

Capture::Capture(Engine& engine, InstanceId instance, StreamName name, bool has_marks,
                 base::Fd read_end, std::shared_ptr<ReadCursor> cursor)
    : engine_{engine},
      instance_{instance},
      name_{std::move(name)},
      has_marks_{has_marks},
      is_terminal_{!read_end},
      read_end_{std::move(read_end)},
      opened_{wall_time()},
      cursor_{std::move(cursor)},
      watch_{engine.poll_set(), *this} {
    grown_ = is_terminal_;  // it is what it is
    watch();
}

Capture::~Capture() {
    end_pull();
}

void Capture::watch() {
    if (watched_ || !read_end_) return;
    const auto watched = watch_.start(read_end_.get(), wanted());
    watched_ = watched.has_value();
    if (!watched_) engine_.watch_failed(name_.name, watched.error());
}

void Capture::listen() {
    if (!watched_) return;
    const auto listens = watch_.change(wanted());
    watched_ = listens.has_value();
    if (!watched_) engine_.watch_failed(name_.name, listens.error());
}

void Capture::on_ready(loop::PollSet::Ready ready) {
    if (ready.writable) pass_typed();
    if (start_pull()) return;
    engine_.will_read();
    for (int reads = 0; reads < kReadsATurn && may_read() && read_once(); ++reads) {
    }
    ring_.settle();
}

// Whether it is for its file's thread to read now.
bool Capture::start_pull() {
    if (is_terminal_ || splitting_ || next_outlets_ || outlets_.size() != 1 ||
        !boundaries_.empty() || engine_.is_followed(instance_) || awaits_line() ||
        cursor_->is_at_announced())
        return false;
    const Outlet& outlet = outlets_.front();
    FileSink* const file = outlet.sink().as_file();
    if (!file || !file->may_pull() || !outlet.may_pull()) return false;
    const std::size_t waiting = bytes_in_pipe(read_end_.get());
    if (waiting < Pull::kLeast) return false;
    if (!grown_ && waiting >= pipe_size_ / 2) grow_pipe();

    watch_.pause();
    now_ = wall_time();
    file->note(now_, run_);
    pull_ = std::make_shared<Pull>(read_end_.get(), cursor_);
    file->pull(pull_, [this, pull = pull_] {
        // Who destroys this has ended it.
        if (!pull->ended()) end_pull();
    });
    engine_.has_pull(*this);
    return true;
}

bool Capture::look_after_pull() {
    if (!pull_) return false;
    SharedFile& file = outlets_.front().sink().as_file()->file();
    if (pull_->is_stuck() && !file.is_queued()) {
        file.was_held_up();
        // What is read now waits in the file's queue, and while it does there is no other pull.
        catch_up(kPipe);
    }
    return pull_ != nullptr;
}

void Capture::end_pull() {
    if (!pull_) return;
    const auto pulled = std::exchange(pull_, nullptr)->end();
    listen();
    if (pulled.bytes == 0) return;

    counters_.bytes += pulled.bytes;
    engine_.will_read();
    engine_.was_read(pulled.bytes, pipe_size_ >= kPipe);
    now_ = wall_time();
    std::uint64_t skipped = pulled.bytes;
    for (const Slice& slice : pulled.last) skipped -= slice.bytes.size();
    if (skipped > 0) ring_.skip(skipped, pulled.cut_in_line);
    for (const Slice& slice : pulled.last) ring_.append(now_, run_, slice);
    ring_.settle();
    mid_line_ = pulled.last.back().bytes.back() != '\n';
    outlets_.front().pulled(mid_line_);
}

void Capture::set_outlets(MakeOutlets make) {
    end_pull();
    next_outlets_ = std::make_unique<MakeOutlets>(std::move(make));
    if (!mid_line_ || blocked_) change_outlets();
}

void Capture::change_outlets() {
    count_dropped();
    const auto make = std::exchange(next_outlets_, nullptr);
    outlets_ = (*make)();
    resume();
}

bool Capture::may_read() {
    const bool must_wait = std::any_of(outlets_.begin(), outlets_.end(),
                                       [](const Outlet& outlet) { return outlet.must_wait(); });
    if (!must_wait) return true;
    if (next_outlets_) {
        change_outlets();
        return may_read();
    }
    // Asked from elsewhere than its watch, it may be blocked already.
    if (!std::exchange(blocked_, true)) engine_.add_blocked(*this);
    watch_.pause();
    return false;
}

void Capture::on_room() {
    engine_.forget_blocked(*this);
    resume();
}

void Capture::set_line_wait(std::shared_ptr<LineWait> wait) {
    // Who reads for it looks at no lines.
    if (wait) end_pull();
    line_wait_ = std::move(wait);
}

void Capture::resume() {
    if (std::exchange(blocked_, false)) listen();
}

bool Capture::read_once() {
    auto room = engine_.blocks().room();
    if (!boundaries_.empty()) {
        // What lies beyond it is another run's.
        const std::uint64_t left = boundaries_.front().position - cursor_->total();
        if (left < room.size()) room = room.first(static_cast<std::size_t>(left));
    }
    const ssize_t count = cursor_->read(read_end_.get(), room, !boundaries_.empty());
    if (count <= 0 && is_terminal_) return terminal_said_nothing(errno);
    if (count <= 0) {
        // Empty, or all writers have gone, which they do only when the instance is closed.
        if (count == 0) watch_.stop();
        if (cursor_->is_at_announced()) {
            at_announced_ = true;  // add_boundary() is on its way
            watch_.pause();
        }
        return false;
    }
    const auto size = static_cast<std::size_t>(count);
    engine_.was_read(size, pipe_size_ >= kPipe);
    if (!grown_ && (size >= pipe_size_ / 2 || engine_.is_busy())) grow_pipe();
    take(engine_.blocks().took(size));
    pass_boundaries();
    // A terminal gives a page at a time.
    return size == room.size() || is_terminal_;
}

// Returns whether there is more to read all the same: of the next run.
bool Capture::terminal_said_nothing(int error) {
    if (!boundaries_.empty()) {
        boundaries_.front().position = cursor_->total();
        pass_boundaries();
        return true;
    }
    if (error != EIO) return false;
    // Nobody has it open any more.  A program may have hung it up to open it anew.
    watch_.stop();
    watched_ = false;
    if (in_run_) {
        engine_.watch_later();
    } else {
        end_terminal();
    }
    return false;
}

void Capture::end_terminal() {
    watch_.stop();
    watched_ = false;
    read_end_.reset();
    pass_typed();
}

void Capture::begin_terminal(base::Fd master) {
    end_terminal();
    read_end_ = std::move(master);
    watch();
}

loop::FdWatch::Events Capture::wanted() const {
    return {.readable = true, .writable = seat_ && !seat_->typed().empty()};
}

void Capture::pass_typed() {
    if (!seat_) return;
    while (!seat_->typed().empty()) {
        const std::string& typed = seat_->typed();
        const ssize_t went = read_end_ ? ::write(read_end_.get(), typed.data(), typed.size()) : -1;
        if (went > 0) {
            seat_->typed_went(static_cast<std::size_t>(went));
        } else if (read_end_ && errno == EAGAIN) {
            break;
        } else {
            // There is nobody who could read it, and the next run is not whom it was for.
            seat_->typed_went(typed.size());
        }
    }
    if (!blocked_) listen();
}

void Capture::set_seat(std::unique_ptr<Seat> seat, std::size_t lines) {
    // First what there is to read, so that it does not come twice.
    catch_up(kPipe);
    seat_ = std::move(seat);
    if (seat_) seat_->offer(last_lines(lines));
    if (!blocked_) listen();
}

// As they came, for a terminal to show.
std::string Capture::last_lines(std::size_t count) const {
    std::vector<std::string> lines;
    if (count == 0) return {};
    ring_.visit(count, [&](const Ring::Entry& entry) {
        if (!is_line(entry.kind)) return;
        lines.emplace_back(entry.text);
        if (entry.kind == Line::Kind::text) lines.back() += '\n';
        if (entry.kind == Line::Kind::unended) lines.back() += "\r\n";
    });
    std::string text;
    for (std::size_t i = lines.size() - std::min(count, lines.size()); i < lines.size(); ++i) {
        text += lines[i];
    }
    return text;
}

// A terminal ends lines with "\r\n", by its settings and not by the program's wish.
std::string_view Capture::without_return(std::string_view line) const {
    if (is_terminal_ && line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

// A writer that fills its pipe waits for us, and one that we let write for a while makes us read
// seldom: both want a large one.  Idle pipes stay small, as their slots are memory too.
void Capture::grow_pipe() {
    grown_ = true;
    if (const std::size_t size = engine_.larger_pipe())
        pipe_size_ = set_pipe_size(read_end_.get(), size);
}

void Capture::take(const Slice& slice) {
    const std::size_t newline = next_outlets_ ? slice.bytes.find('\n') : std::string_view::npos;
    if (newline == std::string_view::npos) return take_part(slice);
    take_part(slice.first(newline + 1));
    change_outlets();
    if (newline + 1 < slice.bytes.size()) take_part(slice.from(newline + 1));
}

void Capture::take_part(const Slice& slice) {
    counters_.bytes += slice.bytes.size();
    now_ = wall_time();

    bool any_lines = engine_.is_followed(instance_) || awaits_line();
    for (Outlet& outlet : outlets_) {
        outlet.begin();
        outlet.sink().note(now_, run_);
        if (outlet.takes_bytes()) {
            put_bytes(outlet, slice);
        } else {
            outlet.is_given_lines(true);
            any_lines = true;
        }
    }
    if (any_lines) {
        if (!splitting_) begin_splitting();
        splitter_.feed(slice.bytes, [this](std::string_view text, bool ends) {
            on_line(text, ends ? Record::End::newline : Record::End::more);
        });
    } else if (splitting_) {
        splitting_ = in_piece_ = false;
        splitter_ = model::LineBuffer{};
    }
    if (seat_) seat_->offer(slice.bytes);
    ring_.append(now_, run_, slice);
    mid_line_ = slice.bytes.back() != '\n';
    for (Outlet& outlet : outlets_) outlet.flush();
    count_dropped();
}

void Capture::put_bytes(Outlet& outlet, const Slice& slice) {
    const std::string_view pending = splitter_.pending();
    if (outlet.is_given_lines(false) && !pending.empty()) {
        // Its file can be opened now, and the line that is on its way has gone nowhere yet.
        auto copy = std::make_shared<char[]>(pending.size());
        pending.copy(copy.get(), pending.size());
        const std::string_view bytes{copy.get(), pending.size()};
        outlet.put_bytes({std::move(copy), bytes});
    }
    outlet.put_bytes(slice);
}

// Who begins to look in the middle of a line is told its beginning too, as far as it is known.
void Capture::begin_splitting() {
    splitting_ = true;
    ring_.settle();
    if (mid_line_) splitter_.feed(ring_.unfinished(), [](std::string_view, bool) {});
}

void Capture::on_line(std::string_view text, Record::End end) {
    if (end == Record::End::newline) text = without_return(text);
    const Record record{
        .stream = name_,
        .time = now_,
        .run = run_,
        .pid = cursor_->pid_of(run_),
        .text = text,
        .end = end,
        .begins = !in_piece_,
    };
    in_piece_ = end == Record::End::more;
    for (Outlet& outlet : outlets_)
        if (!outlet.takes_bytes()) outlet.put(record);
    if (line_wait_) line_wait_->look_at(run_, text);
    if (!engine_.is_followed(instance_)) return;
    const auto kind = end == Record::End::newline ? Line::Kind::text
                      : end == Record::End::more  ? Line::Kind::piece
                                                  : Line::Kind::unended;
    engine_.to_followers({.time = now_,
                          .instance = instance_,
                          .run = run_,
                          .source = name_.source,
                          .kind = kind,
                          .text = std::string{text}});
}

// A run begins on a line of its own, whatever the one before left.
void Capture::end_line() {
    if (!std::exchange(mid_line_, false)) return;
    now_ = wall_time();
    if (!has_marks_) ring_.append_mark(now_, run_, Line::Kind::run_end);

    static constexpr std::string_view kNewline = "\n";
    for (Outlet& outlet : outlets_) {
        outlet.begin();
        outlet.sink().note(now_, run_);
        if (!outlet.takes_bytes()) continue;
        outlet.sink().mark(now_, run_, LineIndex::Kind::unended);
        // The bytes are static: nobody has to keep them.
        put_bytes(outlet, {nullptr, kNewline});
    }
    const bool to_lines = std::any_of(outlets_.begin(), outlets_.end(),
                                      [](const Outlet& outlet) { return !outlet.takes_bytes(); });
    if (to_lines && !splitting_) begin_splitting();
    if (splitting_) {
        splitter_.finish([this](std::string_view text, bool) { on_line(text, Record::End::none); });
    }
    for (Outlet& outlet : outlets_) outlet.flush();
    count_dropped();
    if (next_outlets_) change_outlets();
}

void Capture::add_mark(Line::Kind kind, std::uint32_t run, std::uint64_t number) {
    now_ = wall_time();
    ring_.append_mark(now_, run, kind, number);
    const auto mark =
        kind == Line::Kind::run_begin ? LineIndex::Kind::run_begin : LineIndex::Kind::run_end;
    for (Outlet& outlet : outlets_) outlet.sink().mark(now_, run, mark);
    if (!engine_.is_followed(instance_)) return;
    engine_.to_followers({.time = now_,
                          .instance = instance_,
                          .run = run,
                          .source = name_.source,
                          .kind = kind,
                          .number = number});
}

void Capture::add_boundary(std::optional<std::uint64_t> position, bool begins, std::uint32_t run) {
    end_pull();
    if (!is_terminal_) cursor_->heard();
    if (std::exchange(at_announced_, false) && !blocked_) listen();
    std::uint64_t at = position.value_or(cursor_->total() + bytes_in_pipe(read_end_.get()));
    at = std::max(at, boundaries_.empty() ? cursor_->total() : boundaries_.back().position);
    const std::uint64_t number = ++added_;
    // Only a program that dies over and over while nobody takes its output gets here.
    if (boundaries_.size() >= kMostBoundaries) boundaries_.pop_back();
    boundaries_.push_back({is_terminal_ ? kNotYetKnown : at, begins, run, {}, number});
    if (is_terminal_) catch_up(kPipe);
}

// Reads on until it is past that boundary, if it knows of it and no sink is in the way.
void Capture::advance_past(std::uint64_t boundary) {
    if (passed_ >= boundary || boundaries_.empty() || boundaries_.back().number < boundary) return;
    pass_boundaries();
    while (passed_ < boundary && may_read() && read_once()) {
    }
    ring_.settle();
}

void Capture::begin_on_terminal(base::Fd master, std::uint32_t run) {
    if (boundaries_.size() >= kMostBoundaries) boundaries_.pop_back();
    boundaries_.push_back({kNotYetKnown, true, run, std::move(master)});
    catch_up(kPipe);
}

void Capture::pass_boundaries() {
    while (!boundaries_.empty() && boundaries_.front().position <= cursor_->total()) {
        const std::uint64_t number = boundaries_.front().number;
        // The marks are stdout's.
        if (sibling_ && boundaries_.front().begins != has_marks_) {
            sibling_->advance_past(number);
            if (passed_ >= number) continue;  // it had us go on
        }
        passed_ = number;
        Boundary boundary = std::move(boundaries_.front());
        boundaries_.erase(boundaries_.begin());
        if (boundaries_.empty()) boundaries_.shrink_to_fit();  // it is for most of its time
        end_line();
        in_run_ = boundary.begins;
        if (boundary.terminal) begin_terminal(std::move(boundary.terminal));
        if (boundary.begins) {
            run_ = boundary.run;
            if (has_marks_) add_mark(Line::Kind::run_begin, boundary.run, 0);
        } else if (has_marks_) {
            add_mark(Line::Kind::run_end, boundary.run, 0);
        }
    }
}

void Capture::set_pid(std::uint32_t run, std::uint64_t pid) {
    if (!has_marks_) return;
    ring_.set_run_number(run, pid);
    for (Outlet& outlet : outlets_) outlet.sink().set_run_number(run, pid);
}

void Capture::set_dropping(bool dropping) {
    end_pull();
    for (Outlet& outlet : outlets_) outlet.set_dropping(dropping);
    if (dropping) {
        resume();
    } else {
        say_dropped();
    }
}

void Capture::count_dropped() {
    std::uint64_t lines = 0;
    for (Outlet& outlet : outlets_) {
        const std::uint64_t here = outlet.take_dropped_lines();
        if (here > 0) outlet.sink().dropped(now_, run_, here);
        lines += here;
    }
    if (lines == 0) return;
    if (!losses_) losses_ = std::make_unique<std::array<Loss, 2>>();
    auto& [last, before] = *losses_;
    if (last.run != run_) before = std::exchange(last, {.run = run_, .lines = 0});
    last.lines += lines;
    if (counters_.dropped_lines == dropped_said_) engine_.has_dropped(*this);
    counters_.dropped_lines += lines;
}

std::uint64_t Capture::dropped_of(std::uint32_t run) const {
    if (!losses_) return 0;
    const auto loss = std::ranges::find(*losses_, run, &Loss::run);
    return loss == losses_->end() ? 0 : loss->lines;
}

bool Capture::report_dropped() {
    const bool goes_on =
        std::exchange(dropped_looked_, counters_.dropped_lines) != counters_.dropped_lines;
    if (counters_.dropped_lines == dropped_said_) return false;
    if (goes_on && ++seconds_unsaid_ < kQuiet) return true;
    say_dropped();
    return goes_on;
}

void Capture::say_dropped() {
    const std::uint64_t lines =
        counters_.dropped_lines - std::exchange(dropped_said_, counters_.dropped_lines);
    seconds_unsaid_ = 0;
    if (lines == 0) return;
    engine_.own_log().warn(name_.name + ": " + std::to_string(lines) +
                           (lines == 1 ? " line" : " lines") + " of its " +
                           (name_.source == Source::out ? "output" : "stderr") +
                           " dropped: what they go to did not take them in time");
}

void Capture::catch_up(std::size_t most) {
    end_pull();
    const std::uint64_t until = cursor_->total() + most;
    while (cursor_->total() < until && may_read() && read_once()) {
    }
    ring_.settle();
}

bool Capture::idle() const {
    return std::all_of(outlets_.begin(), outlets_.end(),
                       [](const Outlet& outlet) { return outlet.sink().idle(); });
}

void Capture::finish() {
    set_dropping(true);
    catch_up(kPipe);
    end_line();
    say_dropped();
}

WallTime Capture::reaches_back_to() const {
    return ring_.forgotten_before().value_or(opened_);
}

FileSink* Capture::file() const {
    // JSON tells most, raw least.
    constexpr auto rank = [](conf::LogFormat format) {
        return format == conf::LogFormat::json ? 2 : format == conf::LogFormat::text ? 1 : 0;
    };
    FileSink* best = nullptr;
    for (const Outlet& outlet : outlets_) {
        FileSink* const sink = outlet.sink().as_file();
        if (sink && (!best || rank(sink->format()) > rank(best->format()))) best = sink;
    }
    return best;
}

void Capture::collect(const Query& query, std::vector<Line>& lines, bool with_partial,
                      const std::optional<Ring::Position>& after) const {
    if (query.source && *query.source != name_.source && !has_marks_) return;

    // Where lines are left out by another rule, the last so many can't be known in advance.
    const bool all_count =
        !after && !query.until && !query.run && !(query.source && *query.source != name_.source);
    ring_.visit(all_count ? query.last_lines : std::nullopt, [&](const Ring::Entry& entry) {
        if (after && entry.bytes <= after->bytes && entry.marks <= after->marks) return;
        if (query.since && entry.time < *query.since) return;
        if (query.until && entry.time > *query.until) return;
        if (query.run && entry.run != *query.run) return;
        if (entry.kind == Line::Kind::partial && !with_partial) return;
        if (is_line(entry.kind)) {
            if (query.source && *query.source != name_.source) return;
        } else if (!has_marks_) {
            return;
        }
        lines.push_back(
            {.time = entry.time,
             .instance = instance_,
             .run = entry.run,
             .source = name_.source,
             .kind = entry.kind,
             .number = entry.number,
             .text = std::string{entry.kind == Line::Kind::text ? without_return(entry.text)
                                                                : entry.text}});
    });
}

}  // namespace reeve::log
