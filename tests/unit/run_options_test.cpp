#include <cstdlib>

#include "supervisor/run/options.h"
#include "tests/support/catch.h"

using namespace reeve::run;
using namespace std::chrono_literals;

namespace {

using Texts = std::vector<std::string>;

Options parsed(const Texts& words) {
    const Parsed parsed = parse(words);
    INFO(parsed.text);
    REQUIRE(parsed.options);
    return *parsed.options;
}

std::string refused(const Texts& words) {
    const Parsed parsed = parse(words);
    CHECK(parsed.exit_code == 64);
    CHECK_FALSE(parsed.options);
    return parsed.text;
}

int rewritten(const Options& options, int signal) {
    return options.rewritten[static_cast<std::size_t>(signal)];
}

}  // namespace

TEST_CASE("the options of reeve run end with its command") {
    CHECK(parsed({"--", "ls", "-l"}).command == Texts{"ls", "-l"});
    CHECK(parsed({"ls", "-g", "--grace", "x"}).command == Texts{"ls", "-g", "--grace", "x"});
    CHECK(parsed({"-g", "--", "--", "x"}).command == Texts{"--", "x"});
    CHECK(parsed({"-g", "ls"}).signal_group);
    CHECK_FALSE(parsed({"ls", "-g"}).signal_group);
}

TEST_CASE("tini's and dumb-init's options have their names") {
    const Options options =
        parsed({"-s", "-g", "-c", "-v", "-w", "-p", "SIGUSR1", "-e", "143", "-e1", "ls"});
    CHECK(options.signal_group);
    CHECK(options.verbose);
    CHECK(options.tell_reaped);
    CHECK(options.signal_at_parents_death == SIGUSR1);
    CHECK(options.good_codes.test(143));
    CHECK(options.good_codes.test(1));
    CHECK(options.good_codes.count() == 2);
    CHECK(parsed({"--pause"}).pause);
    CHECK(parsed({"--grace", "1m30s", "ls"}).grace == 90s);
}

TEST_CASE("a signal is rewritten by number or by name, once, or dropped") {
    const Options options =
        parsed({"-r", "15:3", "--rewrite", "INT:TERM", "-rHUP:0", "-r", "RTMIN+1:USR2", "ls"});
    CHECK(rewritten(options, SIGTERM) == SIGQUIT);
    CHECK(rewritten(options, SIGINT) == SIGTERM);
    CHECK(rewritten(options, SIGHUP) == 0);
    CHECK(rewritten(options, SIGRTMIN + 1) == SIGUSR2);
    CHECK(rewritten(options, SIGUSR1) == SIGUSR1);
    CHECK(rewritten(options, kLastSignal) == kLastSignal);
}

TEST_CASE("what reeve run can't read is named") {
    CHECK(
        refused({}) ==
        "reeve run: there is no command: reeve run [OPTIONS] -- COMMAND (see reeve run --help)\n");
    CHECK(refused({"--"}) == refused({}));
    CHECK(refused({""}) == refused({}));
    CHECK(refused({"--frob", "ls"}) == "reeve run: no option '--frob' (see reeve run --help)\n");
    CHECK(refused({"-e"}) == "reeve run: '-e' needs a value (see reeve run --help)\n");
    CHECK(refused({"-e", "256", "ls"}) ==
          "reeve run: -e takes an exit code, 0 to 255, not '256' (see reeve run --help)\n");
    CHECK(refused({"-r", "15", "ls"}) ==
          "reeve run: --rewrite takes FROM:TO, such as 15:3, not '15' (see reeve run --help)\n");
    for (const char* rewrite : {":", "15:", ":3", "15:3:4", "0:3", "65:1", "1:65", "x:y"}) {
        INFO(rewrite);
        CHECK(refused({"-r", rewrite, "ls"}).starts_with("reeve run: --rewrite: "));
    }
    CHECK(refused({"-p", "FROB", "ls"}).starts_with("reeve run: -p: "));
    CHECK(refused({"--grace", "soon", "ls"}).starts_with("reeve run: --grace: "));
    CHECK(refused({"--pause", "ls"}) ==
          "reeve run: --pause runs no command (see reeve run --help)\n");
}

TEST_CASE("help and version of reeve run are no failures") {
    CHECK(parse({"--help"}).text.starts_with("Usage: reeve run "));
    CHECK(parse({"-h"}).exit_code == 0);
    CHECK(parse({"-l"}).text.starts_with("MIT License\n"));
    CHECK(parse({"-V"}).text == "reeve " REEVE_VERSION "\n");
    // For `docker info`.
    CHECK(parse({"--version"}, true).text == "tini version " REEVE_VERSION "_reeve\n");
}
