#include <filesystem>
#include <set>

#include "conf/keys.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

// A file with `key = value` in the table it belongs to, and otherwise right.
std::string file_with(const Key& key, std::string_view value) {
    const std::string line = std::string{key.name} + " = " + std::string{value} + "\n";
    std::string others;
    if (key.name != "command") others = "command = 'x'\n";
    if (key.name == "pid_file") others += "type = 'forking'\n";
    switch (key.table) {
        case Table::top:
            return line;
        case Table::supervisor:
            return "[supervisor]\n" + line;
        case Table::control:
            return "[control]\n" + line;
        case Table::program:
            if (key.type == KeyType::dependencies) {
                others = "command = 'x'\n[program.db]\n" + others +
                         "[program.migrate]\ntype = 'task'\n" + others;
                return "[program.a]\n" + line + others;
            }
            return "[program.a]\n" + others + line;
        case Table::output:
            // It must go somewhere.
            return "[program.a]\n" + others + "[program.a.stdout]\n" +
                   (key.name == "file" || key.name == "sink" ? "" : "file = 'x.log'\n") + line;
        case Table::limits:
            return "[program.a]\n" + others + "[program.a.limits]\n" + line;
        case Table::guard:
            // It must watch something.
            return "[program.a]\n" + others + "[program.a.guard]\n" +
                   (key.name == "zombies" ? "" : "zombies = 1\n") + line;
        case Table::group:
            return "[program.web]\ncommand='x'\n[program.db]\ncommand='x'\n[group.g]\n" + line;
    }
    return "";
}

}  // namespace

TEST_CASE("the table of keys has each once, with a sentence, and what it says is so") {
    std::set<std::pair<Table, std::string_view>> seen;
    for (const Key& key : all_keys()) {
        INFO(key.name);
        CHECK(seen.emplace(key.table, key.name).second);
        CHECK(find_key(key.table, key.name) == &key);
        CHECK(find_absent_key(key.table, key.name) == nullptr);
        CHECK(key.sentence.ends_with("."));
        CHECK_FALSE(what_it_takes(key).empty());

        const std::string env_file = std::filesystem::current_path() / ".env";
        CHECK(Files{file_with(key, key.example)}.with(env_file, "A=1\n").errors() == "");
        if (!key.fallback.empty()) CHECK(Files{file_with(key, key.fallback)}.errors() == "");
        for (const std::string_view word : key.allowed) {
            const bool list = key.type == KeyType::list_of;
            const std::string value = "'" + std::string{word} + "'";
            CHECK(Files{file_with(key, list ? "[" + value + "]" : value)}.errors() == "");
        }
        // No key takes a date.
        CHECK(Files{file_with(key, "2026-01-01")}.load().error().size() == 1);
    }
}

TEST_CASE("writing a default changes nothing") {
    const Config plain = Files{"[program.a]\ncommand='x'\n"}.good();
    std::string all = "[program.a]\ncommand='x'\n";
    for (const Key& key : all_keys()) {
        if (key.table != Table::program || key.fallback.empty()) continue;
        all += std::string{key.name} + " = " + std::string{key.fallback} + "\n";
    }
    const Config written = Files{all}.good();
    const Program& a = plain.programs[0];
    const Program& b = written.programs[0];
    CHECK(a.type == b.type);
    CHECK(a.shell == b.shell);
    CHECK(a.environments == b.environments);
    CHECK(a.inherit_environment == b.inherit_environment);
    CHECK(a.autostart == b.autostart);
    CHECK(a.instances == b.instances);
    CHECK(a.essential == b.essential);
    CHECK(a.restart == b.restart);
    CHECK(a.success_exit_codes == b.success_exit_codes);
    CHECK(a.restart_delay == b.restart_delay);
    CHECK(a.restart_delay_max == b.restart_delay_max);
    CHECK(a.max_failures == b.max_failures);
    CHECK(a.healthy_after == b.healthy_after);
    CHECK(a.start_timeout == b.start_timeout);
    CHECK(a.stop_timeout == b.stop_timeout);
    CHECK(a.stop_steps.size() == b.stop_steps.size());
    CHECK(a.stop_steps[0].signal == b.stop_steps[0].signal);
    CHECK(a.stop_steps[0].wait == b.stop_steps[0].wait);
    CHECK(a.stop_scope == b.stop_scope);
    CHECK(a.leftovers == b.leftovers);
    CHECK(a.input.kind == b.input.kind);
    CHECK(a.output.kind == b.output.kind);
    CHECK(a.output.sinks == b.output.sinks);
    CHECK(a.error.kind == b.error.kind);
    CHECK(a.error.sinks == b.error.sinks);
    CHECK(a.tty == b.tty);
    CHECK(a.limits == b.limits);
    CHECK_FALSE(a.guard);
    CHECK_FALSE(b.guard);
    CHECK(a.pid_files == b.pid_files);
}

TEST_CASE("writing a guard's, an output's and the supervisor's defaults changes nothing either") {
    std::string output = "[program.a.stdout]\nfile = '/l'\n";
    std::string guard = "[program.a]\ncommand='x'\n[program.a.guard]\nzombies = 7\n";
    std::string supervisor = "[supervisor]\n";
    for (const Key& key : all_keys()) {
        if (key.fallback.empty()) continue;
        const std::string line = std::string{key.name} + " = " + std::string{key.fallback} + "\n";
        if (key.table == Table::guard) guard += line;
        if (key.table == Table::output) output += line;
        if (key.table == Table::supervisor) supervisor += line;
    }
    const Config config = Files{supervisor + guard + output}.good();
    CHECK(config.supervisor.log == Supervisor{}.log);
    CHECK(config.supervisor.log_format == Supervisor{}.log_format);
    CHECK(config.programs[0].output.sinks ==
          std::vector<Sink>{{.kind = Sink::Kind::file, .path = "/l"}});
    CHECK(config.supervisor.pids_warn == Supervisor{}.pids_warn);
    CHECK(config.supervisor.log_level == Supervisor{}.log_level);
    REQUIRE(config.programs[0].guard);
    CHECK(config.programs[0].guard->zombies == 7);
    CHECK(config.programs[0].guard->interval == Guard{}.interval);
    CHECK(config.programs[0].guard->action == Guard{}.action);
}

TEST_CASE("a key in a table of a program is called by both names") {
    CHECK(name_of(*find_key(Table::limits, "memory")) == "limits.memory");
    CHECK(name_of(*find_key(Table::guard, "memory")) == "guard.memory");
    CHECK(name_of(*find_key(Table::program, "limits")) == "limits");
    CHECK(inner_table(*find_key(Table::program, "limits")) == Table::limits);
    CHECK(inner_table(*find_key(Table::program, "guard")) == Table::guard);
    for (const Key& key : all_keys()) {
        if (key.type != KeyType::inner) continue;
        CHECK(key.name == prefix_of(inner_table(key)).substr(0, key.name.size()));
    }
}
