#include "supervisor/log/console.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "supervisor/log/worker.h"

namespace reeve::log {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kRetryFailed = 1s;
constexpr auto kRetryFull = 10ms;
constexpr std::size_t kEntry = 64 * 1024;
constexpr std::uint32_t kOwnWriter = UINT32_MAX;

// How much may be written at once without waiting, once poll() says POLLOUT.
enum class Kind {
    pipe,    // a page is free: PIPE_BUF bytes; ttys and what we don't know are treated alike
    socket,  // whatever it takes, with MSG_DONTWAIT
    file,    // never says that it isn't ready
};

Kind kind_of(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return Kind::pipe;
    if (S_ISSOCK(status.st_mode)) return Kind::socket;
    if (S_ISREG(status.st_mode)) return Kind::file;
    if (S_ISCHR(status.st_mode) && ::isatty(fd) == 0) return Kind::file;  // /dev/null
    return Kind::pipe;
}

// What of it to write now: whole lines where one ends early enough, as others may write to the same
// pipe.
std::string_view next_part(std::string_view bytes, Kind kind) {
    if (kind != Kind::pipe || bytes.size() <= PIPE_BUF) return bytes;
    const std::size_t newline = bytes.substr(0, PIPE_BUF).rfind('\n');
    return bytes.substr(0, newline == std::string_view::npos ? PIPE_BUF : newline + 1);
}

struct Entry {
    std::string bytes;
    bool own = false;
};

struct Channel {
    int fd = -1;
    Kind kind = Kind::pipe;

    // Under the mutex.
    std::deque<Entry> entries;
    std::size_t program_bytes = 0;
    std::size_t own_bytes = 0;
    std::uint32_t last_writer = kOwnWriter;
    bool mid_line = false;
    bool room_wanted = false;
    std::optional<Clock::time_point> full_since{};
    std::optional<Console::Failure> failure{};

    // Of the thread alone.
    Entry current;
    std::size_t written = 0;
    Clock::time_point retry_at{};

    bool busy() const { return written < current.bytes.size(); }

    void append(std::string_view bytes, bool own) {
        if (entries.empty() || entries.back().own != own || entries.back().bytes.size() > kEntry)
            entries.push_back({{}, own});
        entries.back().bytes += bytes;
        (own ? own_bytes : program_bytes) += bytes.size();
    }
};

}  // namespace

struct Console::State {
    explicit State(Options given) : options{std::move(given)} {
        channels[0].fd = options.out;
        channels[1].fd = options.err;
        for (Channel& channel : channels) channel.kind = kind_of(channel.fd);
    }

    void run();
    void wake_up();
    bool take_entries();
    void write_some(Channel& channel);
    void failed(Channel& channel, int error);
    void entry_done(Channel& channel);
    void say_dropped(Channel& channel);

    Options options;
    base::Fd wake;

    std::mutex mutex;
    std::condition_variable ended_changed;
    std::array<Channel, 2> channels;
    std::uint64_t dropped_lines = 0;
    bool stopping = false;
    bool given_up = false;
    bool ended = false;

    std::mutex room_mutex;
    std::function<void()> on_room;
};

base::OsExpected<std::unique_ptr<Console>> Console::start(Options options) {
    auto state = std::make_shared<State>(std::move(options));
    state->wake = base::Fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!state->wake) return base::os_error("eventfd");

    std::unique_ptr<Console> console{new Console{state}};
    auto thread = start_worker("reeve-console", [state] { state->run(); });
    if (!thread) return Unexpected<base::OsError>{thread.error()};
    console->thread_ = std::move(*thread);
    return console;
}

Console::Console(std::shared_ptr<State> state) : state_{std::move(state)} {}

Console::~Console() {
    stop(0ms);
}

void Console::own_line(std::string_view line) {
    {
        const std::lock_guard lock{state_->mutex};
        Channel& channel = state_->channels[1];
        if (channel.own_bytes + line.size() + 1 > state_->options.own_bytes || state_->stopping) {
            ++state_->dropped_lines;
            return;
        }
        if (channel.mid_line) channel.append("\n", true);
        channel.append(line, true);
        channel.append("\n", true);
        channel.mid_line = false;
        channel.last_writer = kOwnWriter;
    }
    state_->wake_up();
}

bool Console::has_room(Target target) {
    const std::lock_guard lock{state_->mutex};
    Channel& channel = state_->channels[static_cast<std::size_t>(target)];
    if (channel.program_bytes < state_->options.program_bytes) return true;
    channel.room_wanted = true;
    if (!channel.full_since) channel.full_since = Clock::now();
    return false;
}

std::optional<Clock::time_point> Console::full_since(Target target) {
    const std::lock_guard lock{state_->mutex};
    return state_->channels[static_cast<std::size_t>(target)].full_since;
}

std::optional<Console::Failure> Console::failure(Target target) {
    const std::lock_guard lock{state_->mutex};
    return state_->channels[static_cast<std::size_t>(target)].failure;
}

void Console::program_lines(Target target, std::uint32_t writer, std::string_view prefix,
                            std::string_view text) {
    if (text.empty()) return;
    {
        const std::lock_guard lock{state_->mutex};
        Channel& channel = state_->channels[static_cast<std::size_t>(target)];
        if (!channel.mid_line || channel.last_writer != writer) {
            if (channel.mid_line) channel.append("\n", false);
            channel.append(prefix, false);
        }
        channel.append(text, false);
        channel.mid_line = text.back() != '\n';
        channel.last_writer = writer;
    }
    state_->wake_up();
}

void Console::on_room(std::function<void()> callback) {
    const std::lock_guard lock{state_->room_mutex};
    state_->on_room = std::move(callback);
}

std::size_t Console::queued() {
    const std::lock_guard lock{state_->mutex};
    std::size_t bytes = 0;
    for (const Channel& channel : state_->channels)
        bytes += channel.program_bytes + channel.own_bytes;
    return bytes;
}

bool Console::stop(std::chrono::milliseconds at_most) {
    if (!thread_.joinable()) return queued() == 0;
    bool ended = false;
    {
        std::unique_lock lock{state_->mutex};
        state_->stopping = true;
        state_->given_up = at_most == 0ms;
        state_->wake_up();
        state_->ended_changed.wait_for(lock, at_most, [this] { return state_->ended; });
        // A thread that only waits for its descriptor leaves at once; one in a write may not.
        state_->given_up = true;
        state_->wake_up();
        ended = state_->ended_changed.wait_for(lock, 100ms, [this] { return state_->ended; });
    }
    if (ended) {
        thread_.join();
    } else {
        thread_.detach();
    }
    return queued() == 0;
}

void Console::State::wake_up() {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then the thread is as good as woken.
    [[maybe_unused]] const ssize_t count = ::write(wake.get(), &one, sizeof one);
}

// Gives each channel that is done with its entry the next; false when it is time to end.
bool Console::State::take_entries() {
    const std::lock_guard lock{mutex};
    bool busy = false;
    for (Channel& channel : channels) {
        if (!channel.busy() && !channel.entries.empty()) {
            channel.current = std::move(channel.entries.front());
            channel.written = 0;
            channel.entries.pop_front();
        }
        busy = busy || channel.busy();
    }
    if (!given_up && (!stopping || busy)) return true;
    ended = true;
    ended_changed.notify_all();
    return false;
}

void Console::State::run() {
    while (take_entries()) {
        std::array<pollfd, 3> polled{};
        polled[0] = {wake.get(), POLLIN, 0};
        const auto now = Clock::now();
        auto timeout = -1ms;
        for (std::size_t index = 0; index < channels.size(); ++index) {
            Channel& channel = channels[index];
            polled[index + 1] = {-1, POLLOUT, 0};
            if (!channel.busy()) continue;
            if (channel.retry_at <= now) {
                polled[index + 1].fd = channel.fd;
                // poll() knows negative numbers as "not this one".
                if (channel.fd < 0) channel.retry_at = now + kRetryFailed;
            }
            if (channel.retry_at > now) {
                const auto rest =
                    std::chrono::ceil<std::chrono::milliseconds>(channel.retry_at - now);
                timeout = timeout < 0ms ? rest : std::min(timeout, rest);
            }
        }

        if (::poll(polled.data(), polled.size(), static_cast<int>(timeout.count())) <= 0) continue;
        if (polled[0].revents != 0) {
            std::uint64_t count = 0;
            [[maybe_unused]] const ssize_t size = ::read(wake.get(), &count, sizeof count);
        }
        for (std::size_t index = 0; index < channels.size(); ++index)
            if (polled[index + 1].revents != 0) write_some(channels[index]);
    }
}

void Console::State::write_some(Channel& channel) {
    const auto rest = std::string_view{channel.current.bytes}.substr(channel.written);
    const auto part = next_part(rest, channel.kind);
    const ssize_t count =
        channel.kind == Kind::socket
            ? ::send(channel.fd, part.data(), part.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
            : ::write(channel.fd, part.data(), part.size());
    if (count < 0) {
        const int error = errno;
        if (error == EINTR) return;
        channel.retry_at = Clock::now();
        // Somebody who shares the descriptor has made it non-blocking.
        channel.retry_at += error == EAGAIN ? Clock::duration{kRetryFull} : kRetryFailed;
        if (error != EAGAIN) failed(channel, error);
        return;
    }
    channel.written += static_cast<std::size_t>(count);
    if (!channel.busy()) entry_done(channel);
}

void Console::State::failed(Channel& channel, int error) {
    {
        const std::lock_guard lock{mutex};
        if (channel.failure && channel.failure->error == error) return;
        const auto since = channel.failure ? channel.failure->since : Clock::now();
        channel.failure = {error, since};
    }
    const std::lock_guard lock{room_mutex};
    if (on_room) on_room();
}

void Console::State::entry_done(Channel& channel) {
    bool room = false;
    {
        const std::lock_guard lock{mutex};
        channel.failure.reset();
        (channel.current.own ? channel.own_bytes : channel.program_bytes) -=
            channel.current.bytes.size();
        if (channel.current.own) say_dropped(channel);
        if (channel.program_bytes < options.program_bytes) channel.full_since.reset();
        if (channel.program_bytes <= options.program_bytes / 2)
            room = std::exchange(channel.room_wanted, false);
    }
    channel.current = {};
    channel.written = 0;

    if (!room) return;
    const std::lock_guard lock{room_mutex};
    if (on_room) on_room();
}

void Console::State::say_dropped(Channel& channel) {
    if (dropped_lines == 0 || !options.dropped_text || stopping) return;
    if (channel.own_bytes > options.own_bytes / 2) return;
    std::string text = channel.mid_line ? "\n" : "";
    text += options.dropped_text(std::exchange(dropped_lines, 0)) + "\n";
    channel.append(text, true);
    channel.mid_line = false;
    channel.last_writer = kOwnWriter;
}

}  // namespace reeve::log
