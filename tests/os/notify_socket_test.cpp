#include "supervisor/os/notify_socket.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "supervisor/os/closer.h"
#include "supervisor/os/pidfd.h"
#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;
using reeve::base::Fd;
using reeve::base::make_pipe;

namespace {

constexpr int kPatience = 30'000;  // ms; nothing here takes longer but a hang

// What a client does with $NOTIFY_SOCKET; the errno, or 0.  `fds` are passed along.
int send_to(const std::string& address, const std::string& text, const std::vector<int>& fds = {},
            int flags = 0) {
    const Fd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::copy(address.begin(), address.end(), to.sun_path);
    if (address[0] == '@') to.sun_path[0] = '\0';
    iovec part{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
    msghdr message{};
    message.msg_name = &to;
    message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
        cmsghdr* const rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
    }
    return ::sendmsg(fd.get(), &message, MSG_NOSIGNAL | flags) < 0 ? errno : 0;
}

std::string sent(int error) {
    return error == 0 ? "sent" : reeve::base::errno_text(error);
}

// A socket in a directory that every user may enter.
class Place {
public:
    Place() { REQUIRE(::chmod(directory_.path().c_str(), 0755) == 0); }

    std::string notify() const { return directory_ / "notify"; }
    std::string operator/(const std::string& name) const { return directory_ / name; }
    NotifySocket open(const std::string& name = "web") const {
        auto socket = open_notify_socket({notify(), name});
        REQUIRE(socket);
        CHECK(socket->why_abstract.empty());
        return std::move(*socket);
    }

private:
    TemporaryDirectory directory_;
};

NotifySocket open_abstract() {
    auto socket = open_notify_socket({"/proc/nosuch", "web"});
    REQUIRE(socket);
    CHECK(socket->why_abstract == "mkdir /proc/nosuch: No such file or directory");
    return std::move(*socket);
}

bool none_waits(const NotifySocket& socket) {
    const auto received = receive_notification(socket.fd);
    REQUIRE(received);
    return !*received;
}

// Waits for the next one.
Notified next(const NotifySocket& socket) {
    pollfd watched{socket.fd.get(), POLLIN, 0};
    REQUIRE(::poll(&watched, 1, kPatience) == 1);
    auto received = receive_notification(socket.fd);
    REQUIRE(received);
    REQUIRE(*received);
    return std::move(**received);
}

// A child that runs `work` and ends with what it gives as its code.
pid_t start(const std::function<int()>& work) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(work());
    return pid;
}

bool become(uid_t user) {
    return ::setgroups(0, nullptr) == 0 && ::setresgid(user, user, user) == 0 &&
           ::setresuid(user, user, user) == 0;
}

std::size_t open_descriptors() {
    DIR* const entries = ::opendir("/proc/self/fd");
    REQUIRE(entries);
    std::size_t count = 0;
    while (::readdir(entries)) ++count;
    ::closedir(entries);
    return count;
}

// Whether all other ends of it are closed.
bool ended(const Fd& pipe) {
    pollfd watched{pipe.get(), 0, 0};
    return ::poll(&watched, 1, 0) == 1 && (watched.revents & (POLLERR | POLLHUP)) != 0;
}

mode_t mode_of(const std::string& path) {
    struct stat info {};
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

bool exists(const std::string& path) {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
}

bool kernel_has_sender_pidfds(const NotifySocket& socket) {
    REQUIRE(send_to(socket.address, "") == 0);
    return static_cast<bool>(next(socket).sender.pidfd);
}

// Runs a client with $NOTIFY_SOCKET and hands what comes to `take` as long as it runs.
Result run_client(SpawnRequest request, const NotifySocket& socket,
                  const std::function<void(Notified)>& take) {
    auto output = make_pipe(O_NONBLOCK);
    REQUIRE(output);
    request.environment.push_back("NOTIFY_SOCKET=" + socket.address);
    request.stdout_fd = output->write.get();
    request.stderr_fd = output->write.get();
    Spawner spawner;
    auto spawned = spawner.spawn(std::move(request));
    REQUIRE(spawned);
    Result result;
    result.failure = land(spawned->flight).failure;
    output->write.reset();
    const auto pidfd = open_pidfd(spawned->pid);
    REQUIRE(pidfd);
    for (bool ran = true; ran;) {
        std::array<pollfd, 2> watched{{{socket.fd.get(), POLLIN, 0}, {pidfd->get(), POLLIN, 0}}};
        REQUIRE(::poll(watched.data(), watched.size(), kPatience) > 0);
        ran = watched[1].revents == 0;
        for (;;) {
            auto received = receive_notification(socket.fd);
            REQUIRE(received);
            if (!*received) break;
            take(std::move(**received));
        }
    }
    std::array<char, 4096> text;
    const ssize_t size = ::read(output->read.get(), text.data(), text.size());
    if (size > 0) result.output.assign(text.data(), static_cast<std::size_t>(size));
    result.status = wait_for(spawned->pid).status;
    return result;
}

}  // namespace

TEST_CASE("a notification comes with its sender") {
    const Place place;
    const auto socket = place.open();
    CHECK(none_waits(socket));
    REQUIRE(send_to(socket.address, "READY=1\nSTATUS=up") == 0);

    const auto notified = next(socket);

    CHECK(notified.text == "READY=1\nSTATUS=up");
    CHECK_FALSE(notified.cut_off);
    CHECK(notified.sender.pid == ::getpid());
    CHECK(notified.sender.uid == ::geteuid());
    CHECK(notified.sender.gid == ::getegid());
    CHECK(is_there(notified.sender));
    CHECK(notified.descriptors.empty());
    CHECK_FALSE(notified.descriptors_lost);
    CHECK(none_waits(socket));
}

TEST_CASE("the notify socket is a file that all may write to, whatever the umask") {
    const Place place;
    const mode_t before = ::umask(0777);
    const auto socket = open_notify_socket({place / "run/reeve/notify", "web@2"});
    ::umask(before);
    REQUIRE(socket);
    CHECK(socket->why_abstract.empty());
    CHECK(socket->address == place / "run/reeve/notify/web@2");
    CHECK(mode_of(socket->address) == 0666);
    CHECK(mode_of(place / "run/reeve/notify") == 0755);
    CHECK(mode_of(place / "run/reeve") == (am_root() ? 0755 : 0700));
    CHECK((::fcntl(socket->fd.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(socket->fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(send_to(socket->address, "READY=1") == 0);
}

TEST_CASE("an empty notification is one like any other") {
    const Place place;
    const auto socket = place.open();
    REQUIRE(send_to(socket.address, "") == 0);
    REQUIRE(send_to(socket.address, "READY=1") == 0);

    const auto empty = next(socket);
    CHECK(empty.text.empty());
    CHECK_FALSE(empty.cut_off);
    CHECK(empty.sender.pid == ::getpid());
    CHECK(next(socket).text == "READY=1");
}

TEST_CASE("a notification that is too long is cut off, and says so") {
    const Place place;
    const auto socket = place.open();
    const std::string most(kLargestNotification, 'x');
    REQUIRE(send_to(socket.address, most) == 0);
    REQUIRE(send_to(socket.address, most + "y") == 0);
    REQUIRE(send_to(socket.address, std::string(100'000, 'z')) == 0);
    REQUIRE(send_to(socket.address, "READY=1") == 0);

    auto notified = next(socket);
    CHECK(notified.text == most);
    CHECK_FALSE(notified.cut_off);
    notified = next(socket);
    CHECK(notified.text == most);
    CHECK(notified.cut_off);
    notified = next(socket);
    CHECK(notified.text == std::string(kLargestNotification, 'z'));
    CHECK(notified.cut_off);
    CHECK(notified.sender.pid == ::getpid());
    CHECK(next(socket).text == "READY=1");
}

TEST_CASE("a sender of another user is known by its pid and user") {
    if (!am_root()) REEVE_SKIP("only root can become another user");
    const Place place;
    const auto socket = place.open();
    const pid_t pid =
        start([&] { return become(1000) ? send_to(socket.address, "READY=1") : 255; });

    const auto notified = next(socket);

    CHECK(wait_for(pid).status.text() == "exit 0");
    CHECK(notified.text == "READY=1");
    CHECK(notified.sender.pid == pid);
    CHECK(notified.sender.uid == 1000);
    CHECK(notified.sender.gid == 1000);
}

TEST_CASE("a notify socket for one user takes nothing from others but root") {
    if (!am_root()) REEVE_SKIP("only root can become another user");
    const Place place;
    const auto socket =
        open_notify_socket({.directory = place.notify(), .name = "web", .only_user = 1000});
    REQUIRE(socket);
    CHECK(socket->why_abstract.empty());
    CHECK(mode_of(socket->address) == 0600);
    const auto send_as = [&](uid_t user) {
        return in_fork([&]() -> std::string {
            return become(user) ? sent(send_to(socket->address, "READY=1")) : "not become";
        });
    };
    CHECK(send_as(1001) == "Permission denied");
    CHECK(none_waits(*socket));
    CHECK(send_as(1000) == "sent");
    CHECK(next(*socket).sender.uid == 1000);
    CHECK(send_as(0) == "sent");
    CHECK(next(*socket).sender.uid == 0);
    remove_socket_file(*socket);
    CHECK_FALSE(exists(socket->address));
}

TEST_CASE("where a notify socket can't be given away it is for all") {
    if (!am_root()) REEVE_SKIP("only root can become another user");
    const Place place;
    REQUIRE(::chmod((place / "").c_str(), 0777) == 0);
    CHECK(as_nobody([&]() -> std::string {
              const auto socket = open_notify_socket(
                  {.directory = place.notify(), .name = "web", .only_user = 1000});
              if (!socket || !socket->why_abstract.empty()) return "no file";
              return mode_of(socket->address) == 0666 ? "for all" : "for some";
          }) == "for all");
}

TEST_CASE("another user can neither take the notify socket's place nor see it go") {
    if (!am_root()) REEVE_SKIP("only root can become another user");
    const Place place;
    const auto socket = place.open();
    CHECK(as_nobody([&] { return sent(::unlink(socket.address.c_str()) == 0 ? 0 : errno); }) ==
          "Permission denied");
    CHECK(as_nobody([&] {
              return sent(::mkdir((place.notify() + "/db").c_str(), 0700) == 0 ? 0 : errno);
          }) == "Permission denied");
}

TEST_CASE("only root can send in another's name") {
    if (!am_root()) REEVE_SKIP("only root can");
    const Place place;
    const auto socket = place.open();
    const auto send_as = [&](pid_t pid) {
        const Fd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        std::copy(socket.address.begin(), socket.address.end(), to.sun_path);
        iovec part{};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
        msghdr message{};
        message.msg_name = &to;
        message.msg_namelen = sizeof to;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_CREDENTIALS;
        header->cmsg_len = CMSG_LEN(sizeof(ucred));
        const ucred claimed{pid, ::getuid(), ::getgid()};
        std::memcpy(CMSG_DATA(header), &claimed, sizeof claimed);
        return ::sendmsg(fd.get(), &message, MSG_NOSIGNAL) < 0 ? errno : 0;
    };
    const pid_t parent = ::getpid();
    CHECK(as_nobody([&] { return sent(send_as(parent)); }) == "Operation not permitted");
    CHECK(none_waits(socket));

    CHECK(in_fork([&] { return sent(send_as(parent)); }) == "sent");
    CHECK(next(socket).sender.pid == parent);
}

TEST_CASE("a sender that was reaped is known by its pid, and that it is gone") {
    const Place place;
    const auto socket = place.open();
    const bool pidfds = kernel_has_sender_pidfds(socket);
    const pid_t pid = start([&] { return send_to(socket.address, "READY=1"); });
    REQUIRE(wait_for(pid).status.text() == "exit 0");

    const auto notified = next(socket);

    CHECK(notified.text == "READY=1");
    CHECK(notified.sender.pid == pid);
    CHECK(notified.sender.uid == ::geteuid());
    CHECK_FALSE(is_there(notified.sender));
    // Said by the pidfd, or by that there is none: not by the number, which may be another's.
    if (pidfds) CHECK(static_cast<bool>(notified.sender.pidfd) != notified.sender.reaped);
}

TEST_CASE("a sender that nobody has reaped yet is there") {
    const Place place;
    const auto socket = place.open();
    const pid_t pid = start([&] { return send_to(socket.address, "READY=1"); });
    wait_until_zombie(pid);

    const auto notified = next(socket);
    CHECK(notified.sender.pid == pid);
    CHECK(is_there(notified.sender));
    wait_for(pid);
    CHECK_FALSE(is_there(notified.sender));
}

TEST_CASE("without a pidfd a sender is there as long as anybody has its pid") {
    NotifySender sender;
    CHECK_FALSE(is_there(sender));  // outside of our PID namespace
    sender.pid = ::getpid();
    CHECK(is_there(sender));
    sender.pid = 1;  // maybe not ours to signal
    CHECK(is_there(sender));
    sender.reaped = true;
    CHECK_FALSE(is_there(sender));
    sender.reaped = false;
    const pid_t pid = start([] { return 0; });
    wait_for(pid);
    sender.pid = pid;
    CHECK_FALSE(is_there(sender));
}

TEST_CASE("a notification comes with its sender also from a kernel that sends no pidfds along") {
    const Place place;
    const auto socket = place.open();
    constexpr int kPassPidfd = 76;  // SO_PASSPIDFD
    const int off = 0;
    // Before Linux 6.5 there is nothing to turn off.
    ::setsockopt(socket.fd.get(), SOL_SOCKET, kPassPidfd, &off, sizeof off);
    const pid_t pid = start([&] { return send_to(socket.address, "READY=1"); });
    wait_until_zombie(pid);
    REQUIRE(send_to(socket.address, "STATUS=up") == 0);

    auto notified = next(socket);
    CHECK(notified.sender.pid == pid);
    CHECK_FALSE(notified.sender.pidfd);
    CHECK_FALSE(notified.sender.reaped);
    CHECK(is_there(notified.sender));
    wait_for(pid);
    CHECK_FALSE(is_there(notified.sender));

    notified = next(socket);
    CHECK(notified.sender.pid == ::getpid());
    CHECK(is_there(notified.sender));
}

TEST_CASE("a sender in a PID namespace of its own has the pid that we know it by") {
    if (!am_root()) REEVE_SKIP("needs root to make a PID namespace");
    const Place place;
    const auto socket = place.open();
    // 0: what `work` gave as the first process of a new one.
    const auto start_inside = [](const std::function<int()>& work) {
        return start([&] {
            if (::unshare(CLONE_NEWPID) != 0) return 255;
            const pid_t inner = ::fork();
            if (inner == 0) ::_exit(::getpid() == 1 ? work() : 254);
            int status = 0;
            ::waitpid(inner, &status, 0);
            return WEXITSTATUS(status);
        });
    };

    const pid_t outer = start_inside([&] { return send_to(socket.address, "MAINPID=1"); });
    const auto notified = next(socket);
    CHECK(wait_for(outer).status.text() == "exit 0");
    CHECK(notified.text == "MAINPID=1");
    CHECK(notified.sender.pid > 1);
    CHECK(notified.sender.pid != outer);

    // And who is outside of the reader's has none there.
    REQUIRE(send_to(socket.address, "READY=1") == 0);
    const pid_t reader = start_inside([&] {
        const auto received = receive_notification(socket.fd);
        if (!received || !*received) return 253;
        return (*received)->sender.pid == 0 && !is_there((*received)->sender) ? 0 : 1;
    });
    CHECK(wait_for(reader).status.text() == "exit 0");
}

TEST_CASE("a barrier's pipe is open until the notification that brought it is done with") {
    const Place place;
    const auto socket = place.open();
    const std::size_t before = open_descriptors();
    auto pipe = make_pipe();
    REQUIRE(pipe);
    REQUIRE(send_to(socket.address, "READY=1") == 0);
    REQUIRE(send_to(socket.address, "BARRIER=1", {pipe->write.get()}) == 0);
    pipe->write.reset();

    CHECK(next(socket).text == "READY=1");
    CHECK_FALSE(ended(pipe->read));
    auto barrier = next(socket);
    CHECK(barrier.text == "BARRIER=1");
    REQUIRE(barrier.descriptors.size() == 1);
    CHECK((::fcntl(barrier.descriptors[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_FALSE(ended(pipe->read));

    close_pipes(barrier.descriptors);
    CHECK(barrier.descriptors.empty());
    CHECK(ended(pipe->read));
    pipe->read.reset();
    barrier.sender.pidfd.reset();
    CHECK(open_descriptors() == before);
}

TEST_CASE("of many descriptors none leaks") {
    const Place place;
    const auto socket = place.open();
    const std::size_t before = open_descriptors();
    for (const std::size_t count :
         {std::size_t{1}, std::size_t{2}, std::size_t{200}, kMostDescriptors}) {
        CAPTURE(count);
        auto pipe = make_pipe();
        REQUIRE(pipe);
        const std::string text = "FDSTORE=1\nFDNAME=http";
        REQUIRE(send_to(socket.address, text, std::vector<int>(count, pipe->write.get())) == 0);
        pipe->write.reset();

        auto notified = next(socket);
        CHECK(notified.text == text);
        CHECK(notified.sender.pid == ::getpid());
        CHECK(notified.descriptors.size() == count);
        CHECK_FALSE(notified.descriptors_lost);
        CHECK_FALSE(ended(pipe->read));
        notified = Notified{};
        CHECK(ended(pipe->read));
        pipe->read.reset();
        CHECK(open_descriptors() == before);
    }
    // No datagram brings more.
    const Fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    CHECK(send_to(socket.address, "FDSTORE=1", std::vector<int>(kMostDescriptors, null.get())) ==
          0);
    CHECK(next(socket).descriptors.size() == kMostDescriptors);
}

TEST_CASE("with no descriptor to be had a notification comes without, and nothing leaks") {
    const Place place;
    const auto socket = place.open();
    auto pipe = make_pipe();
    REQUIRE(pipe);
    REQUIRE(send_to(socket.address, "BARRIER=1", {pipe->write.get(), pipe->write.get()}) == 0);
    pipe->write.reset();
    rlimit limit{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
    const std::size_t before = open_descriptors();

    const rlimit none{0, limit.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto received = receive_notification(socket.fd);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);

    REQUIRE(received);
    REQUIRE(*received);
    const Notified& notified = **received;
    CHECK(notified.text == "BARRIER=1");
    CHECK(notified.sender.pid == ::getpid());
    CHECK_FALSE(notified.sender.pidfd);
    CHECK_FALSE(notified.sender.reaped);
    CHECK(is_there(notified.sender));
    CHECK(notified.descriptors.empty());
    CHECK(notified.descriptors_lost);
    CHECK(ended(pipe->read));
    CHECK(open_descriptors() == before);
}

TEST_CASE("a flood comes whole and in order, one a call, while its sender waits") {
    const Place place;
    const auto socket = place.open();
    constexpr int kFlood = 20'000;
    const pid_t pid = start([&] {
        for (int i = 0; i < kFlood; ++i) {
            if (send_to(socket.address, "STATUS=" + std::to_string(i)) != 0) return 1;
        }
        return 0;
    });
    for (int i = 0; i < kFlood; ++i) {
        const auto notified = next(socket);
        if (notified.text != "STATUS=" + std::to_string(i) || notified.sender.pid != pid) {
            CHECK(notified.text == "STATUS=" + std::to_string(i));
            CHECK(notified.sender.pid == pid);
            break;
        }
    }
    CHECK(none_waits(socket));
    CHECK(wait_for(pid).status.text() == "exit 0");
}

TEST_CASE("a flood from senders that won't wait is refused by the kernel, and others get through") {
    const Place place;
    const auto socket = place.open();
    int taken = 0;
    while (taken < 10'000 && send_to(socket.address, "STATUS=x", {}, MSG_DONTWAIT) == 0) ++taken;
    CHECK(taken > 0);
    CHECK(taken < 10'000);
    CHECK(send_to(socket.address, "STATUS=x", {}, MSG_DONTWAIT) == EAGAIN);
    // Another instance's has room of its own.
    const auto other = place.open("db");
    CHECK(send_to(other.address, "READY=1", {}, MSG_DONTWAIT) == 0);
    CHECK(next(other).text == "READY=1");

    for (int i = 0; i < taken; ++i) CHECK(next(socket).text == "STATUS=x");
    CHECK(none_waits(socket));
    CHECK(send_to(socket.address, "READY=1", {}, MSG_DONTWAIT) == 0);
    CHECK(next(socket).text == "READY=1");
}

TEST_CASE("what can't be received is an error with its place") {
    const auto received = receive_notification(Fd{});
    REQUIRE_FALSE(received);
    CHECK(received.error().text() == "recvmsg notification: Bad file descriptor");
}

TEST_CASE("the file of an earlier notify socket is replaced") {
    const Place place;
    auto first = place.open();
    const auto second = place.open();
    CHECK(second.address == first.address);
    REQUIRE(send_to(second.address, "READY=1") == 0);
    CHECK(none_waits(first));
    CHECK(next(second).text == "READY=1");

    // What is there now is not the first one's any more.
    remove_socket_file(first);
    CHECK(exists(second.address));
    remove_socket_file(second);
    CHECK_FALSE(exists(second.address));
    remove_socket_file(second);
}

TEST_CASE("of a notify directory what is left is removed, but nothing else") {
    const Place place;
    place.open("web");
    place.open("db@2");
    remove_notify_directory(place.notify());
    CHECK_FALSE(exists(place.notify()));
    remove_notify_directory(place.notify());  // none: no matter

    place.open("web");
    const Fd file{::open((place.notify() + "/precious").c_str(), O_WRONLY | O_CREAT, 0600)};
    REQUIRE(file);
    remove_notify_directory(place.notify());
    CHECK_FALSE(exists(place.notify() + "/web"));
    CHECK(exists(place.notify() + "/precious"));

    place.open("web");
    REQUIRE(::symlink(place.notify().c_str(), (place / "link").c_str()) == 0);
    remove_notify_directory(place / "link");
    CHECK(exists(place.notify() + "/web"));
    if (am_root()) {
        REQUIRE(::chown(place.notify().c_str(), 1000, 1000) == 0);
        remove_notify_directory(place.notify());
        CHECK(exists(place.notify() + "/web"));
    }
}

TEST_CASE("where no file will do the notify socket is abstract, and says why") {
    const Place place;
    const auto why = [](const NotifyRequest& request) {
        const auto socket = open_notify_socket(request);
        REQUIRE(socket);
        CHECK(socket->address[0] == '@');
        CHECK(socket->address.size() > 1);
        CHECK(send_to(socket->address, "READY=1") == 0);
        const auto notified = next(*socket);
        CHECK(notified.text == "READY=1");
        CHECK(notified.sender.pid == ::getpid());
        remove_socket_file(*socket);  // nothing to do
        return socket->why_abstract;
    };
    const std::string notify = place.notify();

    CHECK(why({"/proc/nosuch/notify", "web"}) == "mkdir /proc/nosuch: No such file or directory");
    CHECK(why({notify, ""}) == "\"\" is no file name");
    CHECK(why({notify, ".."}) == "\"..\" is no file name");
    CHECK(why({notify, "a/b"}) == "\"a/b\" is no file name");
    const std::string long_name(108, 'x');
    CHECK(why({notify, long_name}) ==
          notify + "/" + long_name + " is longer than the 107 bytes that Linux allows");
    CHECK(why({.directory = notify, .name = "web", .private_tmp = true}) ==
          notify + "/web lies where the program has files of its own");
    CHECK_FALSE(exists(notify));

    const Fd file{::open((place / "file").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
    CHECK(why({place / "file", "web"}) == "open " + (place / "file") + ": Not a directory");
    CHECK(why({place / "file/notify", "web"}) ==
          "mkdir " + (place / "file/notify") + ": Not a directory");
    REQUIRE(::symlink("/tmp", (place / "link").c_str()) == 0);
    // O_DIRECTORY | O_NOFOLLOW: it is a link, and so not a directory.
    CHECK(why({place / "link", "web"}) == "open " + (place / "link") + ": Not a directory");

    place.open();
    REQUIRE(::symlink("/etc/passwd", (notify + "/db").c_str()) == 0);
    CHECK(why({notify, "db"}) == notify + "/db is there, but not a socket");
    if (!am_root()) return;
    REQUIRE(::chmod((place / "").c_str(), 0700) == 0);
    CHECK(why({notify, "web"}) ==
          (place / "").substr(0, (place / "").size() - 1) + " is closed to other users");
    REQUIRE(::chmod((place / "").c_str(), 0755) == 0);
    REQUIRE(::chown(notify.c_str(), 1000, 1000) == 0);
    CHECK(why({notify, "web"}) == notify + " belongs to uid 1000");
}

TEST_CASE("a notify directory that others could write to is closed to them") {
    const Place place;
    REQUIRE(::mkdir(place.notify().c_str(), 0700) == 0);
    REQUIRE(::chmod(place.notify().c_str(), 0777) == 0);
    place.open();
    CHECK(mode_of(place.notify()) == 0755);
}

TEST_CASE("two abstract notify sockets have two names") {
    const auto first = open_abstract();
    const auto second = open_abstract();
    CHECK(first.address != second.address);
    REQUIRE(send_to(second.address, "READY=1") == 0);
    CHECK(none_waits(first));
    CHECK(next(second).text == "READY=1");
}

TEST_CASE("with no descriptor to be had there is no notify socket, and the reason is said") {
    const Place place;
    CHECK(in_fork([&]() -> std::string {
              const rlimit none{0, 0};
              ::setrlimit(RLIMIT_NOFILE, &none);
              const auto socket = open_notify_socket({place.notify(), "web"});
              return socket ? "opened" : socket.error().text();
          }) == "socket: Too many open files");
}

TEST_CASE("who is reached by a notify socket from where: files and abstract names") {
    if (!am_root()) REEVE_SKIP("needs root to make namespaces");
    const Place place;
    const auto file = place.open();
    const auto abstract = open_abstract();
    const auto from = [&](const NotifySocket& socket, const std::function<bool()>& inside) {
        return in_fork([&]() -> std::string {
            if (!inside()) return "can't be had here";
            return sent(send_to(socket.address, "READY=1"));
        });
    };
    const auto apart = [] {
        return ::unshare(CLONE_NEWNS) == 0 &&
               ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    };

    const auto network = [] { return ::unshare(CLONE_NEWNET) == 0; };
    CHECK(from(file, network) == "sent");
    CHECK(from(abstract, network) == "Connection refused");

    const std::string root = place / "root";
    REQUIRE(::mkdir(root.c_str(), 0755) == 0);
    const auto chroot = [&] { return ::chroot(root.c_str()) == 0 && ::chdir("/") == 0; };
    CHECK(from(file, chroot) == "No such file or directory");
    CHECK(from(abstract, chroot) == "sent");

    const auto private_tmp = [&] {
        return apart() && ::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr) == 0;
    };
    CHECK(from(file, private_tmp) == "No such file or directory");
    CHECK(from(abstract, private_tmp) == "sent");

    // As security.read_only = ["/"] does.
    const auto read_only = [&] {
        return apart() &&
               ::mount(place.notify().c_str(), place.notify().c_str(), nullptr, MS_BIND | MS_REC,
                       nullptr) == 0 &&
               ::mount(nullptr, place.notify().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY,
                       nullptr) == 0 &&
               ::mkdir((place.notify() + "/x").c_str(), 0700) != 0 && errno == EROFS;
    };
    CHECK(from(file, read_only) == "sent");
    CHECK(from(abstract, read_only) == "sent");

    const auto read_only_file_system = [&] {
        return apart() && ::mount("tmpfs", place.notify().c_str(), "tmpfs", 0, nullptr) == 0;
    };
    CHECK(in_fork([&]() -> std::string {
              if (!read_only_file_system()) return "can't be had here";
              const auto socket = open_notify_socket({place.notify(), "web"});
              if (!socket || !socket->why_abstract.empty()) return "no socket";
              if (::mount(nullptr, place.notify().c_str(), nullptr, MS_REMOUNT | MS_RDONLY,
                          nullptr) != 0) {
                  return "not read-only";
              }
              const std::string outcome = sent(send_to(socket->address, "READY=1"));
              // And a socket cannot be made there any more.
              const auto next_one = open_notify_socket({place.notify(), "db"});
              return outcome + ", " + (next_one ? next_one->why_abstract : "none");
          }) == "sent, bind " + place.notify() + "/db: Read-only file system");
}

// --- real clients --------------------------------------------------------------------------------

TEST_CASE("systemd-notify says it is ready, and goes when it was heard") {
    if (::access("/usr/bin/systemd-notify", X_OK) != 0) REEVE_SKIP("systemd-notify not installed");
    const Place place;
    for (const bool abstract : {false, true}) {
        CAPTURE(abstract);
        const auto socket = abstract ? open_abstract() : place.open();
        std::vector<std::string> said;
        std::vector<pid_t> senders;
        const auto result = run_client(
            command({"/usr/bin/systemd-notify", "--ready", "--status=accepting connections"}),
            socket, [&](Notified notified) {
                said.push_back(notified.text);
                senders.push_back(notified.sender.pid);
                CHECK(notified.descriptors.size() == (notified.text == "BARRIER=1" ? 1 : 0));
                close_pipes(notified.descriptors);
                CHECK(notified.descriptors.empty());
            });
        INFO(result.output);
        CHECK(result.status.text() == "exit 0");
        REQUIRE(said.size() == 2);
        CHECK(said[0] == "READY=1\nSTATUS=accepting connections");
        CHECK(said[1] == "BARRIER=1");
        // In its parent's name, where it may.
        if (am_root()) CHECK(senders[0] == ::getpid());
    }
}

TEST_CASE("python's plain socket is heard, also when its script has waited for it") {
    if (::access("/usr/bin/python3", X_OK) != 0) REEVE_SKIP("python3 not installed");
    const Place place;
    const TemporaryDirectory directory;
    const auto script = directory.write("notify.py", R"(
import os, socket
address = os.environ['NOTIFY_SOCKET']
if address[0] == '@': address = '\0' + address[1:]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(address)
s.sendall(b'READY=1\nMAINPID=%d' % os.getppid())
print(os.getpid())
)");
    for (const bool abstract : {false, true}) {
        CAPTURE(abstract);
        const auto socket = abstract ? open_abstract() : place.open();
        auto request = shell("/usr/bin/python3 " + script + " && echo $$");
        request.environment.push_back("NOTIFY_SOCKET=" + socket.address);
        const auto result = run(std::move(request));
        CHECK(result.status.text() == "exit 0");

        // Read only now: the shell has taken the sender long ago, and we never saw it.
        const auto notified = next(socket);
        const std::size_t newline = result.output.find('\n');
        REQUIRE(newline != std::string::npos);
        CHECK(notified.text + "\n" == "READY=1\nMAINPID=" + result.output.substr(newline + 1));
        CHECK(std::to_string(notified.sender.pid) == result.output.substr(0, newline));
        CHECK(notified.sender.uid == ::geteuid());
        CHECK_FALSE(is_there(notified.sender));
    }
}

TEST_CASE("libsystemd's sd_notify is heard, and its barrier holds until it was") {
    void* const library = ::dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) REEVE_SKIP("libsystemd.so.0 not installed");
    // sd-daemon.h
    using Notify = int (*)(int unset_environment, const char* state);
    using Barrier = int (*)(int unset_environment, std::uint64_t timeout_usec);
    using NotifyWithFds = int (*)(pid_t pid, int unset_environment, const char* state,
                                  const int* fds, unsigned count);
    const auto notify = reinterpret_cast<Notify>(::dlsym(library, "sd_notify"));
    const auto barrier = reinterpret_cast<Barrier>(::dlsym(library, "sd_notify_barrier"));
    const auto notify_with_fds =
        reinterpret_cast<NotifyWithFds>(::dlsym(library, "sd_pid_notify_with_fds"));
    if (!notify || !barrier || !notify_with_fds) REEVE_SKIP("libsystemd is older than 246");

    const Place place;
    for (const bool abstract : {false, true}) {
        CAPTURE(abstract);
        const auto socket = abstract ? open_abstract() : place.open();
        const pid_t pid = start([&] {
            ::setenv("NOTIFY_SOCKET", socket.address.c_str(), 1);
            if (notify(0, "READY=1\nSTATUS=up") <= 0) return 1;
            const int fd = ::open("/dev/null", O_RDWR);
            if (notify_with_fds(0, 0, "FDSTORE=1", &fd, 1) <= 0) return 2;
            if (barrier(0, 20'000'000) <= 0) return 3;
            return notify(0, "STOPPING=1") > 0 ? 0 : 4;
        });
        auto notified = next(socket);
        CHECK(notified.text == "READY=1\nSTATUS=up");
        CHECK(notified.sender.pid == pid);
        notified = next(socket);
        CHECK(notified.text == "FDSTORE=1");
        CHECK(notified.descriptors.size() == 1);

        notified = next(socket);
        CHECK(notified.text == "BARRIER=1");
        REQUIRE(notified.descriptors.size() == 1);
        // It waits as long as we hold it.
        pollfd watched{socket.fd.get(), POLLIN, 0};
        CHECK(::poll(&watched, 1, 100) == 0);
        close_pipes(notified.descriptors);
        CHECK(notified.descriptors.empty());
        CHECK(next(socket).text == "STOPPING=1");
        CHECK(wait_for(pid).status.text() == "exit 0");
    }
    ::dlclose(library);
}
