#include "supervisor/log/batch.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace reeve::log {

namespace {

// A copy grows to this, and the next one is begun.
constexpr std::size_t kCopy = 64 * 1024;

// What is left free in a file for the end of a line whose beginning is at hand, so that max_size
// is not exceeded for the sake of ordinary lines.
constexpr std::uint64_t kAllowance = 4 * 1024;

}  // namespace

void Batch::append(Slice slice) {
    if (slice.bytes.size() < kSmall) {
        append(slice.bytes);
        return;
    }
    size_ += slice.bytes.size();
    pieces_.push_back({.slice = std::move(slice)});
}

void Batch::append(std::string_view bytes) {
    if (bytes.empty()) return;
    size_ += bytes.size();
    if (first_ == pieces_.size() || pieces_.back().slice.memory ||
        pieces_.back().copy.size() + bytes.size() > kCopy)
        pieces_.emplace_back();
    pieces_.back().copy += bytes;
}

std::string_view Batch::bytes_at(std::size_t index) const {
    const std::string_view bytes = pieces_[index].bytes();
    return index == first_ ? bytes.substr(offset_) : bytes;
}

bool Batch::ends_line() const {
    return size_ > 0 && bytes_at(pieces_.size() - 1).back() == '\n';
}

std::span<iovec> Batch::parts(std::span<iovec> parts, std::size_t most) const {
    std::size_t count = 0;
    for (std::size_t index = first_; index < pieces_.size() && count < parts.size() && most > 0;
         ++index) {
        const std::string_view bytes = bytes_at(index).substr(0, most);
        parts[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
        most -= bytes.size();
    }
    return parts.first(count);
}

char Batch::advance(std::size_t count) {
    size_ -= count;
    char last = 0;
    while (count > 0) {
        const std::string_view bytes = bytes_at(first_);
        const std::size_t taken = std::min(count, bytes.size());
        last = bytes[taken - 1];
        count -= taken;
        offset_ += taken;
        if (taken == bytes.size()) {
            pieces_[first_++] = {};
            offset_ = 0;
        }
    }
    if (size_ == 0) {
        // An idle file holds no memory.
        std::vector<Piece>{}.swap(pieces_);
        first_ = 0;
    }
    return last;
}

std::size_t Batch::through_first_newline() const {
    std::size_t before = 0;
    for (std::size_t index = first_; index < pieces_.size(); ++index) {
        const std::string_view bytes = bytes_at(index);
        const std::size_t newline = bytes.find('\n');
        if (newline != std::string_view::npos) return before + newline + 1;
        before += bytes.size();
    }
    return 0;
}

std::size_t Batch::through_last_newline(std::size_t most) const {
    // Where each piece begins is found on the way to `most`, and the newline on the way back.
    std::size_t begin = 0;
    std::size_t index = first_;
    while (index < pieces_.size() && begin + bytes_at(index).size() < most)
        begin += bytes_at(index++).size();
    if (index == pieces_.size()) {
        if (index == first_) return 0;
        begin -= bytes_at(--index).size();
    }
    for (;;) {
        const std::string_view bytes = bytes_at(index).substr(0, most - begin);
        const std::size_t newline = bytes.rfind('\n');
        if (newline != std::string_view::npos) return begin + newline + 1;
        if (index == first_) return 0;
        begin -= bytes_at(--index).size();
    }
}

void Batch::prepend(Batch&& earlier) {
    if (earlier.empty()) return;
    if (!empty()) {
        // Its own first piece is never begun upon: only whoever writes takes from the front.
        earlier.pieces_.insert(earlier.pieces_.end(),
                               std::make_move_iterator(pieces_.begin() + std::ptrdiff_t(first_)),
                               std::make_move_iterator(pieces_.end()));
        earlier.size_ += size_;
    }
    *this = std::move(earlier);
    earlier = {};
}

std::string Batch::text() const {
    std::string all;
    all.reserve(size_);
    for (std::size_t index = first_; index < pieces_.size(); ++index) all += bytes_at(index);
    return all;
}

Cut next_cut(const Batch& batch, const FileState& file) {
    const std::size_t total = batch.size();
    std::uint64_t room = std::numeric_limits<std::uint64_t>::max();
    if (file.max_size != 0) room = file.max_size - std::min(file.size, file.max_size);
    if (file.too_old) room = 0;

    if (total <= room) {
        const std::uint64_t allowance = std::min(kAllowance, file.max_size / 16);
        if (batch.ends_line() || room - total >= allowance) return {total, false};
        // What begins here may end beyond the room, so it begins in the next file.
        if (const std::size_t lines = batch.through_last_newline(total); lines > 0)
            return {lines, true};
    } else if (const std::size_t lines =
                   room == 0 ? 0 : batch.through_last_newline(static_cast<std::size_t>(room));
               lines > 0) {
        return {lines, true};
    }
    if (file.at_line_start && file.size > 0) return {0, true};

    // The line that this file has begun, or that is longer than any file may be, ends in it.
    const std::size_t line = batch.through_first_newline();
    if (line == 0 || line == total) return {total, false};
    return {line, true};
}

}  // namespace reeve::log
