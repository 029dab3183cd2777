#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/problems.h"
#include "conf/settings.h"

// What `stdout` and `stderr` ask for: a word, a path, a table, or an array of these.
namespace reeve::conf {

struct WrittenOutput {
    Output output;  // its files have no path yet

    // The path of each of output.sinks as it was written, to be expanded for each instance; null
    // where it is no file.
    struct Path {
        const Value* text = nullptr;
        std::string_view key;  // "stdout", or "file" in a table
    };
    std::vector<Path> paths;

    // The keys of [program.NAME.stdout] that are in force, its own and those of [defaults.stdout];
    // none where it isn't a table.
    Settings keys;
};

// Reads the setting `name` of a program.  Tables merge key by key: what `own` leaves open is taken
// from `shared`, of [defaults], except what a sink of another kind can't have.  Either may be null,
// and both the same when [defaults] alone is looked at.
WrittenOutput read_output(std::string_view name, const Setting* own, const Setting* shared,
                          Problems& problems);

// What is wrong with a path for output that comes out of expansion as `path`, for "\"stdout\" is
// …"; empty: nothing.  `changed`: it was not written like that; `key` is as in foreign_path.h;
// `example`: a name for a file.
std::string fault_of_output_path(std::string_view path, bool changed, std::string_view key,
                                 std::string_view example);

// Makes of a file whose path means something else what it means: reeve's own descriptors, or
// nothing at all.  `own` is the descriptor that "inherit" is for this stream.  False: it means
// different things for different instances.
bool resolve_special_path(Sink& sink, int own);

}  // namespace reeve::conf
