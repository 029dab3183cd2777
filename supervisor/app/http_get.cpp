#include "supervisor/app/http_get.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "conf/quote.h"
#include "conf/units.h"

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

// One read a turn: a server that floods us gets its share of the loop and no more.
constexpr std::size_t kRead = 4096;

// Its beginning on one line, whole characters.
std::string beginning_of(std::string_view body) {
    constexpr std::string_view kBlank = " \t\r\n\v\f";
    const std::size_t first = body.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    body = body.substr(first, body.find_last_not_of(kBlank) + 1 - first);
    return conf::one_line(body);
}

}  // namespace

HttpGet::HttpGet(loop::Loop& loop)
    : loop_{loop}, connector_{loop}, watch_{loop}, deadline_{loop, [this] { on_deadline(); }} {}

HttpGet::~HttpGet() = default;

void HttpGet::start(const conf::HttpAddress& address, milliseconds timeout,
                    std::function<void(const Answer&)> done) {
    cancel();
    address_ = address;
    timeout_ = timeout;
    loop_.update_time();
    due_ = loop_.now() + timeout;
    done_ = std::move(done);
    connector_.start(address_.server, timeout,
                     [this](Connector::Result result) { on_connected(std::move(result)); });
}

void HttpGet::cancel() {
    connector_.cancel();
    watch_.stop();
    deadline_.stop();
    socket_.reset();
    parser_.reset();
    request_.clear();
    body_.clear();
    head_bytes_ = 0;
    has_head_ = false;
    done_ = nullptr;
}

void HttpGet::on_connected(Connector::Result result) {
    if (!result) return fail(result.error().text, result.error().lacking);
    socket_ = std::move(*result);
    parser_ = std::make_unique<api::ResponseParser>([this](std::string_view bytes) {
        body_ += bytes.substr(0, kBody - std::min(kBody, body_.size()));
    });
    request_ = "GET " + address_.target + " HTTP/1.1\r\nHost: " + address_.host_header() +
               "\r\nUser-Agent: reeve/" REEVE_VERSION
               "\r\nAccept: */*\r\nConnection: close\r\n\r\n";
    loop_.update_time();
    deadline_.start(std::max(due_ - loop_.now(), milliseconds{1}));
    const auto watching = watch_.start(socket_.get(), {.readable = true, .writable = true},
                                       [this](loop::FdWatch::Ready) { on_ready(); });
    if (!watching) fail(watching.error().text(), true);
}

void HttpGet::on_ready() {
    if (!request_.empty() && send()) return;
    receive();
}

// True: it has come to its end here.
bool HttpGet::send() {
    const ssize_t sent =
        ::send(socket_.get(), request_.data(), request_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        request_.erase(0, static_cast<std::size_t>(sent));
    } else if (errno == EPIPE || errno == ECONNRESET) {
        // It may have answered before it went: the read tells.
        request_.clear();
    } else if (errno != EAGAIN && errno != EINTR) {
        fail(base::errno_text(errno));
        return true;
    }
    if (request_.empty()) watch_.change({.readable = true});
    return false;
}

void HttpGet::receive() {
    std::array<char, kRead> buffer;
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) {
        if (has_head_) return answer();
        return fail(base::errno_text(errno));
    }
    if (got == 0) return on_end();
    (void)take({buffer.data(), static_cast<std::size_t>(got)});
}

// False: it has come to its end here.
bool HttpGet::take(std::string_view bytes) {
    using Phase = api::ResponseParser::Phase;
    // In small pieces while the head is read, so that its length is known to a few bytes.
    while (!bytes.empty()) {
        const bool in_head = parser_->phase() == Phase::header;
        const std::size_t room = kLongestHead - head_bytes_;
        const std::size_t taken = parser_->feed(in_head ? bytes.substr(0, room) : bytes);
        if (in_head) head_bytes_ += taken;
        bytes.remove_prefix(std::min(taken, bytes.size()));
        const Phase phase = parser_->phase();
        has_head_ = has_head_ || phase == Phase::body || phase == Phase::complete;
        if (phase == Phase::complete) break;
        if (phase == Phase::failed) {
            if (!has_head_) {
                fail(parser_->error());
                return false;
            }
            break;
        }
        if (!has_head_ && head_bytes_ >= kLongestHead) {
            fail("the head of the reply is longer than " + conf::format_size(kLongestHead));
            return false;
        }
        if (taken == 0) break;
    }
    if (!has_head_) return true;
    const int status = parser_->response().status;
    const bool is_good = status >= 200 && status < 400;
    // Only of what is wrong the reason is waited for.
    if (is_good || parser_->phase() != Phase::body || body_.size() >= kBody) {
        answer();
        return false;
    }
    return true;
}

void HttpGet::on_end() {
    if (has_head_) return answer();
    parser_->finish();
    fail(parser_->error());
}

void HttpGet::on_deadline() {
    if (has_head_) return answer();
    fail((head_bytes_ == 0 ? "connected, but no answer within "
                           : "connected, but no whole answer within ") +
         conf::format_duration(timeout_));
}

void HttpGet::answer() {
    const int status = parser_->response().status;
    Answer answer{status, std::to_string(status), false};
    const std::string_view reason = api::reason_phrase(status);
    if (!reason.empty() && reason.front() != '<') answer.text += " " + std::string{reason};
    if (body_.size() >= kBody) {
        // Not through the middle of a character.
        std::size_t cut = body_.size();
        while (cut > 0 && (static_cast<unsigned char>(body_[cut - 1]) & 0xC0) == 0x80) --cut;
        if (cut > 0 && static_cast<unsigned char>(body_[cut - 1]) >= 0xC0) body_.resize(cut - 1);
    }
    if (const std::string body = beginning_of(body_); !body.empty()) answer.text += ": " + body;
    finish(answer);
}

void HttpGet::fail(std::string text, bool lacking) {
    finish({0, std::move(text), lacking});
}

void HttpGet::finish(const Answer& answer) {
    const auto done = std::move(done_);
    cancel();
    if (done) done(answer);
}

}  // namespace reeve::app
