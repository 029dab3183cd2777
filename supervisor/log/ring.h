#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/log/line.h"
#include "supervisor/log/slice.h"

namespace reeve::log {

// The last bytes of one stream as they came, with their times and runs: a few bytes beside each
// stretch that a read brought.  Lines are looked for only when somebody asks.  Holds at least the
// last `keep` bytes, at most some 12 KiB more, and nothing while there is nothing to hold.
class Ring {
public:
    // What it holds, as lines.  A line has the time at which it was complete.
    struct Entry {
        WallTime time{0};
        std::uint32_t run = 0;
        Line::Kind kind = Line::Kind::text;  // never `piece`
        std::uint64_t number = 0;            // only of marks
        std::string_view text{};
        std::uint64_t bytes = 0;  // the position right behind it
        std::uint64_t marks = 0;
    };

    // How much has ever been put in.  An entry came after a position when one of the two is
    // greater.
    struct Position {
        std::uint64_t bytes = 0;
        std::uint64_t marks = 0;
    };
    Position position() const { return {bytes_, marks_}; }
    // Whether all that was completed after it is still here, whole.
    bool reaches_back_to(const Position& position) const;

    static constexpr std::size_t kKeep = 64 * 1024;
    explicit Ring(std::size_t keep = kKeep) : keep_{keep} {}

    // Lines may begin and end anywhere in the bytes.
    void append(WallTime time, std::uint32_t run, std::string_view bytes);

    // The same for as much as a read brings when a stream is busy: of several such only the last
    // bytes are ever copied, at settle().  Before that nothing may be asked.
    void append(WallTime time, std::uint32_t run, const Slice& slice);
    void settle();

    // So many bytes came that are not worth keeping, as more than is kept follows; `in_line`: the
    // last of them is no newline.
    void skip(std::uint64_t bytes, bool in_line);

    // An unfinished line ends here.
    void append_mark(WallTime time, std::uint32_t run, Line::Kind kind, std::uint64_t number = 0);

    // Fills in the number of the last run_begin mark of that run, if it is still here.
    void set_run_number(std::uint32_t run, std::uint64_t number);

    // The oldest first; the views are gone when on_entry returns.  With `last_lines` it may begin
    // later, but never after the last so many.  A line whose beginning has gone is left out, unless
    // it is all there is.
    void visit(std::optional<std::size_t> last_lines,
               const std::function<void(const Entry&)>& on_entry) const;

    // What has come since the last newline, as far as it is held.
    std::string unfinished() const;

    // The time of the oldest byte or mark that is held; nullopt when nothing has been forgotten.
    std::optional<WallTime> forgotten_before() const;
    // Whether it knows of the beginning of that run.
    bool has_begin_of(std::uint32_t run) const;

    std::size_t memory() const;

private:
    struct Chunk {
        std::unique_ptr<char[]> bytes;
        std::uint32_t capacity = 0;
        std::uint32_t used = 0;
        std::uint32_t weight = 0;  // of what it holds: its text, and some for each mark
        std::uint32_t marks = 0;
        bool ends_in_line = false;
    };

    // A record is: kind, change of time and of run since the one before in the same chunk, for a
    // mark its number, for text its length and bytes; numbers as in LEB128.
    struct Reader {
        explicit Reader(const Chunk& chunk)
            : begin{chunk.bytes.get()}, at{begin}, end{begin + chunk.used} {}
        bool next();

        Entry record;
        const char* begin;
        const char* at;
        const char* end;
        std::size_t number_at = 0;  // where a mark's number lies in the chunk
    };

    // Of the first byte and mark of that chunk.
    Position begin_of(std::size_t chunk) const;
    struct Unsettled {
        WallTime time{0};
        std::uint32_t run = 0;
        Slice slice;
    };

    std::size_t first_chunk(std::optional<std::size_t> last_lines) const;
    Chunk& chunk_for(std::size_t bytes);
    char* begin_record(Chunk& chunk, WallTime time, std::uint32_t run, Line::Kind kind);
    void forget_oldest();
    void forget_all(bool in_line);

    std::size_t keep_;
    std::size_t weight_ = 0;
    std::vector<Chunk> chunks_;         // the oldest first
    std::vector<Unsettled> unsettled_;  // younger than those
    std::size_t unsettled_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t marks_ = 0;
    bool has_forgotten_ = false;
    bool begins_in_line_ = false;  // the byte before the first one held was no newline
    WallTime last_time_{0};        // of the last record in the last chunk
    std::uint32_t last_run_ = 0;
};

}  // namespace reeve::log
