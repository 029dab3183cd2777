#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.h"
#include "conf/disk.h"
#include "conf/paths.h"
#include "conf/transient.h"
#include "supervisor/base/expected.h"

namespace reeve::conf {

// Larger files are refused, so that /dev/zero is an error and not the end of memory.
constexpr std::size_t kLargestFile = 16 * 1024 * 1024;

// All that a load has read: from it alone the same configuration can be had again, whatever has
// become of the files.
struct Sources {
    // By their paths, those of environment_file too; or why they could not be read.
    std::map<std::string, Expected<std::string, std::string>> files;
    std::map<std::string, std::vector<std::string>> globs;  // of include, by their patterns
    // The same that transient programs alone have asked for: no part of the configuration on disk.
    std::map<std::string, Expected<std::string, std::string>> transient_files;
};

// Another number of instances than the file's, for as long as the file says `written`.
struct Scaled {
    int written = 1;
    int instances = 1;
};

// What to load, and from what surroundings: everything the result depends on.
struct LoadRequest {
    std::string path;                 // "-" is standard input
    std::optional<std::string> text;  // taken as the main file's content, which is then not read
    EnvironmentMap environment;       // reeve's own; see own_environment()

    // The file system; what is empty is the real one.  `read` gives a file's content or the reason
    // why not ("Permission denied"); `glob` the paths that match, sorted.
    std::function<Expected<std::string, std::string>(const std::string& path)> read;
    std::function<std::vector<std::string>(const std::string& pattern)> glob;
    // What lies at these paths for output, one answer each; empty: nobody looks, and what only the
    // disk knows is no error.  See conf/disk.h.
    std::function<std::vector<Found>(const std::vector<std::string>& paths)> look{};
    // Whether anybody may read that file; empty: nobody looks.
    std::function<bool(const std::string& path)> is_public{};

    // Programs by their names.
    std::map<std::string, Scaled> scaled{};
    // Programs beside those of the files, in the order in which they came.  One whose name a file
    // has by now is left out: the file's counts.
    std::vector<std::shared_ptr<const Transient>> transients{};
    // Where to note what was read; null: nowhere.
    Sources* sources = nullptr;
};

// The same files as they were then.  `sources` must outlive the request.
LoadRequest load_again(std::string path, EnvironmentMap environment, const Sources& sources);

struct ConfigError {
    std::string file;        // empty: there is none to look into
    std::uint32_t line = 0;  // 0: the file as a whole, which could not be read; or it is none
    std::uint32_t column = 0;
    std::string text;  // "what is wrong (what would be right)"
};

// The configuration, or everything that is wrong with it, in the order of the files and their
// lines. Never throws, except for want of memory.
Expected<Config, std::vector<ConfigError>> load(const LoadRequest& request);

// "FILE:LINE:COLUMN: what is wrong (what would be right)"
std::string format_error(const ConfigError& error);
// One a line, each ended by a newline.
std::string format_errors(const std::vector<ConfigError>& errors);

// "FILE:LINE:COLUMN: warning: what will come of it (what would be right)"
std::string format_warning(const Config& config, const Warning& warning);

// The files that a pattern of include matches, sorted.
std::vector<std::string> matching_files(const std::string& pattern);

// The whole file, up to kLargestFile; "-" is standard input.  The error is the reason alone.
Expected<std::string, std::string> read_config_file(const std::string& path);

}  // namespace reeve::conf
