#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// The files that globs match, and the directories that one must watch to hear of others.
namespace reeve::os {

// What tells a file from what it was before.
struct FileMark {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    bool operator==(const FileMark&) const = default;
};

struct FileScan {
    std::map<std::string, FileMark> files;  // by path
    bool too_many_directories = false;      // there are more, and they were not looked at
    bool too_many_files = false;
    // errno of a look that failed for want of something, or on a bad disk: what is not among the
    // files may be there all the same.
    int failed = 0;
};

constexpr std::size_t kMostWatchedDirectories = 8192;
constexpr std::size_t kMostWatchedFiles = 100'000;

// Absolute patterns, component by component as in fnmatch(3): "*" and "?" match no leading dot, and
// "**" any number of directories, but neither hidden ones nor symbolic links to some.  Without "*",
// "?" and "[" it is a file, or a directory with all that is in it.
//
// `visit` is called for each directory before it is read, so that what changes after that is heard;
// where the first one of a pattern is missing, for the nearest that is there.  To be called off the
// loop: a disk may hang.
FileScan scan_globs(const std::vector<std::string>& patterns,
                    const std::function<void(const std::string& directory)>& visit,
                    std::size_t most_directories = kMostWatchedDirectories);

// Whether a file of that path would be among them, or a directory on the way to one.  No look at
// the disk.
bool may_concern(const std::string& pattern, std::string_view path);

}  // namespace reeve::os
