#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>

#include "supervisor/log/log_reader.h"
#include "supervisor/log/writer_pool.h"
#include "supervisor/model/rotation.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace reeve::log;
using reeve::conf::Compression;
using reeve::conf::Rotation;
using std::chrono::milliseconds;
namespace fs = std::filesystem;

namespace {

constexpr WallTime kMorning = 1'795'342'620'120ms;  // 2026-11-22T10:17:00.120Z
const std::string kFirst = "web.log.20261122T101700.120Z";
const std::string kSecond = "web.log.20261122T101700.121Z";

std::string content(const fs::path& path) {
    std::ifstream stream{path};
    std::stringstream all;
    all << stream.rdbuf();
    return all.str();
}

Slice slice(std::string_view bytes) {
    std::shared_ptr<char[]> memory{new char[bytes.size()]};
    std::memcpy(memory.get(), bytes.data(), bytes.size());
    return {memory, {memory.get(), bytes.size()}};
}

std::string all_of(reeve::log::FileReader& reader) {
    std::string all;
    std::array<char, 1000> room;
    for (;;) {
        const auto size = reader.read(room);
        REQUIRE(size);
        if (*size == 0) return all;
        all.append(room.data(), *size);
    }
}

// A pool, a directory, and clocks that go when a test says so.
struct Desk {
    Desk() {
        char name[] = "/tmp/reeve-files-XXXXXX";
        directory = ::mkdtemp(name);
    }
    ~Desk() { fs::remove_all(directory); }

    std::shared_ptr<FileTarget> open(const fs::path& path, Rotation rotation = {},
                                     std::optional<Owner> owner = std::nullopt) {
        auto target = std::make_shared<FileTarget>(
            path.string(), owner, rotation, shared,
            std::make_shared<const FileClock>(
                FileClock{.wall = [shared = shared] { return shared->wall.load(); },
                          .monotonic = [shared = shared] { return shared->monotonic.load(); }}));
        look(target);
        return target;
    }

    // The compressor steps back for everybody: on a busy machine it takes its time.
    template <typename Done>
    void until(Done done) {
        const auto limit = std::chrono::steady_clock::now() + 60s;
        std::unique_lock lock{shared->mutex};
        // Not every change is told: what the compressor does, say.
        while (!done() && std::chrono::steady_clock::now() < limit) {
            if (pool && pool->waiting()) pool->relieve();
            shared->changed.wait_for(lock, 1ms);
        }
        REQUIRE(done());
    }

    // One piece of work, whatever comes of it.
    void look(const std::shared_ptr<FileTarget>& target) {
        pool->submit(target);
        until([&] { return !pool->has(*target); });
    }
    void write(const std::shared_ptr<FileTarget>& target, std::string_view bytes) {
        if (bytes.size() % 2 == 0) {
            target->queue(bytes);
        } else {
            target->queue(slice(bytes));
        }
        look(target);
    }

    // Names in the directory, sorted, each with a space behind it.
    std::string names() const {
        std::vector<std::string> all;
        for (const auto& entry : fs::directory_iterator{directory})
            all.push_back(entry.path().filename());
        std::sort(all.begin(), all.end());
        std::string text;
        for (const auto& name : all) text += name + " ";
        return text;
    }

    struct Shared final : FileTarget::Listener {
        void worked() override {
            const std::lock_guard lock{mutex};
            changed.notify_all();
        }

        std::mutex mutex;
        std::condition_variable changed;
        std::atomic<WallTime> wall{kMorning};
        std::atomic<milliseconds> monotonic{1'000'000ms};
    };
    std::shared_ptr<Shared> shared = std::make_shared<Shared>();
    fs::path directory;
    std::unique_ptr<WriterPool> pool = std::make_unique<WriterPool>();
};

}  // namespace

TEST_CASE("files: rotation by size loses no byte and cuts no line") {
    const auto compression = GENERATE(Compression::none, Compression::gzip, Compression::zstd);
    Desk desk;
    constexpr std::uint64_t kMaxSize = 64 * 1024;
    const fs::path path = desk.directory / "web.log";
    const auto target =
        desk.open(path, {.max_size_bytes = kMaxSize, .keep = 10'000, .compress = compression});

    std::mt19937 random{7};
    std::string all;
    for (int line = 0; all.size() < 4'000'000; ++line) {
        // Most are short, some are longer than a file may be.
        const auto kind = random() % 100;
        const std::size_t length = kind < 90   ? random() % 200
                                   : kind < 99 ? random() % 20'000
                                               : random() % 200'000;
        all += std::to_string(line) + ":" + std::string(length, char('a' + line % 26)) + "\n";
    }
    for (std::string_view rest = all; !rest.empty();) {
        const std::size_t count = std::min<std::size_t>(rest.size(), 1 + random() % 100'000);
        target->queue(slice(rest.substr(0, count)));
        desk.pool->submit(target);
        rest.remove_prefix(count);
        desk.until([&] { return target->queued() < 300'000; });
    }
    desk.until([&] { return target->written() == all.size() && desk.pool->compressed(); });
    CHECK(target->ever_queued() == all.size());
    CHECK(target->outcome().rotate_error == 0);
    CHECK(target->outcome().compress_error == 0);

    const auto rotated = rotated_files(path.string());
    REQUIRE(rotated);
    CHECK(rotated->size() > 20);
    std::string got;
    WallTime before{0};
    for (const RotatedFile& file : *rotated) {
        CHECK(file.time > before);
        before = file.time;
        CHECK(file.compression == compression);
        auto reader = reeve::log::FileReader::open(path.string(), file);
        REQUIRE(reader);
        const std::string part = all_of(*reader);
        REQUIRE(part.ends_with('\n'));
        // Only a single line may be too long for its file, or the end of one of 4 KiB and more.
        if (part.size() > kMaxSize) {
            const std::size_t last_line = part.rfind('\n', part.size() - 2) + 1;
            CHECK(last_line <= kMaxSize);
        }
        got += part;
    }
    got += content(path);
    REQUIRE((got == all));
}

TEST_CASE("files: names go up though the clock stands still or steps back") {
    Desk desk;
    const auto target = desk.open(desk.directory / "web.log", {.max_size_bytes = 10, .keep = 9});
    desk.write(target, "1 12345678\n2 12345678\n");
    desk.shared->wall = kMorning - 24h;
    desk.write(target, "3 12345678\n");
    desk.shared->wall = kMorning + 60s;
    desk.write(target, "4 12345678\n");
    CHECK(desk.names() ==
          "web.log "
          "web.log.20261122T101700.120Z web.log.20261122T101700.121Z "
          "web.log.20261122T101800.120Z ");
    CHECK(content(desk.directory / kFirst) == "1 12345678\n");
    CHECK(content(desk.directory / kSecond) == "2 12345678\n");
    CHECK(content(desk.directory / "web.log.20261122T101800.120Z") == "3 12345678\n");
}

TEST_CASE("files: what a former reeve has rotated counts, and its names are not given again") {
    Desk desk;
    std::ofstream{desk.directory / kSecond} << "old 2\n";
    std::ofstream{desk.directory / (kFirst + ".gz")} << "old 1\n";
    std::ofstream{desk.directory / "other.log.20261122T101700.119Z"} << "another's\n";
    const auto target = desk.open(desk.directory / "web.log", {.max_size_bytes = 10, .keep = 2});
    desk.write(target, "1 12345678\n2 12345678\n");
    CHECK(desk.names() ==
          "other.log.20261122T101700.119Z web.log "
          "web.log.20261122T101700.121Z web.log.20261122T101700.122Z ");
}

TEST_CASE("files: the oldest are deleted beyond what is kept") {
    Desk desk;
    const auto target = desk.open(desk.directory / "web.log", {.max_size_bytes = 3, .keep = 2});
    desk.write(target, "1\n2\n3\n4\n5\n");
    CHECK(desk.names() == "web.log web.log.20261122T101700.122Z web.log.20261122T101700.123Z ");
    CHECK(content(desk.directory / "web.log.20261122T101700.122Z") == "3\n");
    // The user may do the same.
    fs::remove(desk.directory / "web.log.20261122T101700.122Z");
    desk.write(target, "6\n7\n");
    CHECK(desk.names() == "web.log web.log.20261122T101700.124Z web.log.20261122T101700.125Z ");
    CHECK(target->outcome().rotate_error == 0);
}

TEST_CASE("files: none is kept where none is wanted") {
    Desk desk;
    const auto compress = GENERATE(Compression::none, Compression::zstd);
    const auto target = desk.open(desk.directory / "web.log",
                                  {.max_size_bytes = 3, .keep = 0, .compress = compress});
    desk.write(target, "1\n2\n3\n");
    desk.until([&] { return desk.pool->compressed(); });
    CHECK(desk.names() == "web.log ");
    CHECK(content(desk.directory / "web.log") == "3\n");
}

TEST_CASE("files: a file is ended at the next line once its beginning is old") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    const auto target = desk.open(path, {.max_size_bytes = 0, .max_age = 60s});
    desk.shared->wall = kMorning + 120s;  // an empty file has no beginning
    desk.write(target, "1\n");
    desk.shared->wall = kMorning + 179s;
    desk.write(target, "2\nhalf a");
    desk.shared->wall = kMorning + 180s;
    desk.write(target, " line\n4\n");
    CHECK(desk.names() == "web.log web.log.20261122T102000.120Z ");
    CHECK(content(desk.directory / "web.log.20261122T102000.120Z") == "1\n2\nhalf a line\n");
    CHECK(content(path) == "4\n");
}

TEST_CASE("files: the age of a file that was there before is that of the file") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    std::ofstream{path} << "before\n";
    desk.shared->wall = std::chrono::duration_cast<WallTime>(
        (std::chrono::system_clock::now() + 1h).time_since_epoch());
    const auto target = desk.open(path, {.max_size_bytes = 0, .max_age = 59min});
    desk.write(target, "after\n");
    struct statx status {};
    REQUIRE(::statx(AT_FDCWD, path.c_str(), 0, STATX_BTIME, &status) == 0);
    if ((status.stx_mask & STATX_BTIME) == 0)
        REEVE_SKIP("this file system doesn't know when a file was made");
    CHECK(content(path) == "after\n");
}

TEST_CASE("files: owner and mode last over a rotation") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    const auto target = desk.open(path, {.max_size_bytes = 3});
    fs::permissions(path, fs::perms{0640});
    if (::geteuid() == 0) REQUIRE(::chown(path.c_str(), 12, 34) == 0);
    desk.write(target, "1\n2\n");
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
    if (::geteuid() == 0) CHECK((status.st_uid == 12 && status.st_gid == 34));
    CHECK(content(path) == "2\n");
}

TEST_CASE("files: a compressed one takes its original's place, owner, mode and time") {
    Desk desk;
    const auto compression = GENERATE(Compression::gzip, Compression::zstd);
    const fs::path path = desk.directory / "web.log";
    const auto target = desk.open(path, {.max_size_bytes = 100'000, .compress = compression});
    fs::permissions(path, fs::perms{0640});
    if (::geteuid() == 0) REQUIRE(::chown(path.c_str(), 12, 34) == 0);
    std::string lines;
    for (int number = 0; number < 10'000; ++number) lines += std::to_string(number) + "\n";
    lines.resize(lines.rfind('\n', 48'000) + 1);
    desk.write(target, lines);
    desk.write(target, lines);
    desk.write(target, lines);
    const bool zstd = compression == Compression::zstd;
    const std::string name = kFirst + (zstd ? ".zst" : ".gz");
    desk.until([&] { return desk.pool->compressed(); });
    CHECK(desk.names() == "web.log " + name + " ");

    struct stat status {};
    REQUIRE(::stat((desk.directory / name).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0640);
    if (::geteuid() == 0) CHECK((status.st_uid == 12 && status.st_gid == 34));
    // The tools that people have can read it.
    const std::string tool = zstd ? "zstd" : "gzip";
    if (std::system(("command -v " + tool + " >/dev/null").c_str()) != 0)
        REEVE_SKIP(("no " + tool + " here").c_str());
    const fs::path plain = desk.directory / "plain";
    REQUIRE(std::system((tool + " -dc " + (desk.directory / name).string() + " >" + plain.string())
                            .c_str()) == 0);
    CHECK(fs::file_size(plain) > lines.size());
    CHECK((content(plain) + content(path) == lines + lines + lines));
}

TEST_CASE("files: what a former reeve has not compressed is, and what it has begun is deleted") {
    Desk desk;
    std::ofstream{desk.directory / kFirst} << "one\n";
    std::ofstream{desk.directory / kSecond} << "two\n";
    std::ofstream{desk.directory / (kSecond + ".zst.tmp")} << "half";
    std::ofstream{desk.directory / "other.log.20261122T101700.120Z.zst.tmp"} << "another's";
    const auto target = desk.open(desk.directory / "web.log", {.compress = Compression::zstd});
    desk.until([&] { return desk.pool->compressed(); });
    CHECK(desk.names() ==
          "other.log.20261122T101700.120Z.zst.tmp web.log " + kFirst + ".zst " + kSecond + ".zst ");
    auto reader = reeve::log::FileReader::open((desk.directory / "web.log").string(),
                                               {kSecond, kMorning + 1ms, Compression::none});
    REQUIRE(reader);
    CHECK(all_of(*reader) == "two\n");
}

TEST_CASE("files: a beginning of a compressed file is deleted though nothing is compressed now") {
    Desk desk;
    std::ofstream{desk.directory / (kFirst + ".gz.tmp")} << "half";
    const auto target = desk.open(desk.directory / "web.log", {.max_size_bytes = 3});
    desk.write(target, "1\n2\n");
    desk.until([&] { return desk.pool->compressed(); });
    CHECK(desk.names() == "web.log " + kFirst + " ");
}

TEST_CASE("files: what can't be compressed stays as it is, and is said") {
    Desk desk;
    // In the way of the temporary name.
    fs::create_directory(desk.directory / (kFirst + ".zst.tmp"));
    const auto target =
        desk.open(desk.directory / "web.log", {.max_size_bytes = 3, .compress = Compression::zstd});
    desk.write(target, "1\n2\n");
    desk.until([&] { return desk.pool->compressed(); });
    CHECK(target->outcome().compress_error == EISDIR);
    CHECK(content(desk.directory / kFirst) == "1\n");
    // It is tried again with the next one.
    fs::remove(desk.directory / (kFirst + ".zst.tmp"));
    desk.write(target, "3\n");
    desk.until([&] { return desk.pool->compressed(); });
    CHECK(desk.names() == "web.log " + kFirst + ".zst " + kSecond + ".zst ");
    CHECK(target->outcome().compress_error == 0);
}

TEST_CASE("files: a damaged or unfinished compressed file is an error, not an end") {
    Desk desk;
    const auto compression = GENERATE(Compression::gzip, Compression::zstd);
    const auto target =
        desk.open(desk.directory / "web.log", {.max_size_bytes = 50'000, .compress = compression});
    std::mt19937 random{1};
    std::string line;
    while (line.size() < 49'000) line += char('0' + random() % 75);
    desk.write(target, line + "\n");
    desk.write(target, line + "\n");
    desk.until([&] { return desk.pool->compressed(); });
    const auto files = rotated_files((desk.directory / "web.log").string());
    REQUIRE((files && files->size() == 1));
    const fs::path path = desk.directory / files->front().name;
    fs::resize_file(path, fs::file_size(path) - 100);
    auto reader =
        reeve::log::FileReader::open((desk.directory / "web.log").string(), files->front());
    REQUIRE(reader);
    std::array<char, 4096> room;
    auto size = reader->read(room);
    while (size && *size > 0) size = reader->read(room);
    REQUIRE_FALSE(size);
    CHECK(size.error().text() == "decompress " + path.string() + ": Bad message");
}

TEST_CASE("files: a deleted file is made anew") {
    Desk desk;
    const fs::path path = desk.directory / "logs" / "web.log";
    const auto target = desk.open(path);
    desk.write(target, "gone\n");
    fs::remove_all(desk.directory / "logs");
    desk.write(target, "here\n");
    CHECK(content(path) == "here\n");
}

TEST_CASE("files: one that was moved away is left within a second, at a line's end") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    const auto target = desk.open(path);
    desk.write(target, "1\nhalf a");
    fs::rename(path, desk.directory / "old.log");
    desk.write(target, " line,");
    CHECK_FALSE(fs::exists(path));
    desk.shared->monotonic = desk.shared->monotonic.load() + 1s;
    desk.write(target, " and more");
    CHECK(content(path) == "");
    desk.write(target, "\n3\nhalf");
    CHECK(content(desk.directory / "old.log") == "1\nhalf a line, and more\n");
    CHECK(content(path) == "3\nhalf");
}

TEST_CASE("files: a line whose beginning was deleted meanwhile still has its end somewhere") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    const auto target = desk.open(path);
    desk.write(target, "1\nhalf a");
    fs::rename(path, desk.directory / "old.log");
    target->want_reopen();
    desk.look(target);
    CHECK(content(path) == "");
    fs::remove(desk.directory / "old.log");
    desk.write(target, " line\n3\n");
    CHECK(content(path) == " line\n3\n");
}

TEST_CASE("files: one whose directory was moved or replaced is followed by its path") {
    Desk desk;
    const fs::path logs = desk.directory / "logs";
    const auto target = desk.open(logs / "web.log");
    desk.write(target, "1\n");
    fs::rename(logs, desk.directory / "moved");
    desk.shared->monotonic = desk.shared->monotonic.load() + 1s;
    desk.write(target, "2\n");
    CHECK(content(desk.directory / "moved" / "web.log") == "1\n");
    CHECK(content(logs / "web.log") == "2\n");
}

TEST_CASE("files: one that is moved just before it is rotated is not rotated") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    const auto target = desk.open(path, {.max_size_bytes = 3});
    desk.write(target, "1\n");
    fs::rename(path, desk.directory / "old.log");
    desk.write(target, "2\n");
    CHECK(desk.names() == "old.log web.log ");
    CHECK(content(desk.directory / "old.log") == "1\n");
    CHECK(content(path) == "2\n");
    CHECK(target->outcome().rotate_error == 0);
}

TEST_CASE("files: copied and truncated, a file goes on at its beginning") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    const auto target = desk.open(path, {.max_size_bytes = 10});
    desk.write(target, "12345678\n");
    fs::resize_file(path, 0);
    desk.write(target, "abc\n");
    desk.write(target, "def\n");
    CHECK(content(path) == "abc\ndef\n");
    CHECK(desk.names() == "web.log ");
}

TEST_CASE("files: what a link leads to is rotated where it lies") {
    Desk desk;
    fs::create_directory(desk.directory / "data");
    fs::create_symlink("data/real.log", desk.directory / "web.log");
    const auto target = desk.open(desk.directory / "web.log", {.max_size_bytes = 3});
    desk.write(target, "1\n2\n");
    CHECK(desk.names() == "data web.log ");
    CHECK(fs::is_symlink(desk.directory / "web.log"));
    CHECK(content(desk.directory / "data/real.log.20261122T101700.120Z") == "1\n");
    CHECK(content(desk.directory / "data/real.log") == "2\n");
}

TEST_CASE("files: no link is followed in another user's directory, also when rotating") {
    if (::geteuid() != 0) REEVE_SKIP("only root can make another user's directory");
    Desk desk;
    fs::create_directory(desk.directory / "theirs");
    const fs::path path = desk.directory / "theirs" / "web.log";
    const auto target = desk.open(path, {.max_size_bytes = 3, .keep = 5});
    desk.write(target, "1\n");
    REQUIRE(::chown((desk.directory / "theirs").c_str(), 1000, 1000) == 0);
    std::ofstream{desk.directory / "secret"} << "mine\n";
    fs::remove(path);
    fs::create_symlink("../secret", path);
    desk.write(target, "2\n");
    CHECK(target->outcome().open_error == ELOOP);
    CHECK(target->take_queued() == "2\n");
    fs::remove(path);
    desk.write(target, "3\n");
    // Nor is one compressed that has a rotated file's name.
    fs::create_symlink("../secret", desk.directory / "theirs" / kFirst);
    const auto other = desk.open(path, {.compress = Compression::zstd});
    desk.until([&] { return desk.pool->compressed(); });
    CHECK(other->outcome().compress_error == ELOOP);
    CHECK(content(desk.directory / "secret") == "mine\n");
    CHECK(content(path) == "3\n");
}

TEST_CASE("files: a FIFO that nobody reads holds up nobody, and is not rotated") {
    Desk desk;
    const fs::path fifo = desk.directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const auto stuck = desk.open(fifo, {.max_size_bytes = 3});
    CHECK(stuck->outcome().open_error == 0);
    const std::string lots(100'000, 'x');
    stuck->queue(lots);
    desk.pool->submit(stuck);

    const auto target = desk.open(desk.directory / "web.log");
    target->queue(std::string_view{"free\n"});
    desk.pool->submit(target);
    desk.until([&] { return target->queued() == 0; });
    CHECK(content(desk.directory / "web.log") == "free\n");
    CHECK(stuck->queued() == lots.size());

    const reeve::base::Fd reader{::open(fifo.c_str(), O_RDONLY | O_CLOEXEC)};
    std::string got(lots.size(), ' ');
    for (std::size_t size = 0; size < got.size();) {
        const ssize_t count = ::read(reader.get(), got.data() + size, got.size() - size);
        REQUIRE(count > 0);
        size += static_cast<std::size_t>(count);
    }
    CHECK((got == lots));
    desk.until([&] { return stuck->queued() == 0; });
    CHECK(desk.names() == "fifo web.log ");
}

TEST_CASE("files: a FIFO whose reader goes is no error") {
    Desk desk;
    const fs::path fifo = desk.directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const auto target = desk.open(fifo);
    reeve::base::Fd reader{::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    desk.write(target, "one\n");
    reader.reset();
    desk.write(target, "two\n");
    CHECK(target->outcome().write_error == 0);
    CHECK(target->queued() == 0);
    reader = reeve::base::Fd{::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    std::array<char, 100> room;
    const ssize_t size = ::read(reader.get(), room.data(), room.size());
    CHECK(std::string_view(room.data(), size > 0 ? std::size_t(size) : 0) == "one\ntwo\n");
}

TEST_CASE("files: a read-only disk is an error of the opening") {
    Desk desk;
    const fs::path disk = desk.directory / "disk";
    fs::create_directory(disk);
    if (::mount("none", disk.c_str(), "tmpfs", MS_RDONLY, nullptr) != 0)
        REEVE_SKIP("no right to mount");
    const auto target = desk.open(disk / "web.log");
    desk.write(target, "1\n");
    const auto error = target->outcome().open_error;
    ::umount2(disk.c_str(), MNT_DETACH);
    CHECK(error == EROFS);
    CHECK(target->queued() == 2);
    desk.look(target);
    CHECK(target->outcome().open_error == 0);
    CHECK(content(disk / "web.log") == "1\n");
}

TEST_CASE(
    "files: moved, reopened, rotated and compressed at full speed, each line is whole, once") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    const auto target = std::make_shared<FileTarget>(
        path.string(), std::nullopt,
        Rotation{.max_size_bytes = 20'000, .keep = 100'000, .compress = Compression::zstd},
        std::weak_ptr<FileTarget::Listener>{});
    std::mt19937 random{11};
    constexpr int kLines = 30'000;
    std::string all;
    for (int line = 0; line < kLines; ++line) all += std::to_string(line) + " of many\n";

    // Whoever looks meanwhile sees all that was rotated before: nothing is missing from one look
    // to the next.
    std::atomic<bool> done{false};
    std::atomic<int> looks{0};
    std::string looker_says;
    std::thread looker{[&] {
        std::vector<WallTime> before;
        while (!done && looker_says.empty()) {
            const auto files = look_at_log(path.string());
            if (!files) continue;
            std::vector<WallTime> times;
            for (const RotatedFile& file : files->rotated) times.push_back(file.time);
            if (!std::is_sorted(times.begin(), times.end())) looker_says = "out of order";
            if (!std::includes(times.begin(), times.end(), before.begin(), before.end()))
                looker_says = "one is missing";
            before = times;
            ++looks;
        }
    }};

    int moved = 0;
    for (std::string_view rest = all; !rest.empty();) {
        const std::size_t count = std::min<std::size_t>(rest.size(), 1 + random() % 3000);
        target->queue(rest.substr(0, count));
        rest.remove_prefix(count);
        if (random() % 8 == 0) {
            std::error_code error;
            fs::rename(path, desk.directory / ("moved." + std::to_string(moved)), error);
            if (!error) ++moved;
            target->want_reopen();
        }
        desk.pool->submit(target);
        while (target->queued() > 20'000) std::this_thread::yield();
    }
    const auto limit = std::chrono::steady_clock::now() + 60s;
    while ((target->queued() > 0 || !desk.pool->compressed()) &&
           std::chrono::steady_clock::now() < limit)
        std::this_thread::sleep_for(1ms);
    done = true;
    looker.join();
    CHECK(looker_says == "");
    CHECK(looks > 0);
    CHECK(moved > 10);
    REQUIRE(target->written() == all.size());
    REQUIRE(desk.pool->compressed());

    std::vector<int> seen(kLines, 0);
    std::string wrong;
    const auto count_lines = [&](const std::string& text) {
        int before = -1;
        std::istringstream lines{text};
        for (std::string line; std::getline(lines, line);) {
            int number = -1;
            if (std::sscanf(line.c_str(), "%d", &number) != 1 || number <= before ||
                number >= kLines || line != std::to_string(number) + " of many") {
                wrong += line + "\n";
                continue;
            }
            before = number;
            ++seen[static_cast<std::size_t>(number)];
        }
        if (!text.empty() && !text.ends_with('\n')) wrong += "(cut)\n";
    };
    auto files = look_at_log(path.string());
    REQUIRE(files);
    CHECK(files->rotated.size() > 5);
    for (const RotatedFile& file : files->rotated) {
        auto reader = reeve::log::FileReader::open(path.string(), file);
        REQUIRE(reader);
        count_lines(all_of(*reader));
    }
    if (files->current) count_lines(all_of(*files->current));
    for (int index = 0; index < moved; ++index)
        count_lines(content(desk.directory / ("moved." + std::to_string(index))));
    CHECK(wrong == "");
    CHECK((seen == std::vector<int>(kLines, 1)));
}

TEST_CASE("files: a full disk takes what fits, and the rest exactly once when there is room") {
    Desk desk;
    const fs::path disk = desk.directory / "disk";
    fs::create_directory(disk);
    if (::mount("none", disk.c_str(), "tmpfs", 0, "size=64k") != 0)
        REEVE_SKIP("no right to mount a small disk");
    struct Unmount {
        fs::path path;
        ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
    } unmount{disk};

    const fs::path path = disk / "web.log";
    std::ofstream{disk / "ballast"} << std::string(48'000, 'x');
    const auto target = desk.open(path, {.max_size_bytes = 0});
    std::string lines;
    for (int number = 0; number < 5000; ++number) lines += std::to_string(number) + "\n";
    desk.write(target, lines.substr(0, 23'000));
    CHECK(target->outcome().write_error == ENOSPC);
    const auto fits = fs::file_size(path);
    CHECK(target->written() == fits);
    CHECK(fits > 10'000);
    desk.look(target);
    CHECK(fs::file_size(path) == fits);
    fs::remove(disk / "ballast");
    desk.write(target, lines.substr(23'000));
    CHECK(target->outcome().write_error == 0);
    CHECK((content(path) == lines));
}

TEST_CASE("files: without room for a compressed one the original stays") {
    Desk desk;
    const fs::path disk = desk.directory / "disk";
    fs::create_directory(disk);
    if (::mount("none", disk.c_str(), "tmpfs", 0, "size=64k") != 0)
        REEVE_SKIP("no right to mount a small disk");
    struct Unmount {
        fs::path path;
        ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
    } unmount{disk};

    std::mt19937 random{1};
    std::string line;
    while (line.size() < 45'000) line += char('0' + random() % 75);
    line += '\n';
    const auto target =
        desk.open(disk / "web.log", {.max_size_bytes = 45'500, .compress = Compression::gzip});
    desk.write(target, line);
    desk.write(target, "next\n");
    desk.write(target, std::string(999, 'x') + "\n");
    desk.until([&] { return desk.pool->compressed(); });
    CHECK(target->outcome().compress_error == ENOSPC);
    CHECK((content(disk / kFirst) == line + "next\n"));
    CHECK_FALSE(fs::exists(disk / (kFirst + ".gz")));
    CHECK_FALSE(fs::exists(disk / (kFirst + ".gz.tmp")));
}

TEST_CASE("files: a limit on the size of files is an error of the write, not the end") {
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    const auto target = desk.open(path);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    rlimit small = before;
    small.rlim_cur = 10;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    target->queue(std::string_view{"1234\n6789\nabcd\n"});
    desk.look(target);
    const auto error = target->outcome().write_error;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK(error == EFBIG);
    CHECK(content(path) == "1234\n6789\n");
    CHECK(target->written() == 10);
    CHECK(target->queued() == 5);
    desk.look(target);
    CHECK(content(path) == "1234\n6789\nabcd\n");
}

TEST_CASE("files: one that can't be rotated goes on, and is rotated when it can be") {
    if (::geteuid() != 0) REEVE_SKIP("only root can mount");
    Desk desk;
    const fs::path path = desk.directory / "web.log";
    std::ofstream{path};
    // A file that is a mount of its own can be written and not renamed, as in many a container.
    const fs::path other = desk.directory / "other.log";
    std::ofstream{other};
    if (::mount(other.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0)
        REEVE_SKIP("no right to mount");
    const auto target = desk.open(path, {.max_size_bytes = 3});
    desk.write(target, "1\n2\n3\n");
    const auto error = target->outcome().rotate_error;
    const std::string grown = content(path);
    ::umount2(path.c_str(), MNT_DETACH);
    CHECK(error == EBUSY);
    CHECK(grown == "1\n2\n3\n");
    CHECK(target->queued() == 0);
    desk.shared->monotonic = desk.shared->monotonic.load() + 1s;
    desk.write(target, "4\n5\n");
    CHECK(target->outcome().rotate_error == 0);
    CHECK(content(path) == "5\n");
    CHECK(content(desk.directory / kFirst) == "4\n");
}

TEST_CASE("files: the end does not wait for the compressor, and leaves nothing half done") {
    Desk desk;
    const auto target = desk.open(desk.directory / "web.log",
                                  {.max_size_bytes = 50'000'000, .compress = Compression::gzip});
    std::mt19937 random{1};
    std::string block;
    while (block.size() < 999'999) block += char('0' + random() % 75);
    block += '\n';
    for (int count = 0; count < 51; ++count) desk.write(target, block);
    CHECK_FALSE(desk.pool->compressed());
    const auto begin = std::chrono::steady_clock::now();
    const bool in_two_steps = GENERATE(true, false);
    if (in_two_steps) {
        desk.pool->stop_compressing();
        desk.until([&] { return desk.pool->compressed(); });
    }
    desk.pool.reset();
    CHECK(std::chrono::steady_clock::now() - begin < 1s);
    // The thread has the lowest priority: on a busy machine it outlives the pool for a while.
    desk.until([&] { return desk.names() == "web.log " + kFirst + " "; });
}

TEST_CASE("files: rotated ones are listed in order, each once") {
    Desk desk;
    for (const char* name :
         {"web.log", "web.log.20261122T101700.121Z", "web.log.20261122T101700.120Z.gz",
          "web.log.20261122T101700.122Z", "web.log.20261122T101700.122Z.zst",
          "web.log.20261122T101700.123Z.zst.tmp", "web.log.1", "other.log.20261122T101700.120Z"})
        std::ofstream{desk.directory / name};
    const auto files = rotated_files((desk.directory / "web.log").string());
    REQUIRE(files);
    std::string text;
    for (const RotatedFile& file : *files)
        text += file.name + " " + std::to_string((file.time - kMorning).count()) + "\n";
    CHECK(text ==
          "web.log.20261122T101700.120Z.gz 0\n"
          "web.log.20261122T101700.121Z 1\n"
          "web.log.20261122T101700.122Z 2\n");
    const auto none = rotated_files((desk.directory / "missing" / "web.log").string());
    REQUIRE_FALSE(none);
    CHECK(none.error().text() ==
          "open " + (desk.directory / "missing/web.log").string() + ": No such file or directory");
}

TEST_CASE(
    "files: what waits its turn is told from what a thread is at, and from what nobody takes") {
    Desk desk;
    const fs::path fifo = desk.directory / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const auto stuck = desk.open(fifo);
    CHECK_FALSE(desk.pool->is_queued(*stuck));
    const std::string lots(100'000, 'x');
    stuck->queue(lots);
    desk.pool->submit(stuck);

    // While these get on.
    const auto first = desk.open(desk.directory / "first");
    const auto second = desk.open(desk.directory / "second");
    desk.until([&] {
        desk.pool->submit(first);
        desk.pool->submit(second);
        return desk.pool->is_queued(*first) || desk.pool->is_queued(*second);
    });
    CHECK(desk.pool->has(*stuck));
    CHECK_FALSE(desk.pool->is_queued(*stuck));
    desk.until([&] { return !desk.pool->has(*first) && !desk.pool->has(*second); });

    const reeve::base::Fd reader{::open(fifo.c_str(), O_RDONLY | O_CLOEXEC)};
    std::string got(lots.size(), ' ');
    for (std::size_t size = 0; size < got.size();) {
        const ssize_t count = ::read(reader.get(), got.data() + size, got.size() - size);
        REQUIRE(count > 0);
        size += static_cast<std::size_t>(count);
    }
    desk.until([&] { return !desk.pool->has(*stuck); });
}
