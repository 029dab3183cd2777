#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/system/run_fixture.h"

// `reeve run`, from the outside.
using namespace reeve;
using namespace reeve::test;
using namespace std::chrono_literals;

TEST_CASE("reeve run has the exit code of its command") {
    CHECK(run_it({"true"}).code == 0);
    CHECK(run_it(shell("exit 7")).code == 7);
    CHECK(run_it(shell("exit 255")).code == 255);
    CHECK(run_it(shell("kill -TERM $$")).code == 143);
    CHECK(run_it(shell("kill -KILL $$")).code == 137);
    CHECK(run_it(shell("exit 3", {"-e", "3", "-e", "143"})).code == 0);
    CHECK(run_it(shell("kill -TERM $$", {"-e", "3", "-e", "143"})).code == 0);
    const Result missing = run_it({"nosuchcommand"});
    CHECK(missing.code == 127);
    CHECK(missing.err == "reeve run: nosuchcommand: No such file or directory\n");
    const Result directory = run_it({"/etc"});
    CHECK(directory.code == 126);
    CHECK(directory.err == "reeve run: /etc: Permission denied\n");
    CHECK(run({REEVE_PROGRAM, "--", "sh", "-c", "exit 9"}).code == 9);
    CHECK(run_it({}).code == 64);
}

TEST_CASE("called as reeve-init or docker-init it is reeve run") {
    Directory directory;
    for (const char* name : {"reeve-init", "docker-init"}) {
        REQUIRE(::symlink(REEVE_PROGRAM, (directory / name).c_str()) == 0);
        CHECK(run({directory / name, "--", "sh", "-c", "exit 9"}).code == 9);
    }
    CHECK(contains(run({directory / "docker-init", "--version"}).out, "tini version"));
}

REEVE_ROW_TEST_CASE("every signal is sent on, once, those of real time too", "what is sent on") {
    Command command{with_run(shell(kEcho))};
    command.wait_for_output("up\n");
    std::string expected = "up\n";
    for (int signal = 1; signal <= 64; ++signal) {
        if (signal == SIGKILL || signal == SIGSTOP || signal == SIGCHLD) continue;
        if (signal == 32 || signal == 33) continue;  // glibc's own: bash can't trap them
        expected += "got " + std::to_string(signal) + "\n";
        command.signal(signal);
        command.wait_for_output(expected);
    }
    CHECK(command.out() == expected);
    // They end the command, not us.
    command.signal(32);
    CHECK(command.finish().code == 128 + 32);
}

TEST_CASE("signals are rewritten once, and dropped") {
    Command command{
        with_run(shell(kEcho, {"-r", "TERM:INT", "-r", "INT:USR1", "--rewrite", "HUP:0"}))};
    command.wait_for_output("up\n");
    command.signal(SIGHUP);
    command.signal(SIGTERM);
    command.wait_for_output("up\ngot 2\n");
    command.signal(SIGINT);
    command.wait_for_output("up\ngot 2\ngot 10\n");
    ::kill(child_of(command.pid()), SIGKILL);
    CHECK(command.finish().code == 137);
}

REEVE_ROW_TEST_CASE("a TERM at any moment ends command and init", "TERM before the exec") {
    (void)take_strangers();  // such as the sleep of a shell that was killed
    for (int i = 0; i < 100; ++i) {
        Command command{with_run({"sleep", "1000"})};
        const std::string at = "/proc/" + std::to_string(command.pid()) + "/comm";
        wait_until("it is reeve", [&] { return read_file(at) == "reeve\n"; });
        // From its first moment to after the exec of the command.
        ::usleep(static_cast<useconds_t>(i) * 30);
        command.signal(SIGTERM);
        CHECK(command.finish().code == 128 + SIGTERM);
    }
    CHECK(take_strangers().empty());
}

TEST_CASE("with -g the whole group gets the signal") {
    // The first wait ends with the signal, or with the child.
    const std::string script =
        "trap : TERM; bash -c \"trap 'echo child; exit 0' TERM; echo up; while :; do sleep 0.01; "
        "done\" & wait; wait; exit 9";
    Command command{with_run(shell(script, {"-g"}))};
    command.wait_for_output("up\n");
    command.signal(SIGTERM);
    command.wait_for_output("up\nchild\n");
    CHECK(command.finish().code == 9);
}

REEVE_ROW_TEST_CASE("the command starts with what the init was started with",
                    "signals that were blocked or ignored", "SIGCHLD that was ignored") {
    CommandOptions options;
    options.in_child = [] {
        ::signal(SIGCHLD, SIG_IGN);
        ::signal(SIGTTOU, SIG_IGN);
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigaddset(&blocked, SIGILL);
        sigprocmask(SIG_SETMASK, &blocked, nullptr);
    };
    const Words look{"grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"};
    const Result direct = run(look, options);
    REQUIRE(direct.code == 0);
    const Result there = run_it(look, options);
    CHECK(there.code == 0);  // though SIGCHLD was ignored
    CHECK(there.out == direct.out);

    // Descriptors, but for those that /proc is read by.
    const Words files{"bash", "-c", "cd /proc/self/fd; echo *"};
    CHECK(run_it(files).out == run(files).out);
    CHECK(run_it({"pwd"}, {.directory = "/usr"}).out == "/usr\n");
    CHECK(run_it({"env"}).out == run({"env"}).out);
}

REEVE_ROW_TEST_CASE("LISTEN_PID and WATCHDOG_PID go over to the command, if they meant us",
                    "LISTEN_PID and WATCHDOG_PID") {
    const std::string script =
        "LISTEN_PID=$$ WATCHDOG_PID=$$ exec \"$0\" run -- "
        "bash -c 'echo $LISTEN_PID $WATCHDOG_PID $$'";
    const std::string out = run({"bash", "-c", script, REEVE_PROGRAM}).out;
    const std::string pid = out.substr(0, out.find(' '));
    CHECK(out == pid + " " + pid + " " + pid + "\n");
    CHECK(run_it({"bash", "-c", "echo $LISTEN_PID"}, {.environment = {{"LISTEN_PID", "1"}}}).out ==
          "1\n");
}

TEST_CASE("the init keeps neither the directory nor the files of its command") {
    Command command{with_run({"sleep", "1000"}), {.directory = "/usr"}};
    (void)child_of(command.pid());
    wait_until("it has let go of them", [&] { return has_let_go(command.pid()); });
    CHECK(target_of(command.pid(), "cwd") == "/");
    command.signal(SIGTERM);
    CHECK(command.finish().code == 143);
}

REEVE_ROW_TEST_CASE("orphans are reaped, and said with -w", "-w") {
    const std::string script =
        "for i in 1 2 3; do bash -c 'setsid sleep 0.01 &'; done; "
        "until [ \"$(cat /proc/$PPID/task/$PPID/children)\" = \"$$ \" ]; do sleep 0.01; done";
    const Result quiet = run_it(shell(script));
    CHECK(quiet.code == 0);
    CHECK(quiet.err == "");
    const Result told = run_it(shell("sleep 0.01; " + script + "; sleep 0.05", {"-w"}));
    CHECK(told.code == 0);
    CHECK(contains(told.err, "reeve run: reaped pid "));
    CHECK(contains(told.err, " (exit 0)\n"));
}

TEST_CASE("with --grace nothing is left at the end, and the command's code stays") {
    // It is deaf before the command ends.
    const std::string script =
        "exec 3< <(trap '' TERM; echo; exec setsid sleep 1000); read -u 3; "
        "bash -c 'setsid sleep 1001 &'; exit 3";
    const auto began = Clock::now();
    const Result result = run_it(shell(script, {"--grace", "300ms"}));
    CHECK(result.code == 3);
    CHECK(Clock::now() - began >= 300ms);
    CHECK(take_strangers().empty());

    // A second word to end does not wait for it.
    Command command{with_run(shell("(trap '' TERM; echo deaf; exec setsid sleep 1000) & sleep 1000",
                                   {"--grace", "1h"}))};
    command.wait_for_output("deaf\n");
    const pid_t main = child_of(command.pid());
    command.signal(SIGTERM);
    wait_until("the command has ended", [&] { return child_of(command.pid()) != main; });
    command.signal(SIGTERM);
    CHECK(command.finish().code == 143);
    CHECK(take_strangers().empty());
}

REEVE_ROW_TEST_CASE("reeve run --pause waits for TERM or INT", "-P, --pause") {
    Command command{with_run({"--pause"})};
    wait_until("it takes signals", [&] { return has_let_go(command.pid()); });
    command.signal(SIGHUP);
    command.signal(SIGINT);
    CHECK(command.finish().code == 0);
}

TEST_CASE("with -p the command hears of the death of the init's parent") {
    Directory directory;
    Command command{{"bash", "-c",
                     "\"$0\" run -p USR1 -- bash -c 'trap \"echo bye; exit\" USR1; echo up; "
                     "while :; do sleep 0.01; done' & wait",
                     REEVE_PROGRAM}};
    command.wait_for_output("up\n");
    command.signal(SIGKILL);
    command.wait_for_output("up\nbye\n");
    command.finish();
    reap_strangers();
}

TEST_CASE("a command that is stopped without a terminal stays so until CONT") {
    Command command{with_run(shell(kEcho))};
    command.wait_for_output("up\n");
    const pid_t main = child_of(command.pid());
    ::kill(main, SIGSTOP);
    wait_until("it is stopped", [&] { return state_of(main) == 'T'; });
    command.signal(SIGCONT);
    command.wait_for_output("up\ngot 18\n");
    ::kill(main, SIGKILL);
    CHECK(command.finish().code == 137);
}

REEVE_ROW_TEST_CASE("in a terminal ^C, ^Z, fg and bg do what they do without reeve run",
                    "^C, ^Z and fg in a shell") {
    Typist typist;
    const std::string reeve_run = std::string{REEVE_PROGRAM} + " run ";
    // What the terminal echoes depends on when it is typed; what this says does not.
    const std::string answers = "sh -c 'echo rea\"\"dy; while read x; do echo \"<$x>\"; done' ";
    typist.types(reeve_run + answers + "\n", "ready\r\n");
    typist.types("hello\n", "<hello>\r\n");
    typist.types("\x1a", "148 $ ");
    typist.types("fg\n", "done'");
    typist.types("again\n", "<again>\r\n");
    typist.types("\x03", "130 $ ");
    typist.types(reeve_run + answers + "&\n", "0 $ ");
    typist.types("fg\n", "done'");
    typist.types("there\n", "<there>\r\n");
    typist.types("\x04", "0 $ ");
    // A shell of its own.
    typist.types(reeve_run + "bash --norc --noprofile -i\n", "0 $ ");
    typist.types("sh -c 'echo slee\"\"ps; exec sleep 1000'\n", "sleeps\r\n");
    typist.types("\x1a", "148 $ ");
    typist.types("kill -9 %1; disown -a; echo go\"\"ne\n", "gone\r\n");
    typist.types("exit 5\n", "5 $ ");
}

TEST_CASE("a command that lives on is waited for in little memory") {
    if (sanitized()) REEVE_SKIP("sanitizers have memory of their own");
    Command command{with_run(shell(kEcho))};
    command.wait_for_output("up\n");
    const std::string path = "/proc/" + std::to_string(command.pid()) + "/smaps_rollup";
    const auto resident_kib = [&] {
        const std::string text = read_file(path);
        return std::atoi(text.c_str() + text.find("\nRss:") + 5);
    };
    wait_until("it has given back what it does not need", [&] { return resident_kib() < 1500; });
    command.signal(SIGUSR1);
    command.wait_for_output("up\ngot 10\n");
    command.signal(32);
    CHECK(command.finish().code == 128 + 32);
}
