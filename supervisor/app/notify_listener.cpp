#include "supervisor/app/notify_listener.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "supervisor/loop/work.h"

namespace reeve::app {

using model::RunId;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Datagrams of one instance in one turn of the loop.
constexpr int kATurn = 16;
// More are never in a socket at once, but net.unix.max_dgram_qlen says how many.
constexpr int kAll = 1024;
// When there is no room for more descriptors that came along.
constexpr milliseconds kAgain{100};
// Complaints about one instance come no closer to each other.
constexpr std::chrono::seconds kSaidEvery{10};

model::TimePoint now() {
    return std::chrono::time_point_cast<model::Duration>(steady_clock::now());
}

}  // namespace

struct NotifyListener::Socket {
    Socket(std::string its_name, os::NotifySocket its_socket, loop::Loop& loop)
        : name{std::move(its_name)}, socket{std::move(its_socket)}, watch{loop} {}

    std::string name;
    os::NotifySocket socket;
    loop::FdWatch watch;
    model::NotifyAddressee to;
    bool paused = false;
    std::optional<steady_clock::time_point> said;
    int unsaid = 0;
    bool said_of_store = false;
};

NotifyListener::NotifyListener(Parts parts, OnSaid on_said)
    : parts_{std::move(parts)}, on_said_{std::move(on_said)}, again_{parts_.loop, [this] {
                                                                         for (auto& [slot, socket] :
                                                                              sockets_)
                                                                             listen(*socket);
                                                                     }} {}

NotifyListener::~NotifyListener() {
    while (!sockets_.empty()) remove(sockets_.begin()->first);
}

os::NotifyRequest NotifyListener::request_for(const std::string& name,
                                              std::optional<uid_t> only_user) const {
    return {.directory = parts_.directory, .name = name, .only_user = only_user};
}

base::OsExpected<void> NotifyListener::add(std::uint32_t slot, std::string name,
                                           os::NotifySocket socket) {
    if (!socket.why_abstract.empty()) {
        parts_.own_log.info(name + ": its notify socket is an abstract one (" +
                            socket.why_abstract + ")");
    }
    auto added = std::make_unique<Socket>(std::move(name), std::move(socket), parts_.loop);
    const auto watched = added->watch.start(
        added->socket.fd.get(), {.readable = true},
        [this, socket = added.get()](loop::FdWatch::Ready) { read_some(*socket, kATurn); });
    if (!watched) return watched;
    sockets_[slot] = std::move(added);
    return {};
}

void NotifyListener::remove(std::uint32_t slot) {
    const auto found = sockets_.find(slot);
    if (found == sockets_.end()) return;
    Socket& socket = *found->second;
    socket.watch.stop();
    std::vector<base::Fd> descriptors;
    descriptors.push_back(std::move(socket.socket.fd));
    closer_.close(std::move(descriptors));
    // On a disk that may hang; before the next of that name, which would replace it anyway.
    auto file = std::make_shared<os::NotifySocket>(std::move(socket.socket));
    (void)loop::Work::run_apart(loop::Work::Lane::may_hang, socket.name,
                                [file] { os::remove_socket_file(*file); });
    sockets_.erase(found);
}

const std::string& NotifyListener::address_of(std::uint32_t slot) const {
    static const std::string kNone;
    const auto found = sockets_.find(slot);
    return found == sockets_.end() ? kNone : found->second->socket.address;
}

void NotifyListener::begin_run(std::uint32_t slot, RunId run, std::vector<uid_t> users) {
    const auto found = sockets_.find(slot);
    if (found == sockets_.end()) return;
    // Nothing tells helpers of two runs apart once they are gone.
    read_some(*found->second, kAll);
    found->second->to = {.run = run, .main_pid = 0, .users = std::move(users)};
}

void NotifyListener::main_is(std::uint32_t slot, pid_t pid) {
    const auto found = sockets_.find(slot);
    if (found != sockets_.end()) found->second->to.main_pid = pid;
}

void NotifyListener::read(std::uint32_t slot) {
    const auto found = sockets_.find(slot);
    if (found != sockets_.end()) read_some(*found->second, kAll);
}

void NotifyListener::reaped(pid_t pid, std::optional<RunId> run) {
    if (!sockets_.empty()) recent_.reaped(pid, run, now());
}

void NotifyListener::listen(Socket& socket) {
    if (!std::exchange(socket.paused, false)) return;
    socket.watch.resume();
}

// False: nothing is left for now.
bool NotifyListener::read_some(Socket& socket, int most) {
    for (int i = 0; i < most; ++i) {
        if (closer_.full()) {
            // Who sent what they came with waits, and no other.
            socket.paused = true;
            socket.watch.pause();
            again_.start(kAgain);
            return false;
        }
        auto notified = os::receive_notification(socket.socket.fd);
        if (!notified) {
            say(socket, "cannot read its notify socket: " + notified.error().text());
            return false;
        }
        if (!*notified) return false;
        hear(socket, std::move(**notified));
    }
    return true;
}

void NotifyListener::hear(Socket& socket, os::Notified notified) {
    const os::NotifySender& sender = notified.sender;
    const model::SenderIndex index{
        .run_of = [this](pid_t pid) { return parts_.tracker.run_of(pid); },
        // Root may speak for others, and systemd-notify(1) does for its parent: which we are to
        // an orphan.  Of that one nothing else is known then.
        .is_there = [&sender] { return sender.pid != ::getpid() && os::is_there(sender); },
        .name_of = parts_.name_of_run};
    const auto believed =
        model::is_from_run({sender.pid, sender.uid}, socket.to, index, recent_, now());
    if (!believed) {
        say(socket, "a notification is ignored: " + believed.error());
    } else {
        const auto said = model::parse_notification(notified.text, notified.cut_off);
        for (const std::string& remark : said.remarks) say(socket, "notification: " + remark);
        if (said.stores_descriptors && !std::exchange(socket.said_of_store, true)) {
            parts_.own_log.info(socket.name +
                                ": it wants descriptors kept (FDSTORE), which reeve does not do");
        }
        if (notified.descriptors_lost)
            say(socket, "descriptors that came with a notification are lost: none are left");
        on_said_(socket.to.run, said);
    }
    // The one of a barrier says by this that all before it is dealt with.
    if (!notified.descriptors.empty()) closer_.close(std::move(notified.descriptors));
}

void NotifyListener::say(Socket& socket, const std::string& what) {
    const auto time = steady_clock::now();
    if (socket.said && time - *socket.said < kSaidEvery) {
        ++socket.unsaid;
        return;
    }
    const int unsaid = std::exchange(socket.unsaid, 0);
    socket.said = time;
    parts_.own_log.warn(socket.name + ": " + what +
                        (unsaid == 0 ? "" : " (and " + std::to_string(unsaid) + " more before)"));
}

}  // namespace reeve::app
