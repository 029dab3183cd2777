#include "supervisor/log/engine.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "supervisor/log/journal_sink.h"
#include "supervisor/log/syslog_sink.h"

namespace reeve::log {

namespace {

using namespace std::chrono_literals;

constexpr auto kRetry = 1s;
constexpr auto kDrainStep = 1ms;
// A disk that is quiet for longer is not to be felt by a program yet: there is a queue for it.
constexpr auto kPullPatience = 20ms;
// So long, and no longer, a program that is being stopped waits for a place without room.
constexpr auto kStopPatience = 1s;
constexpr auto kLookAtStopping = 100ms;
// A place that gives no error, and has had no room for so long, is in trouble.
constexpr auto kStuckAfter = 5s;
constexpr auto kLookAtPlaces = 1s;
constexpr std::size_t kDrainRead = 1024 * 1024;
constexpr std::size_t kWidest = 24;

// A writer of short pieces wakes a prompt reader for each of them, and the wake-ups cost more than
// the bytes.  A reader that has just been woken by little, twice in a row, lies down for a moment:
// shorter than the pipe takes to fill at 2 GB/s.  Measured with lines of 100 bytes, one a write:
// 5.4 s of CPU a GiB without, 1.4 s with the small pipe and its nap, 0.8 s with the large ones.
constexpr auto kNap = 500us;
constexpr auto kShortNap = 100us;
constexpr std::size_t kLittle = 256 * 1024;
constexpr std::size_t kLittleOfSmall = 32 * 1024;
constexpr auto kInARow = 2ms;

// A few busy streams are read seldom.  What more there are take turns at the CPUs anyway: theirs
// are only as large as a turn needs, because all of them together fit no cache (measured with 50
// writers: 0.97 times `cat`'s MB/s, 0.93 with large ones for all), and because pipes count towards
// a limit of their user's, beyond which the pipes of all his processes are small: pipe(7),
// pipe-user-pages-soft, 64 MiB, from which root is free.
constexpr int kMostLargePipes = 16;
constexpr std::size_t kLargePipe = 256 * 1024;

std::chrono::nanoseconds monotonic() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

}  // namespace

struct Engine::Instance {
    template <typename Action>
    void each(Action action) {
        if (out) action(*out);
        if (err) action(*err);
    }

    InstanceId id = 0;
    std::string name;
    std::unique_ptr<Capture> out;  // null: not captured
    std::unique_ptr<Capture> err;  // null: not captured, or merged
    std::vector<Trouble> told;     // as it was last reported
    std::uint64_t told_dropped = 0;
};

base::OsExpected<std::unique_ptr<Engine>> Engine::open(Console& console, OwnLog& own_log) {
    auto loop = loop::Loop::open();
    if (!loop) return Unexpected<base::OsError>{loop.error()};
    (*loop)->on_uncaught([&own_log](std::string_view where, std::string_view what) {
        own_log.error("log thread: uncaught in a " + std::string{where} + ": " + std::string{what});
    });
    auto poll_set = loop::PollSet::open(**loop);
    if (!poll_set) return Unexpected<base::OsError>{poll_set.error()};
    return std::unique_ptr<Engine>{
        new Engine{std::move(*loop), std::move(*poll_set), console, own_log}};
}

Engine::Engine(std::unique_ptr<loop::Loop> loop, std::unique_ptr<loop::PollSet> poll_set,
               Console& console, OwnLog& own_log)
    : loop_{std::move(loop)},
      poll_set_{std::move(poll_set)},
      console_{console},
      own_log_{own_log},
      privileged_{::geteuid() == 0},
      door_{std::make_shared<Door>()},
      inbox_{*loop_},
      retry_timer_{*loop_, [this] { retry(); }},
      pool_timer_{*loop_,
                  [this] {
                      if (!pool_->waiting()) return pool_timer_.stop();
                      pool_->relieve();
                  }},
      dropped_timer_{*loop_, [this] { report_dropped(); }},
      pull_timer_{*loop_,
                  [this] {
                      std::erase_if(pulled_,
                                    [](Capture* capture) { return !capture->look_after_pull(); });
                      if (pulled_.empty()) pull_timer_.stop();
                  }},
      stopping_timer_{*loop_, [this] { look_at_stopping(); }},
      places_timer_{*loop_, [this] { look_at_places(); }},
      drain_timer_{*loop_, [this] { drain_step(); }},
      turn_end_{*loop_, [this] { end_of_turn(); }} {
    door_->engine = this;
    console_.on_room([this] {
        post([this] {
            resume_blocked();
            look_at_places_later();
        });
    });
}

Engine::~Engine() {
    console_.on_room({});
    {
        const std::lock_guard lock{door_->mutex};
        door_->engine = nullptr;
    }
    instances_.clear();
    leaving_.clear();
    pool_.reset();
}

// ---- instances

void Engine::open_instance(Opening opening) {
    // The name's address is settled: sinks refer to it.
    Instance& opened = *(instances_[opening.id] = std::make_unique<Instance>());
    opened.id = opening.id;
    opened.name = opening.name.name;
    update_width();

    bool has_marks = true;
    const auto open = [&](std::optional<Opening::Stream>& stream, Source source,
                          std::unique_ptr<Capture>& capture) {
        if (!stream) return;
        StreamName name{opening.name.name, opening.name.program, opening.name.number, source};
        capture = std::make_unique<Capture>(*this, opened.id, std::move(name),
                                            std::exchange(has_marks, false),
                                            std::move(stream->read_end), std::move(stream->cursor));
        capture->set_outlets(
            [&] { return make_outlets(opened, *capture, stream->output, opening.owner); });
    };
    open(opening.out, Source::out, opened.out);
    open(opening.err, Source::err, opened.err);
    if (!opened.out || !opened.err) return;
    opened.out->set_sibling(opened.err.get());
    opened.err->set_sibling(opened.out.get());
}

void Engine::set_outputs(InstanceId id, const std::string& name, const conf::Output& out,
                         const conf::Output& err, std::optional<Owner> owner) {
    const auto found = instances_.find(id);
    if (found == instances_.end()) return;
    Instance& instance = *found->second;
    if (instance.name != name) {
        // Sinks refer to it where it is.
        instance.name = name;
        instance.each([&](Capture& capture) { capture.rename(name); });
        update_width();
    }
    const auto change = [&](Capture& capture, const conf::Output& output) {
        capture.set_outlets([this, &instance, &capture, output, owner] {
            return make_outlets(instance, capture, output, owner);
        });
    };
    const bool merged = err.kind == conf::Output::Kind::merged;
    if (instance.out) change(*instance.out, out);
    if (instance.err) change(*instance.err, merged ? out : err);
}

std::vector<Outlet> Engine::make_outlets(const Instance& instance, Capture& capture,
                                         const conf::Output& output,
                                         const std::optional<Owner>& owner) {
    std::vector<Outlet> outlets;
    outlets.reserve(output.sinks.size());
    for (const conf::Sink& sink : output.sinks) {
        outlets.emplace_back(make_sink(instance, capture, sink, owner), sink.overflow);
    }
    return outlets;
}

std::unique_ptr<Sink> Engine::make_sink(const Instance& instance, Capture& capture,
                                        const conf::Sink& wanted,
                                        const std::optional<Owner>& owner) {
    RoomListener& listener = capture;
    switch (wanted.kind) {
        case conf::Sink::Kind::inherit: {
            const bool to_out =
                wanted.descriptor ? *wanted.descriptor == 1 : capture.source() == Source::out;
            return inherit(to_out ? Console::Target::out : Console::Target::err, instance.name,
                           wanted.format);
        }
        case conf::Sink::Kind::null:
            return std::make_unique<NullSink>();
        case conf::Sink::Kind::file:
            return std::make_unique<FileSink>(open_file(instance, wanted, owner),
                                              StreamKey{instance.id, capture.source()},
                                              instance.name, wanted, listener, scratch_);
        case conf::Sink::Kind::syslog:
        case conf::Sink::Kind::journal:
            break;
    }
    SinkServices services{*loop_, own_log_, instance.name, [&listener] { listener.on_room(); },
                          retry_later()};
    auto fallback = inherit(Console::Target::err, instance.name, wanted.format);
    if (wanted.kind == conf::Sink::Kind::syslog)
        return std::make_unique<SyslogSink>(capture.name(), std::move(services),
                                            std::move(fallback));
    return std::make_unique<JournalSink>(capture.name(), std::move(services), std::move(fallback));
}

std::unique_ptr<InheritSink> Engine::inherit(Console::Target target, const std::string& name,
                                             conf::LogFormat format) {
    return std::make_unique<InheritSink>(console_, target, next_writer_++, name, prefixing_, format,
                                         scratch_);
}

std::shared_ptr<SharedFile> Engine::open_file(const Instance& instance, const conf::Sink& wanted,
                                              const std::optional<Owner>& owner) {
    const auto at = place_of(wanted.path);
    if (at != files_.end() && (*at)->target()->path() == wanted.path) {
        (*at)->target()->set_rotation(wanted.rotation);
        return (*at)->shared_from_this();
    }
    const auto leaving = std::ranges::find(
        leaving_, wanted.path, [](const auto& file) -> auto& { return file->target()->path(); });

    if (!pool_) open_pool();
    auto file = leaving != leaving_.end() ? *leaving
                                          : SharedFile::make(instance.name, wanted.path, owner,
                                                             wanted.rotation, *file_services_);
    file->target()->set_rotation(wanted.rotation);
    files_.insert(at, file.get());
    return file;
}

std::vector<SharedFile*>::iterator Engine::place_of(const std::string& path) {
    return std::ranges::lower_bound(files_, path, {}, [](SharedFile* file) -> const std::string& {
        return file->target()->path();
    });
}

void Engine::unused(SharedFile& file) {
    files_.erase(place_of(file.target()->path()));
    const auto held = std::ranges::find(leaving_, &file, &std::shared_ptr<SharedFile>::get);
    if (!file.has_left() && held == leaving_.end()) leaving_.push_back(file.shared_from_this());
}

template <typename Action>
void Engine::each_file(Action action) {
    for (SharedFile* const file : files_) action(*file);
    for (const auto& file : leaving_)
        if (!file->is_used()) action(*file);
}

void Engine::open_pool() {
    pool_ = std::make_unique<WriterPool>();
    auto wait_for_pool = [this] {
        if (!pool_timer_.active()) pool_timer_.start(WriterPool::kPatience, WriterPool::kPatience);
    };
    auto post = [door = door_](std::function<void()> task) {
        const std::lock_guard lock{door->mutex};
        if (door->engine) door->engine->post(std::move(task));
    };
    file_services_ = std::make_unique<const SharedFile::Services>(SharedFile::Services{
        .pool = *pool_,
        .own_log = own_log_,
        .retry_later = retry_later(),
        .pool_waits = std::move(wait_for_pool),
        .busy = [this] { look_at_places_later(); },
        .changed = [this] { places_timer_.start(0ms); },
        .unused = [this](SharedFile& file) { unused(file); },
        .to_stderr =
            [this](const std::string& name, conf::LogFormat format) {
                return inherit(Console::Target::err, name, format);
            },
        .post = std::make_shared<const SharedFile::Post>(std::move(post)),
    });
}

std::function<void()> Engine::retry_later() {
    return [this] {
        if (!retry_timer_.active()) retry_timer_.start(kRetry);
    };
}

template <typename Action>
void Engine::each_capture(Action action) {
    for (auto& [id, instance] : instances_) instance->each(action);
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
        if (begins) {
            end_stop(id);
            capture->set_dropping(false);
        }
        capture->add_boundary(positions[static_cast<std::size_t>(source)], begins, run);
    }
    for (const Source source : {Source::out, Source::err})
        if (Capture* const capture = find(id, source)) capture->pass_boundaries();
}

void Engine::begin_on_terminal(InstanceId id, base::Fd master, std::uint32_t run) {
    Capture* const capture = find(id, Source::out);
    if (!capture) return;
    end_stop(id);
    capture->set_dropping(false);
    capture->begin_on_terminal(std::move(master), run);
}

void Engine::set_pid(InstanceId id, std::uint32_t run, std::uint64_t pid) {
    for (const Source source : {Source::out, Source::err})
        if (Capture* const capture = find(id, source)) capture->set_pid(run, pid);
}

void Engine::stop_waiting(InstanceId id) {
    for (const Source source : {Source::out, Source::err})
        if (Capture* const capture = find(id, source)) capture->set_dropping(true);
}

void Engine::await_line(InstanceId id, const std::shared_ptr<LineWait>& wait) {
    for (const Source source : {Source::out, Source::err})
        if (Capture* const capture = find(id, source)) capture->set_line_wait(wait);
}

void Engine::begin_stop(InstanceId id) {
    stopping_.insert(id);
    if (!stopping_timer_.active()) stopping_timer_.start(0ms, kLookAtStopping);
}

void Engine::end_stop(InstanceId id) {
    stopping_.erase(id);
    if (stopping_.empty()) stopping_timer_.stop();
}

void Engine::look_at_stopping() {
    const auto now = std::chrono::steady_clock::now();
    for (const InstanceId id : stopping_) {
        for (const Source source : {Source::out, Source::err}) {
            Capture* const capture = find(id, source);
            if (!capture) continue;
            bool any = false;
            for (Outlet& outlet : capture->outlets()) {
                if (!outlet.must_wait()) continue;
                const auto since = outlet.sink().full_since();
                if (!since || now - *since < kStopPatience) continue;
                outlet.set_dropping(true);
                any = true;
            }
            if (any) capture->resume();
        }
    }
}

void Engine::close_instance(InstanceId id, bool for_good) {
    end_stop(id);
    for (const Source source : {Source::out, Source::err}) {
        Capture* const capture = find(id, source);
        if (!capture) continue;
        capture->finish();
        InstanceCounters& before = closed_[id];
        (source == Source::out ? before.out : before.err) += capture->counters();
        forget(*capture);
    }
    instances_.erase(id);
    if (for_good) closed_.erase(id);
    update_width();
}

void Engine::reopen_files() {
    each_capture([](Capture& capture) {
        for (Outlet& outlet : capture.outlets()) outlet.sink().reopen();
    });
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

void Engine::forget(Capture& capture) {
    forget_blocked(capture);
    dropping_.erase(&capture);
    pulled_.erase(&capture);
    seated_.erase(std::remove(seated_.begin(), seated_.end(), &capture), seated_.end());
}

void Engine::has_dropped(Capture& capture) {
    look_at_places_later();
    dropping_.insert(&capture);
    if (!dropped_timer_.active()) dropped_timer_.start(kRetry);
}

void Engine::has_pull(Capture& capture) {
    pulled_.insert(&capture);
    if (!pull_timer_.active()) pull_timer_.start(kPullPatience, kPullPatience);
}

void Engine::report_dropped() {
    for (auto capture = dropping_.begin(); capture != dropping_.end();)
        capture = (*capture)->report_dropped() ? std::next(capture) : dropping_.erase(capture);
    if (!dropping_.empty()) dropped_timer_.start(kRetry);
}

void Engine::retry() {
    each_capture([](Capture& capture) {
        for (Outlet& outlet : capture.outlets()) outlet.sink().retry();
        capture.watch();
    });
    for (const auto& file : leaving_) file->retry();
}

void Engine::watch_failed(const std::string& name, const base::OsError& error) {
    own_log_.error(name + ": its output can't be watched: " + error.text() +
                   "; tried again every second");
    retry_later()();
}

// ---- what is the matter with the places

void Engine::report_to(OnReport on_report) {
    on_report_ = std::move(on_report);
    look_at_places();
}

void Engine::look_at_places_later() {
    if (!places_timer_.active()) places_timer_.start(kLookAtPlaces);
}

std::vector<Trouble> Engine::troubles_of(Instance& instance) {
    std::vector<Trouble> all;
    instance.each([&](Capture& capture) {
        for (Outlet& outlet : capture.outlets()) {
            Sink& sink = outlet.sink();
            auto trouble = sink.trouble();
            const bool full = !trouble && !sink.as_file() && !sink.has_room();
            if (full && sink.full_since() &&
                std::chrono::steady_clock::now() - *sink.full_since() >= kStuckAfter) {
                trouble = Trouble{.effect = Trouble::Effect::waits,
                                  .place = sink.place(),
                                  .reason = model::kDoesNotKeepUp,
                                  .since = as_time_point(*sink.full_since())};
            }
            if (!trouble) continue;
            // What it does not take waits for a while first, also where it may be dropped.
            if (trouble->effect == Trouble::Effect::waits && outlet.may_drop() &&
                outlet.has_dropped_since(std::chrono::steady_clock::time_point{trouble->since} -
                                         kLookAtPlaces)) {
                trouble->effect = Trouble::Effect::drops;
            }
            // stdout and stderr may go to the same.
            const bool known = std::any_of(all.begin(), all.end(), [&](const Trouble& other) {
                return other.place == trouble->place && other.effect == trouble->effect;
            });
            if (!known) all.push_back(std::move(*trouble));
        }
    });
    return all;
}

void Engine::look_at_places() {
    std::erase_if(leaving_, [](const auto& file) { return file->has_left(); });
    bool again = !blocked_.empty() || !dropping_.empty() || !leaving_.empty();
    for (const auto& [id, instance] : instances_) {
        report(*instance);
        again = again || !instance->told.empty();
        instance->each([&](const Capture& capture) { again = again || !capture.idle(); });
    }
    if (again) look_at_places_later();
}

void Engine::report(Instance& instance) {
    OutputReport now{.instance = instance.id, .troubles = troubles_of(instance)};
    instance.each([&](const Capture& capture) {
        now.dropped_lines += capture.counters().dropped_lines;
        now.run = std::max(now.run, capture.run());
    });
    instance.each(
        [&](const Capture& capture) { now.dropped_of_run += capture.dropped_of(now.run); });
    if (now.troubles == instance.told && now.dropped_lines == instance.told_dropped) return;
    instance.told = now.troubles;
    instance.told_dropped = now.dropped_lines;
    if (on_report_) on_report_(std::move(now));
}

std::vector<std::uint64_t> Engine::dropped_of(const std::vector<RunKey>& runs) {
    std::vector<std::uint64_t> lines(runs.size(), 0);
    for (std::size_t index = 0; index < runs.size(); ++index) {
        const auto found = instances_.find(runs[index].instance);
        if (found == instances_.end()) continue;
        found->second->each([&](Capture& capture) {
            capture.catch_up(kCatchUp);
            lines[index] += capture.dropped_of(runs[index].run);
        });
        report(*found->second);
    }
    return lines;
}

std::vector<InstanceCounters> Engine::counters() {
    std::vector<InstanceCounters> all;
    all.reserve(instances_.size());
    for (const auto& [id, instance] : instances_) {
        InstanceCounters one;
        if (const auto before = closed_.find(id); before != closed_.end()) one = before->second;
        one.instance = id;
        one.has_out = instance->out != nullptr;
        one.has_err = instance->err != nullptr;
        if (one.has_out) one.out += instance->out->counters();
        if (one.has_err) one.err += instance->err->counters();
        all.push_back(one);
    }
    return all;
}

// ---- who sits at a terminal

void Engine::attach(InstanceId id, std::size_t lines, TerminalListener listener) {
    Capture* const capture = find(id, Source::out);
    if (!capture) return;
    capture->set_seat(std::make_unique<Seat>(std::move(listener)), lines);
    seated_.push_back(capture);
}

void Engine::type(InstanceId id, std::string_view bytes) {
    Capture* const capture = find(id, Source::out);
    if (!capture || !capture->seat()) return;
    capture->seat()->type(bytes);
    capture->pass_typed();
}

void Engine::seat_took(InstanceId id, std::size_t bytes) {
    const Capture* const capture = find(id, Source::out);
    if (capture && capture->seat()) capture->seat()->took(bytes);
}

void Engine::flush_seat(InstanceId id) {
    Capture* const capture = find(id, Source::out);
    if (!capture || !capture->seat()) return;
    capture->catch_up(kCatchUp);
    capture->seat()->deliver();
}

void Engine::detach(InstanceId id) {
    Capture* const capture = find(id, Source::out);
    if (!capture) return;
    seated_.erase(std::remove(seated_.begin(), seated_.end(), capture), seated_.end());
    capture->set_seat(nullptr, 0);
}

// ---- the turn

void Engine::was_read(std::size_t bytes, bool from_large_pipe) {
    bytes_ += bytes;
    only_large_pipes_ = only_large_pipes_ && from_large_pipe;
}

std::size_t Engine::larger_pipe() {
    if (large_pipes_ < kMostLargePipes) {
        ++large_pipes_;
        return kLargestPipe;
    }
    return privileged_ ? kLargePipe : 0;
}

void Engine::end_of_turn() {
    followers_.deliver();
    for (Capture* const capture : seated_) capture->seat()->deliver();
    if (bytes_ == 0) return;
    const bool large = std::exchange(only_large_pipes_, true);
    const std::size_t average =
        std::exchange(bytes_, 0) / std::max(std::exchange(streams_, 0), std::size_t{1});
    const auto now = monotonic();
    const bool in_a_row = now - std::exchange(last_read_, now) < kInARow;
    if (!in_a_row) {
        busy_turns_ = 0;
        return;
    }
    busy_turns_ = std::min(busy_turns_ + 1, kBusyTurns);
    if (average >= (large ? kLittle : kLittleOfSmall)) return;
    const auto length = std::chrono::nanoseconds{large ? kNap : kShortNap};
    const timespec nap{0, length.count()};
    ::nanosleep(&nap, nullptr);
    last_read_ = monotonic();
}

void Engine::drain(std::function<void()> done) {
    drained_ = std::move(done);
    (void)drains_on();
    if (pool_) pool_->stop_compressing();
    drain_timer_.start(0ms, kDrainStep);
}

bool Engine::drains_on() {
    std::uint64_t moved = 0;
    each_capture([&](const Capture& capture) { moved += capture.counters().bytes; });
    each_file([&moved](SharedFile& file) { moved += file.target()->written(); });
    return std::exchange(moved_, moved) != moved;
}

void Engine::give_up() {
    drain_timer_.stop();
    // What still lies in pipes counts.
    each_capture([](Capture& capture) { capture.finish(); });
    each_file([](SharedFile& file) { file.give_up(); });
}

void Engine::drain_step() {
    std::erase_if(leaving_, [](const auto& file) { return file->has_left(); });
    bool empty = leaving_.empty() && (!pool_ || pool_->compressed());
    each_capture([&empty](Capture& capture) {
        capture.catch_up(kDrainRead);
        empty = empty && capture.pipe_empty() && capture.idle();
    });
    end_of_turn();
    if (!empty) return;
    drain_timer_.stop();
    if (const auto done = std::exchange(drained_, {})) done();
}

}  // namespace reeve::log
