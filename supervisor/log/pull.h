#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "supervisor/log/block_pool.h"
#include "supervisor/log/output_pipe.h"
#include "supervisor/log/slice.h"

namespace reeve::log {

// A stretch of a busy stream that the thread which writes its file reads as well: what it has just
// read is still in its CPU's cache when it writes it.  The log thread does not read meanwhile.  It
// ends the pull when it has anything to do with the stream, and then reads on itself; the bytes
// keep their order, for those that were pulled are the first that the file has.
class Pull {
public:
    // Fewer bytes in the pipe are not worth the way to the other thread and back.
    static constexpr std::size_t kLeast = 32 * 1024;

    // `read_end` stays open until end().
    Pull(int read_end, std::shared_ptr<ReadCursor> cursor)
        : read_end_{read_end}, cursor_{std::move(cursor)} {}

    // The writing thread's side.  Reads once; `note` is called with the number of bytes before the
    // log thread can know of them.  Nothing: it is over, or was ended.
    std::optional<Slice> read(BlockPool& blocks, const std::function<void(std::size_t)>& note);

    // Called after that, when the pull is over.
    void leave();

    // The log thread's side.  Before it is lent: what leave() does, on the other thread, unless it
    // was ended.  May hold the pull itself.
    void on_left(std::function<void()> action) { on_left_ = std::move(action); }
    struct Pulled {
        std::uint64_t bytes = 0;   // all
        std::vector<Slice> last;   // the last of them, at least as many as a ring keeps
        bool cut_in_line = false;  // what comes before those doesn't end with a newline
    };
    Pulled end();
    bool ended() const { return ended_; }
    // Nothing was read since this was asked before: its file's disk may hang, or no thread has
    // time.
    bool is_stuck();

private:
    const int read_end_;
    const std::shared_ptr<ReadCursor> cursor_;
    std::function<void()> on_left_;

    std::mutex mutex_;
    bool ended_ = false;  // is set by the log thread
    bool over_ = false;
    std::uint64_t looked_ = UINT64_MAX;
    std::size_t held_ = 0;
    Pulled pulled_;
};

}  // namespace reeve::log
