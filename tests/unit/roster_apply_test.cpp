#include "supervisor/core/roster.h"
#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace std::chrono_literals;
using namespace reeve;
using core::Goal;
using core::Roster;
using reeve::test::a_service;
using reeve::test::kOperator;
using reeve::test::Rostered;

namespace {

using Lines = std::vector<std::string>;

conf::Program service(std::string name, std::string command = "x", int instances = 1) {
    conf::Program program = a_service(std::move(name));
    program.instances = program.instances_written = instances;
    program.commands.assign(static_cast<std::size_t>(instances), {std::move(command)});
    return program;
}

conf::Config config_of(std::vector<conf::Program> programs) {
    conf::Config config;
    config.programs = std::move(programs);
    return config;
}

// "restart web (command)", "stop db: removed"; without those that are kept.
Lines told(const std::vector<core::ProgramPlan>& plans) {
    Lines lines;
    for (const core::ProgramPlan& plan : plans) {
        if (plan.verb == core::ProgramPlan::Verb::keep) continue;
        std::string line = std::string{core::name_of(plan.verb)} + " " + plan.program;
        if (!plan.keys.empty()) line += " (" + conf::join_keys(plan.keys) + ")";
        if (!plan.remark.empty()) line += ": " + plan.remark;
        lines.push_back(line);
    }
    return lines;
}

struct Applying : Rostered {
    using Rostered::Rostered;

    // With all that run, and nothing of it asked any more.
    Applying& running(int runs) {
        roster->start_autostart();
        for (int run = 1; run <= runs; ++run) runs_of(run);
        host.asked();
        told_events();
        return *this;
    }
    void runs_of(int run) { runs(static_cast<core::RunId>(run)); }
    void told_events() { Rostered::told(); }

    Lines plan(std::vector<conf::Program> programs) {
        return ::told(roster->plan(config_of(std::move(programs))));
    }
    // What was planned is what was done.
    Lines apply(std::vector<conf::Program> programs) {
        const conf::Config next = config_of(std::move(programs));
        const Lines planned = ::told(roster->plan(next));
        std::vector<core::ProgramPlan> done;
        for (auto& one : roster->apply(next, {}, kOperator)) done.push_back(one.plan);
        CHECK(::told(done) == planned);
        return planned;
    }
    Lines names() {
        Lines all;
        for (const core::Instance* instance : roster->instances()) all.push_back(instance->name());
        return all;
    }
};

}  // namespace

TEST_CASE("a configuration that comes to the same changes nothing") {
    Applying it{{service("web"), service("db", "y", 2)}};
    it.running(3);
    CHECK(it.apply({service("web"), service("db", "y", 2)}).empty());
    CHECK(it.host.asked().empty());
    CHECK(it.names() == Lines{"web", "db@1", "db@2"});
}

TEST_CASE(
    "what is new is started, what is gone is stopped, told of no more and its slot given up") {
    Applying it{{service("web"), service("db")}};
    it.running(2);
    CHECK(it.apply({service("cache"), service("web")}) ==
          Lines{"start cache: new", "stop db: removed"});
    CHECK(it.host.asked() == Lines{"signal 2 SIGTERM to main", "spawn cache"});
    CHECK(it.names() == Lines{"cache", "web", "db"});
    CHECK(it["db"].leaving());
    CHECK_FALSE(it.roster->start(it["db"], kOperator));

    it.ends(2, 0);
    CHECK(it.state("db") == "stopped");
    it.pass(0ms);
    CHECK(it.host.asked() == Lines{"check 2", "forget 2", "retire 1"});
    CHECK(it.names() == Lines{"cache", "web"});
    CHECK(it.roster->instance_at(1) == nullptr);
    CHECK_FALSE(it.roster->select("db"));
    CHECK(it["web"].run()->pid == 101);
}

TEST_CASE("a program that is not to start by itself comes without being started") {
    Applying it{{service("web")}};
    it.running(1);
    conf::Program by_hand = service("job");
    by_hand.autostart = false;
    CHECK(it.apply({service("web"), by_hand}) ==
          Lines{"change job: new, and not started by itself"});
    CHECK(it.host.asked().empty());
    CHECK(it.state("job") == "stopped");
}

TEST_CASE("what needs no new run changes in place and takes effect") {
    Applying it{{service("web")}};
    it.running(1);
    conf::Program changed = service("web");
    changed.stop_steps = {{SIGQUIT, 3s}};
    changed.max_failures = 1;
    CHECK(it.apply({changed}) == Lines{"change web (max_failures, stop_signal)"});
    CHECK(it.host.asked() == Lines{"redefine web in run 1"});
    CHECK(it["web"].run()->pid == 101);

    it.exits(1, 3);
    it.roster->on_emptied(1);
    CHECK(it.state("web") == "failed");  // max_failures
}

TEST_CASE("what needs a new run is stopped as it was started, and started as it is now") {
    Applying it{{service("web")}};
    it.running(1);
    conf::Program changed = service("web", "other");
    changed.stop_steps = {{SIGQUIT, 3s}};
    CHECK(it.apply({changed}) == Lines{"restart web (command, stop_signal)"});
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
    CHECK(it["web"].program().commands[0][0] == "x");
    it.ends(1, 0);
    CHECK(it.host.asked() == Lines{"check 1", "redefine web", "forget 1", "spawn web"});
    CHECK(it["web"].program().commands[0][0] == "other");
    CHECK(it["web"].restarts() == 0);
}

TEST_CASE("what an operator has stopped stays stopped, with its new definition") {
    Applying it{{service("web"), service("db")}};
    it.running(2);
    it.roster->stop(it["web"], kOperator);
    it.ends(1, 0);
    it.host.asked();
    CHECK(it.apply({service("web", "other"), service("db")}) ==
          Lines{"change web (command): stays stopped"});
    CHECK(it.state("web") == "stopped");
    CHECK(it.host.asked() == Lines{"redefine web"});
    CHECK(it["web"].program().commands[0][0] == "other");

    conf::Program three = service("web", "other", 3);
    CHECK(it.apply({three, service("db")}) == Lines{"change web (instances): 2 instances more"});
    CHECK(it.state("web@3") == "stopped");
}

TEST_CASE("what is stopping by request is not started by a change") {
    Applying it{{service("web")}};
    it.running(1);
    it.roster->stop(it["web"], kOperator);
    CHECK(it.apply({service("web", "other")}) == Lines{"change web (command): stays stopped"});
    it.ends(1, 0);
    CHECK(it.state("web") == "stopped");
    CHECK(it["web"].program().commands[0][0] == "other");
}

TEST_CASE("what had failed is tried again with its new definition, unless only words changed") {
    conf::Program web = service("web");
    web.max_failures = 1;
    Applying it{{web}};
    it.running(1);
    it.ends(1, 3);
    REQUIRE(it.state("web") == "failed");
    conf::Program words = web;
    words.description = "front end";
    CHECK(it.apply({words}) == Lines{"change web (description)"});
    CHECK(it.state("web") == "failed");
    conf::Program better = words;
    better.commands[0][0] = "better";
    it.host.asked();
    CHECK(it.apply({better}) == Lines{"start web (command): had ended"});
    CHECK(it.host.asked() == Lines{"redefine web", "spawn web"});
}

TEST_CASE("a task that is done is done again only when it is another one") {
    conf::Program task = service("migrate");
    task.type = conf::ProgramType::task;
    task.restart = conf::RestartPolicy::never;
    Applying it{{task}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 0);
    REQUIRE(it.state("migrate") == "exited");
    conf::Program patient = task;
    patient.stop_timeout = 1min;
    CHECK(it.apply({patient}) == Lines{"change migrate (stop_timeout)"});
    CHECK(it.state("migrate") == "exited");
    conf::Program other = patient;
    other.commands[0][0] = "other";
    CHECK(it.apply({other}) == Lines{"start migrate (command): had ended"});
    CHECK(it.state("migrate") == "starting");
}

TEST_CASE("what is in backoff is started at once when it changes") {
    Applying it{{service("web")}};
    it.running(1);
    it.ends(1, 3);
    REQUIRE(it.state("web") == "backoff");
    CHECK(it.apply({service("web", "other")}) == Lines{"restart web (command)"});
    CHECK(it.state("web") == "starting");
}

TEST_CASE("more instances leave those alone that there are, but for their name") {
    Applying it{{service("web")}};
    it.running(1);
    CHECK(it.apply({service("web", "x", 3)}) == Lines{"change web (instances): 2 instances more"});
    CHECK(it.host.asked() == Lines{"redefine web@1 in run 1", "spawn web@2", "spawn web@3"});
    CHECK(it.names() == Lines{"web@1", "web@2", "web@3"});
    CHECK(it["web@1"].run()->pid == 101);

    CHECK(it.apply({service("web", "x", 1)}) == Lines{"change web (instances): 2 instances fewer"});
    CHECK(it.names() == Lines{"web", "web@2", "web@3"});
    CHECK(it["web"].run()->pid == 101);
}

TEST_CASE("what leaves and comes back before it has gone is the same instance") {
    Applying it{{service("web"), service("db")}};
    it.running(2);
    it.apply({service("web")});
    REQUIRE(it["db"].leaving());
    CHECK(it.apply({service("web"), service("db", "other")}) == Lines{"start db: new"});
    it.host.asked();
    it.ends(2, 0);
    CHECK(it.host.asked() == Lines{"check 2", "redefine db", "forget 2", "spawn db"});
    it.pass(0ms);
    CHECK(it.names() == Lines{"web", "db"});
    CHECK_FALSE(it["db"].leaving());
}

TEST_CASE("programs that depend on each other are restarted as a shutdown and a start would") {
    conf::Program web = service("web");
    web.depends_on = {{.program = "db", .until = conf::Until::ready}};
    Applying it{{web, service("db")}};
    it.roster->start_autostart();
    it.runs(1);  // db
    it.runs(2);
    REQUIRE(it["web"].run()->pid == 102);
    it.host.asked();

    conf::Program other = web;
    other.commands[0][0] = "other";
    CHECK(it.apply({other, service("db", "other")}) ==
          Lines{"restart web (command)", "restart db (command)"});
    CHECK(it.host.asked() == Lines{"signal 2 SIGTERM to main"});
    CHECK(it.note("db").ends_with("is restarted after web"));
    it.ends(2, 0);
    CHECK(it.host.asked() ==
          Lines{"check 2", "redefine web", "forget 2", "signal 1 SIGTERM to main"});
    CHECK(it.state("web") == "waiting");
    it.ends(1, 0);
    CHECK(it.host.asked() == Lines{"check 1", "redefine db", "forget 1", "spawn db"});
    CHECK(it.state("web") == "waiting");
    it.runs(3);
    CHECK(it.host.asked() == Lines{"spawn web"});
}

TEST_CASE("what is removed is stopped in the order of what needs it") {
    conf::Program web = service("web");
    web.depends_on = {{.program = "db", .until = conf::Until::ready}};
    Applying it{{web, service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.host.asked();
    it.apply({});
    CHECK(it.host.asked() == Lines{"signal 2 SIGTERM to main"});
    it.ends(2, 0);
    it.host.asked();
    it.ends(1, 0);
    it.pass(0ms);
    CHECK(it.names().empty());
}

TEST_CASE("a new dependency is waited for by who starts from then on") {
    Applying it{{service("web")}};
    it.running(1);
    conf::Program web = service("web");
    web.depends_on = {{.program = "db", .until = conf::Until::ready}};
    it.apply({web, service("db")});
    CHECK(it.host.asked() == Lines{"redefine web in run 1", "spawn db"});
    CHECK(it.state("web") == "running");
    it.ends(1, 1);
    it.pass(2s);
    CHECK(it.state("web") == "waiting");
    it.runs(2);
    CHECK(it.state("web") == "starting");
}

TEST_CASE("who waits for what is removed is told") {
    Applying it{{service("web")}};
    it.running(1);
    Lines answers;
    it.apply({});
    it.roster->await(it["web"], Goal::up, [&](const core::Outcome& outcome) {
        answers.push_back(outcome.ok ? "up" : "not up");
    });
    it.roster->await(it["web"], Goal::down, [&](const core::Outcome& outcome) {
        answers.push_back(outcome.ok ? "down" : "not down");
    });
    it.ends(1, 0);
    it.pass(0ms);
    CHECK(answers == Lines{"not up", "down"});
    CHECK(it.names().empty());
}

TEST_CASE("a schedule that is changed, taken away or given counts from then on") {
    conf::Program task = service("job");
    task.type = conf::ProgramType::task;
    task.restart = conf::RestartPolicy::never;
    Applying it{{task}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 0);
    REQUIRE(it.state("job") == "exited");

    conf::Program often = task;
    often.schedule = conf::parse_schedule("every 60s").value();
    it.apply({often});
    CHECK(it.state("job") == "waiting");
    REQUIRE(it.roster->next_run(it["job"]));
    it.host.asked();
    it.pass(60s);
    CHECK(it.host.asked() == Lines{"spawn job"});
}

TEST_CASE("what an instance's files tell is told of that one, whoever was there before it") {
    Applying it{{service("gone"), service("kept"), service("other")}};
    it.running(3);
    it.apply({service("kept"), service("other")});
    it.ends(1, 0);
    it.pass(0ms);
    REQUIRE_FALSE(it.roster->instance_at(0));
    it.host.asked();
    it.roster->on_files_changed(1, "src/app.py changed");
    CHECK(it.host.asked() == Lines{"signal 2 SIGTERM to main"});
    CHECK(it.state("other") == "running");
    it.roster->on_watch_trouble(2, "no room");
    CHECK(it["other"].watch_trouble() == "no room");
    CHECK(it["kept"].watch_trouble().empty());
    // Of one that is no more it is nothing to anybody.
    it.roster->on_files_changed(0, "src/app.py changed");
    it.roster->on_watch_trouble(0, "no room");
    CHECK(it.host.asked().empty());
}

TEST_CASE("a rolling restart of who is leaving fails, and says so after the call") {
    Applying it{{service("web")}};
    it.running(1);
    CHECK(it.apply({}) == Lines{"stop web: removed"});
    Lines heard;
    it.roster->restart_rolling(
        it.roster->select("web").value(), kOperator,
        [&](std::size_t, const core::Outcome& outcome) { heard.push_back(outcome.message); });
    CHECK(heard.empty());
    it.pass(0ms);
    CHECK(heard == Lines{"is being removed: the configuration does not have it any more"});
}

TEST_CASE("who asked for a reload is told how it ended when the instance is no more") {
    conf::Program web = service("web");
    web.leftovers = conf::Leftovers::keep;
    web.hooks = {{.reload_command = {.words = {"reload"}, .text = "reload"}}};
    Applying it{{web}};
    it.running(1);
    Lines heard;
    CHECK_FALSE(it.roster->reload(it["web"], kOperator, [&](const core::Outcome& outcome) {
        heard.push_back(outcome.message);
    }));
    CHECK(it.apply({}) == Lines{"stop web: removed"});
    it.exits(1, 0);
    it.pass(0ms);
    CHECK(it.names().empty());
    CHECK(heard.empty());
    it.roster->on_command_ended(1, {.how = "killed by SIGKILL"});
    CHECK(heard == Lines{"reload_command (reload): the program ended: exit 0"});
}

// --- runs and their definitions ------------------------------------------------------------------

namespace {

conf::Program needing(conf::Program program, std::string other,
                      conf::Until until = conf::Until::ready) {
    program.depends_on.push_back({.program = std::move(other), .until = until});
    return program;
}

conf::Program task(std::string name, std::string command = "x") {
    conf::Program program = service(std::move(name), std::move(command));
    program.type = conf::ProgramType::task;
    program.restart = conf::RestartPolicy::never;
    return program;
}

conf::Program with_start_pre(conf::Program program, std::string command) {
    program.hooks = {{.start_pre = {{{command}, command}}}};
    return program;
}

conf::Program with_stop_post(conf::Program program, std::string command) {
    program.hooks = {{.stop_post = {{{command}, command}}}};
    return program;
}

conf::Program keeping(conf::Program program) {
    program.leftovers = conf::Leftovers::keep;
    return program;
}

}  // namespace

TEST_CASE("a run that is prepared begins with the definition that it was prepared by") {
    const conf::Program web = with_start_pre(service("web"), "prepare");
    Applying it{{web, service("db")}};
    it.roster->start_autostart();
    // Nothing to it, and each time another definition all the same.
    it.apply({web, service("db")});
    it.host.asked();
    it.roster->on_command_ended(1, {.ok = true});
    CHECK(it.host.asked() == Lines{"spawn web"});
    const conf::Program* const spawned = it.host.last_spawned();
    CHECK(spawned == it["web"].run()->program.get());
    CHECK(spawned->commands[0][0] == "x");
}

TEST_CASE("the next run begins with the newest definition, however the one before ends") {
    SECTION("what it leaves behind is kept") {
        Applying it{{keeping(service("web"))}};
        it.running(1);
        it.apply({keeping(service("web", "other"))});
        it.exits(1, 0);
        CHECK(it.host.last_spawned()->commands[0][0] == "other");
        CHECK(it["web"].program().commands[0][0] == "other");
    }
    SECTION("it was still being prepared") {
        Applying it{{with_start_pre(service("web"), "old")}};
        it.roster->start_autostart();
        CHECK(it.apply({with_start_pre(service("web", "other"), "new")}) ==
              Lines{"restart web (command, start_pre)"});
        CHECK(it.host.asked() == Lines{"run 1 old for web", "kill command 1"});
        it.roster->on_command_ended(1, {.ok = false, .how = "killed by SIGKILL"});
        CHECK(it.host.asked() == Lines{"redefine web", "forget 1", "run 2 new for web"});
        it.roster->on_command_ended(2, {.ok = true});
        CHECK(it.host.last_spawned()->commands[0][0] == "other");
    }
    SECTION("it was being prepared, and the next needs no preparation") {
        Applying it{{with_start_pre(service("web"), "old")}};
        it.roster->start_autostart();
        it.apply({service("web", "other")});
        it.host.asked();
        it.roster->on_command_ended(1, {.ok = true});
        CHECK(it.host.asked() == Lines{"redefine web", "forget 1", "spawn web"});
        CHECK(it.host.last_spawned()->commands[0][0] == "other");
        CHECK(it["web"].run_number() == 2);
    }
    SECTION("its stop_command outlasts it") {
        conf::Program web = keeping(service("web"));
        web.hooks = {{.stop_command = {{"quit"}, "quit"}}};
        Applying it{{web}};
        it.running(1);
        web.commands[0][0] = "other";
        it.apply({web});
        it.exits(1, 0);
        CHECK(it.host.asked() == Lines{"run 1 quit for web of pid 101"});
        it.roster->on_command_ended(1, {.ok = true});
        CHECK(it.host.last_spawned()->commands[0][0] == "other");
    }
    SECTION("it could not be spawned, and its stop_post is still to come") {
        Applying it{{with_stop_post(service("web"), "old")}};
        it.roster->start_autostart();
        it.apply({with_stop_post(service("web", "other"), "new")});
        it.host.asked();
        it.roster->on_spawn_failed(1, {.reason = "given up"});
        CHECK(it.host.asked() == Lines{"run 1 old for web"});
        it.roster->on_command_ended(1, {.ok = true});
        CHECK(it.host.asked() == Lines{"redefine web", "forget 1", "spawn web"});
    }
    SECTION("a stop_post that it did not have is not run for it") {
        Applying it{{service("web")}};
        it.running(1);
        it.apply({with_stop_post(service("web", "other"), "new")});
        it.host.asked();
        it.ends(1, 0);
        CHECK(it.host.asked() == Lines{"check 1", "redefine web", "forget 1", "spawn web"});
    }
    SECTION("there was no room for it") {
        Applying it{{service("web")}};
        it.roster->start_autostart();
        it.apply({service("web", "other")});
        it.roster->on_spawn_failed(1, {.reason = "no pid", .no_room = true});
        it.pass(100ms);
        CHECK(it.host.last_spawned()->commands[0][0] == "other");
    }
}

// --- who is wanted up ----------------------------------------------------------------------------

TEST_CASE("what leaves and comes back before it was told to stop runs on") {
    const conf::Program web = needing(service("web"), "db");
    Applying it{{web, service("db")}};
    it.roster->start_autostart();
    it.runs(1);  // db
    it.runs(2);
    it.apply({});
    it.host.asked();
    SECTION("as it was") {
        it.apply({web, service("db")});
        it.ends(2, 0);
        CHECK(it.state("db") == "running");
        CHECK(it["db"].run()->number == 1);
        it.runs(3);
        CHECK(it.state("web") == "running");
    }
    SECTION("but for a change that asks for a new run") {
        it.apply({web, service("db", "other")});
        it.ends(2, 0);
        CHECK(it.state("db") == "stopping");
        it.ends(1, 0);
        CHECK(it.host.last_spawned()->commands[0][0] == "other");
        it.runs(3);
        it.runs(4);
        CHECK(it.state("web") == "running");
    }
    SECTION("but is stopped when it is not to start by itself any more") {
        conf::Program db = service("db");
        db.autostart = false;
        it.apply({db});
        it.ends(2, 0);
        it.ends(1, 0);
        CHECK(it.state("db") == "stopped");
    }
}

TEST_CASE("an operator's stop that waits for others is not undone by a change") {
    const conf::Program web = needing(service("web"), "db");
    Applying it{{web, service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.roster->stop({&it["web"], &it["db"]}, kOperator);
    CHECK(it.apply({web, service("db", "other", 2)}) ==
          Lines{"change db (command, instances): stays stopped; 1 instance more"});
    it.ends(2, 0);
    it.ends(1, 0);
    CHECK(it.state("db@1") == "stopped");
    CHECK(it.state("db@2") == "stopped");
}

TEST_CASE("what leaves without ever having run is not brought along by a schedule") {
    conf::Program job = needing(task("job"), "db", conf::Until::started);
    job.schedule = conf::parse_schedule("every 60s").value();
    conf::Program db = service("db", "x", 2);
    db.autostart = false;
    Applying it{{job, db}};
    it.roster->start_autostart();
    it.host.pass(60s);
    db.instances = db.instances_written = 1;
    db.commands.pop_back();
    it.host.asked();
    it.apply({job, db});
    it.roster->on_wake();
    CHECK(it.host.asked() == Lines{"redefine db", "spawn db", "retire 2"});
}

TEST_CASE("what failed and was reset is tried again when it is another") {
    conf::Program web = service("web");
    web.max_failures = 1;
    Applying it{{web}};
    it.running(1);
    it.ends(1, 3);
    it.roster->reset(it["web"], kOperator);
    CHECK(it.state("web") == "stopped");
    CHECK(it.note("web") == "reset by uid 1000 0ms ago");
    web.commands[0][0] = "better";
    CHECK(it.apply({web}) == Lines{"start web (command): had ended"});
    CHECK(it.state("web") == "starting");
}

TEST_CASE("a reset does not hide that an operator has stopped it") {
    Applying it{{service("db")}};
    it.running(1);
    it.roster->stop(it["db"], kOperator);
    it.ends(1, 0);
    it.roster->reset(it["db"], kOperator);
    it.apply({service("db"), needing(service("web"), "db")});
    CHECK(it.state("db") == "stopped");
    CHECK(it.state("web") == "waiting");
}

TEST_CASE("what is removed while it waits does not begin since what it waited for is gone too") {
    Applying it{{needing(service("web"), "db"), service("db")}};
    it.roster->start_autostart();
    it.host.asked();
    it.apply({});
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
    CHECK(it.state("web") == "stopped");
}

// --- what follows for others ---------------------------------------------------------------------

TEST_CASE("who failed for what it depends on is tried again when that is there") {
    conf::Program db = service("db");
    db.max_failures = 1;
    const conf::Program web = needing(service("web"), "db");
    Applying it{{web, db}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 3);
    REQUIRE(it.state("web") == "failed");
    db.commands[0][0] = "better";
    it.apply({web, db});
    CHECK(it.state("web") == "failed");
    it.told_events();
    it.runs(2);
    CHECK(it.host.last_spawned()->name == "web");
    CHECK(it.told() == Lines{"db: running (pid 102, run 2)", "db: ready (pid 102, run 2)",
                             "web: start asked for by what it depends on: it is there",
                             "web: starting (run 1)"});
}

TEST_CASE("a reset does not hide that it failed for what it depends on") {
    conf::Program db = service("db");
    db.max_failures = 1;
    Applying it{{needing(service("web"), "db"), db}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 3);
    it.roster->reset(it["web"], kOperator);
    REQUIRE(it.state("web") == "stopped");
    it.roster->start(it["db"], kOperator);
    it.runs(2);
    CHECK(it.state("web") == "starting");
}

TEST_CASE("who failed for what it depends on and was stopped then stays so") {
    conf::Program db = service("db");
    db.max_failures = 1;
    Applying it{{needing(service("web"), "db"), db}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 3);
    it.roster->reset(it["web"], kOperator);
    it.roster->stop({&it["web"]}, kOperator);
    it.roster->start(it["db"], kOperator);
    it.runs(2);
    CHECK(it.state("web") == "stopped");
}

TEST_CASE("who failed of its own is not tried again for what it depends on") {
    conf::Program web = needing(service("web"), "db");
    web.max_failures = 1;
    Applying it{{web, service("db")}};
    it.roster->start_autostart();
    it.runs(1);
    it.executed(2);
    it.ends(2, 3);
    it.ends(1, 3);
    it.pass(2s);
    it.runs(3);
    CHECK(it.state("db") == "running");
    CHECK(it.state("web") == "failed");
}

TEST_CASE("nobody begins on the old end of a task that runs again") {
    const conf::Program web = needing(service("web"), "migrate");
    conf::Program before = service("web");
    before = needing(before, "migrate", conf::Until::completed);
    before = needing(before, "db");
    conf::Program db = service("db");
    db.autostart = false;
    Applying it{{before, task("migrate"), db}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 0);
    it.roster->stop(it["db"], kOperator);
    it.roster->on_spawn_failed(2, {.reason = "given up"});
    REQUIRE(it.state("web") == "waiting");
    conf::Program now = needing(service("web", "other"), "migrate", conf::Until::completed);
    it.host.asked();
    it.apply({now, task("migrate", "other"), db});
    CHECK(it.host.asked() == Lines{"redefine web", "redefine migrate", "spawn migrate"});
    CHECK(it.note("web") == "waits for migrate (starting)");
}

TEST_CASE("all is done when the last that was not is removed") {
    Applying it{{task("job"), service("web")}, {.exit_on = {conf::ExitOn::all_done}}};
    it.running(2);
    it.ends(1, 0);
    conf::Config next = config_of({task("job")});
    it.roster->apply(next, {.exit_on = {conf::ExitOn::all_done}}, kOperator);
    it.ends(2, 0);
    CHECK_FALSE(it.roster->shutdown().under_way());
    it.pass(0ms);
    CHECK(it.roster->shutdown().under_way());
}

TEST_CASE("one that is removed and ends by itself ends nothing but itself") {
    conf::Program web = keeping(service("web"));
    web.essential = true;
    Applying it{{needing(service("app"), "web"), web}, {.exit_on = {conf::ExitOn::essential}}};
    it.roster->start_autostart();
    it.runs(1);
    it.runs(2);
    it.roster->apply(config_of({}), {.exit_on = {conf::ExitOn::essential}}, kOperator);
    it.exits(1, 0);
    CHECK_FALSE(it.roster->shutdown().under_way());
    CHECK(it.state("web") == "stopped");
}

// --- schedules -----------------------------------------------------------------------------------

TEST_CASE("a service that becomes a task on a schedule is stopped, and waits for its time") {
    Applying it{{service("job")}};
    it.running(1);
    conf::Program often = task("job");
    often.schedule = conf::parse_schedule("every 60s").value();
    it.apply({often});
    CHECK(it.host.asked() == Lines{"signal 1 SIGTERM to main"});
    it.told_events();
    it.roster->on_main_exited(1, {.signal = SIGTERM}, {});
    it.roster->on_emptied(1);
    CHECK(it.state("job") == "waiting");
    CHECK(it.note("job").starts_with("next run "));
    for (const std::string& line : it.told()) CHECK_FALSE(line.starts_with("job: failed"));
    it.host.asked();
    it.pass(60s);
    CHECK(it.host.asked() == Lines{"spawn job"});
}

TEST_CASE("a task on a schedule that comes back while it is stopping has not failed") {
    conf::Program often = task("job");
    often.schedule = conf::parse_schedule("every 60s").value();
    Applying it{{often}};
    it.roster->start_autostart();
    it.pass(60s);
    it.executed(1);
    it.apply({});
    it.apply({often});
    it.told_events();
    it.roster->on_main_exited(1, {.signal = SIGTERM}, {});
    it.roster->on_emptied(1);
    CHECK(it.state("job") == "waiting");
    for (const std::string& line : it.told()) CHECK(line.find("failed") == std::string::npos);
}

TEST_CASE("what waits for a time that comes no more is put to rest if it is not to start itself") {
    conf::Program often = task("job");
    often.autostart = false;
    often.schedule = conf::parse_schedule("every 60s").value();
    Applying it{{often}};
    it.roster->start(it["job"], kOperator);
    it.executed(1);
    it.ends(1, 0);
    REQUIRE(it.state("job") == "waiting");
    conf::Program once = often;
    once.schedule.reset();
    it.apply({once});
    CHECK(it.state("job") == "stopped");
}

TEST_CASE("what failed once and gets a schedule is not told to have failed again") {
    conf::Program job = task("job");
    Applying it{{job}};
    it.roster->start_autostart();
    it.executed(1);
    it.ends(1, 3);
    REQUIRE(it.state("job") == "failed");
    it.told_events();
    job.schedule = conf::parse_schedule("every 60s").value();
    it.apply({job});
    CHECK(it.state("job") == "waiting");
    for (const std::string& line : it.told()) CHECK(line.find("failed") == std::string::npos);
}
