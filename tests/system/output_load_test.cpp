#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"
#include "tests/system/output_fixture.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// A few seconds as part of all the tests; REEVE_LOAD_SECONDS=30 REEVE_LOAD_PROGRAMS=50 for long.
int from_environment(const char* name, int usual) {
    const char* text = ::getenv(name);
    return text ? std::max(1, std::atoi(text)) : usual;
}

int programs() {
    return from_environment("REEVE_LOAD_PROGRAMS", sanitized() ? 4 : 8);
}

std::chrono::seconds duration() {
    return std::chrono::seconds{from_environment("REEVE_LOAD_SECONDS", 3)};
}

// Whoever compresses has two cores at most, and is given what they can do.
struct Scribe {
    std::string name;
    std::string output;
    int bytes_per_second = 0;  // 0: all that is taken
};

std::string toml_of(const Directory& directory, const std::vector<Scribe>& scribes) {
    std::string toml = R"(
[supervisor]
log_level = "warn"
stop_timeout = "40s"

[defaults]
restart = "always"
restart_delay = "0s"
restart_delay_max = "0s"
max_failures = 0
healthy_after = "0s"
stop_timeout = "20s"
)";
    std::filesystem::create_directory(directory / "notes");
    for (const auto& scribe : scribes) {
        toml += "\n[program." + scribe.name + "]\ncommand = [\"" REEVE_SCRIBE_PROGRAM "\", \"" +
                directory / "notes" + "\", \"" + std::to_string(scribe.bytes_per_second) +
                "\"]\nstdout = " + scribe.output + "\n";
    }
    return toml;
}

// Kills, restarts and reopens at random while the readers follow.  Answers with how many ends that
// made.
int make_trouble(Reeve& reeve, const std::vector<Scribe>& scribes) {
    const reeve::base::Fd nowhere{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
    std::vector<std::unique_ptr<Command>> readers;
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"logs", "-f", scribes[0].name},
             {"logs", "-f", "-n", "0", "--json", scribes[1].name, scribes[2].name},
             {"logs", "-f", "-g", " 77 ", "--all"}}) {
        auto all = words;
        all.insert(all.begin(), {REEVECTL_PROGRAM, "--socket", reeve.socket()});
        readers.push_back(std::make_unique<Command>(
            all, CommandOptions{.out = nowhere.get(), .err = nowhere.get()}));
    }

    std::mt19937 dice{20261122};
    int ends = 0;
    const auto deadline = Clock::now() + duration();
    while (Clock::now() < deadline) {
        const auto& name = scribes[dice() % scribes.size()].name;
        switch (dice() % 8) {
            case 0:
                reeve.signal(SIGUSR1);
                break;
            case 1:
                CHECK(reeve.post("/v1/programs/" + name + "/restart", R"({"wait":false})").status <
                      300);
                ++ends;
                break;
            case 2:
                // Whole, whatever moment it is.
                CHECK(reeve.ctl({"logs", "-n", "5", name}).code == 0);
                break;
            default:
                CHECK(
                    reeve.post("/v1/programs/" + name + "/signal", R"({"signal":"KILL"})").status ==
                    200);
                ++ends;
                // The end of this one, or of one before it.
                reeve.wait_for(name, "program.exit");
        }
        // Between two of them the scribes write.
        std::this_thread::sleep_for(std::chrono::milliseconds{dice() % 60});
    }
    for (const auto& reader : readers) {
        CHECK_FALSE(reader->ends_within(0ms));
        reader->signal(SIGTERM);
    }
    return ends;
}

void check_nothing_was_dropped(const Reeve& reeve) {
    CAPTURE(reeve.err());
    CHECK_FALSE(contains(reeve.err(), "dropped"));
    CHECK_FALSE(contains(reeve.err(), "cannot"));
}

}  // namespace

TEST_CASE("under load every line is once and whole in rotated and compressed files") {
    const Directory directory{"/dev/shm"};
    std::vector<Scribe> scribes;
    for (int i = 0; i < programs(); ++i) {
        const std::string name = "w" + std::to_string(i);
        const bool zstd = i % 4 == 1;
        const bool gzip = i % 4 == 2;
        scribes.push_back({name,
                           "{ file = \"logs/" + name + "\", max_size = \"1MiB\", keep = 100000" +
                               (zstd   ? ", compress = \"zstd\" }"
                                : gzip ? ", compress = \"gzip\" }"
                                       : " }"),
                           zstd   ? 10'000'000
                           : gzip ? 3'000'000
                                  : 0});
    }
    int ends = 0;
    {
        Reeve reeve{directory, toml_of(directory, scribes)};
        ends = make_trouble(reeve, scribes);
        // One file after the other is compressed, while there is nothing better to do; what is
        // rotated from now on may stay as it is.
        for (const Scribe& scribe : scribes) {
            if (scribe.bytes_per_second == 0) continue;
            const std::string end = contains(scribe.output, "zstd") ? ".zst" : ".gz";
            const auto files = [&] { return log_files(directory / ("logs/" + scribe.name)); };
            if (files().size() <= 3) continue;
            wait_until("the oldest is compressed", [&] { return files().front().ends_with(end); });
        }
        CHECK(reeve.stop() == 0);
        check_nothing_was_dropped(reeve);
    }

    std::uint64_t runs = 0;
    for (const auto& [name, output, rate] : scribes) {
        const auto files = log_files(directory / ("logs/" + name));
        const auto reading = proofread(directory / "notes", "raw", {name}, files);
        INFO(name << ", " << files.size() << " files: " << reading.out);
        CHECK(reading.code == 0);
        runs += count_of(reading, "runs");
        CHECK(count_of(reading, "lines") > 100);
        for (const auto& file : files) {
            struct stat status {};
            REQUIRE(::stat(file.c_str(), &status) == 0);
            // A line that is on its way is not cut, whatever is left of its file.
            CHECK(status.st_size <= 1024 * 1024 + 64 * 1024);
        }
    }
    // Nearly every end was followed by a run that had time to write.
    CHECK(runs > static_cast<std::uint64_t>(ends) / 2);
}

TEST_CASE("under load no two lines are mixed on the way into one pipe") {
    const Directory directory{"/dev/shm"};
    std::vector<Scribe> scribes;
    std::vector<std::string> names;
    for (int i = 0; i < programs(); ++i) {
        names.push_back("w" + std::to_string(i));
        scribes.push_back({names.back(), R"("inherit")", 0});
    }
    auto pipe = reeve::base::make_pipe();
    REQUIRE(pipe);
    const reeve::base::Fd file{
        ::open((directory / "all").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)};
    const int read_end = pipe->read.get();
    Command cat{{"cat"}, {.out = file.get(), .in_child = [read_end] { ::dup2(read_end, 0); }}};
    {
        Reeve reeve{
            directory, toml_of(directory, scribes), {.command = {.out = pipe->write.get()}}};
        pipe->write.reset();
        make_trouble(reeve, scribes);
        CHECK(reeve.stop() == 0);
        check_nothing_was_dropped(reeve);
    }
    CHECK(cat.finish().code == 0);

    const auto reading = proofread(directory / "notes", "prefixed", names, {directory / "all"});
    INFO(reading.out);
    CHECK(reading.code == 0);
    CHECK(count_of(reading, "lines") > 1000);
}

TEST_CASE("under load no two lines are mixed on the way into one file") {
    const Directory directory{"/dev/shm"};
    std::vector<Scribe> scribes;
    std::vector<std::string> names;
    for (int i = 0; i < programs(); ++i) {
        names.push_back("w" + std::to_string(i));
        scribes.push_back({names.back(),
                           R"({ file = "logs/all", format = "text", max_size = "1MiB", )"
                           R"(keep = 100000 })",
                           0});
    }
    {
        Reeve reeve{directory, toml_of(directory, scribes)};
        make_trouble(reeve, scribes);
        CHECK(reeve.stop() == 0);
        check_nothing_was_dropped(reeve);
    }
    const auto files = log_files(directory / "logs/all");
    CHECK(files.size() > 2);
    const auto reading = proofread(directory / "notes", "text", names, files);
    INFO(reading.out);
    CHECK(reading.code == 0);
    CHECK(count_of(reading, "lines") > 1000);
}
