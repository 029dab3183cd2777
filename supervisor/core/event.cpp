#include "supervisor/core/event.h"

#include <algorithm>
#include <utility>

namespace reeve::core {

namespace {

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

std::string pid_and_run(std::int32_t pid, std::uint64_t run) {
    if (pid == 0 && run == 0) return {};
    if (pid == 0) return " (run " + std::to_string(run) + ")";
    return " (pid " + std::to_string(pid) + ", run " + std::to_string(run) + ")";
}

std::string in_seconds(double seconds) {
    // One digit behind the point is what a person reads; std::to_string() would give six.
    const auto tenths = static_cast<long long>(seconds * 10 + 0.5);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "s";
}

}  // namespace

std::string describe(const Actor& actor) {
    switch (actor.via) {
        case Actor::Via::control:
            return "uid " + std::to_string(actor.uid) + ", pid " + std::to_string(actor.pid);
        case Actor::Via::token:
            return actor.address + " (token)";
        case Actor::Via::signal:
            return "a signal";
        case Actor::Via::guard:
            return "its guard";
        case Actor::Via::dependency:
            return "what it depends on";
        case Actor::Via::watch:
            return "its watch";
        case Actor::Via::reeve:
            return "reeve";
    }
    return {};
}

std::string_view name_of(const Event::Body& body) {
    return std::visit(
        Overloaded{
            [](const event::StateChanged&) { return std::string_view{"program.state"}; },
            [](const event::Ready&) { return std::string_view{"program.ready"}; },
            [](const event::HealthChanged&) { return std::string_view{"program.health"}; },
            [](const event::Exited&) { return std::string_view{"program.exit"}; },
            [](const event::Failed&) { return std::string_view{"program.failed"}; },
            [](const event::Overlapped&) { return std::string_view{"program.overlap"}; },
            [](const event::HookFailed&) { return std::string_view{"program.hook"}; },
            [](const event::OrphanAdopted&) { return std::string_view{"orphan.adopted"}; },
            [](const event::OrphansReaped&) { return std::string_view{"orphan.reaped"}; },
            [](const event::Zombies&) { return std::string_view{"program.zombies"}; },
            [](const event::Guarded&) { return std::string_view{"program.guard"}; },
            [](const event::LogFailed&) { return std::string_view{"log.failed"}; },
            [](const event::LogRecovered&) { return std::string_view{"log.recovered"}; },
            [](const event::Pids&) { return std::string_view{"supervisor.pids"}; },
            [](const event::Requested&) { return std::string_view{"program.request"}; },
            [](const event::ConfigApplied&) { return std::string_view{"config.applied"}; },
            [](const event::SupervisorStarted&) { return std::string_view{"supervisor.started"}; },
            [](const event::SupervisorStopping&) {
                return std::string_view{"supervisor.stopping"};
            },
        },
        body);
}

std::string sentence(const Event& event) {
    const std::string who = event.program.empty() ? "reeve" : event.program;
    return std::visit(
        Overloaded{
            [&](const event::StateChanged& change) {
                std::string text = who + ": " + std::string{model::name_of(change.to)};
                // The end of a run has a line of its own, with its pid.
                const bool alive = change.to == model::State::starting ||
                                   change.to == model::State::running ||
                                   change.to == model::State::stopping;
                if (alive) text += pid_and_run(change.pid, change.run);
                if (!change.note.empty()) text += ": " + change.note;
                return text;
            },
            [&](const event::Ready& ready) {
                return who + ": ready" + pid_and_run(ready.pid, ready.run);
            },
            [&](const event::HealthChanged& health) {
                return who + (health.healthy ? ": healthy: " : ": unhealthy: ") + health.text +
                       (health.restarts ? "; stopping it" : "");
            },
            [&](const event::Exited& exit) {
                return who + ": " + exit.reason + pid_and_run(exit.pid, exit.run) + " after " +
                       in_seconds(exit.lasted_seconds);
            },
            [&](const event::Failed& failed) {
                return who + (failed.scheduled ? ": its run failed: " : ": gave up: ") +
                       failed.reason;
            },
            [&](const event::Overlapped& overlap) {
                const std::string due = who + ": due while its last run is not over: ";
                switch (overlap.outcome) {
                    case conf::Overlap::skip:
                        return due + "skipped (" + std::to_string(overlap.skipped) + " so far)";
                    case conf::Overlap::queue:
                        return due + "queued";
                    case conf::Overlap::replace:
                        return due + "the last run is stopped for it";
                }
                return due;
            },
            [&](const event::HookFailed& failed) { return who + ": " + failed.reason; },
            [&](const event::OrphanAdopted& orphan) {
                return who + ": orphan " + std::to_string(orphan.pid) +
                       " came home: " + orphan.command;
            },
            [&](const event::OrphansReaped& reaped) {
                return who + ": reaped " + std::to_string(reaped.count) +
                       (reaped.count == 1 ? " orphan" : " orphans");
            },
            [&](const event::Zombies& zombies) {
                return who + ": " + std::to_string(zombies.count) + " neglected zombies (limit " +
                       std::to_string(zombies.limit) + "), most of them of pid " +
                       std::to_string(zombies.parent_pid) + ": " + zombies.parent_command;
            },
            [&](const event::Guarded& guarded) {
                return who + ": over its guard's limit: " + guarded.what +
                       (guarded.restarts ? "; restarting it" : "");
            },
            [&](const event::LogFailed& failed) {
                return who + ": " + std::string{model::describe(failed.trouble.effect)} + ": " +
                       failed.trouble.place + ": " + failed.trouble.reason;
            },
            [&](const event::LogRecovered& recovered) {
                return who + ": " + recovered.place + " is well again after " +
                       in_seconds(recovered.lasted_seconds) +
                       (recovered.dropped_lines == 0
                            ? std::string{}
                            : "; lines dropped: " + std::to_string(recovered.dropped_lines));
            },
            [&](const event::Pids& pids) {
                return std::to_string(pids.current) + " of " + std::to_string(pids.limit) +
                       " pids are in use (limit: " + pids.which + ")" +
                       (pids.near ? "; starts will fail when they run out" : ": room again");
            },
            [&](const event::Requested& request) {
                return who + ": " + request.verb + " asked for by " + describe(request.actor) +
                       (request.reason.empty() ? "" : ": " + request.reason);
            },
            [&](const event::ConfigApplied& applied) {
                return "configuration applied, asked for by " + describe(applied.actor) + ": " +
                       (applied.what.empty() ? std::string{"nothing is different"} : applied.what);
            },
            [&](const event::SupervisorStarted& started) {
                return "reeve " + started.version + " started (pid " + std::to_string(started.pid) +
                       "), " + std::to_string(started.programs) +
                       (started.programs == 1 ? " program" : " programs");
            },
            [&](const event::SupervisorStopping& stopping) {
                return "reeve is stopping: " + stopping.reason + " (will exit " +
                       std::to_string(stopping.exit_code) + ")";
            },
        },
        event.body);
}

Weight weight_of(const Event& event) {
    return std::visit(
        Overloaded{
            [](const event::StateChanged& change) {
                // "starting" is told by "running", "backoff" or "failed" a moment
                // later.
                if (change.to == model::State::starting) return Weight::debug;
                return change.to == model::State::failed ? Weight::warn : Weight::info;
            },
            [](const event::Ready&) { return Weight::debug; },
            [](const event::HealthChanged& health) {
                return health.healthy ? Weight::info : Weight::warn;
            },
            [](const event::Exited&) { return Weight::info; },
            // Its program.state has said so.
            [](const event::Failed& failed) {
                return failed.scheduled ? Weight::warn : Weight::debug;
            },
            [](const event::Overlapped&) { return Weight::info; },
            [](const event::HookFailed&) { return Weight::warn; },
            [](const event::OrphanAdopted&) { return Weight::debug; },
            [](const event::OrphansReaped&) { return Weight::debug; },
            [](const event::Zombies&) { return Weight::warn; },
            [](const event::Guarded&) { return Weight::warn; },
            [](const event::LogFailed& failed) {
                return failed.trouble.said ? Weight::debug : Weight::warn;
            },
            [](const event::LogRecovered& recovered) {
                return recovered.said ? Weight::debug : Weight::info;
            },
            [](const event::Pids& pids) { return pids.near ? Weight::warn : Weight::info; },
            [](const event::Requested&) { return Weight::info; },
            [](const event::ConfigApplied&) { return Weight::info; },
            [](const event::SupervisorStarted&) { return Weight::info; },
            [](const event::SupervisorStopping&) { return Weight::info; },
        },
        event.body);
}

void EventLog::publish(model::WallTime at, std::string program, Event::Body body) {
    kept_.push_back(Event{++last_seq_, at, std::move(program), std::move(body)});
    if (kept_.size() > kKept) kept_.pop_front();

    // A removed listener is only marked until the round is over: it may be the one that runs.
    const Event event = kept_.back();
    ++publishing_;
    const std::size_t listeners = subscriptions_.size();
    for (std::size_t i = 0; i < listeners; ++i) {
        if (!subscriptions_[i].gone) subscriptions_[i].listener(event);
    }
    if (--publishing_ == 0) {
        std::erase_if(subscriptions_, [](const Subscription& s) { return s.gone; });
    }
}

EventLog::ListenerId EventLog::subscribe(Listener listener) {
    subscriptions_.push_back({++last_listener_, std::move(listener)});
    return last_listener_;
}

void EventLog::unsubscribe(ListenerId id) {
    const auto found = std::ranges::find(subscriptions_, id, &Subscription::id);
    if (found == subscriptions_.end()) return;
    if (publishing_ > 0) {
        found->gone = true;
    } else {
        subscriptions_.erase(found);
    }
}

}  // namespace reeve::core
