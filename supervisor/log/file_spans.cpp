#include "supervisor/log/file_spans.h"

namespace reeve::log {

void FileSpans::opened(std::int64_t position, std::uint64_t size, dev_t device, ino_t inode,
                       WallTime now) {
    const std::lock_guard lock{mutex_};
    const std::int64_t base = position - static_cast<std::int64_t>(size);
    const auto& present = present_;
    const bool same = present && present->device == device && present->inode == inode;
    // Opened anew it may be the same as before, all of it ours.
    if (same && present->span.base == base) return;
    if (present && !same && present->span.begin < position) {
        auto& moved = past().moved;
        if (moved.size() >= kMost) moved.erase(moved.begin());
        moved.push_back({*present, now});
        moved.back().file.span.end = position;
    }
    present_ = PresentFile{
        .span = {.base = base, .begin = position},
        .device = device,
        .inode = inode,
        .opened = now,
    };
}

void FileSpans::finished_former(std::int64_t position) {
    const std::lock_guard lock{mutex_};
    if (!present_) return;
    FileSpan& present = present_->span;
    const std::int64_t grown = position - present.begin;
    if (past_ && !past_->moved.empty() && past_->moved.back().file.span.end == present.begin)
        past_->moved.back().file.span.end = position;
    present.base += grown;
    present.begin = position;
}

void FileSpans::rotated(WallTime stamp, std::int64_t position) {
    const std::lock_guard lock{mutex_};
    if (!present_) return;
    auto& rotated = past().rotated;
    if (rotated.size() >= kMost) rotated.erase(rotated.begin());
    FileSpan span = present_->span;
    span.stamp = stamp;
    span.end = position;
    rotated.push_back(span);
    present_.reset();
}

FileSpans::State FileSpans::state() const {
    const std::lock_guard lock{mutex_};
    State state{.present = present_, .rotated = {}, .moved = {}};
    if (past_) {
        state.rotated = past_->rotated;
        state.moved = past_->moved;
    }
    return state;
}

FileSpans::Past& FileSpans::past() {
    if (!past_) past_ = std::make_unique<Past>();
    return *past_;
}

}  // namespace reeve::log
