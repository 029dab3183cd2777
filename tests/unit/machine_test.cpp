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

const MachineEvent kExit0 = MainExited{{.code = 0}};
const MachineEvent kExit3 = MainExited{{.code = 3}};
const MachineEvent kFailsToSpawn = SpawnFailed{.reason = "chdir /srv: Permission denied"};
const MachineEvent kNoRoom = SpawnFailed{.reason = "fork: no room", .no_room = true};
const MachineEvent kHopeless = SpawnFailed{.reason = "exec: no such file", .hopeless = true};

std::string text_of(const Effect& effect) {
    if (const auto* send = std::get_if<SendSignal>(&effect)) {
        return signal_name(send->signal) +
               (send->scope == conf::StopScope::tree ? " to the tree" : "");
    }
    if (std::holds_alternative<Spawn>(effect)) return "spawn";
    if (std::holds_alternative<KillTree>(effect)) return "kill";
    return "check";
}

std::string where(const Machine& machine) {
    switch (machine.stop_phase()) {
        case Machine::StopPhase::none:
            return std::string{name_of(machine.state())};
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
};

Life at(const std::string& place) {
    Life life;
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
     "stop, reset, kill, executed, spawn failed, no room, hopeless, exit 0, exit 3, emptied, left "
     "behind, deadline",
     "."},
    {"waiting", "start, restart, deadline", "starting: spawn"},
    {"waiting", "stop, kill", "stopped"},
    {"waiting",
     "reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, emptied, left behind", "."},
    {"starting", "stop, restart, deadline", "signalling: SIGQUIT"},
    {"starting", "kill", "killing: kill"},
    {"starting", "spawn failed", "backoff"},
    {"starting", "no room", "waiting"},
    {"starting", "hopeless", "failed"},
    {"starting", "exit 0, exit 3", "confirming: check"},
    {"starting", "start, reset, executed, emptied, left behind", "."},
    {"executed", "stop, restart", "signalling: SIGQUIT"},
    {"executed", "kill", "killing: kill"},
    {"executed", "spawn failed", "backoff"},
    {"executed", "no room", "waiting"},
    {"executed", "hopeless", "failed"},
    {"executed", "exit 0, exit 3", "confirming: check"},
    {"executed", "deadline", "running"},
    {"executed", "start, reset, executed, emptied, left behind", "."},
    {"running", "stop, restart", "signalling: SIGQUIT"},
    {"running", "kill", "killing: kill"},
    {"running", "exit 0, exit 3", "confirming: check"},
    {"running",
     "start, reset, executed, spawn failed, no room, hopeless, emptied, left behind, deadline",
     "."},
    {"signalling", "kill", "killing: kill"},
    {"signalling", "spawn failed, no room, hopeless", "stopped"},
    {"signalling", "exit 0, exit 3", "confirming: check"},
    {"signalling", "deadline", "signalling: SIGTERM"},
    {"signalling", "start, stop, restart, reset, executed, emptied, left behind", "."},
    {"confirming", "kill", "killing: kill"},
    {"confirming", "emptied", "backoff"},
    {"confirming", "left behind", "leftovers: SIGTERM to the tree"},
    {"confirming",
     "start, stop, restart, reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, "
     "deadline",
     "."},
    {"leftovers", "kill, deadline", "killing: kill"},
    {"leftovers", "emptied", "backoff"},
    {"leftovers",
     "start, stop, restart, reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, left "
     "behind",
     "."},
    {"killing", "kill", "killing: kill"},
    {"killing", "spawn failed, no room, hopeless", "stopped"},
    {"killing", "exit 0, exit 3", "killing: check"},
    {"killing", "start, stop, restart, reset, executed, emptied, left behind, deadline", "."},
    {"backoff", "start, restart, deadline", "starting: spawn"},
    {"backoff", "stop, kill", "stopped"},
    {"backoff",
     "reset, executed, spawn failed, no room, hopeless, exit 0, exit 3, emptied, left behind", "."},
    {"exited", "start, restart", "starting: spawn"},
    {"exited", "stop, reset, kill", "stopped"},
    {"exited",
     "executed, spawn failed, no room, hopeless, exit 0, exit 3, emptied, left behind, deadline",
     "."},
    {"failed", "start, restart", "starting: spawn"},
    {"failed", "stop, reset, kill", "stopped"},
    {"failed",
     "executed, spawn failed, no room, hopeless, exit 0, exit 3, emptied, left behind, deadline",
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
            const std::string unchanged = row.place == "executed" ? "starting" : row.place;
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
