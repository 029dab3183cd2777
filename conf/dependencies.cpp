#include "conf/dependencies.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "conf/nearest.h"
#include "conf/quote.h"

namespace reeve::conf {

namespace {

constexpr std::string_view kExample = R"({ name = "db", until = "ready", restart = false })";
constexpr std::string_view kUntil = R"("ready", "completed" or "started")";

class Reader {
public:
    explicit Reader(Problems& problems) : problems_{problems} {}

    void read(const Value& item) {
        if (item.is(Value::Type::string)) {
            add({.program = item.text, .until = {}, .restart = false, .place = item.place});
        } else if (item.is(Value::Type::table)) {
            read_table(item);
        } else {
            note(item.place, "an item of \"depends_on\" is " + std::string{name_of(item.type)} +
                                 " (should be the name of a program, or a table such as " +
                                 std::string{kExample} + ")");
        }
    }

    std::vector<Dependency> take() { return std::move(dependencies_); }

private:
    void read_table(const Value& table) {
        Dependency dependency{.program = {}, .until = {}, .restart = false, .place = table.place};
        bool good = true;
        for (const Value::Entry& entry : table.entries) {
            const Value& value = entry.value;
            if (entry.key == "name" && value.is(Value::Type::string)) {
                dependency.program = value.text;
                dependency.place = value.place;
            } else if (entry.key == "until" && value.is(Value::Type::string)) {
                dependency.until = until(value.text);
                if (!dependency.until) {
                    note(value.place, "\"until\" is " + quoted_short(value.text) + " (should be " +
                                          std::string{kUntil} + ")");
                    good = false;
                }
            } else if (entry.key == "restart" && value.is(Value::Type::boolean)) {
                dependency.restart = value.integer != 0;
            } else if (entry.key == "name" || entry.key == "until" || entry.key == "restart") {
                note(value.place, quoted(entry.key) + " in an item of \"depends_on\" is " +
                                      std::string{name_of(value.type)} + " (should be as in " +
                                      std::string{kExample} + ")");
                good = false;
            } else {
                note(entry.place, "unknown key " + quoted_short(entry.key) +
                                      " in an item of \"depends_on\" (should be as in " +
                                      std::string{kExample} + ")");
                good = false;
            }
        }
        if (!table.find("name")) {
            note(table.place, "an item of \"depends_on\" has no name (should be as in " +
                                  std::string{kExample} + ")");
            good = false;
        }
        if (good) add(std::move(dependency));
    }

    static std::optional<Until> until(std::string_view word) {
        if (word == "ready") return Until::ready;
        if (word == "completed") return Until::completed;
        if (word == "started") return Until::started;
        return std::nullopt;
    }

    void add(Dependency dependency) {
        const auto same =
            std::ranges::find(dependencies_, dependency.program, &Dependency::program);
        if (same != dependencies_.end()) {
            note(dependency.place,
                 "\"depends_on\" has " + quoted_short(dependency.program) + " twice (remove one)");
            return;
        }
        dependencies_.push_back(std::move(dependency));
    }

    void note(Place place, std::string text) { problems_.add(place, std::move(text)); }

    Problems& problems_;
    std::vector<Dependency> dependencies_;
};

class Settler {
public:
    Settler(Config& config, const AsWritten& written, Problems& problems)
        : config_{config}, written_{written}, problems_{problems} {
        for (Program& program : config_.programs) programs_.emplace(program.name, &program);
    }

    void run() {
        for (Program& program : config_.programs) settle(program);
        for (const Program& program : config_.programs) look_for_circle(program);
    }

private:
    void settle(Program& program) {
        for (Dependency& dependency : program.depends_on) {
            const auto found = programs_.find(dependency.program);
            if (found == programs_.end()) {
                if (written_.complete) say_missing(dependency);
                continue;
            }
            if (found->second->schedule) {
                problems_.add(
                    dependency.place,
                    quoted(dependency.program) +
                        " runs on a schedule, and is never there to stay (depend on a task "
                        "without one)");
                continue;
            }
            const bool task = found->second->type == ProgramType::task;
            if (!dependency.until) dependency.until = task ? Until::completed : Until::ready;
            if (*dependency.until == Until::ready && task) {
                problems_.add(
                    dependency.place,
                    quoted(dependency.program) +
                        " is a task, which is never ready (write until = \"completed\" or "
                        "\"started\")");
            }
        }
    }

    void say_missing(const Dependency& dependency) {
        const std::string& name = dependency.program;
        if (std::ranges::find(config_.disabled, name) != config_.disabled.end()) {
            problems_.add(dependency.place, "program " + quoted(name) +
                                                " is not enabled (enable it, or remove it here)");
            return;
        }
        if (std::ranges::find(config_.groups, name, &Group::name) != config_.groups.end()) {
            problems_.add(dependency.place,
                          quoted(name) + " is a group (name the programs that are needed)");
            return;
        }
        const std::string whole = name.substr(0, name.find('@'));
        if (whole != name && programs_.contains(whole)) {
            problems_.add(dependency.place, quoted_short(name) + " is an instance (write " +
                                                quoted(whole) + ", which means all of them)");
            return;
        }
        Nearest nearest{name};
        for (const auto& [known, program] : programs_) nearest.offer(known);
        problems_.add(dependency.place,
                      "there is no program " + quoted_short(name) +
                          (nearest.found() ? " (did you mean " + quoted(*nearest.found()) + "?)"
                                           : " (add [program." + name + "], or remove it)"));
    }

    enum class Visit { none, open, done };

    // Depth first, with the way on a stack of our own: a chain may have as many links as there are
    // programs.
    void look_for_circle(const Program& first) {
        struct Step {
            const Program* program;
            std::size_t next = 0;  // of its dependencies
        };
        if (visits_[first.name] != Visit::none) return;
        std::vector<Step> way{{&first}};
        visits_[first.name] = Visit::open;
        while (!way.empty()) {
            Step& step = way.back();
            if (step.next == step.program->depends_on.size()) {
                visits_[step.program->name] = Visit::done;
                way.pop_back();
                continue;
            }
            const Dependency& dependency = step.program->depends_on[step.next++];
            const auto found = programs_.find(dependency.program);
            if (found == programs_.end()) continue;
            Visit& visit = visits_[dependency.program];
            if (visit == Visit::none) {
                visit = Visit::open;
                way.push_back({found->second});
            } else if (visit == Visit::open) {
                const auto begin = std::ranges::find(way, found->second, &Step::program);
                std::string text = "depends on itself: ";
                for (auto at = begin; at != way.end(); ++at) text += at->program->name + " -> ";
                problems_.add(dependency.place, quoted(dependency.program) + " " + text +
                                                    dependency.program +
                                                    " (remove one of these dependencies)");
            }
        }
    }

    Config& config_;
    const AsWritten& written_;
    Problems& problems_;
    std::map<std::string, Program*> programs_;
    std::map<std::string, Visit> visits_;
};

}  // namespace

std::vector<Dependency> read_dependencies(const Setting& setting, Problems& problems) {
    if (!setting.value->is(Value::Type::array)) {
        SettingReader{problems}.wrong_type(setting);
        return {};
    }
    Reader reader{problems};
    for (const Value& item : setting.value->items) reader.read(item);
    return reader.take();
}

void settle_dependencies(Config& config, const AsWritten& written, Problems& problems) {
    Settler{config, written, problems}.run();
}

}  // namespace reeve::conf
