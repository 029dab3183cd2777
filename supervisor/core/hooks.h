#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/core/host.h"
#include "supervisor/core/instance.h"

namespace reeve::core {

// The commands that are run for instances beside their programs: those of a hook one after the
// other, and reload_command.  A part of the roster, which asks for them and is told what came of
// them.
class Hooks {
public:
    // `host` must outlive it.
    explicit Hooks(Host& host) : host_{host} {}

    // Of the run that the instance has.  No other hook of it runs.  Returns which command is
    // begun: "start_pre 1 of 2 (chown www-data /run/web)".
    std::string run(const Instance& instance, model::Hook hook);
    // No other command of the hook is begun.
    void kill_hook(const Instance& instance);

    // How it went: "reload_command (nginx -s reload): exit 1: no such site".
    using Reloaded = std::function<void(const Outcome&)>;
    void reload(const Instance& instance, Reloaded done);
    bool is_reloading(const Instance& instance) const { return reloads_.contains(instance.slot()); }
    // Its program is not there any more; why: "it ended: exit 3".
    void end_reload(const Instance& instance, const std::string& why);

    struct NextBegun {
        std::uint32_t slot;
        std::string stage;
    };
    struct HookEnded {
        std::uint32_t slot;
        std::variant<model::HookDone, model::HookFailed> event;
    };
    struct ReloadEnded {
        std::uint32_t slot;
        Outcome outcome;
        Reloaded done;
    };
    // monostate: nobody knows it.
    using Ended = std::variant<std::monostate, NextBegun, HookEnded, ReloadEnded>;
    Ended on_ended(CommandId id, const CommandEnd& end);

private:
    struct Job {
        const Instance* instance;  // of a reload it may be gone when that has ended
        std::uint32_t slot = 0;
        std::optional<model::Hook> hook;        // nullopt: reload_command
        std::vector<conf::Command> commands{};  // as they were when the first of them began
        std::size_t index = 0;                  // of the hook's commands
        std::string stage{};
        bool killed = false;
        std::string why{};  // a reload was ended
        Reloaded reloaded{};
    };

    std::string begin(Job job);
    void kill(CommandId id);

    Host& host_;
    CommandId last_ = 0;
    std::map<CommandId, Job> jobs_;
    // By slot.
    std::map<std::uint32_t, CommandId> hooks_;
    std::map<std::uint32_t, CommandId> reloads_;
};

}  // namespace reeve::core
