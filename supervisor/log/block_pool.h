#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "supervisor/log/slice.h"

namespace reeve::log {

// The memory that pipes are read into.  Blocks that nobody holds on to any more are used again, a
// few of them; of the others what is left is read into.
class BlockPool {
public:
    // As much as a read takes at most.  Larger ones save no more CPU, and fall out of the cache
    // between the read and the write.
    static constexpr std::size_t kBlock = 128 * 1024;

    BlockPool();
    ~BlockPool();
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;

    // Room to read into, at least half a block.
    std::span<char> room();
    // The first `count` bytes of that room, which have just been read.
    Slice took(std::size_t count);

private:
    struct Spare;

    std::shared_ptr<Spare> spare_;
    std::shared_ptr<char[]> block_;
    std::size_t used_ = 0;   // of the block, by the slices before the last
    std::size_t given_ = 0;  // by the last slice
};

}  // namespace reeve::log
