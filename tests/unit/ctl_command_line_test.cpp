#include "ctl/command_line.h"
#include "ctl/screens/text.h"
#include "ctl/verb_table.h"
#include "tests/support/catch.h"

using namespace reeve::ctl;
using namespace std::chrono_literals;

namespace {

Options parsed(const std::vector<std::string>& arguments) {
    const auto options = parse_command_line(arguments);
    INFO((options ? std::string{} : options.error().text));
    REQUIRE(options);
    return *options;
}

// The first line of what is said instead.
std::string refused(const std::vector<std::string>& arguments) {
    const auto options = parse_command_line(arguments);
    REQUIRE_FALSE(options);
    CHECK(options.error().is_error);
    return options.error().text.substr(0, options.error().text.find('\n'));
}

std::string help(const std::vector<std::string>& arguments) {
    const auto options = parse_command_line(arguments);
    REQUIRE_FALSE(options);
    CHECK_FALSE(options.error().is_error);
    return options.error().text;
}

std::size_t widest_line(const std::string& text) {
    std::size_t widest = 0;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
        widest = std::max(widest, display_width(text.substr(begin, end - begin)));
    return widest;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("no verb is status, and so are its aliases") {
    CHECK(parsed({}).verb == Verb::status);
    CHECK(parsed({"--json"}).json);
    for (const char* alias : {"status", "ps", "ls", "list"}) {
        CHECK(parsed({alias, "web"}).targets == Names{"web"});
        CHECK(parsed({alias, "web"}).verb == Verb::status);
    }
    CHECK(parsed({"down"}).verb == Verb::shutdown);
}

TEST_CASE("global flags are taken before and after the verb") {
    const Options options =
        parsed({"-s", "/a", "--timeout", "1m30s", "stop", "web", "-q", "db", "--no-wait"});
    CHECK(options.verb == Verb::stop);
    CHECK(options.socket == "/a");
    CHECK(options.timeout == 90s);
    CHECK(options.quiet);
    CHECK(options.no_wait);
    CHECK(options.targets == Names{"web", "db"});
    CHECK(parsed({"stop", "web", "--socket=/b"}).socket == "/b");
    CHECK(parsed({"--color=never", "ls"}).colour == ColourChoice::never);
    CHECK(parsed({"ls", "--color", "always", "--no-headers"}).no_headers);
    CHECK(parsed({"-s", "/a", "ls", "-s", "/b"}).socket == "/b");
}

TEST_CASE("the signal comes first, or behind kill -s") {
    CHECK(parsed({"signal", "HUP", "web", "db"}).signal == "HUP");
    CHECK(parsed({"signal", "HUP", "web", "db"}).targets == Names{"web", "db"});
    const Options kill = parsed({"-s", "/sock", "kill", "-s", "USR1", "web"});
    CHECK(kill.verb == Verb::signal);
    CHECK(kill.signal == "USR1");
    CHECK(kill.socket == "/sock");
    CHECK(parsed({"kill", "--socket", "/sock", "web", "-s", "9"}).signal == "9");
    CHECK(refused({"kill", "web"}).substr(0, 43) == "reevectl: 'kill' needs to know the signal: ");
    CHECK(refused({"signal"}) ==
          "reevectl: 'signal' needs a signal and a name: 'reevectl signal HUP web'");
    CHECK(refused({"signal", "HUP"}) ==
          "reevectl: 'signal' needs a name, a group, a glob or --all");
    CHECK(refused({"signal", "web", "HUP"}).substr(0, 34) ==
          "reevectl: \"web\" is not a signal (w");
}

TEST_CASE("logs takes its flags") {
    const auto logs =
        parsed({"logs", "-f", "-n", "5", "-t", "--no-prefix", "--stderr", "web"}).logs;
    CHECK(logs.follow);
    CHECK(logs.lines == 5);
    CHECK(logs.timestamps);
    CHECK(logs.no_prefix);
    CHECK(logs.only_stderr);
    CHECK(parsed({"logs"}).logs.lines == 100);
    CHECK(parsed({"logs", "-n", "all"}).logs.lines == std::nullopt);
    CHECK(parsed({"logs", "--tail", "7", "web"}).logs.lines == 7);
    CHECK(parsed({"logs", "--tail=all"}).logs.lines == std::nullopt);
    CHECK(parsed({"logs", "-S", "5m"}).logs.lines == std::nullopt);
    CHECK(parsed({"logs", "-S", "5m", "-n3"}).logs.lines == 3);
    CHECK(parsed({"logs", "--run", "3"}).logs.run == 3);
    CHECK_FALSE(parsed({"logs", "--stdout", "--stderr"}).logs.only_stdout);
    CHECK(refused({"logs", "-n", "few"}) == "reevectl: --lines is a number or 'all', not 'few'");
    CHECK(refused({"logs", "-p", "--run", "1"}) ==
          "reevectl: --previous and --run exclude each other");
    CHECK(refused({"logs", "--run", "0"}) == "reevectl: --run counts from 1");
    CHECK(parsed({"logs", "-ig", "x"}).logs.ignore_case);
    CHECK(refused({"logs", "-i"}) == "reevectl: --ignore-case goes with --grep PATTERN");
    CHECK(refused({"logs", "-f", "-p"}).substr(0, 37) == "reevectl: --follow does not go with -");
}

TEST_CASE("--all and names are the two ways to say what") {
    CHECK(parsed({"start", "--all"}).targets == Names{"*"});
    CHECK(refused({"start"}) == "reevectl: 'start' needs a name, a group, a glob or --all");
    CHECK(refused({"start", "--all", "web"}) == "reevectl: --all and names exclude each other");
    CHECK(refused({"start", ""}) == "reevectl: a name is empty");
    CHECK(refused({"version", "web"}) == "reevectl: 'version' takes no 'web'");
}

TEST_CASE("zombies may be asked for by name, the doctor looks at the machine") {
    CHECK(parsed({"zombies"}).verb == Verb::zombies);
    CHECK(parsed({"zombies", "web"}).targets == Names{"web"});
    CHECK(parsed({"doctor", "--json"}).verb == Verb::doctor);
    CHECK(refused({"doctor", "web"}) == "reevectl: 'doctor' takes no 'web'");
    CHECK(refused({"zombie"}) == "reevectl: there is no verb 'zombie'; did you mean 'zombies'?");
}

TEST_CASE("attach takes one name, and a key to leave by") {
    CHECK(parsed({"attach", "game"}).targets == Names{"game"});
    CHECK(parsed({"attach", "game"}).attach.detach_key == '\x1d');
    CHECK(parsed({"attach", "game", "--detach-key", "^q"}).attach.detach_key == '\x11');
    CHECK(parsed({"attach", "--detach-key=Ctrl-Q", "game"}).attach.detach_key_name == "Ctrl-Q");
    CHECK(parsed({"attach", "game", "--detach-key", "none"}).attach.detach_key == std::nullopt);
    CHECK(refused({"attach"}) == "reevectl: 'attach' needs the name of one program or instance");
    CHECK(refused({"attach", "a", "b"}) ==
          "reevectl: 'attach' needs the name of one program or instance");
    CHECK(refused({"attach", "game", "--detach-key", "q"}) ==
          "reevectl: --detach-key is a key such as ^Q or Ctrl-Q, or 'none', not 'q'");
}

TEST_CASE("what is promised for later says so") {
    CHECK(refused({"upgrade", "x", "--flag"}) == "reevectl: 'upgrade' is not in this version");
}

TEST_CASE("a host goes before or after the verb") {
    CHECK_FALSE(parsed({"status"}).host);
    CHECK(parsed({"-H", "ssh://host", "status"}).host == "ssh://host");
    CHECK(parsed({"logs", "-f", "--host=ssh://host", "web"}).host == "ssh://host");
    CHECK(parsed({"-H", "", "status"}).host == "");
}

TEST_CASE("a slip is answered with what was probably meant") {
    CHECK(refused({"satus"}) == "reevectl: there is no verb 'satus'; did you mean 'status'?");
    CHECK(refused({"rnu"}) == "reevectl: there is no verb 'rnu'; did you mean 'run'?");
    CHECK(refused({"remov", "x"}) == "reevectl: there is no verb 'remov'; did you mean 'remove'?");
    CHECK(refused({"frobnicate"}) == "reevectl: there is no verb 'frobnicate'");
    CHECK(refused({"logs", "--folow"}) ==
          "reevectl: 'logs' has no option '--folow'; did you mean '--follow'?");
    CHECK(refused({"scale", "web"}) ==
          "reevectl: 'scale' takes NAME=N, such as worker=4, not 'web'");
    for (const char* many : {"1001", "99999", "100000000000000000000"}) {
        CHECK(refused({"scale", std::string{"web="} + many}) ==
              std::string{"reevectl: a program has 1 to 1000 instances, not "} + many);
    }
    CHECK(refused({"--sockt", "/run/x"}) ==
          "reevectl: 'status' has no option '--sockt'; did you mean '--socket'?");
    CHECK(refused({"--color", "never", "satus"}) ==
          "reevectl: there is no verb 'satus'; did you mean 'status'?");
    CHECK(refused({"stop", "web", "-f"}) == "reevectl: 'stop' has no option '-f'");
    CHECK(refused({"ls", "--color=pink"}) ==
          "reevectl: --color is auto, always or never, not 'pink'");
    CHECK(refused({"ls", "--timeout", "0s"}) == "reevectl: --timeout is longer than 0s");
    CHECK(refused({"ls", "--socket"}).substr(0, 10) == "reevectl: ");
    CHECK(refused({"events", "--since", "x"}).substr(0, 10) == "reevectl: ");
}

TEST_CASE("a verb of another tool is answered with what does that here") {
    CHECK(refused({"tail", "web"}) ==
          "reevectl: there is no verb 'tail'; what does that is 'reevectl logs -f'");
    CHECK(refused({"daemon-reload"}) ==
          "reevectl: there is no verb 'daemon-reload'; what does that is 'reevectl apply'");
    CHECK(refused({"enable", "web"}) ==
          "reevectl: there is no verb 'enable'; what does that is autostart = true in the "
          "program's table");
    CHECK(foreign_verb("frobnicate").empty());
    for (const VerbInfo& info : verbs()) {
        INFO(info.name);
        CHECK(foreign_verb(info.name).empty());
    }
}

TEST_CASE("help begins with examples, as a whole and for each verb") {
    CHECK(help({"--help"}).find("Examples:") < help({"--help"}).find("Usage:"));
    CHECK(help({"help"}) == help({"-h"}));
    CHECK(widest_line(help({"help"})) <= 80);
    for (const VerbInfo& info : verbs()) {
        const std::string verb{info.name};
        INFO(verb);
        const std::string text = help({verb, "--help"});
        CHECK(text.find("Examples:\n  reevectl") < text.find("Usage: reevectl"));
        CHECK(text.find("\n\n\n") == std::string::npos);
        CHECK(widest_line(text) <= 80);
        CHECK(help({"help", verb}) == text);
    }
    CHECK(help({"--version"}) == "reevectl " REEVE_VERSION "\n");
}

TEST_CASE("wait takes names and what to wait for, which is ready unless it is said") {
    CHECK(parsed({"wait", "web"}).wait_for == "ready");
    CHECK(parsed({"wait", "--all", "--for=stopped"}).wait_for == "stopped");
    CHECK(parsed({"wait", "web", "--for", "done"}).targets == Names{"web"});
    CHECK(refused({"wait"}) == "reevectl: 'wait' needs a name, a group, a glob or --all");
    CHECK(refused({"wait", "web", "--for", "runing"}) ==
          "reevectl: --for is ready, healthy, done or a state, not 'runing'; did you mean "
          "'running'?");
}

TEST_CASE("kill takes its signal as kill(1) does") {
    CHECK(parsed({"kill", "-9", "web"}).signal == "9");
    CHECK(parsed({"kill", "-HUP", "web"}).targets == Names{"web"});
    CHECK(parsed({"kill", "web", "-SIGUSR1"}).signal == "SIGUSR1");
    CHECK(parsed({"kill", "-s", "KILL", "-q", "web"}).quiet);
    CHECK(refused({"kill", "-NOSIG", "web"}) == "reevectl: 'kill' has no option '-NOSIG'");
}

TEST_CASE("completion knows three shells") {
    CHECK(parsed({"completion", "zsh"}).shell == "zsh");
    CHECK(refused({"completion"}) == "reevectl: 'completion' needs a shell: bash, zsh or fish");
    CHECK(refused({"completion", "csh"}) ==
          "reevectl: 'completion' needs a shell: bash, zsh or fish");
}
