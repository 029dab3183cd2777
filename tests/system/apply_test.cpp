#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;
namespace api = reeve::api;

namespace {

using Lines = std::vector<std::string>;

// Has a configuration that can be written anew.
class Configured {
public:
    explicit Configured(const std::string& toml) : reeve{directory, toml} {}

    void write(const std::string& toml) const {
        directory.write("reeve.toml", toml + "\n[control]\nsocket = \"" + reeve.socket() + "\"\n");
    }
    api::ConfigReply apply(const std::string& toml, int exit_code = 0) const {
        write(toml);
        const Result result = reeve.ctl({"apply", "--json"});
        INFO(result.out);
        INFO(result.err);
        REQUIRE(result.code == exit_code);
        const auto reply = api::from_json<api::ConfigReply>(result.out);
        REQUIRE(reply);
        return *reply;
    }
    std::int64_t pid_of(std::string_view name) const { return reeve.program(name).pid.value_or(0); }
    Lines names() const {
        Lines all;
        for (const auto& program : reeve.status().programs) all.push_back(program.name);
        return all;
    }

    Directory directory;
    Reeve reeve;
};

constexpr const char* kTwo =
    "[program.web]\ncommand = 'sleep 1000'\n[program.db]\ncommand = 'sleep 1001'\n";

// "restart web", without what is kept.
Lines actions(const api::ConfigReply& reply) {
    Lines all;
    for (const auto& program : reply.programs) {
        if (program.action != "keep") all.push_back(program.action + " " + program.program);
    }
    return all;
}

}  // namespace

TEST_CASE("diff says what apply then does, and who is not changed keeps its pid") {
    Configured it{kTwo};
    it.reeve.wait_for_state("web", "running");
    it.reeve.wait_for_state("db", "running");
    const auto web = it.pid_of("web");
    const auto db = it.pid_of("db");

    CHECK(it.reeve.ctl({"diff"}).out == "no difference\n");
    CHECK_FALSE(it.reeve.status().supervisor.config_changed);
    it.write(
        "[program.web]\ncommand = 'sleep 1000'\nrestart = 'always'\n"
        "[program.db]\ncommand = 'sleep 2000'\nenvironment = { PORT = '1' }\n"
        "[program.new]\ncommand = 'sleep 1002'\n");
    CHECK(it.reeve.status().supervisor.config_changed);
    const Result diff = it.reeve.ctl({"diff"});
    CHECK(diff.code == 0);
    CHECK(diff.out ==
          "change   web  restart\n"
          "restart  db   command, environment.PORT\n"
          "start    new  new\n");
    CHECK(it.pid_of("db") == db);

    const Result apply = it.reeve.ctl({"apply"});
    CHECK(apply.code == 0);
    CHECK(contains(apply.out, diff.out));
    CHECK(contains(apply.out, "\ndb: running (pid "));
    CHECK(contains(apply.out, "\nnew: running (pid "));
    CHECK(it.pid_of("web") == web);
    CHECK(it.pid_of("db") != db);
    CHECK_FALSE(it.reeve.status().supervisor.config_changed);
    const api::Event event = it.reeve.wait_for("", "config.applied");
    CHECK(text_of(event, "what") ==
          "web changed in place (restart), db restarted (command, environment.PORT), new started");

    CHECK(it.reeve.ctl({"apply"}).out == "no difference\n");
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("a configuration that is not valid says all that is wrong, and changes nothing") {
    Configured it{kTwo};
    it.reeve.wait_for_state("web", "running");
    const auto web = it.pid_of("web");
    it.write(
        "[program.web]\ncommand = ''\nrestart = 'sometimes'\n[program.new]\ncommand = 'true'\n");
    for (const char* verb : {"diff", "apply", "update"}) {
        const Result result = it.reeve.ctl({verb});
        CHECK(result.code == 1);
        CHECK(contains(result.err, "reeve.toml:2:11: \"command\" is empty"));
        CHECK(contains(result.err, "reeve.toml:3:11: \"restart\" is \"sometimes\""));
        CHECK(contains(result.err, "nothing was changed"));
    }
    CHECK(it.names() == Lines{"web", "db"});
    CHECK(it.pid_of("web") == web);
    CHECK(it.reeve.status().supervisor.config_changed);
    const Answer answer = it.reeve.post("/v1/config/apply");
    CHECK(answer.status == 422);
    CHECK(api::from_json<api::ErrorBody>(answer.body).value().code == "bad_config");
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("a program that does not come up is told of with its last lines, and the rest is done") {
    Configured it{kTwo};
    it.reeve.wait_for_state("web", "running");
    const auto web = it.pid_of("web");
    it.write(
        std::string{kTwo} +
        "[program.bad]\ncommand = 'echo no such table; exit 3'\nshell = true\nrestart = 'never'\n"
        "[program.good]\ncommand = 'sleep 1002'\n");
    const Result result = it.reeve.ctl({"apply"});
    CHECK(result.code == 1);
    CHECK(contains(result.err, "bad: failed: exit 3\n  | no such table\n"));
    CHECK(contains(result.out, "good: running (pid "));
    CHECK(it.pid_of("web") == web);
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("what was stopped by hand stays stopped, with its new definition") {
    Configured it{kTwo};
    it.reeve.wait_for_state("web", "running");
    CHECK(it.reeve.ctl({"stop", "web"}).code == 0);
    const auto reply =
        it.apply("[program.web]\ncommand = 'sleep 3000'\n[program.db]\ncommand = 'sleep 1001'\n");
    CHECK(actions(reply) == Lines{"change web"});
    CHECK(reply.programs[0].message == "stays stopped");
    CHECK(it.reeve.program("web").state == "stopped");
    CHECK(it.reeve.ctl({"start", "web"}).code == 0);
    CHECK(read_file("/proc/" + std::to_string(it.pid_of("web")) + "/cmdline") ==
          std::string("sleep\0"
                      "3000\0",
                      11));
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("the output of a running program goes elsewhere, and no line is cut or lost") {
    Directory logs;
    const auto program = [&](const std::string& file) {
        return "[program.web]\ncommand = 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.001; "
               "done'\nshell = true\nstdout = '" +
               logs.path() + "/" + file + "'\n";
    };
    Configured it{program("a.log")};
    it.reeve.wait_for_state("web", "running");
    const auto pid = it.pid_of("web");
    wait_until("a.log has lines", [&] { return contains(logs.read("a.log"), "line 20\n"); });
    CHECK(actions(it.apply(program("b.log"))) == Lines{"change web"});
    wait_until("b.log has lines", [&] { return contains(logs.read("b.log"), "\nline "); });
    CHECK(it.pid_of("web") == pid);
    CHECK(it.reeve.stop() == 0);
    // One after the other, all of them.
    const std::string all = logs.read("a.log") + logs.read("b.log");
    std::string expected;
    const auto count = std::count(all.begin(), all.end(), '\n');
    for (long i = 1; i <= count; ++i) expected += "line " + std::to_string(i) + "\n";
    CHECK(all == expected);
}

TEST_CASE("rotation of a log changes in place") {
    Directory logs;
    const auto program = [&](const std::string& size) {
        return "[program.web]\ncommand = 'while :; do echo 0123456789012345678901234567890; done'\n"
               "shell = true\nstdout = { file = '" +
               logs.path() + "/web.log', keep = 1, max_size = " + size + " }\n";
    };
    Configured it{program("0")};
    it.reeve.wait_for_state("web", "running");
    const auto pid = it.pid_of("web");
    wait_until("the log grows", [&] { return logs.read("web.log").size() > 100'000; });
    CHECK(actions(it.apply(program("'64KiB'"))) == Lines{"change web"});
    wait_until("it was rotated", [&] {
        const auto size = logs.read("web.log").size();
        return size > 0 && size < 100'000;
    });
    CHECK(it.pid_of("web") == pid);
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE(
    "scale starts and stops instances beside those that go on, until the file says otherwise") {
    const auto with = [](const std::string& instances) {
        return "[program.web]\ncommand = 'sleep 100${instance}'\ninstances = " + instances + "\n";
    };
    Configured it{with("1")};
    it.reeve.wait_for_state("web", "running");
    const auto first = it.pid_of("web");

    const Result up = it.reeve.ctl({"scale", "web=3"});
    CHECK(up.code == 0);
    CHECK(contains(up.out, "web@2: running (pid "));
    CHECK(contains(up.out, "web@3: running (pid "));
    CHECK(it.names() == Lines{"web@1", "web@2", "web@3"});
    CHECK(it.pid_of("web@1") == first);
    CHECK(contains(read_file("/proc/" + std::to_string(it.pid_of("web@3")) + "/cmdline"), "1003"));
    CHECK_FALSE(it.reeve.status().supervisor.config_changed);

    // What changes another key leaves it as it is.
    it.apply(with("1") + "restart = 'always'\n");
    CHECK(it.names() == Lines{"web@1", "web@2", "web@3"});
    CHECK(it.reeve.ctl({"diff"}).out ==
          "keep     web  stays scaled: the configuration has 1 instance\nno difference\n");
    CHECK(contains(it.reeve.ctl({"show", "web"}).out, "instances = 3 "));
    CHECK(contains(it.reeve.ctl({"show", "web"}).out, "# `reevectl scale`\n"));
    CHECK(it.reeve.ctl({"scale", "web=2"}).out == "web@3: stopped: removed\n");
    CHECK(it.names() == Lines{"web@1", "web@2"});

    it.apply(with("4") + "restart = 'always'\n");
    CHECK(it.names() == Lines{"web@1", "web@2", "web@3", "web@4"});
    CHECK(it.reeve.ctl({"scale", "web=1"}).code == 0);
    CHECK(it.names() == Lines{"web"});
    CHECK(it.pid_of("web") == first);

    CHECK(it.reeve.ctl({"scale", "web=0"}).code == 2);
    CHECK(it.reeve.ctl({"scale", "web=1001"}).code == 2);
    CHECK(it.reeve.ctl({"scale", "nosuch=2"}).code == 4);
    CHECK(it.reeve.ctl({"scale", "web=1"}).out == "web: nothing to start or stop, 1 instance\n");
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("what a scaled program cannot have is refused, and nothing changes") {
    Configured it{"[program.web]\ncommand = 'cat'\nstdin = 'inherit'\n"};
    it.reeve.wait_for("web", "program.state");
    const Result result = it.reeve.ctl({"scale", "web=2"});
    CHECK(result.code == 1);
    CHECK(contains(result.err, "stdin"));
    CHECK(contains(result.err, "nothing was changed"));
    CHECK(it.names() == Lines{"web"});
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("keys of reeve itself: those that can change do, the others wait for a new reeve") {
    Configured it{std::string{kTwo} + "[supervisor]\nlog_level = 'info'\n"};
    it.reeve.wait_for_state("web", "running");
    it.write(std::string{kTwo} + "[supervisor]\nlog_level = 'debug'\nlog_format = 'json'\n");
    const Result result = it.reeve.ctl({"apply"});
    CHECK(result.code == 0);
    CHECK(contains(result.out, "change   reeve  supervisor.log_level\n"));
    CHECK(contains(result.out,
                   "later    reeve  supervisor.log_format (once reeve itself is restarted)\n"));
    CHECK(it.reeve.ctl({"diff"}).out ==
          "later    reeve  supervisor.log_format (once reeve itself is restarted)\n"
          "2 programs are kept as they are\n");
    CHECK(it.reeve.stop() == 0);
}

// --- many edits, one after the other
// ---------------------------------------------------------------

namespace {

// A program as the test has written it.
struct Written {
    int command = 0;  // a number in its command line
    int instances = 1;
    std::string restart = "on-failure";
    int stop_timeout = 10;
    int variable = 0;
    std::string depends_on;  // on one that stands before it

    std::string toml(const std::string& name) const {
        std::string text = "[program." + name + "]\ncommand = 'sleep 100000" +
                           std::to_string(command) + "'\nrestart = '" + restart +
                           "'\nstop_timeout = '" + std::to_string(stop_timeout) +
                           "s'\nready = { after = '0s' }\n"
                           "environment = { V = '" +
                           std::to_string(variable) + "' }\n";
        if (instances > 1) text += "instances = " + std::to_string(instances) + "\n";
        if (!depends_on.empty()) text += "depends_on = ['" + depends_on + "']\n";
        return text;
    }
    bool runs_as(const Written& other) const {
        return command == other.command && variable == other.variable;
    }
};

using Programs = std::map<std::string, Written>;

std::string toml_of(const Programs& programs) {
    std::string text;
    for (const auto& [name, program] : programs) text += program.toml(name);
    return text;
}

std::string instance_name(const std::string& program, int instances, int number) {
    return instances == 1 ? program : program + "@" + std::to_string(number);
}

// By program and number of the instance.
using Pids = std::map<std::pair<std::string, int>, std::int64_t>;

}  // namespace

TEST_CASE(
    "random edits of fifty programs, applied one after the other, leave what they don't touch") {
    const char* const wanted = std::getenv("REEVE_EDITS");
    const int edits = wanted ? std::atoi(wanted) : (sanitized() ? 20 : 100);
    const char* const given = std::getenv("REEVE_SEED");
    const unsigned seed = given ? static_cast<unsigned>(std::atoi(given)) : 20261122u;
    CAPTURE(seed);
    std::mt19937 random{seed};
    const auto pick = [&](int most) {
        return static_cast<int>(random() % static_cast<unsigned>(most));
    };

    Programs programs;
    int next_name = 0;
    const auto new_name = [&] {
        std::string name = std::to_string(++next_name);
        return "p" + std::string(4 - name.size(), '0') + name;
    };
    const auto one_before = [&](const std::string& name) {
        std::vector<std::string> before;
        for (const auto& [other, program] : programs) {
            if (other < name) before.push_back(other);
        }
        return before.empty()
                   ? std::string{}
                   : before[static_cast<std::size_t>(pick(static_cast<int>(before.size())))];
    };
    for (int i = 0; i < 50; ++i) programs[new_name()] = Written{};
    Configured it{toml_of(programs)};

    const auto look = [&](const Programs& expected) {
        Pids pids;
        std::set<std::string> names;
        for (const auto& status : it.reeve.status().programs) {
            INFO(status.name << " is " << status.state << ": " << status.note);
            REQUIRE(status.state == "running");
            REQUIRE(status.pid);
            names.insert(status.name);
            pids[{status.program, status.instance}] = *status.pid;
        }
        std::set<std::string> wanted_names;
        for (const auto& [name, program] : expected) {
            for (int number = 1; number <= program.instances; ++number) {
                wanted_names.insert(instance_name(name, program.instances, number));
            }
        }
        REQUIRE(names == wanted_names);
        return pids;
    };
    wait_until("all fifty run", [&] {
        const auto all = it.reeve.status().programs;
        return std::all_of(all.begin(), all.end(),
                           [](const auto& one) { return one.state == "running"; });
    });
    Pids pids = look(programs);

    for (int edit = 1; edit <= edits; ++edit) {
        CAPTURE(edit);
        const Programs before = programs;
        bool valid = true;
        std::string broken;
        const int changes = 1 + pick(3);
        for (int change = 0; change < changes; ++change) {
            const auto any = [&] {
                return std::next(programs.begin(), pick(static_cast<int>(programs.size())));
            };
            switch (pick(9)) {
                case 0:
                    any()->second.command = pick(1000);
                    break;
                case 1:
                    any()->second.variable = pick(1000);
                    break;
                case 2:
                    any()->second.restart = pick(2) == 0 ? "always" : "never";
                    break;
                case 3:
                    any()->second.stop_timeout = 5 + pick(20);
                    break;
                case 4:
                    any()->second.instances = 1 + pick(3);
                    break;
                case 5: {
                    const auto program = any();
                    program->second.depends_on = one_before(program->first);
                    break;
                }
                case 6:
                    programs[new_name()] = Written{.command = pick(1000), .depends_on = {}};
                    break;
                case 7: {
                    if (programs.size() < 40) break;
                    const std::string name = any()->first;
                    programs.erase(name);
                    for (auto& [other, program] : programs) {
                        if (program.depends_on == name) program.depends_on.clear();
                    }
                    break;
                }
                case 8: {
                    const char* const faults[] = {
                        "[program.x]\ncommand = ''\n",
                        "[program.x]\n",
                        "[program",
                        "x = 1\n",
                        "[program.x]\ncommand = 'true'\ndepends_on = ['nosuch']\n",
                        "[group.g]\nprograms = ['nosuch']\n"};
                    broken = faults[pick(6)];
                    valid = false;
                    break;
                }
            }
        }
        it.write(toml_of(programs) + broken);
        const Result result = it.reeve.ctl({"apply"});
        INFO(result.out);
        INFO(result.err);
        REQUIRE(result.code == (valid ? 0 : 1));
        if (!valid) programs = before;

        const Pids now = look(programs);
        for (const auto& [key, pid] : pids) {
            const auto& [name, number] = key;
            const auto old_program = before.find(name);
            const auto new_program = programs.find(name);
            const bool untouched = new_program != programs.end() &&
                                   number <= new_program->second.instances &&
                                   old_program->second.runs_as(new_program->second);
            CAPTURE(name, number);
            if (untouched) {
                REQUIRE(now.at(key) == pid);
            } else if (now.contains(key)) {
                REQUIRE(now.at(key) != pid);
            } else {
                REQUIRE_FALSE(exists(static_cast<pid_t>(pid)));
            }
        }
        for (const auto& [key, pid] : now) {
            const std::string line = read_file("/proc/" + std::to_string(pid) + "/cmdline");
            const std::string arguments = "100000" + std::to_string(programs.at(key.first).command);
            CHECK(line == std::string{"sleep"} + '\0' + arguments + '\0');
        }
        pids = now;
    }
    CHECK(it.reeve.stop() == 0);
}

TEST_CASE("the doctor warns of pids from where the configuration now says") {
    const auto with_warn = [](const std::string& share) {
        return std::string{kTwo} + "[supervisor]\npids_warn = " + share + "\n";
    };
    Configured it{with_warn("1.0")};
    const auto warns = [&] {
        return contains(it.reeve.ctl({"doctor", "--json"}).out,
                        R"({"subject":"pids","verdict":"warn")");
    };
    wait_until("they are counted",
               [&] { return it.reeve.status().supervisor.pids.current.has_value(); });
    CHECK_FALSE(warns());
    it.apply(with_warn("0.0000001"));
    CHECK(warns());
    CHECK(it.reeve.stop() == 0);
}
