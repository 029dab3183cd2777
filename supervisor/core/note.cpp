#include <algorithm>

#include "supervisor/core/instance.h"

namespace reeve::core {

namespace {

using model::Duration;
using model::Machine;
using model::State;

// As a person says it: one unit, rounded down ("13s", "2h"); under a second "0s" would be a lie.
std::string brief(Duration duration) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
    if (seconds < 1) return std::to_string(std::max<Duration::rep>(duration.count(), 0)) + "ms";
    if (seconds < 60) return std::to_string(seconds) + "s";
    if (seconds < 60 * 60) return std::to_string(seconds / 60) + "m";
    if (seconds < 24 * 60 * 60) return std::to_string(seconds / (60 * 60)) + "h";
    return std::to_string(seconds / (24 * 60 * 60)) + "d";
}

// A delay that is still to come: rounded up, so that "next try in 1s" is never already over.
std::string ahead(Duration duration) {
    if (duration <= Duration{0}) return "now";
    if (duration < std::chrono::seconds{1}) return "in " + brief(duration);
    return "in " + brief(std::chrono::ceil<std::chrono::seconds>(duration));
}

std::string asked_by(const Instance::Request& request, model::WallTime wall_now) {
    std::string text = request.actor.via == Actor::Via::control
                           ? "by uid " + std::to_string(request.actor.uid)
                           : std::string{"by reeve"};
    const auto ago = std::chrono::duration_cast<Duration>(wall_now - request.at);
    return text + " " + brief(ago) + " ago";
}

// Else it is reeve's own end that stopped it, whoever asked for something before.
bool asked_to_be_down(const Instance::Request& request) {
    return request.verb == "stop" || request.verb == "reset";
}

std::string why_it_ended(const Machine& machine, model::TimePoint now) {
    const auto& ending = machine.last_ending();
    if (!ending) return {};
    std::string text = ending->reason;
    // What the guard ends is no failure.
    if (ending->kind == model::Ending::Kind::guard) return text;
    if (!ending->success && machine.failures() > 1 && machine.failing_since()) {
        text += ", " + std::to_string(machine.failures()) + " times in " +
                brief(now - *machine.failing_since());
    }
    return text;
}

std::string held_up_by(const Instance& instance, model::TimePoint now) {
    const Machine& machine = instance.machine();
    const auto patience =
        machine.deadline() ? "; kill " + ahead(*machine.deadline() - now) : std::string{};
    const pid_t pid = instance.run() ? instance.run()->pid : 0;
    const auto left_behind = std::to_string(machine.left_behind()) +
                             (machine.left_behind() == 1 ? " process" : " processes") +
                             " left behind";
    switch (machine.stop_phase()) {
        case Machine::StopPhase::none:
        case Machine::StopPhase::confirming:
            return {};
        case Machine::StopPhase::signalling:
            // It may have been told to stop before it had a process.
            return (pid != 0 ? "waits for pid " + std::to_string(pid)
                             : std::string{"waits for its start to end"}) +
                   (instance.refused_signal() != 0
                        ? " (not permitted to send it " +
                              base::signal_name(instance.refused_signal()) + ")"
                        : std::string{}) +
                   patience;
        case Machine::StopPhase::leftovers:
            return left_behind + patience;
        case Machine::StopPhase::killing:
            if (!instance.survivors().empty()) {
                return "cannot be killed: " + instance.survivors() + "; tried for " +
                       brief(now - instance.killing_since().value_or(now));
            }
            if (pid != 0) return "being killed: pid " + std::to_string(pid);
            return machine.left_behind() != 0 ? "being killed: " + left_behind : "being killed";
    }
    return {};
}

// What there is to say of one that does its work, or is about to.
std::string flaws_of(const Instance& instance, model::TimePoint now) {
    std::string text;
    if (instance.machine().looking()) {
        text = "looks for its daemon";
        if (!instance.pid_file().empty()) text += " in " + instance.pid_file();
    }
    if (instance.machine().awaits_command()) text = "waits for its command to daemonize and end";
    const auto add = [&](const std::string& flaw) {
        if (flaw.empty()) return;
        if (!text.empty()) text += "; ";
        text += flaw;
    };
    if (instance.machine().looking() && !instance.search_hint().empty()) {
        text += " (" + instance.search_hint() + ")";
    }
    add(instance.over_guard());
    if (!instance.limits_missing().empty()) add("without limits: " + instance.limits_missing());
    add(output_note_of(instance, now));
    return text;
}

// While it is being stopped: what for, where nobody who is asked by the table has asked for it.
std::string stopped_for(const Machine& machine) {
    const auto& ending = machine.last_ending();
    const bool by_guard = machine.ending_is_known() && ending->kind == model::Ending::Kind::guard &&
                          machine.stop_phase() != Machine::StopPhase::confirming &&
                          machine.desired() == model::Desired::up;
    return by_guard ? ending->reason + "; " : std::string{};
}

}  // namespace

std::string output_note_of(const Instance& instance, model::TimePoint now) {
    std::string text;
    for (const model::OutputTrouble& trouble : instance.output_troubles()) {
        if (!text.empty()) text += "; ";
        text += model::describe(trouble.effect);
        text +=
            ": " + trouble.place + ": " + trouble.reason + ", for " + brief(now - trouble.since);
    }
    return text;
}

namespace {

// What the last run wrote in vain.
std::string and_its_loss(std::string text, const Instance& instance) {
    const std::string loss = loss_note(instance.lines_lost());
    if (!text.empty() && !loss.empty()) text += "; ";
    return text + loss;
}

}  // namespace

std::string loss_note(std::uint64_t lines) {
    if (lines == 0) return {};
    return std::to_string(lines) + (lines == 1 ? " line" : " lines") + " of its output dropped";
}

std::string note_of(const Instance& instance, model::TimePoint now, model::WallTime wall_now) {
    const Machine& machine = instance.machine();
    switch (instance.state()) {
        case State::stopped:
            if (instance.last_request() && asked_to_be_down(*instance.last_request()))
                return and_its_loss(asked_by(*instance.last_request(), wall_now), instance);
            return and_its_loss(instance.run_number() == 0 && !instance.program().autostart
                                    ? "autostart = false"
                                    : "",
                                instance);
        case State::waiting:
            if (machine.waits_for_others()) return "waits for " + machine.waits_for();
            return machine.lack() + "; next try " + ahead(machine.deadline().value_or(now) - now);
        case State::starting:
        case State::running:
            return flaws_of(instance, now);
        case State::stopping:
            return stopped_for(machine) + held_up_by(instance, now) +
                   (instance.output_troubles().empty() ? std::string{}
                                                       : "; " + output_note_of(instance, now));
        case State::backoff:
            return and_its_loss(why_it_ended(machine, now) + "; next try " +
                                    ahead(machine.deadline().value_or(now) - now),
                                instance);
        case State::exited:
        case State::failed: {
            // How long the failures took is told up to the last of them, not up to now.
            std::string text =
                and_its_loss(why_it_ended(machine, instance.since_monotonic()), instance);
            if (!instance.last_words().empty()) text += ": " + instance.last_words();
            return text;
        }
    }
    return {};
}

}  // namespace reeve::core
