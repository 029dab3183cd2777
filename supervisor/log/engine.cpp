#include "supervisor/log/engine.h"

#include <time.h>

#include <algorithm>

namespace reeve::log {

namespace {

using namespace std::chrono_literals;

constexpr auto kRetry = 1s;
constexpr auto kDrainStep = 1ms;
constexpr std::size_t kCatchUp = 256 * 1024;
constexpr std::size_t kDrainRead = 1024 * 1024;
constexpr std::size_t kFollowerBytes = 1024 * 1024;
constexpr std::size_t kKeptBatch = 256 * 1024;
constexpr std::size_t kWidest = 24;

// A writer of single short lines wakes a prompt reader for each of them, and the wake-ups cost more
// than the lines.  A reader that has just been woken by little, twice in a row, lies down for a
// moment: shorter than a 64 KiB pipe takes to fill.
constexpr auto kNap = 100us;
constexpr std::size_t kLittle = 32 * 1024;
constexpr auto kInARow = 1ms;

std::chrono::nanoseconds monotonic() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

bool is_line(const Line& line) {
    return line.kind == Line::Kind::text || line.kind == Line::Kind::piece ||
           line.kind == Line::Kind::partial;
}

std::size_t cost(const Line& line) {
    return sizeof(Line) + line.text.size();
}

// Leaves out the oldest beyond the limits that the query sets.
void limit(const Query& query, std::vector<Line>& lines) {
    std::size_t wanted = query.last_lines.value_or(lines.size());
    std::size_t bytes = 0;
    std::size_t first = lines.size();
    std::uint64_t missed = 0;
    while (first > 0) {
        const Line& line = lines[first - 1];
        if (is_line(line) && wanted == 0) break;
        if (bytes + cost(line) > query.most_bytes) {
            missed = static_cast<std::uint64_t>(std::count_if(
                lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(first), is_line));
            if (query.last_lines) missed = std::min<std::uint64_t>(missed, wanted);
            break;
        }
        bytes += cost(line);
        if (is_line(line)) --wanted;
        --first;
    }
    lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(first));
    if (missed == 0) return;
    Line mark{.kind = Line::Kind::missed, .number = missed};
    if (!lines.empty()) mark.time = lines.front().time;
    lines.insert(lines.begin(), std::move(mark));
}

}  // namespace

struct Engine::Instance {
    InstanceId id = 0;
    std::string name;
    std::unique_ptr<Capture> out;
    std::unique_ptr<Capture> err;  // null: merged
};

struct Engine::Follower {
    bool wants(const Line& line) const {
        if (!std::binary_search(query.instances.begin(), query.instances.end(), line.instance))
            return false;
        if (query.since && line.time < *query.since) return false;
        return !query.source || *query.source == line.source || !is_line(line);
    }

    void add(Line line) {
        const std::size_t bytes = cost(line);
        // Once it has missed something it gets nothing before there is room for some more than the
        // mark.
        if (missed > 0 ? held >= kFollowerBytes / 2 : held + bytes > kFollowerBytes) {
            if (is_line(line)) ++missed;
            return;
        }
        add_missed(line.time);
        push(std::move(line));
    }

    void add_missed(WallTime time) {
        if (missed == 0 || held >= kFollowerBytes / 2) return;
        push({.time = time, .kind = Line::Kind::missed, .number = std::exchange(missed, 0)});
    }

    void push(Line line) {
        held += cost(line);
        costs.push_back(cost(line));
        pending.push_back(std::move(line));
    }

    Query query;
    OnLines on_lines;
    std::vector<Line> pending;
    std::deque<std::size_t> costs;  // of what is pending or on its way, the oldest first
    std::size_t held = 0;           // their sum
    std::uint64_t missed = 0;
};

base::OsExpected<std::unique_ptr<Engine>> Engine::open(Console& console, OwnLog& own_log) {
    auto loop = loop::Loop::open();
    if (!loop) return Unexpected<base::OsError>{loop.error()};
    (*loop)->on_uncaught([&own_log](std::string_view where, std::string_view what) {
        own_log.error("log thread: uncaught in a " + std::string{where} + ": " + std::string{what});
    });
    return std::unique_ptr<Engine>{new Engine{std::move(*loop), console, own_log}};
}

Engine::Engine(std::unique_ptr<loop::Loop> loop, Console& console, OwnLog& own_log)
    : loop_{std::move(loop)},
      console_{console},
      own_log_{own_log},
      door_{std::make_shared<Door>()},
      inbox_{*loop_},
      retry_timer_{*loop_, [this] { retry(); }},
      pool_timer_{*loop_,
                  [this] {
                      if (!pool_->waiting()) return pool_timer_.stop();
                      pool_->relieve();
                  }},
      drain_timer_{*loop_, [this] { drain_step(); }},
      turn_end_{*loop_, [this] { end_of_turn(); }},
      buffer_{new char[kBuffer]} {
    door_->engine = this;
    console_.on_room([this] { post([this] { resume_blocked(); }); });
}

Engine::~Engine() {
    console_.on_room({});
    {
        const std::lock_guard lock{door_->mutex};
        door_->engine = nullptr;
    }
    instances_.clear();
    pool_.reset();
}

// ---- instances

void Engine::open_instance(Opening opening) {
    auto instance = std::make_unique<Instance>();
    instance->id = opening.id;
    instance->name = std::move(opening.name);
    // The sinks before the captures' first event, and the name's address is settled.
    Instance& opened = *(instances_[opening.id] = std::move(instance));
    opened.out =
        std::make_unique<Capture>(*this, opened.id, opened.name, Source::out, true,
                                  std::move(opening.out.read_end), std::move(opening.out.cursor));
    opened.out->set_sink(make_sink(opened, Source::out, opening.out.output, opening.owner));
    if (opening.err) {
        opened.err = std::make_unique<Capture>(*this, opened.id, opened.name, Source::err, false,
                                               std::move(opening.err->read_end),
                                               std::move(opening.err->cursor));
        opened.err->set_sink(make_sink(opened, Source::err, opening.err->output, opening.owner));
    }
    update_width();
}

void Engine::set_outputs(InstanceId id, const conf::Output& out, const conf::Output& err,
                         std::optional<Owner> owner) {
    const auto found = instances_.find(id);
    if (found == instances_.end()) return;
    Instance& instance = *found->second;
    instance.out->set_sink(make_sink(instance, Source::out, out, owner));
    if (instance.err && err.kind == conf::Output::Kind::sinks)
        instance.err->set_sink(make_sink(instance, Source::err, err, owner));
}

std::unique_ptr<Sink> Engine::make_sink(const Instance& instance, Source source,
                                        const conf::Output& output, std::optional<Owner> owner) {
    const auto inherit = [&](Console::Target target) {
        return std::make_unique<InheritSink>(console_, target, next_writer_++, instance.name,
                                             prefixing_);
    };
    const conf::Sink& wanted = output.sinks.front();
    if (wanted.kind == conf::Sink::Kind::null) return std::make_unique<NullSink>();
    if (wanted.kind != conf::Sink::Kind::file)
        return inherit(source == Source::out ? Console::Target::out : Console::Target::err);

    if (!pool_) pool_ = std::make_unique<WriterPool>();
    auto on_outcome = [door = door_, id = instance.id, source] {
        const std::lock_guard lock{door->mutex};
        Engine* const engine = door->engine;
        if (!engine) return;
        engine->post([engine, id, source] { engine->file_outcome(id, source); });
    };
    return std::make_unique<FileSink>(wanted.path, owner,
                                      FileSink::Services{
                                          .pool = *pool_,
                                          .own_log = own_log_,
                                          .name = instance.name,
                                          .on_outcome = std::move(on_outcome),
                                          .retry_later =
                                              [this] {
                                                  if (!retry_timer_.active())
                                                      retry_timer_.start(kRetry);
                                              },
                                          .pool_waits =
                                              [this] {
                                                  if (!pool_timer_.active())
                                                      pool_timer_.start(WriterPool::kPatience,
                                                                        WriterPool::kPatience);
                                              },
                                      },
                                      inherit(Console::Target::err));
}

template <typename Action>
void Engine::each_capture(Action action) {
    for (auto& [id, instance] : instances_) {
        action(*instance->out);
        if (instance->err) action(*instance->err);
    }
}

Capture* Engine::find(InstanceId id, Source source) {
    const auto found = instances_.find(id);
    if (found == instances_.end()) return nullptr;
    return source == Source::out ? found->second->out.get() : found->second->err.get();
}

void Engine::add_boundary(InstanceId id, Positions positions, bool begins, std::uint32_t run) {
    for (const Source source : {Source::out, Source::err}) {
        Capture* const capture = find(id, source);
        if (!capture) continue;
        if (begins) capture->set_dropping(false);
        capture->add_boundary(positions[static_cast<std::size_t>(source)], begins, run);
    }
}

void Engine::set_pid(InstanceId id, std::uint32_t run, std::uint64_t pid) {
    if (Capture* const capture = find(id, Source::out)) capture->set_pid(run, pid);
}

void Engine::stop_waiting(InstanceId id) {
    for (const Source source : {Source::out, Source::err})
        if (Capture* const capture = find(id, source)) capture->set_dropping(true);
}

void Engine::close_instance(InstanceId id) {
    for (const Source source : {Source::out, Source::err}) {
        Capture* const capture = find(id, source);
        if (!capture) continue;
        capture->finish();
        forget_blocked(*capture);
    }
    instances_.erase(id);
    update_width();
}

void Engine::reopen_files() {
    each_capture([](Capture& capture) { capture.sink().reopen(); });
}

void Engine::set_prefix(bool prefix) {
    prefixing_.on = prefix;
}

void Engine::update_width() {
    prefixing_.width = 0;
    for (const auto& [id, instance] : instances_)
        prefixing_.width = std::max(prefixing_.width, std::min(instance->name.size(), kWidest));
}

// ---- sinks that had no room

void Engine::resume_blocked() {
    for (Capture* const capture : std::exchange(blocked_, {})) capture->resume();
}

void Engine::forget_blocked(const Capture& capture) {
    blocked_.erase(std::remove(blocked_.begin(), blocked_.end(), &capture), blocked_.end());
}

void Engine::file_outcome(InstanceId id, Source source) {
    Capture* const capture = find(id, source);
    if (!capture) return;
    capture->sink().look_at_outcome();
    if (!capture->sink().has_room()) return;
    forget_blocked(*capture);
    capture->resume();
}

void Engine::retry() {
    each_capture([](Capture& capture) {
        capture.sink().retry();
        capture.watch();
    });
}

void Engine::watch_failed(const std::string& name, const base::OsError& error) {
    own_log_.error(name + ": its output can't be watched: " + error.text() +
                   "; tried again every second");
    retry_timer_.start(kRetry);
}

// ---- readers of what is in memory

std::vector<Line> Engine::query(const Query& query) {
    for (const InstanceId id : query.instances)
        for (const Source source : {Source::out, Source::err})
            if (Capture* const capture = find(id, source)) capture->catch_up(kCatchUp);
    return collect(query, true);
}

std::vector<Line> Engine::collect(const Query& query, bool with_partial) {
    std::vector<Line> lines;
    for (const InstanceId id : query.instances)
        for (const Source source : {Source::out, Source::err})
            if (const Capture* const capture = find(id, source))
                capture->collect(query, lines, with_partial);
    std::stable_sort(lines.begin(), lines.end(),
                     [](const Line& a, const Line& b) { return a.time < b.time; });
    limit(query, lines);
    return lines;
}

std::vector<InstanceCounters> Engine::counters() {
    std::vector<InstanceCounters> all;
    all.reserve(instances_.size());
    for (const auto& [id, instance] : instances_)
        all.push_back({id, instance->out->counters(),
                       instance->err ? instance->err->counters() : StreamCounters{}});
    return all;
}

void Engine::follow(std::uint64_t id, const Query& query, OnLines on_lines) {
    auto follower = std::make_unique<Follower>();
    follower->query = query;
    follower->query.most_bytes = std::min(query.most_bytes, kFollowerBytes);
    std::sort(follower->query.instances.begin(), follower->query.instances.end());
    follower->on_lines = std::move(on_lines);

    // First what is in the pipes, then the past, so that nothing comes twice.
    for (const InstanceId instance : query.instances)
        for (const Source source : {Source::out, Source::err})
            if (Capture* const capture = find(instance, source)) capture->catch_up(kCatchUp);
    for (Line& line : collect(follower->query, false)) follower->push(std::move(line));
    follower->on_lines(std::exchange(follower->pending, {}));
    followers_[id] = std::move(follower);
}

void Engine::to_followers(const Line& line) {
    for (const auto& [id, follower] : followers_)
        if (follower->wants(line)) follower->add(line);
}

void Engine::deliver(Follower& follower) {
    if (!follower.pending.empty()) follower.on_lines(std::exchange(follower.pending, {}));
}

void Engine::took(std::uint64_t id, std::size_t lines) {
    const auto found = followers_.find(id);
    if (found == followers_.end()) return;
    Follower& follower = *found->second;
    for (; lines > 0 && !follower.costs.empty(); --lines) {
        follower.held -= follower.costs.front();
        follower.costs.pop_front();
    }
    follower.add_missed(WallTime{});
    deliver(follower);
}

void Engine::unfollow(std::uint64_t id) {
    followers_.erase(id);
}

// ---- the turn

void Engine::was_read(std::size_t bytes) {
    ++reads_;
    bytes_ += bytes;
}

void Engine::end_of_turn() {
    for (const auto& [id, follower] : followers_) deliver(*follower);
    if (batch_.capacity() > kKeptBatch) std::string{}.swap(batch_);

    if (reads_ == 0) return;
    const bool little = bytes_ / reads_ < kLittle;
    reads_ = 0;
    bytes_ = 0;
    const auto now = monotonic();
    if (little && now - last_read_ < kInARow) {
        const timespec nap{0, std::chrono::nanoseconds{kNap}.count()};
        ::nanosleep(&nap, nullptr);
    }
    last_read_ = now;
}

void Engine::drain(std::function<void()> done) {
    drained_ = std::move(done);
    drain_timer_.start(0ms, kDrainStep);
}

void Engine::drain_step() {
    bool empty = true;
    each_capture([&empty](Capture& capture) {
        capture.catch_up(kDrainRead);
        empty = empty && capture.pipe_empty() && capture.sink().idle();
    });
    end_of_turn();
    if (!empty) return;
    drain_timer_.stop();
    if (const auto done = std::exchange(drained_, {})) done();
}

}  // namespace reeve::log
