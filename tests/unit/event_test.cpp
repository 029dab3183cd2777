#include "supervisor/core/event.h"

#include <csignal>

#include "tests/support/catch.h"

using namespace reeve::core;
using reeve::model::State;
using reeve::model::WallTime;

namespace {

const Actor kOperator{Actor::Via::control, 1000, 4242};

Event of(std::string program, Event::Body body) {
    return Event{1, WallTime{}, std::move(program), std::move(body)};
}

void publish(EventLog& log, std::string program) {
    log.publish(WallTime{}, std::move(program), event::Ready{1, 1});
}

}  // namespace

TEST_CASE("each event has its name, its sentence and its weight") {
    struct Row {
        Event event;
        std::string name, sentence;
        Weight weight;
    };
    for (const Row& row : std::vector<Row>{
             {of("web", event::StateChanged{State::stopped, State::starting, 3, 0, ""}),
              "program.state", "web: starting (run 3)", Weight::debug},
             {of("web", event::StateChanged{State::starting, State::running, 3, 4121, ""}),
              "program.state", "web: running (pid 4121, run 3)", Weight::info},
             {of("web", event::StateChanged{State::running, State::stopping, 3, 4121,
                                            "waits for pid 4121; kill in 10s"}),
              "program.state", "web: stopping (pid 4121, run 3): waits for pid 4121; kill in 10s",
              Weight::info},
             {of("web", event::StateChanged{State::stopping, State::backoff, 3, 0,
                                            "exit 1; next try in 13s"}),
              "program.state", "web: backoff: exit 1; next try in 13s", Weight::info},
             {of("web", event::StateChanged{State::stopping, State::stopped, 3, 0, ""}),
              "program.state", "web: stopped", Weight::info},
             {of("web", event::StateChanged{State::stopping, State::failed, 3, 0, "exit 3"}),
              "program.state", "web: failed: exit 3", Weight::warn},
             {of("web", event::Ready{3, 4121}), "program.ready", "web: ready (pid 4121, run 3)",
              Weight::debug},
             {of("web", event::Exited{3, 4121, reeve::base::ExitStatus{.code = 1}, "exit 1", 0.44,
                                      0.1, 4096}),
              "program.exit", "web: exit 1 (pid 4121, run 3) after 0.4s", Weight::info},
             {of("web", event::Exited{3, 0, std::nullopt, "exec nosuch: No such file or directory",
                                      0, 0, 0}),
              "program.exit", "web: exec nosuch: No such file or directory (run 3) after 0.0s",
              Weight::info},
             {of("backup", event::Failed{"exit 3", 0, true}), "program.failed",
              "backup: its run failed: exit 3", Weight::warn},
             {of("backup", event::Overlapped{reeve::conf::Overlap::skip, 2}), "program.overlap",
              "backup: due while its last run is not over: skipped (2 so far)", Weight::info},
             {of("backup", event::Overlapped{reeve::conf::Overlap::queue, 0}), "program.overlap",
              "backup: due while its last run is not over: queued", Weight::info},
             {of("backup", event::Overlapped{reeve::conf::Overlap::replace, 0}), "program.overlap",
              "backup: due while its last run is not over: the last run is stopped for it",
              Weight::info},
             {of("web", event::Failed{"exit 3, 5 times in 20s", 5}), "program.failed",
              "web: gave up: exit 3, 5 times in 20s", Weight::debug},
             {of("web", event::OrphanAdopted{77, "sleep 100"}), "orphan.adopted",
              "web: orphan 77 came home: sleep 100", Weight::debug},
             {of("", event::OrphanAdopted{77, "sleep 100"}), "orphan.adopted",
              "reeve: orphan 77 came home: sleep 100", Weight::debug},
             {of("web", event::OrphansReaped{1}), "orphan.reaped", "web: reaped 1 orphan",
              Weight::debug},
             {of("web", event::OrphansReaped{20}), "orphan.reaped", "web: reaped 20 orphans",
              Weight::debug},
             {of("web", event::Requested{"signal SIGHUP", kOperator}), "program.request",
              "web: signal SIGHUP asked for by uid 1000, pid 4242", Weight::info},
             {of("web",
                 event::Requested{"stop", {.via = Actor::Via::token, .address = "[::1]:53122"}}),
              "program.request", "web: stop asked for by [::1]:53122 (token)", Weight::info},
             {of("web", event::Requested{"stop", {Actor::Via::signal}}), "program.request",
              "web: stop asked for by a signal", Weight::info},
             {of("web", event::Requested{"start", {}}), "program.request",
              "web: start asked for by reeve", Weight::info},
             {of("web", event::Requested{"restart", {Actor::Via::guard}}), "program.request",
              "web: restart asked for by its guard", Weight::info},
             {of("web", event::Zombies{8000, 50, 4121, "python3 worker.py"}), "program.zombies",
              "web: 8000 neglected zombies (limit 50), most of them of pid 4121: python3 worker.py",
              Weight::warn},
             {of("web", event::Guarded{"pids 120, limit 100", false}), "program.guard",
              "web: over its guard's limit: pids 120, limit 100", Weight::warn},
             {of("web", event::Guarded{"pids 120, limit 100", true}), "program.guard",
              "web: over its guard's limit: pids 120, limit 100; restarting it", Weight::warn},
             {of("web", event::LogFailed{{.effect = reeve::model::OutputTrouble::Effect::waits,
                        .place = "/var/log/web.log",
                        .reason = "does not keep up"}}),
              "log.failed", "web: output waits: /var/log/web.log: does not keep up", Weight::warn},
             {of("web", event::LogFailed{{.effect = reeve::model::OutputTrouble::Effect::diverted,
                        .place = "/dev/log",
                        .reason = "No such file or directory",
                        .said = true}}),
              "log.failed",
              "web: output goes to reeve's stderr: /dev/log: No such file or directory",
              Weight::debug},
             {of("web", event::LogRecovered{"/var/log/web.log", 61.25, 0, false}), "log.recovered",
              "web: /var/log/web.log is well again after 61.3s", Weight::info},
             {of("web", event::LogRecovered{"/var/log/web.log", 61.25, 7, true}), "log.recovered",
              "web: /var/log/web.log is well again after 61.3s; lines dropped: 7", Weight::debug},
             {of("", event::Pids{410, 512, "cgroup /docker", true}), "supervisor.pids",
              "410 of 512 pids are in use (limit: cgroup /docker); starts will fail when they run "
              "out",
              Weight::warn},
             {of("", event::Pids{300, 512, "pid_max", false}), "supervisor.pids",
              "300 of 512 pids are in use (limit: pid_max): room again", Weight::info},
             {of("", event::SupervisorStarted{"1.0.0", 1, 1}), "supervisor.started",
              "reeve 1.0.0 started (pid 1), 1 program", Weight::info},
             {of("", event::SupervisorStarted{"1.0.0", 99, 4}), "supervisor.started",
              "reeve 1.0.0 started (pid 99), 4 programs", Weight::info},
             {of("", event::SupervisorStopping{"SIGTERM", 0}), "supervisor.stopping",
              "reeve is stopping: SIGTERM (will exit 0)", Weight::info},
         }) {
        CHECK(name_of(row.event.body) == row.name);
        CHECK(sentence(row.event) == row.sentence);
        CHECK(weight_of(row.event) == row.weight);
    }
}

TEST_CASE("events are numbered from 1 without gaps, and the last thousand are kept") {
    EventLog log;
    CHECK(log.last_seq() == 0);
    for (int i = 0; i < 1500; ++i) publish(log, "web");

    CHECK(log.last_seq() == 1500);
    REQUIRE(log.kept().size() == EventLog::kKept);
    CHECK(log.kept().front().seq == 501);
    CHECK(log.kept().back().seq == 1500);
}

TEST_CASE("a listener hears what happens from now on, once it is kept, until it leaves") {
    EventLog log;
    publish(log, "before");
    std::vector<std::string> heard;
    const auto id = log.subscribe([&](const Event& event) {
        CHECK(log.kept().back().seq == event.seq);
        heard.push_back(event.program);
    });
    publish(log, "web");
    publish(log, "db");
    log.unsubscribe(id);
    publish(log, "after");
    log.unsubscribe(id);

    CHECK(heard == std::vector<std::string>{"web", "db"});
}

TEST_CASE("listeners are called in the order in which they came") {
    EventLog log;
    std::string heard;
    log.subscribe([&](const Event&) { heard += "a"; });
    const auto middle = log.subscribe([&](const Event&) { heard += "b"; });
    log.subscribe([&](const Event&) { heard += "c"; });
    publish(log, "web");
    log.unsubscribe(middle);
    publish(log, "web");

    CHECK(heard == "abcac");
}

TEST_CASE("a listener may take itself and others away while it is called") {
    EventLog log;
    EventLog::ListenerId self = 0, other = 0;
    std::string heard;
    // What it has captured is there until it returns.
    const std::string own(100, 'x');
    self = log.subscribe([&, own](const Event&) {
        log.unsubscribe(self);
        log.unsubscribe(other);
        heard += own;
    });
    other = log.subscribe([&](const Event&) { heard += "other"; });
    publish(log, "web");
    publish(log, "web");

    CHECK(heard == own);
}

TEST_CASE("a listener that is made while one is called hears the next event") {
    EventLog log;
    int heard = 0;
    bool made = false;
    log.subscribe([&](const Event&) {
        if (!std::exchange(made, true)) log.subscribe([&](const Event&) { ++heard; });
    });
    publish(log, "web");
    CHECK(heard == 0);
    publish(log, "web");
    CHECK(heard == 1);
}
