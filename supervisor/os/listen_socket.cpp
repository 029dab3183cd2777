#include "supervisor/os/listen_socket.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string_view>

#include "supervisor/os/procfs.h"

namespace reeve::os {

using base::Fd;
using base::OsExpected;

namespace {

std::string name_of(const InternetAddress& address) {
    const std::string port = ":" + std::to_string(address.port);
    if (address.host.empty()) return "*" + port;
    if (address.host.find(':') != std::string::npos) return "[" + address.host + "]" + port;
    return address.host + port;
}

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};
struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

// The inodes of the sockets that a table of /proc/net has on that port.  For TCP those that listen
// alone: of connections the port is in nobody's way.
void add_inodes(const char* table, std::uint16_t port, bool datagram, std::set<unsigned long>& to) {
    const std::unique_ptr<std::FILE, CloseFile> file{std::fopen(table, "re")};
    if (!file) return;
    constexpr unsigned kListens = 0x0a;  // TCP_LISTEN
    char line[512];
    while (std::fgets(line, sizeof line, file.get())) {
        unsigned local_port = 0;
        unsigned state = 0;
        unsigned long inode = 0;
        // sl local remote st queues tr:when retransmits uid timeout inode
        if (std::sscanf(line, " %*[^:]: %*[^:]:%x %*s %x %*s %*s %*s %*s %*s %lu", &local_port,
                        &state, &inode) != 3) {
            continue;
        }
        if (local_port == port && (datagram || state == kListens) && inode != 0) to.insert(inode);
    }
}

bool holds(pid_t pid, const std::set<unsigned long>& inodes) {
    const std::string path = "/proc/" + std::to_string(pid) + "/fd";
    const std::unique_ptr<DIR, CloseDirectory> directory{::opendir(path.c_str())};
    if (!directory) return false;
    while (const dirent* entry = ::readdir(directory.get())) {
        char target[64];
        const ssize_t size =
            ::readlinkat(::dirfd(directory.get()), entry->d_name, target, sizeof target - 1);
        if (size <= 0) continue;
        target[size] = '\0';
        constexpr std::string_view kStart = "socket:[";
        if (!std::string_view{target}.starts_with(kStart)) continue;
        if (inodes.contains(std::strtoul(target + kStart.size(), nullptr, 10))) return true;
    }
    return false;
}

OsExpected<Fd> open_bound(const InternetAddress& address, const sockaddr* where, socklen_t size,
                          bool ip4_too) {
    const int type = address.datagram ? SOCK_DGRAM : SOCK_STREAM;
    Fd fd{::socket(where->sa_family, type | SOCK_CLOEXEC, 0)};
    if (!fd) return base::os_error("socket", name_of(address));
    const int on = 1;
    if (where->sa_family == AF_INET6) {
        const int only = ip4_too ? 0 : 1;
        if (::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) != 0) {
            return base::os_error("IPV6_V6ONLY", name_of(address));
        }
    }
    // Of datagrams it would let two have the same port.
    if (!address.datagram &&
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        return base::os_error("SO_REUSEADDR", name_of(address));
    }
    if (::bind(fd.get(), where, size) != 0) return base::os_error("bind", name_of(address));
    if (!address.datagram && ::listen(fd.get(), address.backlog) != 0) {
        return base::os_error("listen", name_of(address));
    }
    return fd;
}

OsExpected<Fd> open_ip4(const InternetAddress& address, in_addr host) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(address.port);
    where.sin_addr = host;
    return open_bound(address, reinterpret_cast<const sockaddr*>(&where), sizeof where, false);
}

OsExpected<Fd> open_ip6(const InternetAddress& address, const in6_addr& host, bool ip4_too) {
    sockaddr_in6 where{};
    where.sin6_family = AF_INET6;
    where.sin6_port = htons(address.port);
    where.sin6_addr = host;
    return open_bound(address, reinterpret_cast<const sockaddr*>(&where), sizeof where, ip4_too);
}

}  // namespace

OsExpected<Fd> listen_on(const InternetAddress& address) {
    if (address.host.empty()) {
        auto both = open_ip6(address, in6addr_any, true);
        if (both) return both;
        const int number = both.error().number;
        const bool has_no_ip6 = number == EAFNOSUPPORT || number == EADDRNOTAVAIL;
        if (!has_no_ip6) return both;
        in_addr all{};
        all.s_addr = htonl(INADDR_ANY);
        return open_ip4(address, all);
    }
    in_addr ip4{};
    if (::inet_pton(AF_INET, address.host.c_str(), &ip4) == 1) return open_ip4(address, ip4);
    in6_addr ip6{};
    if (::inet_pton(AF_INET6, address.host.c_str(), &ip6) == 1) {
        return open_ip6(address, ip6, false);
    }
    errno = EINVAL;
    return base::os_error("bind", name_of(address));
}

pid_t find_port_holder(std::uint16_t port, bool datagram) {
    std::set<unsigned long> inodes;
    for (const char* table : {datagram ? "/proc/net/udp" : "/proc/net/tcp",
                              datagram ? "/proc/net/udp6" : "/proc/net/tcp6"}) {
        add_inodes(table, port, datagram, inodes);
    }
    if (inodes.empty()) return 0;
    // Of a master and its workers the first is the master.
    pid_t holder = 0;
    for (const Kinship& process : scan_processes()) {
        if ((holder == 0 || process.pid < holder) && holds(process.pid, inodes)) {
            holder = process.pid;
        }
    }
    return holder;
}

bool is_internet_socket(int fd) {
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
    return domain == AF_INET || domain == AF_INET6;
}

std::string peer_address(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    char text[INET6_ADDRSTRLEN] = {};
    if (storage.ss_family == AF_INET) {
        const auto& ip4 = reinterpret_cast<const sockaddr_in&>(storage);
        ::inet_ntop(AF_INET, &ip4.sin_addr, text, sizeof text);
        return std::string{text} + ":" + std::to_string(ntohs(ip4.sin_port));
    }
    if (storage.ss_family != AF_INET6) return {};
    const auto& ip6 = reinterpret_cast<const sockaddr_in6&>(storage);
    const std::string port = ":" + std::to_string(ntohs(ip6.sin6_port));
    if (IN6_IS_ADDR_V4MAPPED(&ip6.sin6_addr)) {
        ::inet_ntop(AF_INET, &ip6.sin6_addr.s6_addr[12], text, sizeof text);
        return text + port;
    }
    ::inet_ntop(AF_INET6, &ip6.sin6_addr, text, sizeof text);
    return "[" + std::string{text} + "]" + port;
}

void prepare_connection(int fd) {
    const auto set = [fd](int level, int option, int value) {
        ::setsockopt(fd, level, option, &value, sizeof value);
    };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace reeve::os
