#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "supervisor/base/fd.h"

namespace reeve::os {

// Closes descriptors that came from others, without the caller having to wait for it.
//
// close(2) takes as long as the file likes: one on a dead network disk or of a FUSE server that
// doesn't answer is flushed, a connection with SO_LINGER and unsent data waits for its peer, and
// whoever passed us the descriptor can have arranged for either.  So they are closed on threads,
// which there are while there is something to close, and up to four of them where one is held up.
class Closer {
public:
    // Who is given so many that are not closed yet should take no more in before some are.
    static constexpr std::size_t kMost = 256;

    Closer();
    // Waits for nothing: what is left is closed as long as the process lives.
    ~Closer();
    Closer(const Closer&) = delete;
    Closer& operator=(const Closer&) = delete;

    // Pipes are closed when it returns.  For one's own descriptors too, of which the closing may
    // take long: a socket with descriptors in its queue.
    void close(std::vector<base::Fd> descriptors);

    // Of those that were given, how many are not closed yet.
    std::size_t waiting() const;
    // Whether these are kMost.  Sees to it that they are being closed, should there have been no
    // thread to be had before (a pids limit).
    bool full();

private:
    struct Shared;

    std::shared_ptr<Shared> shared_;
};

// Closes those that are pipes, which never takes long, and what a barrier comes with is one
// (sd_notify_barrier(3)); leaves the others.
void close_pipes(std::vector<base::Fd>& descriptors);

}  // namespace reeve::os
