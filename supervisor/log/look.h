#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conf/config.h"
#include "supervisor/log/file_target.h"
#include "supervisor/log/line.h"
#include "supervisor/log/line_index.h"
#include "supervisor/log/ring.h"

namespace reeve::log {

// What a stream had at the moment of a look: where the next one goes on.
struct Seen {
    StreamKey stream;
    Ring::Position memory;
    std::int64_t file = 0;  // the position in its file's target
    WallTime time{0};
};

// A question for lines in memory and, where that does not reach back far enough, in files.
struct LookRequest {
    Query query;                      // its `run` is not looked at
    std::vector<std::uint32_t> runs;  // of each of the query's instances; empty: all runs
    std::vector<Seen> after;          // what came since; empty: all
    bool follow = false;              // lines that are not complete are left for later
    bool last = false;                // the follower joins now, come what may
    bool memory_only = false;         // no file is to be read
};

// A log file to be read, and for which streams.
struct FileHistory {
    struct Stream {
        StreamKey key;
        std::string name;  // in the lines of a file that others write to as well
        bool has_marks = false;
        bool is_terminal = false;            // its lines end with "\r\n"
        std::optional<std::uint32_t> run{};  // this one alone
        std::vector<LineIndex::Entry> index{};
        std::map<std::uint32_t, std::uint64_t> pids{};  // of runs, from the index
    };

    std::string path;
    conf::LogFormat format = conf::LogFormat::raw;
    bool shared = false;
    std::shared_ptr<const FileTarget> target;
    std::int64_t until = 0;            // positions: what is queued at this moment
    std::optional<std::int64_t> from;  // what was read before, and when
    WallTime from_time{0};
    std::vector<Stream> streams;
    std::vector<std::string> others{};  // paths of other logs, whatever they look like
};

// What there is at one moment.
struct Look {
    std::vector<Line> lines;         // of memory, in the order of time
    std::vector<FileHistory> files;  // of streams that have more there
    std::vector<Line> instead;       // what memory has of those
    std::vector<Seen> seen;
    std::vector<StreamKey> forgotten;  // what is asked for they had, and no file has it
    bool following = false;            // the follower is given all that comes from here on
};

}  // namespace reeve::log
