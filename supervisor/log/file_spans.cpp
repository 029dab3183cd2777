#include "supervisor/log/file_spans.h"

namespace reeve::log {

void FileSpans::opened(std::int64_t position, std::uint64_t size, dev_t device, ino_t inode,
                       WallTime now) {
    const std::lock_guard lock{mutex_};
    const std::int64_t base = position - static_cast<std::int64_t>(size);
    const auto& present = state_.present;
    const bool same = present && present->device == device && present->inode == inode;
    // Opened anew it may be the same as before, all of it ours.
    if (same && present->span.base == base) return;
    if (present && !same && present->span.begin < position) {
        if (state_.moved.size() >= kMost) state_.moved.erase(state_.moved.begin());
        state_.moved.push_back({*present, now});
        state_.moved.back().file.span.end = position;
    }
    state_.present = PresentFile{
        .span = {.base = base, .begin = position},
        .device = device,
        .inode = inode,
        .opened = now,
    };
}

void FileSpans::finished_former(std::int64_t position) {
    const std::lock_guard lock{mutex_};
    if (!state_.present) return;
    FileSpan& present = state_.present->span;
    const std::int64_t grown = position - present.begin;
    if (!state_.moved.empty() && state_.moved.back().file.span.end == present.begin)
        state_.moved.back().file.span.end = position;
    present.base += grown;
    present.begin = position;
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
