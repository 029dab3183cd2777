#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

namespace reeve::test {

// A log file and what was rotated of it, oldest first.
inline std::vector<std::string> log_files(const std::string& path) {
    const std::filesystem::path live{path};
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator{live.parent_path(), ignored}) {
        const std::string name = entry.path().filename();
        // What was about to be compressed is there as it was, too.
        if (name.starts_with(live.filename().string() + ".") && !name.ends_with(".tmp"))
            found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    if (std::filesystem::exists(live, ignored)) found.push_back(path);
    return found;
}

// How much a scribe's write()s of that run have been said to take.
inline std::uint64_t taken(const std::string& notes, const std::string& program, int run = 1) {
    const std::string note = read_file(notes + "/" + program + "." + std::to_string(run));
    std::uint64_t bytes = 0;
    if (note.size() == sizeof bytes) note.copy(reinterpret_cast<char*>(&bytes), sizeof bytes);
    return bytes;
}

// tests/support/proofread.c
inline Result proofread(const std::string& notes, const std::string& how,
                        const std::vector<std::string>& programs,
                        const std::vector<std::string>& files) {
    std::vector<std::string> words{REEVE_PROOFREAD_PROGRAM, notes, how};
    words.insert(words.end(), programs.begin(), programs.end());
    words.emplace_back("--");
    words.insert(words.end(), files.begin(), files.end());
    return run(words);
}

// The number before a word in what proofread has printed.
inline std::uint64_t count_of(const Result& reading, const std::string& word) {
    const auto at = reading.out.find(" " + word);
    REQUIRE(at != std::string::npos);
    const auto begin = reading.out.find_last_of(" \n", at - 1);
    return std::strtoull(reading.out.c_str() + (begin == std::string::npos ? 0 : begin + 1),
                         nullptr, 10);
}

inline constexpr const char* kNoNamespace = "a mount namespace of its own can't be had: needs root";

// A /dev for a mount namespace that is the machine's but for /dev/log, which leads to `path`.
inline std::string with_dev_log(const Directory& directory, const std::string& path) {
    const std::string dev = directory / "dev";
    std::filesystem::create_directory(dev);
    return "cd '" + dev +
           "'\n"
           "mount -t tmpfs none .\ncd '" +
           dev +
           "'\n"
           "for node in null zero full random urandom tty; do\n"
           "  touch $node; mount --bind /dev/$node $node\n"
           "done\n"
           "mkdir shm pts\n"
           "mount --bind /dev/shm shm; mount --bind /dev/pts pts\n"
           "ln -s /proc/self/fd fd; ln -s fd/1 stdout; ln -s fd/2 stderr\n"
           "ln -s '" +
           path + "' log\ncd /\nmount --rbind '" + dev + "' /dev";
}

// A path as reeve sees it in its mount namespace.
inline std::string seen_by(const Reeve& reeve, const std::string& path) {
    return "/proc/" + std::to_string(reeve.pid()) + "/root" + path;
}

inline Result in_namespace_of(const Reeve& reeve, std::vector<std::string> words) {
    words.insert(words.begin(), {"nsenter", "--mount", "--target", std::to_string(reeve.pid())});
    return run(words);
}

inline std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}

}  // namespace reeve::test
