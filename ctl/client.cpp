#include "ctl/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <utility>

#include "conf/units.h"

namespace reeve::ctl {

namespace {

using Clock = std::chrono::steady_clock;

// A reply that is kept in memory may be this long; streams go to their sink.
constexpr std::size_t kLongestReply = 256 * 1024 * 1024;
constexpr std::size_t kUsualReply = 4 * 1024 * 1024;

Unexpected<Failure> unreachable(std::string message, std::string hint) {
    return Unexpected<Failure>{{Exit::unreachable, std::move(message), std::move(hint)}};
}

std::string kind_of(mode_t mode) {
    if (S_ISDIR(mode)) return "a directory";
    if (S_ISREG(mode)) return "a file";
    return "something else";
}

Unexpected<Failure> cannot_connect(const std::string& socket, int error) {
    switch (error) {
        case ENOENT:
            return unreachable("reeve is not running: there is no socket " + socket,
                               "start it with 'reeve --config FILE', or name the socket it listens "
                               "on with --socket PATH or $REEVE_SOCKET");
        case ECONNREFUSED: {
            // unix(7): also what connect(2) says of a file that is no socket.
            struct stat file {};
            if (stat(socket.c_str(), &file) == 0 && !S_ISSOCK(file.st_mode)) {
                return unreachable(
                    socket + " is not a socket but " + kind_of(file.st_mode),
                    "name the socket reeve listens on with --socket PATH or $REEVE_SOCKET");
            }
            return unreachable("reeve is not running: nobody listens on " + socket,
                               "it was killed, or is about to end; start it again with 'reeve "
                               "--config FILE'");
        }
        case ENOTDIR:
            return unreachable(
                "reeve is not running: a part of " + socket + " is a file, not a directory",
                "name the socket reeve listens on with --socket PATH or $REEVE_SOCKET");
        case EACCES:
        case EPERM:
            return Unexpected<Failure>{{Exit::not_permitted, "permission denied: " + socket,
                                        "run reevectl as root or as reeve's own user, or let "
                                        "[control] access in its file say "
                                        "what you may"}};
        case ENOTSOCK:
        case EPROTOTYPE:
            return unreachable(socket + " is not a socket reeve listens on",
                               "name the right one with --socket PATH or $REEVE_SOCKET");
        default:
            return unreachable("can't connect to " + socket + ": " + std::strerror(error),
                               "see whether reeve still runs");
    }
}

// Milliseconds for poll(2); -1 for ever.
int poll_timeout(std::optional<Clock::time_point> deadline) {
    if (!deadline) return -1;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

}  // namespace

struct Exchange::State {
    State(std::string path, Sink on_body)
        : socket{std::move(path)}, sink{std::move(on_body)}, parser{[this](std::string_view bytes) {
              const bool good = parser.response().status / 100 == 2;
              if (sink && good)
                  sink(bytes);
              else if (body.size() + bytes.size() <= kLongestReply)
                  keep(bytes);
              else
                  too_long = true;
          }} {}
    ~State() {
        if (fd >= 0) close(fd);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void keep(std::string_view bytes) {
        // All of it in one piece, where the other side says how much it is.
        if (body.empty()) {
            std::uint64_t length = 0;
            const auto said = parser.response().header("content-length").value_or("");
            std::from_chars(said.data(), said.data() + said.size(), length);
            body.reserve(std::min<std::uint64_t>(length, kUsualReply) + api::kReadBehind);
        }
        body += bytes;
    }

    // False: the deadline passed.
    bool wait(short events) const {
        for (;;) {
            pollfd entry{fd, events, 0};
            const int ready = poll(&entry, 1, poll_timeout(deadline));
            if (ready > 0) return true;
            if (ready == 0) return false;
            if (errno != EINTR) return true;  // the read or write will say why
        }
    }

    Unexpected<Failure> late() const {
        return unreachable("reeve did not answer within " + conf::format_duration(timeout) +
                               " (on " + socket + ")",
                           "it may be very busy or stopped; try again, or allow more with "
                           "--timeout");
    }

    Unexpected<Failure> broken(const std::string& why) const {
        return unreachable("no answer from reeve on " + socket + ": " + why,
                           "see whether it still runs, and what it logged last");
    }

    Expected<void, Failure> connect_to() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (socket.empty() || socket.size() >= sizeof address.sun_path) {
            return Unexpected<Failure>{{Exit::usage,
                                        "the socket's path is empty or longer than " +
                                            std::to_string(sizeof address.sun_path - 1) + " bytes",
                                        ""}};
        }
        std::memcpy(address.sun_path, socket.data(), socket.size());
        fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) return cannot_connect(socket, errno);
        while (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            if (errno == EINTR) continue;
            // unix(7): the backlog is full.  Nothing tells when it no longer is.
            if (errno != EAGAIN) return cannot_connect(socket, errno);
            if (poll_timeout(deadline) == 0) return late();
            poll(nullptr, 0, 20);
        }
        return {};
    }

    Expected<void, Failure> send_all(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent >= 0) {
                bytes.remove_prefix(static_cast<std::size_t>(sent));
            } else if (errno == EAGAIN) {
                if (!wait(POLLOUT)) return late();
            } else if (errno != EINTR) {
                // It may have refused us already, and what it says is worth more than EPIPE.
                if (errno == EPIPE || errno == ECONNRESET) return {};
                return broken(std::strerror(errno));
            }
        }
        return {};
    }

    std::string socket;
    Sink sink;
    api::ResponseParser parser;
    std::string body;
    std::string rest;  // behind the reply, where that switched protocols
    bool too_long = false;
    std::optional<Failure> failure;
    int fd = -1;
    std::chrono::milliseconds timeout{0};
    std::optional<Clock::time_point> deadline;
};

Exchange::Exchange(std::unique_ptr<State> state) : state_{std::move(state)} {}
Exchange::Exchange(Exchange&& other) noexcept = default;
Exchange& Exchange::operator=(Exchange&& other) noexcept = default;
Exchange::~Exchange() = default;

int Exchange::fd() const {
    return state_->fd;
}

Expected<Exchange, Failure> Exchange::begin(const std::string& socket, const Call& call,
                                            Sink sink) {
    auto state = std::make_unique<State>(socket, std::move(sink));
    if (call.timeout) {
        state->timeout = *call.timeout;
        state->deadline = Clock::now() + *call.timeout;
    }
    if (auto connected = state->connect_to(); !connected) {
        return Unexpected<Failure>{connected.error()};
    }
    std::vector<api::Header> headers;
    if (call.protocol.empty()) {
        headers.push_back({"Connection", "close"});
    } else {
        headers.push_back({"Connection", "Upgrade"});
        headers.push_back({"Upgrade", call.protocol});
    }
    if (!call.accept.empty()) headers.push_back({"Accept", call.accept});
    if (call.takes_stale) headers.push_back({"Cache-Control", "max-stale"});
    if (!call.body.empty()) headers.push_back({"Content-Type", std::string{api::kJsonType}});
    if (auto sent =
            state->send_all(api::write_request(call.method, call.target, headers, call.body));
        !sent) {
        return Unexpected<Failure>{sent.error()};
    }
    return Exchange{std::move(state)};
}

Exchange::Progress Exchange::pump() {
    char buffer[64 * 1024];
    while (!state_->failure) {
        switch (state_->parser.phase()) {
            case api::ResponseParser::Phase::complete:
                return Progress::ended;
            case api::ResponseParser::Phase::failed:
                state_->failure = state_->broken(state_->parser.error()).value();
                return Progress::ended;
            case api::ResponseParser::Phase::header:
            case api::ResponseParser::Phase::body:
                break;
        }
        const ssize_t got = recv(state_->fd, buffer, sizeof buffer, 0);
        if (got > 0) {
            const std::string_view bytes{buffer, static_cast<std::size_t>(got)};
            state_->rest = bytes.substr(state_->parser.feed(bytes));
            if (state_->too_long) state_->failure = state_->broken("it is too long").value();
        } else if (got == 0 || errno == ECONNRESET) {
            state_->parser.finish();
        } else if (errno == EAGAIN) {
            return Progress::going_on;
        } else if (errno != EINTR) {
            state_->failure = state_->broken(std::strerror(errno)).value();
        }
    }
    return Progress::ended;
}

Exchange::Progress Exchange::wait() {
    return state_->wait(POLLIN) ? pump() : Progress::late;
}

int Exchange::time_left() const {
    return poll_timeout(state_->deadline);
}

Expected<Reply, Failure> Exchange::finish() {
    for (Progress progress = pump(); progress != Progress::ended; progress = wait()) {
        if (progress == Progress::late) return state_->late();
    }
    if (state_->failure) return Unexpected<Failure>{*state_->failure};
    Reply reply{state_->parser.response().status, state_->parser.response().headers,
                std::move(state_->body)};
    if (reply.status / 100 != 2) return Unexpected<Failure>{refusal(reply)};
    return reply;
}

Expected<std::string, Failure> Exchange::switched() {
    for (Progress progress = pump(); progress != Progress::ended; progress = wait()) {
        if (progress == Progress::late) return state_->late();
    }
    if (state_->failure || state_->parser.response().status != 101) {
        const auto reply = finish();
        if (!reply) return Unexpected<Failure>{reply.error()};
        return state_->broken("it does not speak of terminals");
    }
    return std::move(state_->rest);
}

int Exchange::peer_pid() const {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(state_->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
    return peer.pid;
}

Expected<Reply, Failure> Client::call(const Call& request) const {
    auto exchange = begin(request);
    if (!exchange) return Unexpected<Failure>{exchange.error()};
    return exchange->finish();
}

Failure Client::unreadable(const std::string& why) const {
    return {Exit::unreachable, "can't understand the answer from " + socket_ + ": " + why,
            "see with 'reevectl version' whether reeve and reevectl are of one version"};
}

Failure refusal(const Reply& reply) {
    const auto error = api::from_json<api::ErrorBody>(reply.body);
    if (!error && reply.status == 503 && !reply.body.empty() &&
        api::find_header(reply.headers, "content-type").value_or("").starts_with("text/plain")) {
        return {Exit::failed, reply.body.substr(0, reply.body.find('\n')), ""};
    }
    if (!error) {
        return {Exit::failed,
                "reeve answered " + std::to_string(reply.status) + " " +
                    std::string{api::reason_phrase(reply.status)},
                ""};
    }
    Failure failure{Exit::failed, error->message, error->hint.value_or("")};
    const std::string_view code = error->code;
    if (code == api::kNotPermitted.word) {
        failure.exit = Exit::not_permitted;
    } else if (code == api::kNoSuchProgram.word || code == api::kNoSuchRun.word) {
        failure.exit = Exit::no_such_name;
        // A hint for who speaks HTTP, said for who speaks reevectl.
        if (failure.hint.starts_with("GET /")) failure.hint = "'reevectl status' lists them all";
    } else if (code == api::kBadRequest.word || code == api::kBadSignal.word ||
               code == api::kBadJson.word) {
        failure.exit = Exit::usage;
    }
    return failure;
}

}  // namespace reeve::ctl
