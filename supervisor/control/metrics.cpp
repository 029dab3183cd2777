#include "supervisor/control/metrics.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace reeve::control {

namespace {

using api::metric_label;
using api::MetricType;
using model::State;

double unix_time(model::WallTime time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

std::uint64_t natural(std::int64_t number) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(number, 0));
}

// `program="web",number="1",group="site"`; of several groups "db,site".
std::string labels_of(const core::Instance& instance) {
    std::string labels = metric_label("program", instance.program().name) + "," +
                         metric_label("number", std::to_string(instance.number()));
    if (!instance.groups().empty()) {
        std::string groups;
        for (const std::string& group : instance.groups()) {
            groups += (groups.empty() ? "" : ",") + group;
        }
        labels += "," + metric_label("group", groups);
    }
    return labels;
}

// Whatever is known about one instance, gathered once for all the families.
struct Row {
    const core::Instance* instance;
    std::string labels;
    Totals totals;
    double cpu_seconds = 0;
    log::InstanceCounters log{};
};

std::vector<Row> rows_of(const MetricsInput& input) {
    std::unordered_map<std::uint32_t, const log::InstanceCounters*> counters;
    for (const log::InstanceCounters& one : input.counters) {
        counters.emplace(static_cast<std::uint32_t>(one.instance), &one);
    }
    const TotalsOf totals{input.sample};
    std::vector<Row> rows;
    rows.reserve(input.roster.instances().size());
    // One that is on its way out stands behind those of the configuration, which may have its like
    // again: the same series twice would spoil the whole scrape.
    std::set<std::pair<std::string_view, int>> there;
    for (const core::Instance* const instance : input.roster.instances()) {
        if (!there.emplace(instance->program().name, instance->number()).second) continue;
        Row row{instance, labels_of(*instance), {}};
        row.totals = totals.at(instance->slot());
        const auto cpu = input.sample.cpu_seconds.find(instance->slot());
        if (cpu != input.sample.cpu_seconds.end()) row.cpu_seconds = cpu->second;
        const auto log = counters.find(instance->slot());
        if (log != counters.end()) row.log = *log->second;
        rows.push_back(std::move(row));
    }
    return rows;
}

class Metrics {
public:
    Metrics(api::ExpositionFormat format, const MetricsInput& input)
        : input_{input}, out_{format}, rows_{rows_of(input)} {}

    std::string compose() {
        of_reeve();
        of_programs();
        of_processes();
        of_output();
        of_reeves_process();
        return out_.finish();
    }

private:
    void counter(std::string_view name, std::string_view unit, std::string_view help) {
        out_.family(name, MetricType::counter, unit, help);
    }
    void gauge(std::string_view name, std::string_view unit, std::string_view help) {
        out_.family(name, MetricType::gauge, unit, help);
    }
    void truth(std::string_view labels, bool value) {
        out_.sample(labels, static_cast<std::uint64_t>(value));
    }
    // One sample for each instance, but where `value` has none for it.
    template <typename Value>
    void each(Value value) {
        for (const Row& row : rows_) out_.sample(row.labels, value(row));
    }
    template <typename Value>
    void each_that_has(Value value) {
        for (const Row& row : rows_) {
            if (const auto known = value(row)) out_.sample(row.labels, *known);
        }
    }

    void of_reeve() {
        const SupervisorFacts& facts = input_.facts;
        out_.family("reeve_build_info", MetricType::info, "",
                    "The version of reeve, and how it tells whose a process is; always 1.");
        out_.sample(
            metric_label("version", REEVE_VERSION) + "," + metric_label("tracking", facts.tracking),
            std::uint64_t{1});
        gauge("reeve_start_time_seconds", "seconds", "When reeve was started, in Unix time.");
        out_.sample("", unix_time(facts.wall_started));
        gauge("reeve_stopping", "", "1 while reeve is shutting down.");
        truth("", input_.roster.shutdown().under_way());
        counter("reeve_reaped_total", "",
                "Dead processes that reeve has waited for: main ones of runs, orphans of a "
                "program, and strays of none.");
        out_.sample(R"(kind="run")", input_.roster.runs_reaped());
        out_.sample(R"(kind="orphan")", natural(facts.orphans_reaped));
        out_.sample(R"(kind="stray")", natural(facts.strays_reaped));
        if (facts.pids_current) {
            gauge("reeve_pids", "", "Processes and threads that count towards the nearest limit.");
            out_.sample("", natural(*facts.pids_current));
        }
        if (facts.pids_limit) {
            gauge("reeve_pids_limit", "",
                  "The nearest limit on them: pids.max of a cgroup, pid_max or RLIMIT_NPROC.");
            out_.sample("", natural(*facts.pids_limit));
        }
        gauge("reeve_config_last_apply_successful", "",
              "Whether the configuration was applied when that was asked for last.");
        truth("", input_.last_apply.successful);
        gauge("reeve_config_last_apply_success_timestamp_seconds", "seconds",
              "When the configuration that runs was applied, in Unix time.");
        out_.sample("", unix_time(input_.last_apply.succeeded));
    }

    void of_programs() {
        out_.family("reeve_program_info", MetricType::info, "",
                    "What kind of program it is; always 1.");
        for (const Row& row : rows_) {
            out_.sample(
                row.labels + "," + metric_label("type", name_of(row.instance->program().type)),
                std::uint64_t{1});
        }
        gauge("reeve_program_up", "", "Whether it has a main process.");
        each([](const Row& row) {
            const auto& run = row.instance->run();
            return std::uint64_t{run && run->pid != 0};
        });
        gauge("reeve_program_desired_up", "", "Whether it is meant to run.");
        each([](const Row& row) {
            return std::uint64_t{row.instance->machine().desired() == model::Desired::up};
        });
        gauge("reeve_program_ready", "", "Whether it does its job now; tasks have none of these.");
        each_that_has([](const Row& row) -> std::optional<std::uint64_t> {
            if (row.instance->program().type == conf::ProgramType::task) return std::nullopt;
            return std::uint64_t{row.instance->machine().ready()};
        });
        gauge("reeve_program_healthy", "",
              "0 when its probe or its watchdog has found it unhealthy, else 1; only where it has "
              "one.");
        each_that_has([](const Row& row) -> std::optional<std::uint64_t> {
            const core::Vitals* const vitals = row.instance->vitals();
            const auto health = vitals ? vitals->health() : std::nullopt;
            if (!health) return std::nullopt;
            return std::uint64_t{!row.instance->machine().ready() ||
                                 *health != model::Health::State::unhealthy};
        });
        states();
        runs();
    }

    void states() {
        gauge("reeve_program_state", "", "1 for the state it is in, 0 for the others.");
        std::array<std::string, model::kStateNames.size()> labels;
        for (std::size_t i = 0; i < labels.size(); ++i) {
            labels[i] = "," + metric_label("state", model::kStateNames[i]);
        }
        std::string all;
        for (const Row& row : rows_) {
            const auto now = static_cast<std::size_t>(row.instance->state());
            for (std::size_t i = 0; i < labels.size(); ++i) {
                all.assign(row.labels).append(labels[i]);
                truth(all, i == now);
            }
        }
    }

    void runs() {
        counter("reeve_program_starts_total", "",
                "Runs that were begun, those that could not be executed included.");
        each([](const Row& row) { return row.instance->tally().starts; });
        counter("reeve_program_restarts_total", "",
                "Of them, those that nobody asked for: after a failure, or by its restart policy.");
        each([](const Row& row) { return row.instance->tally().restarts; });

        counter("reeve_program_exits_total", "",
                "Runs that have ended, by what came of them: success, exit_code, signal, "
                "not_started, ended_by_reeve (not ready in time, unhealthy, over its guard) or "
                "stopped (somebody asked for it).");
        std::array<std::string, core::kRunResultNames.size()> labels;
        for (std::size_t i = 0; i < labels.size(); ++i) {
            labels[i] = "," + metric_label("result", core::kRunResultNames[i]);
        }
        std::string all;
        for (const Row& row : rows_) {
            for (std::size_t i = 0; i < labels.size(); ++i) {
                all.assign(row.labels).append(labels[i]);
                out_.sample(all, row.instance->tally().results[i]);
            }
        }

        gauge("reeve_program_consecutive_failures", "",
              "Failures in a row, with no healthy run between them.");
        each([this](const Row& row) {
            return natural(row.instance->machine().failures(input_.now.steady));
        });
        gauge("reeve_program_start_time_seconds", "seconds",
              "When its present run began, in Unix time; only while it has a main process.");
        each_that_has([](const Row& row) -> std::optional<double> {
            const auto& run = row.instance->run();
            if (!run || run->pid == 0) return std::nullopt;
            return unix_time(run->wall_started);
        });
        gauge("reeve_program_last_success_timestamp_seconds", "seconds",
              "When a run of it last ended well, in Unix time; only where one has.");
        each_that_has([](const Row& row) -> std::optional<double> {
            const auto& at = row.instance->tally().last_success;
            return at ? std::optional{unix_time(*at)} : std::nullopt;
        });
        gauge("reeve_program_next_run_timestamp_seconds", "seconds",
              "When its schedule has it run next, in Unix time; only where it has one.");
        each_that_has([this](const Row& row) -> std::optional<double> {
            const auto at = input_.roster.next_run(*row.instance, input_.now);
            return at ? std::optional{unix_time(*at)} : std::nullopt;
        });
        counter("reeve_program_skipped_runs_total", "",
                "Runs of its schedule that did not take place since the last one was not over.");
        each_that_has([](const Row& row) -> std::optional<std::uint64_t> {
            if (!row.instance->program().schedule) return std::nullopt;
            return row.instance->skipped_runs();
        });
    }

    void of_processes() {
        counter("reeve_program_cpu_seconds_total", "seconds",
                "Processor time, user and system, of all its processes over all its runs.");
        each([](const Row& row) { return row.cpu_seconds; });
        gauge("reeve_program_resident_memory_bytes", "bytes",
              "Resident memory of all its processes; what they share counts once.");
        each([](const Row& row) { return natural(row.totals.memory_bytes); });
        gauge("reeve_program_processes", "", "Its processes, dead ones included.");
        each([](const Row& row) { return natural(row.totals.processes); });
        gauge("reeve_program_orphans", "", "Of them, those whose parent has died.");
        each([](const Row& row) { return natural(row.totals.orphans); });
        gauge("reeve_program_zombies", "", "Dead processes that its processes do not wait for.");
        each([](const Row& row) { return natural(row.totals.zombies); });
    }

    void of_output() {
        counter("reeve_log_bytes_total", "bytes",
                "What it has written, by stream; only of streams that come by reeve.");
        each_stream(&log::StreamCounters::bytes);
        counter("reeve_log_dropped_lines_total", "",
                "Lines of its output that a place where it goes did not take.");
        each_stream(&log::StreamCounters::dropped_lines);
    }

    void each_stream(std::uint64_t log::StreamCounters::*value) {
        std::string all;
        for (const Row& row : rows_) {
            if (row.log.has_out)
                out_.sample(all.assign(row.labels).append(R"(,stream="stdout")"),
                            row.log.out.*value);
            if (row.log.has_err)
                out_.sample(all.assign(row.labels).append(R"(,stream="stderr")"),
                            row.log.err.*value);
        }
    }

    // Under the names that all exporters have for it.
    void of_reeves_process() {
        const SupervisorFacts& facts = input_.facts;
        if (facts.own_cpu_seconds) {
            counter("process_cpu_seconds_total", "seconds", "Processor time of reeve itself.");
            out_.sample("", *facts.own_cpu_seconds);
        }
        if (facts.own_memory_bytes) {
            gauge("process_resident_memory_bytes", "bytes", "Resident memory of reeve itself.");
            out_.sample("", *facts.own_memory_bytes);
        }
        if (facts.own_open_files) {
            gauge("process_open_fds", "", "Descriptors that reeve itself has open.");
            out_.sample("", *facts.own_open_files);
        }
        if (facts.own_most_files) {
            gauge("process_max_fds", "", "Descriptors that reeve itself may have open.");
            out_.sample("", *facts.own_most_files);
        }
        gauge("process_start_time_seconds", "seconds", "When reeve was started, in Unix time.");
        out_.sample("", unix_time(facts.wall_started));
    }

    const MetricsInput& input_;
    api::Exposition out_;
    std::vector<Row> rows_;
};

}  // namespace

std::string compose_metrics(api::ExpositionFormat format, const MetricsInput& input) {
    return Metrics{format, input}.compose();
}

}  // namespace reeve::control
