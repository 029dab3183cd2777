#pragma once

#include <string>
#include <string_view>

#include "supervisor/log/line.h"

namespace reeve::log {

// How an instance is called in its lines.
struct InstanceName {
    std::string name;     // "web@2", or "web" when it is the only one
    std::string program;  // "web"
    int number = 1;
};

// What a stream is called wherever its lines go.
struct StreamName {
    std::string name;     // of the instance: "web@2", or "web" when it is the only one
    std::string program;  // "web"
    int instance = 1;
    Source source = Source::out;
};

// A line on its way to a sink.  Borrowed: gone when the call returns.
struct Record {
    enum class End : std::uint8_t {
        newline,  // a whole line, or the last piece of one
        none,     // the run ended, and no newline had come
        more,     // a piece of a line longer than model::LineBuffer::kLongest: its rest follows
    };

    const StreamName& stream;
    WallTime time{0};
    std::uint32_t run = 0;
    std::int64_t pid = 0;     // 0: not known
    std::string_view text{};  // without its newline; bytes as they came
    End end = End::newline;
    bool begins = true;  // false: a further piece of the line before
};

}  // namespace reeve::log
