#include "supervisor/log/block_pool.h"

#include <mutex>
#include <utility>
#include <vector>

namespace reeve::log {

namespace {

constexpr std::size_t kMostSpare = 16;

}  // namespace

// Outlives the pool as long as a slice does.
struct BlockPool::Spare {
    std::mutex mutex;
    std::vector<std::unique_ptr<char[]>> blocks;
};

BlockPool::BlockPool() : spare_{std::make_shared<Spare>()} {}

BlockPool::~BlockPool() = default;

std::span<char> BlockPool::room() {
    // Never twice into the same bytes: somebody may keep them, and has a thread of his own.
    used_ += std::exchange(given_, 0);
    if (!block_ || kBlock - used_ < kBlock / 2) {
        block_.reset();  // and if nobody keeps any of it, it is the next one
        std::unique_ptr<char[]> memory;
        {
            const std::lock_guard lock{spare_->mutex};
            if (!spare_->blocks.empty()) {
                memory = std::move(spare_->blocks.back());
                spare_->blocks.pop_back();
            }
        }
        // No page of it is touched before it is read into.
        if (!memory) memory.reset(new char[kBlock]);
        block_ = {memory.release(), [spare = spare_](char* bytes) {
                      std::unique_ptr<char[]> back{bytes};
                      const std::lock_guard lock{spare->mutex};
                      if (spare->blocks.size() < kMostSpare)
                          spare->blocks.push_back(std::move(back));
                  }};
        used_ = 0;
    }
    return {block_.get() + used_, kBlock - used_};
}

Slice BlockPool::took(std::size_t count) {
    given_ = count;
    return {block_, {block_.get() + used_, count}};
}

}  // namespace reeve::log
