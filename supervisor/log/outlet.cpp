#include "supervisor/log/outlet.h"

#include <algorithm>

namespace reeve::log {

namespace {

// How much of a line a sink without room is given so that it has the line's end.
constexpr std::size_t kMostOverdraft = 1024 * 1024;

}  // namespace

void Outlet::put_bytes(const Slice& slice) {
    if (slice.bytes.empty()) return;
    Slice rest = slice;

    // A line that was begun here is ended here, and one that was dropped is dropped to its end.
    if (full_ && !skipping_ && in_line_) {
        const std::size_t newline = rest.bytes.find('\n');
        if (newline == std::string_view::npos) {
            overdraft_ += rest.bytes.size();
            if (overdraft_ <= kMostOverdraft) return sink_->put_bytes(rest);
            // It may have none.  Its rest is dropped, and counted when that ends.
            sink_->put_bytes({nullptr, "\n"});
            in_line_ = false;
            skipping_ = in_skipped_line_ = true;
            return;
        }
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
    if (record.begins) {
        skipping_ = full_;
    } else if (full_ && !skipping_) {
        overdraft_ += record.text.size();
        if (overdraft_ > kMostOverdraft) {
            Record end = record;
            end.text = {};
            end.end = Record::End::none;
            sink_->put(end);
            skipping_ = true;
        }
    }
    if (!skipping_) return sink_->put(record);
    if (record.end != Record::End::more) ++dropped_lines_;
}

}  // namespace reeve::log
