#include "supervisor/log/log_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "supervisor/log/log_directory.h"
#include "supervisor/model/rotation.h"

namespace reeve::log {

using conf::Compression;

namespace {

constexpr std::size_t kBlock = 64 * 1024;

// A log can't be worth more memory than this; zstd's own limit for files of unknown origin.
constexpr int kLargestWindow = 27;

constexpr int kGzipWindow = 15 + 16;  // as in the compressor

base::OsExpected<base::Fd> open_to_read(const std::string& path) {
    const base::Fd directory = open_directory(path);
    if (!directory) return base::os_error("open", path);
    // A FIFO or a device is not waited for.
    base::Fd file{::openat(directory.get(), file_name(path).c_str(),
                           O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
                               (is_foreign(directory.get()) ? O_NOFOLLOW : 0))};
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) return base::os_error("open", path);
    if (!S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : ESPIPE;
        return base::os_error("open", path);
    }
    return base::set_aside(std::move(file));
}

// Looks at a log that was rotated during each.
constexpr int kMostTries = 100;
// Likewise, of files that somebody else rotates.
constexpr int kMostLooks = 10;

// Whether the file at the path is this one still; with nullptr, whether there is none still.
bool is_still(const std::string& path, const FileReader* reader) {
    struct stat now {};
    if (::stat(path.c_str(), &now) != 0) return !reader && errno == ENOENT;
    struct stat then {};
    return reader && ::fstat(reader->descriptor(), &then) == 0 && now.st_dev == then.st_dev &&
           now.st_ino == then.st_ino;
}

}  // namespace

base::OsExpected<std::vector<RotatedFile>> rotated_files(const std::string& path) {
    const base::Fd directory = open_directory(path);
    if (!directory) return base::os_error("open", path);
    const std::string name = file_name(path);
    std::vector<RotatedFile> files;
    const auto note = [&](std::string_view file, const model::RotatedFrom& found) {
        if (found.name == name && !found.rotated.unfinished)
            files.push_back({std::string{file}, found.rotated.time, found.rotated.compression});
    };
    // Twice: one that changes its name while it is looked for, because it is compressed, may be
    // missed, but that happens to it only once.
    for (int look = 0; look < 2; ++look) {
        errno = scan_rotated(directory.get(), note);
        if (errno != 0) return base::os_error("readdir", path);
    }
    // The original, where it is still there, comes before what it is being compressed to.
    std::sort(files.begin(), files.end(), [](const RotatedFile& a, const RotatedFile& b) {
        return std::pair{a.time, a.compression} < std::pair{b.time, b.compression};
    });
    files.erase(
        std::unique(files.begin(), files.end(),
                    [](const RotatedFile& a, const RotatedFile& b) { return a.time == b.time; }),
        files.end());
    return files;
}

namespace {

// What the compressed bytes of a file become, as far as the file says so.
std::optional<std::uint64_t> size_inside(int file, Compression compression, off_t file_size) {
    std::array<unsigned char, 18> bytes{};  // what a zstd frame's header takes at most
    if (compression == Compression::none) return static_cast<std::uint64_t>(file_size);
    if (compression == Compression::zstd) {
        const ssize_t got = ::pread(file, bytes.data(), bytes.size(), 0);
        const auto size = ZSTD_getFrameContentSize(
            bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (size == ZSTD_CONTENTSIZE_UNKNOWN || size == ZSTD_CONTENTSIZE_ERROR) return std::nullopt;
        return size;
    }
    // RFC 1952: modulo 2^32, the lowest byte first.
    if (file_size < 18 || ::pread(file, bytes.data(), 4, file_size - 4) != 4) return std::nullopt;
    return std::uint64_t{bytes[0]} | std::uint64_t{bytes[1]} << 8 | std::uint64_t{bytes[2]} << 16 |
           std::uint64_t{bytes[3]} << 24;
}

std::optional<MovedFile> look_at_moved(int directory, const std::string& name,
                                       const model::MovedName& moved) {
    const base::Fd file{::openat(directory, name.c_str(),
                                 O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW)};
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
    return MovedFile{
        .name = name,
        .device = status.st_dev,
        .inode = status.st_ino,
        .written =
            std::chrono::seconds{status.st_mtim.tv_sec} +
            std::chrono::duration_cast<WallTime>(std::chrono::nanoseconds{status.st_mtim.tv_nsec}),
        .size = moved.is_readable ? size_inside(file.get(), moved.compression, status.st_size)
                                  : std::nullopt,
        .compression = moved.compression,
        .is_readable = moved.is_readable,
    };
}

bool is_same(const MovedFile& a, const MovedFile& b) {
    return a.device == b.device && a.inode == b.inode;
}

// What a compressor reads and what it writes are both there for a while, and under one name.
std::string_view without_ending(const MovedFile& file) {
    std::string_view name = file.name;
    for (const std::string_view ending : {".gz", ".zst", ".xz", ".bz2"})
        if (name.ends_with(ending)) name.remove_suffix(ending.size());
    return name;
}

}  // namespace

base::OsExpected<std::vector<MovedFile>> moved_files(const std::string& path) {
    const base::Fd directory = open_directory(path);
    if (!directory) return base::os_error("open", path);
    const std::string name = file_name(path);
    std::vector<MovedFile> files;
    std::vector<MovedFile> before;
    // Each is renamed when the next one comes, so one look alone may miss some, or see them twice.
    for (int look = 0; look < kMostLooks; ++look) {
        before = std::exchange(files, {});
        errno = scan(directory.get(), [&](const std::string& file) {
            const auto moved = model::parse_moved_name(file, name);
            if (!moved) return;
            if (auto found = look_at_moved(directory.get(), file, *moved))
                files.push_back(*std::move(found));
        });
        if (errno != 0) return base::os_error("readdir", path);
        // The original comes before what it is being compressed to.
        std::sort(files.begin(), files.end(), [](const MovedFile& a, const MovedFile& b) {
            return std::pair{without_ending(a), a.name.size()} <
                   std::pair{without_ending(b), b.name.size()};
        });
        const bool as_before = std::equal(files.begin(), files.end(), before.begin(), before.end(),
                                          [](const MovedFile& a, const MovedFile& b) {
                                              return a.name == b.name && is_same(a, b);
                                          });
        if (files.empty() || (look > 0 && as_before)) break;
    }
    files.erase(std::unique(files.begin(), files.end(),
                            [](const MovedFile& a, const MovedFile& b) {
                                return without_ending(a) == without_ending(b);
                            }),
                files.end());
    std::stable_sort(files.begin(), files.end(),
                     [](const MovedFile& a, const MovedFile& b) { return a.written < b.written; });
    return files;
}

// What comes of a compressed file, block by block.
struct FileReader::Decoder {
    virtual ~Decoder() = default;
    // Takes from `from` and gives into `out`, and says how much of each; an errno.  At the file's
    // end `from` is empty.
    virtual int step(std::span<const char>& from, std::span<char> out, std::size_t& given) = 0;
    // Between two compressed streams, or at the end of the last.
    virtual bool at_boundary() const = 0;

    std::array<char, kBlock> block;
    std::span<const char> in;
};

namespace {

template <typename Base>
struct ZstdDecoder final : Base {
    ZstdDecoder() {
        if (context) ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kLargestWindow);
    }
    int step(std::span<const char>& from, std::span<char> out, std::size_t& given) override {
        if (!context) return ENOMEM;
        ZSTD_inBuffer input{from.data(), from.size(), 0};
        ZSTD_outBuffer output{out.data(), out.size(), 0};
        const std::size_t left = ZSTD_decompressStream(context.get(), &output, &input);
        if (ZSTD_isError(left)) return EBADMSG;
        if (input.pos > 0 || output.pos > 0) boundary = left == 0;
        from = from.subspan(input.pos);
        given = output.pos;
        return 0;
    }
    bool at_boundary() const override { return boundary; }

    struct Free {
        void operator()(ZSTD_DCtx* dead) const { ZSTD_freeDCtx(dead); }
    };
    std::unique_ptr<ZSTD_DCtx, Free> context{ZSTD_createDCtx()};
    bool boundary = true;
};

template <typename Base>
struct GzipDecoder final : Base {
    GzipDecoder() { made = ::inflateInit2(&stream, kGzipWindow) == Z_OK; }
    ~GzipDecoder() override {
        if (made) ::inflateEnd(&stream);
    }
    GzipDecoder(const GzipDecoder&) = delete;
    GzipDecoder& operator=(const GzipDecoder&) = delete;

    int step(std::span<const char>& from, std::span<char> out, std::size_t& given) override {
        if (!made) return ENOMEM;
        // gzip files may be put one behind the other.
        if (ended && !from.empty()) {
            ::inflateReset(&stream);
            ended = false;
        }
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
        stream.avail_in = static_cast<uInt>(from.size());
        stream.next_out = reinterpret_cast<Bytef*>(out.data());
        stream.avail_out = static_cast<uInt>(out.size());
        const int result = ::inflate(&stream, Z_NO_FLUSH);
        from = from.last(stream.avail_in);
        given = out.size() - stream.avail_out;
        if (result == Z_STREAM_END) ended = true;
        return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? 0 : EBADMSG;
    }
    bool at_boundary() const override { return ended; }

    z_stream stream{};
    bool made = false;
    bool ended = true;
};

}  // namespace

FileReader::FileReader(base::Fd file, Compression compression, std::string subject)
    : file_{std::move(file)}, subject_{std::move(subject)} {
    if (compression == Compression::zstd) decoder_ = std::make_unique<ZstdDecoder<Decoder>>();
    if (compression == Compression::gzip) decoder_ = std::make_unique<GzipDecoder<Decoder>>();
}

FileReader::FileReader(FileReader&&) noexcept = default;
FileReader& FileReader::operator=(FileReader&&) noexcept = default;
FileReader::~FileReader() = default;

base::OsExpected<FileReader> FileReader::open(const std::string& path) {
    auto file = open_to_read(path);
    if (!file) return Unexpected<base::OsError>{file.error()};
    return FileReader{std::move(*file), Compression::none, path};
}

base::OsExpected<FileReader> FileReader::open(const std::string& path, const RotatedFile& rotated) {
    const std::string name = file_name(path);
    const std::string directory = path.substr(0, path.size() - name.size());
    const auto path_with = [&](Compression compression) {
        return directory +
               model::rotated_name(name, {.time = rotated.time, .compression = compression});
    };
    auto compression = rotated.compression;
    auto file = open_to_read(path_with(compression));
    for (const auto since : {Compression::zstd, Compression::gzip}) {
        if (file || file.error().number != ENOENT) break;
        compression = since;
        file = open_to_read(path_with(compression));
    }
    if (!file) return Unexpected<base::OsError>{file.error()};
    return FileReader{std::move(*file), compression, path_with(compression)};
}

base::OsExpected<FileReader> FileReader::open(const std::string& path, const MovedFile& moved) {
    const std::string directory = path.substr(0, path.size() - file_name(path).size());
    std::string name = moved.name;
    if (moved.is_readable) {
        auto file = open_to_read(directory + name);
        struct stat status {};
        const auto is_it = [&] {
            return file && ::fstat(file->get(), &status) == 0 && status.st_dev == moved.device &&
                   status.st_ino == moved.inode;
        };
        if (is_it()) return FileReader{std::move(*file), moved.compression, directory + name};
        // It has another name by now, or was compressed.
        const auto now = moved_files(path);
        if (!now) return Unexpected<base::OsError>{now.error()};
        for (const MovedFile& other : *now) {
            const bool compressed_since =
                moved.compression == Compression::none && other.compression != Compression::none &&
                other.size == moved.size &&
                other.written / std::chrono::seconds{1} == moved.written / std::chrono::seconds{1};
            if (!is_same(other, moved) && !compressed_since) continue;
            file = open_to_read(directory + other.name);
            if (file)
                return FileReader{std::move(*file), other.compression, directory + other.name};
        }
    }
    errno = moved.is_readable ? ENOENT : ENOTSUP;
    return base::os_error("open", directory + name);
}

// Bytes of the file itself, 0 at its end.
base::OsExpected<std::size_t> FileReader::read_file(std::span<char> room) const {
    for (;;) {
        const ssize_t size = ::read(file_.get(), room.data(), room.size());
        if (size >= 0) return static_cast<std::size_t>(size);
        if (errno != EINTR) return base::os_error("read", subject_);
    }
}

bool FileReader::seek(std::uint64_t position) {
    return !decoder_ && ::lseek(file_.get(), static_cast<off_t>(position), SEEK_SET) >= 0;
}

base::OsExpected<std::size_t> FileReader::read(std::span<char> room) {
    if (!decoder_ || room.empty()) return read_file(room);
    for (;;) {
        std::size_t given = 0;
        errno = decoder_->step(decoder_->in, room, given);
        if (errno != 0) return base::os_error("decompress", subject_);
        if (given > 0) return given;
        if (!decoder_->in.empty()) continue;
        const auto size = read_file(decoder_->block);
        if (!size) return size;
        decoder_->in = std::span<const char>{decoder_->block}.first(*size);
        if (*size > 0) continue;
        if (decoder_->at_boundary()) return std::size_t{0};
        errno = EBADMSG;
        return base::os_error("decompress", subject_);
    }
}

base::OsExpected<LogFiles> look_at_log(const std::string& path) {
    for (int tries = 1;; ++tries) {
        // The current one first: what is rotated afterwards is in the list, twice at the worst.
        auto current = FileReader::open(path);
        auto rotated = rotated_files(path);
        if (!rotated) return Unexpected<base::OsError>{rotated.error()};
        if (!current && current.error().number != ENOENT)
            return Unexpected<base::OsError>{current.error()};

        auto moved = moved_files(path);
        if (!moved) return Unexpected<base::OsError>{moved.error()};
        LogFiles files{std::move(*rotated), std::move(*moved), std::nullopt};
        if (current) files.current = std::move(*current);
        if (tries == kMostTries || is_still(path, files.current ? &*files.current : nullptr))
            return files;
    }
}

}  // namespace reeve::log
