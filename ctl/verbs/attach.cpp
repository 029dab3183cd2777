#include "ctl/api/attach.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "conf/units.h"
#include "ctl/raw_terminal.h"
#include "ctl/screen_modes.h"
#include "ctl/screens/text.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

using api::AttachFrame;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Of output that standard output does not take: then the connection is not read, and reeve drops
// what we miss.
constexpr std::size_t kMostOutput = 256 * 1024;
// What a pipe that is writable takes without waiting.
constexpr std::size_t kPiece = 4096;

// Of input that the program does not take.  From a terminal we go on reading, for the detach key.
constexpr std::size_t kMostTyped = 16 * 1024 * 1024;
constexpr std::size_t kMostPiped = 64 * 1024;

// After the end of the input, an answer has come when it has been silent for so long.
constexpr milliseconds kSilence{500};

constexpr int kSignals[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};

sigset_t our_signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : kSignals) ::sigaddset(&set, signal);
    return set;
}

api::AttachWindow window_of_terminal() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 &&
        ::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) {
        return {};
    }
    return {size.ws_row, size.ws_col};
}

std::string bytes(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " byte" : " bytes");
}

// One attachment, from the switch of protocols to its end.
class Attachment {
public:
    Attachment(const Session& session, Exchange exchange)
        : session_{session},
          options_{session.options.attach},
          name_{session.options.targets.front()},
          exchange_{std::move(exchange)},
          is_terminal_{::isatty(STDIN_FILENO) == 1},
          strip_returns_{!session.world.out_is_terminal},
          terminal_{STDIN_FILENO} {}
    ~Attachment() {
        if (signals_ >= 0) ::close(signals_);
    }
    Attachment(const Attachment&) = delete;
    Attachment& operator=(const Attachment&) = delete;

    Exit run(std::string_view already_come, api::AttachWindow window) {
        window_ = window;
        // From here on signals are read, and what they mean is done with the terminal given back.
        sigset_t set = our_signals();
        ::sigprocmask(SIG_BLOCK, &set, &mask_before_);
        signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        if (is_terminal_) {
            say("attached to " + name_ +
                (options_.detach_key ? "; " + options_.detach_key_name + " detaches" : ""));
            terminal_.take();
        }
        receive(already_come);
        while (!over_) turn();
        leave();
        ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
        return exit_;
    }

private:
    void turn() {
        enum { input, connection, signals, output, kCount };
        const bool may_read_input = !input_over_ && (is_terminal_ || typed_.size() < kMostPiped);
        const bool may_receive = output_.size() < kMostOutput;
        pollfd polled[kCount] = {};
        polled[input] = {may_read_input ? STDIN_FILENO : -1, POLLIN, 0};
        polled[connection] = {exchange_.fd(), 0, 0};
        if (may_receive) polled[connection].events |= POLLIN;
        if (!frames_.empty()) polled[connection].events |= POLLOUT;
        polled[signals] = {signals_, POLLIN, 0};
        polled[output] = {STDOUT_FILENO, static_cast<short>(output_.empty() ? 0 : POLLOUT), 0};
        if (::poll(polled, kCount, time_left()) < 0) return;  // EINTR: of no interest

        if (polled[signals].revents != 0) read_signals();
        if (polled[output].revents & (POLLERR | POLLNVAL)) return end(Exit::done);
        if (polled[output].revents & POLLOUT) write_output();
        if (over_) return;
        if (polled[input].revents != 0) read_input();
        send_typed();
        if (polled[connection].revents & POLLOUT) send_frames();
        if (may_receive && (polled[connection].revents & (POLLIN | POLLHUP | POLLERR))) {
            read_connection();
        }
        if (!over_ && !is_terminal_) look_whether_answered();
    }

    // ---- the input

    void read_input() {
        char buffer[16 * 1024];
        const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (got <= 0) {
            input_over_ = true;
            input_over_at_ = last_output_ = Clock::now();
            if (is_terminal_) end(Exit::done);  // it is gone, and we with it
            return;
        }
        std::string_view typed{buffer, static_cast<std::size_t>(got)};
        bool detaches = false;
        if (is_terminal_ && options_.detach_key) {
            const std::size_t key = typed.find(*options_.detach_key);
            detaches = key != std::string_view::npos;
            typed = typed.substr(0, key);
        }
        const std::size_t room = kMostTyped - std::min(kMostTyped, typed_.size());
        dropped_ += typed.size() - std::min(room, typed.size());
        typed_ += typed.substr(0, room);
        if (!detaches) return;
        send_typed();
        send_frames();
        end(Exit::done);
        const std::uint64_t left = typed_.size() + on_its_way_ + dropped_;
        last_words_ = "detached from " + name_;
        if (left > kNoticeable) last_words_ += "; it has not taken " + bytes(left) + " of input";
    }

    void send_typed() {
        while (!typed_.empty() && on_its_way_ < api::kInputWindow) {
            const std::string_view piece =
                std::string_view{typed_}.substr(0, api::kInputWindow - on_its_way_);
            frames_ += api::write_frame(AttachFrame::input, piece);
            if (on_its_way_ == 0) progress_at_ = Clock::now();
            on_its_way_ += piece.size();
            typed_.erase(0, piece.size());
        }
        if (!frames_.empty()) send_frames();
    }

    void send_frames() {
        while (!frames_.empty()) {
            const ssize_t sent =
                ::send(exchange_.fd(), frames_.data(), frames_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent > 0) {
                frames_.erase(0, static_cast<std::size_t>(sent));
            } else if (errno != EINTR) {
                // What the other end has said last is worth more than EPIPE: the read tells.
                if (errno != EAGAIN) frames_.clear();
                return;
            }
        }
    }

    // ---- the output

    void read_connection() {
        char buffer[64 * 1024];
        const ssize_t got = ::recv(exchange_.fd(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
        if (got <= 0) {
            failure_ = Failure{Exit::unreachable, "the connection to reeve was lost",
                               "see whether it still runs, and what it logged last"};
            return end(Exit::unreachable);
        }
        receive({buffer, static_cast<std::size_t>(got)});
    }

    void receive(std::string_view received) {
        const bool readable = reader_.feed(
            received, [this](AttachFrame type, std::string_view payload) { take(type, payload); });
        if (readable || over_) return;
        failure_ = session_.client.unreadable("a frame is too long");
        end(Exit::unreachable);
    }

    void take(AttachFrame type, std::string_view payload) {
        if (over_) return;
        switch (type) {
            case AttachFrame::output:
                last_output_ = Clock::now();
                show(payload);
                break;
            case AttachFrame::taken:
                on_its_way_ -=
                    std::min<std::size_t>(on_its_way_, api::read_count(payload).value_or(0));
                last_output_ = progress_at_ = Clock::now();
                break;
            case AttachFrame::missed:
                notice(bytes(api::read_count(payload).value_or(0)) +
                       " of output are missing here: they came faster than they were read");
                break;
            case AttachFrame::notice:
                notice(payload);
                break;
            case AttachFrame::end: {
                const bool ok = payload.starts_with('+');
                const std::string words{payload.substr(std::min<std::size_t>(1, payload.size()))};
                if (ok) {
                    last_words_ = words;
                } else {
                    failure_ = Failure{Exit::failed, words, ""};
                }
                end(ok ? Exit::done : Exit::failed);
                break;
            }
            case AttachFrame::input:
            case AttachFrame::window:
                break;  // not a server's
        }
    }

    // A terminal ends lines with "\r\n"; who is none has no use for the first of them.
    void show(std::string_view text) {
        modes_.feed(text);
        if (!strip_returns_) {
            output_ += text;
        } else {
            for (const char c : text) {
                if (std::exchange(return_held_, c == '\r') && c != '\n') output_ += '\r';
                if (c != '\r') output_ += c;
            }
        }
        write_output();
    }

    void write_output() {
        while (!output_.empty() && !over_) {
            pollfd ready{STDOUT_FILENO, POLLOUT, 0};
            if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
            const ssize_t written =
                ::write(STDOUT_FILENO, output_.data(), std::min(output_.size(), kPiece));
            if (written > 0) {
                output_.erase(0, static_cast<std::size_t>(written));
            } else if (errno != EINTR && errno != EAGAIN) {
                const int error = errno;
                output_.clear();
                // Nobody reads any more; that is no failure.
                if (error != EPIPE && error != EIO) {
                    failure_ = Failure{
                        Exit::failed,
                        std::string{"can't write to standard output: "} + std::strerror(error), ""};
                }
                end(failure_ ? Exit::failed : Exit::done);
            }
        }
    }

    // Beside the program's own words, on a line of its own.
    void notice(std::string_view text) {
        if (session_.options.quiet) return;
        if (!is_terminal_ || !session_.world.out_is_terminal) return say(std::string{text});
        std::string line = modes_.at_line_start() ? "" : "\r\n";
        line += coloured(session_.style, Colour::dim, "[" + std::string{text} + "]") + "\r\n";
        show(line);
    }

    void say(const std::string& text) {
        if (session_.options.quiet) return;
        const Style style = choose_error_style(session_.world, session_.options.colour);
        session_.world.err(coloured(style, Colour::dim, text) + "\n");
    }

    // ---- input that is no terminal

    bool all_taken() const { return typed_.empty() && on_its_way_ == 0; }

    // Its answer, too, is waited for: it is there once there was silence.
    void look_whether_answered() {
        const auto now = Clock::now();
        if (now < due()) return;
        if (!all_taken()) {
            failure_ = Failure{Exit::failed,
                               name_ + " has taken nothing of its input for " +
                                   conf::format_duration(session_.patience()),
                               "it does not read its terminal; allow it more time with --timeout"};
        }
        end(all_taken() ? Exit::done : Exit::failed);
    }

    // When there is no point in waiting any longer.
    Clock::time_point due() const {
        if (!all_taken()) return progress_at_ + session_.patience();
        if (!input_over_) return Clock::time_point::max();
        if (session_.options.no_wait) return input_over_at_;
        return std::min(input_over_at_ + session_.patience(), last_output_ + kSilence);
    }

    int time_left() const {
        if (is_terminal_) return -1;
        const Clock::time_point when = due();
        if (when == Clock::time_point::max()) return -1;
        const auto left = std::chrono::ceil<milliseconds>(when - Clock::now()).count();
        return static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
    }

    // ---- signals

    void read_signals() {
        signalfd_siginfo info{};
        while (::read(signals_, &info, sizeof info) == sizeof info) {
            switch (const int signal = static_cast<int>(info.ssi_signo)) {
                case SIGWINCH:
                    tell_window();
                    break;
                case SIGCONT:
                    if (is_terminal_) terminal_.take();
                    tell_window();
                    break;
                case SIGTSTP:
                    stop_here();
                    break;
                default:
                    return end_by(signal);
            }
        }
    }

    // Several changes that came at once are one.
    void tell_window() {
        const api::AttachWindow window = window_of_terminal();
        if (window == std::exchange(window_, window)) return;
        frames_ += api::write_window(window);
        send_frames();
    }

    // The shell gets its terminal as it was; SIGCONT takes it again.
    void stop_here() {
        terminal_.give_back();
        ::raise(SIGSTOP);
    }

    // What the signal does to those who don't catch it, after the terminal was given back.
    void end_by(int signal) {
        over_ = true;
        leave();
        std::signal(signal, SIG_DFL);
        ::sigprocmask(SIG_SETMASK, &mask_before_, nullptr);
        ::raise(signal);
        exit_ = Exit::failed;  // it was ignored all along
    }

    // ---- the end

    void end(Exit exit) {
        if (std::exchange(over_, true)) return;
        exit_ = exit;
    }

    void leave() {
        if (return_held_) output_ += '\r';
        if (is_terminal_ && session_.world.out_is_terminal) {
            output_ += modes_.undo();
            if (!modes_.at_line_start()) output_ += "\r\n";
        }
        // A terminal that takes nothing must not keep us.
        const auto until = Clock::now() + milliseconds{1000};
        over_ = false;
        for (write_output(); !output_.empty() && Clock::now() < until; write_output()) {
            pollfd ready{STDOUT_FILENO, POLLOUT, 0};
            ::poll(&ready, 1, 100);
        }
        over_ = true;
        terminal_.give_back();
        if (failure_) {
            session_.fail(*failure_);
        } else if (is_terminal_ && !last_words_.empty()) {
            say(last_words_);
        }
        failure_.reset();
        last_words_.clear();
    }

    // Less than this has not been taken only because it was typed just now.
    static constexpr std::uint64_t kNoticeable = 1024;

    const Session& session_;
    const Options::Attach& options_;
    const std::string& name_;
    Exchange exchange_;
    const bool is_terminal_;
    const bool strip_returns_;
    RawTerminal terminal_;
    api::AttachWindow window_;
    sigset_t mask_before_{};
    int signals_ = -1;

    std::string typed_;   // read and not sent
    std::string frames_;  // to be sent
    std::size_t on_its_way_ = 0;
    std::uint64_t dropped_ = 0;
    Clock::time_point progress_at_{};  // when the last of it was taken
    bool input_over_ = false;
    Clock::time_point input_over_at_{};

    api::AttachReader reader_;
    ScreenModes modes_;
    std::string output_;  // to be shown
    bool return_held_ = false;
    Clock::time_point last_output_{};

    bool over_ = false;
    Exit exit_ = Exit::done;
    std::optional<Failure> failure_;
    std::string last_words_;
};

}  // namespace

Exit attach_verb(const Session& session) {
    const api::AttachWindow window = window_of_terminal();
    Call call = session.question(program_path(session.options.targets.front()) + "/attach");
    call.method = "POST";
    call.protocol = api::kAttachProtocol;
    call.target +=
        "?rows=" + std::to_string(window.rows) + "&columns=" + std::to_string(window.columns);
    // A screenful of the past, for who looks on.
    if (::isatty(STDIN_FILENO) == 1) {
        call.target += "&lines=" + std::to_string(window.rows > 1 ? window.rows - 1 : 23);
    }
    auto exchange = session.client.begin(call);
    if (!exchange) return session.fail(exchange.error());
    const auto come = exchange->switched();
    if (!come) return session.fail(come.error());
    return Attachment{session, *std::move(exchange)}.run(*come, window);
}

}  // namespace reeve::ctl
