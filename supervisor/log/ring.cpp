#include "supervisor/log/ring.h"

#include <algorithm>
#include <cstring>

namespace reeve::log {

namespace {

constexpr std::size_t kFirstChunk = 512;
constexpr std::size_t kLargestChunk = 8 * 1024;
constexpr std::size_t kLongestVarint = 10;
// kind, time, run, length or number
constexpr std::size_t kLongestHeader = 1 + 3 * kLongestVarint;
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

}  // namespace

void Ring::append(const Record& record) {
    Chunk& chunk = chunk_for(kLongestHeader + record.text.size());
    if (chunk.used == 0) {
        last_time_ = WallTime{0};
        last_run_ = 0;
    }

    char* const begin = chunk.bytes.get() + chunk.used;
    char* at = begin;
    *at++ = static_cast<char>(record.kind);
    at = put_varint(at, zigzag((record.time - last_time_).count()));
    at = put_varint(at, zigzag(std::int64_t{record.run} - std::int64_t{last_run_}));
    if (is_mark(record.kind)) {
        std::memcpy(at, &record.number, sizeof record.number);
        at += sizeof record.number;
        chunk.weight += kMarkWeight;
        weight_ += kMarkWeight;
    } else {
        at = put_varint(at, record.text.size());
        at = std::copy(record.text.begin(), record.text.end(), at);
        const auto weight = static_cast<std::uint32_t>(record.text.size() + 1);
        chunk.weight += weight;
        weight_ += weight;
        ++chunk.lines;
    }
    chunk.used += static_cast<std::uint32_t>(at - begin);
    last_time_ = record.time;
    last_run_ = record.run;

    while (chunks_.size() > 1 && weight_ - chunks_.front().weight >= keep_) {
        weight_ -= chunks_.front().weight;
        chunks_.erase(chunks_.begin());
    }
}

Ring::Chunk& Ring::chunk_for(std::size_t bytes) {
    if (!chunks_.empty() && chunks_.back().capacity - chunks_.back().used >= bytes)
        return chunks_.back();

    const std::size_t grown =
        chunks_.empty() ? kFirstChunk
                        : std::min<std::size_t>(chunks_.back().capacity * 2, kLargestChunk);
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

std::size_t Ring::first_chunk(std::optional<std::size_t> last_lines) const {
    if (!last_lines) return 0;
    std::size_t index = chunks_.size();
    std::size_t lines = 0;
    while (index > 0 && lines < *last_lines) lines += chunks_[--index].lines;
    return index;
}

std::size_t Ring::memory() const {
    std::size_t bytes = chunks_.capacity() * sizeof(Chunk);
    for (const Chunk& chunk : chunks_) bytes += chunk.capacity;
    return bytes;
}

}  // namespace reeve::log
