#include <csignal>

#include "supervisor/control/metrics.h"
#include "tests/support/catch.h"
#include "tests/support/roster_fixture.h"

using namespace std::chrono_literals;
using namespace reeve;
using api::ExpositionFormat;
using reeve::test::a_service;
using reeve::test::kOperator;
using reeve::test::Rostered;

namespace {

struct Scene {
    control::Sample sample;
    control::SupervisorFacts facts;
    std::vector<log::InstanceCounters> counters;
    control::ConfigSource::LastApply last_apply{true, model::WallTime{1700000000s}};

    std::string compose(Rostered& rostered, ExpositionFormat format = ExpositionFormat::text) {
        return control::compose_metrics(format, {*rostered.roster,
                                                 sample,
                                                 facts,
                                                 counters,
                                                 last_apply,
                                                 {rostered.host.now(), rostered.host.wall_now()}});
    }
};

// The lines of one metric, without the others and without HELP.
std::string samples_of(const std::string& text, const std::string& name) {
    std::string found;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        const std::string line = text.substr(at, end - at);
        if (line.starts_with(name + "{") || line.starts_with(name + " ")) found += line + "\n";
        at = end + 1;
    }
    return found;
}

int count_of(const std::string& text, std::string_view part) {
    int count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

}  // namespace

TEST_CASE("a scrape of one program, word for word") {
    Rostered rostered{{a_service("web")}};
    rostered.roster->start_autostart();
    rostered.runs(1);
    Scene scene;
    const auto zombie = [](pid_t pid) {
        return control::ProcessInfo{
            .pid = pid, .ppid = 7, .slot = 0, .zombie = true, .neglected_seconds = 2};
    };
    scene.sample.processes = {
        {.pid = 7, .cpu_seconds = 1, .memory_bytes = 4096, .slot = 0, .orphan = true},
        zombie(8),
        zombie(9)};
    scene.sample.cpu_seconds[0] = 12.5;
    log::InstanceCounters counters;
    counters.out = {120, 3};
    counters.has_out = true;
    scene.counters.push_back(counters);
    scene.facts.tracking = "cgroup";
    scene.facts.wall_started = model::WallTime{1699999999500ms};
    scene.facts.pids_current = 41;
    scene.facts.pids_limit = 512;
    scene.facts.orphans_reaped = 7;
    scene.facts.own_cpu_seconds = 0.25;
    scene.facts.own_memory_bytes = 2048;
    scene.facts.own_open_files = 20;
    scene.facts.own_most_files = 1024;
    scene.last_apply.successful = false;
    const std::string began =
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(
                           rostered["web"].run()->wall_started.time_since_epoch())
                           .count());
    CHECK(
        scene.compose(rostered) ==
        R"(# HELP reeve_build_info The version of reeve, and how it tells whose a process is; always 1.
# TYPE reeve_build_info gauge
reeve_build_info{version=")" REEVE_VERSION R"(",tracking="cgroup"} 1
# HELP reeve_start_time_seconds When reeve was started, in Unix time.
# TYPE reeve_start_time_seconds gauge
reeve_start_time_seconds 1699999999.5
# HELP reeve_stopping 1 while reeve is shutting down.
# TYPE reeve_stopping gauge
reeve_stopping 0
# HELP reeve_reaped_total Dead processes that reeve has waited for: main ones of runs, orphans of a program, and strays of none.
# TYPE reeve_reaped_total counter
reeve_reaped_total{kind="run"} 0
reeve_reaped_total{kind="orphan"} 7
reeve_reaped_total{kind="stray"} 0
# HELP reeve_pids Processes and threads that count towards the nearest limit.
# TYPE reeve_pids gauge
reeve_pids 41
# HELP reeve_pids_limit The nearest limit on them: pids.max of a cgroup, pid_max or RLIMIT_NPROC.
# TYPE reeve_pids_limit gauge
reeve_pids_limit 512
# HELP reeve_config_last_apply_successful Whether the configuration was applied when that was asked for last.
# TYPE reeve_config_last_apply_successful gauge
reeve_config_last_apply_successful 0
# HELP reeve_config_last_apply_success_timestamp_seconds When the configuration that runs was applied, in Unix time.
# TYPE reeve_config_last_apply_success_timestamp_seconds gauge
reeve_config_last_apply_success_timestamp_seconds 1700000000
# HELP reeve_program_info What kind of program it is; always 1.
# TYPE reeve_program_info gauge
reeve_program_info{program="web",number="1",type="service"} 1
# HELP reeve_program_up Whether it has a main process.
# TYPE reeve_program_up gauge
reeve_program_up{program="web",number="1"} 1
# HELP reeve_program_desired_up Whether it is meant to run.
# TYPE reeve_program_desired_up gauge
reeve_program_desired_up{program="web",number="1"} 1
# HELP reeve_program_ready Whether it does its job now; tasks have none of these.
# TYPE reeve_program_ready gauge
reeve_program_ready{program="web",number="1"} 1
# HELP reeve_program_healthy 0 when its probe or its watchdog has found it unhealthy, else 1; only where it has one.
# TYPE reeve_program_healthy gauge
# HELP reeve_program_state 1 for the state it is in, 0 for the others.
# TYPE reeve_program_state gauge
reeve_program_state{program="web",number="1",state="stopped"} 0
reeve_program_state{program="web",number="1",state="waiting"} 0
reeve_program_state{program="web",number="1",state="starting"} 0
reeve_program_state{program="web",number="1",state="running"} 1
reeve_program_state{program="web",number="1",state="stopping"} 0
reeve_program_state{program="web",number="1",state="backoff"} 0
reeve_program_state{program="web",number="1",state="exited"} 0
reeve_program_state{program="web",number="1",state="failed"} 0
# HELP reeve_program_starts_total Runs that were begun, those that could not be executed included.
# TYPE reeve_program_starts_total counter
reeve_program_starts_total{program="web",number="1"} 1
# HELP reeve_program_restarts_total Of them, those that nobody asked for: after a failure, or by its restart policy.
# TYPE reeve_program_restarts_total counter
reeve_program_restarts_total{program="web",number="1"} 0
# HELP reeve_program_exits_total Runs that have ended, by what came of them: success, exit_code, signal, not_started, ended_by_reeve (not ready in time, unhealthy, over its guard) or stopped (somebody asked for it).
# TYPE reeve_program_exits_total counter
reeve_program_exits_total{program="web",number="1",result="success"} 0
reeve_program_exits_total{program="web",number="1",result="exit_code"} 0
reeve_program_exits_total{program="web",number="1",result="signal"} 0
reeve_program_exits_total{program="web",number="1",result="not_started"} 0
reeve_program_exits_total{program="web",number="1",result="ended_by_reeve"} 0
reeve_program_exits_total{program="web",number="1",result="stopped"} 0
# HELP reeve_program_consecutive_failures Failures in a row, with no healthy run between them.
# TYPE reeve_program_consecutive_failures gauge
reeve_program_consecutive_failures{program="web",number="1"} 0
# HELP reeve_program_start_time_seconds When its present run began, in Unix time; only while it has a main process.
# TYPE reeve_program_start_time_seconds gauge
reeve_program_start_time_seconds{program="web",number="1"} )" +
            began + R"(
# HELP reeve_program_last_success_timestamp_seconds When a run of it last ended well, in Unix time; only where one has.
# TYPE reeve_program_last_success_timestamp_seconds gauge
# HELP reeve_program_next_run_timestamp_seconds When its schedule has it run next, in Unix time; only where it has one.
# TYPE reeve_program_next_run_timestamp_seconds gauge
# HELP reeve_program_skipped_runs_total Runs of its schedule that did not take place since the last one was not over.
# TYPE reeve_program_skipped_runs_total counter
# HELP reeve_program_cpu_seconds_total Processor time, user and system, of all its processes over all its runs.
# TYPE reeve_program_cpu_seconds_total counter
reeve_program_cpu_seconds_total{program="web",number="1"} 12.5
# HELP reeve_program_resident_memory_bytes Resident memory of all its processes; what they share counts once.
# TYPE reeve_program_resident_memory_bytes gauge
reeve_program_resident_memory_bytes{program="web",number="1"} 4096
# HELP reeve_program_processes Its processes, dead ones included.
# TYPE reeve_program_processes gauge
reeve_program_processes{program="web",number="1"} 3
# HELP reeve_program_orphans Of them, those whose parent has died.
# TYPE reeve_program_orphans gauge
reeve_program_orphans{program="web",number="1"} 1
# HELP reeve_program_zombies Dead processes that its processes do not wait for.
# TYPE reeve_program_zombies gauge
reeve_program_zombies{program="web",number="1"} 2
# HELP reeve_log_bytes_total What it has written, by stream; only of streams that come by reeve.
# TYPE reeve_log_bytes_total counter
reeve_log_bytes_total{program="web",number="1",stream="stdout"} 120
# HELP reeve_log_dropped_lines_total Lines of its output that a place where it goes did not take.
# TYPE reeve_log_dropped_lines_total counter
reeve_log_dropped_lines_total{program="web",number="1",stream="stdout"} 3
# HELP process_cpu_seconds_total Processor time of reeve itself.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 0.25
# HELP process_resident_memory_bytes Resident memory of reeve itself.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 2048
# HELP process_open_fds Descriptors that reeve itself has open.
# TYPE process_open_fds gauge
process_open_fds 20
# HELP process_max_fds Descriptors that reeve itself may have open.
# TYPE process_max_fds gauge
process_max_fds 1024
# HELP process_start_time_seconds When reeve was started, in Unix time.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1699999999.5
)");
}

TEST_CASE("an instance has the same series whatever it is at, and exactly one state") {
    conf::Program task = a_service("task");
    task.type = conf::ProgramType::task;
    task.restart = conf::RestartPolicy::never;
    conf::Program pair = a_service("pair");
    pair.instances = 2;
    Rostered rostered{{a_service("web"), task, pair}};
    Scene scene;
    const auto states = [&] { return samples_of(scene.compose(rostered), "reeve_program_state"); };
    const auto check = [&](const std::string& state) {
        CAPTURE(state);
        CHECK(count_of(states(), "\n") == 4 * 8);
        CHECK(count_of(states(), "} 1\n") == 4);
        CHECK(count_of(states(), "{program=\"web\",number=\"1\",state=\"" + state + "\"} 1\n") ==
              1);
    };
    check("stopped");
    rostered.roster->start_autostart();
    check("starting");
    rostered.runs(1);
    check("running");
    rostered.roster->stop(rostered["web"], kOperator);
    check("stopping");
    rostered.ends(1, 0);
    check("stopped");
    CHECK(samples_of(scene.compose(rostered), "reeve_program_ready") ==
          "reeve_program_ready{program=\"web\",number=\"1\"} 0\n"
          "reeve_program_ready{program=\"pair\",number=\"1\"} 0\n"
          "reeve_program_ready{program=\"pair\",number=\"2\"} 0\n");
}

TEST_CASE("a program that comes back while the old one is still going is there once") {
    Rostered rostered{{a_service("web"), a_service("db")}};
    rostered.roster->start_autostart();
    rostered.runs(1);
    Scene scene;
    conf::Config without = rostered.config;
    without.programs.erase(without.programs.begin());
    rostered.roster->apply(without, {}, kOperator);
    CHECK(count_of(scene.compose(rostered), "reeve_program_up{program=\"web\",number=\"1\"} ") ==
          1);
    rostered.roster->apply(rostered.config, {}, kOperator);
    CHECK(count_of(scene.compose(rostered), "reeve_program_up{program=\"web\",number=\"1\"} ") ==
          1);
}

TEST_CASE("programs of several groups name them all") {
    conf::Config config;
    config.programs = {a_service("web")};
    for (const char* name : {"site", "all"}) {
        config.groups.emplace_back();
        config.groups.back().name = name;
        config.groups.back().programs = {"web"};
    }
    reeve::test::FakeHost host;
    core::EventLog events;
    core::Roster roster{host, events, config, {}};
    const control::Sample sample;
    const std::string text =
        control::compose_metrics(ExpositionFormat::openmetrics, {roster, sample, {}, {}, {}, {}});
    CHECK(samples_of(text, "reeve_program_up") ==
          "reeve_program_up{program=\"web\",number=\"1\",group=\"site,all\"} 0\n");
    CHECK(text.ends_with("# EOF\n"));
    CHECK(count_of(text, "# EOF") == 1);
}
