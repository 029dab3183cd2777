#include "supervisor/log/own_writer.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include "supervisor/base/fd.h"
#include "supervisor/log/worker.h"

namespace reeve::log {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Result = OwnTarget::Result;

constexpr auto kRetry = 1s;
// A target that takes nothing for so long does not keep up.
constexpr auto kStuckAfter = 5s;

std::size_t size_of(const OwnEntry& entry) {
    return entry.line.size() + 1;
}

std::size_t size_of(const std::deque<OwnEntry>& entries) {
    std::size_t size = 0;
    for (const OwnEntry& entry : entries) size += size_of(entry);
    return size;
}

std::string dropped_text(std::uint64_t lines) {
    return std::to_string(lines) + (lines == 1 ? " line" : " lines") +
           " of reeve's own log dropped";
}

}  // namespace

struct OwnWriter::State {
    explicit State(Options given) : options{std::move(given)} {}

    void run();
    bool take_queued();
    void deliver();
    void note_trouble();
    void all_elsewhere();
    void say_dropped();
    void say_elsewhere(conf::LogLevel level, std::string_view message);
    void say(conf::LogLevel level, std::string_view message);
    void write_elsewhere(std::string_view line);
    void wait();
    void wake_up() const;

    Options options;
    base::Fd wake;

    std::mutex mutex;
    std::condition_variable ended_changed;
    std::deque<OwnEntry> queue;
    std::size_t bytes = 0;  // with those that the thread has taken
    std::uint64_t dropped = 0;
    bool reopen = false;
    bool stopping = false;
    bool given_up = false;  // its time is up
    bool ended = false;
    std::optional<Trouble> failure;            // while it fails
    std::optional<Clock::time_point> held_up;  // since when it has taken nothing

    // Of the thread alone.
    std::deque<OwnEntry> taken;
    Result result = Result::later;  // the target is opened before the first line
    Clock::time_point retry_at{};
    bool failing = false;

    // The owner may be gone when a write that was stuck returns.
    std::mutex door;
    bool closed = false;
};

base::OsExpected<std::unique_ptr<OwnWriter>> OwnWriter::start(Options options) {
    auto state = std::make_shared<State>(std::move(options));
    state->wake = base::Fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!state->wake) return base::os_error("eventfd");

    std::unique_ptr<OwnWriter> writer{new OwnWriter{state}};
    auto thread = start_worker("reeve-own-log", [state] { state->run(); });
    if (!thread) return Unexpected<base::OsError>{thread.error()};
    writer->thread_ = std::move(*thread);
    return writer;
}

OwnWriter::OwnWriter(std::shared_ptr<State> state) : state_{std::move(state)} {}

OwnWriter::~OwnWriter() {
    stop(0ms);
}

void OwnWriter::put(OwnEntry entry) {
    {
        const std::lock_guard lock{state_->mutex};
        if (!state_->stopping) {
            if (state_->bytes + size_of(entry) > state_->options.most_bytes) {
                ++state_->dropped;
                return;
            }
            state_->bytes += size_of(entry);
            state_->queue.push_back(std::move(entry));
            state_->wake_up();
            return;
        }
    }
    state_->options.elsewhere(entry.line);
}

void OwnWriter::reopen() {
    const std::lock_guard lock{state_->mutex};
    state_->reopen = true;
    state_->wake_up();
}

bool OwnWriter::stop(std::chrono::milliseconds at_most) {
    if (!thread_.joinable()) return true;
    std::deque<OwnEntry> stuck;
    std::uint64_t dropped = 0;
    bool ended = false;
    {
        std::unique_lock lock{state_->mutex};
        state_->stopping = true;
        state_->wake_up();
        state_->ended_changed.wait_for(lock, at_most, [this] { return state_->ended; });
        // A thread that only waits leaves at once; one in a write may not.
        state_->given_up = true;
        state_->wake_up();
        ended = state_->ended_changed.wait_for(lock, 100ms, [this] { return state_->ended; });
        stuck = std::exchange(state_->queue, {});
        dropped = std::exchange(state_->dropped, 0);
    }
    if (ended) {
        thread_.join();
    } else {
        thread_.detach();
    }
    for (const OwnEntry& entry : stuck) state_->options.elsewhere(entry.line);
    if (dropped != 0)
        state_->say_elsewhere(
            conf::LogLevel::warn,
            dropped_text(dropped) + ": " + state_->options.target->path() + " did not take them");
    const std::lock_guard lock{state_->door};
    state_->closed = true;
    return ended;
}

void OwnWriter::State::wake_up() const {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then the thread is as good as woken.
    [[maybe_unused]] const ssize_t count = ::write(wake.get(), &one, sizeof one);
}

void OwnWriter::State::run() {
    while (take_queued()) {
        deliver();
        say_dropped();
        wait();
    }
    all_elsewhere();
    const std::string rest = options.target->left_over();
    for (std::string_view lines = rest; !lines.empty();) {
        const std::size_t newline = lines.find('\n');
        write_elsewhere(lines.substr(0, newline));
        lines.remove_prefix(newline == std::string_view::npos ? lines.size() : newline + 1);
    }
    const std::lock_guard lock{mutex};
    ended = true;
    ended_changed.notify_all();
}

// False when it is time to end.
bool OwnWriter::State::take_queued() {
    const std::lock_guard lock{mutex};
    while (!queue.empty()) {
        taken.push_back(std::move(queue.front()));
        queue.pop_front();
    }
    if (std::exchange(reopen, false)) {
        options.target->reopen();
        retry_at = {};
        result = Result::later;
    }
    const bool nothing_left = taken.empty() && (result == Result::done || result == Result::failed);
    return !given_up && !(stopping && nothing_left);
}

void OwnWriter::State::deliver() {
    const bool trouble = result == Result::failed || result == Result::later;
    const bool resting = trouble && Clock::now() < retry_at;
    if (!resting && (trouble || !taken.empty())) {
        const std::size_t before = size_of(taken);
        {
            const std::lock_guard lock{mutex};
            if (!held_up) held_up = Clock::now();
        }
        result = options.target->deliver(taken);
        retry_at = Clock::now() + kRetry;
        const std::size_t delivered = before - size_of(taken);
        const std::lock_guard lock{mutex};
        bytes -= delivered;
        if (result != Result::busy || delivered > 0) held_up.reset();
        note_trouble();
    }
    if (result == Result::failed) {
        if (!std::exchange(failing, true))
            say_elsewhere(conf::LogLevel::warn,
                          "reeve's own log cannot be written to " + options.target->path() + ": " +
                              options.target->why() + "; it goes to stderr until it can be");
        all_elsewhere();
    } else if (result != Result::later && std::exchange(failing, false)) {
        say(conf::LogLevel::info,
            "reeve's own log is written to " + options.target->path() + " again");
    }
}

// With the mutex held.
void OwnWriter::State::note_trouble() {
    if (result == Result::done || result == Result::busy) failure.reset();
    if (result != Result::failed) return;
    const auto since = failure ? failure->since : as_time_point(Clock::now());
    failure = Trouble{.effect = Trouble::Effect::diverted,
                      .place = options.target->path(),
                      .reason = options.target->why(),
                      .since = since,
                      .said = true};
}

std::optional<Trouble> OwnWriter::trouble() const {
    const std::lock_guard lock{state_->mutex};
    if (state_->failure) return state_->failure;
    if (!state_->held_up || Clock::now() - *state_->held_up < kStuckAfter) return std::nullopt;
    return Trouble{.effect = Trouble::Effect::waits,
                   .place = state_->options.target->path(),
                   .reason = model::kDoesNotKeepUp,
                   .since = as_time_point(*state_->held_up)};
}

void OwnWriter::State::all_elsewhere() {
    for (const OwnEntry& entry : taken) write_elsewhere(entry.line);
    const std::size_t size = size_of(taken);
    taken.clear();
    const std::lock_guard lock{mutex};
    bytes -= size;
}

void OwnWriter::State::say_dropped() {
    std::uint64_t lines = 0;
    {
        const std::lock_guard lock{mutex};
        if (dropped == 0 || bytes > options.most_bytes / 2) return;
        lines = std::exchange(dropped, 0);
    }
    say(conf::LogLevel::warn,
        dropped_text(lines) + ": " + options.target->path() + " did not take them");
}

void OwnWriter::State::say_elsewhere(conf::LogLevel level, std::string_view message) {
    const std::lock_guard lock{door};
    if (!closed) options.elsewhere(options.say(level, message).line);
}

void OwnWriter::State::say(conf::LogLevel level, std::string_view message) {
    OwnEntry entry;
    {
        const std::lock_guard lock{door};
        if (closed) return;
        entry = options.say(level, message);
    }
    const std::lock_guard lock{mutex};
    bytes += size_of(entry);
    queue.push_back(std::move(entry));
    wake_up();
}

void OwnWriter::State::write_elsewhere(std::string_view line) {
    const std::lock_guard lock{door};
    if (!closed) options.elsewhere(line);
}

void OwnWriter::State::wait() {
    std::array<pollfd, 2> polled{};
    polled[0] = {wake.get(), POLLIN, 0};
    polled[1] = {result == Result::busy ? options.target->waits_for() : -1, POLLOUT, 0};
    int timeout = -1;
    if (result == Result::failed || result == Result::later) {
        const auto rest = std::chrono::ceil<std::chrono::milliseconds>(retry_at - Clock::now());
        timeout = static_cast<int>(std::max(rest, 0ms).count());
    }
    if (::poll(polled.data(), polled.size(), timeout) <= 0 || polled[0].revents == 0) return;
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = ::read(wake.get(), &count, sizeof count);
}

}  // namespace reeve::log
