#include "supervisor/log/file_spans.h"

namespace reeve::log {

void FileSpans::opened(std::int64_t position, std::uint64_t size, dev_t device, ino_t inode) {
    const std::lock_guard lock{mutex_};
    const std::int64_t base = position - static_cast<std::int64_t>(size);
    const auto& present = state_.present;
    // Opened anew it may be the same as before, all of it ours.
    if (present && present->device == device && present->inode == inode &&
        present->span.base == base)
        return;
    state_.present = PresentFile{
        .span = {.base = base, .begin = position},
        .device = device,
        .inode = inode,
    };
}

void FileSpans::rotated(WallTime stamp, std::int64_t position) {
    const std::lock_guard lock{mutex_};
    if (!state_.present) return;
    if (state_.rotated.size() >= kMost) state_.rotated.erase(state_.rotated.begin());
    FileSpan span = state_.present->span;
    span.stamp = stamp;
    span.end = position;
    state_.rotated.push_back(span);
    state_.present.reset();
}

FileSpans::State FileSpans::state() const {
    const std::lock_guard lock{mutex_};
    return state_;
}

}  // namespace reeve::log
