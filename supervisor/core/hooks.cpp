#include "supervisor/core/hooks.h"

#include <utility>

namespace reeve::core {

namespace {

std::vector<conf::Command> commands_of(const Instance& instance,
                                       const std::optional<model::Hook>& hook) {
    const conf::Hooks& hooks = instance.program().hooks_of(instance.number());
    if (!hook) return {hooks.reload_command};
    switch (*hook) {
        case model::Hook::start_pre:
            return hooks.start_pre;
        case model::Hook::stop_command:
            return {hooks.stop_command};
        case model::Hook::stop_post:
            return hooks.stop_post;
    }
    return {};
}

}  // namespace

std::string Hooks::begin(Job job) {
    const Instance& instance = *job.instance;
    const CommandId id = ++last_;
    (job.hook ? hooks_ : reloads_)[job.slot] = id;
    const std::size_t count = job.commands.size();
    const conf::Command command = job.commands[job.index];
    job.stage = job.hook ? model::name_of(*job.hook) : "reload_command";
    if (count > 1) {
        job.stage += " " + std::to_string(job.index + 1) + " of " + std::to_string(count);
    }
    job.stage += " (" + command.text + ")";
    std::string stage = job.stage;
    // The machine's own deadlines end hooks; that of a reload is nobody else's business.
    const model::Duration timeout =
        job.hook ? model::Duration{0} : instance.program().start_timeout;
    jobs_.emplace(id, std::move(job));
    const Run& run = *instance.run();
    host_.run_command({.id = id,
                       .run = run.id,
                       .slot = instance.slot(),
                       .program = instance.program(),
                       .instance = instance.number(),
                       .name = instance.name(),
                       .run_number = run.number,
                       .words = command.words,
                       .main_pid = run.pid,
                       .timeout = timeout});
    return stage;
}

std::string Hooks::run(const Instance& instance, model::Hook hook) {
    return begin({.instance = &instance,
                  .slot = instance.slot(),
                  .hook = hook,
                  .commands = commands_of(instance, hook)});
}

void Hooks::reload(const Instance& instance, Reloaded done) {
    begin({.instance = &instance,
           .slot = instance.slot(),
           .hook = std::nullopt,
           .commands = commands_of(instance, std::nullopt),
           .reloaded = std::move(done)});
}

void Hooks::kill(CommandId id) {
    jobs_.at(id).killed = true;
    host_.kill_command(id);
}

void Hooks::kill_hook(const Instance& instance) {
    const auto found = hooks_.find(instance.slot());
    if (found != hooks_.end()) kill(found->second);
}

void Hooks::end_reload(const Instance& instance, const std::string& why) {
    const auto found = reloads_.find(instance.slot());
    if (found == reloads_.end()) return;
    Job& job = jobs_.at(found->second);
    if (!job.killed) job.why = why;
    kill(found->second);
}

Hooks::Ended Hooks::on_ended(CommandId id, const CommandEnd& end) {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return {};
    Job job = std::move(found->second);
    jobs_.erase(found);
    (job.hook ? hooks_ : reloads_).erase(job.slot);

    if (!job.hook) {
        std::string text = job.stage + ": " + (job.why.empty() ? end.how : job.why);
        if (!end.last_line.empty()) text += ": " + end.last_line;
        Outcome outcome{end.ok, end.ok ? std::string{} : std::move(text)};
        return ReloadEnded{job.slot, std::move(outcome), std::move(job.reloaded)};
    }
    if (!end.ok) {
        return HookEnded{job.slot, model::HookFailed{.hook = *job.hook,
                                                     .stage = std::move(job.stage),
                                                     .how = end.how,
                                                     .last_line = end.last_line,
                                                     .no_room = end.no_room}};
    }
    const bool is_last = job.index + 1 == job.commands.size();
    if (is_last) return HookEnded{job.slot, model::HookDone{*job.hook}};
    if (job.killed) {
        return HookEnded{job.slot,
                         model::HookFailed{.hook = *job.hook,
                                           .stage = job.stage,
                                           .how = "killed, and those after it not begun"}};
    }
    ++job.index;
    const std::uint32_t slot = job.slot;
    return NextBegun{slot, begin(std::move(job))};
}

}  // namespace reeve::core
