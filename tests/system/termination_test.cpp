#include <sys/stat.h>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

struct Ended {
    int code;
    std::string log;
};

Ended end_of(const Directory& directory, const std::string& toml, const std::string& file) {
    directory.write("reeve.toml",
                    toml + "\n[control]\nsocket = \"" + directory.path() + "/reeve.sock\"\n");
    const auto result = run({REEVE_PROGRAM, "--config", directory / "reeve.toml"},
                            {.environment = {{"REEVE_TERMINATION_LOG", file}}});
    CHECK(take_strangers().empty());
    return {result.code, result.err};
}

constexpr const char* kEssential = R"(
[program.main]
command = ["sh", "-c", "echo one; echo the database is gone >&2; exit 7"]
essential = true
restart = "never"
)";

}  // namespace

TEST_CASE("the termination log has name, reason, code and the last output of who ended reeve") {
    Directory directory;
    const std::string file = directory.write("termination", "");
    const auto ended = end_of(directory, kEssential, file);
    CHECK(ended.code == 7);
    CHECK(directory.read("termination") ==
          "essential program main: exit 7 (exit code 7)\nthe last output of main:\none\nthe "
          "database is gone\n");
    // And reeve's own log ends with it.
    const std::string last = ended.log.substr(ended.log.rfind('\n', ended.log.size() - 2) + 1);
    CHECK(contains(last, "reeve ends: essential program main: exit 7 (exit code 7)"));
}

TEST_CASE("a termination log that is no regular file, or is not there, keeps nobody") {
    Directory directory;
    CHECK(end_of(directory, kEssential, directory / "none").code == 7);
    CHECK(directory.read("none").empty());
    REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
    CHECK(end_of(directory, kEssential, directory / "pipe").code == 7);
}

TEST_CASE("the termination log says so when all has ended well") {
    Directory directory;
    const std::string file = directory.write("termination", "old");
    const auto ended = end_of(directory, R"(
[supervisor]
exit_on = ["all-done"]
[program.main]
type = "task"
command = "true"
)",
                              file);
    CHECK(ended.code == 0);
    CHECK(directory.read("termination") == "all programs have ended well (exit code 0)\n");
}

TEST_CASE("a reeve that does not come to start says why in the termination log") {
    Directory directory;
    const std::string file = directory.write("termination", "");
    const auto ended = end_of(directory, "[program.web]\ncomand = 'x'\n", file);
    CHECK(ended.code == 78);
    CHECK(contains(ended.log, "unknown key \"comand\""));
    CHECK(directory.read("termination") == "reeve did not start (exit code 78)\n" + ended.log);
    const auto nowhere = run({REEVE_PROGRAM, "--config", directory / "nowhere"},
                             {.environment = {{"REEVE_TERMINATION_LOG", file}}});
    CHECK(nowhere.code == 78);
    CHECK(directory.read("termination") == "reeve did not start (exit code 78)\n" + nowhere.err);
    // It is not for those who only look.
    directory.write("termination", "");
    CHECK(run({REEVE_PROGRAM, "--config", directory / "reeve.toml", "check"},
              {.environment = {{"REEVE_TERMINATION_LOG", file}}})
              .code == 1);
    CHECK(directory.read("termination").empty());
}

TEST_CASE("a second reeve leaves the termination log to the first") {
    Directory directory;
    const std::string file = directory.write("termination", "");
    Reeve first{directory, "[program.web]\ncommand = 'sleep 1000'\n"};
    const auto second = run({REEVE_PROGRAM, "--config", directory / "reeve.toml"},
                            {.environment = {{"REEVE_TERMINATION_LOG", file}}});
    CHECK(second.code == 71);
    CHECK(directory.read("termination").empty());
    CHECK(first.stop() == 0);
}
