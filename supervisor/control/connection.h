#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ctl/api/http.h"
#include "supervisor/control/exchange.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/stream.h"
#include "supervisor/loop/timer.h"

namespace reeve::control {

// How long and how much a client may, contract.md §5.
struct Limits {
    api::HttpLimits http;
    std::chrono::milliseconds header{std::chrono::seconds{10}};  // from its first byte to its last
    std::chrono::milliseconds body{std::chrono::seconds{60}};
    std::chrono::milliseconds idle{std::chrono::seconds{60}};   // between requests
    std::chrono::milliseconds drain{std::chrono::seconds{60}};  // to take a reply that is ready
    // After the last reply, for the client to close first: closing on it while it still sends would
    // take from it the reply that says why (RFC 9112, 9.6).
    std::chrono::milliseconds linger{std::chrono::seconds{1}};
    std::size_t queued = 256 * 1024;  // of a stream; a single reply may be longer
    std::size_t ahead = 64 * 1024;    // read of the requests behind the one that is under way
    std::size_t connections = 256;
};

// One client.  Its requests are answered one after the other, in their order; the next one is not
// looked at before the client has taken the reply to the last.
class Connection final : private Exchange {
public:
    Connection(loop::Loop& loop, const Limits& limits, Peer peer, const Handler& handler);

    // Called once, when the connection is of no use any more; must not destroy it there and then.
    void on_closed(std::function<void()> callback) { on_closed_ = std::move(callback); }

    base::OsExpected<void> open(base::Fd fd);

    // Refuses whatever it is that the client wants.
    void turn_away(const Refusal& refusal);

    // The last chance to send what is due.
    void flush();

    // Since when it has been of no use to anybody, by the loop's clock: it asks for nothing, or not
    // yet for anything, or takes nothing of what it has asked for.  nullopt: it is at work.
    std::optional<std::chrono::milliseconds> idle_since();

    // What it has been answered so far, where nothing is lost with it but the answer to a question;
    // else 0.
    std::uint64_t answers() const;

    // Hangs up on it.
    void drop() { close(); }

    // Hangs up on it as soon as it has the answer to a question that it has asked.
    void dismiss();

    // Of a stream that goes on until somebody ends it; else null.
    const Exchange* endless() const { return busy_ && endless_ ? this : nullptr; }

private:
    // What the timer is for.
    enum class Awaiting {
        nothing,
        request,
        header,
        body,
        drain,   // the client is to read
        linger,  // the client is to close
    };

    const api::Request& request() const override { return parser_.request(); }
    const Peer& peer() const override { return peer_; }
    void reply(int status, std::string_view content_type, std::string body) override;
    void refuse(const Refusal& refusal) override;
    void begin_stream(std::string_view content_type, Length length) override;
    void send(std::string_view bytes) override;
    void end_stream() override;
    void switch_protocols(std::string_view protocol) override;
    bool has_room() const override { return stream_.queued_bytes() < limits_.queued; }

    bool keeps_alive() const { return request().keep_alive && !dismissed_; }

    void on_data(std::string_view bytes);
    void on_end(int error);
    void on_drained();
    void on_deadline();

    void write(std::string bytes, std::string more = {});
    void advance();
    void admit_body();
    void handle_request();
    void write_reply(api::ResponseHead head, std::string body);
    void answered();
    void begin_linger();
    bool has_left() const;
    bool leave_if_gone();
    void close();

    Awaiting awaiting() const;
    std::chrono::milliseconds patience(Awaiting awaiting) const;
    void watch_the_clock();

    loop::Loop& loop_;
    const Limits& limits_;
    Peer peer_;
    const Handler& handler_;
    std::function<void()> on_closed_;

    loop::Stream stream_;
    loop::Timer timer_;
    loop::Deferred afterwards_;  // when a job has answered: clears it away and goes on

    api::RequestParser parser_;
    std::string input_;  // read and not parsed yet
    std::unique_ptr<Job> job_;
    std::unique_ptr<Job> answered_job_;

    std::uint64_t answers_ = 0;
    bool busy_ = false;       // a request is under way
    bool streaming_ = false;  // … and its reply has begun
    bool endless_ = false;
    bool switched_ = false;     // … in which HTTP is not spoken any more
    bool unframed_ = false;     // … or is not in chunks: only the connection's end tells its own
    bool admitted_ = false;     // this request's body may come
    bool client_done_ = false;  // it has closed its side
    bool gone_ = false;         // and the other one too
    bool dismissed_ = false;    // nothing is answered after this request
    bool lingering_ = false;    // the last reply is written
    bool shut_ = false;         // and our side is closed
    bool closed_ = false;

    std::chrono::milliseconds done_at_{0};  // when client_done_ became true

    Awaiting awaiting_ = Awaiting::nothing;
    std::chrono::milliseconds deadline_{0};    // of awaiting_, by the loop's clock
    std::chrono::milliseconds alarm_{0};       // when the timer goes off: not after the deadline
    std::size_t owed_ = 0;                     // queued in the stream, as of the last look
    std::chrono::milliseconds owed_since_{0};  // when the client took something of it
};

}  // namespace reeve::control
