#include "supervisor/os/inotify.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace reeve::os {

namespace {

// A file's close is told too, since a touch writes nothing.  Attributes are not: a chmod is no
// change.
constexpr std::uint32_t kContent = IN_MODIFY | IN_CLOSE_WRITE;
constexpr std::uint32_t kNames = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
constexpr std::uint32_t kItself = IN_DELETE_SELF | IN_MOVE_SELF;

// Reads in one go, lest a program that writes all the time keeps the loop.
constexpr int kMostReads = 4;

}  // namespace

base::OsExpected<std::shared_ptr<Inotify>> Inotify::open() {
    base::Fd fd{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
    if (!fd) return base::os_error("inotify_init");
    auto inotify = std::make_shared<Inotify>();
    inotify->fd_ = std::move(fd);
    return inotify;
}

base::OsExpected<int> Inotify::watch(const std::string& directory, What what) {
    std::uint32_t wanted = kItself | IN_ONLYDIR | IN_EXCL_UNLINK;
    if (what != What::itself) wanted |= kNames;
    if (what == What::names_and_content) wanted |= kContent;
    const int watch = ::inotify_add_watch(fd_.get(), directory.c_str(), wanted);
    if (watch < 0) return base::os_error("inotify_add_watch", directory);
    const std::lock_guard lock{mutex_};
    watches_.insert(watch);
    return watch;
}

void Inotify::unwatch(int watch) {
    ::inotify_rm_watch(fd_.get(), watch);
    const std::lock_guard lock{mutex_};
    watches_.erase(watch);
}

std::set<int> Inotify::watches() const {
    const std::lock_guard lock{mutex_};
    return watches_;
}

std::vector<Inotify::Event> Inotify::read() {
    std::vector<Event> events;
    alignas(inotify_event) char buffer[16 * 1024];
    for (int reads = 0; reads < kMostReads; ++reads) {
        const ssize_t got = ::read(fd_.get(), buffer, sizeof buffer);
        if (got <= 0) break;
        for (std::size_t at = 0; at < static_cast<std::size_t>(got);) {
            inotify_event event;
            std::memcpy(&event, buffer + at, sizeof event);
            const char* const name = buffer + at + sizeof event;
            at += sizeof event + event.len;
            Event told;
            told.watch = (event.mask & IN_Q_OVERFLOW) != 0 ? -1 : event.wd;
            if (event.len > 0) told.name = name;
            told.ended = (event.mask & (IN_IGNORED | IN_UNMOUNT)) != 0;
            if (told.ended) {
                const std::lock_guard lock{mutex_};
                watches_.erase(told.watch);
            }
            events.push_back(std::move(told));
        }
    }
    return events;
}

}  // namespace reeve::os
