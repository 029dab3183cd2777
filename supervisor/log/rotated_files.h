#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "supervisor/log/line.h"

namespace reeve::log {

// Called by the compressor's thread.
class CompressionListener {
public:
    virtual ~CompressionListener() = default;
    // A piece of work is done: 0 or an errno.
    virtual void compressed(int error) = 0;
};

// The files that one log file was rotated to, from a look at its directory and what was rotated
// since.  Shared by the thread that writes the file and the compressor; the user may delete or
// compress some of them at any time, and nobody minds.
class RotatedFiles {
public:
    // `path`: of the log file, no link at its end.
    RotatedFiles(std::string path, conf::Rotation rotation,
                 std::weak_ptr<CompressionListener> listener);

    const std::string& path() const { return path_; }
    conf::Compression compression() const { return rotation_.compress; }
    void compressed(int error) const {
        if (const auto listener = listener_.lock()) listener->compressed(error);
    }

    // Looks at the directory, once.  0 or an errno.  True is left in `leftovers` where somebody
    // has been compressing and didn't finish.
    int look(int directory, bool& leftovers);

    // The name's time for a rotation at `now`.
    WallTime next_time(WallTime now) const;

    // The file was rotated.  It waits to be compressed, where that is asked for.
    void add(WallTime time);

    // Deletes the oldest beyond what is to be kept, compressed or not.
    void prune(int directory);

    // As if seen by look(): what the compressor finds when reeve starts.
    void found(WallTime time, conf::Compression compression);

    // The next to be compressed, the oldest first; nullopt when there is none.
    std::optional<WallTime> to_compress() const;
    // Compressed, gone, or not to be tried again before the next rotation.
    void done(WallTime time, bool failed);

private:
    struct File {
        WallTime time{0};
        bool compressed = false;
        bool failed = false;
    };
    void insert(File file);

    const std::string path_;
    const conf::Rotation rotation_;
    const std::weak_ptr<CompressionListener> listener_;

    mutable std::mutex mutex_;
    bool looked_ = false;
    std::vector<File> files_;  // the oldest first
};

}  // namespace reeve::log
