#include "supervisor/log/log_socket.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace reeve::log {

namespace {

constexpr std::size_t kBatch = 64;

// unix(7), net/unix/af_unix.c: a datagram is refused when it is longer than the send buffer less
// this.
constexpr std::size_t kDatagramOverhead = 32;

// With so much of the buffer sent, what is left is moved to the front.
constexpr std::size_t kTidy = 64 * 1024;

// What an idle socket may hold on to; there may be thousands.
constexpr std::size_t kIdle = 512;

base::Fd connect_to(const std::string& path, int type, int& error) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        error = ENAMETOOLONG;
        return {};
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);

    base::Fd socket{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!socket ||
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        error = errno;
        return {};
    }
    return socket;
}

std::string link_target_of(const std::string& path) {
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    return size > 0 ? std::string{target.data(), static_cast<std::size_t>(size)} : std::string{};
}

std::size_t largest_datagram(int socket) {
    int size = 0;
    socklen_t length = sizeof size;
    if (::getsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, &length) != 0 || size < 1024)
        return 1024;
    return static_cast<std::size_t>(size) - kDatagramOverhead;
}

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return false;
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

// Sealed, so that its reader can map it without fear.  Empty with errno set when it can't be had.
base::Fd sealed_memfd(std::string_view bytes) {
    base::Fd fd{::memfd_create("reeve-journal-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    if (fd && write_all(fd.get(), bytes) && ::fcntl(fd.get(), F_ADD_SEALS, kSeals) == 0) return fd;
    const int error = errno;
    fd.reset();
    errno = error;
    return {};
}

}  // namespace

bool LogSocket::connect() {
    disconnect();
    link_target_ = link_target_of(options_.path);
    stream_ = false;
    socket_ = connect_to(options_.path, SOCK_DGRAM, error_);
    if (!socket_ && error_ == EPROTOTYPE && options_.stream_too) {
        socket_ = connect_to(options_.path, SOCK_STREAM, error_);
        stream_ = static_cast<bool>(socket_);
    }
    if (!socket_) return false;
    error_ = 0;
    largest_ = stream_ ? SIZE_MAX : largest_datagram(socket_.get());
    return true;
}

void LogSocket::disconnect() {
    socket_.reset();
    // Half of a message is worth nothing to the next one who listens.
    partly_ = 0;
}

void LogSocket::queue(const Origin& origin) {
    messages_.push_back({buffer_.size() - queued_end_, origin});
    queued_end_ = buffer_.size();
}

LogSocket::Sent LogSocket::send() {
    if (messages_.empty()) return Sent::all;
    if (!socket_) return Sent::gone;
    return stream_ ? send_stream() : send_datagrams();
}

LogSocket::Sent LogSocket::send_datagrams() {
    while (!messages_.empty()) {
        if (messages_.front().size > largest_) {
            if (!options_.large_as_memfd) return Sent::too_large;
            if (const Sent sent = send_memfd(); sent != Sent::all) return sent;
            continue;
        }

        std::array<mmsghdr, kBatch> headers{};
        std::array<iovec, kBatch> parts{};
        std::size_t count = 0;
        char* at = buffer_.data() + sent_;
        for (const Message& message : messages_) {
            if (count == kBatch || message.size > largest_) break;
            parts[count] = {at, message.size};
            headers[count].msg_hdr.msg_iov = &parts[count];
            headers[count].msg_hdr.msg_iovlen = 1;
            at += message.size;
            ++count;
        }
        const int sent = ::sendmmsg(socket_.get(), headers.data(), static_cast<unsigned>(count),
                                    MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            pop(static_cast<std::size_t>(sent));
        } else if (errno == EMSGSIZE) {
            largest_ = messages_.front().size - 1;
        } else if (errno != EINTR) {
            return failed(errno);
        }
    }
    return Sent::all;
}

LogSocket::Sent LogSocket::send_stream() {
    while (!messages_.empty()) {
        std::array<iovec, 2 * kBatch> parts{};
        std::size_t count = 0;
        char end = '\0';
        char* at = buffer_.data() + sent_;
        std::size_t skip = partly_;
        for (const Message& message : messages_) {
            if (count == parts.size()) break;
            const std::size_t skipped = std::min(skip, message.size);
            parts[count++] = {at + skipped, message.size - skipped};
            parts[count++] = {&end, 1};
            at += message.size;
            skip = 0;
        }
        msghdr header{};
        header.msg_iov = parts.data();
        header.msg_iovlen = count;
        const ssize_t sent = ::sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            return failed(errno);
        }
        partly_ += static_cast<std::size_t>(sent);
        while (!messages_.empty() && partly_ > messages_.front().size) {
            partly_ -= messages_.front().size + 1;
            pop(1);
        }
    }
    return Sent::all;
}

LogSocket::Sent LogSocket::send_memfd() {
    if (!memfd_) {
        memfd_ = sealed_memfd(std::string_view{buffer_}.substr(sent_, messages_.front().size));
        if (!memfd_) {
            error_ = errno;
            const bool passes =
                error_ == EMFILE || error_ == ENFILE || error_ == ENOMEM || error_ == ENOSPC;
            return passes ? Sent::later : Sent::too_large;
        }
    }
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = memfd_.get();
    std::memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    while (::sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno != EINTR) return failed(errno);
    }
    pop(1);
    return Sent::all;
}

LogSocket::Sent LogSocket::failed(int number) {
    if (number == EAGAIN) return Sent::busy;
    error_ = number;
    // ETOOMANYREFS: descriptors under way in sockets (unix(7)).
    if (number == ENOBUFS || number == ENOMEM || number == ETOOMANYREFS) return Sent::later;
    return Sent::gone;
}

void LogSocket::pop(std::size_t count) {
    for (; count > 0; --count) {
        sent_ += messages_.front().size;
        messages_.pop_front();
    }
    memfd_.reset();
    if (messages_.empty() && sent_ == buffer_.size()) {
        if (buffer_.capacity() > kIdle) {
            std::string{}.swap(buffer_);
        } else {
            buffer_.clear();
        }
        sent_ = queued_end_ = 0;
    } else if (sent_ > kTidy) {
        buffer_.erase(0, sent_);
        queued_end_ -= sent_;
        sent_ = 0;
    }
}

}  // namespace reeve::log
