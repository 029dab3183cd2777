#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ctl/api/http.h"
#include "supervisor/control/router.h"
#include "supervisor/os/unix_socket.h"

// Between the connections, which know HTTP and no call, and the calls, which know no socket.
namespace reeve::control {

// Who is at the other end of a connection, as of when it came.
struct Peer {
    os::PeerCredentials credentials{};  // of the Unix socket's
    std::string address{};              // of TCP's: "127.0.0.1:53122"; empty: it is the former

    bool is_remote() const { return !address.empty(); }
};

// One request and the answer to it: either reply() or refuse() once, or begin_stream() or
// switch_protocols(), send()s and end_stream().  Ends when its Job is destroyed.  None of these
// calls back from inside.
class Exchange {
public:
    virtual ~Exchange() = default;

    // Both until the answer is complete.
    virtual const api::Request& request() const = 0;
    virtual const Peer& peer() const = 0;

    virtual void reply(int status, std::string_view content_type, std::string body) = 0;
    virtual void refuse(const Refusal& refusal) = 0;

    // `endless` streams have no time limit to be read in; their sender looks at has_room().
    enum class Length { finite, endless };
    virtual void begin_stream(std::string_view content_type, Length length) = 0;
    virtual void send(std::string_view bytes) = 0;
    virtual void end_stream() = 0;

    // From here on the connection speaks `protocol`: what is sent goes out as it is, what comes is
    // Job::on_input()'s, and a client that closes its side has gone.  Behind end_stream() the
    // connection is closed.
    virtual void switch_protocols(std::string_view protocol) = 0;

    // Whether the client keeps up.  Once it is false, Job::resume() tells when it is true again.
    virtual bool has_room() const = 0;
};

// What is going on for a request that could not be answered at once.  Destroyed when it has been
// answered, or when nobody is there any more who could read the answer: with it must go all that
// could still call its exchange.
class Job {
public:
    virtual ~Job() = default;

    // There is room in the stream: send what is due.
    virtual void resume() {}

    // The same where the loop turns no more: all that is due.
    virtual void flush() { resume(); }

    // What came on a connection that has switched protocols.
    virtual void on_input(std::string_view) {}
};

struct Handler {
    // Whether anything will come of a request whose body is still to come: nobody who is refused
    // anyway has a megabyte kept for it, or is told to go on.
    std::function<std::optional<Refusal>(const Exchange&)> refuse;
    // Answers at once, and returns null; or takes the exchange along in a Job.
    std::function<std::unique_ptr<Job>(Exchange&)> serve;
};

// For callbacks that can't be taken back: they do nothing once their owner has died.
class Lifeline {
public:
    template <typename F>
    auto tie(F callback) const {
        return [alive = std::weak_ptr<char>{token_},
                callback = std::move(callback)](auto&&... arguments) {
            if (!alive.expired()) callback(std::forward<decltype(arguments)>(arguments)...);
        };
    }

private:
    std::shared_ptr<char> token_ = std::make_shared<char>();
};

}  // namespace reeve::control
