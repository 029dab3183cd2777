#include "tests/loop/control_world.h"

using namespace reeve;
using namespace reeve::test;

namespace {

log::Line line(std::uint32_t slot, std::string text) {
    log::Line line;
    line.time = 1'795'342'620'120ms;
    line.instance = slot;
    line.run = 1;
    line.text = std::move(text);
    return line;
}

log::Line mark(std::uint32_t slot, log::Line::Kind kind, std::uint64_t number) {
    log::Line line;
    line.time = 1'795'342'620'120ms;
    line.instance = slot;
    line.run = 1;
    line.kind = kind;
    line.number = number;
    return line;
}

const api::ProgramStatus& program_of(const api::Status& status, std::string_view name) {
    for (const api::ProgramStatus& program : status.programs) {
        if (program.name == name) return program;
    }
    FAIL("no program " << name);
    std::abort();
}

}  // namespace

// ---- looking -------------------------------------------------------------------------------

TEST_CASE("the status has every field of every instance, null where it does not apply") {
    World world{{service("web"), service("db")}};
    world.processes.known = {.config = "/etc/reeve/reeve.toml",
                             .config_changed = false,
                             .started = world.host.now(),
                             .subreaper = true,
                             .tracking = "tag",
                             .pids_current = 41,
                             .pids_limit = 512,
                             .pids_which = "pid_max",
                             .orphans_reaped = 3,
                             .strays_reaped = 2};
    world.roster->start(world.instance("web"), {});
    world.becomes_ready("web", 4121);
    world.host.advance(500ms);
    world.processes.latest.processes = {
        {.pid = 4121, .ppid = 1, .cpu_seconds = 1, .memory_bytes = 100, .slot = 0, .main = true},
        {.pid = 4122, .ppid = 4121, .cpu_seconds = 0.25, .memory_bytes = 20, .slot = 0},
        {.pid = 4123, .ppid = 1, .slot = 0, .orphan = true, .zombie = true},
        {.pid = 4124, .ppid = 4122, .slot = 0, .zombie = true, .neglected_seconds = 3},
        {.pid = 9, .ppid = 1},
        {.pid = 10, .ppid = 1, .slot = 77}};

    Client client{world};
    const Answer answer = client.get("/v1/status");
    CHECK(answer.status == 200);
    CHECK(answer.header("content-type") == "application/json");
    CHECK(
        answer.body ==
        R"({"supervisor":{"version":")" REEVE_VERSION R"(","pid":)" + std::to_string(getpid()) +
            R"(,"state":"running","uptime_seconds":1.5,"config":"/etc/reeve/reeve.toml",)"
            R"("config_changed":false,"subreaper":true,"tracking":"tag",)"
            R"("pids":{"current":41,"limit":512,"which":"pid_max"},"reaped":{"runs":0,"orphans":3,"strays":2}},)"
            R"("programs":[{"name":"web","program":"web","instance":1,"groups":[],)"
            R"("type":"service","transient":false,"state":"running","desired":"up","ready":true,"health":null,)"
            R"("pid":4121,"run":1,"since":"2026-11-22T10:18:41.000Z","uptime_seconds":1.5,)"
            R"("restarts":0,"failures":0,"last_exit":null,"retry_in_seconds":null,)"
            R"("waiting_for":[],"next_run":null,"skipped_runs":0,"processes":4,"orphans":1,"zombies":1,"cpu_seconds":1.25,)"
            R"("memory_bytes":120,"note":""},)"
            R"({"name":"db","program":"db","instance":1,"groups":[],"type":"service",)"
            R"("transient":false,"state":"stopped","desired":"down","ready":null,"health":null,"pid":null,)"
            R"("run":null,"since":"2026-11-22T10:18:40.000Z","uptime_seconds":null,)"
            R"("restarts":0,"failures":0,"last_exit":null,"retry_in_seconds":null,)"
            R"("waiting_for":[],"next_run":null,"skipped_runs":0,"processes":0,"orphans":0,"zombies":0,"cpu_seconds":null,)"
            R"("memory_bytes":null,"note":""}]})"
            "\n");
}

TEST_CASE("a program that failed shows how and when it is tried again") {
    World world{{service("web")}};
    world.roster->start(world.instance("web"), {});
    world.executes("web", 4121);
    world.host.advance(400ms);
    world.exits("web", {.code = 3});

    Client client{world};
    const auto status = api::from_json<api::Status>(client.get("/v1/status").body);
    REQUIRE(status);
    const auto& web = program_of(*status, "web");
    CHECK(web.state == "backoff");
    CHECK(web.desired == "up");
    CHECK(web.pid == std::nullopt);
    CHECK(web.ready == false);
    CHECK(web.failures == 1);
    REQUIRE(web.retry_in_seconds);
    CHECK(*web.retry_in_seconds > 0.1);
    REQUIRE(web.last_exit);
    CHECK(web.last_exit->code == 3);
    CHECK(web.last_exit->signal == std::nullopt);
    CHECK(web.last_exit->reason == "exit 3");
    CHECK(web.last_exit->lasted_seconds == 0.4);
    CHECK(status->supervisor.reaped.runs == 1);
}

TEST_CASE("a status waits for the sample, and goes with the client that does not") {
    World world{{service("web")}};
    world.processes.later = true;
    Client patient{world};
    Client hasty{world};
    patient.send(api::write_request("GET", "/v1/status", {}, {}));
    hasty.send(api::write_request("GET", "/v1/status", {}, {}));
    REQUIRE(world.until([&] { return world.processes.waiting.size() == 2; }));

    hasty.close();
    REQUIRE(world.until([&] { return world.server->connections() == 1; }));
    world.processes.answer();
    CHECK(patient.answer().status == 200);
}

TEST_CASE("a status that may be stale does not wait for a sample") {
    World world{{service("web")}};
    world.processes.later = true;
    Client client{world};
    client.send(api::write_request("GET", "/v1/status", {{"Cache-Control", "max-stale=60"}}, {}));
    CHECK(client.answer().status == 200);
    CHECK(world.processes.asked == 0);
}

TEST_CASE("zombies are listed by the parent that neglects them, the worst first") {
    World world{{service("web", 2), service("db")}};
    world.processes.latest = {
        .at = world.host.now(),
        .processes = {{.pid = 41, .ppid = 1, .command = "nginx", .slot = 0, .main = true},
                      {.pid = 51, .ppid = 1, .command = "worker 2", .slot = 1, .main = true},
                      {.pid = 60, .ppid = 1, .command = "lost", .orphan = true},
                      {.pid = 44, .ppid = 41, .slot = 0, .zombie = true, .neglected_seconds = 0.5},
                      {.pid = 53, .ppid = 51, .slot = 1, .zombie = true, .neglected_seconds = 2},
                      {.pid = 52, .ppid = 51, .slot = 1, .zombie = true, .neglected_seconds = 61.5},
                      // Of another program than its parent: su and its like take the tag away.
                      {.pid = 61, .ppid = 60, .slot = 2, .zombie = true, .neglected_seconds = 3},
                      {.pid = 70, .ppid = 1, .slot = 0, .orphan = true, .zombie = true},
                      {.pid = 71, .ppid = 99, .slot = 0, .zombie = true, .neglected_seconds = 9}}};

    Client client{world};
    CHECK(client.get("/v1/zombies").body ==
          R"({"zombies":[{"program":"web@2","parent_pid":51,"parent_command":"worker 2",)"
          R"("count":2,"oldest_seconds":61.5,"pids":[52,53]},)"
          R"({"program":"web@1","parent_pid":41,"parent_command":"nginx",)"
          R"("count":1,"oldest_seconds":0.5,"pids":[44]},)"
          R"({"program":null,"parent_pid":60,"parent_command":"lost",)"
          R"("count":1,"oldest_seconds":3.0,"pids":[61]}]})"
          "\n");
    CHECK(world.processes.asked == 1);

    const auto status = api::from_json<api::Status>(client.get("/v1/status").body);
    REQUIRE(status);
    CHECK(program_of(*status, "web@1").zombies == 1);
    CHECK(program_of(*status, "web@2").zombies == 2);
    CHECK(program_of(*status, "db").zombies == 0);
    CHECK(client.get("/v1/zombies?all=1").status == 400);
}

TEST_CASE("eight thousand zombies are all in the answer") {
    World world{{service("web")}};
    world.processes.latest.at = world.host.now();
    world.processes.latest.processes = {{.pid = 2, .ppid = 1, .command = "bad", .slot = 0}};
    for (pid_t pid = 100; pid < 8'100; ++pid) {
        world.processes.latest.processes.push_back(
            {.pid = pid, .ppid = 2, .slot = 0, .zombie = true, .neglected_seconds = 1});
    }
    Client client{world};
    const auto zombies = api::from_json<api::Zombies>(client.get("/v1/zombies").body);
    REQUIRE(zombies);
    REQUIRE(zombies->zombies.size() == 1);
    CHECK(zombies->zombies[0].count == 8'000);
    CHECK(zombies->zombies[0].pids.size() == 8'000);
    CHECK(zombies->zombies[0].pids.back() == 8'099);
}

TEST_CASE("a zombie that has just died is looked at twice, and reported if it is still there") {
    World world{{service("web")}};
    const auto sample = [&](std::vector<std::pair<pid_t, double>> zombies) {
        world.processes.latest = {
            .at = world.host.now(),
            .processes = {{.pid = 41, .ppid = 1, .command = "nginx", .slot = 0, .main = true}}};
        for (const auto& [pid, neglected] : zombies) {
            world.processes.latest.processes.push_back({.pid = pid,
                                                        .ppid = 41,
                                                        .slot = 0,
                                                        .zombie = true,
                                                        .neglected_seconds = neglected});
        }
    };
    sample({{42, 0}, {43, 0.02}});
    Client client{world};
    client.send(api::write_request("GET", "/v1/zombies", {}, {}));
    REQUIRE(world.until([&] { return world.processes.asked == 1; }));
    // A sample that is no newer decides nothing.
    REQUIRE(world.until([&] { return world.processes.asked == 2; }));
    client.read();
    CHECK(client.received.empty());

    world.host.advance(150ms);
    sample({{43, 0.17}, {44, 0.01}});
    const auto zombies = api::from_json<api::Zombies>(client.answer().body);
    CHECK(world.processes.asked == 3);
    REQUIRE(zombies);
    REQUIRE(zombies->zombies.size() == 1);
    CHECK(zombies->zombies[0].pids == std::vector<std::int64_t>{43});

    // The others wait for no more than one look: they have more to say than this.
    world.processes.asked = 0;
    sample({{45, 0}});
    const auto tree = api::from_json<api::Tree>(client.get("/v1/tree").body);
    CHECK(world.processes.asked == 2);
    REQUIRE(tree);
    const api::Process& fresh = tree->programs[0].processes[0].children[0];
    CHECK(fresh.zombie);
    CHECK(fresh.neglected_seconds == std::nullopt);
}

TEST_CASE("who asks for zombies is not told of none by a sample from before") {
    World world{{service("web")}};
    world.processes.latest.at = world.host.now() - 1500ms;
    Client client{world};
    client.send(api::write_request("GET", "/v1/zombies", {}, {}));
    REQUIRE(world.until([&] { return world.processes.asked == 2; }));
    client.read();
    CHECK(client.received.empty());
    world.processes.latest.at = world.host.now();
    CHECK(client.answer().body == "{\"zombies\":[]}\n");

    world.processes.latest.at = world.host.now() - 1500ms;
    const Answer never = client.get("/v1/zombies");
    CHECK(never.status == 503);
    CHECK(never.code() == "busy");
    CHECK(never.message() ==
          "the processes can't be looked at now: nothing has come of it for 3 seconds");

    // A client that goes takes its question along.
    client.send(api::write_request("GET", "/v1/zombies", {}, {}));
    world.settle();
    client.close();
    REQUIRE(world.until([&] { return world.server->connections() == 0; }));
    const int asked = world.processes.asked;
    const auto later = std::chrono::steady_clock::now() + 150ms;
    REQUIRE(world.until([&] { return std::chrono::steady_clock::now() > later; }));
    CHECK(world.processes.asked == asked);
}

TEST_CASE("the doctor's findings have a remedy or null") {
    World world{{service("web")}};
    using Verdict = control::Finding::Verdict;
    world.processes.found = {
        {.subject = "tracking", .verdict = Verdict::ok, .detail = "by cgroup", .remedy = ""},
        {.subject = "pids", .verdict = Verdict::warn, .detail = "7 of 8", .remedy = "raise it"},
        {.subject = "subreaper", .verdict = Verdict::bad, .detail = "refused", .remedy = ""}};
    Client client{world};
    CHECK(client.get("/v1/doctor").body ==
          R"({"findings":[{"subject":"tracking","verdict":"ok","detail":"by cgroup",)"
          R"("remedy":null},{"subject":"pids","verdict":"warn","detail":"7 of 8",)"
          R"("remedy":"raise it"},{"subject":"subreaper","verdict":"bad","detail":"refused",)"
          R"("remedy":null}]})"
          "\n");
    CHECK(client.post("/v1/doctor").status == 405);
    CHECK(client.get("/v1/doctor?x").status == 400);
}

TEST_CASE("each type of program goes by its name") {
    conf::Program daemon = service("daemon");
    daemon.type = conf::ProgramType::forking;
    World world{{service("web"), task("migrate"), daemon}};
    Client client{world};
    const auto status = api::from_json<api::Status>(client.get("/v1/status").body);
    REQUIRE(status);
    CHECK(program_of(*status, "web").type == "service");
    CHECK(program_of(*status, "migrate").type == "task");
    CHECK(program_of(*status, "daemon").type == "forking");
}

TEST_CASE("a card shows the program's configuration with its places, and its last runs") {
    conf::Program web = service("web", 2);
    web.instances_written = 2;
    web.description = "front end";
    web.keys = {{"command", "[\"/bin/true\"]", {0, 7, 1}}, {"nice", "0", {0, 0, 0}}};
    World world{{web}};
    world.roster->start(world.instance("web@2"), {});
    world.executes("web@2", 50);
    world.host.advance(400ms);
    world.exits("web@2", {.signal = SIGKILL});
    world.host.advance(1s);
    world.host.deliver(*world.roster);
    world.executes("web@2", 51);

    Client client{world};
    const auto card = api::from_json<api::ProgramCard>(client.get("/v1/programs/web").body);
    REQUIRE(card);
    CHECK(card->name == "web");
    CHECK(card->description == "front end");
    CHECK(card->instances.size() == 2);
    CHECK(card->config ==
          std::vector<api::ConfigEntry>{{"command", "[\"/bin/true\"]", "/etc/reeve/reeve.toml", 7},
                                        {"nice", "0", std::nullopt, std::nullopt}});
    REQUIRE(card->runs.size() == 2);
    CHECK(card->runs[0].name == "web@2");
    CHECK(card->runs[0].run == 1);
    CHECK(card->runs[0].exit->signal == "SIGKILL");
    CHECK(card->runs[1].run == 2);
    CHECK(card->runs[1].pid == 51);
    CHECK(card->runs[1].exit == std::nullopt);

    const auto one = api::from_json<api::ProgramCard>(client.get("/v1/programs/web%402").body);
    REQUIRE(one);
    CHECK(one->name == "web@2");
    CHECK(one->instances.size() == 1);
}

TEST_CASE("a card is of one program, and of one that exists") {
    World world{{service("web"), service("db")}};
    Client client{world};

    const Answer both = client.get("/v1/programs/*");
    CHECK(both.status == 400);
    CHECK(both.message() == "\"*\" means more than one program");

    const Answer none = client.get("/v1/programs/wep");
    CHECK(none.status == 404);
    CHECK(none.code() == "no_such_program");
    CHECK(none.message() == "there is no program, group or instance \"wep\"");
    CHECK(none.hint() == "did you mean \"web\"?");
}

TEST_CASE("the tree has children below their parents, the main process first, strays apart") {
    World world{{service("web"), service("db")}};
    world.processes.latest.processes = {
        {.pid = 30, .ppid = 1, .state = 'S', .command = "daemon", .slot = 0, .orphan = true},
        {.pid = 42,
         .ppid = 41,
         .state = 'Z',
         .command = "[sh]",
         .slot = 0,
         .zombie = true,
         .neglected_seconds = 7.5},
        {.pid = 41, .ppid = 1, .state = 'S', .command = "nginx", .slot = 0, .main = true},
        {.pid = 50, .ppid = 41, .state = 'R', .command = "lost", .uid = 7}};

    Client client{world};
    const auto tree = api::from_json<api::Tree>(client.get("/v1/tree").body);
    REQUIRE(tree);
    REQUIRE(tree->programs.size() == 1);
    CHECK(tree->programs[0].name == "web");
    const auto& processes = tree->programs[0].processes;
    REQUIRE(processes.size() == 2);
    CHECK(processes[0].command == "nginx");
    CHECK(processes[0].main);
    CHECK(processes[0].user == "root");
    REQUIRE(processes[0].children.size() == 1);
    CHECK(processes[0].children[0].zombie);
    CHECK(processes[0].children[0].neglected_seconds == 7.5);
    CHECK(processes[1].orphan);
    REQUIRE(tree->strays.size() == 1);
    CHECK(tree->strays[0].user == "7");
}

TEST_CASE("a chain of two thousand forks does not become a tree of that depth") {
    World world{{service("web")}};
    for (pid_t pid = 2; pid < 2'002; ++pid) {
        world.processes.latest.processes.push_back({.pid = pid, .ppid = pid - 1, .slot = 0});
    }
    Client client{world};
    const auto tree = api::from_json<api::Tree>(client.get("/v1/tree").body);
    REQUIRE(tree);

    std::size_t count = 0;
    std::size_t deepest = 0;
    const auto walk = [&](const auto& self, const api::Process& process,
                          std::size_t depth) -> void {
        ++count;
        deepest = std::max(deepest, depth);
        for (const api::Process& child : process.children) self(self, child, depth + 1);
    };
    for (const api::Process& process : tree->programs[0].processes) walk(walk, process, 1);
    CHECK(count == 2'000);
    CHECK(deepest == 64);
}

TEST_CASE("the probes tell life from readiness") {
    World world{{service("web"), service("db"), task("migrate")}};
    Client client{world};
    CHECK(client.get("/livez").status == 200);
    CHECK(client.get("/livez?verbose").status == 200);

    world.roster->start_autostart();
    world.becomes_ready("web", 1);
    world.executes("migrate", 2);
    Answer answer = client.get("/readyz");
    CHECK(answer.status == 503);
    CHECK(answer.body == "not ready: db (starting), migrate (running)\n");

    world.exits("migrate", {.code = 0});
    world.becomes_ready("db", 3);
    answer = client.get("/readyz");
    CHECK(answer.status == 200);
    CHECK(answer.body == "ready\n");

    world.roster->shut_down("test", {});
    CHECK(client.get("/readyz").status == 503);
    CHECK(client.get("/livez").status == 200);
}

// ---- doing ---------------------------------------------------------------------------------

TEST_CASE("a start is answered when the service is ready") {
    World world{{service("web")}};
    Client client{world};
    client.begin_post("/v1/programs/web/start");
    REQUIRE(world.until([&] { return world.instance("web").state() == model::State::starting; }));
    world.executes("web", 4121);
    world.settle();
    client.read();
    CHECK(client.received.empty());

    world.host.advance(1s);
    const auto reply = action_of(client.answer());
    CHECK(reply == api::ActionReply{true, {{"web", true, "running", 4121, "running", {}}}});

    const auto again = action_of(client.post("/v1/programs/web/start", "{}"));
    CHECK(again == api::ActionReply{true, {{"web", true, "running", 4121, "was running", {}}}});
}

TEST_CASE("a start that fails brings the reason and the last lines") {
    World world{{task("migrate")}};
    world.logs.lines = {line(0, "connecting"), mark(0, log::Line::Kind::run_end, 0),
                        line(0, "cannot open db")};
    Client client{world};
    client.begin_post("/v1/programs/migrate/start");
    world.executes("migrate", 7);
    world.exits("migrate", {.code = 2});
    REQUIRE(world.until([&] { return !world.logs.answers.empty(); }));
    CHECK(world.logs.queries.back().last_lines == 20);
    CHECK(world.logs.queries.back().run == 1);
    world.logs.answer_all();

    const auto reply = action_of(client.answer());
    CHECK_FALSE(reply.ok);
    REQUIRE(reply.results.size() == 1);
    CHECK_FALSE(reply.results[0].ok);
    CHECK(reply.results[0].state == "failed");
    CHECK(reply.results[0].message == "exit 2");
    CHECK(reply.results[0].last_lines == std::vector<std::string>{"connecting", "cannot open db"});
}

TEST_CASE("who stops or restarts a program hears what was dropped of that run's output") {
    World world{{service("web"), service("db")}};
    world.roster->start_autostart();
    world.becomes_ready("web", 71);
    world.becomes_ready("db", 72);
    Client client{world};
    world.logs.dropped[{0, 1}] = 812;
    client.begin_post("/v1/programs/web/stop");
    REQUIRE(world.until([&] { return world.instance("web").state() == model::State::stopping; }));
    world.exits("web", {.code = 0});
    CHECK(action_of(client.answer()) ==
          api::ActionReply{true,
                           {{"web",
                             true,
                             "stopped",
                             std::nullopt,
                             "812 lines of its output dropped: what they go to did not take them "
                             "in time",
                             {}}}});
    // There is no run of which this could be said.
    CHECK(action_of(client.post("/v1/programs/web/stop", "{}")) ==
          api::ActionReply{true, {{"web", true, "stopped", std::nullopt, "was stopped", {}}}});

    world.logs.dropped[{1, 1}] = 1;
    client.begin_post("/v1/programs/db/restart");
    REQUIRE(world.until([&] { return world.instance("db").state() == model::State::stopping; }));
    world.exits("db", {.code = 0});
    world.becomes_ready("db", 73);
    CHECK(action_of(client.answer()) ==
          api::ActionReply{true,
                           {{"db",
                             true,
                             "running",
                             73,
                             "restarted; 1 line of its output dropped: what they go to did not "
                             "take them in time",
                             {}}}});
}

TEST_CASE("a log that does not answer cannot keep the answer of a start back") {
    World world{{task("migrate")}};
    Client client{world};
    client.begin_post("/v1/programs/migrate/start");
    world.executes("migrate", 7);
    world.exits("migrate", {.code = 2});
    const auto reply = action_of(client.answer());
    CHECK_FALSE(reply.ok);
    CHECK(reply.results[0].last_lines.empty());
}

TEST_CASE("a task is started when it has ended well") {
    World world{{task("migrate")}};
    Client client{world};
    client.begin_post("/v1/programs/migrate/start");
    world.executes("migrate", 7);
    world.settle();
    client.read();
    CHECK(client.received.empty());
    world.exits("migrate", {.code = 0});
    const auto reply = action_of(client.answer());
    CHECK(reply.ok);
    CHECK(reply.results[0].state == "exited");
}

TEST_CASE("who has waited long enough is told what it is still doing") {
    World world{{service("web")}};
    Client client{world};
    client.begin_post("/v1/programs/web/start", R"({"timeout": "50ms"})");
    REQUIRE(world.until([&] { return !world.logs.answers.empty(); }));
    world.logs.answer_all();
    const auto reply = action_of(client.answer());
    CHECK_FALSE(reply.ok);
    CHECK(reply.results[0].message == "still starting after 50ms");
    CHECK(world.instance("web").state() == model::State::starting);
}

TEST_CASE("who does not want to wait is answered at once") {
    World world{{service("web")}};
    Client client{world};
    const auto reply = action_of(client.post("/v1/programs/web/start", R"({"wait": false})"));
    CHECK(reply.ok);
    CHECK(reply.results[0].state == "starting");
    CHECK(reply.results[0].message == "asked for");
}

TEST_CASE("a client that hangs up stops waiting, and what it asked for goes on") {
    World world{{service("web"), service("db")}};
    Client client{world};
    client.begin_post("/v1/programs/*/start");
    REQUIRE(world.until([&] { return world.instance("db").state() == model::State::starting; }));
    client.close();
    REQUIRE(world.until([&] { return world.server->connections() == 0; }));

    world.becomes_ready("web", 1);
    world.becomes_ready("db", 2);
    CHECK(world.instance("web").state() == model::State::running);
    CHECK(world.instance("db").state() == model::State::running);
}

TEST_CASE("a stop is answered when nothing is left, and names who asked") {
    World world{{service("web")}};
    world.roster->start(world.instance("web"), {});
    world.becomes_ready("web", 4121);
    Client client{world};
    client.begin_post("/v1/programs/web/stop");
    REQUIRE(world.host.signals.size() == 1);
    CHECK(world.host.signals[0].signal == SIGTERM);
    client.read();
    CHECK(client.received.empty());

    world.exits("web", {.signal = SIGTERM});
    CHECK(action_of(client.answer()) ==
          api::ActionReply{true, {{"web", true, "stopped", std::nullopt, "stopped", {}}}});
    CHECK(action_of(client.post("/v1/programs/web/stop")).results[0].message == "was stopped");

    const auto& request = world.instance("web").last_request();
    REQUIRE(request);
    CHECK(request->actor.via == core::Actor::Via::control);
    CHECK(request->actor.uid == getuid());
    CHECK(request->actor.pid == getpid());
}

TEST_CASE("a restart is answered when the new run is ready") {
    World world{{service("web")}};
    world.roster->start(world.instance("web"), {});
    world.becomes_ready("web", 1);
    Client client{world};
    client.begin_post("/v1/programs/web/restart");
    world.exits("web", {.signal = SIGTERM});
    world.settle();
    world.becomes_ready("web", 2);
    CHECK(action_of(client.answer()) ==
          api::ActionReply{true, {{"web", true, "running", 2, "restarted", {}}}});
}

TEST_CASE("a signal goes to whom it is meant for") {
    World world{{service("web")}};
    Client client{world};
    auto reply = action_of(client.post("/v1/programs/web/signal", R"({"signal":"HUP"})"));
    CHECK_FALSE(reply.ok);
    CHECK(reply.results[0].message == "has no process to signal");

    world.roster->start(world.instance("web"), {});
    world.becomes_ready("web", 1);
    reply = action_of(client.post("/v1/programs/web/signal", R"({"signal":"SIGHUP"})"));
    CHECK(reply.ok);
    CHECK(reply.results[0].message == "sent SIGHUP");
    action_of(client.post("/v1/programs/web/signal", R"({"signal":"10","scope":"tree"})"));
    REQUIRE(world.host.signals.size() == 2);
    CHECK(world.host.signals[0].signal == SIGHUP);
    CHECK(world.host.signals[0].scope == conf::StopScope::main);
    CHECK(world.host.signals[1].signal == SIGUSR1);
    CHECK(world.host.signals[1].scope == conf::StopScope::tree);
}

TEST_CASE("a reset forgets the failures") {
    World world{{task("migrate")}};
    world.roster->start(world.instance("migrate"), {});
    world.executes("migrate", 1);
    world.exits("migrate", {.code = 1});
    CHECK(world.instance("migrate").state() == model::State::failed);
    Client client{world};
    const auto reply = action_of(client.post("/v1/programs/migrate/reset"));
    CHECK(reply.ok);
    CHECK(reply.results[0].state == "stopped");
}

TEST_CASE("a group is all of its programs, each with its own result") {
    conf::Group group;
    group.name = "site";
    group.programs = {std::string{"db"}, std::string{"web"}};
    World world{{service("web", 2), service("db"), service("other")}, {}, {group}};
    Client client{world};
    const auto reply = action_of(client.post("/v1/programs/site/start", R"({"wait": false})"));
    REQUIRE(reply.results.size() == 3);
    CHECK(reply.results[0].name == "web@1");
    CHECK(reply.results[1].name == "web@2");
    CHECK(reply.results[2].name == "db");
    CHECK(world.instance("other").state() == model::State::stopped);
}

TEST_CASE("a body that can't be used changes nothing and says why") {
    struct Row {
        const char* verb;
        const char* body;
        const char* code;
        const char* message;
    };
    const Row rows[] = {
        {"start", "[]", "bad_json", "the body can't be used: not a JSON object"},
        {"start", "{", "bad_json", "the body can't be used: not JSON"},
        {"start", R"({"wiat": true})", "bad_json",
         "the body can't be used: unknown field \"wiat\""},
        {"start", R"({"wait": 1})", "bad_json",
         "the body can't be used: wait is not true or false"},
        {"start", R"({"signal": "HUP"})", "bad_request",
         "signal and scope are for the call `signal` alone"},
        {"signal", "{}", "bad_signal", "which signal?"},
        {"signal", R"({"signal":"HUP","scope":"all"})", "bad_request", "scope can't be \"all\""},
    };
    World world{{service("web")}};
    Client client{world};
    for (const Row& row : rows) {
        CAPTURE(row.verb, row.body);
        const Answer answer = client.post("/v1/programs/web/" + std::string{row.verb}, row.body);
        CHECK(answer.status == 400);
        CHECK(answer.code() == row.code);
        CHECK(answer.message() == row.message);
    }
    CHECK(client.post("/v1/programs/web/signal", R"({"signal":"NOPE"})").code() == "bad_signal");
    CHECK(client.post("/v1/programs/web/start", R"({"timeout":"soon"})").status == 400);
    CHECK(client.post("/v1/programs/nope/start").code() == "no_such_program");
    CHECK(world.instance("web").state() == model::State::stopped);
    CHECK(world.events.last_seq() == 0);
}

TEST_CASE("a shutdown is answered before it is over, and the second one kills") {
    World world{{service("web")}};
    world.roster->start(world.instance("web"), {});
    world.becomes_ready("web", 1);
    Client client{world};
    CHECK(client.post("/v1/shutdown", R"({"now": true})").code() == "bad_json");

    const Answer answer = client.post("/v1/shutdown", R"({"reason": "host goes down"})");
    CHECK(answer.status == 202);
    const auto reply = api::from_json<api::ShutdownReply>(answer.body);
    REQUIRE(reply);
    CHECK(reply->ok);
    CHECK(reply->pid == getpid());
    CHECK(reply->message == "stopping all programs, then reeve ends");
    CHECK(world.roster->shutdown().reason() == "asked to by uid " + std::to_string(getuid()) +
                                                   " (pid " + std::to_string(getpid()) +
                                                   "): host goes down");
    const auto status = api::from_json<api::Status>(client.get("/v1/status").body);
    REQUIRE(status);
    CHECK(status->supervisor.state == "stopping");
    CHECK(client.post("/v1/programs/web/start").code() == "shutting_down");

    CHECK(client.post("/v1/shutdown").status == 202);
    CHECK(world.roster->shutdown().killing());
}

// ---- output --------------------------------------------------------------------------------

TEST_CASE("logs are the program's lines as they came") {
    World world{{service("web")}};
    world.logs.lines = {mark(0, log::Line::Kind::run_begin, 41), line(0, "one \x1b[1mbold\xff"),
                        line(0, "two")};
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web/logs", {}, {}));
    REQUIRE(world.until([&] { return !world.logs.answers.empty(); }));
    CHECK(world.logs.queries[0].last_lines == 100);
    CHECK(world.logs.queries[0].instances == std::vector<log::InstanceId>{0});
    world.logs.answer_all();
    const Answer answer = client.answer();
    CHECK(answer.status == 200);
    CHECK(answer.header("content-type") == "text/plain; charset=utf-8");
    CHECK(answer.body == "one \x1b[1mbold\xff\ntwo\n");
}

TEST_CASE("the text of several instances names whose each line is, and joins pieces") {
    World world{{service("web", 2)}};
    auto piece = line(1, "begin-");
    piece.kind = log::Line::Kind::piece;
    world.logs.lines = {line(0, "a"), piece,        line(1, "end"),
                        piece,        line(0, "b"), mark(1, log::Line::Kind::missed, 7)};
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web/logs", {}, {}));
    REQUIRE(world.until([&] { return !world.logs.answers.empty(); }));
    world.logs.answer_all();
    CHECK(client.answer().body ==
          "web@1 | a\nweb@2 | begin-end\nweb@2 | begin-\nweb@1 | b\n"
          "web@2 | --- 7 lines are missing here ---\n");
}

TEST_CASE("logs as JSON lines carry time, run, pid and stream") {
    World world{{service("web")}};
    world.logs.lines = {mark(0, log::Line::Kind::run_begin, 41), line(0, "hi\xff"),
                        mark(0, log::Line::Kind::missed, 1)};
    world.logs.lines[1].source = log::Source::err;
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web/logs",
                                   {{"Accept", "application/x-ndjson"}}, {}));
    REQUIRE(world.until([&] { return !world.logs.answers.empty(); }));
    world.logs.answer_all();
    const Answer answer = client.answer();
    CHECK(answer.header("content-type") == "application/x-ndjson");
    CHECK(answer.body ==
          R"({"time":"2026-11-22T10:17:00.120Z","name":"web","program":"web","instance":1,"run":1,)"
          "\"pid\":41,\"stream\":\"stderr\",\"line\":\"hi\u00ff\",\"encoding\":\"latin-1\"}\n"
          R"({"time":"2026-11-22T10:17:00.120Z","name":"web","program":"web","instance":1,"run":1,)"
          R"("pid":41,"stream":"reeve","line":"1 line is missing here"})"
          "\n");
}

TEST_CASE("what is wanted of the logs is passed on") {
    World world{{service("web")}};
    world.roster->start(world.instance("web"), {});
    Client client{world};
    client.send(api::write_request(
        "GET", "/v1/programs/web/logs?lines=all&since=10s&until=1s&stream=stderr&run=1", {}, {}));
    REQUIRE(world.until([&] { return !world.logs.queries.empty(); }));
    const log::Query& query = world.logs.queries[0];
    CHECK(query.last_lines == std::nullopt);
    CHECK(query.since == world.host.wall_now().time_since_epoch() - 10s);
    CHECK(query.until == world.host.wall_now().time_since_epoch() - 1s);
    CHECK(query.source == log::Source::err);
    CHECK(query.run == 1);
    world.logs.answer_all();
    CHECK(client.answer().body.empty());
}

TEST_CASE("a wish that the logs cannot fulfil is refused") {
    World world{{service("web")}};
    Client client{world};
    const std::pair<const char*, const char*> rows[] = {
        {"lines=few", "lines can't be \"few\""},
        {"since=then", "since can't be \"then\""},
        {"until=then", "until can't be \"then\""},
        {"follow=maybe", "follow can't be \"maybe\""},
        {"stream=stdin", "stream can't be \"stdin\""},
        {"run=0", "run can't be \"0\""},
        {"run=1&follow", "follow does not go with run, previous or until"},
        {"run=1&previous", "run and previous exclude each other"},
        {"marks=some", "marks can't be \"some\""},
        {"line=5", "unknown parameter \"line\""},
    };
    for (const auto& [query, message] : rows) {
        CAPTURE(query);
        const Answer answer = client.get("/v1/programs/web/logs?" + std::string{query});
        CHECK(answer.status == 400);
        CHECK(answer.message() == message);
    }
    const Answer answer = client.get("/v1/programs/web/logs?run=3");
    CHECK(answer.status == 404);
    CHECK(answer.code() == "no_such_run");
    CHECK(answer.message() == "web has had no run 3: it was not started yet");
    CHECK(answer.hint() ==
          "runs are counted since reeve was started; 'reevectl logs web -n all' has all that is "
          "known here");
    CHECK(client.get("/v1/programs/nope/logs").code() == "no_such_program");
}

TEST_CASE("several targets are asked for at once, and previous is another run of each") {
    World world{{service("web"), service("db"), service("idle")}};
    world.roster->start(world.instance("web"), {});
    world.executes("web", 41);
    world.exits("web", {.code = 1});
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web,idle,web/logs?previous", {}, {}));
    REQUIRE(world.until([&] { return !world.logs.queries.empty(); }));
    CHECK(world.logs.queries[0].instances.size() == 1);
    CHECK(world.logs.queries[0].run == 1);
    world.logs.answer_all();
    CHECK(client.answer().status == 200);

    const Answer none = client.get("/v1/programs/idle/logs?previous=true");
    CHECK(none.status == 404);
    CHECK(none.message() == "no run of idle has ended yet");
    CHECK(client.get("/v1/programs/web,idle/logs?run=7").message() ==
          "web,idle has had no run 7: the last is 1");
    auto to_file = service("kept");
    to_file.output.sinks = {{.kind = conf::Sink::Kind::file, .path = "/var/log/kept.log"}};
    World other{{to_file}};
    Client asker{other};
    CHECK(asker.get("/v1/programs/kept/logs?run=7").hint() ==
          "runs are counted since reeve was started; 'reevectl logs kept -n all' has what its log "
          "files hold of earlier ones, too");
    CHECK(client.get("/v1/programs/web,nope/logs").code() == "no_such_program");
}

TEST_CASE("lines of a run that has ended name its process, though its mark is not among them") {
    World world{{task("web")}};
    world.roster->start_autostart();
    world.executes("web", 4121);
    world.exits("web", {.code = 0});
    world.logs.lines = {line(0, "a"), line(0, "b")};
    world.logs.lines.back().run = 0;  // an earlier reeve's
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web/logs?lines=2",
                                   {{"Accept", "application/x-ndjson"}}, {}));
    REQUIRE(world.until([&] { return !world.logs.answers.empty(); }));
    world.logs.answer_all();
    CHECK(client.answer().body ==
          R"({"time":"2026-11-22T10:17:00.120Z","name":"web","program":"web","instance":1,"run":1,)"
          R"("pid":4121,"stream":"stdout","line":"a"})"
          "\n"
          R"({"time":"2026-11-22T10:17:00.120Z","name":"web","program":"web","instance":1,"run":0,)"
          R"("pid":null,"stream":"stdout","line":"b"})"
          "\n");
}

TEST_CASE("marks of runs are in the logs when they are asked for") {
    World world{{service("web")}};
    world.logs.lines = {line(0, "a"), mark(0, log::Line::Kind::run_end, 0),
                        mark(0, log::Line::Kind::run_begin, 41)};
    world.logs.lines.back().run = 2;
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web/logs?marks=true",
                                   {{"Accept", "application/x-ndjson"}}, {}));
    REQUIRE(world.until([&] { return !world.logs.answers.empty(); }));
    world.logs.answer_all();
    CHECK(client.answer().body ==
          R"({"time":"2026-11-22T10:17:00.120Z","name":"web","program":"web","instance":1,"run":1,)"
          R"("pid":null,"stream":"stdout","line":"a"})"
          "\n"
          R"({"time":"2026-11-22T10:17:00.120Z","name":"web","program":"web","instance":1,"run":1,)"
          R"("pid":null,"stream":"reeve","line":"run 1 ended","event":"run_end"})"
          "\n"
          R"({"time":"2026-11-22T10:17:00.120Z","name":"web","program":"web","instance":1,"run":2,)"
          R"("pid":41,"stream":"reeve","line":"run 2, pid 41","event":"run_begin"})"
          "\n");
}

TEST_CASE("what is asked for and not kept here is said, and where it went") {
    auto direct = service("direct");
    direct.output = {conf::Output::Kind::direct, {}};
    auto journal = service("journal");
    journal.output.sinks = {{.kind = conf::Sink::Kind::null}, {.kind = conf::Sink::Kind::journal}};
    auto null = service("null");
    null.output.sinks = {{.kind = conf::Sink::Kind::null}};
    World world{{service("web"), service("db"), direct, journal, null}};
    Client client{world};
    const auto ask = [&](const std::string& targets) {
        client.send(api::write_request("GET", "/v1/programs/" + targets + "/logs", {}, {}));
        REQUIRE(world.until([&] { return !world.logs.answers.empty(); }));
        world.logs.answer_all();
        return client.answer().body;
    };
    CHECK(ask("direct") ==
          "--- stdout = \"direct\": what it writes goes straight to reeve's own, and nothing of it "
          "is known here ---\n");
    world.logs.lines = {line(0, "a")};
    CHECK(ask("*") == "web | a\n");  // who asks for all may have the others in mind
    world.logs.forgotten = {{0, log::Source::out}, {0, log::Source::err}, {1, log::Source::out}};
    CHECK(ask("web,db") ==
          "web | --- older lines went to reeve's own stdout; of each stream the last 64 KiB are "
          "kept here (the same of db) ---\nweb | a\n");
    world.logs.lines = {};
    world.logs.forgotten = {{3, log::Source::out}};
    CHECK(ask("journal") ==
          "--- older lines went to the journal; of each stream the last 64 KiB "
          "are kept here ---\n");
    world.logs.forgotten = {{4, log::Source::err}};
    CHECK(ask("null") ==
          "--- older lines went nowhere; of each stream the last 64 KiB are kept here ---\n");
}

TEST_CASE("a follower gets lines as they come, and its end is noticed") {
    World world{{service("web")}};
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web/logs?follow=true&lines=5", {}, {}));
    REQUIRE(world.until([&] { return world.logs.followers == 1; }));
    CHECK(world.logs.queries[0].last_lines == 5);
    world.logs.give({line(0, "past")});
    REQUIRE(client.until_received("past\n"));
    world.logs.give({line(0, "present")});
    REQUIRE(client.until_received("present\n"));
    CHECK(world.logs.taken == 2);

    client.close();
    REQUIRE(world.until([&] { return world.logs.followers == 0; }));
}

TEST_CASE("who follows may ask for an empty line between what was and what comes") {
    World world{{service("web")}};
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web/logs?follow=true&present=true&lines=5",
                                   {}, {}));
    REQUIRE(world.until([&] { return world.logs.followers == 1; }));
    world.logs.give({line(0, "new")});
    REQUIRE(client.until_received("new\n"));
    CHECK(client.received.ends_with("1\r\n\n\r\n4\r\nnew\n\r\n"));
    Client other{world};
    CHECK(other.get("/v1/programs/web/logs?present=perhaps").status == 400);
}

TEST_CASE("a follower that does not read holds no more than its bound, and goes on when it reads") {
    World world{{service("web")}};
    Client client{world};
    client.send(api::write_request("GET", "/v1/programs/web/logs?follow", {}, {}));
    REQUIRE(world.until([&] { return world.logs.followers == 1; }));

    constexpr std::size_t kLines = 5'000;
    for (std::size_t i = 0; i < kLines; ++i) {
        world.logs.give({line(0, std::to_string(i) + std::string(1000, 'x'))});
        if (i % 100 == 0) world.settle();
    }
    world.settle();
    // Socket buffer, stream's queue and one batch; the rest was never reported as taken.
    CHECK(world.logs.taken < 1'000);

    REQUIRE(client.until_received(std::to_string(kLines - 1) + "x"));
    CHECK(world.logs.taken == kLines);
}

// ---- events --------------------------------------------------------------------------------

TEST_CASE("events are told as they happen") {
    World world{{service("web")}};
    world.roster->start(world.instance("web"), {});
    Client client{world};
    client.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(client.until_received("\r\n\r\n"));
    CHECK(client.received.find("Content-Type: text/event-stream\r\n") != std::string::npos);
    world.settle();
    CHECK(client.received.find("event:") == std::string::npos);

    const std::uint64_t before = world.events.last_seq();
    world.executes("web", 4121);
    world.host.advance(1s);
    REQUIRE(client.until_received(
        "event: program.ready\ndata: {\"id\":" + std::to_string(before + 2) + ","));
    CHECK(client.received.find("id: " + std::to_string(before + 1) +
                               "\nevent: program.state\ndata: {") != std::string::npos);
}

TEST_CASE("events are replayed from where the client was") {
    World world{{service("web")}};
    world.roster->start(world.instance("web"), {});
    world.becomes_ready("web", 1);
    const std::uint64_t last = world.events.last_seq();
    REQUIRE(last >= 3);

    Client all{world};
    all.send(api::write_request("GET", "/v1/events?since=0", {}, {}));
    CHECK(all.until_received("id: " + std::to_string(last) + "\n"));
    CHECK(all.received.find("id: 1\n") != std::string::npos);

    Client rest{world};
    rest.send(api::write_request("GET", "/v1/events?since=0",
                                 {{"Last-Event-ID", std::to_string(last - 1)}}, {}));
    CHECK(rest.until_received("id: " + std::to_string(last) + "\n"));
    CHECK(rest.received.find("id: " + std::to_string(last - 1) + "\n") == std::string::npos);

    // From the life of another reeve.
    Client stranger{world};
    stranger.send(api::write_request("GET", "/v1/events?since=99999", {}, {}));
    CHECK(stranger.until_received("id: 1\n"));

    Client wrong{world};
    CHECK(wrong.get("/v1/events?since=now").code() == "bad_request");
    CHECK(wrong.get("/v1/events?sinse=1").code() == "bad_request");
}

TEST_CASE("a client that reads too slowly is told which events it has missed") {
    World world{{service("web")}};
    Client client{world};
    client.send(api::write_request("GET", "/v1/events?since=0", {}, {}));
    REQUIRE(client.until_received("\r\n\r\n"));

    const std::string note(1000, 'n');
    for (int i = 0; i < 4'000; ++i) {
        world.events.publish({}, "web", core::event::Failed{note, i});
        if (i % 50 == 0) world.settle();
    }
    REQUIRE(client.until_received("id: 4000\n"));

    const std::size_t lost = client.received.find("event: lost\n");
    REQUIRE(lost != std::string::npos);
    const std::size_t data = client.received.find("data: ", lost) + 6;
    const auto event = api::from_json<api::Event>(
        std::string_view{client.received}.substr(data, client.received.find('\n', data) - data));
    REQUIRE(event);
    CHECK(event->event == "lost");
    CHECK(event->id == 3000);
    // What follows is the oldest that was kept.
    CHECK(client.received.find("id: 3001\n", lost) != std::string::npos);
}

TEST_CASE("a client that takes what it is sent misses nothing, however fast events come") {
    World world{{service("web")}};
    Client client{world};
    client.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(client.until_received("\r\n\r\n"));

    for (int i = 0; i < 10'000; ++i) {
        world.events.publish({}, "web", core::event::Failed{"", i});
        if (i % 100 != 0) continue;
        world.settle();
        client.read();
    }
    REQUIRE(client.until_received("id: " + std::to_string(world.events.last_seq()) + "\n"));
    CHECK(client.received.find("event: lost\n") == std::string::npos);
}

TEST_CASE(
    "a turn with more events than are kept loses none of a client that takes what it is sent") {
    World world{{service("web")}};
    Client client{world};
    client.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(client.until_received("\r\n\r\n"));
    for (int i = 0; i < 1'900; ++i) world.events.publish({}, "web", core::event::Failed{"", i});
    REQUIRE(client.until_received("id: " + std::to_string(world.events.last_seq()) + "\n"));
    CHECK(client.received.find("event: lost\n") == std::string::npos);
}

TEST_CASE("the last events reach a client before the server hangs up") {
    World world{{service("web")}};
    Client client{world};
    client.send(api::write_request("GET", "/v1/events", {}, {}));
    REQUIRE(client.until_received("\r\n\r\n"));
    world.events.publish({}, "", core::event::SupervisorStopping{"SIGTERM", 0});
    world.server->stop();
    REQUIRE(client.until_closed());
    CHECK(client.received.find("supervisor.stopping") != std::string::npos);
}

// --- the configuration ---------------------------------------------------------------------------

TEST_CASE("diff tells what apply would do, and does nothing") {
    World world{{service("web")}};
    Client client{world};
    auto answer = client.post("/v1/config/diff", "");
    REQUIRE(answer.status == 200);
    auto plan = api::from_json<api::ConfigReply>(answer.body).value();
    CHECK(plan.ok);
    CHECK_FALSE(plan.differs);
    CHECK(plan.programs == std::vector<api::ProgramChange>{{"web", "keep", {}, ""}});

    world.configs.config.programs = {service("db")};
    plan = api::from_json<api::ConfigReply>(client.post("/v1/config/diff", "").body).value();
    CHECK(plan.differs);
    CHECK(plan.programs ==
          std::vector<api::ProgramChange>{{"db", "start", {}, "new"},
                                          {"web", "stop", {}, "removed; was stopped"}});
    CHECK(world.roster->instances().size() == 1);
}

TEST_CASE("apply answers when what it began has come to its end") {
    World world{{service("web")}};
    world.configs.config.programs = {service("web"), service("db")};
    Client client{world};
    client.begin_post("/v1/config/apply");
    REQUIRE(world.until([&] { return world.roster->instances().size() == 2; }));
    world.becomes_ready("db", 71);
    const auto answer = client.answer();
    REQUIRE(answer.status == 200);
    const auto reply = api::from_json<api::ConfigReply>(answer.body).value();
    CHECK(reply.ok);
    REQUIRE(reply.results.size() == 1);
    CHECK(reply.results[0].name == "db");
    CHECK(reply.results[0].state == "running");
    CHECK(reply.results[0].pid == 71);
}

TEST_CASE("a configuration that is not valid is refused with all that is wrong") {
    World world{{service("web")}};
    world.configs.refusal = control::Refusal{
        api::kBadConfig, "r.toml:1:1: one\nr.toml:2:1: two", "nothing was changed", {}};
    Client client{world};
    const auto answer = client.post("/v1/config/apply", "");
    CHECK(answer.status == 422);
    CHECK(answer.code() == "bad_config");
    CHECK(answer.message() == "r.toml:1:1: one\nr.toml:2:1: two");
    CHECK(answer.hint() == "nothing was changed");
    CHECK(client.post("/v1/config/apply", R"({"wait":1})").code() == "bad_json");
    CHECK(client.post("/v1/config/apply", R"({"timeout":"soon"})").code() == "bad_request");
    CHECK(client.post("/v1/config/apply", R"({"instances":1})").code() == "bad_json");
}

TEST_CASE("a timeout holds for the reading of the configuration too") {
    World world{{service("web")}};
    world.configs.hangs = true;
    Client client{world};
    for (const char* target : {"/v1/config/apply", "/v1/programs/web/scale"}) {
        const auto answer =
            client.post(target, R"({"timeout":"20ms")" +
                                    std::string{target[4] == 'p' ? R"(,"instances":2})" : "}"});
        CHECK(answer.status == 503);
        CHECK(answer.message() ==
              "the configuration could not be read within 20ms (does a disk hang?); what was asked "
              "for goes on for 30s at most");
        CHECK(answer.hint() == "GET /v1/events tells of it (config.applied)");
    }
}

TEST_CASE("scale takes one program by its name, and a number of instances that can be") {
    World world{{service("web")}, {}, {{"site", {}, {"web"}}}};
    Client client{world};
    const auto post = [&](const std::string& target, const std::string& body) {
        return client.post("/v1/programs/" + target + "/scale", body);
    };
    CHECK(post("web", "").code() == "bad_request");
    CHECK(post("web", R"({"instances":0})").code() == "bad_request");
    CHECK(post("web", R"({"instances":1001})").code() == "bad_request");
    CHECK(post("web", R"({"instances":2,"signal":"HUP"})").code() == "bad_request");
    CHECK(post("nosuch", R"({"instances":2})").code() == "no_such_program");
    CHECK(post("site", R"({"instances":2})").message() == "\"site\" is not the name of a program");
    CHECK(client.post("/v1/programs/web/start", R"({"instances":2})").code() == "bad_request");
    const auto reply =
        api::from_json<api::ActionReply>(post("web", R"({"instances":2,"wait":false})").body);
    REQUIRE(reply);
    CHECK(world.roster->instances().size() == 2);
    CHECK(world.roster->instances()[0]->name() == "web@1");
}

TEST_CASE("run hands the program's table on, and waits for the end of a task") {
    World world{{service("web")}};
    Client client{world};
    const auto run = [&](const std::string& body) { return client.post("/v1/programs", body); };
    CHECK(run("").message() == "what is to be run? \"program\" has no command");
    CHECK(run(R"({"program":{"nice":5}})").code() == "bad_request");
    CHECK(run(R"({"program":{"command":null}})").message() ==
          "\"command\" is null, which TOML doesn't have (leave the key out for its default)");
    CHECK(run(R"({"program":{"command":"x"},"name":"A"})").message() ==
          "\"A\" can't name a program");
    CHECK(run(R"({"program":{"command":"x"},"timeout":"soon"})").code() == "bad_request");
    CHECK(run(R"({"command":"x"})").code() == "bad_json");
    CHECK(world.roster->instances().size() == 1);

    const std::string task = R"({"name":"job","program":{"command":["x"],"type":"task"}})";
    client.send("POST /v1/programs HTTP/1.1\r\nHost: x\r\nContent-Length: " +
                std::to_string(task.size()) + "\r\n\r\n" + task);
    REQUIRE(world.until([&] { return world.roster->instances().size() == 2; }));
    CHECK(world.configs.ran.name == "job");
    CHECK(world.configs.ran.table.find("type")->value.text == "task");
    world.executes("job", 71);
    world.exits("job", {.code = 4});
    const auto answer = client.answer();
    REQUIRE(answer.status == 200);
    const auto reply = api::from_json<api::ActionReply>(answer.body).value();
    CHECK_FALSE(reply.ok);
    REQUIRE(reply.results.size() == 1);
    CHECK(reply.results[0].name == "job");
    CHECK(reply.results[0].state == "failed");
    CHECK(reply.results[0].message == "exit 4");
}

TEST_CASE("remove takes one program by its name, and tells when nothing of it is left") {
    conf::Program transient = service("mine");
    transient.transient = true;
    World world{{service("web"), transient}, {}, {{"site", {}, {"web"}}}};
    Client client{world};
    const auto post = [&](const std::string& target, const std::string& body) {
        return client.post("/v1/programs/" + target + "/remove", body);
    };
    CHECK(post("nosuch", "").code() == "no_such_program");
    CHECK(post("site", "").message() == "\"site\" is not the name of a program");
    CHECK(post("mine", R"({"instances":1})").code() == "bad_json");
    CHECK(post("mine", R"({"timeout":"soon"})").code() == "bad_request");
    world.roster->start(world.instance("mine"), {});
    world.executes("mine", 71);
    client.send("POST /v1/programs/mine/remove HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    REQUIRE(world.until([&] { return world.instance("mine").state() == model::State::stopping; }));
    world.exits("mine", {.code = 0});
    const auto reply = api::from_json<api::ActionReply>(client.answer().body);
    REQUIRE(reply);
    REQUIRE(reply->results.size() == 1);
    CHECK(reply->results[0].message == "removed");
    REQUIRE(world.until([&] { return world.roster->instances().size() == 1; }));
    // Who asks while the disk hangs is told so.
    world.configs.hangs = true;
    CHECK(post("web", R"({"timeout":"20ms"})").status == 503);
}

TEST_CASE("the status says whether the configuration on disk is another one") {
    World world{{service("web")}};
    Client client{world};
    const auto changed = [&] {
        return api::from_json<api::Status>(client.get("/v1/status").body)
            .value()
            .supervisor.config_changed;
    };
    CHECK_FALSE(changed());
    world.configs.is_changed = true;
    CHECK(changed());
}

TEST_CASE("metrics come in the format that was asked for") {
    World world{{service("web")}};
    world.processes.latest.cpu_seconds[0] = 2.5;
    Client client{world};
    client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    const Answer text = client.answer();
    CHECK(text.status == 200);
    CHECK(text.header("content-type") == "text/plain; version=0.0.4; charset=utf-8");
    CHECK(text.body.find("\nreeve_program_cpu_seconds_total{program=\"web\",number=\"1\"} 2.5\n") !=
          std::string::npos);
    client.send(
        "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text;version=1.0.0,"
        "text/plain;q=0.5\r\n\r\n");
    const Answer open = client.answer();
    CHECK(open.header("content-type") ==
          "application/openmetrics-text; version=1.0.0; charset=utf-8");
    CHECK(open.body.ends_with("# EOF\n"));
}

TEST_CASE("a client that goes while its metrics are gathered harms nobody") {
    World world{{service("web")}};
    world.processes.later = true;
    {
        Client client{world};
        client.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        REQUIRE(world.until([&] { return world.processes.waiting.size() == 1; }));
    }
    REQUIRE(world.until([&] { return world.server->connections() == 0; }));
    world.processes.answer();
    CHECK(Client{world}.get("/livez").status == 200);
}
