#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/api/http.h"
#include "supervisor/base/expected.h"

namespace reeve::ctl {

// What reevectl exits with; the contract's numbers.
enum class Exit {
    done = 0,
    failed = 1,
    usage = 2,
    not_running = 3,
    no_such_name = 4,
    not_permitted = 4,
    unreachable = 7,
    timed_out = 124,  // of wait alone; as timeout(1) has it
};

// Why there is no answer, or not the one that was asked for: sentences for the user, the first says
// what is wrong, the second (if any) what to do next.
struct Failure {
    Exit exit = Exit::failed;
    std::string message;
    std::string hint;
};

struct Reply {
    int status = 0;
    std::vector<api::Header> headers;
    std::string body;
};

struct Call {
    std::string method = "GET";
    std::string target;  // path and query, encoded
    std::string body;
    std::string accept;
    bool takes_stale = false;  // rather old facts than a wait for a look at all processes
    // To switch to, see Exchange::switched().
    std::string protocol{};
    // For the whole call; nullopt: as long as it takes.
    std::optional<std::chrono::milliseconds> timeout;
};

// A non-blocking connection with one call under way on it.
class Exchange {
public:
    // Called with pieces of a 2xx body.
    using Sink = std::function<void(std::string_view)>;

    // Connects and sends.
    static Expected<Exchange, Failure> begin(const std::string& socket, const Call& call,
                                             Sink sink);

    Exchange(Exchange&& other) noexcept;
    Exchange& operator=(Exchange&& other) noexcept;
    ~Exchange();

    enum class Progress {
        going_on,
        ended,  // well or not: finish() tells
        late,   // the call's time is over
    };

    // Waits until something has come, and takes it.
    Progress wait();
    // Takes what is there.
    Progress pump();
    // For poll(2): when it is readable, call pump().
    int fd() const;
    // For poll(2), in milliseconds; -1 for ever.
    int time_left() const;

    // Waits for the end.
    Expected<Reply, Failure> finish();

    // Of a call with a protocol: waits until the server speaks it on fd(), and gives what has come
    // in it already.  The call's time is over then.
    Expected<std::string, Failure> switched();

    // The process at the other end, by SO_PEERCRED; 0 when it is in a PID namespace out of sight.
    int peer_pid() const;

private:
    struct State;
    explicit Exchange(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

class Client {
public:
    explicit Client(std::string socket) : socket_{std::move(socket)} {}

    const std::string& socket() const { return socket_; }

    // The reply of a call that succeeded (2xx); what the server refused is a Failure.
    Expected<Reply, Failure> call(const Call& call) const;

    // The same, as the message it must be.
    template <typename T>
    Expected<T, Failure> ask(const Call& request) const {
        auto reply = call(request);
        if (!reply) return Unexpected<Failure>{reply.error()};
        return decode<T>(std::move(reply->body));
    }

    template <typename T>
    Expected<T, Failure> decode(std::string body) const {
        auto message = [&] {
            if constexpr (std::is_same_v<T, api::Status>)
                return api::read_status(std::move(body));
            else
                return api::from_json<T>(body);
        }();
        if (!message) return Unexpected<Failure>{unreadable(message.error().text)};
        return *std::move(message);
    }

    // Begins a call whose body comes over time.
    Expected<Exchange, Failure> begin(const Call& request, Exchange::Sink sink = {}) const {
        return Exchange::begin(socket_, request, std::move(sink));
    }

    Failure unreadable(const std::string& why) const;

private:
    std::string socket_;
};

// What a reply that is not 2xx means to the user.
Failure refusal(const Reply& reply);

}  // namespace reeve::ctl
