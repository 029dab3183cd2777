// What tries to get away from its program: sessions by PAM, lowered limits, siblings, fork bombs.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// What a session leaves behind when it is over.
std::string detached(const std::string& mark) {
    return "setsid nohup " REEVE_MISBEHAVE_PROGRAM " linger " + mark + " >/dev/null 2>&1 &";
}

// Waits for the one that is so called, and that reevectl lists it under its program.
pid_t wait_for_detached(const Reeve& reeve, const std::string& program, const std::string& mark) {
    const std::string command = "linger " + mark;
    wait_until("it is there, and its parents are not", [&] {
        const auto found = running_with(command);
        if (found.size() != 1) return false;
        // A shell on the way to it bears its words, too.
        return name_of(found.front()) == "reeve_test_misb";
    });
    const pid_t pid = running_with(command).front();
    wait_until("reevectl tree lists it under " + program, [&] {
        const auto printed = reeve.ctl({"tree", "--json"});
        const auto tree = reeve::api::from_json<reeve::api::Tree>(printed.out);
        REQUIRE(tree);
        for (const auto& process : processes_of(*tree, program)) {
            if (process.pid == pid && process.orphan) return true;
        }
        return false;
    });
    CHECK(reeve.tree().strays.empty());
    return pid;
}

void check_that_stop_ends_it(const Reeve& reeve, const std::string& program,
                             const std::string& mark) {
    const auto stopped = reeve.ctl({"stop", program});
    CHECK(stopped.code == 0);
    CHECK(stopped.err.empty());
    CHECK(running_with(mark).empty());
    CHECK(reeve.program(program).state == "stopped");
}

// A crontab with one job each minute; cron's clock is moved on to just before the next one.
struct Cron {
    Directory directory;
    std::vector<std::string> before = with_places_of_its_own(directory);
    std::string mark = directory / "job";

    ReeveOptions options(const std::string& tracking) {
        directory.write("places/crontabs/root", "* * * * * " + detached(mark) + "\n", 0600);
        const auto ahead = 60 + 57 - std::time(nullptr) % 60;
        return tracked_by(
            tracking, {.before = before,
                       .command = {.environment = {{"REEVE_TEST_CLOCK", std::to_string(ahead)}}}});
    }
};

struct Sshd {
    Directory directory;
    std::vector<std::string> before = with_places_of_its_own(directory);
    std::string mark = directory / "login";
    int port = free_port();

    void set_up() const {
        for (const char* key : {"host", "key"}) {
            REQUIRE(
                run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key}).code ==
                0);
        }
        directory.write("sshd_config", "ListenAddress 127.0.0.1\nPort " + std::to_string(port) +
                                           "\nHostKey " + (directory / "host") + "\nPidFile " +
                                           (directory / "sshd.pid") +
                                           "\nUsePAM yes\nStrictModes no\nPermitRootLogin yes\n"
                                           "AuthorizedKeysFile " +
                                           (directory / "key.pub") + "\n");
    }

    Result log_in(const std::string& command) const {
        return run({"ssh", "-F", "none", "-i", directory / "key", "-p", std::to_string(port), "-o",
                    "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o",
                    "BatchMode=yes", "-o", "LogLevel=ERROR", "root@127.0.0.1", command});
    }
};

// As many as it may, and again when they die.
constexpr const char* kBomb = R"(
[program.bomb]
command = ["prlimit", "--nproc=2000", "setpriv", "--reuid", "65533", "--clear-groups", "bash",
           "-c", "bomb() { bomb | bomb & }; bomb; sleep 86291"]
stdout = "null"
stop_timeout = "1s"
autostart = false
[program.quiet]
command = "sleep 86290"
)";

}  // namespace

REEVE_TRACKED_TEST_CASE(
    "what a job of cron's leaves behind is cron's, and gone when cron is stopped") {
    if (!is_installed("cron")) REEVE_SKIP("cron is not installed");
    Cron cron;
    if (cron.before.empty()) REEVE_SKIP("no right to mount anything");
    Reeve reeve{cron.directory,
                "[program.cron]\ncommand = 'cron -f'\n"
                "environment = { LD_PRELOAD = '" REEVE_CLOCK_LIBRARY "' }\n",
                cron.options(tracking)};
    reeve.wait_for_state("cron", "running");
    (void)wait_for_detached(reeve, "cron", cron.mark);
    check_that_stop_ends_it(reeve, "cron", cron.mark);
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("what a job leaves behind is known to be of a cron that daemonizes") {
    if (!is_installed("cron")) REEVE_SKIP("cron is not installed");
    Cron cron;
    if (cron.before.empty()) REEVE_SKIP("no right to mount anything");
    Reeve reeve{cron.directory,
                "[program.cron]\ntype = 'forking'\npid_file = '/run/crond.pid'\ncommand = 'cron'\n"
                "environment = { LD_PRELOAD = '" REEVE_CLOCK_LIBRARY "' }\n",
                cron.options(tracking)};
    reeve.wait_for_state("cron", "running");
    (void)wait_for_detached(reeve, "cron", cron.mark);
    check_that_stop_ends_it(reeve, "cron", cron.mark);
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("what a login leaves behind is sshd's, and gone when sshd is stopped") {
    if (!is_installed("sshd") || !is_installed("ssh")) REEVE_SKIP("ssh or sshd is not installed");
    Sshd sshd;
    if (sshd.before.empty()) REEVE_SKIP("no right to mount anything");
    sshd.set_up();
    const bool forking = GENERATE(false, true);
    CAPTURE(forking);
    Reeve reeve{sshd.directory,
                forking ? "[program.sshd]\ntype = 'forking'\npid_file = 'sshd.pid'\n"
                          "command = ['/usr/sbin/sshd', '-f', '${config_dir}/sshd_config']\n"
                        : "[program.sshd]\n"
                          "command = ['/usr/sbin/sshd', '-D', '-e', '-f', "
                          "'${config_dir}/sshd_config']\n",
                tracked_by(tracking, {.before = sshd.before})};
    reeve.wait_for_state("sshd", "running");
    wait_until("sshd listens", [&] { return listens(sshd.port); });
    const auto login = sshd.log_in(detached(sshd.mark));
    INFO(login.err << reeve.err());
    REQUIRE(login.code == 0);
    (void)wait_for_detached(reeve, "sshd", sshd.mark);
    check_that_stop_ends_it(reeve, "sshd", sshd.mark);
    CHECK_FALSE(listens(sshd.port));
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE(
    "who lowers its own RLIMIT_LOCKS and forks twice is stopped with its program") {
    Directory directory;
    const std::string mark = directory / "untagged";
    Reeve reeve{directory,
                "[program.web]\ncommand = ['" REEVE_MISBEHAVE_PROGRAM "', 'untag', '" + mark +
                    "']\n[program.quiet]\ncommand = 'sleep 86289'\n",
                tracked_by(tracking)};
    reeve.wait_for_state("web", "running");
    reeve.wait_for_state("quiet", "running");
    (void)wait_for_detached(reeve, "web", mark);
    check_that_stop_ends_it(reeve, "web", mark);
    CHECK(reeve.program("quiet").state == "running");
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a sibling made by clone(CLONE_PARENT) is stopped with its program") {
    Directory directory;
    const std::string mark = directory / "sibling";
    Reeve reeve{directory,
                "[program.web]\ncommand = ['" REEVE_MISBEHAVE_PROGRAM "', 'sibling', '" + mark +
                    "']\n[program.quiet]\ncommand = 'sleep 86288'\n",
                tracked_by(tracking)};
    reeve.wait_for_state("web", "running");
    reeve.wait_for_state("quiet", "running");
    (void)wait_for_detached(reeve, "web", mark);
    SECTION("when it is stopped") {
        check_that_stop_ends_it(reeve, "web", mark);
    }
    SECTION("when its main process is killed") {
        const auto pid = static_cast<pid_t>(reeve.program("web").pid.value());
        REQUIRE(::kill(pid, SIGKILL) == 0);
        const auto again = reeve.wait_for_state("web", "running");
        CHECK(number_of(again, "run") == 2);
        wait_until("there is the one of the second run",
                   [&] { return running_with("linger " + mark).size() == 1; });
    }
    CHECK(reeve.program("quiet").state == "running");
    CHECK(reeve.stop() == 0);
    CHECK(running_with(mark).empty());
}

REEVE_TRACKED_TEST_CASE("a fork bomb is dead within three seconds, and status answers meanwhile") {
    if (!am_root()) REEVE_SKIP("only root may make a PID namespace and become somebody else");
    const std::vector<std::string> before{"unshare", "--pid", "--fork", "--mount-proc",
                                          "--kill-child"};
    auto probe = before;
    probe.emplace_back("true");
    if (run(probe).code != 0) REEVE_SKIP("no right to make a PID namespace");
    Directory directory;
    Reeve reeve{directory, kBomb, tracked_by(tracking, {.before = before})};
    reeve.wait_for_state("quiet", "running");
    const std::size_t many = sanitized() ? 200 : 1'000;
    const auto limit = sanitized() ? patience() : 3'000ms;
    const auto in_ms = [](auto time) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    };
    // On a machine that is busy with something else it may take another try.
    Clock::duration took{};
    Clock::duration slowest{};
    for (int tries = 0; tries < 3 && (tries == 0 || took >= limit); ++tries) {
        CHECK(reeve.ctl({"start", "--no-wait", "bomb"}).code == 0);
        wait_until("it has gone off", [&] { return running_with("bomb() {").size() > many; });

        const auto began = Clock::now();
        const auto stopping = reeve.start_ctl({"stop", "bomb"});
        slowest = {};
        int answers = 0;
        while (!stopping->ends_within(1ms)) {
            const auto asked = Clock::now();
            CHECK(reeve.program("quiet").state == "running");
            slowest = std::max(slowest, Clock::now() - asked);
            ++answers;
        }
        took = Clock::now() - began;
        std::printf("fork bomb, by %s: stopped after %ld ms; slowest of %d answers %ld ms\n",
                    tracking.c_str(), in_ms(took), answers, in_ms(slowest));
        CHECK(stopping->finish().code == 0);
        CHECK(running_with("bomb() {").empty());
        CHECK(reeve.program("bomb").state == "stopped");
        CHECK(answers > 0);
    }
    CHECK(took < limit);
    CHECK(slowest < limit);
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("many that finish what they do before they take SIGTERM are let finish") {
    Directory directory;
    Reeve reeve{directory,
                "[program.web]\ncommand = ['" REEVE_MISBEHAVE_PROGRAM
                "', 'finish', '40']\nstop_timeout = '10s'\n",
                tracked_by(tracking)};
    reeve.wait_for_state("web", "running");
    wait_until("all are there", [&] { return running_with("finish 40").size() == 41; });
    wait_until("all are made", [&] { return contains(reeve.out(), "done"); });
    const auto stopped = reeve.ctl({"stop", "web"});
    CHECK(stopped.code == 0);
    CHECK(stopped.err.empty());
    CHECK(reeve.program("web").state == "stopped");
    CHECK(running_with("finish 40").empty());
    CHECK(reeve.stop() == 0);

    const std::string said = reeve.out();
    int finished = 0;
    for (auto at = said.find("finished"); at != std::string::npos;
         at = said.find("finished", at + 1)) {
        ++finished;
    }
    CHECK(finished == 40);
    CHECK_FALSE(contains(reeve.err(), "does not tidy up"));
}

TEST_CASE("a survivor that reeve may not kill is named, and nothing runs beside it") {
    if (!am_root()) REEVE_SKIP("only root can make a program that becomes root");
    Directory directory;
    directory.open_to_all();
    const std::string mark = directory / "survivor";
    const std::string program = directory.copy_of(REEVE_MISBEHAVE_PROGRAM);
    REQUIRE(::chmod(program.c_str(), 04755) == 0);
    Reeve reeve{directory,
                "[program.web]\ncommand = ['" + program + "', 'root', '" + mark +
                    "']\nstop_timeout = '200ms'\n",
                {.before = {"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                            "--inh-caps=-all"},
                 .program = directory.copy_of(REEVE_PROGRAM)}};
    const auto pid = static_cast<pid_t>(number_of(reeve.wait_for_state("web", "running"), "pid"));
    // unless /tmp is mounted nosuid, it is root by now
    if (reeve.out() != "done\n" && !contains(reeve.out(), "done")) {
        REEVE_SKIP("set-user-ID programs have no effect in /tmp");
    }
    CHECK(reeve.ctl({"stop", "--no-wait", "web"}).code == 0);
    const std::string named = "cannot be killed: pid " + std::to_string(pid) +
                              " reeve_test_misb (not permitted); tried for ";
    wait_until("it is named", [&] { return reeve.program("web").note.starts_with(named); });
    CHECK(reeve.program("web").state == "stopping");
    CHECK(reeve.ctl({"start", "--no-wait", "web"}).code == 0);
    CHECK(reeve.program("web").note.starts_with(named));
    CHECK(running_with(mark) == std::vector{pid});

    REQUIRE(::kill(pid, SIGKILL) == 0);
    const auto again = reeve.wait_for_state("web", "running");
    const auto second = static_cast<pid_t>(number_of(again, "pid"));
    CHECK(number_of(again, "run") == 2);
    CHECK(running_with(mark) == std::vector{second});
    reeve.signal(SIGTERM);
    wait_until("reeve has tried", [&] { return contains(reeve.err(), "stopping"); });
    REQUIRE(::kill(second, SIGKILL) == 0);
    CHECK(reeve.wait_for_end() == 0);
}
