#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;
using namespace std::chrono_literals;

TEST_CASE("a command is enough: everything else has the default of the manual") {
    const Config config = Files{"[program.web]\ncommand = ['nginx', '-g', 'daemon off;']\n"}.good();

    CHECK(config.files == std::vector<std::string>{"reeve.toml"});
    CHECK(config.supervisor.exit_on == std::nullopt);
    CHECK(config.supervisor.stop_timeout == std::nullopt);
    CHECK(config.supervisor.log_level == LogLevel::info);
    CHECK(config.supervisor.pids_warn == 0.8);
    CHECK(config.control.socket == "");
    CHECK(config.control.mode == std::nullopt);
    REQUIRE(config.programs.size() == 1);
    const Program& web = config.programs[0];
    CHECK(web.name == "web");
    CHECK(web.place.line == 1);
    CHECK(web.place.column == 10);
    CHECK(web.type == ProgramType::service);
    CHECK(web.commands == std::vector<std::vector<std::string>>{{"nginx", "-g", "daemon off;"}});
    CHECK(web.directories == std::vector<std::string>{""});
    CHECK(web.environments.size() == 1);
    CHECK(web.environments[0].empty());
    CHECK(web.inherit_environment == std::nullopt);
    CHECK(web.autostart);
    CHECK(web.instances == 1);
    CHECK_FALSE(web.essential);
    CHECK(web.restart == RestartPolicy::on_failure);
    CHECK(web.success_exit_codes == std::vector<SuccessExit>{{SuccessExit::Kind::code, 0}});
    CHECK(web.restart_delay == 200ms);
    CHECK(web.restart_delay_max == 30s);
    CHECK(web.max_failures == 10);
    CHECK(web.healthy_after == 10s);
    CHECK(web.start_timeout == 90s);
    REQUIRE(web.stop_steps.size() == 1);
    CHECK(web.stop_steps[0].signal == SIGTERM);
    CHECK(web.stop_steps[0].wait == 10s);
    CHECK(web.stop_timeout == 10s);
    CHECK(web.stop_scope == StopScope::main);
    CHECK(web.leftovers == Leftovers::kill);
    CHECK(web.input.kind == Input::Kind::null);
    CHECK(web.output.sinks.at(0).kind == Sink::Kind::inherit);
    CHECK(web.error.kind == Output::Kind::merged);
    CHECK(web.umask == std::nullopt);
    CHECK(web.nice == std::nullopt);
    CHECK(web.oom_score_adj == std::nullopt);
    CHECK(web.supplementary_groups == std::nullopt);
    CHECK(web.pid_files.empty());
    CHECK_FALSE(web.limits.any());
    CHECK_FALSE(web.guard);
}

TEST_CASE("every key says what it means") {
    const Config config = Files{R"(
[supervisor]
exit_on = ["failed", "all-done"]
stop_timeout = "5s"
log_level = "trace"
pids_warn = 0.95

[control]
socket = "/tmp/x.sock"
mode = "0660"
group = "ops"

[program.web]
command = "nginx -g 'daemon off;'"
type = "service"
description = "front end"
directory = "/srv"
user = "www-data"
group = 33
supplementary_groups = ["adm", 4]
umask = "022"
environment = { PORT = "8080" }
inherit_environment = ["PATH", "LC_*"]
autostart = false
instances = 2
essential = true
restart = "always"
success_exit_codes = [0, 3, "TERM", "15"]
restart_delay = "0s"
restart_delay_max = "1m"
max_failures = 0
healthy_after = "1m30s"
start_timeout = "1s"
stop_signal = [{ signal = "QUIT", wait = "5s" }, { signal = 15, wait = "500ms" }]
stop_timeout = "3s"
stop_scope = "tree"
leftovers = "keep"
stdin = "/dev/zero"
stdout = "/var/log/web.log"
stderr = "null"
nice = -5
oom_score_adj = 500

[program.web.limits]
memory = "512MiB"
pids = 200
cpu_quota = "150%"

[program.web.guard]
memory = 419430400
pids = 100
zombies = 0
interval = "100ms"
action = "warn"

[program.daemon]
type = "forking"
command = "memcached -d -P /run/memcached.pid"
pid_file = "/run/memcached.pid"

[program.job]
type = "task"
command = "echo \"$HOME\" | cat"
shell = true
stop_signal = "INT"
stop_timeout = "2s"
inherit_environment = false
stderr = "inherit"

[group.site]
programs = ["web", "job"]
)"}
                              .good();

    CHECK(config.supervisor.exit_on == std::vector<ExitOn>{ExitOn::failed, ExitOn::all_done});
    CHECK(config.supervisor.stop_timeout == 5s);
    CHECK(config.supervisor.log_level == LogLevel::trace);
    CHECK(config.supervisor.pids_warn == 0.95);
    CHECK(config.control.socket == "/tmp/x.sock");
    CHECK(config.control.mode == mode_t{0660});
    CHECK(config.control.group == "ops");
    REQUIRE(config.groups.size() == 1);
    CHECK(config.groups[0].programs == std::vector<std::string>{"web", "job"});

    const Program& web = program_of(config, "web");
    CHECK(web.commands.size() == 2);
    CHECK(web.commands[1] == std::vector<std::string>{"nginx", "-g", "daemon off;"});
    CHECK(web.description == "front end");
    CHECK(web.directories == std::vector<std::string>{"/srv", "/srv"});
    CHECK(web.user == "www-data");
    CHECK(web.group == "33");
    CHECK(web.supplementary_groups == std::vector<std::string>{"adm", "4"});
    CHECK(web.umask == mode_t{022});
    CHECK(web.environments[0] == std::map<std::string, std::string>{{"PORT", "8080"}});
    CHECK(web.inherit_environment == std::vector<std::string>{"PATH", "LC_*"});
    CHECK_FALSE(web.autostart);
    CHECK(web.instances == 2);
    CHECK(web.essential);
    CHECK(web.restart == RestartPolicy::always);
    CHECK(web.success_exit_codes == std::vector<SuccessExit>{{SuccessExit::Kind::code, 0},
                                                             {SuccessExit::Kind::code, 3},
                                                             {SuccessExit::Kind::signal, SIGTERM},
                                                             {SuccessExit::Kind::signal, SIGTERM}});
    CHECK(web.restart_delay == 0ms);
    CHECK(web.restart_delay_max == 1min);
    CHECK(web.max_failures == 0);
    CHECK(web.healthy_after == 90s);
    CHECK(web.start_timeout == 1s);
    REQUIRE(web.stop_steps.size() == 2);
    CHECK(web.stop_steps[0].signal == SIGQUIT);
    CHECK(web.stop_steps[0].wait == 5s);
    CHECK(web.stop_steps[1].signal == SIGTERM);
    CHECK(web.stop_steps[1].wait == 500ms);
    CHECK(web.stop_timeout == 3s);
    CHECK(web.stop_scope == StopScope::tree);
    CHECK(web.leftovers == Leftovers::keep);
    CHECK(web.input.kind == Input::Kind::file);
    CHECK(web.input.path == "/dev/zero");
    CHECK(web.output.sinks.at(0).kind == Sink::Kind::file);
    CHECK(web.output.sinks.at(0).path == "/var/log/web.log");
    CHECK(web.error.sinks.at(0).kind == Sink::Kind::null);
    CHECK(web.nice == -5);
    CHECK(web.oom_score_adj == 500);
    CHECK(web.limits == CgroupLimits{512u << 20, 200, 150});
    REQUIRE(web.guard);
    CHECK(web.guard->memory_bytes == 400u << 20);
    CHECK(web.guard->pids == 100);
    CHECK(web.guard->zombies == 0);
    CHECK(web.guard->interval == 100ms);
    CHECK(web.guard->action == GuardAction::warn);

    const Program& daemon = program_of(config, "daemon");
    CHECK(daemon.type == ProgramType::forking);
    CHECK(daemon.restart == RestartPolicy::on_failure);  // as services
    CHECK(daemon.pid_files == std::vector<std::string>{"/run/memcached.pid"});
    CHECK_FALSE(daemon.limits.any());
    CHECK_FALSE(daemon.guard);

    const Program& job = program_of(config, "job");
    CHECK(job.type == ProgramType::task);
    CHECK(job.restart == RestartPolicy::never);  // as tasks do
    CHECK(job.shell);
    CHECK(job.commands[0] == std::vector<std::string>{"/bin/sh", "-c", "echo \"$HOME\" | cat"});
    CHECK(job.stop_steps[0].signal == SIGINT);
    CHECK(job.stop_steps[0].wait == 2s);
    CHECK(job.inherit_environment == std::vector<std::string>{});
    CHECK(job.error.sinks.at(0).kind == Sink::Kind::inherit);
}

TEST_CASE("programs come in the order in which they are written") {
    const Config config =
        Files{"[program.z]\ncommand='z'\n[program.a]\ncommand='a'\n[program.m]\ncommand='m'"}
            .good();
    REQUIRE(config.programs.size() == 3);
    CHECK(config.programs[0].name == "z");
    CHECK(config.programs[1].name == "a");
    CHECK(config.programs[2].name == "m");
}

TEST_CASE("defaults stand for what a program leaves open, and tables merge key by key") {
    const Config config = Files{R"(
[supervisor]
environment = { A = "supervisor", B = "supervisor", C = "supervisor" }
[defaults]
max_failures = 3
restart = "always"
environment = { B = "defaults", C = "defaults" }
[program.one]
command = "true"
environment = { C = "one" }
[program.two]
command = "true"
max_failures = 4
type = "task"
)"}
                              .good();
    const Program& one = program_of(config, "one");
    CHECK(one.max_failures == 3);
    CHECK(one.environments[0] ==
          std::map<std::string, std::string>{{"A", "supervisor"}, {"B", "defaults"}, {"C", "one"}});
    const Program& two = program_of(config, "two");
    CHECK(two.max_failures == 4);
    CHECK(two.restart == RestartPolicy::always);  // what is written beats what tasks do
    CHECK(two.environments[0] == std::map<std::string, std::string>{
                                     {"A", "supervisor"}, {"B", "defaults"}, {"C", "defaults"}});
}

TEST_CASE("limits and guards of the defaults merge key by key") {
    const Config config = Files{R"(
include = ["more.toml"]
[defaults.limits]
pids = 100
memory = "1GiB"
[defaults.guard]
interval = "1m"
action = "warn"
[program.one]
command = "true"
limits = { memory = "2GiB" }
[program.one.guard]
zombies = 5
action = "restart"
[program.two]
command = "true"
)"}
                              .with("more.toml", "[defaults.limits]\ncpu_quota = '50%'\n")
                              .good();
    const Program& one = program_of(config, "one");
    CHECK(one.limits == CgroupLimits{2ull << 30, 100, 50});
    REQUIRE(one.guard);
    CHECK(one.guard->zombies == 5);
    CHECK(one.guard->memory_bytes == std::nullopt);
    CHECK(one.guard->pids == std::nullopt);
    CHECK(one.guard->interval == 1min);
    CHECK(one.guard->action == GuardAction::restart);
    // It has nothing to watch, and never asked for a guard.
    const Program& two = program_of(config, "two");
    CHECK(two.limits == CgroupLimits{1ull << 30, 100, 50});
    CHECK_FALSE(two.guard);

    CHECK(Files{"include = ['more.toml']\n[defaults.limits]\npids = 100"}
              .with("more.toml", "[defaults.limits]\npids = 200\n")
              .errors() ==
          "more.toml:2:1: \"limits.pids\" in [defaults] is set twice (first at reeve.toml:3:1)\n");
}

TEST_CASE("the guard of the defaults is every program's") {
    const Config config = Files{R"(
[defaults.guard]
zombies = 50
[program.one]
command = "true"
[program.two]
command = "true"
guard = { interval = "1s" }
)"}
                              .good();
    for (const Program& program : config.programs) {
        REQUIRE(program.guard);
        CHECK(program.guard->zombies == 50);
    }
    CHECK(program_of(config, "one").guard->interval == 10s);
    CHECK(program_of(config, "two").guard->interval == 1s);
}

TEST_CASE("the pid file of the defaults is for those that daemonize, and no mistake elsewhere") {
    const Config config = Files{R"(
[defaults]
pid_file = "/run/${program}.pid"
[program.daemon]
type = "forking"
command = "daemon"
[program.service]
command = "service"
[program.job]
type = "task"
command = "job"
)"}
                              .good();
    const Program& daemon = program_of(config, "daemon");
    CHECK(daemon.pid_files == std::vector<std::string>{"/run/daemon.pid"});
    CHECK(daemon.keys.back().name == "pid_file");
    for (const char* name : {"service", "job"}) {
        CHECK(program_of(config, name).pid_files.empty());
        for (const Program::Key& key : program_of(config, name).keys) CHECK(key.name != "pid_file");
    }
}

TEST_CASE("pid files are one an instance, and relative to the file that says them") {
    const Config config = Files{R"(
include = ["conf.d/a.toml"]
)"}
                              .with("conf.d/a.toml", R"([program.a]
type = "forking"
command = "daemon"
environment = { RUN = "run" }
instances = 2
pid_file = "${RUN}/${program}-${instance}.pid"
)")
                              .good();
    const Program& a = config.programs[0];
    REQUIRE(a.pid_files.size() == 2);
    CHECK(a.pid_files[0].starts_with("/"));
    CHECK(a.pid_files[0].ends_with("/conf.d/run/a-1.pid"));
    CHECK(a.pid_files[1].ends_with("/conf.d/run/a-2.pid"));
}

TEST_CASE("the whole of something is a share of it too") {
    CHECK(Files{"[supervisor]\npids_warn = 1"}.good().supervisor.pids_warn == 1.0);
    CHECK(Files{"[supervisor]\npids_warn = 1e-3"}.good().supervisor.pids_warn == 0.001);
}

TEST_CASE("variables come from the program's environment, then from reeve's own") {
    Files files{R"(
[program.web]
command = "run ${PORT} ${HOME} '${SPACED} x' $$ ${program} ${instance} ${config_dir}"
environment = { PORT = "80${instance}", URL = "http://${HOST}:${PORT}", HOST = "h", PATH = "/opt:${PATH}" }
directory = "data/${instance}"
stdout = "${program}.${instance}.log"
stderr = "err.log"
instances = 2
[control]
socket = "${RUN}/reeve.sock"
)"};
    files.environment = {
        {"PATH", "/bin"}, {"HOME", "/root"}, {"SPACED", "a b"}, {"HOST", "not me"}, {"RUN", "/r"}};
    const Config config = files.good();
    const Program& web = config.programs[0];

    char* const here = ::getcwd(nullptr, 0);
    const std::string directory = here;
    std::free(here);
    CHECK(web.commands[0] ==
          std::vector<std::string>{"run", "801", "/root", "a b x", "$", "web", "1", directory});
    CHECK(web.commands[1] ==
          std::vector<std::string>{"run", "802", "/root", "a b x", "$", "web", "2", directory});
    CHECK(web.environments[1] ==
          std::map<std::string, std::string>{
              {"PORT", "802"}, {"URL", "http://h:802"}, {"HOST", "h"}, {"PATH", "/opt:/bin"}});
    CHECK(web.directories ==
          std::vector<std::string>{directory + "/data/1", directory + "/data/2"});
    CHECK(web.output.sinks.at(0).path == directory + "/web.1.log");
    CHECK(web.output.sinks.at(0).path_of(2) == directory + "/web.2.log");
    CHECK(web.error.sinks.at(0).path == directory + "/err.log");
    CHECK(web.error.sinks.at(0).instance_paths.empty());
    CHECK(web.error.sinks.at(0).path_of(2) == directory + "/err.log");
    CHECK(config.control.socket == "/r/reeve.sock");
}

TEST_CASE("a variable that names itself means the value below it") {
    Files files{R"(
[supervisor]
environment = { PATH = "/s:${PATH}" }
[defaults]
environment = { PATH = "/d:${PATH}" }
[program.a]
command = "true"
environment = { PATH = "/p:${PATH}" }
)"};
    files.environment = {{"PATH", "/bin"}};
    CHECK(files.good().programs[0].environments[0].at("PATH") == "/p:/d:/s:/bin");
}

TEST_CASE("a program that is not enabled is not there, but listed") {
    Files files{R"(
[program.on]
command = "true"
enabled = "${ON:-yes}"
[program.off]
command = "true ${NOT_SET}"
enabled = false
[program.maybe]
command = "true"
enabled = "${MAYBE}"
[group.all]
programs = ["on", "off", "maybe"]
)"};
    files.environment = {{"MAYBE", "OFF"}};
    const Config config = files.good();
    REQUIRE(config.programs.size() == 1);
    CHECK(config.programs[0].name == "on");
    CHECK(config.disabled == std::vector<std::string>{"off", "maybe"});
    CHECK(config.groups[0].programs == std::vector<std::string>{"on"});
}

TEST_CASE("the keys that were written are kept with their places, secrets without their values") {
    Files files{R"([defaults]
max_failures = 3
environment = { B = "b", C = "c" }

[program.web]
environment = { API_TOKEN = "hush", C = "own" }
command = ["a", "b c"]
nice = 1
limits = { cpu_quota = "50%", pids = 5 }
)"};
    const Config config = files.good();
    const std::vector<std::string> expected{
        R"(command = ["a", "b c"] at 7:1)", R"(environment.API_TOKEN = "***" at 6:17)",
        R"(environment.C = "own" at 6:37)", R"(environment.B = "b" at 3:17)",
        R"(max_failures = 3 at 2:1)",       R"(nice = 1 at 8:1)",
        R"(limits.pids = 5 at 9:31)",       R"(limits.cpu_quota = "50%" at 9:12)"};
    std::vector<std::string> keys;
    for (const Program::Key& key : config.programs[0].keys) {
        keys.push_back(key.name + " = " + key.value + " at " + std::to_string(key.place.line) +
                       ":" + std::to_string(key.place.column));
    }
    CHECK(keys == expected);
    CHECK(config.programs[0].environments[0].at("API_TOKEN") == "hush");
}

TEST_CASE("included files are read in order, each glob sorted, and may include others") {
    Files files{
        "include = ['z.toml', 'conf.d/*.toml', 'none.d/*.toml']\n[program.main]\ncommand='m'\n"};
    files.files["z.toml"] = "[program.z]\ncommand='z'\n";
    files.files["conf.d/b.toml"] = "[program.b]\ncommand='b'\nstdout='b.log'\n";
    files.files["conf.d/a.toml"] = "include=['more/c.toml']\n[program.a]\ncommand='a'\n";
    files.files["conf.d/more/c.toml"] =
        "[defaults]\nmax_failures=7\n[program.c]\ncommand='x ${config_dir}'\n";
    const Config config = files.good();

    CHECK(config.files == std::vector<std::string>{"reeve.toml", "z.toml", "conf.d/a.toml",
                                                   "conf.d/more/c.toml", "conf.d/b.toml"});
    std::vector<std::string> names;
    for (const Program& program : config.programs) names.push_back(program.name);
    CHECK(names == std::vector<std::string>{"main", "z", "a", "c", "b"});
    // Defaults are for all files; paths and ${config_dir} belong to the file that says them.
    CHECK(program_of(config, "main").max_failures == 7);
    CHECK(program_of(config, "c").commands[0][1].ends_with("/conf.d/more"));
    CHECK(program_of(config, "b").output.sinks.at(0).path.ends_with("/conf.d/b.log"));
}

TEST_CASE("real files: globs, directories, what never ends and what isn't there") {
    char place[] = "/tmp/reeve-conf-test-XXXXXX";
    REQUIRE(::mkdtemp(place));
    const std::string directory = place;
    REQUIRE(::mkdir((directory + "/[odd] dir").c_str(), 0700) == 0);
    REQUIRE(::mkdir((directory + "/[odd] dir/d").c_str(), 0700) == 0);
    const auto write = [&](const std::string& name, const std::string& text) {
        std::ofstream{directory + "/" + name} << text;
    };
    const auto load_file = [&](const std::string& path) {
        LoadRequest request;
        request.path = path;
        return load(request);
    };
    const auto error_of = [&](const std::string& path) {
        const auto config = load_file(path);
        REQUIRE_FALSE(config);
        return format_errors(config.error());
    };

    write("[odd] dir/main.toml", "include = ['d/*.toml']\n");
    write("[odd] dir/d/2.toml", "[program.two]\ncommand='x'\n");
    write("[odd] dir/d/1.toml", "[program.one]\ncommand='x'\n");
    write("[odd] dir/d/.3.toml", "not read, as it is hidden");
    const auto config = load_file(directory + "/[odd] dir/main.toml");
    REQUIRE(config);
    REQUIRE(config->programs.size() == 2);
    CHECK(config->programs[0].name == "one");

    // The same file by two names is a cycle all the same.
    REQUIRE(::symlink(".", (directory + "/self").c_str()) == 0);
    write("cycle.toml", "include = ['self/cycle.toml']\n");
    CHECK(error_of(directory + "/cycle.toml") ==
          directory + "/cycle.toml:1:12: files include each other: " + directory +
              "/cycle.toml -> " + directory + "/self/cycle.toml (remove one of these includes)\n");

    CHECK(error_of(directory) == directory + ": can't be read: Is a directory\n");
    CHECK(error_of(directory + "/none") ==
          directory + "/none: can't be read: No such file or directory\n");
    CHECK(error_of("/dev/zero") == "/dev/zero: can't be read: it is larger than 16 MiB\n");
    REQUIRE(::mkfifo((directory + "/fifo").c_str(), 0600) == 0);
    CHECK(load_file(directory + "/fifo"));  // nobody writes to it: as good as empty

    for (const char* name : {"/[odd] dir/d/1.toml", "/[odd] dir/d/2.toml", "/[odd] dir/d/.3.toml",
                             "/[odd] dir/main.toml", "/self", "/cycle.toml", "/fifo"}) {
        ::unlink((directory + name).c_str());
    }
    ::rmdir((directory + "/[odd] dir/d").c_str());
    ::rmdir((directory + "/[odd] dir").c_str());
    CHECK(::rmdir(place) == 0);
}

TEST_CASE("text that is given is not read from a file") {
    LoadRequest request;
    request.path = "-";
    request.text = "[program.a]\ncommand = 'x'\n";
    const auto config = load(request);
    REQUIRE(config);
    CHECK(config->files == std::vector<std::string>{"-"});
    request.text = "x";
    const auto broken = load(request);
    REQUIRE_FALSE(broken);
    CHECK(broken.error()[0].file == "-");
}

TEST_CASE("limits of setrlimit are soft and hard at once, or two, and those of defaults fill in") {
    const Config config = Files{R"(
        [defaults.limits]
        nofile = 5
        core = 0
        [program.a]
        command = "x"
        cpu_affinity = [1, 0]
        [program.a.limits]
        nofile = [1024, "unlimited"]
        as = "4GiB"
    )"}
                              .good();
    const Program& program = config.programs[0];
    CHECK(program.resource_limits ==
          std::vector<ResourceLimit>{{"nofile", RLIMIT_NOFILE, 1024, RLIM_INFINITY},
                                     {"core", RLIMIT_CORE, 0, 0},
                                     {"as", RLIMIT_AS, 4ULL << 30, 4ULL << 30}});
    CHECK(program.cpu_affinity == std::vector<int>{1, 0});
    CHECK_FALSE(program.limits.any());
}

TEST_CASE("capabilities are none, some, or left as they are") {
    const Config config = Files{R"(
        [defaults.security]
        no_new_privileges = true
        [program.a]
        command = "x"
        security.capabilities = ["net_bind_service", "chown"]
        [program.b]
        command = "x"
        security.capabilities = []
        [program.c]
        command = "x"
    )"}
                              .good();
    CHECK(config.programs[0].security ==
          Security{true, {{{"net_bind_service", 10}, {"chown", 0}}}});
    CHECK(config.programs[1].security == Security{true, {{}}});
    CHECK(config.programs[2].security == Security{true, std::nullopt});
}

TEST_CASE("each instance has its view of the file system, and who has none sees what reeve sees") {
    const Config config = Files{R"(
        [defaults.security]
        writable = ["/run/"]
        [program.a]
        command = "x"
        instances = 2
        security.private_tmp = true
        security.read_only = ["/", "/"]
        security.writable = ["/run", "/srv/${instance}"]
        [program.b]
        command = "x"
        security.read_only = ["/"]
        [program.c]
        command = "x"
        enabled = true
        security.writable = []
    )"}
                              .good();
    CHECK(config.programs[0].views == std::vector<FileView>{{true, {"/"}, {"/run", "/srv/1"}},
                                                            {true, {"/"}, {"/run", "/srv/2"}}});
    CHECK(config.programs[1].views == std::vector<FileView>{{false, {"/"}, {"/run"}}});
    CHECK(config.programs[2].views.empty());
}
