#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

using Lines = std::vector<std::string>;

Lines parts_of(const std::string& text) {
    Lines parts;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\0', at);
        parts.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

// A PATH with nothing on it but what the test writes.
class Host {
public:
    Host() { REQUIRE(::mkdir(path().c_str(), 0755) == 0); }

    std::string path() const { return directory / "bin"; }
    std::string at(const std::string& file) const { return directory / file; }
    void program(const std::string& name, const std::string& script) const {
        directory.write("bin/" + name, "#!/bin/sh\n" + script);
        REQUIRE(::chmod((path() + "/" + name).c_str(), 0755) == 0);
    }
    Result ctl(Lines words, const std::string& more_path = "") const {
        words.insert(words.begin(), REEVECTL_PROGRAM);
        return run(words, {.environment = {{"PATH", path() + more_path},
                                           {"REEVE_SOCKET", "/nowhere/at/all"}}});
    }
    Lines recorded(const std::string& file) const { return parts_of(read_file(at(file))); }

    Directory directory;
};

}  // namespace

TEST_CASE("reevectl -H has ssh run reevectl with the same words, whatever is in them") {
    const Host host;
    host.program("ssh", "printf '%s\\0' \"$@\" > '" + host.at("ssh") +
                            "'\n"
                            "while [ \"$1\" != -- ]; do shift; done\nshift\n"
                            // As sshd has the user's shell do it.
                            "cd / && exec /bin/sh -c \"$*\"\n");
    host.program("reevectl", "printf '%s\\0' \"$@\" > '" + host.at("there") + "'\nexit 3\n");
    const Lines hazards{"two  words", "it's", "\"quoted\"",  "$HOME",    "${HOME}", "`id`", "$(id)",
                        "a\nb",       "*",    "?[a-z]",      "\\",       "a\\\\b",  "~",    "!x",
                        "#no",        ";id",  "a|b",         "a&&b",     "<in",     ">out", "{a,b}",
                        "--",         "-H",   "caf\xC3\xA9", "\xff\x01", "a\tb"};
    Lines words{"-H", "ssh://me@host.example:2222", "-s", "/run/my sock", "--json", "run", "--"};
    Lines passed{"-s", "/run/my sock", "--json", "run", "--"};
    for (const std::string& one : hazards) {
        // The command itself can't begin with these: they are its arguments.
        if (words.size() == 7) words.emplace_back("cmd"), passed.emplace_back("cmd");
        words.push_back(one);
        passed.push_back(one);
    }
    words.emplace_back("");
    passed.emplace_back("");
    const Result result = host.ctl(words);
    INFO(result.err);
    CHECK(result.code == 3);
    CHECK(host.recorded("there") == passed);
    const Lines called = host.recorded("ssh");
    REQUIRE(called.size() == 6 + passed.size());
    CHECK(Lines(called.begin(), called.begin() + 6) ==
          Lines{"-n", "-p", "2222", "me@host.example", "--", "reevectl"});
}

TEST_CASE("the exit code of reevectl over there is that of -H, and ssh's own failure is 7") {
    const Host host;
    const auto code = [&](const std::string& script) {
        host.program("ssh", script);
        return host.ctl({"-H", "ssh://host", "status"});
    };
    for (const int its : {0, 1, 2, 3, 4, 7, 124, 130})
        CHECK(code("exit " + std::to_string(its)).code == its);
    CHECK(code("echo out; echo err >&2; exit 1").out == "out\n");
    CHECK(code("echo out; echo err >&2; exit 1").err == "err\n");
    const Result unreachable =
        code("echo 'ssh: connect to host host port 22: refused' >&2; exit 255");
    CHECK(unreachable.code == 7);
    CHECK(unreachable.err == "ssh: connect to host host port 22: refused\n");
    const Result missing = code("echo 'sh: 1: reevectl: not found' >&2; exit 127");
    CHECK(missing.code == 7);
    CHECK(contains(missing.err, "reevectl: host has no reevectl where ssh looks for it"));
    CHECK(code("kill -TERM $$").code == 143);

    // What is piped to attach stays its standard input, and nobody else's is read.
    host.program("ssh", "printf '%s\\0' \"$@\" > '" + host.at("ssh") + "'");
    host.ctl({"-H", "ssh://host", "attach", "game"});
    CHECK(host.recorded("ssh") == Lines{"host", "--", "reevectl", "attach", "game"});
}

TEST_CASE("who ends reevectl -H ends its ssh") {
    const Host host;
    host.program("ssh", "echo $$ > '" + host.at("pid.new") + "'\nmv '" + host.at("pid.new") +
                            "' '" + host.at("pid") + "'\nexec sleep 1021\n");
    for (const int signal : {SIGTERM, SIGHUP, SIGKILL}) {
        CAPTURE(signal);
        Command command{{REEVECTL_PROGRAM, "-H", "ssh://host", "logs", "-f"},
                        {.environment = {{"PATH", host.path() + ":/usr/bin:/bin"}}}};
        wait_until("ssh runs", [&] { return ::access(host.at("pid").c_str(), F_OK) == 0; });
        const pid_t ssh = std::atoi(read_file(host.at("pid")).c_str());
        wait_until("it is sleep by now", [&] { return name_of(ssh) == "sleep"; });
        command.signal(signal);
        CHECK(command.finish().code == 128 + signal);
        wait_until("ssh has gone", [&] {
            reap_strangers();
            return !exists(ssh);
        });
        REQUIRE(::unlink(host.at("pid").c_str()) == 0);
    }
}

TEST_CASE("a host that can't be one, and a machine without ssh, are said") {
    const Host host;
    for (const char* const url :
         {"", "http://host", "host", "ssh://", "ssh://host/run/sock", "ssh://-oProxyCommand=id"}) {
        CAPTURE(url);
        const Result result = host.ctl({"-H", url, "status"});
        CHECK(result.code == 2);
        CHECK(contains(result.err, "reevectl: -H takes ssh://[user@]host[:port], not '"));
    }
    const Result missing = host.ctl({"-H", "ssh://host", "status"});
    CHECK(missing.code == 7);
    CHECK(missing.err ==
          "reevectl: -H needs ssh, which can't be started: No such file or directory\n"
          "reevectl: install an OpenSSH client\n");
    // What is wrong with the rest is said here.
    CHECK(host.ctl({"-H", "ssh://host", "frobnicate"}).code == 2);
}

TEST_CASE("a reeve behind a real sshd answers as one that is here, with the same exit codes") {
    if (!am_root()) REEVE_SKIP("needs root, to log in as");
    if (!is_installed("sshd") || !is_installed("ssh") || !is_installed("ssh-keygen"))
        REEVE_SKIP("OpenSSH is not installed");
    const Host host;
    const Directory& directory = host.directory;
    const int port = free_port();
    for (const char* const key : {"host", "key"})
        REQUIRE(run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key}).code ==
                0);
    directory.write("sshd_config",
                    "ListenAddress 127.0.0.1\nPort " + std::to_string(port) + "\nHostKey " +
                        (directory / "host") + "\nPidFile none\nStrictModes no\nUsePAM no\n" +
                        "PermitRootLogin yes\nAuthorizedKeysFile " + (directory / "key.pub") +
                        "\nSetEnv PATH=" + host.path() + ":/usr/bin:/bin\n");
    REQUIRE(::symlink(REEVECTL_PROGRAM, (host.path() + "/reevectl").c_str()) == 0);
    // The private key and the strange host are this test's matter, not reevectl's.
    host.program("ssh", "exec /usr/bin/ssh -F none -i '" + (directory / "key") +
                            "' -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o "
                            "BatchMode=yes -o LogLevel=ERROR \"$@\"\n");
    auto words = with_places_of_its_own(directory);
    if (words.empty()) REEVE_SKIP("no mount namespace is to be had, and so no /run/sshd");
    words.insert(words.end(), {"/usr/sbin/sshd", "-D", "-e", "-f", directory / "sshd_config"});
    Command sshd{words};
    wait_until("sshd listens", [&] { return listens(port); });

    Reeve reeve{
        directory,
        "[program.web]\ncommand = 'sleep 1000'\n"
        "[program.bad]\ncommand = 'echo no table; exit 3'\nshell = true\nrestart = 'never'\n"
        "autostart = false\n[program.idle]\ncommand = 'sleep 1000'\nautostart = false\n"};
    reeve.wait_for_state("web", "running");
    const auto there = [&](Lines more, int at_port) {
        Lines all{"-H", "ssh://root@127.0.0.1:" + std::to_string(at_port), "-s", reeve.socket()};
        all.insert(all.end(), more.begin(), more.end());
        return host.ctl(all, ":/usr/bin:/bin");
    };
    const std::vector<Lines> calls{
        {"start", "bad"},
        {"status", "web"},
        {"status", "idle"},
        {"start", "nobody"},
        {"health"},
        {"wait", "idle", "--timeout", "50ms"},
        {"scale", "web=0"},
        {"show", "web"},
        {"logs", "bad", "-g", "no (table|chair)"},
        {"status", "--json", "nobody"},
    };
    for (const Lines& words_of_call : calls) {
        CAPTURE(words_of_call);
        const Result here = reeve.ctl(words_of_call);
        const Result far = there(words_of_call, port);
        CHECK(far.code == here.code);
        if (words_of_call[0] == "status") continue;  // ages, CPU
        CHECK(far.out == here.out);
        CHECK(far.err == here.err);
    }
    CHECK(there({"start", "bad"}, port).code == 1);
    CHECK(contains(there({"start", "bad"}, port).err, "bad: failed: exit 3\n  | no table\n"));
    CHECK(there({"run", "--type", "task", "--", "printf", "%s|", "a b", "$HOME", "*"}, port).code ==
          0);
    CHECK(contains(reeve.ctl({"logs", "printf"}).out, "a b|$HOME|*|"));
    // No reeve at that socket, and no sshd at that port.
    CHECK(
        host.ctl({"-H", "ssh://root@127.0.0.1:" + std::to_string(port), "-s", "/nowhere", "status"},
                 ":/usr/bin:/bin")
            .code == 7);
    const Result closed = there({"status"}, free_port());
    CHECK(closed.code == 7);
    CHECK(contains(closed.err, "Connection refused"));
    CHECK(reeve.stop() == 0);
    sshd.signal(SIGTERM);
    sshd.finish();
}
