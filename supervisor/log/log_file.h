#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "conf/config.h"
#include "supervisor/base/fd.h"
#include "supervisor/log/batch.h"
#include "supervisor/log/file_spans.h"
#include "supervisor/log/line.h"
#include "supervisor/log/log_directory.h"
#include "supervisor/log/rotated_files.h"

namespace reeve::log {

class Compressor;

// What time it is; for tests to say.
struct FileClock {
    std::function<WallTime()> wall;
    std::function<std::chrono::milliseconds()> monotonic;

    static std::shared_ptr<const FileClock> real();
};

// What is said about a log file.
struct FilePlan {
    std::string path;
    std::optional<Owner> owner;
    conf::Rotation rotation;
    std::shared_ptr<const FileClock> clock;
};

// A log file as the thread that writes it sees it: opened, rotated, opened again when it was moved
// or deleted.  Each call may hang for ever on a dead disk.
class LogFile {
public:
    struct Errors {  // errno, 0 when it went well
        int open = 0;
        int write = 0;
        int rotate = 0;
    };

    // The plan outlives it.
    explicit LogFile(const FilePlan& plan) : plan_{plan} {}

    // Opens it where it isn't open, or anew where that is asked for, and writes the batch, of which
    // it leaves what could not be written.  `position`: so many bytes of the stream come before it.
    Errors write(Batch& batch, bool reopen, Compressor& compressor, std::int64_t position = 0);

    // Before it is first written: who is told which bytes are in which file, and outlives it; and
    // how compressing goes.
    void report_to(FileSpans& spans) { spans_ = &spans; }
    void report_to(std::weak_ptr<CompressionListener> listener) { listener_ = std::move(listener); }

    // The plan has another rotation.
    void rotation_changed() { rotated_.reset(); }

private:
    struct Identity {
        dev_t device = 0;
        ino_t inode = 0;
        bool operator==(const Identity&) const = default;
    };

    struct Place {
        std::string path;
        base::Fd directory;
        bool is_here = false;  // what lies there is this file
    };

    int make_sure_it_is_open(bool reopen, Compressor& compressor);
    bool was_moved();
    int open(Compressor& compressor);
    void take_up(base::Fd file);
    int write_out(const base::Fd& file, Batch& batch, std::size_t count);
    void finish_line_in_former(Batch& batch);
    void tell_begin() const;

    bool may_rotate() const;
    FileState state() const;
    int rotate(Compressor& compressor);
    Place find_place() const;
    const std::shared_ptr<RotatedFiles>& rotated_at(const std::string& path);

    const FilePlan& plan_;
    std::weak_ptr<CompressionListener> listener_;

    base::Fd file_;
    // Was moved or is to be left while a line is on its way: the line's end belongs to it.
    base::Fd former_;
    Identity identity_;
    bool regular_ = false;
    bool reopen_again_ = false;
    std::uint64_t size_ = 0;
    WallTime began_{0};
    std::chrono::milliseconds looked_at_path_{0};  // by the monotonic clock
    std::optional<std::chrono::milliseconds> rotation_failed_{};
    int rotate_error_ = 0;
    bool at_line_start_ = true;  // of the stream
    std::int64_t position_ = 0;  // in the stream, of what is written next
    FileSpans* spans_ = nullptr;

    std::shared_ptr<RotatedFiles> rotated_;
};

}  // namespace reeve::log
