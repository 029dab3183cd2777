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

const MachineEvent kExit0 = MainExited{{.code = 0}};
const MachineEvent kExit3 = MainExited{{.code = 3}};
const MachineEvent kFailsToSpawn = SpawnFailed{.reason = "chdir /srv: Permission denied"};
const MachineEvent kNoRoom = SpawnFailed{.reason = "fork: no room", .no_room = true};
const MachineEvent kHopeless = SpawnFailed{.reason = "exec: no such file", .hopeless = true};

const MachineEvent kMissing = MainMissing{"left no process behind"};
const MachineEvent kGuard = GuardTripped{"pids 120, limit 100"};

std::string text_of(const Effect& effect) {
    if (const auto* send = std::get_if<SendSignal>(&effect)) {
        return signal_name(send->signal) +
               (send->scope == conf::StopScope::tree ? " to the tree" : "");
    }
    if (std::holds_alternative<Spawn>(effect)) return "spawn";
    if (std::holds_alternative<KillTree>(effect)) return "kill";
    if (std::holds_alternative<FindMain>(effect)) return "find";
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
};

// What `where` says of a place that has a name of its own here.
const std::map<std::string, std::string> kKnownAs{
    {"executed", "starting"},     {"command", "starting"}, {"found", "starting"},
    {"looking again", "looking"}, {"daemon", "running"},   {"looked", "confirming"}};

const std::set<std::string> kOfDaemons{"command", "looking",       "found",
                                       "daemon",  "looking again", "looked"};

Life at(const std::string& place) {
    Life life{kOfDaemons.contains(place) ? a_daemon() : a_program()};
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

TEST_CASE("a service is ready when it has been alive for a second, a task never is") {
    Life service;
    service.does({StartRequested{}, Executed{}});
    CHECK(service.until_deadline() == kReadyAfter);
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
    life.pass(10s);
    life.does({kExit3, Emptied{}});
    CHECK(life.machine().state() == State::backoff);
    CHECK(life.machine().failures() == 1);
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
    CHECK(failed.machine().desired() == Desired::down);
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
    CHECK(life.until_deadline() == kReadyAfter);
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
