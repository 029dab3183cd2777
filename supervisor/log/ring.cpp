#include "supervisor/log/ring.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace reeve::log {

namespace {

// Enough for the mark of a run that writes nothing.
constexpr std::size_t kFirstChunk = 64;
constexpr std::size_t kLargestChunk = 8 * 1024;
constexpr std::size_t kLongestVarint = 10;
// kind, time, run, length or number
constexpr std::size_t kLongestHeader = 1 + 3 * kLongestVarint;
// Less room than this at a chunk's end is not worth a record of its own.
constexpr std::size_t kLeastText = 64;
// What a mark counts for, so that a program that dies again and again in silence fills no memory.
constexpr std::uint32_t kMarkWeight = 32;

bool is_mark(Line::Kind kind) {
    return kind == Line::Kind::run_begin || kind == Line::Kind::run_end ||
           kind == Line::Kind::missed;
}

char* put_varint(char* at, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
    *at++ = static_cast<char>(value);
    return at;
}

std::uint64_t get_varint(const char*& at) {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(*at++);
        value |= std::uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) return value;
    }
}

// Small numbers of either sign become small numbers: wall-clock time can step back.
std::uint64_t zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

std::int64_t unzigzag(std::uint64_t value) {
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// Puts stretches of bytes together to lines again.
class Splitter {
public:
    Splitter(bool begins_in_line, Ring::Position begin,
             const std::function<void(const Ring::Entry&)>& on_entry)
        : in_cut_line_{begins_in_line}, at_{begin}, on_entry_{on_entry} {}

    void take(Ring::Entry record) {
        if (is_mark(record.kind)) {
            ++at_.marks;
            finish(Line::Kind::unended);
            record.bytes = at_.bytes;
            record.marks = at_.marks;
            on_entry_(record);
            return;
        }
        last_ = record;
        std::string_view rest = record.text;
        for (;;) {
            const std::size_t newline = rest.find('\n');
            if (newline == std::string_view::npos) break;
            at_.bytes += newline + 1;
            end_line(rest.substr(0, newline), Line::Kind::text);
            rest.remove_prefix(newline + 1);
        }
        pending_ += rest;
        at_.bytes += rest.size();
    }

    void finish(Line::Kind kind) {
        if (!pending_.empty()) end_line({}, kind);
        in_cut_line_ = false;
    }

    void finish_all() {
        const bool is_whole = !in_cut_line_;
        finish(Line::Kind::partial);
        if (!any_ && cut_) say(*cut_, is_whole ? Line::Kind::text : Line::Kind::partial);
    }

private:
    void end_line(std::string_view tail, Line::Kind kind) {
        if (std::exchange(in_cut_line_, false)) {
            cut_ = std::exchange(pending_, {}).append(tail);
            return;
        }
        if (pending_.empty()) return say(tail, kind);
        pending_ += tail;
        say(pending_, kind);
        pending_.clear();
    }

    void say(std::string_view text, Line::Kind kind) {
        any_ = true;
        last_.kind = kind;
        last_.text = text;
        last_.bytes = at_.bytes;
        last_.marks = at_.marks;
        on_entry_(last_);
    }

    bool in_cut_line_;
    Ring::Position at_;
    bool any_ = false;
    std::string pending_;
    std::optional<std::string> cut_;  // the rest of a line whose beginning has been forgotten
    Ring::Entry last_;
    const std::function<void(const Ring::Entry&)>& on_entry_;
};

}  // namespace

char* Ring::begin_record(Chunk& chunk, WallTime time, std::uint32_t run, Line::Kind kind) {
    if (chunk.used == 0) {
        last_time_ = WallTime{0};
        last_run_ = 0;
    }
    char* at = chunk.bytes.get() + chunk.used;
    *at++ = static_cast<char>(kind);
    at = put_varint(at, zigzag((time - last_time_).count()));
    at = put_varint(at, zigzag(std::int64_t{run} - std::int64_t{last_run_}));
    last_time_ = time;
    last_run_ = run;
    return at;
}

void Ring::append(WallTime time, std::uint32_t run, std::string_view bytes) {
    bytes_ += bytes.size();
    if (bytes.size() > keep_) {
        // All that is held would go anyway.
        forget_all(bytes[bytes.size() - keep_ - 1] != '\n');
        bytes.remove_prefix(bytes.size() - keep_);
    }
    while (!bytes.empty()) {
        Chunk& chunk = chunk_for(kLongestHeader + std::min(bytes.size(), kLeastText));
        const std::size_t room = chunk.capacity - chunk.used - kLongestHeader;
        const std::string_view part = bytes.substr(0, room);
        char* at = begin_record(chunk, time, run, Line::Kind::text);
        at = put_varint(at, part.size());
        at = std::copy(part.begin(), part.end(), at);
        chunk.used = static_cast<std::uint32_t>(at - chunk.bytes.get());
        chunk.weight += static_cast<std::uint32_t>(part.size());
        chunk.ends_in_line = part.back() != '\n';
        weight_ += part.size();
        bytes.remove_prefix(part.size());
        forget_oldest();
    }
}

void Ring::append(WallTime time, std::uint32_t run, const Slice& slice) {
    if (unsettled_.empty() && slice.bytes.size() < kLargestChunk) {
        append(time, run, slice.bytes);
        return;
    }
    unsettled_.push_back({time, run, slice});
    unsettled_bytes_ += slice.bytes.size();
    while (unsettled_bytes_ - unsettled_.front().slice.bytes.size() >= keep_) {
        const std::string_view oldest = unsettled_.front().slice.bytes;
        forget_all(oldest.back() != '\n');
        bytes_ += oldest.size();
        unsettled_bytes_ -= oldest.size();
        unsettled_.erase(unsettled_.begin());
    }
}

void Ring::settle() {
    if (unsettled_.empty()) return;
    unsettled_bytes_ = 0;
    for (const Unsettled& late : std::exchange(unsettled_, {}))
        append(late.time, late.run, late.slice.bytes);
}

void Ring::skip(std::uint64_t bytes, bool in_line) {
    settle();
    forget_all(in_line);
    bytes_ += bytes;
}

void Ring::forget_all(bool in_line) {
    chunks_.clear();
    weight_ = 0;
    has_forgotten_ = true;
    begins_in_line_ = in_line;
}

void Ring::append_mark(WallTime time, std::uint32_t run, Line::Kind kind, std::uint64_t number) {
    settle();
    Chunk& chunk = chunk_for(kLongestHeader);
    char* at = begin_record(chunk, time, run, kind);
    std::memcpy(at, &number, sizeof number);
    at += sizeof number;
    chunk.used = static_cast<std::uint32_t>(at - chunk.bytes.get());
    chunk.weight += kMarkWeight;
    ++chunk.marks;
    ++marks_;
    chunk.ends_in_line = false;
    weight_ += kMarkWeight;
    forget_oldest();
}

void Ring::forget_oldest() {
    while (chunks_.size() > 1 && weight_ - chunks_.front().weight >= keep_) {
        weight_ -= chunks_.front().weight;
        begins_in_line_ = chunks_.front().ends_in_line;
        has_forgotten_ = true;
        chunks_.erase(chunks_.begin());
    }
}

Ring::Chunk& Ring::chunk_for(std::size_t bytes) {
    if (!chunks_.empty() && chunks_.back().capacity - chunks_.back().used >= bytes)
        return chunks_.back();

    const std::size_t grown =
        chunks_.empty() ? kFirstChunk
                        : std::min<std::size_t>(chunks_.back().capacity * 4, kLargestChunk);
    const std::size_t capacity = std::max(bytes, grown);
    Chunk chunk;
    chunk.bytes.reset(new char[capacity]);
    chunk.capacity = static_cast<std::uint32_t>(capacity);
    return chunks_.emplace_back(std::move(chunk));
}

bool Ring::Reader::next() {
    if (at == end) return false;
    record.kind = static_cast<Line::Kind>(*at++);
    record.time += WallTime{unzigzag(get_varint(at))};
    record.run = static_cast<std::uint32_t>(record.run + unzigzag(get_varint(at)));
    record.number = 0;
    record.text = {};
    if (is_mark(record.kind)) {
        number_at = static_cast<std::size_t>(at - begin);
        std::memcpy(&record.number, at, sizeof record.number);
        at += sizeof record.number;
    } else {
        const auto size = static_cast<std::size_t>(get_varint(at));
        record.text = {at, size};
        at += size;
    }
    return true;
}

void Ring::set_run_number(std::uint32_t run, std::uint64_t number) {
    for (auto chunk = chunks_.rbegin(); chunk != chunks_.rend(); ++chunk) {
        std::optional<std::size_t> found;
        Reader reader{*chunk};
        while (reader.next()) {
            if (reader.record.kind == Line::Kind::run_begin && reader.record.run == run)
                found = reader.number_at;
        }
        if (found) {
            std::memcpy(chunk->bytes.get() + *found, &number, sizeof number);
            return;
        }
    }
}

void Ring::visit(std::optional<std::size_t> last_lines,
                 const std::function<void(const Entry&)>& on_entry) const {
    const std::size_t first = first_chunk(last_lines);
    if (first == chunks_.size()) return;
    Splitter splitter{first == 0 ? begins_in_line_ : chunks_[first - 1].ends_in_line,
                      begin_of(first), on_entry};
    for (std::size_t index = first; index < chunks_.size(); ++index) {
        Reader reader{chunks_[index]};
        while (reader.next()) splitter.take(reader.record);
    }
    splitter.finish_all();
}

// The first of the chunks that hold the last so many newlines, and the one before those.
std::size_t Ring::first_chunk(std::optional<std::size_t> last_lines) const {
    if (!last_lines) return 0;
    if (*last_lines == 0) return chunks_.size();
    std::size_t index = chunks_.size();
    std::size_t newlines = 0;
    while (index > 0 && newlines <= *last_lines) {
        Reader reader{chunks_[--index]};
        while (reader.next()) {
            newlines += static_cast<std::size_t>(
                std::count(reader.record.text.begin(), reader.record.text.end(), '\n'));
        }
    }
    return index;
}

std::string Ring::unfinished() const {
    std::string text;
    for (auto chunk = chunks_.rbegin(); chunk != chunks_.rend(); ++chunk) {
        std::string here;
        bool ended = !chunk->ends_in_line && text.empty();
        Reader reader{*chunk};
        bool found = false;
        while (reader.next()) {
            if (is_mark(reader.record.kind)) {
                here.clear();
                found = true;
                continue;
            }
            const std::size_t newline = reader.record.text.rfind('\n');
            if (newline != std::string_view::npos) {
                here.clear();
                found = true;
            }
            here += reader.record.text.substr(newline + 1);
        }
        if (ended) return {};
        text.insert(0, here);
        if (found) break;
    }
    return text;
}

std::optional<WallTime> Ring::forgotten_before() const {
    if (!has_forgotten_ || chunks_.empty()) return std::nullopt;
    Reader reader{chunks_.front()};
    reader.next();
    return reader.record.time;
}

Ring::Position Ring::begin_of(std::size_t chunk) const {
    Position begin = position();
    for (; chunk < chunks_.size(); ++chunk) {
        begin.marks -= chunks_[chunk].marks;
        begin.bytes -= chunks_[chunk].weight - chunks_[chunk].marks * kMarkWeight;
    }
    return begin;
}

bool Ring::reaches_back_to(const Position& position) const {
    if (!has_forgotten_) return true;
    Position at = begin_of(0);
    if (at.bytes > position.bytes || at.marks > position.marks) return false;
    if (!begins_in_line_) return true;
    for (const Chunk& chunk : chunks_) {
        Reader reader{chunk};
        while (reader.next()) {
            if (is_mark(reader.record.kind)) return true;
            const std::size_t newline = reader.record.text.find('\n');
            if (newline != std::string_view::npos) return at.bytes + newline < position.bytes;
            at.bytes += reader.record.text.size();
        }
    }
    return false;
}

bool Ring::has_begin_of(std::uint32_t run) const {
    for (const Chunk& chunk : chunks_) {
        Reader reader{chunk};
        while (reader.next()) {
            if (reader.record.kind == Line::Kind::run_begin && reader.record.run == run)
                return true;
        }
    }
    return false;
}

std::size_t Ring::memory() const {
    std::size_t bytes = chunks_.capacity() * sizeof(Chunk);
    for (const Chunk& chunk : chunks_) bytes += chunk.capacity;
    return bytes;
}

}  // namespace reeve::log
