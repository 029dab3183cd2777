#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "supervisor/log/line.h"

namespace reeve::log {

// When and by which run the bytes of a file were written that doesn't say so itself: an entry a
// second at most, and one where a run begins or ends.  Positions count what a stream's target was
// ever given.
class LineIndex {
public:
    enum class Kind : std::uint8_t {
        text,       // what comes from here on has this time and run
        run_begin,  // a mark; `number` is the process
        run_end,    // a mark
        unended,    // the newline here was not the program's: its run ended without one
        dropped,    // a mark; `number` lines were dropped here
    };

    struct Entry {
        std::int64_t position = 0;
        WallTime time{0};
        std::uint64_t number = 0;
        std::uint32_t run = 0;
        Kind kind = Kind::text;

        bool operator==(const Entry&) const = default;
    };

    explicit LineIndex(std::size_t most = 4096) : most_{most} {}

    void add_text(std::int64_t position, WallTime time, std::uint32_t run);
    void add_mark(const Entry& mark);
    void add_dropped(std::int64_t position, WallTime time, std::uint32_t run, std::uint64_t lines);
    // Fills in the process of the last begin of that run, if it is still here.
    void set_run_number(std::uint32_t run, std::uint64_t number);

    const std::vector<Entry>& entries() const { return entries_; }

private:
    void add(const Entry& entry);
    void thin();

    std::size_t most_;
    std::vector<Entry> entries_;  // in the order of their positions
};

}  // namespace reeve::log
