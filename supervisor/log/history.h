#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "supervisor/log/look.h"

namespace reeve::log {

// The lines that a look found, of memory and of files, in the order of time.  In little memory,
// however large the files are: what a "last N" begins with is searched for from the youngest file
// backwards, and then all is read forwards, one file of a log at a time.
//
// Lines of a raw file have the second and the run that reeve remembers.  Of those that an earlier
// reeve wrote nothing is known but when the file was rotated: their time is 0, and their place
// among the others is at that moment.
class History {
public:
    struct Options {
        std::optional<std::size_t> last_lines{};
        std::optional<WallTime> since{};
        std::optional<WallTime> until{};
        bool with_partial = true;  // the line that is not complete yet, at the end
        // For what is on its way to a file to arrive there.
        std::chrono::milliseconds patience{500};
    };

    History(Look look, const Options& options);
    ~History();
    History(const History&) = delete;
    History& operator=(const History&) = delete;

    // Appends the next lines, until they take so many bytes.  False: these were the last.  By one
    // thread at a time, and it may take for ever where a file hangs.
    bool next(std::size_t bytes, std::vector<Line>& lines);

    // From any thread.  Rises while next() gets on.
    std::uint64_t progress() const { return progress_; }
    // next() is to end soon.
    void cancel() { cancelled_ = true; }

    // What was read, when it is at its end; for the next look.
    std::vector<Seen> seen() const;

private:
    class FileSource;
    struct Entry {
        Line line;
        WallTime key{0};  // its place among the others
    };
    struct Head;

    void prepare();
    void push(std::size_t source);
    bool take(std::size_t source, Entry& entry);

    Look look_;
    const Options options_;
    std::atomic<std::uint64_t> progress_{0};
    std::atomic<bool> cancelled_{false};
    bool prepared_ = false;
    std::uint64_t skip_ = 0;  // so many lines more are not wanted
    std::vector<std::unique_ptr<FileSource>> files_;
    std::size_t in_memory_ = 0;  // the next of look_.lines
    std::vector<Head> heads_;    // a heap: the next of each source
};

}  // namespace reeve::log
