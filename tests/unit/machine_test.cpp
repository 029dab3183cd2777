#include "supervisor/model/machine.h"

#include <csignal>
#include <map>
#include <set>

#include "tests/support/catch.h"

using namespace std::chrono_literals;
namespace conf = reeve::conf;
using reeve::base::ExitStatus;
using reeve::base::signal_name;
using namespace reeve::model;

namespace {

const TimePoint kStart{1h};

// Numbers that no two deadlines share.
conf::Program a_program() {
    conf::Program program;
    program.name = "web";
    program.restart_delay = 1s;
    program.restart_delay_max = 1s;
    program.max_failures = 3;
    program.healthy_after = 10s;
    program.start_timeout = 90s;
    program.stop_steps = {{SIGQUIT, 5s}, {SIGTERM, 6s}};
    program.stop_timeout = 7s;
    return program;
}

conf::Program a_daemon() {
    conf::Program program = a_program();
    program.type = conf::ProgramType::forking;
    return program;
}

// Ready when somebody finds it so.
conf::Program a_probed_service() {
    conf::Program program = a_program();
    program.ready.kind = conf::Readiness::Kind::probe;
    return program;
}

const MachineEvent kExit0 = MainExited{{.code = 0}};
const MachineEvent kExit3 = MainExited{{.code = 3}};
const MachineEvent kFailsToSpawn = SpawnFailed{.reason = "chdir /srv: Permission denied"};
const MachineEvent kNoRoom = SpawnFailed{.reason = "fork: no room", .no_room = true};
const MachineEvent kHopeless = SpawnFailed{.reason = "exec: no such file", .hopeless = true};

const MachineEvent kMissing = MainMissing{"left no process behind"};
const MachineEvent kUnhealthy = Unhealthy{"3 probes failed: timed out", 20s};
const MachineEvent kGuard = GuardTripped{"pids 120, limit 100"};

std::string text_of(const Effect& effect) {
    if (const auto* send = std::get_if<SendSignal>(&effect)) {
        return signal_name(send->signal) +
               (send->scope == conf::StopScope::tree ? " to the tree" : "");
    }
    if (std::holds_alternative<Spawn>(effect)) return "spawn";
    if (std::holds_alternative<KillTree>(effect)) return "kill";
    if (std::holds_alternative<FindMain>(effect)) return "find";
    if (std::holds_alternative<TellOverlap>(effect)) return "overlap";
    if (std::holds_alternative<AwaitReady>(effect)) return "await ready";
    if (std::holds_alternative<KillHook>(effect)) return "kill hook";
    if (const auto* run = std::get_if<RunHook>(&effect)) return std::string{name_of(run->hook)};
    return "check";
}

std::string where(const Machine& machine) {
    switch (machine.stop_phase()) {
        case Machine::StopPhase::none:
            return machine.looking() ? "looking" : std::string{name_of(machine.state())};
        case Machine::StopPhase::signalling:
            return "signalling";
        case Machine::StopPhase::confirming:
            return "confirming";
        case Machine::StopPhase::leftovers:
            return "leftovers";
        case Machine::StopPhase::killing:
            return "killing";
        case Machine::StopPhase::hooks:
            return "hooks";
    }
    return {};
}

// One machine, its clock, and what it asked for last.
class Life {
public:
    explicit Life(conf::Program program = a_program()) : program_{std::move(program)} {}

    // "running", "starting: spawn", "signalling: SIGQUIT": where it is now, and what is to be done.
    std::string after(const MachineEvent& event) {
        std::string text;
        for (const Effect& effect : machine_.step(event, now_)) {
            text += (text.empty() ? ": " : ", ") + text_of(effect);
        }
        return where(machine_) + text;
    }
    std::string at_its_deadline() {
        if (machine_.deadline()) now_ = *machine_.deadline();
        return after(DeadlineReached{});
    }
    void pass(Duration time) { now_ += time; }
    Duration until_deadline() const {
        return machine_.deadline() ? *machine_.deadline() - now_ : Duration{-1};
    }
    const Machine& machine() const { return machine_; }
    int failures() const { return machine_.failures(now_); }
    void hint(const std::string& text) { machine_.set_ready_hint(text); }

    Life& does(std::initializer_list<MachineEvent> events) {
        for (const MachineEvent& event : events) {
            // A deadline that is due, whenever it is.
            if (std::holds_alternative<DeadlineReached>(event)) {
                at_its_deadline();
            } else {
                machine_.step(event, now_);
            }
        }
        return *this;
    }

private:
    conf::Program program_;
    Machine machine_{program_, 1};
    TimePoint now_ = kStart;
};

conf::Program with_hooks() {
    conf::Program program = a_program();
    program.hooks = {{.start_pre = {{.words = {"mkdir", "/run/web"}}},
                      .stop_post = {{.words = {"rm", "/run/web.pid"}}},
                      .stop_command = {.words = {"web", "quit"}}}};
    return program;
}

// How to get to each place of the essay in machine.h.
const std::map<std::string, std::vector<MachineEvent>> kWays{
    {"stopped", {}},
    {"waiting", {StartRequested{}, kNoRoom}},
    {"starting", {StartRequested{}}},
    {"executed", {StartRequested{}, Executed{}}},
    {"running", {StartRequested{}, Executed{}, DeadlineReached{}}},
    {"signalling", {StartRequested{}, Executed{}, DeadlineReached{}, StopRequested{}}},
    {"confirming", {StartRequested{}, Executed{}, DeadlineReached{}, kExit3}},
    {"leftovers", {StartRequested{}, Executed{}, DeadlineReached{}, kExit3, LeftBehind{2}}},
    {"killing", {StartRequested{}, Executed{}, DeadlineReached{}, KillRequested{}}},
    {"backoff", {StartRequested{}, Executed{}, kExit3, Emptied{}}},
    {"exited", {StartRequested{}, Executed{}, kExit0, Emptied{}}},
    {"failed", {StartRequested{}, kHopeless}},
    // Of type `forking`.
    {"command", {StartRequested{}, Executed{}}},
    {"looking", {StartRequested{}, Executed{}, kExit0}},
    {"found", {StartRequested{}, Executed{}, kExit0, MainFound{}}},
    {"looking again", {StartRequested{}, Executed{}, kExit0, MainFound{}, kExit0}},
    {"daemon", {StartRequested{}, Executed{}, kExit0, MainFound{}, DeadlineReached{}}},
    {"looked", {StartRequested{}, Executed{}, kExit0, kMissing}},
    // Of one that is ready when somebody finds it so.
    {"awaited", {StartRequested{}, Executed{}}},
};

// What `where` says of a place that has a name of its own here.
const std::map<std::string, std::string> kKnownAs{
    {"executed", "starting"},     {"command", "starting"}, {"found", "starting"},
    {"looking again", "looking"}, {"daemon", "running"},   {"looked", "confirming"},
    {"awaited", "starting"}};

const std::set<std::string> kOfDaemons{"command", "looking",       "found",
                                       "daemon",  "looking again", "looked"};

Life at(const std::string& place) {
    Life life{kOfDaemons.contains(place) ? a_daemon()
              : place == "awaited"       ? a_probed_service()
                                         : a_program()};
    for (const MachineEvent& event : kWays.at(place)) life.does({event});
    return life;
}

const std::map<std::string, MachineEvent> kEvents{
    {"start", StartRequested{}},
    {"stop", StopRequested{}},
    {"restart", RestartRequested{}},
    {"reset", ResetRequested{}},
    {"kill", KillRequested{}},
    {"executed", Executed{}},
    {"spawn failed", kFailsToSpawn},
    {"no room", kNoRoom},
    {"hopeless", kHopeless},
    {"exit 0", kExit0},
    {"exit 3", kExit3},
    {"found", MainFound{}},
    {"missing", kMissing},
    {"guard", kGuard},
    {"ready", BecameReady{}},
    {"more time", TimeExtended{1s}},
    {"unhealthy", kUnhealthy},
    {"emptied", Emptied{}},
    {"left behind", LeftBehind{2}},
    {"deadline", DeadlineReached{}},
};

std::string after(const std::string& place, const std::string& event) {
    Life life = at(place);
    return event == "deadline" ? life.at_its_deadline() : life.after(kEvents.at(event));
}

// Every place under every event; "." is where nothing changes and nothing is to be done.
struct Row {
    std::string place;
    std::string events;
    std::string becomes;
};

const std::vector<Row> kEveryPair{
    {"stopped", "start, restart", "starting: spawn"},
    {"stopped",
     "stop, reset, kill, executed, spawn failed, no room, hopeless, exit 0, exit 3, found, "
     "missing, "
     "guard, emptied, left behind, deadline",
     "."},
    {"waiting", "start, restart, deadline", "starting: spawn"},
    {"waiting", "stop, kill", "stopped"},
    {"waiting",
     "reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, found, missing, guard, "
     "emptied, left behind",
     "."},
    {"starting", "stop, restart, guard, deadline", "signalling: SIGQUIT"},
    {"starting", "kill", "killing: kill"},
    {"starting", "spawn failed", "backoff"},
    {"starting", "no room", "waiting"},
    {"starting", "hopeless", "failed"},
    {"starting", "exit 0, exit 3", "confirming: check"},
    {"starting", "start, reset, executed, found, missing, emptied, left behind", "."},
    {"executed", "stop, restart, guard", "signalling: SIGQUIT"},
    {"executed", "kill", "killing: kill"},
    {"executed", "spawn failed", "backoff"},
    {"executed", "no room", "waiting"},
    {"executed", "hopeless", "failed"},
    {"executed", "exit 0, exit 3", "confirming: check"},
    {"executed", "deadline", "running"},
    {"executed", "start, reset, executed, found, missing, emptied, left behind", "."},
    {"running", "stop, restart, guard", "signalling: SIGQUIT"},
    {"running", "kill", "killing: kill"},
    {"running", "exit 0, exit 3", "confirming: check"},
    {"running",
     "start, reset, executed, spawn failed, no room, hopeless, found, missing, emptied, left "
     "behind, deadline",
     "."},
    {"signalling", "kill", "killing: kill"},
    {"signalling", "spawn failed, no room, hopeless", "stopped"},
    {"signalling", "exit 0, exit 3", "confirming: check"},
    {"signalling", "deadline", "signalling: SIGTERM"},
    {"signalling",
     "start, stop, restart, reset, executed, found, missing, guard, emptied, left behind", "."},
    {"confirming", "kill", "killing: kill"},
    {"confirming", "emptied", "backoff"},
    {"confirming", "left behind", "leftovers: SIGTERM to the tree"},
    {"confirming",
     "start, stop, restart, reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, "
     "found, missing, guard, deadline",
     "."},
    {"leftovers", "kill, deadline", "killing: kill"},
    {"leftovers", "emptied", "backoff"},
    {"leftovers",
     "start, stop, restart, reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, "
     "found, missing, guard, left behind",
     "."},
    {"killing", "kill", "killing: kill"},
    {"killing", "spawn failed, no room, hopeless", "stopped"},
    {"killing", "exit 0, exit 3", "killing: check"},
    {"killing",
     "start, stop, restart, reset, executed, found, missing, guard, emptied, left behind, deadline",
     "."},
    {"backoff", "start, restart, deadline", "starting: spawn"},
    {"backoff", "stop, kill", "stopped"},
    {"backoff",
     "reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, found, missing, guard, "
     "emptied, left behind",
     "."},
    {"exited", "start, restart", "starting: spawn"},
    {"exited", "stop, reset, kill", "stopped"},
    {"exited",
     "executed, spawn failed, no room, hopeless, exit 0, exit 3, found, missing, guard, emptied, "
     "left behind, deadline",
     "."},
    {"failed", "start, restart", "starting: spawn"},
    {"failed", "stop, reset, kill", "stopped"},
    {"failed",
     "executed, spawn failed, no room, hopeless, exit 0, exit 3, found, missing, guard, emptied, "
     "left behind, deadline",
     "."},
    {"command", "stop, restart, guard, deadline", "signalling: SIGQUIT"},
    {"command", "kill", "killing: kill"},
    {"command", "spawn failed", "backoff"},
    {"command", "no room", "waiting"},
    {"command", "hopeless", "failed"},
    {"command", "exit 0", "looking: find"},
    {"command", "exit 3", "confirming: check"},
    {"command", "start, reset, executed, found, missing, emptied, left behind", "."},
    {"looking", "stop, restart, guard, deadline", "confirming: check"},
    {"looking", "kill", "killing: kill"},
    {"looking", "found", "starting"},
    {"looking", "missing", "confirming: check"},
    {"looking",
     "start, reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, emptied, left "
     "behind",
     "."},
    {"found", "stop, restart, guard", "signalling: SIGQUIT"},
    {"found", "kill", "killing: kill"},
    {"found", "spawn failed", "backoff"},
    {"found", "no room", "waiting"},
    {"found", "hopeless", "failed"},
    {"found", "exit 0", "looking: find"},
    {"found", "exit 3", "confirming: check"},
    {"found", "deadline", "running"},
    {"found", "start, reset, executed, found, missing, emptied, left behind", "."},
    {"looking again", "stop, restart, guard, deadline", "confirming: check"},
    {"looking again", "kill", "killing: kill"},
    {"looking again", "found", "starting"},
    {"looking again", "missing", "confirming: check"},
    {"looking again",
     "start, reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, emptied, left "
     "behind",
     "."},
    {"daemon", "stop, restart, guard", "signalling: SIGQUIT"},
    {"daemon", "kill", "killing: kill"},
    {"daemon", "exit 0, exit 3", "confirming: check"},
    {"daemon",
     "start, reset, executed, spawn failed, no room, hopeless, found, missing, emptied, left "
     "behind, deadline",
     "."},
    {"looked", "kill", "killing: kill"},
    {"looked", "emptied", "backoff"},
    {"looked", "left behind", "leftovers: SIGTERM to the tree"},
    {"looked",
     "start, stop, restart, reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, "
     "found, missing, guard, deadline",
     "."},
    {"stopped", "ready, more time, unhealthy", "."},
    {"waiting", "ready, more time, unhealthy", "."},
    {"starting", "ready, more time, unhealthy", "."},
    {"executed", "ready, more time, unhealthy", "."},
    {"running", "ready, more time", "."},
    {"running", "unhealthy", "signalling: SIGQUIT"},
    {"signalling", "ready, more time, unhealthy", "."},
    {"confirming", "ready, more time, unhealthy", "."},
    {"leftovers", "ready, more time, unhealthy", "."},
    {"killing", "ready, more time, unhealthy", "."},
    {"backoff", "ready, more time, unhealthy", "."},
    {"exited", "ready, more time, unhealthy", "."},
    {"failed", "ready, more time, unhealthy", "."},
    {"command", "ready, more time, unhealthy", "."},
    {"looking", "ready, more time, unhealthy", "."},
    {"found", "ready, more time, unhealthy", "."},
    {"looking again", "ready, more time, unhealthy", "."},
    {"daemon", "ready, more time", "."},
    {"daemon", "unhealthy", "signalling: SIGQUIT"},
    {"looked", "ready, more time, unhealthy", "."},
    {"awaited", "stop, restart, guard, deadline", "signalling: SIGQUIT"},
    {"awaited", "kill", "killing: kill"},
    {"awaited", "spawn failed", "backoff"},
    {"awaited", "no room", "waiting"},
    {"awaited", "hopeless", "failed"},
    {"awaited", "exit 0, exit 3", "confirming: check"},
    {"awaited", "ready", "running"},
    {"awaited",
     "start, reset, executed, found, missing, more time, unhealthy, emptied, left behind", "."},
};

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin < list.size();) {
        const std::size_t end = std::min(list.find(", ", begin), list.size());
        words.push_back(list.substr(begin, end - begin));
        begin = end + 2;
    }
    return words;
}

}  // namespace

TEST_CASE("every state answers every event") {
    std::set<std::pair<std::string, std::string>> seen;
    for (const Row& row : kEveryPair) {
        for (const std::string& event : split(row.events)) {
            INFO(row.place << " under " << event);
            REQUIRE(seen.emplace(row.place, event).second);
            const auto known_as = kKnownAs.find(row.place);
            const std::string unchanged = known_as == kKnownAs.end() ? row.place : known_as->second;
            CHECK(after(row.place, event) == (row.becomes == "." ? unchanged : row.becomes));
        }
    }
    CHECK(seen.size() == kWays.size() * kEvents.size());
}

// --- hooks ---------------------------------------------------------------------------------------

namespace {

MachineEvent failed(Hook hook) {
    return HookFailed{.hook = hook,
                      .stage = std::string{name_of(hook)} + " (false)",
                      .how = "exit 1",
                      .last_line = "no"};
}

const std::map<std::string, MachineEvent> kHookEvents{
    {"start_pre done", HookDone{Hook::start_pre}},
    {"start_pre failed", failed(Hook::start_pre)},
    {"start_pre lacked", HookFailed{Hook::start_pre, "start_pre (a)", "clone: no", "", true}},
    {"stop_command done", HookDone{Hook::stop_command}},
    {"stop_command failed", failed(Hook::stop_command)},
    {"stop_post done", HookDone{Hook::stop_post}},
    {"stop_post failed", failed(Hook::stop_post)},
};

const MachineEvent kPrepared = HookDone{Hook::start_pre};

// Of a program that has all hooks.
const std::map<std::string, std::vector<MachineEvent>> kHookWays{
    {"preparing", {StartRequested{}}},
    {"spawned", {StartRequested{}, kPrepared}},
    {"not prepared", {StartRequested{}, StopRequested{}}},
    {"commanding", {StartRequested{}, kPrepared, Executed{}, StopRequested{}}},
    {"late command", {StartRequested{}, kPrepared, Executed{}, StopRequested{}, DeadlineReached{}}},
    {"gone, commanding",
     {StartRequested{}, kPrepared, Executed{}, StopRequested{}, kExit0, Emptied{}}},
    {"cleaning up", {StartRequested{}, kPrepared, Executed{}, kExit3, Emptied{}}},
    {"cleaning up, late",
     {StartRequested{}, kPrepared, Executed{}, kExit3, Emptied{}, DeadlineReached{}}},
};

const std::map<std::string, std::string> kHookPlaces{
    {"preparing", "starting"},    {"spawned", "starting"},        {"not prepared", "hooks"},
    {"commanding", "signalling"}, {"late command", "signalling"}, {"gone, commanding", "hooks"},
    {"cleaning up", "hooks"},     {"cleaning up, late", "hooks"},
};

// What is not here changes nothing.
const std::vector<Row> kHookPairs{
    {"preparing", "start_pre done", "starting: spawn"},
    {"preparing", "start_pre failed", "hooks: stop_post"},
    {"preparing", "start_pre lacked", "waiting"},
    {"preparing", "stop, restart, guard, kill, deadline", "hooks: kill hook"},
    {"spawned", "stop, restart, guard, deadline", "signalling: SIGQUIT"},
    {"spawned", "kill", "killing: kill"},
    {"spawned", "spawn failed, hopeless", "hooks: stop_post"},
    {"spawned", "no room", "waiting"},
    {"spawned", "exit 0, exit 3", "confirming: check"},
    {"not prepared", "kill", "hooks: kill hook"},
    {"not prepared", "deadline", "hooks"},
    {"not prepared", "start_pre done, start_pre failed, start_pre lacked", "hooks: stop_post"},
    {"commanding", "kill", "killing: kill hook, kill"},
    {"commanding", "stop_command failed", "signalling: SIGQUIT"},
    {"commanding", "deadline", "signalling: kill hook, SIGQUIT"},
    {"commanding", "exit 0, exit 3", "confirming: check"},
    {"commanding", "spawn failed, no room, hopeless", "hooks"},
    {"late command", "kill", "killing: kill hook, kill"},
    {"late command", "deadline", "signalling: SIGTERM"},
    {"late command", "exit 0, exit 3", "confirming: check"},
    {"late command", "spawn failed, no room, hopeless", "hooks"},
    {"gone, commanding", "kill, deadline", "hooks: kill hook"},
    {"gone, commanding", "stop_command done, stop_command failed", "hooks: stop_post"},
    {"cleaning up", "kill, deadline", "hooks: kill hook"},
    {"cleaning up", "stop_post done, stop_post failed", "backoff"},
    {"cleaning up, late", "kill", "hooks: kill hook"},
    {"cleaning up, late", "stop_post done, stop_post failed", "backoff"},
};

}  // namespace

TEST_CASE("with hooks too every state answers every event") {
    std::map<std::pair<std::string, std::string>, std::string> becomes;
    for (const Row& row : kHookPairs) {
        for (const std::string& event : split(row.events)) {
            INFO(row.place << " under " << event);
            REQUIRE(becomes.emplace(std::pair{row.place, event}, row.becomes).second);
        }
    }
    std::map<std::string, MachineEvent> events = kEvents;
    events.insert(kHookEvents.begin(), kHookEvents.end());
    for (const auto& [place, way] : kHookWays) {
        for (const auto& [name, event] : events) {
            INFO(place << " under " << name);
            Life life{with_hooks()};
            for (const MachineEvent& step : way) life.does({step});
            const auto row = becomes.find({place, name});
            CHECK((name == "deadline" ? life.at_its_deadline() : life.after(event)) ==
                  (row == becomes.end() ? kHookPlaces.at(place) : row->second));
        }
    }
}

TEST_CASE("of hooks that were not asked for nobody takes a word") {
    for (const auto& [place, way] : kWays) {
        for (const auto& [name, event] : kHookEvents) {
            INFO(place << " under " << name);
            const auto known_as = kKnownAs.find(place);
            CHECK(at(place).after(event) ==
                  (known_as == kKnownAs.end() ? place : known_as->second));
        }
    }
}

TEST_CASE("start_pre has start_timeout, and so has the program after it") {
    Life life{with_hooks()};
    CHECK(life.after(StartRequested{}) == "starting: start_pre");
    CHECK(life.until_deadline() == 90s);
    CHECK_FALSE(life.machine().main_alive());
    CHECK_FALSE(life.machine().looking());
    life.pass(80s);
    CHECK(life.after(kPrepared) == "starting: spawn");
    CHECK(life.until_deadline() == 90s);
    CHECK(life.machine().main_alive());
}

TEST_CASE("start_pre that fails is a failed start that names its stage, and is cleaned up after") {
    Life life{with_hooks()};
    life.does({StartRequested{}});
    CHECK(life.after(failed(Hook::start_pre)) == "hooks: stop_post");
    CHECK(life.until_deadline() == 7s);
    CHECK(life.after(HookDone{Hook::stop_post}) == "backoff");
    CHECK(life.machine().last_ending()->kind == Ending::Kind::spawn_failure);
    CHECK(life.machine().last_ending()->reason == "start_pre (false): exit 1: no");
    CHECK(life.machine().failures() == 1);
}

TEST_CASE("start_pre that takes too long is killed, and the reason says so") {
    Life life{with_hooks()};
    life.does({StartRequested{}});
    CHECK(life.at_its_deadline() == "hooks: kill hook");
    CHECK(life.machine().deadline() == std::nullopt);
    life.does({failed(Hook::start_pre), HookDone{Hook::stop_post}});
    CHECK(life.machine().state() == State::backoff);
    CHECK(life.machine().last_ending()->kind == Ending::Kind::start_timeout);
    CHECK(life.machine().last_ending()->reason == "start_pre (false): not done within 1m30s: no");
}

TEST_CASE("a stop while start_pre runs ends it, and ends in stopped") {
    Life life{with_hooks()};
    life.does({StartRequested{}, StopRequested{}});
    CHECK(life.after(failed(Hook::start_pre)) == "hooks: stop_post");
    CHECK(life.after(HookDone{Hook::stop_post}) == "stopped");
    CHECK(life.machine().failures() == 0);
}

TEST_CASE("stop_command stands for the first signal, for as long as that would get") {
    Life life{with_hooks()};
    life.does({StartRequested{}, kPrepared, Executed{}, DeadlineReached{}});
    CHECK(life.after(StopRequested{}) == "signalling: stop_command");
    CHECK(life.until_deadline() == 5s);
    SECTION("it works") {
        CHECK(life.after(HookDone{Hook::stop_command}) == "signalling");
        CHECK(life.until_deadline() == 5s);
        CHECK(life.at_its_deadline() == "signalling: SIGTERM");
        CHECK(life.at_its_deadline() == "killing: kill");
    }
    SECTION("it fails: then the steps, from the first") {
        life.pass(2s);
        CHECK(life.after(failed(Hook::stop_command)) == "signalling: SIGQUIT");
        CHECK(life.until_deadline() == 5s);
        CHECK(life.at_its_deadline() == "signalling: SIGTERM");
    }
    SECTION("it hangs: then too, and its answer is waited for at the end") {
        CHECK(life.at_its_deadline() == "signalling: kill hook, SIGQUIT");
        CHECK(life.until_deadline() == 5s);
        CHECK(life.after(kExit0) == "confirming: check");
        CHECK(life.after(Emptied{}) == "hooks");
        CHECK(life.machine().deadline() == std::nullopt);
        CHECK(life.after(failed(Hook::stop_command)) == "hooks: stop_post");
        CHECK(life.after(HookDone{Hook::stop_post}) == "stopped");
    }
    SECTION("the program goes before it has ended: it gets the rest of its time") {
        life.pass(1s);
        life.does({kExit0, Emptied{}});
        CHECK(life.until_deadline() == 4s);
        CHECK(life.at_its_deadline() == "hooks: kill hook");
        CHECK(life.after(failed(Hook::stop_command)) == "hooks: stop_post");
    }
}

TEST_CASE("stop_post comes after each end but one that is a kill, and changes none") {
    SECTION("an end by itself, whatever becomes of the hook") {
        Life life{with_hooks()};
        life.does({StartRequested{}, kPrepared, Executed{}, kExit0});
        CHECK(life.after(Emptied{}) == "hooks: stop_post");
        CHECK(life.after(failed(Hook::stop_post)) == "exited");
        CHECK(life.machine().last_ending()->reason == "exit 0");
    }
    SECTION("one that it was no use to start is still hopeless") {
        Life life{with_hooks()};
        life.does({StartRequested{}, kPrepared, kHopeless});
        CHECK(life.after(HookDone{Hook::stop_post}) == "failed");
    }
    SECTION("a restart waits for it") {
        Life life{with_hooks()};
        life.does({StartRequested{}, kPrepared, Executed{}, DeadlineReached{}, RestartRequested{},
                   HookDone{Hook::stop_command}, kExit0, Emptied{}});
        CHECK(life.after(HookDone{Hook::stop_post}) == "starting: start_pre");
    }
    SECTION("leftovers that may stay don't hold it up") {
        conf::Program program = with_hooks();
        program.leftovers = conf::Leftovers::keep;
        Life life{program};
        life.does({StartRequested{}, kPrepared, Executed{}});
        CHECK(life.after(kExit3) == "hooks: stop_post");
    }
    SECTION("killed") {
        Life life{with_hooks()};
        life.does({StartRequested{}, kPrepared, Executed{}, KillRequested{}, kExit0});
        CHECK(life.after(Emptied{}) == "stopped");
    }
    SECTION("killed while it was prepared, or cleaned up after") {
        Life preparing{with_hooks()};
        preparing.does({StartRequested{}, KillRequested{}});
        CHECK(preparing.after(failed(Hook::start_pre)) == "stopped");
        Life cleaning{with_hooks()};
        cleaning.does(
            {StartRequested{}, kPrepared, Executed{}, kExit3, Emptied{}, KillRequested{}});
        CHECK(cleaning.after(failed(Hook::stop_post)) == "stopped");
    }
}

TEST_CASE("a service is ready when it has been alive for a second, a task never is") {
    Life service;
    service.does({StartRequested{}, Executed{}});
    CHECK(service.until_deadline() == conf::Readiness{}.after);
    CHECK_FALSE(service.machine().ready());
    CHECK(service.at_its_deadline() == "running");
    CHECK(service.machine().ready());

    conf::Program program = a_program();
    program.type = conf::ProgramType::task;
    Life task{program};
    task.does({StartRequested{}});
    CHECK(task.after(Executed{}) == "running");
    CHECK_FALSE(task.machine().ready());
    CHECK(task.machine().deadline() == std::nullopt);
}

TEST_CASE("a deadline that comes early is none") {
    Life life = at("backoff");
    CHECK(life.after(DeadlineReached{}) == "backoff");
    life.pass(5s);
    CHECK(life.after(DeadlineReached{}) == "starting: spawn");
}

TEST_CASE("a stop goes through its steps, then kills, and waits for as long as that takes") {
    Life life = at("running");
    CHECK(life.after(StopRequested{}) == "signalling: SIGQUIT");
    CHECK(life.until_deadline() == 5s);
    CHECK(life.at_its_deadline() == "signalling: SIGTERM");
    CHECK(life.until_deadline() == 6s);
    CHECK(life.at_its_deadline() == "killing: kill");
    CHECK(life.machine().deadline() == std::nullopt);
    CHECK(life.after(kExit0) == "killing: check");
    CHECK(life.after(Emptied{}) == "stopped");
}

TEST_CASE("a tree with its main process in it is not empty, whatever the host has seen") {
    Life life = at("killing");
    CHECK(life.after(Emptied{}) == "killing");
    CHECK(life.after(kExit0) == "killing: check");
    CHECK(life.after(Emptied{}) == "stopped");
}

TEST_CASE("what is left behind gets TERM and stop_timeout, then the kill") {
    Life life = at("confirming");
    CHECK(life.after(LeftBehind{2}) == "leftovers: SIGTERM to the tree");
    CHECK(life.machine().left_behind() == 2);
    CHECK(life.until_deadline() == 7s);
    CHECK(life.at_its_deadline() == "killing: kill");
    CHECK(life.machine().left_behind() == 2);
    CHECK(life.after(Emptied{}) == "backoff");
    CHECK(life.machine().left_behind() == 0);
}

TEST_CASE("leftovers that may stay hold nothing up") {
    conf::Program program = a_program();
    program.leftovers = conf::Leftovers::keep;
    Life life{program};
    life.does({StartRequested{}, Executed{}});
    CHECK(life.after(kExit3) == "backoff");
}

TEST_CASE("a restart of what runs stops it first and starts it at once") {
    Life life = at("running");
    CHECK(life.after(RestartRequested{}) == "signalling: SIGQUIT");
    CHECK(life.after(kExit3) == "confirming: check");
    CHECK(life.after(Emptied{}) == "starting: spawn");
    CHECK(life.machine().failures() == 0);
}

TEST_CASE("the operator's last word counts when the run is over") {
    SECTION("stop, then start") {
        Life life = at("running");
        life.does({StopRequested{}, StartRequested{}, kExit0});
        CHECK(life.after(Emptied{}) == "starting: spawn");
    }
    SECTION("restart, then stop") {
        Life life = at("running");
        life.does({RestartRequested{}, StopRequested{}, kExit0});
        CHECK(life.after(Emptied{}) == "stopped");
    }
    SECTION("a kill is a stop") {
        Life life = at("running");
        life.does({RestartRequested{}, KillRequested{}, kExit0});
        CHECK(life.after(Emptied{}) == "stopped");
        CHECK(life.machine().desired() == Desired::down);
    }
}

TEST_CASE("a restart that was overtaken by a stop is not remembered by the next run") {
    Life life = at("running");
    life.does({RestartRequested{}, StopRequested{}, kExit0, Emptied{}, StartRequested{}, Executed{},
               kExit0});
    CHECK(life.after(Emptied{}) == "exited");
}

TEST_CASE("the last failure that is allowed gives up, a start begins anew") {
    Life life;
    life.does({StartRequested{}, Executed{}, kExit3, Emptied{}, DeadlineReached{}, Executed{},
               kExit3, Emptied{}, DeadlineReached{}, Executed{}, kExit3});
    CHECK(life.after(Emptied{}) == "failed");
    CHECK(life.machine().failures() == 3);
    CHECK(life.machine().last_ending()->reason == "exit 3");

    life.does({StartRequested{}, Executed{}, kExit3});
    CHECK(life.after(Emptied{}) == "backoff");
    CHECK(life.machine().failures() == 1);
}

TEST_CASE("a healthy run forgets the failures before it") {
    Life life;
    life.does({StartRequested{}, Executed{}, kExit3, Emptied{}, DeadlineReached{}, Executed{},
               kExit3, Emptied{}, DeadlineReached{}, Executed{}, DeadlineReached{}});
    CHECK(life.failures() == 2);
    life.pass(10s);
    CHECK(life.failures() == 0);
    life.does({kExit3, Emptied{}});
    CHECK(life.machine().state() == State::backoff);
    CHECK(life.failures() == 1);
}

TEST_CASE("a run that never was ready is not healthy, however little is asked of one") {
    conf::Program program = a_program();
    program.healthy_after = 0s;
    program.max_failures = 2;
    Life life{program};
    life.does(
        {StartRequested{}, Executed{}, kExit3, Emptied{}, DeadlineReached{}, Executed{}, kExit3});
    CHECK(life.after(Emptied{}) == "failed");
}

TEST_CASE("what ended well is repeated only by restart = always, and is no failure") {
    conf::Program program = a_program();
    program.restart = conf::RestartPolicy::always;
    Life life{program};
    life.does({StartRequested{}, Executed{}, kExit0});
    CHECK(life.after(Emptied{}) == "backoff");
    CHECK(life.machine().failures() == 0);
}

TEST_CASE("what ended badly is not repeated by restart = never") {
    conf::Program program = a_program();
    program.restart = conf::RestartPolicy::never;
    Life life{program};
    life.does({StartRequested{}, Executed{}, kExit3});
    CHECK(life.after(Emptied{}) == "failed");

    Life unborn{program};
    unborn.does({StartRequested{}});
    CHECK(unborn.after(kFailsToSpawn) == "failed");
}

TEST_CASE("codes and signals that were named count as success") {
    conf::Program program = a_program();
    program.success_exit_codes = {{conf::SuccessExit::Kind::code, 3},
                                  {conf::SuccessExit::Kind::signal, SIGTERM}};
    const auto ends = [&](ExitStatus status) {
        Life life{program};
        life.does({StartRequested{}, Executed{}, MainExited{status}});
        return life.after(Emptied{});
    };
    CHECK(ends({.code = 3}) == "exited");
    CHECK(ends({.signal = SIGTERM}) == "exited");
    CHECK(ends({.code = 0}) == "backoff");
    CHECK(ends({.code = SIGTERM}) == "backoff");
    CHECK(ends({.signal = 3}) == "backoff");
}

TEST_CASE("a start that takes too long is stopped, and is a failure however it ends") {
    Life life = at("starting");
    CHECK(life.until_deadline() == 90s);
    CHECK(life.at_its_deadline() == "signalling: SIGQUIT");
    CHECK(life.after(kExit0) == "confirming: check");
    CHECK(life.after(Emptied{}) == "backoff");
    CHECK(life.machine().last_ending()->kind == Ending::Kind::start_timeout);
    CHECK(life.machine().last_ending()->reason == "not ready in time");
    CHECK(life.machine().last_ending()->status == ExitStatus{.code = 0});
    CHECK_FALSE(life.machine().last_ending()->success);
}

TEST_CASE("a run that was stopped does not end as the one before it did") {
    Life life = at("starting");
    life.at_its_deadline();
    life.does({kExit0, Emptied{}, DeadlineReached{}, StopRequested{}, kExit3});
    CHECK(life.machine().last_ending()->kind == Ending::Kind::exit);
    CHECK(life.machine().last_ending()->reason == "exit 3");
}

TEST_CASE("a lack is tried again, less often, for as long as it takes, and is no failure") {
    Life life;
    life.does({StartRequested{}});
    for (const auto delay : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
        CHECK(life.after(kNoRoom) == "waiting");
        CHECK(life.machine().lack() == "fork: no room");
        CHECK(life.until_deadline() == delay);
        CHECK(life.at_its_deadline() == "starting: spawn");
    }
    CHECK(life.machine().failures() == 0);
    CHECK(life.machine().lack().empty());

    SECTION("a start that was executed ends the lack") {
        life.does({Executed{}, kExit3, Emptied{}, DeadlineReached{}, kNoRoom});
        CHECK(life.until_deadline() == 100ms);
    }
    SECTION("an operator who starts it does not wait for what others have lacked") {
        life.does({kNoRoom, StopRequested{}, StartRequested{}, kNoRoom});
        CHECK(life.until_deadline() == 100ms);
    }
}

TEST_CASE("reset takes what came to an end back to stopped, and forgets its failures") {
    Life life = at("backoff");
    CHECK(life.machine().failures() == 1);
    CHECK(life.machine().failing_since() == kStart);
    CHECK(life.after(ResetRequested{}) == "backoff");
    CHECK(life.machine().failures() == 0);
    CHECK(life.machine().failing_since() == std::nullopt);

    Life failed = at("failed");
    CHECK(failed.after(ResetRequested{}) == "stopped");
    CHECK(failed.machine().desired() == Desired::up);
}

// --- programs that daemonize
// -----------------------------------------------------------------------

TEST_CASE("a forking program is ready when its daemon has been alive for a second") {
    Life life{a_daemon()};
    CHECK(life.after(StartRequested{}) == "starting: spawn");
    life.pass(10s);
    CHECK(life.after(Executed{}) == "starting");
    CHECK(life.until_deadline() == 80s);
    life.pass(10s);
    CHECK(life.after(kExit0) == "looking: find");
    CHECK_FALSE(life.machine().main_alive());
    CHECK(life.until_deadline() == 70s);
    life.pass(10s);
    CHECK(life.after(MainFound{}) == "starting");
    CHECK(life.machine().main_alive());
    CHECK_FALSE(life.machine().ready());
    CHECK(life.until_deadline() == conf::Readiness{}.after);
    CHECK(life.at_its_deadline() == "running");
    CHECK(life.machine().ready());
    CHECK(life.machine().deadline() == std::nullopt);
}

TEST_CASE("the exit of a daemon that is ready is the run's, and the truth") {
    Life life = at("daemon");
    CHECK_FALSE(life.machine().is_handover({.code = 0}));
    SECTION("with failure") {
        life.does({kExit3});
        CHECK(life.after(Emptied{}) == "backoff");
        CHECK(life.machine().last_ending()->reason == "exit 3");
        CHECK(life.machine().last_ending()->status == ExitStatus{.code = 3});
    }
    SECTION("with success") {
        life.does({kExit0});
        CHECK(life.after(Emptied{}) == "exited");
        CHECK(life.machine().last_ending()->reason == "exit 0");
    }
}

TEST_CASE("who forks twice hands over twice, under the one start_timeout") {
    Life life = at("looking");
    life.pass(20s);
    life.does({MainFound{}});
    life.pass(900ms);
    CHECK(life.machine().is_handover({.code = 0}));
    CHECK_FALSE(life.machine().is_handover({.code = 3}));
    CHECK(life.after(kExit0) == "looking: find");
    CHECK(life.until_deadline() == 69s + 100ms);
    CHECK(life.after(MainFound{}) == "starting");
    CHECK(life.at_its_deadline() == "running");
}

TEST_CASE("a command that exits before it is known to have executed hands over all the same") {
    Life life{a_daemon()};
    life.does({StartRequested{}});
    CHECK(life.after(kExit0) == "looking: find");
    CHECK(life.after(Executed{}) == "looking");
    CHECK(life.until_deadline() == 90s);

    // But who was killed may never have executed anything.
    conf::Program program = a_daemon();
    program.success_exit_codes = {{conf::SuccessExit::Kind::signal, SIGKILL}};
    Life killed{program};
    killed.does({StartRequested{}});
    CHECK(killed.after(MainExited{{.signal = SIGKILL}}) == "confirming: check");
}

TEST_CASE("a command that ends badly is a failed start, whatever it left behind") {
    Life life = at("command");
    CHECK(life.after(kExit3) == "confirming: check");
    CHECK(life.after(LeftBehind{1}) == "leftovers: SIGTERM to the tree");
    CHECK(life.after(Emptied{}) == "backoff");
    CHECK(life.machine().last_ending()->reason == "exit 3");
    CHECK(life.machine().failures() == 1);
}

TEST_CASE("a run without a daemon has failed, and says what was missing") {
    Life life = at("looked");
    CHECK(life.after(Emptied{}) == "backoff");
    const Ending& ending = *life.machine().last_ending();
    CHECK(ending.kind == Ending::Kind::no_daemon);
    CHECK(ending.reason == "exit 0, and left no process behind");
    CHECK(ending.status == ExitStatus{.code = 0});
    CHECK_FALSE(ending.success);
    CHECK(life.machine().failures() == 1);
}

TEST_CASE("when a daemon was found once, its exit is what the run ended with") {
    Life life = at("looking again");
    CHECK(life.after(kMissing) == "confirming: check");
    CHECK(life.after(Emptied{}) == "exited");
    CHECK(life.machine().last_ending()->kind == Ending::Kind::exit);
    CHECK(life.machine().last_ending()->reason == "exit 0");
}

TEST_CASE("a daemon that is not found in time is a failed start that says how it was looked for") {
    SECTION("among the descendants") {
        Life life = at("looking");
        CHECK(life.at_its_deadline() == "confirming: check");
        CHECK(life.after(LeftBehind{1}) == "leftovers: SIGTERM to the tree");
        CHECK(life.after(Emptied{}) == "backoff");
        CHECK(life.machine().last_ending()->kind == Ending::Kind::start_timeout);
        CHECK(life.machine().last_ending()->reason == "no daemon found within 1m30s");
        CHECK(life.machine().last_ending()->status == ExitStatus{.code = 0});
    }
    SECTION("by a pid file, of its instance") {
        conf::Program program = a_daemon();
        program.pid_files = {"/run/web-1.pid", "/run/web-2.pid"};
        Machine second{program, 1, 2};
        for (const MachineEvent& event : {MachineEvent{StartRequested{}}, kExit0}) {
            second.step(event, kStart);
        }
        second.step(DeadlineReached{}, *second.deadline());
        CHECK(second.last_ending()->reason ==
              "no daemon found within 1m30s (pid_file /run/web-2.pid)");
    }
    SECTION("and a command that stays says what to write instead") {
        Life life = at("command");
        CHECK(life.at_its_deadline() == "signalling: SIGQUIT");
        CHECK(life.machine().last_ending()->reason ==
              "the command has not ended within 1m30s: type = \"service\" if it stays in the "
              "foreground");
    }
}

TEST_CASE("a daemon that goes on handing over comes to the end of its time") {
    Life life = at("looking");
    life.pass(89s + 500ms);
    life.does({MainFound{}});
    life.pass(600ms);
    CHECK(life.after(kExit0) == "looking: find");
    CHECK(life.until_deadline() == -100ms);
    CHECK(life.after(DeadlineReached{}) == "confirming: check");
    CHECK(life.machine().last_ending()->reason == "no daemon found within 1m30s");
}

TEST_CASE("a stop while it is looking signals nobody, and leaves nothing") {
    Life life = at("looking");
    CHECK(life.after(StopRequested{}) == "confirming: check");
    CHECK(life.machine().last_ending()->reason == "exit 0");
    CHECK(life.after(LeftBehind{1}) == "leftovers: SIGTERM to the tree");
    CHECK(life.until_deadline() == 7s);
    CHECK(life.after(MainFound{}) == "leftovers");
    CHECK(life.at_its_deadline() == "killing: kill");
    CHECK(life.after(Emptied{}) == "stopped");

    Life restarted = at("looking");
    CHECK(restarted.after(RestartRequested{}) == "confirming: check");
    CHECK(restarted.after(Emptied{}) == "starting: spawn");

    Life killed = at("looking again");
    CHECK(killed.after(KillRequested{}) == "killing: kill");
    CHECK(killed.machine().last_ending()->reason == "exit 0");
    CHECK(killed.after(Emptied{}) == "stopped");
}

TEST_CASE("leftovers of a daemon may stay once it was ready, not before") {
    conf::Program program = a_daemon();
    program.leftovers = conf::Leftovers::keep;
    const auto before = [&](std::initializer_list<MachineEvent> events) {
        Life life{program};
        life.does({StartRequested{}, Executed{}});
        life.does(events);
        return life;
    };
    CHECK(before({}).after(kExit3) == "confirming: check");
    CHECK(before({StopRequested{}}).after(kExit0) == "confirming: check");
    CHECK(before({kExit0}).after(StopRequested{}) == "confirming: check");
    CHECK(before({kExit0}).after(kMissing) == "confirming: check");
    CHECK(before({kExit0, MainFound{}}).after(kExit3) == "confirming: check");
    CHECK(before({kExit0, MainFound{}, StopRequested{}}).after(kExit0) == "confirming: check");
    CHECK(before({kExit0, MainFound{}, DeadlineReached{}}).after(kExit3) == "backoff");
    CHECK(before({kExit0, MainFound{}, DeadlineReached{}, StopRequested{}}).after(kExit3) ==
          "stopped");

    // Nor when patience ends.
    Life stubborn = before({StopRequested{}, DeadlineReached{}});
    CHECK(stubborn.at_its_deadline() == "killing: kill");
    Life ready =
        before({kExit0, MainFound{}, DeadlineReached{}, StopRequested{}, DeadlineReached{}});
    CHECK(ready.at_its_deadline() == "killing: SIGKILL");
}

TEST_CASE("nothing of one run's daemon is remembered in the next") {
    Life life = at("found");
    life.does({kExit3, Emptied{}, DeadlineReached{}, Executed{}, kExit0, kMissing});
    CHECK(life.machine().last_ending()->kind == Ending::Kind::no_daemon);
    CHECK(life.after(Emptied{}) == "backoff");
    CHECK(life.machine().failures() == 2);
}

// --- what else is known of an end
// -------------------------------------------------------------------

TEST_CASE("what the kernel knows of an end is in its reason") {
    const MachineEvent out_of_memory = MainExited{{.signal = SIGKILL}, "out of memory"};
    for (const std::string place : {"running", "signalling"}) {
        Life life = at(place);
        life.does({out_of_memory});
        CHECK(life.machine().last_ending()->reason == "killed by SIGKILL (out of memory)");
    }
}

TEST_CASE("a service that ends well and leaves processes behind says what to write") {
    const std::string two =
        "exit 0, but left 2 processes behind: type = \"forking\" if it daemonizes, or keep it in "
        "the foreground";
    const std::string one =
        "exit 0, but left 1 process behind: type = \"forking\" if it daemonizes, or keep it in "
        "the foreground";
    const auto reason = [](conf::Program program, std::vector<MachineEvent> events) {
        Life life{std::move(program)};
        for (const MachineEvent& event : events) life.does({event});
        return life.machine().last_ending()->reason;
    };
    CHECK(reason(a_program(), {StartRequested{}, Executed{}, kExit0, LeftBehind{2}}) == two);
    // It grows by no second count.
    CHECK(reason(a_program(), {StartRequested{}, Executed{}, DeadlineReached{}, kExit0,
                               LeftBehind{1}, LeftBehind{1}, Emptied{}}) == one);

    CHECK(reason(a_program(), {StartRequested{}, Executed{}, kExit3, LeftBehind{2}}) == "exit 3");
    CHECK(reason(a_program(), {StartRequested{}, Executed{}, StopRequested{}, kExit0,
                               LeftBehind{2}}) == "exit 0");
    conf::Program task = a_program();
    task.type = conf::ProgramType::task;
    CHECK(reason(task, {StartRequested{}, Executed{}, kExit0, LeftBehind{2}}) == "exit 0");
    CHECK(reason(a_daemon(), {StartRequested{}, Executed{}, kExit0, MainFound{}, DeadlineReached{},
                              kExit0, LeftBehind{2}}) == "exit 0");
    conf::Program by_signal = a_program();
    by_signal.success_exit_codes = {{conf::SuccessExit::Kind::signal, SIGTERM}};
    CHECK(reason(by_signal, {StartRequested{}, Executed{}, MainExited{{.signal = SIGTERM}},
                             LeftBehind{2}}) == "ended by SIGTERM");
}

// --- the guard
// ---------------------------------------------------------------------------------------

TEST_CASE("what its guard stops is started again after the delay, and never gives up") {
    conf::Program program = a_program();
    program.restart = conf::RestartPolicy::never;
    program.max_failures = 1;
    program.restart_delay_max = 100s;
    Life life{program};
    life.does({StartRequested{}});
    for (const Duration delay : {1s, 2s, 4s, 8s}) {
        life.does({Executed{}, DeadlineReached{}});
        CHECK(life.after(kGuard) == "signalling: SIGQUIT");
        CHECK(life.machine().ending_is_known());
        life.does({kExit3});
        CHECK(life.after(Emptied{}) == "backoff");
        CHECK(life.until_deadline() >= delay);
        CHECK(life.until_deadline() <= delay + delay / 10);
        CHECK(life.machine().failures() == 0);
        CHECK(life.machine().last_ending()->kind == Ending::Kind::guard);
        CHECK(life.machine().last_ending()->reason ==
              "over its guard's limit: pids 120, limit 100");
        CHECK(life.machine().last_ending()->status == ExitStatus{.code = 3});
        CHECK(life.at_its_deadline() == "starting: spawn");
        CHECK_FALSE(life.machine().ending_is_known());
    }
    // A run that was healthy until then begins anew.
    life.does({Executed{}, DeadlineReached{}});
    life.pass(10s);
    life.does({kGuard, kExit3, Emptied{}});
    CHECK(life.until_deadline() <= 1s + 100ms);
}

TEST_CASE("an operator's word counts more than the guard's") {
    Life stopped = at("running");
    stopped.does({kGuard, StopRequested{}, kExit0});
    CHECK(stopped.after(Emptied{}) == "stopped");

    Life started = at("running");
    started.does({kGuard, RestartRequested{}, kExit0});
    CHECK(started.after(Emptied{}) == "starting: spawn");
    started.does({Executed{}, kExit3, Emptied{}});
    CHECK(started.machine().last_ending()->reason == "exit 3");
}

TEST_CASE("the guard has nobody to signal while a daemon is looked for") {
    Life life = at("looking");
    CHECK(life.after(kGuard) == "confirming: check");
    CHECK(life.after(Emptied{}) == "backoff");
    CHECK(life.machine().last_ending()->reason == "over its guard's limit: pids 120, limit 100");
}

namespace {

conf::Program a_scheduled(conf::Overlap overlap) {
    conf::Program program = a_program();
    program.type = conf::ProgramType::task;
    program.restart = conf::RestartPolicy::on_failure;
    program.schedule = *conf::parse_schedule("@daily");
    program.overlap = overlap;
    return program;
}

// Ways to every place of a task with a schedule.
const std::map<std::string, std::vector<MachineEvent>> kWaysOfTasks{
    {"disarmed", {}},
    {"armed", {ArmRequested{}}},
    {"held up", {ConditionsChanged{"db"}, StartRequested{}}},
    {"without room", {StartRequested{}, kNoRoom}},
    {"starting", {StartRequested{}}},
    {"running", {StartRequested{}, Executed{}}},
    {"signalling", {StartRequested{}, Executed{}, RestartRequested{}}},
    {"guarded", {StartRequested{}, Executed{}, kGuard}},
    {"confirming", {StartRequested{}, Executed{}, kExit0}},
    {"leftovers", {StartRequested{}, Executed{}, kExit0, LeftBehind{2}}},
    {"backoff", {StartRequested{}, Executed{}, kExit3, Emptied{}}},
    {"over", {StartRequested{}, Executed{}, kExit0, Emptied{}}},
    {"hopeless", {StartRequested{}, kHopeless}},
    {"in need", {ConditionsChanged{"db"}, StartRequested{}, DependencyFailed{"db failed"}}},
};

std::string due_at(const std::string& place, conf::Overlap overlap) {
    Life life{a_scheduled(overlap)};
    for (const MachineEvent& event : kWaysOfTasks.at(place)) life.does({event});
    return life.after(Due{});
}

}  // namespace

TEST_CASE("every state of a task under Due, with each overlap") {
    struct Pair {
        std::string place, skip, queue, replace;
    };
    const auto same = [](std::string place, std::string becomes) {
        return Pair{std::move(place), becomes, becomes, becomes};
    };
    const std::vector<Pair> pairs{
        same("disarmed", "stopped"),
        same("armed", "starting: spawn"),
        same("held up", "waiting: overlap"),
        same("without room", "waiting: overlap"),
        {"starting", "starting: overlap", "starting: overlap", "signalling: overlap, SIGQUIT"},
        {"running", "running: overlap", "running: overlap", "signalling: overlap, SIGQUIT"},
        same("signalling", "signalling: overlap"),
        same("guarded", "signalling: overlap"),
        same("confirming", "confirming: overlap"),
        same("leftovers", "leftovers: overlap"),
        same("backoff", "starting: spawn"),
        same("over", "starting: spawn"),
        same("hopeless", "starting: spawn"),
    };
    for (const Pair& pair : pairs) {
        INFO(pair.place);
        CHECK(due_at(pair.place, conf::Overlap::skip) == pair.skip);
        CHECK(due_at(pair.place, conf::Overlap::queue) == pair.queue);
        CHECK(due_at(pair.place, conf::Overlap::replace) == pair.replace);
    }
    for (const char* const place : {"armed", "over", "hopeless", "in need"}) {
        INFO(place);
        Life life{a_scheduled(conf::Overlap::skip)};
        for (const MachineEvent& event : kWaysOfTasks.at(place)) life.does({event});
        CHECK(life.machine().state() == State::waiting);
        CHECK(life.machine().between_runs());
        CHECK_FALSE(life.machine().waits_for_others());
        CHECK_FALSE(life.machine().deadline());
    }
}

TEST_CASE("a run that is queued begins when the last one is over, whatever that came to") {
    for (const MachineEvent& end : {kExit0, kExit3, kGuard}) {
        Life life{a_scheduled(conf::Overlap::queue)};
        life.does({StartRequested{}, Executed{}, Due{}, Due{}});
        CHECK(life.machine().queued());
        life.does({end, kExit3, Emptied{}});
        CHECK(life.machine().between_runs());
        CHECK(life.until_deadline() == 0ms);
        CHECK(life.at_its_deadline() == "starting: spawn");
        CHECK_FALSE(life.machine().queued());
    }
    Life hopeless{a_scheduled(conf::Overlap::queue)};
    hopeless.does({StartRequested{}, Due{}, kHopeless});
    CHECK(hopeless.at_its_deadline() == "starting: spawn");

    Life stopped{a_scheduled(conf::Overlap::queue)};
    stopped.does({StartRequested{}, Executed{}, Due{}, StopRequested{}, kExit0, Emptied{}});
    CHECK(stopped.machine().state() == State::stopped);
}

TEST_CASE("a run that gives way to the next has not failed") {
    Life life{a_scheduled(conf::Overlap::replace)};
    life.does({StartRequested{}, Executed{}, Due{}});
    CHECK(life.machine().ending_is_known());
    CHECK(life.machine().last_ending()->reason == "replaced by its next run");
    life.does({kExit3, Emptied{}});
    CHECK(life.machine().failures() == 0);
    CHECK(life.at_its_deadline() == "starting: spawn");
}

// --- readiness and health ----------------------------------------------------------------------

TEST_CASE("who is to be found ready is looked at from its exec on, and ready when it is found so") {
    Life life{a_probed_service()};
    life.does({StartRequested{}});
    CHECK_FALSE(life.machine().awaits_ready());
    life.pass(1s);
    CHECK(life.after(Executed{}) == "starting: await ready");
    CHECK(life.machine().awaits_ready());
    CHECK(life.until_deadline() == 89s);
    CHECK_FALSE(life.machine().ready());
    CHECK(life.after(BecameReady{}) == "running");
    CHECK(life.machine().ready());
    CHECK_FALSE(life.machine().awaits_ready());
    CHECK(life.until_deadline() == -1ms);
}

TEST_CASE("a daemon is looked at from when it is found, and anew when another takes its place") {
    conf::Program program = a_daemon();
    program.ready.kind = conf::Readiness::Kind::probe;
    Life life{program};
    CHECK(life.does({StartRequested{}, Executed{}, kExit0}).after(MainFound{}) ==
          "starting: await ready");
    CHECK(life.after(kExit0) == "looking: find");
    CHECK_FALSE(life.machine().awaits_ready());
    CHECK(life.after(MainFound{}) == "starting: await ready");
    CHECK(life.after(BecameReady{}) == "running");
}

TEST_CASE("what was said before it was known to be up is not forgotten") {
    Life service{a_probed_service()};
    CHECK(service.does({StartRequested{}, BecameReady{}}).after(Executed{}) == "running");
    CHECK(service.machine().ready());

    conf::Program program = a_daemon();
    program.ready.kind = conf::Readiness::Kind::notify;
    Life daemon{program};
    daemon.does({StartRequested{}, Executed{}, kExit0});
    CHECK(daemon.after(BecameReady{}) == "looking");
    CHECK(daemon.after(MainFound{}) == "running");

    // But by the next run.
    service.does({kExit3, Emptied{}, DeadlineReached{}});
    CHECK(service.after(Executed{}) == "starting: await ready");
}

TEST_CASE("without patience for it, it is ready as soon as it is executed") {
    conf::Program program = a_program();
    program.ready.after = 0s;
    Life life{program};
    CHECK(life.does({StartRequested{}}).after(Executed{}) == "running");
    CHECK(life.machine().ready());
}

TEST_CASE("who is not found ready in time has failed, and it is said what was found instead") {
    Life life{a_probed_service()};
    life.does({StartRequested{}, Executed{}});
    CHECK(life.at_its_deadline() == "signalling: SIGQUIT");
    CHECK(life.does({kExit0, Emptied{}}).machine().last_ending()->reason ==
          "not ready within 1m30s");
    CHECK(life.machine().last_ending()->kind == Ending::Kind::start_timeout);
    CHECK(life.machine().failures() == 1);

    Life hinted{a_probed_service()};
    hinted.does({StartRequested{}, Executed{}});
    hinted.hint("tcp 127.0.0.1:1: Connection refused");
    hinted.at_its_deadline();
    CHECK(hinted.machine().last_ending()->reason ==
          "not ready within 1m30s: tcp 127.0.0.1:1: Connection refused");
}

TEST_CASE("who asks for more time gets it, to start and to stop, and never less") {
    Life life{a_probed_service()};
    life.does({StartRequested{}, Executed{}});
    life.pass(80s);
    life.does({TimeExtended{5s}});
    CHECK(life.until_deadline() == 10s);
    life.does({TimeExtended{30s}});
    CHECK(life.until_deadline() == 30s);
    life.does({BecameReady{}, TimeExtended{30s}});
    CHECK(life.until_deadline() == -1ms);
    life.does({StopRequested{}});
    CHECK(life.until_deadline() == 5s);
    life.does({TimeExtended{30s}});
    CHECK(life.until_deadline() == 30s);

    // Living for a while is no task that takes longer.
    Life plain = at("executed");
    plain.does({TimeExtended{30s}});
    CHECK(plain.until_deadline() == 1s);
}

TEST_CASE("unhealthy is a failure, from which what was before it was found counts") {
    Life life = at("running");
    for (const int failures : {1, 2}) {
        CHECK(life.after(Unhealthy{"3 probes failed: timed out", std::nullopt}) ==
              "signalling: SIGQUIT");
        CHECK(life.machine().ending_is_known());
        life.does({MainExited{{.signal = SIGKILL}}});
        CHECK(life.after(Emptied{}) == "backoff");
        CHECK(life.machine().failures() == failures);
        life.does({DeadlineReached{}, Executed{}, DeadlineReached{}});
    }
    CHECK(life.machine().last_ending()->kind == Ending::Kind::health);
    CHECK(life.machine().last_ending()->reason == "unhealthy: 3 probes failed: timed out");
    CHECK(life.machine().last_ending()->status == ExitStatus{.signal = SIGKILL});
    // It was well for 20 s: a new count.
    life.does({kUnhealthy, kExit0, Emptied{}});
    CHECK(life.machine().failures() == 1);
    CHECK(life.machine().state() == State::backoff);
    for (int i = 0; i < 2; ++i) {
        life.does({DeadlineReached{}, Executed{}, DeadlineReached{},
                   Unhealthy{"no WATCHDOG=1 for 30s", 1s}, kExit0, Emptied{}});
    }
    CHECK(life.machine().state() == State::failed);
}

TEST_CASE("the operator's word counts more than the probe's") {
    Life stopped = at("running");
    CHECK(stopped.does({kUnhealthy, StopRequested{}, kExit0}).after(Emptied{}) == "stopped");
    Life restarted = at("running");
    CHECK(restarted.does({kUnhealthy, RestartRequested{}, kExit0}).after(Emptied{}) ==
          "starting: spawn");
}
