#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"
#include "tests/system/output_fixture.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// One program, which writes at a pace that the test can follow.
std::string toml_of(const Directory& directory, const std::string& output,
                    const std::string& bytes_per_second = "4000000",
                    const std::string& lines = "") {
    std::filesystem::create_directory(directory / "notes");
    return "[program.web]\ncommand = [\"" REEVE_SCRIBE_PROGRAM "\", \"" + directory / "notes" +
           "\", \"" + bytes_per_second + "\"" + (lines.empty() ? "" : ", \"" + lines + "\"") +
           "]\nstdout = " + output + "\n";
}

std::uint64_t taken_of(const Directory& directory) {
    return taken(directory / "notes", "web");
}

void wait_for_more(const Directory& directory, std::uint64_t bytes = 500'000) {
    const auto before = taken_of(directory);
    wait_until("the program writes", [&] { return taken_of(directory) > before + bytes; });
}

std::uint64_t size_of(const std::string& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    return error ? 0 : size;
}

void check_log(const Directory& directory, const std::vector<std::string>& files) {
    const auto reading = proofread(directory / "notes", "raw", {"web"}, files);
    INFO(reading.out);
    CHECK(reading.code == 0);
    CHECK(count_of(reading, "lines") > 100);
}

}  // namespace

TEST_CASE("a log file that is renamed is left at a line's end, and the next one is complete") {
    const Directory directory;
    Reeve reeve{directory, toml_of(directory, R"("logs/web.log")")};
    wait_for_more(directory);
    std::vector<std::string> files;
    for (int turn = 0; turn < 3; ++turn) {
        files.push_back(directory / ("logs/moved-" + std::to_string(turn)));
        std::filesystem::rename(directory / "logs/web.log", files.back());
        // Noticed by itself, or told.
        if (turn == 1) reeve.signal(SIGUSR1);
        wait_until("there is a new one", [&] { return size_of(directory / "logs/web.log") > 0; });
    }
    SECTION("a directory that is renamed is made again") {
        std::filesystem::rename(directory / "logs", directory / "older");
        for (auto& file : files) file.replace(file.find("/logs/"), 6, "/older/");
        files.push_back(directory / "older/web.log");
        wait_until("there is a new one", [&] { return size_of(directory / "logs/web.log") > 0; });
    }
    CHECK(reeve.stop() == 0);
    files.push_back(directory / "logs/web.log");
    check_log(directory, files);
}

TEST_CASE("a log file that is deleted is made anew, and its lines are those of the one before") {
    const Directory directory;
    Reeve reeve{directory, toml_of(directory, R"("logs/web.log")")};
    wait_for_more(directory);
    const reeve::base::Fd deleted{
        ::open((directory / "logs/web.log").c_str(), O_RDONLY | O_CLOEXEC)};
    REQUIRE(deleted);

    SECTION("the file") {
        std::filesystem::remove(directory / "logs/web.log");
    }
    SECTION("its directory with it") {
        std::filesystem::remove_all(directory / "logs");
    }

    wait_until("there is a new one", [&] { return size_of(directory / "logs/web.log") > 0; });
    wait_for_more(directory);
    CHECK(reeve.stop() == 0);
    // The end of the line that was on its way is where somebody can see it.
    directory.write("all", read_file("/proc/self/fd/" + std::to_string(deleted.get())) +
                               directory.read("logs/web.log"));
    check_log(directory, {directory / "all"});
}

TEST_CASE("logrotate with USR1 loses nothing") {
    if (!is_installed("logrotate")) REEVE_SKIP("logrotate is not installed");
    const Directory directory;
    Reeve reeve{directory, toml_of(directory, R"({ file = "logs/web.log", max_size = 0 })")};
    const std::string conf =
        directory.write("logrotate.conf", directory / "logs/web.log" +
                                              " {\n  rotate 1000\n  compress\n  delaycompress\n"
                                              "  postrotate\n    kill -USR1 " +
                                              std::to_string(reeve.pid()) + "\n  endscript\n}\n");
    constexpr int kTurns = 5;
    for (int turn = 0; turn < kTurns; ++turn) {
        wait_for_more(directory);
        const auto rotated = run({"logrotate", "--force", "--state", directory / "state", conf});
        CAPTURE(rotated.err);
        REQUIRE(rotated.code == 0);
        // Not compressed while the line that was on its way is not there.
        wait_until("there is a new one", [&] { return size_of(directory / "logs/web.log") > 0; });
    }
    CHECK(reeve.stop() == 0);
    std::vector<std::string> files;
    for (int number = kTurns; number > 0; --number) {
        files.push_back(directory /
                        ("logs/web.log." + std::to_string(number) + (number > 1 ? ".gz" : "")));
        CHECK(std::filesystem::exists(files.back()));
    }
    files.push_back(directory / "logs/web.log");
    check_log(directory, files);
}

TEST_CASE("after logrotate's copytruncate the file goes on at its beginning") {
    if (!is_installed("logrotate")) REEVE_SKIP("logrotate is not installed");
    const Directory directory;
    Reeve reeve{directory, toml_of(directory, R"({ file = "logs/web.log", max_size = 0 })")};
    const std::string conf = directory.write(
        "logrotate.conf", directory / "logs/web.log" + " {\n  rotate 5\n  copytruncate\n}\n");
    for (int turn = 0; turn < 3; ++turn) {
        wait_for_more(directory);
        REQUIRE(run({"logrotate", "--force", "--state", directory / "state", conf}).code == 0);
    }
    wait_for_more(directory);
    CHECK(reeve.stop() == 0);
    const std::string text = directory.read("logs/web.log");
    // No hole where the text was that has been cut off.
    CHECK(text.find('\0') == std::string::npos);
    CHECK(text.ends_with('\n'));
    CHECK(text.size() > 400'000);
}

TEST_CASE("where a log can't be made its lines go to stderr, until it can") {
    const Directory directory;
    std::filesystem::create_directory(directory / "disk");
    const auto words = in_mount_namespace("mount -t tmpfs -o ro none '" + directory / "disk" + "'");
    if (words.empty()) REEVE_SKIP(kNoNamespace);
    Reeve reeve{
        directory, toml_of(directory, R"("disk/logs/web.log")", "1000000"), {.before = words}};
    reeve.wait_until_said("web: cannot open " + directory / "disk/logs/web.log" + ": ");
    wait_for_more(directory);
    REQUIRE(in_namespace_of(reeve, {"mount", "-o", "remount,rw", directory / "disk"}).code == 0);
    const std::string log = seen_by(reeve, directory / "disk/logs/web.log");
    wait_until("it writes there", [&] { return size_of(log) > 100'000; });
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    wait_until("the last line is there", [&] { return read_file(log).ends_with('\n'); });
    directory.write("log", read_file(log));
    CHECK(reeve.stop() == 0);

    const std::string err = reeve.err();
    CHECK(count(err, "cannot open") == 1);
    CHECK(count(err, "is written again") == 1);
    std::string lines;
    for (std::size_t at = 0; at < err.size();) {
        const auto end = std::min(err.find('\n', at), err.size());
        const std::string line = err.substr(at, end - at);
        if (line.starts_with("web 1 ")) lines += line + "\n";
        at = end + 1;
    }
    directory.write("lines", lines);
    check_log(directory, {directory / "lines", directory / "log"});
}
