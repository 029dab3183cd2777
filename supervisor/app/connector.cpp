#include "supervisor/app/connector.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "conf/quote.h"
#include "conf/units.h"

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

// Of a name with more addresses the rest is left out: each would get too little time.
constexpr std::size_t kMostAddresses = 8;

// A Unix socket whose queue is full says so at once; it is asked again this soon.
constexpr milliseconds kFullQueue{20};

bool is_lack(int number) {
    return number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS;
}

struct FreeAddresses {
    void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

struct Answer {
    int code = 0;  // EAI_*
    int number = 0;
    std::unique_ptr<addrinfo, FreeAddresses> list;
};

Answer ask(const conf::ServerAddress& address, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* list = nullptr;
    Answer answer;
    answer.code =
        ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
    answer.number = errno;
    answer.list.reset(list);
    return answer;
}

// A connection to the Unix socket of that path; else why there is none.  It never waits for the
// server, but as long as the disk takes.
base::Fd connect_to(const std::string& path, int& number) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    base::Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    const bool connected =
        fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    number = connected ? 0 : errno;
    return fd;
}

std::string text_of(const addrinfo& address) {
    char host[NI_MAXHOST];
    const int code = ::getnameinfo(address.ai_addr, address.ai_addrlen, host, sizeof host, nullptr,
                                   0, NI_NUMERICHOST);
    return code == 0 ? host : "?";
}

}  // namespace

// What is asked on another thread, and of the thread until it is done.
struct Connector::Lookup {
    std::atomic<bool> began{false};  // there was a thread for it
    Answer answer;                   // of a name
    base::Fd socket;                 // of a path: where it leads
    int number = 0;                  // errno
};

Connector::Connector(loop::Loop& loop)
    : loop_{loop},
      begin_{loop, [this] { begin(); }},
      watch_{loop},
      share_{loop, [this] { on_share_over(); }},
      again_{loop, [this] { begin(); }},
      deadline_{loop, [this] { on_deadline(); }} {}

void Connector::start(const conf::ServerAddress& address, milliseconds timeout,
                      std::function<void(Result)> done) {
    cancel();
    address_ = address;
    timeout_ = timeout;
    loop_.update_time();
    due_ = loop_.now() + timeout;
    done_ = std::move(done);
    deadline_.start(timeout);
    begin_.arm();
}

void Connector::cancel() {
    begin_.cancel();
    watch_.stop();
    socket_.reset();
    share_.stop();
    again_.stop();
    deadline_.stop();
    resolving_ = false;
    addresses_.clear();
    errors_.clear();
    next_ = 0;
    done_ = nullptr;
}

void Connector::begin() {
    const bool is_path = !address_.path.empty();
    resolving_ = true;
    // The last question is not answered yet, and it was the same.
    if (resolver_ && resolver_->busy()) return;
    lookup_ = std::make_shared<Lookup>();
    if (!is_path) {
        // A number needs nobody's help.
        lookup_->answer = ask(address_, AI_NUMERICHOST);
        if (lookup_->answer.code == 0) return look_up();
    }
    resolver_ = std::make_unique<loop::Work>(
        loop_, is_path ? loop::Work::Lane::probed_paths : loop::Work::Lane::probed_names,
        is_path ? address_.path : address_.host);
    const bool started = resolver_->start(
        [lookup = lookup_, address = address_, is_path] {
            lookup->began = true;
            if (is_path) {
                lookup->socket = connect_to(address.path, lookup->number);
            } else {
                lookup->answer = ask(address, 0);
            }
        },
        [this] { look_up(); });
    if (started) return;
    finish(Unexpected<Failure>{Failure{
        is_path ? "no thread to look its path up on" : "no thread to look the name up on", true}});
}

// The answer is there.
void Connector::look_up() {
    const auto lookup = std::exchange(lookup_, nullptr);
    if (!std::exchange(resolving_, false)) return;
    if (!address_.path.empty()) {
        if (lookup->number == 0) return finish(std::move(lookup->socket));
        if (lookup->number == EAGAIN) return again_.start(kFullQueue);
        return finish(Unexpected<Failure>{
            Failure{base::errno_text(lookup->number), is_lack(lookup->number)}});
    }
    const Answer answer = std::move(lookup->answer);
    if (answer.code != 0) {
        const bool by_errno = answer.code == EAI_SYSTEM;
        const bool lacking = answer.code == EAI_MEMORY || (by_errno && is_lack(answer.number));
        return finish(Unexpected<Failure>{Failure{
            by_errno ? base::errno_text(answer.number) : ::gai_strerror(answer.code), lacking}});
    }
    for (const addrinfo* one = answer.list.get(); one && addresses_.size() < kMostAddresses;
         one = one->ai_next) {
        Address address;
        if (one->ai_addrlen > sizeof address.bytes) continue;
        std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
        address.size = one->ai_addrlen;
        address.text = text_of(*one);
        addresses_.push_back(std::move(address));
    }
    try_next();
}

void Connector::try_next() {
    if (next_ >= addresses_.size()) {
        std::string text;
        for (std::size_t i = 0; i < errors_.size(); ++i) {
            if (i > 0) text += ", ";
            if (errors_.size() > 1) text += addresses_[i].text + ": ";
            text += errors_[i];
        }
        return finish(Unexpected<Failure>{Failure{std::move(text), false}});
    }
    loop_.update_time();
    const auto left = std::max(due_ - loop_.now(), milliseconds{1});
    const auto to_try = static_cast<milliseconds::rep>(addresses_.size() - next_);
    // The last one has until the deadline, which says so itself.
    if (to_try > 1) share_.start(left / to_try);
    const Address& address = addresses_[next_];
    socket_ =
        base::Fd{::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket_) return failed(errno);
    const int result =
        ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address.bytes), address.size);
    if (result == 0) return on_ready();
    if (errno != EINPROGRESS && errno != EINTR) return failed(errno);
    const auto watching = watch_.start(socket_.get(), {.writable = true},
                                       [this](loop::FdWatch::Ready) { on_ready(); });
    if (!watching) failed(watching.error().number == EEXIST ? EMFILE : watching.error().number);
}

void Connector::on_ready() {
    watch_.stop();
    int number = 0;
    socklen_t size = sizeof number;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
    if (number == 0 && is_talking_to_itself(socket_.get())) number = ECONNREFUSED;
    if (number != 0) return failed(number);
    finish(std::move(socket_));
}

// A connect to a port of the range that outgoing connections get theirs from, where nobody
// listens, may get that very port for itself and find itself at the other end (RFC 9293, 3.5,
// simultaneous open).
bool Connector::is_talking_to_itself(int fd) {
    sockaddr_storage own{};
    sockaddr_storage peer{};
    socklen_t own_size = sizeof own;
    socklen_t peer_size = sizeof peer;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_size) != 0) return false;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) return false;
    if (own.ss_family != AF_INET && own.ss_family != AF_INET6) return false;
    return own_size == peer_size && std::memcmp(&own, &peer, own_size) == 0;
}

void Connector::failed(int number) {
    share_.stop();
    socket_.reset();
    if (is_lack(number)) {
        return finish(Unexpected<Failure>{Failure{base::errno_text(number), true}});
    }
    errors_.push_back(base::errno_text(number));
    ++next_;
    try_next();
}

void Connector::on_share_over() {
    watch_.stop();
    failed(ETIMEDOUT);
}

void Connector::on_deadline() {
    const std::string limit = conf::format_duration(timeout_);
    const bool is_path = !address_.path.empty();
    if (resolving_ && !lookup_->began) {
        const std::string what =
            is_path ? "its path was not looked up within " : "the name was not looked up within ";
        return finish(Unexpected<Failure>{
            Failure{what + limit + " (an earlier try hangs, or no thread is free)", true}});
    }
    finish(Unexpected<Failure>{Failure{resolving_ && !is_path
                                           ? "its name could not be looked up within " + limit
                                           : "timed out after " + limit,
                                       false}});
}

void Connector::finish(Result result) {
    const auto done = std::move(done_);
    cancel();
    if (done) done(std::move(result));
}

}  // namespace reeve::app
