#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"
#include "tests/system/output_fixture.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// `stuck` writes as much as is taken to the place that stalls, `other` does so elsewhere, `crash`
// ends again and again and leaves orphans, and `web` lives.
std::string toml_of(const Directory& directory, const std::string& output,
                    const std::string& lines = "") {
    std::filesystem::create_directory(directory / "notes");
    const std::string scribe =
        "[\"" REEVE_SCRIBE_PROGRAM "\", \"" + directory / "notes" + "\", \"0\"";
    return R"(
[supervisor]
stop_timeout = "6s"

[defaults]
restart = "always"
restart_delay = "1ms"
restart_delay_max = "1ms"
stop_timeout = "2s"

[program.stuck]
command = )" +
           scribe + (lines.empty() ? "" : ", \"" + lines + "\"") + "]\nstdout = " + output + R"(

[program.other]
command = [")" REEVE_SCRIBE_PROGRAM R"(", ")" +
           directory / "notes" + R"(", "3000000"]
stdout = { file = "other.log", max_size = "1MiB", keep = 1000 }

[program.crash]
shell = true
command = "(true &); exit 1"
max_failures = 0

[program.web]
command = "sleep 1000"
)";
}

std::uint64_t taken_of(const Directory& directory, const std::string& program) {
    return taken(directory / "notes", program);
}

void wait_until_stuck(const Directory& directory) {
    auto last = taken_of(directory, "stuck");
    auto since = Clock::now();
    wait_until("the writer waits", [&] {
        const auto now = taken_of(directory, "stuck");
        if (now != last || now == 0) {
            last = now;
            since = Clock::now();
        }
        return Clock::now() - since > (sanitized() ? 2s : 500ms);
    });
}

void check_that_life_goes_on(Reeve& reeve, const Directory& directory) {
    wait_until_stuck(directory);
    const auto stuck = taken_of(directory, "stuck");
    const auto other = taken_of(directory, "other");
    const auto runs = reeve.program("crash").run.value_or(0);
    const auto orphans = reeve.status().supervisor.reaped.orphans;
    wait_until("restarts, reaping and the others' output go on", [&] {
        return reeve.program("crash").run.value_or(0) > runs + 100 &&
               reeve.status().supervisor.reaped.orphans > orphans + 10 &&
               taken_of(directory, "other") > other + 4'000'000;
    });
    CHECK(log_files(directory / "other.log").size() > 2);

    const auto pid = reeve.program("web").pid.value();
    REQUIRE(::kill(static_cast<pid_t>(pid), SIGKILL) == 0);
    wait_until("web is back", [&] {
        const auto web = reeve.program("web");
        return web.state == "running" && web.pid != pid;
    });
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(reeve.ctl({"tree"}).code == 0);
    // What it wrote last is there, though its place has not got it; of the last line it may be a
    // letter.
    CHECK(contains(reeve.ctl({"logs", "stuck", "-n", "2"}).out, "stuck 1 "));
    reeve.signal(SIGUSR1);
    CHECK(reeve.program("stuck").state == "running");
    CHECK(taken_of(directory, "stuck") == stuck);
}

// All that the scribes wrote is where it belongs.
void check_log(const Directory& directory, const std::string& program,
               const std::vector<std::string>& files) {
    const auto reading = proofread(directory / "notes", "raw", {program}, files);
    INFO(reading.out);
    CHECK(reading.code == 0);
    CHECK(count_of(reading, "lines") > 100);
}

reeve::base::Fd listen_at(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    reeve::base::Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::chmod(path.c_str(), 0666);
    return socket;
}

// The datagrams that come, up to the one with the scribe's text.
std::string receive_until(int socket, const std::string& text) {
    std::string all;
    const timeval soon{0, 100'000};
    ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    const auto deadline = Clock::now() + patience();
    std::string buffer(256 * 1024, '\0');
    while (Clock::now() < deadline) {
        const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (got <= 0) continue;
        const std::string_view datagram{buffer.data(), static_cast<std::size_t>(got)};
        all.append(datagram).push_back('\n');
        if (contains(datagram, text)) break;
    }
    return all;
}

}  // namespace

TEST_CASE("a FIFO that nobody reads stalls nothing but its program, and loses nothing") {
    const Directory directory;
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0666) == 0);
    Reeve reeve{directory, toml_of(directory, "\"fifo\"")};
    check_that_life_goes_on(reeve, directory);

    SECTION("read, it goes on with the next byte") {
        const auto before = taken_of(directory, "stuck");
        const reeve::base::Fd file{
            ::open((directory / "read").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)};
        Command cat{{"cat", directory / "fifo"}, {.out = file.get()}};
        wait_until("the writer moves",
                   [&] { return taken_of(directory, "stuck") > before + 8'000'000; });
        CHECK(reeve.ctl({"stop", "stuck"}).code == 0);
        wait_until("all is read", [&] {
            return std::filesystem::file_size(directory / "read") >= taken_of(directory, "stuck") &&
                   read_file(directory / "read").ends_with('\n');
        });
        CHECK(reeve.stop() == 0);
        CHECK(cat.finish().code == 0);
        check_log(directory, "stuck", {directory / "read"});
    }
    SECTION("a stop of the writer and of reeve keeps its time") {
        const auto began = Clock::now();
        CHECK(reeve.ctl({"stop", "stuck"}).code == 0);
        CHECK(reeve.stop() == 0);
        CHECK(Clock::now() - began < (sanitized() ? 30s : 15s));
    }
    check_log(directory, "other", log_files(directory / "other.log"));
}

TEST_CASE("a disk that hangs stalls nothing but its program, and loses nothing") {
    if (!am_root() || ::access("/dev/fuse", R_OK | W_OK) != 0)
        REEVE_SKIP("needs root and /dev/fuse");
    const Directory directory;
    std::filesystem::create_directory(directory / "disk");
    const std::string hang = directory / "hang";
    ReeveOptions options;
    options.before = {REEVE_HANGFS_PROGRAM, directory / "disk", hang};
    Reeve reeve{directory, toml_of(directory, "\"disk/stuck.log\""), options};
    wait_until("it writes", [&] { return taken_of(directory, "stuck") > 1'000'000; });
    // The kernel lets nobody end who waits for such a disk, so it comes back however this ends.
    const std::shared_ptr<void> comes_back{nullptr, [&](void*) { std::filesystem::remove(hang); }};
    directory.write("hang", "");
    check_that_life_goes_on(reeve, directory);

    SECTION("it goes on where it was when the disk comes back") {
        const auto before = taken_of(directory, "stuck");
        std::filesystem::remove(hang);
        wait_until("the writer moves",
                   [&] { return taken_of(directory, "stuck") > before + 8'000'000; });
        CHECK(reeve.ctl({"stop", "stuck"}).code == 0);
        // Nothing but sizes is kept there.
        const auto size = [&] {
            std::uint64_t sum = 0;
            for (const auto& file : log_files(seen_by(reeve, directory / "disk/stuck.log")))
                sum += std::filesystem::file_size(file);
            return sum;
        };
        // A newline may be added behind the last line.
        wait_until("all is there", [&] { return size() >= taken_of(directory, "stuck"); });
    }
    SECTION("the writer can be stopped meanwhile") {
        const auto began = Clock::now();
        CHECK(reeve.ctl({"stop", "stuck"}).code == 0);
        CHECK(Clock::now() - began < (sanitized() ? 20s : 9s));
        CHECK(reeve.program("stuck").state == "stopped");
        CHECK(reeve.ctl({"restart", "web"}).code == 0);
    }
    std::filesystem::remove(hang);
    CHECK(reeve.stop() == 0);
    check_log(directory, "other", log_files(directory / "other.log"));
}

TEST_CASE("a syslog that takes nothing stalls nothing but its program, and loses nothing") {
    const Directory directory;
    const auto words = in_mount_namespace(with_dev_log(directory, directory / "log"));
    if (words.empty()) REEVE_SKIP(kNoNamespace);
    const auto socket = listen_at(directory / "log");
    Reeve reeve{directory, toml_of(directory, "\"syslog\""), {.before = words}};
    check_that_life_goes_on(reeve, directory);

    const auto all = receive_until(socket.get(), " stuck 1 2000 ");
    std::size_t at = 0;
    for (int line = 0; line <= 2000; ++line) {
        const auto found = all.find("] stuck 1 " + std::to_string(line) + " ", at);
        CAPTURE(line);
        REQUIRE(found != std::string::npos);
        at = found;
    }
    CHECK(reeve.ctl({"stop", "stuck"}).code == 0);
    CHECK(reeve.stop() == 0);
    check_log(directory, "other", log_files(directory / "other.log"));
}

TEST_CASE("a journal that takes nothing stalls nothing but its program, and loses nothing") {
    const Directory directory;
    std::filesystem::create_directories(directory / "run/systemd/journal");
    const auto words = in_mount_namespace("mount --bind '" + directory / "run" + "' /run");
    if (words.empty()) REEVE_SKIP(kNoNamespace);
    const auto socket = listen_at(directory / "run/systemd/journal/socket");
    Reeve reeve{directory, toml_of(directory, "\"journal\""), {.before = words}};
    check_that_life_goes_on(reeve, directory);

    const auto all = receive_until(socket.get(), "MESSAGE=stuck 1 2000 ");
    std::size_t at = 0;
    for (int line = 0; line <= 2000; ++line) {
        const auto found = all.find("MESSAGE=stuck 1 " + std::to_string(line) + " ", at);
        CAPTURE(line);
        REQUIRE(found != std::string::npos);
        at = found;
    }
    CHECK(contains(all, "REEVE_PROGRAM=stuck\n"));
    CHECK(reeve.ctl({"stop", "stuck"}).code == 0);
    CHECK(reeve.stop() == 0);
    check_log(directory, "other", log_files(directory / "other.log"));
}

TEST_CASE("a full disk keeps what fits, is said once, and loses nothing once there is room") {
    const Directory directory;
    std::filesystem::create_directory(directory / "disk");
    const auto words =
        in_mount_namespace("mount -t tmpfs -o size=512k none '" + directory / "disk" + "'");
    if (words.empty()) REEVE_SKIP(kNoNamespace);
    // As many as don't fill the larger disk too, however long the stop takes.
    Reeve reeve{directory, toml_of(directory, "\"disk/stuck.log\"", "120000"), {.before = words}};
    check_that_life_goes_on(reeve, directory);

    const std::string log = seen_by(reeve, directory / "disk/stuck.log");
    CHECK(std::filesystem::file_size(log) == 512 * 1024);
    reeve.wait_until_said("stuck: cannot write ");
    CAPTURE(reeve.err());
    CHECK(count(reeve.err(), "stuck: cannot write " + directory.path() + "/disk/stuck.log: ") == 1);
    CHECK(count(reeve.err(), "cannot write") == 1);

    const auto before = taken_of(directory, "stuck");
    REQUIRE(in_namespace_of(reeve, {"mount", "-o", "remount,size=64m", directory / "disk"}).code ==
            0);
    wait_until("the writer moves",
               [&] { return taken_of(directory, "stuck") > before + 4'000'000; });
    CHECK(reeve.ctl({"stop", "stuck"}).code == 0);
    // The newline too that is put behind a last line without one.
    wait_until("all is there", [&] {
        return std::filesystem::file_size(log) >= taken_of(directory, "stuck") &&
               read_file(log).ends_with('\n');
    });
    check_log(directory, "stuck", log_files(log));
    reeve.wait_until_said("is written again");
    CHECK(count(reeve.err(), "cannot write") == 1);
    CHECK(reeve.stop() == 0);
    check_log(directory, "other", log_files(directory / "other.log"));
}

TEST_CASE("with overflow = drop nobody waits for a full disk, and what is missing is counted") {
    const Directory directory;
    std::filesystem::create_directory(directory / "disk");
    const auto words =
        in_mount_namespace("mount -t tmpfs -o size=512k none '" + directory / "disk" + "'");
    if (words.empty()) REEVE_SKIP(kNoNamespace);
    constexpr std::uint64_t kLines = 60'000;
    Reeve reeve{directory,
                toml_of(directory, R"({ file = "disk/stuck.log", overflow = "drop" })",
                        std::to_string(kLines)),
                {.before = words}};
    // It comes to its end, and is not stuck then but idle.
    std::uint64_t last = 0;
    auto since = Clock::now();
    wait_until("all has been taken", [&] {
        const auto now = taken_of(directory, "stuck");
        if (now != std::exchange(last, now)) since = Clock::now();
        return now > 6'000'000 && Clock::now() - since > 1s;
    });
    REQUIRE(in_namespace_of(reeve, {"mount", "-o", "remount,size=64m", directory / "disk"}).code ==
            0);
    reeve.wait_until_said("is written again");
    const auto recovered = reeve.wait_for("stuck", "log.recovered");
    CHECK(reeve.ctl({"stop", "stuck"}).code == 0);

    const auto files = log_files(seen_by(reeve, directory / "disk/stuck.log"));
    const auto reading = proofread(directory / "notes", "gaps", {"stuck"}, files);
    // Where they are missing it is said.
    std::uint64_t marked = 0;
    const std::string history = reeve.ctl({"logs", "stuck", "-n", "all"}).out;
    for (auto at = history.find(" missing here ---"); at != std::string::npos;
         at = history.find(" missing here ---", at + 1)) {
        const std::string begin = "--- stuck: ";
        marked +=
            std::strtoull(history.c_str() + history.rfind(begin, at) + begin.size(), nullptr, 10);
    }
    CHECK(reeve.stop() == 0);
    INFO(reading.out << reeve.err());
    CHECK(reading.code == 0);
    CHECK(count_of(reading, "lines") > 1000);
    CHECK(count_of(reading, "cut") == 0);

    std::uint64_t dropped = 0;
    const std::string err = reeve.err();
    const std::string before = "stuck: ";
    for (auto at = err.find(" of its output dropped"); at != std::string::npos;
         at = err.find(" of its output dropped", at + 1)) {
        const auto begin = err.rfind(before, at) + before.size();
        dropped += std::strtoull(err.c_str() + begin, nullptr, 10);
    }
    CHECK(dropped + count_of(reading, "lines") == kLines);
    CHECK(marked == dropped);
    CHECK(number_of(recovered, "dropped_lines") == static_cast<std::int64_t>(dropped));
}
