#include <csignal>

#include "tests/unit/conf_fixture.h"

using namespace reeve::conf;

namespace {

using Words = std::vector<std::string>;

std::vector<Words> words_of(const std::vector<Command>& commands) {
    std::vector<Words> all;
    for (const Command& command : commands) all.push_back(command.words);
    return all;
}

Hooks hooks_of(const std::string& text) {
    return Files{"[program.web]\ncommand = 'x'\n" + text}.good().programs[0].hooks_of(1);
}

}  // namespace

TEST_CASE("a hook is a list of commands: words, or lines that are split") {
    CHECK(words_of(hooks_of("start_pre = [['a', 'b c']]").start_pre) ==
          std::vector<Words>{{"a", "b c"}});
    CHECK(words_of(hooks_of("start_pre = ['a b', \"c 'd e'\", ['f']]").start_pre) ==
          std::vector<Words>{{"a", "b"}, {"c", "d e"}, {"f"}});
    CHECK(words_of(hooks_of("stop_post = 'rm -f x'").stop_post) ==
          std::vector<Words>{{"rm", "-f", "x"}});
    CHECK(hooks_of("start_pre = []").start_pre.empty());
    CHECK(hooks_of("stop_command = 'web quit'").stop_command.words == Words{"web", "quit"});
    CHECK(hooks_of("reload_command = ['web', 'reload']").reload_command.words ==
          Words{"web", "reload"});
    CHECK(hooks_of("") == Hooks{});
}

TEST_CASE("hooks are expanded for each instance, and shown as they were written") {
    const Config config = Files{R"([program.web]
command = 'x'
instances = 2
environment = { TOKEN = "secret words" }
start_pre = [["mkdir", "/run/${program}-${instance}"], "login ${TOKEN}"]
)"}
                              .good();
    const Hooks& second = config.programs[0].hooks_of(2);
    CHECK(second.start_pre[0].words == Words{"mkdir", "/run/web-2"});
    CHECK(second.start_pre[1].words == Words{"login", "secret words"});
    CHECK(second.start_pre[1].text == "login '${TOKEN}'");
}

TEST_CASE("a command is shown on one line, and not a long one") {
    const Hooks hooks = hooks_of("stop_command = ['sh', '-c', \"a\\nb\"]\nstop_post = [['" +
                                 std::string(200, 'x') + "']]");
    CHECK(hooks.stop_command.text == "sh -c 'a\\nb'");
    CHECK(hooks.stop_post[0].text == std::string(80, 'x') + "…");
}

TEST_CASE("of reload_signal and reload_command a program's own takes the place of the default's") {
    const auto load = [](const std::string& defaults, const std::string& own) {
        return Files{"[defaults]\n" + defaults + "\n[program.web]\ncommand = 'x'\n" + own}
            .good()
            .programs[0];
    };
    const Program command = load("reload_signal = 'HUP'", "reload_command = 'r'");
    CHECK(command.reload_signal == std::nullopt);
    CHECK(command.hooks_of(1).reload_command.words == Words{"r"});
    const Program signal = load("reload_command = 'r'", "reload_signal = 10");
    CHECK(signal.reload_signal == SIGUSR1);
    CHECK(signal.hooks_of(1).reload_command.words.empty());
}
