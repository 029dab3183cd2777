#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

// [program.a], a task, with these keys from line 4 on.
std::string task(const std::string& keys) {
    return "[program.a]\ncommand = 'x'\ntype = 'task'\n" + keys + "\n";
}

std::string errors(const std::string& text) {
    return Files{text}.errors();
}

}  // namespace

TEST_CASE("a task has a schedule and an overlap") {
    const auto config = Files{task("schedule = '@daily'\noverlap = 'queue'")}.good();
    const Program& program = program_of(config, "a");
    REQUIRE(program.schedule);
    CHECK(format_schedule(*program.schedule) == "0 0 * * *");
    CHECK(program.overlap == Overlap::queue);
    CHECK(program.restart == RestartPolicy::never);

    const auto plain = Files{task("schedule = 'every 30s'\nrestart = 'on-failure'")}.good();
    CHECK(program_of(plain, "a").overlap == Overlap::skip);
    CHECK(program_of(plain, "a").schedule->interval() == std::chrono::seconds{30});
    CHECK_FALSE(program_of(Files{task("")}.good(), "a").schedule);
}

TEST_CASE("a schedule that cannot be read is said with its place, and what would be right") {
    CHECK(
        errors(task("schedule = '0 25 * * *'")) ==
        "reeve.toml:4:12: \"schedule\": \"25\" in the field of the hour is out of range (should be "
        "0 to 23)\n");
    CHECK(errors(task("schedule = '@reboot'")) ==
          "reeve.toml:4:12: \"schedule\": \"@reboot\" is not a schedule (remove it; with autostart "
          "= true it runs whenever reeve starts)\n");
    CHECK(errors(task("schedule = 30")) ==
          "reeve.toml:4:12: \"schedule\" is an integer (should be a string: \"30\")\n");
    CHECK(errors(task("schedule = '@daily'\noverlap = 'wait'")) ==
          "reeve.toml:5:11: \"overlap\" is \"wait\" (it can be \"skip\", \"queue\" or "
          "\"replace\")\n");
}

TEST_CASE("a schedule is for tasks, which it runs again and which never end for good") {
    CHECK(
        errors("[program.a]\ncommand = 'x'\nschedule = '@daily'\n") ==
        "reeve.toml:3:1: \"schedule\" is for type = \"task\" alone, and program \"a\" is a service "
        "(remove it, or set type = \"task\")\n");
    CHECK(errors("[program.a]\ncommand = 'x'\ntype = 'forking'\nschedule = '@daily'\n") ==
          "reeve.toml:4:1: \"schedule\" is for type = \"task\" alone, and program \"a\" has type = "
          "\"forking\" (remove it, or set type = \"task\")\n");
    CHECK(
        errors(task("schedule = '@daily'\nrestart = 'always'")) ==
        "reeve.toml:5:1: program \"a\" has a schedule and restart = \"always\" (its schedule runs "
        "it again; use \"never\", or \"on-failure\" to try a failed run again)\n");
    CHECK(errors(task("schedule = '@daily'\nessential = true")) ==
          "reeve.toml:5:1: program \"a\" has a schedule and essential = true (between its runs it "
          "waits, and never ends for good; remove essential)\n");
}

TEST_CASE("overlap is for those that have a schedule, and of [defaults] for those alone") {
    CHECK(errors(task("overlap = 'queue'")) ==
          "reeve.toml:4:1: \"overlap\" is for tasks with a schedule, and program \"a\" has none "
          "(remove it, or add a schedule such as \"@daily\")\n");
    const auto config = Files{"[defaults]\noverlap = 'replace'\n" + task("schedule = '@daily'") +
                              "[program.b]\ncommand = 'x'\n"}
                            .good();
    CHECK(program_of(config, "a").overlap == Overlap::replace);
}

TEST_CASE("nobody can depend on what runs on a schedule") {
    CHECK(
        errors(task("schedule = '@daily'") + "[program.b]\ncommand = 'x'\ndepends_on = ['a']\n") ==
        "reeve.toml:7:15: \"a\" runs on a schedule, and is never there to stay (depend on a task "
        "without one)\n");
}
