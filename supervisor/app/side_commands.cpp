#include "supervisor/app/side_commands.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include "conf/quote.h"
#include "conf/units.h"
#include "supervisor/loop/fd_watch.h"
#include "supervisor/os/procfs.h"

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

constexpr std::size_t kRead = 16 * 1024;

// What one of them writes beyond this is read at this pace (13 MB/s): it can't keep the loop.
constexpr std::size_t kBurst = 64 * 1024;
constexpr milliseconds kBetweenBursts{5};

// More than a pipe holds, so what was written before its end is read, and what its leftovers go on
// writing is not.
constexpr int kLastReads = 8;

constexpr std::size_t kLongestLine = 200;

std::size_t most_at_once(SideOrder::Lane lane) {
    switch (lane) {
        case SideOrder::Lane::probe:
            return SideCommands::kProbesAtOnce;
        case SideOrder::Lane::hook:
            return SideCommands::kHooksAtOnce;
        case SideOrder::Lane::handler:
            return SideCommands::kHandlersAtOnce;
    }
    return 0;
}

std::size_t most_waiting(SideOrder::Lane lane) {
    return lane == SideOrder::Lane::handler ? SideCommands::kHandlersWaiting
                                            : SideCommands::kWaiting;
}

// A file in memory: nobody has to wait until it is read, as with a pipe.
base::OsExpected<base::Fd> make_input(const std::string& bytes) {
    base::Fd file{::memfd_create("reeve-input", MFD_CLOEXEC)};
    if (!file) return base::os_error("memfd_create");
    std::size_t written = 0;
    while (written < bytes.size()) {
        const ssize_t more = ::write(file.get(), bytes.data() + written, bytes.size() - written);
        if (more < 0 && errno == EINTR) continue;
        if (more < 0) return base::os_error("write", "its standard input");
        written += static_cast<std::size_t>(more);
    }
    if (::lseek(file.get(), 0, SEEK_SET) < 0) return base::os_error("lseek", "its standard input");
    return file;
}

}  // namespace

// --- results -------------------------------------------------------------------------------------

std::string last_line(std::string_view output) {
    constexpr std::string_view kBlank = " \t\r\n\v\f";
    const std::size_t last = output.find_last_not_of(kBlank);
    if (last == std::string_view::npos) return {};
    output = output.substr(0, last + 1);
    const std::size_t newline = output.find_last_of('\n');
    if (newline != std::string_view::npos) output.remove_prefix(newline + 1);
    output.remove_prefix(output.find_first_not_of(kBlank));
    if (output.size() <= kLongestLine) return conf::one_line(output);
    std::size_t cut = kLongestLine;
    while (cut > 0 && (static_cast<unsigned char>(output[cut]) & 0xC0) == 0x80) --cut;
    return conf::one_line(output.substr(0, cut)) + "…";
}

std::string SideResult::text() const {
    switch (kind) {
        case Kind::exited:
            return status.text();
        case Kind::timed_out:
            return "timed out after " + conf::format_duration(timeout);
        case Kind::not_started:
            return failure;
    }
    return {};
}

std::string SideResult::text_with_output() const {
    const std::string line = last_line(output);
    return line.empty() ? text() : text() + ": " + line;
}

// --- from the order to the process ---------------------------------------------------------------

struct SideCommands::Live {
    Live(RunId number, SideOrder ordered, Callbacks call, loop::Loop& loop,
         std::function<void()> on_deadline, std::function<void()> on_breath)
        : id{number},
          order{std::move(ordered)},
          callbacks{std::make_shared<Callbacks>(std::move(call))},
          landing{loop},
          reading{loop},
          deadline{loop, std::move(on_deadline)},
          read_on{loop, std::move(on_breath)} {}

    RunId id;
    SideOrder order;
    std::shared_ptr<Callbacks> callbacks;

    // From its clone until it is taken; 0 before and after.
    pid_t pid = 0;
    bool launched = false;
    os::Flight flight;
    loop::FdWatch landing;
    std::optional<os::SpawnFailure> failure;
    // What we lacked when we could clone it but not watch it.
    std::optional<base::OsError> lack;

    // Lent to the child until it has landed.
    base::Fd input;
    base::Fd output_end;

    base::Fd output;
    loop::FdWatch reading;
    std::string tail;
    std::string uncopied;
    bool mid_line = false;  // of the copy
    std::size_t burst = 0;

    loop::Timer deadline;
    loop::Timer read_on;
    bool told = false;  // how it ended
};

SideCommands::SideCommands(Parts parts)
    : parts_{std::move(parts)}, reports_due_{parts_.loop, [this] { deliver(); }} {}

SideCommands::~SideCommands() = default;

SideCommands::Live* SideCommands::find(RunId run) {
    const auto found = live_.find(run);
    return found == live_.end() ? nullptr : found->second.get();
}

SideCommands::Queue& SideCommands::queue_of(const Live& live) {
    return queues_[static_cast<std::size_t>(live.order.lane)];
}

std::optional<RunId> SideCommands::start(SideOrder order, Callbacks callbacks) {
    Queue& queue = queues_[static_cast<std::size_t>(order.lane)];
    if (closed_ || queue.waiting.size() >= most_waiting(order.lane)) return std::nullopt;
    const RunId id = ++last_;
    auto made = std::make_unique<Live>(
        id, std::move(order), std::move(callbacks), parts_.loop, [this, id] { on_deadline(id); },
        [this, id] {
            if (Live* live = find(id)) read_on(*live);
        });
    // Who waits for a place waits no longer than it would be let run.
    if (made->order.timeout > milliseconds{0}) made->deadline.start(made->order.timeout);
    live_.emplace(id, std::move(made));
    queue.waiting.push_back(id);
    pump();
    return id;
}

void SideCommands::pump() {
    for (Queue& queue : queues_) {
        while (!queue.waiting.empty() && parts_.spawner.can_spawn()) {
            Live* live = find(queue.waiting.front());
            if (live && queue.running >= most_at_once(live->order.lane)) break;
            queue.waiting.pop_front();
            if (live) launch(*live);
        }
    }
}

void SideCommands::launch(Live& live) {
    ++queue_of(live).running;
    live.launched = true;
    parts_.tracker.begin(live.id, live.order.slot, {}, os::ticks_since_boot());
    if (const auto error = clone(live)) {
        end(live, {.kind = SideResult::Kind::not_started,
                   .failure = error->text(),
                   .transient = os::is_transient(*error)});
        remove(live);
        return;
    }
    parts_.tracker.launched(live.id, live.pid);
    if (live.order.timeout > milliseconds{0}) live.deadline.start(live.order.timeout);
    watch_flight(live);
    const auto watching =
        live.reading.start(live.output.get(), {.readable = true},
                           [this, run = live.id](loop::FdWatch::Ready) { on_output(run); });
    if (watching) return;
    live.lack = watching.error();
    ::kill(live.pid, SIGKILL);
}

// The error that kept it from being cloned.
std::optional<base::OsError> SideCommands::clone(Live& live) {
    os::SpawnRequest request = std::move(live.order.request);
    auto pipe = base::make_pipe();
    if (!pipe) return pipe.error();
    // Whoever opens /dev/stdout again must be allowed to.
    if (request.ids && ::fchown(pipe->write.get(), request.ids->uid, request.ids->gid) != 0) {
        // What it has open it may write to all the same.
    }
    if (live.order.input) {
        auto input = make_input(*live.order.input);
        if (!input) return input.error();
        live.input = std::move(*input);
        request.input = {os::SpawnRequest::Input::Kind::descriptor, {}, live.input.get()};
    }
    request.stdout_fd = pipe->write.get();
    request.stderr_fd = pipe->write.get();
    request.new_session = true;
    request.want_pidfd = false;
    request.parent_death_signal = SIGTERM;
    request.tag = parts_.tracker.tag_of(live.id);
    if (!request.nofile) request.nofile = parts_.nofile;
    if (!request.oom_score_adj) request.oom_score_adj = parts_.oom_score_adj;

    auto spawned = parts_.spawner.spawn(std::move(request));
    if (!spawned) return spawned.error();
    live.output = std::move(pipe->read);
    live.output_end = std::move(pipe->write);
    live.pid = spawned->pid;
    live.flight = std::move(spawned->flight);
    return std::nullopt;
}

void SideCommands::watch_flight(Live& live) {
    const auto watching =
        live.landing.start(live.flight.status_fd(), {.readable = true},
                           [this, run = live.id](loop::FdWatch::Ready) { landed(run); });
    if (watching) return;
    live.lack = watching.error();
    ::kill(live.pid, SIGKILL);
}

// The status pipe has something to say.
void SideCommands::landed(RunId run) {
    Live* live = find(run);
    if (!live || !live->flight) return;
    // Unwatched before it is closed; see os::Flight::status_fd().
    live->landing.stop();
    auto outcome = live->flight.outcome();
    if (!outcome) return watch_flight(*live);
    live->failure = std::move(outcome->failure);
    live->output_end.reset();
    live->input.reset();
    if (parts_.on_room) parts_.on_room();
    pump();
}

// --- output --------------------------------------------------------------------------------------

// False: there is nothing more for now, or for good.
bool SideCommands::read_output(Live& live) {
    if (!live.output) return false;
    std::array<char, kRead> buffer;
    ssize_t got;
    do {
        got = ::read(live.output.get(), buffer.data(), buffer.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) {
        live.reading.stop();
        live.output.reset();
        return false;
    }
    const auto size = static_cast<std::size_t>(got);
    live.tail.append(buffer.data(), size);
    if (live.tail.size() > kSideOutput) live.tail.erase(0, live.tail.size() - kSideOutput);
    live.burst += size;
    if (live.order.copy_to) copy(live, {buffer.data(), size});
    return true;
}

void SideCommands::copy(Live& live, std::string_view bytes) {
    live.uncopied += bytes;
    while (!live.uncopied.empty()) {
        const ssize_t written =
            ::write(live.order.copy_to.get(), live.uncopied.data(), live.uncopied.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) return;
        if (written < 0) {
            // Nobody is there to read it any more.
            live.order.copy_to.reset();
            live.uncopied.clear();
            return;
        }
        live.mid_line = live.uncopied[static_cast<std::size_t>(written) - 1] != '\n';
        live.uncopied.erase(0, static_cast<std::size_t>(written));
    }
}

// After a breath.
void SideCommands::read_on(Live& live) {
    copy(live, {});
    if (!live.uncopied.empty()) {
        live.read_on.start(kBetweenBursts);
        return;
    }
    live.burst = 0;
    live.reading.resume();
}

void SideCommands::on_output(RunId run) {
    Live* live = find(run);
    if (!live || !read_output(*live)) return;
    if (live->burst < kBurst && live->uncopied.empty()) return;
    live->reading.pause();
    live->read_on.start(kBetweenBursts);
}

void SideCommands::drain(Live& live) {
    for (int reads = 0; reads < kLastReads && read_output(live); ++reads) {
    }
    // The next line is another's.
    if (live.mid_line && live.order.copy_to) copy(live, "\n");
}

// --- its end -------------------------------------------------------------------------------------

// What it writes from here on nobody reads.
void SideCommands::end(Live& live, SideResult result) {
    live.deadline.stop();
    if (std::exchange(live.told, true)) return;
    drain(live);
    live.read_on.stop();
    live.reading.stop();
    live.output.reset();
    result.output = std::exchange(live.tail, {});
    result.not_copied = live.uncopied.size();
    reports_.push_back({live.id, live.callbacks, std::move(result)});
    reports_due_.arm();
}

void SideCommands::on_deadline(RunId run) {
    Live* live = find(run);
    if (!live) return;
    if (live->launched) {
        end(*live, {.kind = SideResult::Kind::timed_out, .timeout = live->order.timeout});
        parts_.sweeper.kill(run);
        parts_.arm_sweep();
        return;
    }
    end(*live,
        {.kind = SideResult::Kind::not_started,
         .failure = "no room for it within " + conf::format_duration(live->order.timeout) + ": " +
                    std::to_string(queue_of(*live).running) + " others of its kind have not ended",
         .transient = true});
    remove(*live);
}

void SideCommands::kill(RunId command) {
    Live* live = find(command);
    if (!live) return;
    if (live->launched) {
        parts_.sweeper.kill(command);
        parts_.arm_sweep();
        return;
    }
    end(*live, {.kind = SideResult::Kind::not_started, .failure = "stopped before it was started"});
    remove(*live);
}

void SideCommands::kill_all() {
    std::vector<RunId> commands;
    for (const auto& [id, live] : live_) commands.push_back(id);
    std::ranges::sort(commands);
    for (const RunId command : commands) kill(command);
}

void SideCommands::kill_all_of(std::uint32_t slot, SideOrder::Lane lane) {
    std::vector<RunId> commands;
    for (const auto& [id, live] : live_) {
        if (live->order.slot == slot && live->order.lane == lane) commands.push_back(id);
    }
    std::ranges::sort(commands);
    for (const RunId command : commands) kill(command);
}

void SideCommands::abandon(RunId command) {
    if (Live* live = find(command)) {
        *live->callbacks = {};
        kill(command);
    }
    std::erase_if(reports_, [&](const Report& report) { return report.command == command; });
}

bool SideCommands::any_of(std::uint32_t slot, SideOrder::Lane lane) const {
    return std::ranges::any_of(live_, [&](const auto& entry) {
        const Live& live = *entry.second;
        return live.launched && live.order.slot == slot && live.order.lane == lane;
    });
}

void SideCommands::main_ended(RunId run, const base::ExitStatus& status) {
    Live* live = find(run);
    if (!live) return;
    live->pid = 0;
    const bool was_in_flight = static_cast<bool>(live->flight);
    if (was_in_flight) {
        // Dead before its status pipe was looked at.
        live->landing.stop();
        live->flight.child_has_died();
        if (auto outcome = live->flight.outcome()) live->failure = std::move(outcome->failure);
        live->flight = {};
        live->output_end.reset();
        live->input.reset();
    }
    if (live->lack) {
        end(*live, {.kind = SideResult::Kind::not_started,
                    .failure = live->lack->text(),
                    .transient = true});
    } else if (const auto& failure = live->failure) {
        end(*live, {.kind = SideResult::Kind::not_started,
                    .failure = failure->text(),
                    .transient = failure->is_transient()});
    } else {
        end(*live, {.kind = SideResult::Kind::exited, .status = status});
    }
    parts_.sweeper.check(run, false);
    if (was_in_flight && parts_.on_room) parts_.on_room();
    pump();
}

void SideCommands::on_emptied(RunId run) {
    if (Live* live = find(run)) remove(*live);
    pump();
}

void SideCommands::on_left_behind(RunId run) {
    if (!find(run)) return;
    parts_.sweeper.kill(run);
    parts_.arm_sweep();
}

// Nothing is left of it, or there never was anything.
void SideCommands::remove(Live& live) {
    Queue& queue = queue_of(live);
    if (live.launched) {
        --queue.running;
        parts_.sweeper.forget(live.id, false);
    } else {
        std::erase(queue.waiting, live.id);
    }
    reports_.push_back({live.id, live.callbacks, std::nullopt});
    reports_due_.arm();
    live_.erase(live.id);
}

void SideCommands::deliver() {
    // Those that come of these wait for the next turn.
    for (std::size_t left = reports_.size(); left > 0 && !reports_.empty(); --left) {
        const Report report = std::move(reports_.front());
        reports_.pop_front();
        if (report.result) {
            if (report.callbacks->on_end) report.callbacks->on_end(*report.result);
        } else if (report.callbacks->on_gone) {
            report.callbacks->on_gone();
        }
    }
}

}  // namespace reeve::app
