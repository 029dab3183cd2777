#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "conf/starter.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

std::vector<std::filesystem::path> examples() {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry :
         std::filesystem::directory_iterator{REEVE_SOURCE_DIR "/conf/examples"}) {
        if (entry.path().extension() == ".toml") paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

std::string content(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

Config load_example(const std::filesystem::path& path, EnvironmentMap environment) {
    LoadRequest request;
    request.path = path;
    request.environment = std::move(environment);
    auto config = load(request);
    INFO((config ? "" : format_errors(config.error())));
    REQUIRE(config);
    return std::move(*config);
}

}  // namespace

TEST_CASE("every example loads, with an empty environment too") {
    REQUIRE(examples().size() >= 3);
    for (const auto& path : examples()) {
        INFO(path);
        CHECK_FALSE(load_example(path, {}).programs.empty());
        CHECK_FALSE(load_example(path, own_environment()).programs.empty());
    }
}

TEST_CASE("the web stack is what the manual says") {
    const Config config = load_example(REEVE_SOURCE_DIR "/conf/examples/web-stack.toml",
                                       {{"REEVE_EXAMPLE_DIR", "/tmp/a stack"}});
    CHECK(config.supervisor.exit_on == std::vector<ExitOn>{ExitOn::essential});
    std::vector<std::string> names;
    for (const Program& program : config.programs) {
        names.push_back(program.name);
        CHECK(program.environments[0].at("STACK_DIR") == "/tmp/a stack");
        CHECK_FALSE(program.essential);
    }
    CHECK(names == std::vector<std::string>{"nginx", "redis", "page", "memcached", "billing"});
    CHECK(program_of(config, "memcached").leftovers == Leftovers::keep);
    CHECK(program_of(config, "billing").max_failures == 5);
}

TEST_CASE("the daemons have their pid files, guards and limits") {
    const Config config = load_example(REEVE_SOURCE_DIR "/conf/examples/daemons.toml",
                                       {{"REEVE_EXAMPLE_DIR", "/tmp/daemons"}});
    CHECK(config.supervisor.pids_warn == 0.9);
    for (const Program& program : config.programs) {
        CHECK(program.type == ProgramType::forking);
        CHECK(program.limits.pids == 200);
        REQUIRE(program.guard);
        CHECK(program.guard->zombies == 50);
        CHECK(program.guard->interval == std::chrono::seconds{30});
    }
    const Program& nginx = program_of(config, "nginx");
    CHECK(nginx.pid_files == std::vector<std::string>{"/tmp/daemons/nginx.pid"});
    CHECK(nginx.limits.cpu_percent == 150);
    CHECK(nginx.guard->action == GuardAction::warn);
    const Program& redis = program_of(config, "redis");
    CHECK(redis.pid_files.empty());
    CHECK(redis.guard->memory_bytes == 400u << 20);
    CHECK(redis.guard->action == GuardAction::restart);
    const Program& memcached = program_of(config, "memcached");
    CHECK(memcached.pid_files ==
          std::vector<std::string>{"/tmp/daemons/memcached-1.pid", "/tmp/daemons/memcached-2.pid"});
    CHECK(memcached.commands[1][2].find("11212 + 2") != std::string::npos);
}

TEST_CASE("the logs go where their comments say") {
    const std::string path = REEVE_SOURCE_DIR "/conf/examples/logs.toml";
    const Config config = load_example(path, {{"REEVE_EXAMPLE_DIR", "/tmp/l"}});
    const auto file = [](std::string name, Rotation rotation, LogFormat format) {
        return Sink{.kind = Sink::Kind::file,
                    .path = "/tmp/l/" + std::move(name),
                    .format = format,
                    .rotation = rotation};
    };
    const Rotation shared{.max_size_bytes = 10u << 20,
                          .max_age = std::chrono::hours{24},
                          .keep = 14,
                          .compress = Compression::zstd};
    CHECK(program_of(config, "plain").output.sinks ==
          std::vector<Sink>{file("plain.log", {}, LogFormat::raw)});
    CHECK(program_of(config, "plain").error.kind == Output::Kind::merged);

    // Of two instances.
    const auto together = [](Sink sink) {
        sink.shared = true;
        return std::vector<Sink>{std::move(sink)};
    };
    CHECK(program_of(config, "web").output.sinks ==
          together(file("web.log", shared, LogFormat::text)));
    CHECK(program_of(config, "web").error.sinks ==
          together(file("web.err", {.max_size_bytes = 1u << 20, .keep = 100}, LogFormat::text)));

    // What stands in an array is taken as it is.
    CHECK(program_of(config, "api").output.sinks ==
          std::vector<Sink>{
              Sink{},
              file("api.json", {.max_size_bytes = 100u << 20, .compress = Compression::gzip},
                   LogFormat::json),
              {.kind = Sink::Kind::syslog, .overflow = Overflow::drop}});
    CHECK(program_of(config, "api").error.sinks ==
          std::vector<Sink>{{.kind = Sink::Kind::journal, .overflow = Overflow::drop}});

    CHECK(program_of(config, "worker").output.sinks ==
          std::vector<Sink>{{.format = LogFormat::json}});
    CHECK(program_of(load_example(path, {{"WORKER_LOG", "/w"}}), "worker").output.sinks[0].path ==
          "/w");
    CHECK(program_of(config, "chatty").output.sinks ==
          std::vector<Sink>{{.kind = Sink::Kind::null}});
    CHECK(program_of(config, "legacy").output.sinks ==
          std::vector<Sink>{file("legacy.log", {.max_size_bytes = 0, .keep = 14}, LogFormat::raw)});
}

TEST_CASE("a container's worker is there when its variable says so") {
    const std::string path = REEVE_SOURCE_DIR "/conf/examples/container.toml";
    CHECK(load_example(path, {}).disabled == std::vector<std::string>{"worker"});
    const Config config = load_example(path, {{"ENABLE_WORKER", "yes"}, {"APP_WORKERS", "8"}});
    CHECK(program_of(config, "worker").commands[1].back() == "worker-2");
    CHECK(program_of(config, "app").commands[0][2] == "8");
}

TEST_CASE("the starter file is right as it is, and with every comment taken away") {
    CHECK(Files{std::string{starter()}}.good().programs.size() == 1);

    // "#key = …" and "#[table]" are what it offers to switch on; "# …" is prose.
    std::istringstream lines{std::string{starter()}};
    std::string on;
    for (std::string line; std::getline(lines, line);) {
        const bool offer = line.size() > 1 && line[0] == '#' && line[1] != ' ';
        on += (offer ? line.substr(1) : line) + "\n";
    }
    Files files{on};
    files.environment = {{"PATH", "/bin"}};
    CHECK(files.good().programs.size() == 2);
}

TEST_CASE("whatever bytes a file has, it is a configuration or has an error") {
    std::vector<std::string> seeds;
    for (const auto& path : examples()) seeds.push_back(content(path));
    seeds.emplace_back(starter());
    seeds.emplace_back(
        "[program.a]\ncommand = \"\"\"x \\\n é\"\"\"\nstop_signal = [{ signal = 'TERM', wait = "
        "'1s' }]\n"
        "environment = { A = '${B:-${C:?x}}', 'é' = \"\\u00e9\\U0001F600\" }\nnice = 0x1F\n"
        "[group.g]\nprograms = ['a']\n[defaults]\nhealthy_after = '1d2h'\n"
        "[defaults.guard]\nzombies = 5\n[supervisor]\npids_warn = 0.5\n");
    seeds.emplace_back(
        "[supervisor]\nlog = '${D:-/l}/r.log'\n[defaults.stdout]\nkeep = 3\nmax_age = '1h'\n"
        "[program.a]\ncommand = 'x'\ninstances = 3\nstdout = { file = '/l/${instance}', max_size "
        "= 0 }\nstderr = ['/dev/fd/${instance}', { sink = 'syslog', overflow = 'drop' }, 'direct', "
        "{ file = '/l/1' }]\n[[program.b.stdout]]\nfile = '/dev/stdout'\n[[program.b.stdout]]\n"
        "sink = 'journal'\n[program.c]\ntty = true\nstderr = 'null'\nstdin = 'inherit'\n");
    const std::string pieces[] = {"[",
                                  "]",
                                  "{",
                                  "}",
                                  "=",
                                  ",",
                                  "\"",
                                  "'",
                                  "\"\"\"",
                                  "'''",
                                  "\\",
                                  "\n",
                                  "\r",
                                  "#",
                                  ".",
                                  "é",
                                  "\xff",
                                  "$",
                                  "${",
                                  "}",
                                  "$$",
                                  "0x",
                                  "1e999",
                                  "-",
                                  "_",
                                  "\t",
                                  "[[",
                                  "]]",
                                  "\xEF\xBB\xBF",
                                  "`",
                                  "1979-05-27T07:32:00Z",
                                  "inf",
                                  "true",
                                  "\xC2\xA0",
                                  "\xE2\x80\xA8",
                                  "a.b",
                                  "9223372036854775808"};
    constexpr int kRounds = 3000;
    std::mt19937 random{20261122};  // a fixed seed: a failure can be run again
    const auto below = [&](std::size_t limit) {
        return static_cast<std::size_t>(random()) % limit;
    };

    for (int round = 0; round < kRounds; ++round) {
        std::string text = seeds[below(seeds.size())];
        for (std::size_t change = 1 + below(4); change > 0 && !text.empty(); --change) {
            const std::size_t at = below(text.size());
            switch (below(5)) {
                case 0:
                    text[at] = static_cast<char>(random());
                    break;
                case 1:
                    text.erase(at, 1 + below(20));
                    break;
                case 2:
                    text.insert(at, pieces[below(std::size(pieces))]);
                    break;
                case 3:
                    text.insert(at, text.substr(below(text.size()), below(40)));
                    break;
                default:
                    text.resize(at);
            }
        }
        const auto config = Files{text}.load();
        if (!config) {
            INFO(round << "\n" << text);
            REQUIRE_FALSE(config.error().empty());
            for (const ConfigError& error : config.error()) {
                REQUIRE(error.line > 0);
                REQUIRE(error.text.find('\n') == std::string::npos);
            }
        }
    }
}
