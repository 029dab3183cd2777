#pragma once

#include <string>
#include <string_view>

#include "conf/config.h"
#include "supervisor/log/record.h"

// How a line looks where it goes to a file or to reeve's own descriptors.  All of it appends, and
// may be called from any thread.
namespace reeve::log {

// Bytes as they came.  A last line for which no newline had come gets one, lest the next run's
// first line be glued to it.
void append_raw(std::string& out, const Record& record);

//   2026-11-22T10:17:00.120Z web@2 | the line
//   2026-11-22T10:17:00.120Z web@2 ! a line of stderr
//   2026-11-22T10:17:00.120Z web@2 | a last line [no newline]
//
// A further piece of a long line has nothing before it, and only the last piece a newline behind.
void append_text(std::string& out, const Record& record);

//   {"time":"2026-11-22T10:17:00.120Z","program":"web","instance":2,"run":3,"pid":4121,
//    "stream":"stdout","line":"…"}
//
// on one line; a number that isn't known is null.  Behind `line`, only where they apply:
// "partial":true, no newline came after this text (the run ended, or the next object goes on with
// the line); "encoding":"latin-1", the bytes are no valid UTF-8, and each of them is the character
// of its number: to encode the string as latin-1 gives them back.
void append_json(std::string& out, const Record& record);

// The same in the format that a sink has.  For the lines of one stream, of which most begin like
// the one before.
class LineFormat {
public:
    explicit LineFormat(conf::LogFormat format) : format_{format} {}

    void append(std::string& out, const Record& record);

private:
    bool is_like_last(const Record& record);

    conf::LogFormat format_;
    WallTime time_{-1};
    std::uint32_t run_ = 0;
    std::int64_t pid_ = 0;
    std::string head_;  // what comes before the text
};

// 2026-11-22T10:17:00.120Z
void append_time(std::string& out, WallTime time);

// `bytes` as a JSON string with its quotes; control characters (U+007F to U+009F too) as \u00XX.
// False when they were no valid UTF-8 and were taken as latin-1.
bool append_json_string(std::string& out, std::string_view bytes);

}  // namespace reeve::log
