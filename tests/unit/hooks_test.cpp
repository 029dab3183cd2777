#include "supervisor/core/roster.h"
#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace std::chrono_literals;
using namespace reeve;
using core::Outcome;
using reeve::test::a_service;
using reeve::test::kOperator;
using reeve::test::Rostered;

namespace {

using Lines = std::vector<std::string>;

conf::Command command(const std::string& word) {
    return {.words = {word, "x"}, .text = word + " x"};
}

conf::Program with_hooks(const std::string& name) {
    conf::Program program = a_service(name);
    program.hooks = {{.start_pre = {command("mkdir"), command("chown")},
                      .stop_post = {command("rm")},
                      .stop_command = command("quit"),
                      .reload_command = command("reload")}};
    return program;
}

const core::CommandEnd kWell{.ok = true};
core::CommandEnd fails(const std::string& last_line = "") {
    return {.how = "exit 1", .last_line = last_line};
}

}  // namespace

TEST_CASE("hooks are run around a run, one command after the other") {
    Rostered it{{with_hooks("web")}};
    it.roster->start(it["web"], kOperator);
    CHECK(it.host.asked() == Lines{"run 1 mkdir x for web"});
    CHECK(it.note("web") == "runs start_pre 1 of 2 (mkdir x)");
    it.roster->on_command_ended(1, kWell);
    CHECK(it.host.asked() == Lines{"run 2 chown x for web"});
    CHECK(it.note("web") == "runs start_pre 2 of 2 (chown x)");
    it.roster->on_command_ended(2, kWell);
    CHECK(it.host.asked() == Lines{"spawn web"});
    it.runs(1);
    CHECK(it.state("web") == "running");

    it.roster->stop(it["web"], kOperator);
    CHECK(it.host.asked() == Lines{"run 3 quit x for web of pid 101"});
    it.roster->on_command_ended(3, kWell);
    it.exits(1, 0);
    CHECK(it.host.asked() == Lines{"check 1"});
    it.roster->on_emptied(1);
    CHECK(it.host.asked() == Lines{"run 4 rm x for web"});
    CHECK(it.state("web") == "stopping");
    CHECK(it.note("web") == "waits for stop_post (rm x); kill in 5s");
    it.roster->on_command_ended(4, kWell);
    CHECK(it.host.asked() == Lines{"forget 1"});
    CHECK(it.state("web") == "stopped");
    CHECK(it["web"].run_number() == 1);
}

TEST_CASE("start_pre that fails is a failed start that names its stage") {
    Rostered it{{with_hooks("web")}};
    it.roster->start(it["web"], kOperator);
    it.roster->on_command_ended(1, kWell);
    it.told();
    it.roster->on_command_ended(2, fails("chown: invalid user"));
    it.roster->on_command_ended(3, kWell);
    CHECK(it.host.asked() == Lines{"run 1 mkdir x for web", "run 2 chown x for web",
                                   "run 3 rm x for web", "forget 1"});
    CHECK(it.note("web") ==
          "start_pre 2 of 2 (chown x): exit 1: chown: invalid user; next try in 1s");
    CHECK(it["web"].last_exits().back().reason ==
          "start_pre 2 of 2 (chown x): exit 1: chown: invalid user");
    CHECK(it["web"].last_exits().back().status == std::nullopt);
    CHECK(it["web"].last_exits().back().run == 1);
}

TEST_CASE("what start_pre wrote last is told once, though it is the last line of the output too") {
    conf::Program program = with_hooks("web");
    program.restart = conf::RestartPolicy::never;
    program.start_timeout = 2s;
    Rostered it{{program}};
    it.roster->start(it["web"], kOperator);
    SECTION("it fails") {
        it.roster->on_command_ended(1, fails("test failed"));
        it.roster->on_command_ended(2, kWell);
        it.roster->set_last_words(0, 1, "test failed");
        CHECK(it.note("web") == "start_pre 1 of 2 (mkdir x): exit 1: test failed");
    }
    SECTION("it takes too long") {
        it.pass(2s);
        it.roster->on_command_ended(1, fails("still at it"));
        it.roster->on_command_ended(2, kWell);
        it.roster->set_last_words(0, 1, "still at it");
        CHECK(it.note("web") == "start_pre 1 of 2 (mkdir x): not done within 2s: still at it");
    }
    CHECK(it.state("web") == "failed");
}

TEST_CASE("start_pre for which there is no room is no run, and tried again") {
    Rostered it{{with_hooks("web")}};
    it.roster->start(it["web"], kOperator);
    it.roster->on_command_ended(1, {.how = "clone mkdir: no room", .no_room = true});
    CHECK(it.state("web") == "waiting");
    CHECK(it.note("web") == "start_pre 1 of 2 (mkdir x): clone mkdir: no room; next try in 100ms");
    CHECK(it["web"].last_exits().empty());
    it.pass(100ms);
    CHECK(it.state("web") == "starting");
    CHECK(it["web"].run_number() == 1);
}

TEST_CASE("a stop while start_pre runs kills it, begins no other, and is told as what it is") {
    Rostered it{{with_hooks("web")}};
    it.roster->start(it["web"], kOperator);
    it.host.asked();
    it.roster->stop(it["web"], kOperator);
    CHECK(it.host.asked() == Lines{"kill command 1"});
    CHECK(it.note("web") == "kills start_pre 1 of 2 (mkdir x)");
    // It had just ended.
    it.roster->on_command_ended(1, kWell);
    CHECK(it.host.asked() == Lines{"run 2 rm x for web"});
    it.roster->on_command_ended(2, kWell);
    CHECK(it.state("web") == "stopped");
    CHECK(it["web"].last_exits().back().reason == "stopped before it was started");
}

TEST_CASE("stop_post that fails is said, and changes nothing") {
    Rostered it{{with_hooks("web")}};
    it.roster->start(it["web"], kOperator);
    it.roster->on_command_ended(1, kWell);
    it.roster->on_command_ended(2, kWell);
    it.runs(1);
    it.ends(1, 0);
    it.told();
    it.roster->on_command_ended(3, fails("rm: no"));
    CHECK(it.told() == Lines{"web: stop_post (rm x): exit 1: rm: no",
                             "web: exited: exit 0; stop_post (rm x): exit 1: rm: no"});
    CHECK(it["web"].machine().last_ending()->success);
    it.roster->start(it["web"], kOperator);
    CHECK(it.note("web") == "runs start_pre 1 of 2 (mkdir x)");
}

TEST_CASE("stop_command that fails makes way for the signals, and is said while it matters") {
    Rostered it{{with_hooks("web")}};
    it.roster->start(it["web"], kOperator);
    it.roster->on_command_ended(1, kWell);
    it.roster->on_command_ended(2, kWell);
    it.runs(1);
    it.roster->stop(it["web"], kOperator);
    it.host.asked();
    it.told();
    SECTION("it fails") {
        it.roster->on_command_ended(3, fails());
        CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
        CHECK(it.told() == Lines{"web: stop_command (quit x): exit 1"});
    }
    SECTION("it hangs") {
        it.pass(10s);
        CHECK(it.host.asked() == Lines{"kill command 3", "signal 1 SIGTERM to main"});
        it.roster->on_command_ended(3, {.how = "killed by SIGKILL", .last_line = "asking"});
        CHECK(it.told() == Lines{"web: stop_command (quit x): not done within 10s: asking"});
    }
    SECTION("it loses the one that it speaks with") {
        it.exits(1, 0);
        it.told();
        it.roster->on_command_ended(3, fails("connection lost"));
        CHECK(it.told().empty());
    }
}

TEST_CASE("reload runs its command beside the program, once at a time, and tells how it went") {
    Rostered it{{with_hooks("web")}};
    std::vector<Outcome> told;
    const auto reload = [&] {
        return it.roster->reload(it["web"], kOperator,
                                 [&](const Outcome& outcome) { told.push_back(outcome); });
    };
    CHECK(reload()->message == "is stopped, and has nothing to reload");
    it.roster->start(it["web"], kOperator);
    it.roster->on_command_ended(1, kWell);
    it.roster->on_command_ended(2, kWell);
    it.runs(1);
    it.host.asked();

    CHECK_FALSE(reload());
    CHECK(it.host.asked() == Lines{"run 3 reload x for web of pid 101 within 90s"});
    CHECK(reload()->message == "is being reloaded already");
    it.roster->on_command_ended(3, kWell);
    REQUIRE(told.size() == 1);
    CHECK(told[0].ok);

    CHECK_FALSE(reload());
    it.told();
    it.roster->on_command_ended(4, fails("syntax error"));
    CHECK_FALSE(told[1].ok);
    CHECK(told[1].message == "reload_command (reload x): exit 1: syntax error");
    CHECK(it.told() == Lines{"web: reload_command (reload x): exit 1: syntax error"});
    CHECK(it.note("web") == "reload_command (reload x): exit 1: syntax error");

    // Nothing is left of a run while its reload runs.
    CHECK_FALSE(reload());
    it.host.asked();
    it.exits(1, 3);
    CHECK(it.host.asked() == Lines{"kill command 5", "check 1"});
    it.roster->on_emptied(1);
    CHECK(it.host.asked().empty());
    it.roster->on_command_ended(5, {.how = "killed by SIGKILL"});
    CHECK(told[2].message == "reload_command (reload x): the program ended: exit 3");
    CHECK(it.host.asked() == Lines{"run 6 rm x for web"});
}

TEST_CASE("reload without a command sends its signal, and without either says what to do") {
    conf::Program signalled = a_service("web");
    signalled.reload_signal = SIGHUP;
    Rostered it{{signalled, a_service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.host.asked();
    const auto sent = it.roster->reload(it["web"], kOperator, {});
    CHECK(sent->ok);
    CHECK(sent->message == "sent SIGHUP");
    CHECK(it.host.asked() == Lines{"signal 1 SIGHUP to main"});
    const auto refused = it.roster->reload(it["db"], kOperator, {});
    CHECK_FALSE(refused->ok);
    CHECK(refused->message ==
          "has neither reload_signal nor reload_command (set one of them, such as reload_signal = "
          "\"HUP\", or restart it)");
}

TEST_CASE("a rolling restart goes on when one is up again, and stops at the first that is not") {
    conf::Program program = a_service("web");
    program.instances = 3;
    program.restart = conf::RestartPolicy::never;
    Rostered it{{program}};
    it.roster->start_autostart();
    for (const core::RunId run : {1, 2, 3}) it.runs(run);
    it.host.asked();
    Lines told;
    it.roster->restart_rolling(
        it.roster->select("web").value(), kOperator,
        [&](std::size_t index, const Outcome& outcome) {
            told.push_back(std::to_string(index) + (outcome.ok ? " up" : " " + outcome.message));
        });
    CHECK(it.host.asked().empty());
    it.pass(0ms);
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
    it.ends(1, 0);
    CHECK(it.host.asked() == Lines{"check 1", "forget 1", "spawn web@1"});
    it.executed(4);
    it.pass(500ms);
    CHECK(it.host.asked().empty());
    CHECK(told.empty());
    it.pass(500ms);
    it.pass(0ms);
    CHECK(told == Lines{"0 up"});
    CHECK(it.host.asked() == Lines{"signal 2 SIGTERM to main"});
    it.ends(2, 0);
    it.executed(5);
    it.ends(5, 7);
    it.pass(0ms);
    CHECK(told ==
          Lines{"0 up", "1 exit 7", "2 not restarted, because web@2 did not come up again"});
    CHECK(it.state("web@3") == "running");
    CHECK(it["web@3"].run_number() == 1);
}
