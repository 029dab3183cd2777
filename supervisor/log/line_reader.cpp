#include "supervisor/log/line_reader.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace reeve::log {

namespace {

constexpr std::size_t kBlock = 64 * 1024;

}  // namespace

LineReader::LineReader(FileReader& file, const Part& part, std::size_t longest)
    : file_{file}, part_{part}, longest_{longest} {}

base::OsExpected<bool> LineReader::fill() {
    const std::uint64_t read = position_ + unread().size();
    if (read >= part_.limit) return false;
    if (at_ > 0) buffer_.erase(0, std::exchange(at_, 0));
    const std::size_t held = buffer_.size();
    buffer_.resize(held + std::min<std::uint64_t>(kBlock, part_.limit - read));
    const auto count = file_.read({buffer_.data() + held, buffer_.size() - held});
    buffer_.resize(held + count.value_or(0));
    if (!count) return Unexpected<base::OsError>{count.error()};
    return *count > 0;
}

void LineReader::take(std::size_t count) {
    at_ += count;
    position_ += count;
    searched_ = 0;
}

// A part begins with the first line that begins in it.
base::OsExpected<bool> LineReader::find_begin() {
    begun_ = true;
    if (part_.begin == 0) {
        file_.seek(0);
        return true;
    }
    const std::uint64_t before = part_.begin - 1;
    if (file_.seek(before)) position_ = before;
    bool in_former_line = true;
    while (in_former_line) {
        if (unread().empty()) {
            const auto more = fill();
            if (!more || !*more) return more;
        }
        // What lies before the part is of no interest.
        const std::size_t skipped = static_cast<std::size_t>(
            std::min<std::uint64_t>(unread().size(), before > position_ ? before - position_ : 0));
        take(skipped);
        const std::size_t newline = unread().find('\n');
        in_former_line = newline == std::string_view::npos;
        take(in_former_line ? unread().size() : newline + 1);
    }
    return true;
}

base::OsExpected<bool> LineReader::next(Piece& piece) {
    if (!begun_) {
        const auto found = find_begin();
        if (!found || !*found) return found;
    }
    if (!in_line_ && position_ >= part_.end) return false;
    std::size_t newline = 0;
    for (;;) {
        newline = unread().find('\n', searched_);
        searched_ = unread().size();
        if (newline != std::string_view::npos || searched_ > longest_) break;
        const auto more = fill();
        if (!more) return more;
        if (!*more) break;
    }
    if (unread().empty()) return false;
    piece.begin = position_;
    piece.first = !in_line_;
    piece.ended = newline != std::string_view::npos && newline <= longest_;
    const std::size_t size = piece.ended ? newline : std::min(unread().size(), longest_);
    piece.text = unread().substr(0, size);
    take(piece.ended ? size + 1 : size);
    piece.end = position_;
    in_line_ = !piece.ended;
    return true;
}

}  // namespace reeve::log
