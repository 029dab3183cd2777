#include "supervisor/app/listen_sockets.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <functional>
#include <utility>

#include "conf/listen_address.h"
#include "supervisor/app/within.h"
#include "supervisor/log/worker.h"
#include "supervisor/loop/work.h"
#include "supervisor/os/listen_socket.h"
#include "supervisor/os/procfs.h"
#include "supervisor/os/spawn.h"
#include "supervisor/os/unix_socket.h"
#include "supervisor/os/user.h"

namespace reeve::app {

namespace {

// "held by nginx, pid 4121"; empty: not known.
std::string who(pid_t pid) {
    if (pid <= 0) return {};
    const auto stat = os::read_stat(pid);
    if (!stat) return {};
    return "held by " + std::string{stat->comm()} + ", pid " + std::to_string(pid);
}

std::string with_remark(std::string text, const std::string& remark) {
    if (!remark.empty()) text += " (" + remark + ")";
    return text;
}

Unexpected<ListenTrouble> failed(const base::OsError& error, const std::string& remark = {}) {
    return Unexpected<ListenTrouble>{{with_remark(error.text(), remark), os::is_transient(error)}};
}

Unexpected<ListenTrouble> failed(const os::AccountError& error) {
    return Unexpected<ListenTrouble>{{error.text(), error.is_transient()}};
}

}  // namespace

ListenSocket::~ListenSocket() {
    if (!owned_ || spec_.address.kind != conf::ListenAddress::Kind::path) return;
    // Not closed before its file has gone: another's could have the same number.
    const auto left = std::make_shared<os::ListeningSocket>(file());
    left->fd = std::move(owned_);
    // Without a thread it stays, and is replaced by the next that is bound there.
    (void)loop::Work::run_apart(loop::Work::Lane::may_hang, left->path,
                                [left] { os::remove_socket_file(*left); });
}

void ListenSocket::close() {
    // Who still opens it may hang, and a file that comes to be now is a stale one to the next.
    const std::unique_lock lock{opening_, std::try_to_lock};
    if (!lock) return;
    if (former_) former_->close();
    if (!owned_) return;
    fd_ = -1;
    const base::Fd closed = std::move(owned_);
    if (spec_.address.kind == conf::ListenAddress::Kind::path) os::remove_socket_file(file());
}

Expected<void, ListenTrouble> ListenSocket::open() {
    const std::lock_guard lock{opening_};
    if (owned_) return {};
    auto opened = open_anew();
    if (!opened) opened.error().text = "socket " + spec_.name + ": " + opened.error().text;
    const std::lock_guard tell{telling_};
    trouble_ = opened ? std::string{} : opened.error().text;
    fd_ = owned_.get();
    return opened;
}

Expected<void, ListenTrouble> ListenSocket::open_anew() {
    const auto taken = take_over();
    if (!taken) return Unexpected<ListenTrouble>{taken.error()};
    if (*taken) return {};
    return spec_.address.kind == conf::ListenAddress::Kind::path ? open_path() : open_address();
}

// Its file too, with the mode and owners that this one is to have.
Expected<bool, ListenTrouble> ListenSocket::take_over() {
    if (!former_) return false;
    const std::lock_guard lock{former_->opening_};
    if (!former_->owned_) {
        // A change that was never opened stands for the one before.
        if (auto taken = former_->take_over(); !taken || !*taken) return taken;
    }
    base::Fd own{::fcntl(former_->owned_.get(), F_DUPFD_CLOEXEC, 0)};
    if (!own) return failed(base::os_error("dup").value());
    // Said again, it changes the length of the queue and nothing else.
    if (spec_.type == conf::SocketType::stream) ::listen(own.get(), spec_.backlog);
    if (spec_.address.kind == conf::ListenAddress::Kind::path) {
        const auto wanted = request();
        if (!wanted) return Unexpected<ListenTrouble>{wanted.error()};
        if (const auto set = os::change_socket_file(former_->file(), *wanted); !set) {
            const int number = set.error().number;
            const bool has_gone = number == ENOENT || number == ESTALE || number == ENOTSOCK;
            if (has_gone) return false;
            return failed(set.error());
        }
        device_ = std::exchange(former_->device_, 0);
        inode_ = std::exchange(former_->inode_, 0);
    }
    owned_ = std::move(own);
    former_.reset();
    return true;
}

// A device and an inode of 0 are no file's: it was handed on.
os::ListeningSocket ListenSocket::file() const {
    return {base::Fd{}, spec_.address.path, device_, inode_};
}

void ListenSocket::reset_flags() const {
    const int flags = ::fcntl(fd(), F_GETFL);
    if (flags < 0) return;
    const int wanted = spec_.non_blocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted != flags) ::fcntl(fd(), F_SETFL, wanted);
}

std::string ListenSocket::trouble() const {
    const std::lock_guard lock{telling_};
    return trouble_;
}

Expected<base::Fd, ListenTrouble> open_internet_address(const conf::ListenAddress& address,
                                                        bool datagram, int backlog) {
    auto socket = os::listen_on({address.host, address.port, datagram, backlog});
    if (socket) return std::move(*socket);
    const bool taken = socket.error().number == EADDRINUSE;
    std::string remark = taken ? who(os::find_port_holder(address.port, datagram)) : "";
    if (socket.error().number == EADDRNOTAVAIL) remark = "no address of this machine";
    if (socket.error().number == EACCES) {
        remark = "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE";
    }
    return failed(socket.error(), remark);
}

Expected<void, ListenTrouble> ListenSocket::open_address() {
    auto socket = open_internet_address(spec_.address, spec_.type == conf::SocketType::datagram,
                                        spec_.backlog);
    if (!socket) return Unexpected<ListenTrouble>{std::move(socket.error())};
    owned_ = std::move(*socket);
    return {};
}

Expected<os::ListenRequest, ListenTrouble> ListenSocket::request() const {
    os::ListenRequest request;
    request.path = spec_.address.path;
    request.mode = spec_.mode;
    request.backlog = spec_.backlog;
    request.datagram = spec_.type == conf::SocketType::datagram;
    request.bound_there = true;
    if (!spec_.user.empty()) {
        const auto account = os::resolve_account({spec_.user, {}, std::nullopt});
        if (!account) return failed(account.error());
        request.owner = account->uid;
    }
    if (!spec_.group.empty()) {
        const auto group = os::resolve_group(spec_.group);
        if (!group) return failed(group.error());
        request.group = *group;
    }
    return request;
}

Expected<void, ListenTrouble> ListenSocket::open_path() {
    const auto wanted = request();
    if (!wanted) return Unexpected<ListenTrouble>{wanted.error()};
    auto socket = os::listen_at(*wanted);
    if (!socket) {
        if (socket.error().kind == os::ListenError::Kind::in_use) {
            return Unexpected<ListenTrouble>{
                {with_remark("somebody answers on " + wanted->path, who(socket.error().by))}};
        }
        return Unexpected<ListenTrouble>{
            {socket.error().text(), os::is_transient(socket.error().cause)}};
    }
    device_ = socket->device;
    inode_ = socket->inode;
    owned_ = std::move(socket->fd);
    return {};
}

void ListenSockets::configure(const std::vector<conf::Socket>& sockets) {
    const std::vector<ListenSocketPtr> before = std::exchange(all_, {});
    uses_.clear();
    for (const conf::Socket& socket : sockets) {
        // Nobody would ever take a connection.
        if (socket.programs.empty()) continue;
        std::vector<ListenSocketPtr> own;
        for (const conf::ListenAddress& address : socket.listen) {
            ListenSocket::Spec spec{
                .name = socket.name,
                .address = address,
                .type = socket.type,
                .backlog = socket.backlog,
                .non_blocking = socket.non_blocking,
                .mode = socket.mode.value_or(socket.group.empty() ? 0600 : 0660),
                .user = socket.user,
                .group = socket.group};
            const auto former = std::ranges::find_if(before, [&](const ListenSocketPtr& one) {
                return one->spec().address == spec.address && one->spec().type == spec.type;
            });
            if (former == before.end()) {
                own.push_back(std::make_shared<ListenSocket>(std::move(spec)));
            } else if ((*former)->spec() == spec) {
                own.push_back(*former);
            } else {
                own.push_back(std::make_shared<ListenSocket>(std::move(spec), *former));
            }
        }
        all_.insert(all_.end(), own.begin(), own.end());
        for (const std::string& program : socket.programs) {
            auto use = std::ranges::find(uses_, program, &Use::program);
            if (use == uses_.end()) use = uses_.insert(uses_.end(), Use{program, {}});
            use->sockets.insert(use->sockets.end(), own.begin(), own.end());
        }
    }
}

std::vector<std::string> ListenSockets::open_all(std::chrono::milliseconds patience) {
    if (all_.empty()) return {};
    within(patience, [sockets = all_] {
        for (const ListenSocketPtr& socket : sockets) socket->open();
    });

    std::vector<std::string> troubles;
    for (const ListenSocketPtr& socket : all_) {
        if (socket->fd() >= 0) continue;
        const std::string trouble = socket->trouble();
        troubles.push_back(trouble.empty()
                               ? "socket " + socket->spec().name + ": " +
                                     conf::format_listen_address(socket->spec().address) +
                                     " is not open yet (a disk or a name service does "
                                     "not answer)"
                               : trouble);
    }
    return troubles;
}

void ListenSockets::open_apart() const {
    for (const ListenSocketPtr& socket : all_) {
        if (socket->fd() >= 0) continue;
        (void)loop::Work::run_apart(loop::Work::Lane::may_hang, socket->spec().name,
                                    [socket] { (void)socket->open(); });
    }
}

std::vector<ListenSocketPtr> ListenSockets::of(const std::string& program) const {
    const auto use = std::ranges::find(uses_, program, &Use::program);
    return use == uses_.end() ? std::vector<ListenSocketPtr>{} : use->sockets;
}

void ListenSockets::close(std::chrono::milliseconds patience) {
    if (all_.empty()) return;
    // Those that a run which can't be ended still refers to, too.
    within(patience, [sockets = all_] {
        for (const ListenSocketPtr& socket : sockets) socket->close();
    });
    uses_.clear();
    all_.clear();
}

std::vector<std::string> listen_environment(const std::vector<ListenSocketPtr>& sockets) {
    if (sockets.empty()) return {};
    std::string names;
    for (const ListenSocketPtr& socket : sockets) {
        names += (names.empty() ? "" : ":") + socket->spec().name;
    }
    return {"LISTEN_FDS=" + std::to_string(sockets.size()), "LISTEN_FDNAMES=" + names, kListenPid};
}

}  // namespace reeve::app
