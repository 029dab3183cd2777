#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "conf/config.h"
#include "supervisor/base/expected.h"
#include "supervisor/base/fd.h"
#include "supervisor/os/unix_socket.h"

namespace reeve::app {

// Why a socket can't be had, for people: what, where, who has it.
struct ListenTrouble {
    std::string text;
    // Reeve lacks something for now, which says nothing about the socket.
    bool transient = false;
};

// One address of a [socket.NAME]: opened once and kept until nobody wants it any more.
//
// Opening may hang (a path on a dead disk, a name service), so once programs run it is done on
// another thread, and the loop is never kept waiting: it asks for fd() alone.
class ListenSocket {
public:
    struct Spec {
        std::string name;  // of the table
        conf::ListenAddress address;
        conf::SocketType type = conf::SocketType::stream;
        int backlog = 0;
        bool non_blocking = false;
        mode_t mode = 0;    // of Unix sockets, as are
        std::string user;   // this one
        std::string group;  // and this

        bool operator==(const Spec&) const = default;
    };

    // `former`: one of the same address and type, whose queue and file it takes over when it is
    // opened; may be null.
    explicit ListenSocket(Spec spec, std::shared_ptr<ListenSocket> former = nullptr)
        : spec_{std::move(spec)}, former_{std::move(former)} {}
    ~ListenSocket();
    ListenSocket(const ListenSocket&) = delete;
    ListenSocket& operator=(const ListenSocket&) = delete;

    const Spec& spec() const { return spec_; }
    // -1: not open.
    int fd() const { return fd_.load(); }

    // Does nothing when it is open already.  On any thread.
    Expected<void, ListenTrouble> open();

    // For good, at the end of all: removes the file of a Unix socket, unless it has become somebody
    // else's, and may hang.  The destructor does the same and waits for nothing.
    void close();

    // Sets O_NONBLOCK as it should be, whatever an earlier run left it as.  Whoever shares the
    // socket sees it change.
    void reset_flags() const;

    // What the last open() said; empty: nothing is the matter.
    std::string trouble() const;

private:
    // All of these with opening_ locked.
    Expected<void, ListenTrouble> open_anew();
    Expected<void, ListenTrouble> open_address();
    Expected<void, ListenTrouble> open_path();
    // False: there was nothing to take over, or nothing that is left of it.
    Expected<bool, ListenTrouble> take_over();
    Expected<os::ListenRequest, ListenTrouble> request() const;
    os::ListeningSocket file() const;

    const Spec spec_;
    std::mutex opening_;
    std::shared_ptr<ListenSocket> former_;
    base::Fd owned_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
    std::atomic<int> fd_{-1};
    mutable std::mutex telling_;
    std::string trouble_;
};

// A socket of TCP or UDP at an address that is no path; blocking.  On any thread but the loop's,
// for who has the address already is looked for in all of /proc.
Expected<base::Fd, ListenTrouble> open_internet_address(const conf::ListenAddress& address,
                                                        bool datagram, int backlog);

using ListenSocketPtr = std::shared_ptr<ListenSocket>;

// All of them, by what the configuration says.
class ListenSockets {
public:
    // Makes it so: what is wanted as it is stays open, what isn't wanted goes as soon as no run
    // refers to it, and what is new or changed is open()'s to open or to change: the next start of
    // one of its programs does so, or whoever goes through all().  Called again with a changed
    // configuration this keeps every queue whose address is still wanted, whatever else changes.
    void configure(const std::vector<conf::Socket>& sockets);

    // Opens what is not; the reasons why not, one a socket that can't be had.  One that hangs
    // longer than `patience` is one of them, and opens when it opens.
    std::vector<std::string> open_all(std::chrono::milliseconds patience);

    // Opens what is not and waits for nothing; who can't be had says so when one of its programs
    // is started.
    void open_apart() const;

    // Those of a program, in the order of the file: what becomes 3, 4 ….
    std::vector<ListenSocketPtr> of(const std::string& program) const;

    const std::vector<ListenSocketPtr>& all() const { return all_; }

    // Lets go of all of them, at the end.
    void close(std::chrono::milliseconds patience);

private:
    struct Use {
        std::string program;
        std::vector<ListenSocketPtr> sockets;
    };

    std::vector<ListenSocketPtr> all_;
    std::vector<Use> uses_;
};

// What goes with the descriptors of a program into its environment: $LISTEN_FDS and
// $LISTEN_FDNAMES, and $LISTEN_PID without its value.  Empty for none.  See sd_listen_fds(3).
std::vector<std::string> listen_environment(const std::vector<ListenSocketPtr>& sockets);
inline constexpr const char* kListenPid = "LISTEN_PID=";

}  // namespace reeve::app
