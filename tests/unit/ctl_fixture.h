#pragma once

#include <string>

#include "ctl/api/messages.h"

// The programs of the example: one of each kind of trouble.
namespace ctl_fixture {

inline const reeve::api::Timestamp kNow = *reeve::api::parse_timestamp("2026-11-22T10:17:00.120Z");

inline reeve::api::Timestamp ago(int seconds) {
    return kNow - std::chrono::seconds{seconds};
}

inline reeve::api::ProgramStatus program(const std::string& name, const std::string& state) {
    reeve::api::ProgramStatus status;
    status.name = name;
    status.program = name;
    status.type = "service";
    status.state = state;
    status.desired = "up";
    return status;
}

inline reeve::api::ProgramStatus web() {
    auto status = program("web", "running");
    status.groups = {"site"};
    status.ready = true;
    status.pid = 4121;
    status.run = 3;
    status.since = ago(11520);
    status.uptime_seconds = 11521.5;
    status.processes = 3;
    status.orphans = 1;
    status.cpu_seconds = 241.9;
    status.memory_bytes = 50331648;
    return status;
}

inline reeve::api::Status example() {
    reeve::api::Status status;
    status.supervisor.version = "1.0.0";
    status.supervisor.pid = 1;
    status.supervisor.state = "running";
    status.programs.push_back(web());

    auto mailer = program("mailer", "backoff");
    mailer.run = 7;
    mailer.restarts = 7;
    mailer.last_exit = {1, std::nullopt, ago(3), 0.4, "exit 1"};
    mailer.note = "exit 1; next try in 13s";
    status.programs.push_back(mailer);

    auto billing = program("billing", "failed");
    billing.run = 6;
    billing.restarts = 5;
    billing.last_exit = {3, std::nullopt, ago(65), 4, "exit 3"};
    billing.note = "exit 3, 5 times in 20s: cannot open db";
    status.programs.push_back(billing);

    auto cron = program("cron", "stopped");
    cron.note = "by uid 1000 2h ago";
    status.programs.push_back(cron);
    return status;
}

}  // namespace ctl_fixture
