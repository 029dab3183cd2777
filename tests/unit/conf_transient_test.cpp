#include "conf/names.h"
#include "conf/transient.h"
#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;
using reeve::Expected;
using reeve::Unexpected;

namespace {

using Strings = std::vector<std::string>;

// What became of it as TOML, or what is wrong.
std::string toml_of(const std::string& json) {
    const auto table = read_json_table(json);
    return table ? print_toml(*table) : table.error();
}

std::shared_ptr<const Transient> transient(std::string name, const std::string& json) {
    auto table = read_json_table(json);
    REQUIRE(table);
    return std::make_shared<const Transient>(
        Transient{std::move(name), "`reevectl run`, uid 7", *std::move(table)});
}

// A file, and what was run beside it.
struct Beside {
    std::string toml;
    std::vector<std::shared_ptr<const Transient>> transients;
    std::map<std::string, std::string> others{};
    Sources sources{};

    Expected<Config, std::vector<ConfigError>> load() {
        LoadRequest request;
        request.path = "/etc/reeve.toml";
        request.text = toml;
        request.read = [this](const std::string& path) -> Expected<std::string, std::string> {
            const auto found = others.find(path);
            if (found == others.end()) return Unexpected<std::string>{"No such file or directory"};
            return found->second;
        };
        request.transients = transients;
        request.sources = &sources;
        return reeve::conf::load(request);
    }
    Config good() {
        auto config = load();
        INFO((config ? "" : format_errors(config.error())));
        REQUIRE(config);
        return std::move(*config);
    }
    std::string errors() {
        const auto config = load();
        return config ? "" : format_errors(config.error());
    }
};

Strings names_of(const Config& config) {
    Strings names;
    for (const Program& program : config.programs) names.push_back(program.name);
    return names;
}

}  // namespace

TEST_CASE("a JSON object becomes the table that TOML would make of it") {
    struct Row {
        const char* json;
        const char* toml;
    };
    const Row rows[] = {
        {"{}", "{ }"},
        {R"({"command":["sleep","60"]})", R"({ command = ["sleep", "60"] })"},
        {R"({"b":1,"a":-9223372036854775808})", "{ b = 1, a = -9223372036854775808 }"},
        {R"({"most":9223372036854775807})", "{ most = 9223372036854775807 }"},
        {R"({"share":0.5,"yes":true,"no":false})", "{ share = 0.5, yes = true, no = false }"},
        {R"({"limits":{"nofile":[1,2]},"empty":[],"none":{}})",
         "{ limits = { nofile = [1, 2] }, empty = [], none = { } }"},
        {R"({"a.b":"x","":"y","\"":"z"})", R"({ "a.b" = "x", "" = "y", "\"" = "z" })"},
        // Every character but NUL: what TOML escapes comes out escaped.
        {R"({"text":"\"\\\b\t\n\f\r\u0001\u007f é😀"})",
         "{ text = \"\\\"\\\\\\u0008\\t\\n\\u000C\\r\\u0001\\u007F \xC3\xA9\xF0\x9F\x98\x80\" }"},
        {R"([{"name":"db"}])", "is no JSON object"},
        {R"("text")", "is no JSON object"},
        {"", "is not JSON (from byte 1 on)"},
        {R"({"a":1)", "is not JSON (from byte 7 on)"},
        {R"({"a":1} {})", "is not JSON (from byte 9 on)"},
        {"{\"a\":\"\xFF\"}", "is not JSON (from byte 7 on)"},
        {R"({"a":"\ud800"})", "is not JSON (from byte 13 on)"},
        {R"({"user":null})",
         R"("user" is null, which TOML doesn't have (leave the key out for its default))"},
        {R"({"depends_on":["a",{"name":"b","until":null}]})",
         R"("depends_on[1].until" is null, which TOML doesn't have (leave the key out for its )"
         "default)"},
        {R"({"environment":{"A":"x\u0000y"}})",
         R"("environment.A" has a NUL character, which no text of a configuration can have)"},
        {R"({"a\u0000b":1})", "a key has a NUL character, which none can have"},
        {R"({"a":[1,18446744073709551615]})",
         R"("a[1]" is too large a number (TOML's have 64 bits))"},
        {R"({"a":9223372036854775808})", R"("a" is too large a number (TOML's have 64 bits))"},
        {R"({"a":1e999})", "has too large a number"},
        {R"({"a":{"b":1,"b":2}})", R"("a.b" is there twice (remove one))"},
    };
    for (const Row& row : rows) {
        INFO(row.json);
        CHECK(toml_of(row.json) == row.toml);
    }
}

TEST_CASE("what comes out is read back as the same by the reader of TOML, byte by byte") {
    for (int byte = 1; byte < 128; ++byte) {
        std::string json = R"({"text":"\u00)";
        json += "0123456789abcdef"[byte / 16];
        json += "0123456789abcdef"[byte % 16];
        json += "\"}";
        const auto table = read_json_table(json);
        REQUIRE(table);
        const auto again = read_toml("text = " + print_toml(table->find("text")->value), 0);
        CAPTURE(byte);
        REQUIRE(again);
        CHECK(again->find("text")->value.text == std::string(1, static_cast<char>(byte)));
    }
}

TEST_CASE("JSON of any depth is refused without a deep stack") {
    const auto nested = [](std::size_t depth) {
        return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
    };
    CHECK(read_json_table(nested(63)));
    const auto wrong = read_json_table(nested(64));
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().ends_with("is nested more than 64 deep (no key of reeve needs that)"));
    CHECK_FALSE(read_json_table(nested(400'000)));
}

TEST_CASE("a program without a name gets one after its command's file") {
    const auto name = [](std::string_view path, const Strings& taken = {}) {
        return name_for_command(path, [&](const std::string& one) {
            return std::find(taken.begin(), taken.end(), one) != taken.end();
        });
    };
    struct Row {
        const char* path;
        const char* name;
    };
    const Row rows[] = {
        {"/usr/bin/python3", "python3"},
        {"sleep", "sleep"},
        {"./My Worker.sh", "my-worker.sh"},
        {"/opt/x/", "x"},
        {"/bin/[", "program"},
        {"", "program"},
        {"_run", "run"},
        {"..", "program"},
        {"caf\xC3\xA9", "caf-"},
        {"a@2", "a-2"},
    };
    for (const Row& row : rows) {
        INFO(row.path);
        CHECK(name(row.path) == row.name);
        CHECK(is_name(name(row.path)));
    }
    CHECK(name("/bin/sleep", {"sleep"}) == "sleep-2");
    CHECK(name("/bin/sleep", {"sleep", "sleep-2", "sleep-3"}) == "sleep-4");
    const std::string longest(64, 'x');
    CHECK(name(std::string(100, 'x')) == longest);
    CHECK(name(std::string(100, 'x'), {longest}) == longest.substr(0, 62) + "-2");
}

TEST_CASE("what was run comes after the programs of the files, with the same defaults and checks") {
    Beside it{
        "[defaults]\nrestart = 'always'\n[program.web]\ncommand = 'web'\n",
        {transient("jobs", R"({"command":["/bin/jobs","$$HOME"],"directory":"/srv","nice":5})")}};
    const Config config = it.good();
    REQUIRE(names_of(config) == Strings{"web", "jobs"});
    CHECK_FALSE(config.programs[0].transient);
    const Program& jobs = config.programs[1];
    CHECK(jobs.transient);
    CHECK(jobs.restart == RestartPolicy::always);
    CHECK(jobs.commands == std::vector<Strings>{{"/bin/jobs", "$HOME"}});
    CHECK(jobs.place.line == 0);
    CHECK(config.files == Strings{"/etc/reeve.toml", "`reevectl run`, uid 7"});
    REQUIRE(jobs.keys.size() == 4);
    for (const Program::Key& key : jobs.keys) {
        CAPTURE(key.name);
        CHECK(config.files[key.place.file] ==
              (key.name == "restart" ? "/etc/reeve.toml" : "`reevectl run`, uid 7"));
    }
}

TEST_CASE("relative paths of what was run begin in its directory, or where the file lies") {
    Beside it{"",
              {transient("a", R"({"command":"x","directory":"/srv/a","stdout":"log/a.log"})"),
               transient("b", R"({"command":"x","stdout":"${config_dir}/b.log"})"),
               transient("c", R"({"command":"x","directory":"c","stdout":"c.log"})")}};
    const Config config = it.good();
    CHECK(config.programs[0].output.sinks.at(0).path == "/srv/a/log/a.log");
    CHECK(config.programs[1].output.sinks.at(0).path == "/etc/b.log");
    CHECK(config.programs[2].output.sinks.at(0).path == "/etc/c/c.log");
}

TEST_CASE("mistakes in what was run name the key and no line") {
    Beside it{"",
              {transient("jobs", R"({"command":["x"],"restrat":"no","nice":"5"})"),
               transient("more", R"({"command":"x","autostart":false,"depends_on":["nobody"]})"),
               transient("off", R"({"command":"x","enabled":false})")}};
    CHECK(
        it.errors() ==
        "`reevectl run`, uid 7: unknown key \"restrat\" in [program.jobs] (did you mean "
        "\"restart\"?)\n"
        "`reevectl run`, uid 7: \"nice\" is a string (should be an integer from -20 to 19)\n"
        "`reevectl run`, uid 7: \"autostart\" is false, and what is run is started at once (remove "
        "it)\n"
        "`reevectl run`, uid 7: there is no program \"nobody\" (add [program.nobody], or remove "
        "it)\n"
        "`reevectl run`, uid 7: \"enabled\" is false, so that nothing would run (remove it)\n");
    Beside by_default{"[defaults]\nautostart = false\n", {transient("jobs", R"({"command":"x"})")}};
    CHECK(by_default.good().programs[0].autostart);
    Beside none{"[defaults]\nenabled = false\n", {transient("jobs", R"({"command":"x"})")}};
    CHECK(none.errors() ==
          "`reevectl run`, uid 7: \"enabled\" in [defaults] is false, so that nothing would run "
          "(set enabled = true)\n");
}

TEST_CASE("a file's program takes the name over, its group does not") {
    const auto jobs = transient("jobs", R"({"command":"mine"})");
    Beside program{"[program.jobs]\ncommand = 'theirs'\n", {jobs}};
    const Config config = program.good();
    REQUIRE(names_of(config) == Strings{"jobs"});
    CHECK_FALSE(config.programs[0].transient);
    CHECK(config.programs[0].commands[0][0] == "theirs");
    CHECK(config.files == Strings{"/etc/reeve.toml"});

    Beside group{"[program.web]\ncommand = 'x'\n[group.jobs]\nprograms = ['web']\n", {jobs}};
    CHECK(group.errors() ==
          "`reevectl run`, uid 7: \"jobs\" names both a program and a group (the group is at "
          "/etc/reeve.toml:3:8; rename one of them)\n");
}

TEST_CASE("no file may need what was run; what was run may need it and what a file has") {
    const auto jobs = transient("jobs", R"({"command":"x"})");
    Beside it{
        "[program.web]\ncommand = 'x'\ndepends_on = ['jobs']\n[group.all]\nprograms = ['jobs']\n"
        "[socket.s]\nlisten = '127.0.0.1:8080'\nprograms = ['jobs']\n",
        {jobs}};
    const std::string rest =
        " program \"jobs\" comes from `reevectl run`, uid 7 and is in no file (add [program.jobs], "
        "or remove it here)\n";
    CHECK(it.errors() == "/etc/reeve.toml:3:15:" + rest + "/etc/reeve.toml:5:13:" + rest +
                             "/etc/reeve.toml:8:13:" + rest);
    Beside other{"[program.web]\ncommand = 'x'\n",
                 {jobs, transient("more", R"({"command":"x","depends_on":["jobs","web"]})")}};
    CHECK(other.good().programs[2].depends_on.size() == 2);
}

TEST_CASE("a file that only what was run reads is none of the configuration's") {
    Beside it{
        "[program.web]\ncommand = 'x'\nenvironment_file = 'web.env'\n",
        {transient("jobs", R"({"command":"x","environment_file":["web.env","/srv/jobs.env"]})")},
        {{"/etc/web.env", "A=1\n"}, {"/srv/jobs.env", "B=2\n"}}};
    const Config config = it.good();
    CHECK(config.programs[1].environments[0].at("B") == "2");
    CHECK(it.sources.files.contains("/etc/web.env"));
    CHECK_FALSE(it.sources.files.contains("/srv/jobs.env"));
    CHECK(it.sources.transient_files.contains("/srv/jobs.env"));
    CHECK_FALSE(it.sources.transient_files.contains("/etc/web.env"));
    // And is there when the same is loaded again.
    LoadRequest again = load_again("/etc/reeve.toml", {}, it.sources);
    CHECK(again.read("/srv/jobs.env") == "B=2\n");
}
