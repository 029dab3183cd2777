#include "supervisor/log/pull.h"

#include <utility>

#include "supervisor/log/ring.h"

namespace reeve::log {

namespace {

// Then the log thread has a look, so that times are right and other files get their turn.
constexpr std::uint64_t kMost = 2 * 1024 * 1024;

}  // namespace

std::optional<Slice> Pull::read(BlockPool& blocks, const std::function<void(std::size_t)>& note) {
    const std::lock_guard lock{mutex_};
    if (ended_ || over_) return std::nullopt;
    const ssize_t count = cursor_->read(read_end_, blocks.room());
    if (count <= 0) {
        over_ = true;
        return std::nullopt;
    }
    const auto size = static_cast<std::size_t>(count);
    note(size);
    Slice slice = blocks.took(size);
    pulled_.bytes += size;
    over_ = size < kLeast || pulled_.bytes >= kMost;

    held_ += size;
    pulled_.last.push_back(slice);
    while (held_ - pulled_.last.front().bytes.size() >= Ring::kKeep) {
        held_ -= pulled_.last.front().bytes.size();
        pulled_.cut_in_line = pulled_.last.front().bytes.back() != '\n';
        pulled_.last.erase(pulled_.last.begin());
    }
    return slice;
}

void Pull::leave() {
    std::function<void()> action;
    {
        const std::lock_guard lock{mutex_};
        action = std::exchange(on_left_, nullptr);
    }
    if (action) action();
}

bool Pull::is_stuck() {
    const std::lock_guard lock{mutex_};
    return std::exchange(looked_, pulled_.bytes) == pulled_.bytes;
}

Pull::Pulled Pull::end() {
    std::function<void()> unneeded;
    const std::lock_guard lock{mutex_};
    ended_ = true;
    unneeded = std::exchange(on_left_, nullptr);
    return std::exchange(pulled_, {});
}

}  // namespace reeve::log
