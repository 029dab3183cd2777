#include "supervisor/log/outlet.h"

#include <algorithm>

namespace reeve::log {

void Outlet::put_bytes(const Slice& slice) {
    if (slice.bytes.empty()) return;
    Slice rest = slice;

    // A line that was begun here is ended here, and one that was dropped is dropped to its end.
    if (full_ && !skipping_ && in_line_) {
        const std::size_t newline = rest.bytes.find('\n');
        if (newline == std::string_view::npos) return sink_->put_bytes(rest);
        sink_->put_bytes(rest.first(newline + 1));
        in_line_ = false;
        rest = rest.from(newline + 1);
    } else if (!full_ && in_skipped_line_) {
        const std::size_t newline = rest.bytes.find('\n');
        if (newline == std::string_view::npos) return;
        skip(rest.bytes.substr(0, newline + 1));
        rest = rest.from(newline + 1);
    }
    if (rest.bytes.empty()) return;
    skipping_ = full_;
    if (full_) return skip(rest.bytes);
    sink_->put_bytes(rest);
    in_line_ = rest.bytes.back() != '\n';
}

void Outlet::skip(std::string_view bytes) {
    dropped_lines_ += static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
    in_skipped_line_ = bytes.back() != '\n';
}

void Outlet::put(const Record& record) {
    if (record.begins) skipping_ = full_;
    if (!skipping_) return sink_->put(record);
    if (record.end != Record::End::more) ++dropped_lines_;
}

}  // namespace reeve::log
