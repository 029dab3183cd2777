#include "supervisor/control/connection.h"

#include <poll.h>

#include <utility>

namespace reeve::control {

namespace {

// Both directions are closed: nobody is there to read.  A client that has only ended its own side,
// as `nc -N` does, still waits for its answer.
bool has_hung_up(int fd) {
    pollfd poll{.fd = fd, .events = 0, .revents = 0};
    return ::poll(&poll, 1, 0) == 1 && (poll.revents & (POLLHUP | POLLERR)) != 0;
}

// Bytes that have come and that we have not come to.
bool has_input(int fd) {
    pollfd poll{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&poll, 1, 0) == 1 && (poll.revents & (POLLHUP | POLLERR)) == 0;
}

api::ResponseHead head_of(int status, std::string_view content_type) {
    api::ResponseHead head;
    head.status = status;
    head.content_type = content_type;
    return head;
}

}  // namespace

Connection::Connection(loop::Loop& loop, const Limits& limits, Peer peer, const Handler& handler)
    : loop_{loop},
      limits_{limits},
      peer_{std::move(peer)},
      handler_{handler},
      stream_{loop},
      timer_{loop, [this] { on_deadline(); }},
      afterwards_{loop,
                  [this] {
                      if (gone_) return close();
                      answered_job_.reset();
                      advance();
                  }},
      parser_{limits.http} {}

base::OsExpected<void> Connection::open(base::Fd fd) {
    auto opened = stream_.open(std::move(fd), {.on_data =
                                                   [this](std::span<const char> bytes) {
                                                       on_data({bytes.data(), bytes.size()});
                                                   },
                                               .on_end = [this](int error) { on_end(error); },
                                               .on_drained = [this] { on_drained(); }});
    if (!opened) return opened;
    stream_.start_reading();
    watch_the_clock();
    return {};
}

void Connection::turn_away(const Refusal& refusal) {
    write(api::write_error(refusal.code, refusal.message, refusal.hint, false));
    begin_linger();
    watch_the_clock();
}

std::optional<std::chrono::milliseconds> Connection::idle_since() {
    if (const std::size_t queued = stream_.queued_bytes(); queued > 0) {
        if (queued < owed_) owed_since_ = loop_.now();
        owed_ = queued;
        return owed_since_;
    }
    // Over TCP nobody knows whether it waits for its answer still.
    if (busy_ && client_done_ && peer_.is_remote()) return done_at_;
    if (busy_ || has_input(stream_.fd())) return std::nullopt;
    // A deadline is set when the waiting for it begins.
    return deadline_ - patience(awaiting_);
}

std::uint64_t Connection::answers() const {
    return endless_ || (busy_ && request().method == "POST") ? 0 : answers_;
}

void Connection::dismiss() {
    dismissed_ = true;
    // What it has been answered it may still read.
    if (busy_ ? endless_ : stream_.queued_bytes() == 0) close();
}

void Connection::flush() {
    if (job_) job_->flush();
}

// ---- what the client does ------------------------------------------------------------------

void Connection::on_data(std::string_view bytes) {
    if (lingering_) return;
    input_ += bytes;
    advance();
}

void Connection::on_end(int error) {
    client_done_ = true;
    done_at_ = loop_.now();
    if (error != 0 || has_left()) {
        close();
        return;
    }
    // What it has asked for it shall have, but nothing that is cut off can be completed any more.
    advance();
}

void Connection::on_drained() {
    awaiting_ = Awaiting::nothing;  // what comes now has all the time again
    if (job_) job_->resume();
    advance();
}

void Connection::on_deadline() {
    if (loop_.now() < deadline_) {
        alarm_ = deadline_;
        timer_.start(deadline_ - loop_.now());
        return;
    }
    switch (awaiting_) {
        case Awaiting::nothing:
            break;
        case Awaiting::header:
            turn_away({api::kRequestTimeout, "the header did not come in time", std::nullopt, {}});
            break;
        case Awaiting::body:
            turn_away({api::kRequestTimeout, "the body did not come in time", std::nullopt, {}});
            break;
        case Awaiting::request:
        case Awaiting::drain:
        case Awaiting::linger:
            close();
            break;
    }
}

void Connection::write(std::string bytes, std::string more) {
    const std::size_t before = stream_.queued_bytes();
    if (before < owed_ || before == 0) owed_since_ = loop_.now();
    stream_.write(std::move(bytes), std::move(more));
    owed_ = stream_.queued_bytes();
}

// ---- one request after the other -----------------------------------------------------------

// Does all that can be done now.
void Connection::advance() {
    std::size_t taken = 0;
    while (!closed_ && !busy_ && !lingering_ && !dismissed_ && taken < input_.size() &&
           stream_.queued_bytes() == 0) {
        taken += parser_.feed(std::string_view{input_}.substr(taken));
        switch (parser_.phase()) {
            case api::RequestParser::Phase::idle:
            case api::RequestParser::Phase::header:
                break;
            case api::RequestParser::Phase::body:
                if (!std::exchange(admitted_, true)) admit_body();
                break;
            case api::RequestParser::Phase::complete:
                handle_request();
                break;
            case api::RequestParser::Phase::failed:
                turn_away({parser_.error().code, parser_.error().message, std::nullopt, {}});
                break;
        }
    }
    if (closed_) return;
    input_.erase(0, taken);
    if (switched_ && job_ && !input_.empty()) job_->on_input(std::exchange(input_, {}));
    // An idle client costs no buffer.
    if (input_.empty() || lingering_) std::string{}.swap(input_);

    const bool is_last = client_done_ || dismissed_;
    if (is_last && !busy_ && !lingering_ && stream_.queued_bytes() == 0) begin_linger();
    // Reading goes on while a request is under way, since only so a client that hangs up is
    // noticed.
    if (input_.size() > limits_.ahead) {
        stream_.stop_reading();
    } else {
        stream_.start_reading();
    }
    watch_the_clock();
}

void Connection::admit_body() {
    if (const auto refusal = handler_.refuse(*this)) {
        // What else comes is thrown away.
        busy_ = dismissed_ = true;
        refuse(*refusal);
        return;
    }
    if (request().expect_continue) write(std::string{api::kContinue});
}

void Connection::handle_request() {
    awaiting_ = Awaiting::nothing;  // the next request has all the time again
    busy_ = true;
    admitted_ = false;
    std::unique_ptr<Job> job;
    try {
        job = handler_.serve(*this);
    } catch (const std::exception& error) {
        loop_.uncaught("request", error.what());
        if (streaming_) {
            close();
        } else if (busy_) {
            refuse({api::kInternal, "reeve could not answer this", "its log says more", {}});
        }
    }
    // Answered from inside the call, the job has nothing left to do.
    if (busy_) job_ = std::move(job);
}

void Connection::reply(int status, std::string_view content_type, std::string body) {
    write_reply(head_of(status, content_type), std::move(body));
}

void Connection::refuse(const Refusal& refusal) {
    api::ResponseHead head = head_of(refusal.code.http_status, api::kJsonType);
    if (!refusal.allow.empty()) head.more.push_back({"Allow", refusal.allow});
    // RFC 9110, 11.6.1: such an answer must say how.
    if (head.status == api::kUnauthorized.http_status) {
        head.more.push_back({"WWW-Authenticate", "Bearer"});
    }
    write_reply(std::move(head), api::to_json(api::ErrorBody{std::string{refusal.code.word},
                                                             refusal.message, refusal.hint}));
}

void Connection::write_reply(api::ResponseHead head, std::string body) {
    if (!busy_ || streaming_) return;
    if (!body.empty() && body.back() != '\n') body += '\n';
    head.content_length = body.size();
    head.keep_alive = keeps_alive();
    if (request().method == "HEAD") body.clear();
    write(api::write_head(head), std::move(body));
    answered();
}

void Connection::begin_stream(std::string_view content_type, Length length) {
    if (!busy_ || streaming_) return;
    api::ResponseHead head = head_of(200, content_type);
    // RFC 9112, 6.1: only who speaks HTTP/1.1 is sent chunks.
    unframed_ = head.until_close = !request().takes_chunks;
    head.keep_alive = keeps_alive() && !unframed_;
    head.more.push_back({"Cache-Control", "no-store"});
    write(api::write_head(head));
    streaming_ = true;
    endless_ = length == Length::endless;
    if (request().method == "HEAD") return answered();
    (void)leave_if_gone();
}

void Connection::send(std::string_view bytes) {
    if (!streaming_) return;
    if (leave_if_gone()) return;
    write(unframed_ ? std::string{bytes} : api::write_chunk(bytes));
    watch_the_clock();
}

void Connection::end_stream() {
    if (!streaming_) return;
    if (!unframed_) write(std::string{api::kLastChunk});
    answered();
}

void Connection::switch_protocols(std::string_view protocol) {
    if (!busy_ || streaming_) return;
    write(api::write_switch(protocol));
    streaming_ = endless_ = switched_ = unframed_ = true;
    (void)leave_if_gone();
}

// The reply is written.  We may be deep inside the job that wrote it, so that goes later.
void Connection::answered() {
    const bool keep = !std::exchange(unframed_, false) && keeps_alive();
    switched_ = false;
    ++answers_;
    busy_ = false;
    streaming_ = false;
    endless_ = false;
    parser_.next();
    if (!keep) begin_linger();
    if (!job_) return;
    answered_job_ = std::move(job_);
    afterwards_.arm();
}

// ---- the end -------------------------------------------------------------------------------

void Connection::begin_linger() {
    if (std::exchange(lingering_, true)) return;
    stream_.start_reading();
    stream_.shutdown([this] {
        shut_ = true;
        if (client_done_) {
            close();
        } else {
            watch_the_clock();
        }
    });
}

// Whether the end of its own side was the end of all.  TCP does not say; but whoever has asked for
// what never ends, and says no more, is taken for gone: else a follower of a quiet program would
// keep its place for ever.
bool Connection::has_left() const {
    if (switched_ || (endless_ && peer_.is_remote())) return true;
    return has_hung_up(stream_.fd());
}

// Behind the end of its own side the stream can't tell.  We may be deep inside the job.
bool Connection::leave_if_gone() {
    if (!client_done_ || !has_left()) return false;
    gone_ = true;
    afterwards_.arm();
    return true;
}

void Connection::close() {
    if (std::exchange(closed_, true)) return;
    timer_.stop();
    afterwards_.cancel();
    stream_.close();
    job_.reset();
    answered_job_.reset();
    if (on_closed_) on_closed_();
}

// ---- patience ------------------------------------------------------------------------------

Connection::Awaiting Connection::awaiting() const {
    if (closed_) return Awaiting::nothing;
    if (shut_) return Awaiting::linger;
    if (busy_ && endless_) return Awaiting::nothing;
    if (lingering_ || stream_.queued_bytes() > 0) return Awaiting::drain;
    if (busy_) return Awaiting::nothing;
    switch (parser_.phase()) {
        case api::RequestParser::Phase::idle:
            return Awaiting::request;
        case api::RequestParser::Phase::header:
            return Awaiting::header;
        case api::RequestParser::Phase::body:
            return Awaiting::body;
        case api::RequestParser::Phase::complete:
        case api::RequestParser::Phase::failed:
            break;
    }
    return Awaiting::nothing;
}

std::chrono::milliseconds Connection::patience(Awaiting awaiting) const {
    switch (awaiting) {
        case Awaiting::request:
            return limits_.idle;
        case Awaiting::header:
            return limits_.header;
        case Awaiting::body:
            return limits_.body;
        case Awaiting::drain:
            return limits_.drain;
        case Awaiting::linger:
            return limits_.linger;
        case Awaiting::nothing:
            break;
    }
    return {};
}

// A deadline runs from when the thing it is for was first waited for.  The timer is only moved when
// it would come too late: it is cheaper to find it early than to move it with each request.
void Connection::watch_the_clock() {
    const Awaiting now_awaiting = awaiting();
    if (now_awaiting == Awaiting::nothing) {
        timer_.stop();
    } else if (now_awaiting != awaiting_) {
        deadline_ = loop_.now() + patience(now_awaiting);
        if (!timer_.active() || alarm_ > deadline_) {
            alarm_ = deadline_;
            timer_.start(deadline_ - loop_.now());
        }
    }
    awaiting_ = now_awaiting;
}

}  // namespace reeve::control
