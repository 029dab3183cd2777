#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "supervisor/base/fd.h"

namespace reeve::os {

struct InternetAddress {
    // A number, IPv4 or IPv6; empty: all addresses of this machine, of both, by one descriptor
    // (IPv4 alone where the machine has no IPv6).
    std::string host;
    std::uint16_t port = 0;
    bool datagram = false;
    int backlog = 4096;  // of connections that nobody has taken yet; not for datagrams
};

// A socket that is bound and, if it is no datagram one, listens: blocking, close-on-exec.  An IPv6
// address, "::" too, takes nothing of IPv4.  SO_REUSEADDR is set, so that connections of an earlier
// one that linger (TIME_WAIT) are in nobody's way.
base::OsExpected<base::Fd> listen_on(const InternetAddress& address);

// Who is bound to that port, of whatever address: a process, 0 where it can't be told (another's,
// and we are not root).  Looks through all of /proc, which takes its time.
pid_t find_port_holder(std::uint16_t port, bool datagram);

// Whether it is a socket of the Internet's, and not a Unix one.
bool is_internet_socket(int fd);

// Who is at the other end: "127.0.0.1:53122", "[::1]:53122"; empty: it has gone.  IPv4 that came to
// a socket for both is IPv4.
std::string peer_address(int fd);

// For a connection of questions and answers: what is written goes at once, and a peer whose machine
// has vanished is noticed within some minutes.
void prepare_connection(int fd);

}  // namespace reeve::os
