#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/fd.h"

// The socket that $NOTIFY_SOCKET names, one for each instance: sd_notify(3).  What comes is read
// here, whose it is and what it says is decided in supervisor/model.
//
// It is a file, as systemd's is: what has its place in the file system is reached from another
// network namespace too, and can be handed into a container.  Nobody but us may put one in its
// place.  A mount namespace in which all is read-only does no harm: sending to a socket writes
// nothing to its file system.
//
// Where a file will not do it is an abstract socket under a name that the kernel picks.  Nobody can
// take that from us either, and it is there in any root directory and any mount namespace; only a
// process in a network namespace of its own does not find it.
namespace reeve::os {

struct NotifyRequest {
    // Ours alone, made when it is missing with what is missing above it; absolute:
    // "/run/reeve/reeve.sock.notify".
    std::string directory;
    std::string name;  // of the file: "web@2"
    // The one user, besides root, whose processes may send: the program's, when it is not ours.
    // nullopt: anybody, since a program of root's may become any user and notify then (gosu,
    // su-exec).
    std::optional<uid_t> only_user{};
    // The program will see other directories in the place of /tmp and /var/tmp.
    bool private_tmp = false;
};

struct NotifySocket {
    base::Fd fd;          // non-blocking, close-on-exec; readable when a datagram waits
    std::string address;  // for $NOTIFY_SOCKET: a path, or "@" and an abstract name
    // Why it is no file, as the end of a sentence ("/tmp/x.notify belongs to uid 1000"); empty: it
    // is one.
    std::string why_abstract;
    dev_t device = 0;  // the socket's file, to know it again
    ino_t inode = 0;
};

// The file of an earlier socket of that name is replaced, so no two reeves may have the same
// directory.  Fails only where no socket can be had at all.  Takes as long as the disk does that
// the directory lies on.
base::OsExpected<NotifySocket> open_notify_socket(const NotifyRequest& request);

// Removes the file unless another has taken its place.
//
// Closing the socket is another matter: it closes the descriptors that came with datagrams nobody
// has read, and that may take as long as closing these does (see Notified::descriptors), and is for
// a Closer too.
void remove_socket_file(const NotifySocket& socket);

// Removes the directory and the sockets that are left in it, as a reeve that was killed leaves
// them; nothing else, and nothing that is not ours.
void remove_notify_directory(const std::string& directory);

// Who sent it, by the kernel's word.  Root may have named another process in its place, as
// systemd-notify does for its parent; no other can.
struct NotifySender {
    pid_t pid = 0;  // as we count; 0: outside of our PID namespace.  Also of one that is gone
    uid_t uid = 0;
    gid_t gid = 0;
    // Of that very process, also when it is gone by now.  Empty: the kernel has none to give (it
    // can since Linux 6.5; 6.18 also can for a process that was reaped already), or we have no room
    // for another descriptor.
    base::Fd pidfd;
    // The kernel could not give a pidfd because it was reaped.
    bool reaped = false;
};

// Whether the sender still has its pid, as a zombie at least.  Where there is no pidfd: whether
// anybody has it.
bool is_there(const NotifySender& sender);

// Like systemd, which takes no more than PIPE_BUF either.
inline constexpr std::size_t kLargestNotification = 4096;

// As many as one datagram can carry: SCM_MAX_FD in the kernel's scm.h.
inline constexpr std::size_t kMostDescriptors = 253;

struct Notified {
    std::string text;      // kLargestNotification bytes at most; may be empty
    bool cut_off = false;  // there was more
    NotifySender sender;
    // That came along, close-on-exec.  To close one may take as long as whoever sent it likes (a
    // file on a dead network disk; a connection with SO_LINGER and unsent data, of which ours is
    // the last descriptor), so that is for a thread that may wait: os/closer.h.  The one of a
    // BARRIER=1 says by its closing that all datagrams before were handled.
    std::vector<base::Fd> descriptors;
    // More were sent than we had descriptors left; the kernel has closed those in this very call,
    // which nothing can be done about but not to be short of descriptors.
    bool descriptors_lost = false;
};

// One datagram; nullopt: none is there.  They come in the order in which they were
// sent, and none is lost while we don't read: after the tenth (net.unix.max_dgram_qlen) the sender
// waits, or is told EAGAIN if it would not.  There is no buffer of ours to be made larger: on
// AF_UNIX a datagram is charged to who sends it.
//
// Whoever reads may find another one each time, for ever: the caller must stop after a few and
// come back.
base::OsExpected<std::optional<Notified>> receive_notification(const base::Fd& socket);

}  // namespace reeve::os
