#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace reeve::log {

// The caller's number for an instance; never used for another while it is open here.
using InstanceId = std::uint32_t;

// Wall-clock time in milliseconds since 1970: for people, and for sorting lines of several
// programs.
using WallTime = std::chrono::milliseconds;

enum class Source : std::uint8_t { out, err };

struct Line {
    enum class Kind : std::uint8_t {
        text,       // a line; `text` is without its newline
        piece,      // the beginning or middle of a line too long to be held; its rest follows
        partial,    // only in the answer to a query: what has been written since the last newline
        unended,    // the last line of a run, for which no newline had come
        run_begin,  // a mark: run `run` begins, with process `number`
        run_end,    // a mark: run `run` has ended
        missed,     // a mark: `number` lines were here that the asker could not be given
        note,       // a mark: `text` is what there is to be said of the history
    };

    WallTime time{0};
    InstanceId instance = 0;
    std::uint32_t run = 0;
    Source source = Source::out;
    Kind kind = Kind::text;
    std::uint64_t number = 0;  // of a line: the process, where it is known; else 0
    std::string text{};        // bytes as they came: any encoding, NULs and escapes included
};

// Lines and what there is of them; the others are marks.
constexpr bool is_line(Line::Kind kind) {
    return kind == Line::Kind::text || kind == Line::Kind::piece || kind == Line::Kind::partial ||
           kind == Line::Kind::unended;
}

// Where a line stands among others.  At one moment an instance's runs follow each other, and what
// they said, on whatever stream, stands between their marks.
inline auto order_of(const Line& line) {
    const int within = line.kind == Line::Kind::run_begin ? 0
                       : line.kind == Line::Kind::run_end ? 2
                                                          : 1;
    return std::tuple{line.time, line.instance, line.run, within};
}
inline bool comes_before(const Line& a, const Line& b) {
    return order_of(a) < order_of(b);
}

// One stream of one instance.
struct StreamKey {
    InstanceId instance = 0;
    Source source = Source::out;

    auto operator<=>(const StreamKey&) const = default;
};

// What it takes in memory.
inline std::size_t cost(const Line& line) {
    return sizeof(Line) + line.text.size();
}

// What a reader wants of the lines in memory.  Marks are not counted as lines.
struct Query {
    std::vector<InstanceId> instances;
    std::optional<std::size_t> last_lines = 100;  // over all instances; nullopt: all
    std::optional<WallTime> since{};
    std::optional<WallTime> until{};
    std::optional<std::uint32_t> run{};  // of every instance asked for
    std::optional<Source> source{};
    // More than this is not held for one asker: the oldest are left out, with a `missed` mark.
    std::size_t most_bytes = 16 * 1024 * 1024;
};

}  // namespace reeve::log
