#include "supervisor/loop/poll_set.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <string>

namespace reeve::loop {

namespace {

// More than these have their turn in the loop's next one.
constexpr int kMost = 256;

// EPOLLERR and EPOLLHUP come unasked.
constexpr std::uint32_t kReadable = EPOLLIN | EPOLLERR | EPOLLHUP;
constexpr std::uint32_t kWritable = EPOLLOUT | EPOLLERR;

}  // namespace

base::OsExpected<std::unique_ptr<PollSet>> PollSet::open(Loop& loop) {
    base::Fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
    if (!epoll) return base::os_error("epoll_create1");
    std::unique_ptr<PollSet> set{new PollSet{loop, std::move(epoll)}};
    auto watched = set->watch_.start(set->epoll_.get(), {.readable = true},
                                     [set = set.get()](FdWatch::Ready) { set->dispatch(); });
    if (!watched) return Unexpected<base::OsError>{watched.error()};
    return set;
}

PollSet::PollSet(Loop& loop, base::Fd epoll)
    : loop_{loop}, epoll_{std::move(epoll)}, watch_{loop} {}

void PollSet::dispatch() {
    std::array<epoll_event, kMost> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), kMost, 0);
    if (count <= 0) return;  // EINTR: it is readable still
    rest_ = std::span{events}.first(static_cast<std::size_t>(count));
    while (!rest_.empty()) {
        const epoll_event event = rest_.front();
        rest_ = rest_.subspan(1);
        if (!event.data.ptr) continue;
        const auto call = [&] {
            static_cast<Watch*>(event.data.ptr)
                ->client_.on_ready({.readable = (event.events & kReadable) != 0,
                                    .writable = (event.events & kWritable) != 0});
        };
        guarded(loop_.uv(), "descriptor's callback", call);
    }
}

// It may end, and its client with it, in another one's callback.
void PollSet::forget(const Watch& watch) {
    for (epoll_event& event : rest_) {
        if (event.data.ptr == &watch) event.data.ptr = nullptr;
    }
}

base::OsExpected<void> PollSet::Watch::start(int fd, FdWatch::Events events) {
    stop();
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return base::os_error("fcntl", "descriptor " + std::to_string(fd));
    fd_ = fd;
    auto changed = change(events);
    if (!changed) fd_ = -1;
    return changed;
}

base::OsExpected<void> PollSet::Watch::change(FdWatch::Events events) {
    const std::uint32_t before = events_;
    events_ = (events.readable ? EPOLLIN : 0u) | (events.writable ? EPOLLOUT : 0u) |
              (events.priority ? EPOLLPRI : 0u);
    return heard_ && events_ == before ? base::OsExpected<void>{} : tell();
}

base::OsExpected<void> PollSet::Watch::resume() {
    return heard_ ? base::OsExpected<void>{} : tell();
}

base::OsExpected<void> PollSet::Watch::tell() {
    if (fd_ < 0) return {};
    epoll_event event{.events = events_, .data = {.ptr = this}};
    if (::epoll_ctl(set_.epoll_.get(), heard_ ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd_, &event) != 0)
        return base::os_error("epoll_ctl", "descriptor " + std::to_string(fd_));
    heard_ = true;
    return {};
}

void PollSet::Watch::pause() {
    // Without this an end or an error would be told all the same.
    if (heard_) ::epoll_ctl(set_.epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
    heard_ = false;
    set_.forget(*this);
}

void PollSet::Watch::stop() {
    pause();
    fd_ = -1;
}

}  // namespace reeve::loop
