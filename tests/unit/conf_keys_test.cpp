#include <filesystem>
#include <set>

#include "conf/difference.h"
#include "conf/keys.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

// That of the example of token_file.
constexpr const char* kTokenFile = "/etc/reeve/token";
constexpr const char* kTokenText = "0123456789abcdef\n";

// A file with `key = value` in the table it belongs to, and otherwise right.
std::string file_with(const Key& key, std::string_view value) {
    const std::string line = std::string{key.name} + " = " + std::string{value} + "\n";
    std::string others;
    if (key.name != "command") others = "command = 'x'\n";
    if (key.name == "pid_file") others += "type = 'forking'\n";
    if (key.name == "schedule" || key.name == "overlap") others += "type = 'task'\n";
    if (key.name == "overlap") others += "schedule = '@daily'\n";
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
        case Table::ready:
            return "[program.a]\n" + others + "[program.a.ready]\n" +
                   (key.name == "interval" ? "tcp = 'a:1'\n" : "") + line;
        case Table::health:
            // It must look at something.
            return "[program.a]\n" + others + "[program.a.health]\n" +
                   (find_key(Table::ready, key.name) && key.name != "interval" ? ""
                                                                               : "tcp = 'a:1'\n") +
                   line;
        case Table::limits:
            return "[program.a]\n" + others + "[program.a.limits]\n" + line;
        case Table::guard:
            // It must watch something.
            return "[program.a]\n" + others + "[program.a.guard]\n" +
                   (key.name == "zombies" ? "" : "zombies = 1\n") + line;
        case Table::security:
            return "[program.a]\n" + others + "[program.a.security]\n" +
                   (key.name == "writable" ? "read_only = ['/']\n" : "") + line;
        case Table::group:
            return "[program.web]\ncommand='x'\n[program.db]\ncommand='x'\n[group.g]\n" + line;
        case Table::on_event:
            return "[[on_event]]\n" + line + (key.name == "events" ? "" : "events = ['*']\n") +
                   (key.name == "command" ? "" : "command = 'x'\n");
        case Table::socket:
            return "[program.web]\ncommand='x'\n[socket.s]\n" + line +
                   (key.name == "listen" ? "" : "listen = '/run/web.sock'\n") +
                   (key.name == "programs" ? "" : "programs = ['web']\n");
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
        CHECK(Files{file_with(key, key.example)}
                  .with(env_file, "A=1\n")
                  .with(kTokenFile, kTokenText)
                  .errors() == "");
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

namespace {

const Program& the_program(const Config& config) {
    return program_of(config, "a");
}

// As "command: new run", or nothing.
std::vector<std::string> texts_of(const std::vector<Difference>& differences) {
    std::vector<std::string> texts;
    for (const Difference& one : differences) {
        texts.push_back(one.key + (one.change == Change::new_run ? ": new run" : ": in place"));
    }
    return texts;
}

}  // namespace

TEST_CASE("each key that can be written of a program is told when its value changes") {
    // Of those whose example is the default, or asks for more than the example.
    const std::map<std::string, std::string> others = {
        {"shell", "true"}, {"type", "'forking'"}, {"command", "'other'"}, {"guard.zombies", "7"}};
    for (const Key& key : all_keys()) {
        if (!is_program_key(key) || key.table == Table::output || key.type == KeyType::inner) {
            continue;
        }
        const std::string name = name_of(key);
        INFO(name);
        const auto other = others.find(name);
        const std::string value{other == others.end() ? key.example : other->second};
        const std::string file = file_with(key, value);
        const std::string line = std::string{key.name} + " = " + value + "\n";
        std::string before = file;
        std::string plain;
        if (key.name == "command") plain = "command = 'x'\n";
        if (name == "guard.zombies") plain = "zombies = 1\n";
        before.replace(before.rfind(line), line.size(), plain);
        // A table must say something.
        for (const std::string table : {"[program.a.ready]\n", "[program.a.health]\n"}) {
            if (before.ends_with(table)) before.erase(before.size() - table.size());
        }

        const std::string env_file = std::filesystem::current_path() / ".env";
        const Config old_config = Files{before}.with(env_file, "A=1\n").good();
        const Config new_config = Files{file}.with(env_file, "A=1\n").good();
        std::vector<Difference> expected{{name, key.change}};
        if (name == "environment") expected[0].key = "environment.PORT";
        if (name == "environment_file") expected[0].key = "environment.A";
        if (name == "enabled") expected.clear();
        if (name == "shell") expected.insert(expected.begin(), {"command", Change::new_run});
        if (name == "stderr") expected[0].change = Change::new_run;  // it was stdout's before
        CHECK(differences(the_program(old_config), the_program(new_config)) == expected);
        CHECK(differences(the_program(new_config), the_program(old_config)) == expected);
        CHECK(differences(the_program(new_config), the_program(new_config)).empty());
    }
}

TEST_CASE("a watchdog's interval was told to the run, and asks for a new one") {
    const auto with = [](const std::string& health) {
        return Files{"[program.a]\ncommand = 'x'\nhealth = { " + health + " }"}.good();
    };
    const auto watchdog = [&](const std::string& interval) {
        return with("notify = true, interval = '" + interval + "'");
    };
    CHECK(texts_of(differences(the_program(watchdog("4s")), the_program(watchdog("5s")))) ==
          std::vector<std::string>{"health.interval: new run"});
    CHECK(texts_of(differences(the_program(with("tcp = 'a:1', interval = '4s'")),
                               the_program(with("tcp = 'a:1', interval = '5s'")))) ==
          std::vector<std::string>{"health.interval: in place"});
}

TEST_CASE("each key of reeve itself is told when its value changes") {
    for (const Key& key : all_keys()) {
        if (key.table != Table::supervisor && key.table != Table::control) continue;
        if (key.type == KeyType::environment) continue;
        INFO(key.name);
        const Config plain = Files{""}.good();
        const Config config =
            Files{file_with(key, key.example)}.with(kTokenFile, kTokenText).good();
        const auto found = key.table == Table::supervisor
                               ? differences(plain.supervisor, config.supervisor)
                               : differences(plain.control, config.control);
        CHECK(found == std::vector<Difference>{{std::string{key.name}, key.change}});
    }
}

TEST_CASE("what is written in another way is no difference") {
    const Config one =
        Files{
            "[supervisor]\nenvironment = { A = '1' }\n"
            "[program.a]\ncommand = 'web -p 1'\nstop_timeout = '60s'\nstdout = '/l'\n"}
            .good();
    const Config two =
        Files{
            "[defaults]\nstop_timeout = '1m'\nenvironment = { A = '1' }\n"
            "[program.a]\ncommand = ['web', '-p', '1']\ninstances = 1\nstdout = { file = '/l' }\n"}
            .good();
    CHECK(differences(the_program(one), the_program(two)).empty());
}

TEST_CASE("what goes to another place does so in place, but not where the descriptor is another") {
    const auto told = [](const std::string& before, const std::string& after) {
        const std::string head = "[program.a]\ncommand = 'x'\n";
        return texts_of(differences(the_program(Files{head + before}.good()),
                                    the_program(Files{head + after}.good())));
    };
    using Texts = std::vector<std::string>;
    CHECK(told("stdout = '/a'", "stdout = '/b'") == Texts{"stdout: in place"});
    CHECK(told("stdout = { file = '/a', keep = 1 }", "stdout = { file = '/a', keep = 2 }") ==
          Texts{"stdout: in place"});
    CHECK(told("stdout = '/a'", "stdout = 'direct'") == Texts{"stdout: new run"});
    CHECK(told("stderr = '/a'", "stderr = 'stdout'") == Texts{"stderr: new run"});
    CHECK(told("stderr = '/a'", "stderr = 'null'") == Texts{"stderr: in place"});
}

TEST_CASE("more or fewer instances are no difference to those that there are") {
    const auto with = [](const std::string& instances) {
        return Files{
            "[program.a]\ncommand = 'x ${instance}'\nstdout = '/${instance}.log'\n"
            "environment = { N = '${instance}' }\ninstances = " +
            instances + "\n"}
            .good();
    };
    CHECK(texts_of(differences(the_program(with("1")), the_program(with("3")))) ==
          std::vector<std::string>{"instances: in place"});
    CHECK(texts_of(differences(the_program(with("4")), the_program(with("2")))) ==
          std::vector<std::string>{"instances: in place"});
}
