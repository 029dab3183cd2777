#include <algorithm>
#include <cstdio>

#include "conf/units.h"
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
    std::string text = "by reeve";
    if (request.actor.via == Actor::Via::control) {
        text = "by uid " + std::to_string(request.actor.uid);
    } else if (request.actor.via == Actor::Via::token) {
        text = "by " + describe(request.actor);
    }
    if (request.verb == "reset") text = "reset " + text;
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

// The last line of its output, where that is no hook's, whose reason has it already.
std::string and_last_words(std::string text, const Instance& instance) {
    const auto& ending = instance.machine().last_ending();
    const bool is_told = ending && ending->by_hook;
    if (!is_told && !instance.last_words().empty()) text += ": " + instance.last_words();
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
        case Machine::StopPhase::hooks:
            return (machine.deadline() ? "waits for " : "kills ") + instance.hook_stage() +
                   patience;
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
    if (instance.machine().hook()) {
        text = "runs " + instance.hook_stage();
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
    if (instance.machine().queued()) add("another run is queued");
    if (instance.machine().awaits_ready()) {
        add("not ready yet" + (instance.ready_hint().empty() ? "" : ": " + instance.ready_hint()));
    }
    if (instance.vitals()) add(instance.vitals()->note(now));
    add(instance.hook_trouble());
    if (!instance.watch_trouble().empty()) add("watch: " + instance.watch_trouble());
    add(instance.over_guard());
    if (!instance.limits_missing().empty()) add("without limits: " + instance.limits_missing());
    add(output_note_of(instance, now));
    return text;
}

// While it is being stopped: what for, where nobody who is asked by the table has asked for it.
std::string stopped_for(const Machine& machine) {
    const auto& ending = machine.last_ending();
    const bool by_reeve = machine.ending_is_known() &&
                          machine.stop_phase() != Machine::StopPhase::confirming &&
                          machine.desired() == model::Desired::up;
    return by_reeve ? ending->reason + "; " : std::string{};
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

std::string join(std::string text, const std::string& more) {
    if (!text.empty() && !more.empty()) text += "; ";
    return text + more;
}

// What the last run wrote in vain.
std::string and_its_loss(std::string text, const Instance& instance) {
    return join(std::move(text), loss_note(instance.lines_lost()));
}

}  // namespace

std::string loss_note(std::uint64_t lines) {
    if (lines == 0) return {};
    return std::to_string(lines) + (lines == 1 ? " line" : " lines") + " of its output dropped";
}

namespace {

// "03:00", with seconds where there are any, and the date where it is not within a day.
std::string on_the_wall(model::WallTime time, model::WallTime now, const conf::Zone& zone) {
    using namespace std::chrono;
    const auto moment = floor<seconds>(time);
    const auto shown = moment + zone.offset_at(moment);
    const auto day = floor<days>(shown);
    const year_month_day date{day};
    const hh_mm_ss clock{shown - day};
    char text[64];
    std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d:%02d", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()),
                  static_cast<int>(clock.seconds().count()));
    std::string result{text};
    if (clock.seconds() == seconds{0}) result.erase(result.size() - 3);
    const auto away = time > now ? time - now : now - time;
    return away < hours{24} ? result.substr(11) : result;
}

// "in 4h12m": two units, rounded up to the smaller.
std::string ahead_to_the_minute(Duration duration) {
    using namespace std::chrono;
    if (duration <= minutes{1}) return ahead(duration);
    const bool days_away = duration > hours{24};
    const Duration unit = days_away ? Duration{hours{1}} : Duration{minutes{1}};
    return "in " + conf::format_duration((duration + unit - Duration{1}) / unit * unit);
}

}  // namespace

std::string schedule_note_of(const Instance& instance, std::optional<model::WallTime> next,
                             model::WallTime wall_now, const conf::Zone& zone) {
    std::string text;
    if (next) {
        text = "next run " + on_the_wall(*next, wall_now, zone) + " (" +
               ahead_to_the_minute(std::chrono::duration_cast<Duration>(*next - wall_now)) + ")";
    }
    if (const auto& ending = instance.machine().last_ending()) {
        text += (text.empty() ? "last: " : ", last: ") + ending->reason;
        if (ending->kind != model::Ending::Kind::dependency && !instance.last_exits().empty())
            text += " at " + on_the_wall(instance.last_exits().back().at, wall_now, zone);
        if (!ending->success) text = and_last_words(std::move(text), instance);
    }
    if (const auto skipped = instance.skipped_runs(); skipped != 0)
        text += "; " + std::to_string(skipped) + (skipped == 1 ? " run" : " runs") + " skipped";
    return and_its_loss(text, instance);
}

std::string note_of(const Instance& instance, model::TimePoint now, model::WallTime wall_now) {
    const Machine& machine = instance.machine();
    switch (instance.state()) {
        case State::stopped:
            if (instance.last_request() && asked_to_be_down(*instance.last_request()))
                return join(and_its_loss(
                                join(asked_by(*instance.last_request(), wall_now), machine.force()),
                                instance),
                            instance.hook_trouble());
            return join(and_its_loss(instance.run_number() == 0 && !instance.program().autostart
                                         ? "autostart = false"
                                         : "",
                                     instance),
                        instance.hook_trouble());
        case State::waiting:
            if (machine.between_runs()) return {};  // only its schedule knows more
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
            return join(and_its_loss(why_it_ended(machine, now) + "; next try " +
                                         ahead(machine.deadline().value_or(now) - now),
                                     instance),
                        instance.hook_trouble());
        case State::exited:
        case State::failed: {
            // How long the failures took is told up to the last of them, not up to now.
            std::string text =
                and_its_loss(why_it_ended(machine, instance.since_monotonic()), instance);
            return join(and_last_words(std::move(text), instance), instance.hook_trouble());
        }
    }
    return {};
}

}  // namespace reeve::core
