#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "supervisor/log/line.h"

namespace reeve::log {

// The last lines of one stream, packed: two or three bytes a line beside its text.  Holds at least
// the last `keep` bytes, at most some 12 KiB more, and nothing while there is nothing to hold.
class Ring {
public:
    struct Record {
        WallTime time{0};
        std::uint32_t run = 0;
        Line::Kind kind = Line::Kind::text;
        std::uint64_t number = 0;  // only of marks
        std::string_view text{};
    };

    explicit Ring(std::size_t keep = 64 * 1024) : keep_{keep} {}

    void append(const Record& record);

    // Fills in the number of the last run_begin mark of that run, if it is still here.
    void set_run_number(std::uint32_t run, std::uint64_t number);

    // Calls fn(const Record&), the oldest first.  With `last_lines` it may begin later, but never
    // after the last so many.
    template <typename Fn>
    void visit(std::optional<std::size_t> last_lines, Fn&& fn) const {
        for (std::size_t index = first_chunk(last_lines); index < chunks_.size(); ++index) {
            Reader reader{chunks_[index]};
            while (reader.next()) fn(reader.record);
        }
    }

    std::size_t memory() const;

private:
    struct Chunk {
        std::unique_ptr<char[]> bytes;
        std::uint32_t capacity = 0;
        std::uint32_t used = 0;
        std::uint32_t lines = 0;   // without marks
        std::uint32_t weight = 0;  // of its lines: text and newline
    };

    // A record is: kind, change of time and of run since the one before in the same chunk, for a
    // mark its number, for a line its length and text; numbers as in LEB128.
    struct Reader {
        explicit Reader(const Chunk& chunk)
            : begin{chunk.bytes.get()}, at{begin}, end{begin + chunk.used} {}
        bool next();

        Record record;
        const char* begin;
        const char* at;
        const char* end;
        std::size_t number_at = 0;  // where a mark's number lies in the chunk
    };

    std::size_t first_chunk(std::optional<std::size_t> last_lines) const;
    Chunk& chunk_for(std::size_t bytes);

    std::size_t keep_;
    std::size_t weight_ = 0;
    std::vector<Chunk> chunks_;  // the oldest first
    WallTime last_time_{0};      // of the last record in the last chunk
    std::uint32_t last_run_ = 0;
};

}  // namespace reeve::log
