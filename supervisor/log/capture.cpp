#include <time.h>

#include <algorithm>
#include <cerrno>

#include "supervisor/log/engine.h"

namespace reeve::log {

namespace {

// The most that a pipe can hold, short of a privileged program's asking for more.
constexpr std::size_t kPipe = 1024 * 1024;
constexpr std::size_t kMostBoundaries = 256;

WallTime wall_time() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return std::chrono::duration_cast<WallTime>(std::chrono::seconds{now.tv_sec} +
                                                std::chrono::nanoseconds{now.tv_nsec});
}

}  // namespace

Capture::Capture(Engine& engine, InstanceId instance, const std::string& name, Source source,
                 bool has_marks, base::Fd read_end, std::shared_ptr<ReadCursor> cursor)
    : engine_{engine},
      instance_{instance},
      name_{name},
      source_{source},
      has_marks_{has_marks},
      read_end_{std::move(read_end)},
      cursor_{std::move(cursor)},
      watch_{engine.loop()} {
    watch();
}

void Capture::watch() {
    if (watched_) return;
    const auto watched = watch_.start(read_end_.get(), {.readable = true}, [this](auto) {
        if (may_read()) read_once();
    });
    watched_ = watched.has_value();
    if (!watched_) engine_.watch_failed(name_, watched.error());
}

void Capture::set_sink(std::unique_ptr<Sink> sink) {
    sink_ = std::move(sink);
    resume();
}

bool Capture::may_read() {
    if (dropping_ || sink_->has_room()) return true;
    // Asked from elsewhere than its watch, it may be blocked already.
    if (!std::exchange(blocked_, true)) engine_.add_blocked(*this);
    watch_.pause();
    return false;
}

void Capture::resume() {
    if (std::exchange(blocked_, false)) watch_.resume();
}

bool Capture::read_once() {
    auto room = engine_.buffer();
    if (!boundaries_.empty()) {
        // What lies beyond it is another run's.
        const std::uint64_t left = boundaries_.front().position - cursor_->total();
        if (left < room.size()) room = room.first(static_cast<std::size_t>(left));
    }
    const ssize_t count = cursor_->read(read_end_.get(), room);
    if (count <= 0) {
        // Empty, or all writers have gone, which they do only when the instance is closed.
        if (count == 0) watch_.stop();
        return false;
    }
    engine_.was_read(static_cast<std::size_t>(count));
    take({room.data(), static_cast<std::size_t>(count)});
    pass_boundaries();
    return true;
}

void Capture::take(std::string_view bytes) {
    counters_.bytes += bytes.size();
    now_ = wall_time();
    splitter_.feed(bytes, [this](std::string_view text, bool ends) { add_line(text, ends); });
    hand_to_sink();
}

void Capture::finish_line() {
    now_ = wall_time();
    splitter_.finish([this](std::string_view text, bool ends) { add_line(text, ends); });
    hand_to_sink();
}

void Capture::hand_to_sink() {
    std::string& batch = engine_.batch();
    if (batch.empty()) return;
    if (dropping_ && !sink_->has_room()) {
        const auto lines = std::count(batch.begin(), batch.end(), '\n');
        counters_.dropped_lines += static_cast<std::uint64_t>(lines);
    } else {
        sink_->put(batch);
    }
    batch.clear();
}

void Capture::add_line(std::string_view text, bool ends) {
    const auto kind = ends ? Line::Kind::text : Line::Kind::piece;
    ring_.append({.time = now_, .run = run_, .kind = kind, .text = text});
    if (engine_.has_followers()) {
        engine_.to_followers({.time = now_,
                              .instance = instance_,
                              .run = run_,
                              .source = source_,
                              .kind = kind,
                              .text = std::string{text}});
    }
    engine_.batch().append(text);
    if (ends) {
        engine_.batch() += '\n';
        ++counters_.lines;
    }
}

void Capture::add_mark(Line::Kind kind, std::uint32_t run, std::uint64_t number) {
    ring_.append({.time = now_, .run = run, .kind = kind, .number = number});
    if (!engine_.has_followers()) return;
    engine_.to_followers({.time = now_,
                          .instance = instance_,
                          .run = run,
                          .source = source_,
                          .kind = kind,
                          .number = number});
}

void Capture::add_boundary(std::optional<std::uint64_t> position, bool begins, std::uint32_t run) {
    std::uint64_t at = position.value_or(cursor_->total() + bytes_in_pipe(read_end_.get()));
    at = std::max(at, boundaries_.empty() ? cursor_->total() : boundaries_.back().position);
    // Only a program that dies over and over while nobody takes its output gets here.
    if (boundaries_.size() >= kMostBoundaries) boundaries_.pop_back();
    boundaries_.push_back({at, begins, run});
    pass_boundaries();
}

void Capture::pass_boundaries() {
    while (!boundaries_.empty() && boundaries_.front().position <= cursor_->total()) {
        const Boundary boundary = boundaries_.front();
        boundaries_.erase(boundaries_.begin());
        // A run begins on a line of its own, whatever the one before left.
        finish_line();
        if (boundary.begins) {
            run_ = boundary.run;
            if (has_marks_) add_mark(Line::Kind::run_begin, boundary.run, 0);
        } else if (has_marks_) {
            add_mark(Line::Kind::run_end, boundary.run, 0);
        }
    }
}

void Capture::set_pid(std::uint32_t run, std::uint64_t pid) {
    if (has_marks_) ring_.set_run_number(run, pid);
}

void Capture::set_dropping(bool dropping) {
    dropping_ = dropping;
    if (dropping) {
        resume();
    } else {
        report_dropped();
    }
}

void Capture::report_dropped() {
    const std::uint64_t lines = counters_.dropped_lines - dropped_said_;
    if (lines == 0) return;
    dropped_said_ = counters_.dropped_lines;
    engine_.own_log().warn(name_ + ": " + std::to_string(lines) +
                           (lines == 1 ? " line" : " lines") +
                           " dropped: the sink did not take them before the program had stopped");
}

void Capture::catch_up(std::size_t most) {
    const std::uint64_t until = cursor_->total() + most;
    while (cursor_->total() < until && may_read() && read_once()) {
    }
}

void Capture::finish() {
    dropping_ = true;
    catch_up(kPipe);
    finish_line();
    report_dropped();
}

void Capture::collect(const Query& query, std::vector<Line>& lines, bool with_partial) const {
    if (query.source && *query.source != source_ && !has_marks_) return;

    // Where lines are left out by another rule, the last so many can't be known in advance.
    const bool all_count =
        !query.until && !query.run && !(query.source && *query.source != source_);
    ring_.visit(all_count ? query.last_lines : std::nullopt, [&](const Ring::Record& record) {
        if (query.since && record.time < *query.since) return;
        if (query.until && record.time > *query.until) return;
        if (query.run && record.run != *query.run) return;
        const bool is_line = record.kind == Line::Kind::text || record.kind == Line::Kind::piece;
        if (is_line && query.source && *query.source != source_) return;
        lines.push_back({.time = record.time,
                         .instance = instance_,
                         .run = record.run,
                         .source = source_,
                         .kind = record.kind,
                         .number = record.number,
                         .text = std::string{record.text}});
    });

    if (!with_partial || splitter_.pending().empty() || query.until) return;
    if ((query.run && run_ != *query.run) || (query.source && *query.source != source_)) return;
    lines.push_back({.time = wall_time(),
                     .instance = instance_,
                     .run = run_,
                     .source = source_,
                     .kind = Line::Kind::partial,
                     .text = std::string{splitter_.pending()}});
}

}  // namespace reeve::log
