#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>

#include "ctl/api/messages.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"
#include "tests/system/output_fixture.h"

// What `reevectl logs` gives that memory has long forgotten.
using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// Writes "NAME 1" to "NAME COUNT", a hundred bytes each, then waits to be killed.  With `pause` it
// rests a little every now and then: some seconds, at a rate that a busy machine's reader keeps up
// with.
std::string counter(const std::string& name, int count, bool pause = false) {
    return "[program." + name +
           "]\nshell = true\ncommand = '''exec awk 'BEGIN { for (i = 1; i <= " +
           std::to_string(count) + "; i++) { printf \"" + name + " %07d %085d\\n\", i, 0; " +
           (pause ? "if (i % 50 == 0) { fflush(); system(\"sleep 0.02\") }" : "") +
           " } fflush(); system(\"exec sleep 1000\") }' '''\n";
}

std::string to_file(const std::string& path, const std::string& more,
                    const std::string& max_size = "64KiB") {
    return "stdout = { file = \"" + path + "\", max_size = \"" + max_size + "\", keep = 100, " +
           more + " }\n";
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream all{text};
    for (std::string line; std::getline(all, line);) lines.push_back(line);
    return lines;
}

// That all of these are "NAME FIRST" to "NAME LAST", each once and in order.
void check_numbers(const std::vector<std::string>& lines, const std::string& name, int first,
                   int last) {
    int expected = first;
    for (const std::string& line : lines) {
        if (line.starts_with("---")) continue;
        if (!line.starts_with(name + " ")) FAIL("not its line: " << line.substr(0, 60));
        const int number = std::atoi(line.c_str() + name.size() + 1);
        if (number != expected) FAIL(name << ": " << number << " where " << expected << " was due");
        ++expected;
    }
    CHECK(expected == last + 1);
}

// Until the last line has come that far.
void wait_for_last(const Reeve& reeve, const std::string& name, int last) {
    std::ostringstream number;
    number << name << ' ' << std::string(7 - std::to_string(last).size(), '0') << last << ' ';
    wait_until(name + " has written all", [&] {
        return contains(reeve.ctl({"logs", name, "-n", "1"}).out, number.str());
    });
}

}  // namespace

TEST_CASE("all lines are there once and in order, over many rotated and compressed files") {
    constexpr int kLines = 16'000;
    const Directory directory;
    Reeve reeve{directory,
                counter("zst", kLines) + to_file(directory / "zst.log", "compress = \"zstd\"") +
                    counter("gz", kLines) +
                    to_file(directory / "gz.log", "compress = \"gzip\", format = \"text\"") +
                    counter("json", kLines) +
                    to_file(directory / "json.log", "compress = \"zstd\", format = \"json\"")};
    for (const std::string name : {"zst", "gz", "json"}) {
        CAPTURE(name);
        wait_for_last(reeve, name, kLines);
        // A file is closed between two writes, which are large where the reader comes late.
        CHECK(log_files(directory / (name + ".log")).size() > 2);
        check_numbers(lines_of(reeve.ctl({"logs", name, "-n", "all"}).out), name, 1, kLines);
        check_numbers(lines_of(reeve.ctl({"logs", name, "-n", "8100"}).out), name,
                      kLines - 8'100 + 1, kLines);
        check_numbers(lines_of(reeve.ctl({"logs", name, "-n", "1500"}).out), name,
                      kLines - 1500 + 1, kLines);
        CHECK(lines_of(reeve.ctl({"logs", name, "-n", "all", "-g", "0(05|15)000 "}).out).size() ==
              2);
    }
    // Of several together: the last of all of them, in the order of time.
    const auto merged = reeve.ctl({"logs", "-n", "30000", "--json"}).out;
    std::map<std::string, std::vector<std::string>> of;
    std::string before;
    std::size_t count = 0;
    for (const std::string& json : lines_of(merged)) {
        const auto line = reeve::api::from_json<reeve::api::LogLine>(json);
        REQUIRE(line);
        ++count;
        of[line->name].push_back(line->line);
        REQUIRE(line->time);
        // Of a raw file only the second is known.
        const std::string second = reeve::api::to_text(*line->time).substr(0, 19);
        if (line->name != "zst") {
            if (second < before) FAIL(second << " after " << before);
            before = second;
        }
        CHECK(line->run == 1);
    }
    CHECK(count == 30'000);
    for (const auto& [name, lines] : of)
        check_numbers(lines, name, kLines - static_cast<int>(lines.size()) + 1, kLines);
}

TEST_CASE("who follows from the beginning misses nothing where files end and the present begins") {
    constexpr int kLines = 10'000;
    const Directory directory;
    Reeve reeve{directory,
                counter("a", kLines, true) + to_file(directory / "a.log", "compress = \"zstd\"") +
                    counter("b", kLines, true) +
                    to_file(directory / "b.log", "compress = \"gzip\", format = \"text\"")};
    wait_until("there are rotated files",
               [&] { return log_files(directory / "a.log").size() > 5; });
    const auto following = reeve.start_ctl({"logs", "-f", "-n", "all", "--json"});
    wait_for_last(reeve, "a", kLines);
    wait_for_last(reeve, "b", kLines);
    wait_until("the follower has the last lines", [&] {
        const std::string out = following->out();
        return contains(out, "\"a 0010000 ") && contains(out, "\"b 0010000 ");
    });
    std::map<std::string, std::vector<std::string>> of;
    for (const std::string& json : lines_of(following->out())) {
        const auto line = reeve::api::from_json<reeve::api::LogLine>(json);
        REQUIRE(line);
        if (line->stream == "reeve") FAIL(line->line);
        of[line->name].push_back(line->line);
    }
    check_numbers(of["a"], "a", 1, kLines);
    check_numbers(of["b"], "b", 1, kLines);

    reeve.stop();
    CHECK(following->finish().code == 1);
    CHECK(contains(following->err(), "the connection has ended"));
}

TEST_CASE(
    "runs that memory has forgotten are asked for by number, and the marks are between them") {
    constexpr int kLines = 5'000;
    for (const std::string format : {"raw", "text", "json"}) {
        CAPTURE(format);
        const Directory directory;
        Reeve reeve{directory, counter("web", kLines) +
                                   to_file(directory / "web.log",
                                           "compress = \"zstd\", format = \"" + format + "\"")};
        wait_for_last(reeve, "web", kLines);
        for (int run = 2; run <= 3; ++run) {
            REQUIRE(reeve.ctl({"restart", "web"}).code == 0);
            wait_until("the run has written", [&] {
                const auto last = reeve.ctl({"logs", "web", "-n1", "--json"}).out;
                return contains(last, "\"run\":" + std::to_string(run)) &&
                       contains(last, "web 0005000 ");
            });
        }
        for (int run = 1; run <= 3; ++run) {
            check_numbers(
                lines_of(reeve.ctl({"logs", "web", "--run", std::to_string(run), "-n", "all"}).out),
                "web", 1, kLines);
        }
        const auto previous = lines_of(reeve.ctl({"logs", "web", "-p", "-n", "all"}).out);
        check_numbers(previous, "web", 1, kLines);

        std::vector<std::string> marks;
        for (const std::string& line : lines_of(reeve.ctl({"logs", "web", "-n", "all"}).out))
            if (line.starts_with("---")) marks.push_back(line);
        REQUIRE(marks.size() == 2);
        CHECK(marks[0].starts_with("--- web: run 1 ended: "));
        CHECK(contains(marks[0], "; run 2, pid "));
        CHECK(contains(marks[1], "; run 3, pid "));
    }
}

TEST_CASE("raw output is what the program wrote, byte for byte") {
    const Directory directory;
    // Random bytes: newlines, NULs and no UTF-8; the last line has no end.
    const std::string random = run({"head", "-c", "3000000", "/dev/urandom"}).out;
    directory.write("bytes", random + "no end");
    Reeve reeve{directory, "[program.web]\ncommand = [\"cat\", \"" + directory / "bytes" +
                               "\"]\ntype = \"task\"\nstdout = { file = \"" +
                               directory / "web.log" +
                               "\", max_size = \"300KiB\", keep = 100, compress = \"zstd\" }\n"};
    reeve.wait_for_state("web", "exited");
    wait_until("all of it is there", [&] {
        return contains(reeve.ctl({"logs", "web", "-n", "1"}).out, "no end");
    });
    const auto raw = reeve.ctl({"logs", "web", "-n", "all", "--raw"});
    CHECK(raw.code == 0);
    CHECK(raw.out.size() == random.size() + 6);
    CHECK((raw.out == random + "no end"));
}

TEST_CASE("what an earlier reeve wrote is there, before all that this one knows") {
    constexpr int kLines = 5'000;
    const Directory directory;
    const std::string config = counter("web", kLines) + "stdout = { file = \"" +
                               directory / "web.log" + "\", max_size = \"256KiB\", keep = 100 }\n";
    {
        Reeve reeve{directory, config};
        wait_for_last(reeve, "web", kLines);
        reeve.stop();
    }
    Reeve reeve{directory, config};
    std::vector<std::string> all;
    wait_until("all has been written again", [&] {
        all = lines_of(reeve.ctl({"logs", "web", "-n", "all", "--no-prefix"}).out);
        return all.size() >= 2 * kLines;
    });
    REQUIRE(all.size() == 2 * kLines);
    check_numbers({all.begin(), all.begin() + kLines}, "web", 1, kLines);
    check_numbers({all.begin() + kLines, all.end()}, "web", 1, kLines);
    // Nothing is known of the times of a raw file's lines that somebody else wrote.
    CHECK(
        reeve.ctl({"logs", "web", "-n", "all", "-t"}).out.starts_with("------------------------ "));
    // Run 1 of this one is not run 1 of the one before.
    check_numbers(lines_of(reeve.ctl({"logs", "web", "--run", "1", "-n", "all"}).out), "web", 1,
                  kLines);
}

TEST_CASE("times bound what is shown, in files too") {
    constexpr int kLines = 5'000;
    const Directory directory;
    Reeve reeve{directory,
                counter("web", kLines) +
                    to_file(directory / "web.log", "compress = \"gzip\", format = \"json\"")};
    wait_for_last(reeve, "web", kLines);
    const auto all = lines_of(reeve.ctl({"logs", "web", "-n", "all", "-t", "--no-prefix"}).out);
    REQUIRE(all.size() == kLines);
    const std::string early = all[kLines / 3].substr(0, 24);
    const std::string late = all[kLines / 2].substr(0, 24);
    std::vector<std::string> between;
    for (const std::string& line : all) {
        const std::string time = line.substr(0, 24);
        if (time >= early && time <= late) between.push_back(line);
    }
    const auto shown =
        lines_of(reeve.ctl({"logs", "web", "-S", early, "-U", late, "-t", "--no-prefix"}).out);
    CAPTURE(early, late, shown.size(), between.size());
    CHECK((shown == between));
    std::vector<std::string> last{between.end() - 50, between.end()};
    CHECK((lines_of(reeve.ctl({"logs", "web", "-S", early, "-U", late, "-t", "--no-prefix", "-n50"})
                        .out) == last));
    CHECK(reeve.ctl({"logs", "web", "-U", "1h"}).out.empty());
}

TEST_CASE("a FIFO in the place of a rotated file holds nobody up, and is said") {
    constexpr int kLines = 10'000;
    const Directory directory;
    Reeve reeve{directory,
                counter("web", kLines) + to_file(directory / "web.log", "compress = \"none\"")};
    wait_for_last(reeve, "web", kLines);
    const std::string fifo = directory / "web.log.20200101T000000.000Z";
    REQUIRE(mkfifo(fifo.c_str(), 0644) == 0);
    const auto all = lines_of(reeve.ctl({"logs", "web", "-n", "all"}).out);
    REQUIRE(all.size() > 1);
    CHECK(all.front() ==
          "--- web: open " + fifo + ": Illegal seek: what was in it is missing here ---");
    check_numbers(all, "web", 1, kLines);
}

TEST_CASE("what logrotate moves and compresses stays in the history, each line once") {
    const Directory directory;
    const std::string file = directory / "web.log";
    Reeve reeve{directory, counter("web", 5'000) + "stdout = \"" + file + "\"\n"};
    wait_for_last(reeve, "web", 5'000);
    const auto check_all = [&](int runs) {
        const auto all = lines_of(reeve.ctl({"logs", "web", "-n", "all"}).out);
        CHECK(static_cast<int>(all.size()) == 5'001 * runs - 1);
        for (int run = 1; run <= runs; ++run)
            check_numbers(
                lines_of(reeve.ctl({"logs", "web", "-n", "all", "--run", std::to_string(run)}).out),
                "web", 1, 5'000);
    };
    check_all(1);
    std::filesystem::rename(file, directory / "web.log.1");
    check_all(1);  // not reopened yet
    reeve.signal(SIGUSR1);
    wait_until("there is a new file", [&] { return std::filesystem::exists(file); });
    check_all(1);
    REQUIRE(run({"gzip", directory / "web.log.1"}).code == 0);
    check_all(1);
    REQUIRE(reeve.ctl({"restart", "web"}).code == 0);
    wait_until("the new run is in the new file",
               [&] { return contains(read_file(file), "web 0005000 "); });
    check_all(2);
    std::filesystem::rename(directory / "web.log.1.gz", directory / "web.log.2.gz");
    std::filesystem::rename(file, directory / "web.log.1");
    reeve.signal(SIGUSR1);
    wait_until("there is a new file", [&] { return std::filesystem::exists(file); });
    check_all(2);
    // The same file once more.
    reeve.signal(SIGUSR1);
    REQUIRE(reeve.ctl({"restart", "web"}).code == 0);
    wait_until("the new run is in the new file",
               [&] { return contains(read_file(file), "web 0005000 "); });
    check_all(3);
}

TEST_CASE("when a log file is emptied or gone, memory has what it no longer has, and says so") {
    for (const std::string how : {"away", "remove", "truncate", "copytruncate"}) {
        CAPTURE(how);
        const Directory directory;
        const std::string file = directory / "web.log";
        Reeve reeve{directory, counter("web", 5'000) + "stdout = \"" + file + "\"\n"};
        wait_for_last(reeve, "web", 5'000);
        check_numbers(lines_of(reeve.ctl({"logs", "web", "-n", "all"}).out), "web", 1, 5'000);
        if (how == "away") {
            std::filesystem::create_directory(directory / "old");
            std::filesystem::rename(file, directory / "old/web.log");
            reeve.signal(SIGUSR1);
            wait_until("there is a new file", [&] { return std::filesystem::exists(file); });
        }
        if (how == "copytruncate") std::filesystem::copy_file(file, directory / "web.log.1");
        if (how == "remove") std::filesystem::remove(file);
        if (how.ends_with("truncate")) std::filesystem::resize_file(file, 0);
        auto left = lines_of(reeve.ctl({"logs", "web", "-n", "all"}).out);
        CHECK(left.size() > 600);
        CHECK(
            left.front() ==
            "--- web: " + file +
                " lacks lines (it was moved, emptied or could not be written): only what memory "
                "has is shown" +
                (how == "copytruncate" ? "; older ones may be in " + directory / "web.log.1" : "") +
                " ---");
        check_numbers(left, "web", 5'000 - static_cast<int>(left.size()) + 2, 5'000);
        REQUIRE(reeve.ctl({"restart", "web"}).code == 0);
        wait_until("the new run is in the new file", [&] {
            return contains(reeve.ctl({"logs", "web", "-n", "1", "--json"}).out, "\"run\":2") &&
                   contains(read_file(file), "web 0005000 ");
        });
        left = lines_of(reeve.ctl({"logs", "web", "-n", "all", "--run", "2"}).out);
        check_numbers(left, "web", 1, 5'000);
    }
}

TEST_CASE("that older files were taken away by keep is no loss to speak of") {
    const Directory directory;
    // Not at one go: each write goes to one file.
    Reeve reeve{directory, counter("web", 5'000, true) + "stdout = { file = \"" +
                               directory / "web.log" + "\", max_size = \"4KiB\", keep = 1 }\n"};
    wait_for_last(reeve, "web", 5'000);
    // What its files have is less than memory has.
    const auto left = lines_of(reeve.ctl({"logs", "web", "-n", "all"}).out);
    CHECK(left.size() > 600);
    CHECK_FALSE(left.front().starts_with("---"));
    check_numbers(left, "web", 5'000 - static_cast<int>(left.size()) + 1, 5'000);
}

TEST_CASE("where older lines are that no file has is said") {
    const Directory directory;
    directory.write("no-directory", "");
    const std::string away = directory / "no-directory/web.log";
    Reeve reeve{directory,
                counter("web", 5'000) + "stdout = \"" + away + "\"\n" + counter("plain", 5'000)};
    for (const auto& [name, note] :
         {std::pair<std::string, std::string>{
              "web", away + " can't be opened: older lines went to reeve's own stderr"},
          {"plain",
           "older lines went to reeve's own stdout; of each stream the last 64 KiB are kept "
           "here"}}) {
        wait_for_last(reeve, name, 5'000);
        const auto all = lines_of(reeve.ctl({"logs", name, "-n", "all"}).out);
        REQUIRE(all.size() > 600);
        CHECK(all.front() == "--- " + name + ": " + note + " ---");
        // Memory has as much as is asked for.
        CHECK(lines_of(reeve.ctl({"logs", name, "-n", "600"}).out).size() == 600);
        const auto raw = reeve.ctl({"logs", name, "-n", "all", "--raw"});
        CHECK(raw.err == "reevectl: " + name + ": " + note + "\n");
        check_numbers(lines_of(raw.out), name, 5'002 - static_cast<int>(all.size()), 5'000);
    }
}

TEST_CASE("a disk that hangs keeps nobody from what memory has") {
    if (!am_root() || ::access("/dev/fuse", R_OK | W_OK) != 0)
        REEVE_SKIP("needs root and /dev/fuse");
    const Directory directory;
    std::filesystem::create_directory(directory / "disk");
    const std::string hang = directory / "hang";
    ReeveOptions options;
    options.before = {REEVE_HANGFS_PROGRAM, directory / "disk", hang};
    Reeve reeve{directory, counter("web", 5'000) + "stdout = \"disk/web.log\"\n", options};
    wait_for_last(reeve, "web", 5'000);
    wait_until("all of it is in the file", [&] {
        std::error_code none;
        return std::filesystem::file_size(seen_by(reeve, directory / "disk/web.log"), none) ==
               5'000 * 98;
    });
    // The kernel lets nobody end who waits for such a disk, so it comes back however this ends.
    const std::shared_ptr<void> comes_back{nullptr, [&](void*) { std::filesystem::remove(hang); }};
    directory.write("hang", "");
    const auto following = reeve.start_ctl({"logs", "-f", "-n", "all"});
    const auto all = lines_of(reeve.ctl({"logs", "-n", "all"}).out);
    REQUIRE(all.size() > 600);
    CHECK(all.front() ==
          "--- web: log files could not be read for 5 seconds: only what memory has is shown ---");
    CHECK(all.back().starts_with("web 0005000 "));
    following->wait_for_output("web 0005000 ");
    // As quick as ever.
    CHECK(lines_of(reeve.ctl({"logs", "-n", "10"}).out).size() == 10);
    std::filesystem::remove(hang);
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    following->wait_for_output("run 2");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a raw file that several streams share is not asked, and that is said once") {
    const Directory directory;
    const std::string out = "stdout = \"" + directory / "both.log" + "\"\n";
    Reeve reeve{directory, counter("a", 5'000) + out + counter("b", 5'000) + out};
    wait_for_last(reeve, "a", 5'000);
    wait_for_last(reeve, "b", 5'000);
    const auto all = lines_of(reeve.ctl({"logs", "a", "-n", "all"}).out);
    REQUIRE(all.size() > 600);
    CHECK(all.size() < 2'000);
    CHECK(all.front() == "--- a: there may be older lines in " + directory / "both.log" +
                             ", into which others write as well: in format \"raw\" they can't be "
                             "told apart ---");
    CHECK(std::count_if(all.begin(), all.end(),
                        [](const std::string& line) { return line.starts_with("---"); }) == 1);

    // With names in it, it is.
    const Directory other;
    const std::string text =
        "stdout = { file = \"" + other / "both.log" + "\", format = \"text\" }\n";
    Reeve second{other, counter("a", 5'000) + text + counter("b", 5'000) + text};
    wait_for_last(second, "a", 5'000);
    wait_for_last(second, "b", 5'000);
    check_numbers(lines_of(second.ctl({"logs", "a", "-n", "all"}).out), "a", 1, 5'000);
    check_numbers(lines_of(second.ctl({"logs", "b", "-n", "3000"}).out), "b", 2'001, 5'000);
    CHECK(lines_of(second.ctl({"logs", "-n", "all", "--no-prefix"}).out).size() == 10'000);
}

TEST_CASE("reeve's own log is asked for like the others, and followed") {
    const Directory directory;
    Reeve reeve{directory, "[program.web]\ncommand = [\"sleep\", \"1000\"]\n"};
    reeve.wait_for_state("web", "running");
    const auto own = reeve.ctl({"logs", "--reeve"});
    CHECK(own.code == 0);
    CHECK(contains(own.out, "web: "));
    CHECK(lines_of(reeve.ctl({"logs", "--reeve", "-n", "1"}).out).size() == 1);
    const auto following = reeve.start_ctl({"logs", "--reeve", "-f", "-n", "0"});
    wait_until("it follows", [&] {
        reeve.ctl({"restart", "web"});
        return contains(following->out(), "web: ");
    });
    CHECK(reeve.get("/v1/logs?lines=few").status == 400);
    CHECK(reeve.get("/v1/logs?run=1").status == 400);
}
