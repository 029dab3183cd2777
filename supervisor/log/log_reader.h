#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "conf/config.h"
#include "supervisor/base/error.h"
#include "supervisor/base/fd.h"
#include "supervisor/log/line.h"

namespace reeve::log {

// One that a log file was rotated to.
struct RotatedFile {
    std::string name;  // in the log file's directory
    WallTime time{0};  // of the rotation
    conf::Compression compression = conf::Compression::none;
};

// Those of the log file at `path`, the oldest first; each once, though while it is being compressed
// there may be two of it.
base::OsExpected<std::vector<RotatedFile>> rotated_files(const std::string& path);

// One that somebody else, as logrotate does, has given such a name.  It may get others at any time,
// and be compressed.
struct MovedFile {
    std::string name;  // in the log file's directory
    dev_t device = 0;
    ino_t inode = 0;
    WallTime written{0};                  // for the last time
    std::optional<std::uint64_t> size{};  // of what it holds, where that is known
    conf::Compression compression = conf::Compression::none;
    bool is_readable = true;  // or compressed by something that we don't know
};

// Those of the log file at `path`, the oldest first; each once, though it may be compressed or
// renamed just now.
base::OsExpected<std::vector<MovedFile>> moved_files(const std::string& path);

// Reads a log file from its beginning, whatever it is compressed with, in little memory.
class FileReader {
public:
    // `subject` is what errors call it.
    FileReader(base::Fd file, conf::Compression compression, std::string subject);
    FileReader(FileReader&&) noexcept;
    FileReader& operator=(FileReader&&) noexcept;
    ~FileReader();

    // The file itself.
    static base::OsExpected<FileReader> open(const std::string& path);
    // What it was rotated to, also when that was compressed since it was listed.
    static base::OsExpected<FileReader> open(const std::string& path, const RotatedFile& rotated);

    // ENOTSUP: not readable.
    static base::OsExpected<FileReader> open(const std::string& path, const MovedFile& moved);

    // Bytes that `room` begins with now; 0 at the end, where a file that is not compressed may go
    // on later.  EBADMSG: what is compressed is damaged or cut off.
    base::OsExpected<std::size_t> read(std::span<char> room);

    bool is_compressed() const { return decoder_ != nullptr; }
    // The next byte read is that one.  False for a compressed file: nothing was done.
    bool seek(std::uint64_t position);

    // For whoever wants to look at the end first, or to know whether it is the same file; of a file
    // that is not compressed.
    int descriptor() const { return file_.get(); }

private:
    struct Decoder;

    base::OsExpected<std::size_t> read_file(std::span<char> room) const;

    base::Fd file_;
    std::string subject_;
    std::unique_ptr<Decoder> decoder_;
};

// All that there is of a log at one moment: each byte is in one of them, though the file may be
// rotated while they are looked for.
struct LogFiles {
    std::vector<RotatedFile> rotated;   // the oldest first
    std::vector<MovedFile> moved;       // likewise
    std::optional<FileReader> current;  // nullopt: there is none
};
base::OsExpected<LogFiles> look_at_log(const std::string& path);

}  // namespace reeve::log
