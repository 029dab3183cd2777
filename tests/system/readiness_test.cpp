#include <csignal>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

// A client of sd_notify(3) in Python, as those of PyPI do it.
const std::string kPythonClient = R"(import os, socket, sys, time
name = os.environ["NOTIFY_SOCKET"]
client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
client.connect("\0" + name[1:] if name[0] == "@" else name)
client.send(b"READY=1\nSTATUS=serves")
interval = int(os.environ["WATCHDOG_USEC"]) / 1e6
while not os.path.exists(sys.argv[1]):
    client.send(b"WATCHDOG=1")
    time.sleep(interval / 4)
time.sleep(1000)
)";

void wait_for_log(Reeve& reeve, const std::string& text) {
    wait_until("its log says " + text,
               [&] { return contains(reeve.err(), text) || contains(reeve.out(), text); });
}

}  // namespace

TEST_CASE("a program is ready when what its table says is so, and those that need it wait") {
    Directory directory;
    const int port = free_port();
    Reeve reeve{directory, R"(
[program.redis]
command = "redis-server --port )" +
                               std::to_string(port) +
                               R"( --save ''"
ready = { tcp = "127.0.0.1:)" + std::to_string(port) +
                               R"(", interval = "100ms" }
[program.exec]
command = "sleep 1000"
ready = { exec = ["redis-cli", "-p", ")" +
                               std::to_string(port) + R"(", "get", "go"], interval = "100ms" }
depends_on = ["redis"]
[program.file]
command = ["sh", "-c", "rm -f '${config_dir}/ready'; echo waits; while ! test -e '${config_dir}/go'; do sleep 0.05; done; touch '${config_dir}/ready'; exec sleep 1000"]
ready = { file = "ready", interval = "100ms" }
[program.line]
command = ["sh", "-c", "while ! test -e '${config_dir}/go'; do sleep 0.05; done; echo now listening on port 80 >&2; exec sleep 1000"]
ready = { log = "listening on port [0-9]+$" }
[program.after]
command = "sleep 1000"
ready = { after = "0s" }
[program.last]
command = "sleep 1000"
depends_on = ["file", "line"]
)"};
    reeve.wait_for_state("after", "running");
    reeve.wait_for_state("exec", "running");
    wait_for_log(reeve, "waits");
    CHECK(reeve.program("line").state == "starting");
    CHECK(reeve.program("line").ready == false);
    CHECK(reeve.program("line").note ==
          "not ready yet: no whole line of its output is like \"listening on port [0-9]+$\"");
    wait_until("the file is looked for", [&] {
        return contains(reeve.program("file").note, "ready: No such file or directory");
    });
    CHECK(reeve.program("last").waiting_for == std::vector<std::string>{"file", "line"});
    directory.write("go", "");
    reeve.wait_for_state("last", "running");
    CHECK(reeve.program("file").ready == true);
    CHECK(reeve.program("line").ready == true);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("systemd-notify, from a shell that waits for it, is believed") {
    if (!is_installed("systemd-notify")) return;
    Directory directory;
    Reeve reeve{directory, R"(
[program.shell]
command = ["sh", "-c", "systemd-notify --status='warms up'; while ! test -e '${config_dir}/go'; do sleep 0.05; done; systemd-notify --ready --status='serves 3 users'; exec sleep 1000"]
ready = { notify = true }
[program.silent]
command = "sleep 1000"
ready = { notify = true }
start_timeout = "1s"
max_failures = 1
)"};
    wait_until("its status is shown", [&] {
        return reeve.program("shell").note ==
               "not ready yet: it has not said READY=1; says: warms up";
    });
    directory.write("go", "");
    reeve.wait_for_state("shell", "running");
    CHECK(reeve.program("shell").note == "says: serves 3 users");
    reeve.wait_for_state("silent", "failed");
    CHECK(reeve.program("silent").note == "not ready within 1s: it has not said READY=1");

    // Another program's word is none.
    const std::string address = directory / "reeve.sock.notify/shell";
    REQUIRE_FALSE(run({"test", "-S", address}).code);
    CHECK(run({"systemd-notify", "--status=lies"}, {.environment = {{"NOTIFY_SOCKET", address}}})
              .code == 0);
    wait_for_log(reeve, "shell: a notification is ignored: its sender, pid ");
    CHECK(reeve.program("shell").note == "says: serves 3 users");
    CHECK(reeve.stop() == 0);
    CHECK(run({"test", "-e", directory / "reeve.sock.notify"}).code == 1);
}

// Helpers that have lost their parent before they speak, and end at once: they are reeve's to reap.
TEST_CASE("a program's orphans are believed, whoever they run as and however soon they end") {
    if (!is_installed("systemd-notify") || !am_root()) return;
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = ["sh", "-c", """
i=0
while test $$i -lt 200; do
    (setpriv --reuid 65534 --regid 65534 --clear-groups systemd-notify --no-block --status=nobody &)
    (systemd-notify --no-block --status=root &)
    i=$$((i + 1))
done
systemd-notify --ready --status='serves'
exec sleep 1000"""]
ready = { notify = true }
)"};
    reeve.wait_for_state("web", "running");
    const auto reaped = [&] { return reeve.status().supervisor.reaped; };
    wait_until("they have ended", [&] { return reaped().orphans + reaped().strays >= 400; });
    CHECK(reaped().strays == 0);
    CHECK(reeve.program("web").note.starts_with("says: "));
    CHECK(reeve.stop() == 0);
    CHECK_FALSE(contains(reeve.err(), "a notification is ignored"));
}

TEST_CASE("another program's orphans are not believed, though they are gone and of the same user") {
    if (!is_installed("systemd-notify") || !am_root()) return;
    Directory directory;
    directory.open_to_all();
    Reeve reeve{directory, R"(
[program.web]
command = ["sh", "-c", """
echo $$NOTIFY_SOCKET > '${config_dir}/new'; mv '${config_dir}/new' '${config_dir}/address'
systemd-notify --ready --status=truth
exec sleep 1000"""]
user = "65534"
ready = { notify = true }
[program.liar]
depends_on = ["web"]
type = "task"
user = "65534"
command = ["sh", "-c", """
NOTIFY_SOCKET=$$(cat '${config_dir}/address')
export NOTIFY_SOCKET
i=0
while test $$i -lt 200; do
    (systemd-notify --no-block --status=lies &)
    i=$$((i + 1))
done"""]
)"};
    reeve.wait_for_state("liar", "exited");
    wait_for_log(reeve, "web: a notification is ignored: its sender, pid ");
    CHECK(reeve.program("web").note == "says: truth");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a watchdog that a Python client keeps, until it does not") {
    Directory directory;
    directory.write("client.py", kPythonClient);
    Reeve reeve{directory, R"(
[program.py]
command = ["python3", "${config_dir}/client.py", "${config_dir}/stop"]
ready = { notify = true }
health = { notify = true, interval = ")" +
                               std::string{sanitized() ? "4s" : "1s"} +
                               R"(" }
restart_delay = "100ms"
)"};
    wait_until("it is healthy", [&] { return reeve.program("py").health == "healthy"; });
    CHECK(reeve.program("py").note == "says: serves");
    const auto pid = reeve.program("py").pid;
    directory.write("stop", "");
    wait_for_log(reeve, "py: unhealthy: no WATCHDOG=1 for ");
    wait_until("another one runs", [&] {
        const auto again = reeve.program("py");
        return again.pid && again.pid != pid;
    });
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a redis that hangs is found out by its probe, ended and started again") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.redis]
command = "redis-server --port 0 --unixsocket ${config_dir}/redis.sock --save ''"
ready = { tcp = "unix:${config_dir}/redis.sock", interval = "100ms" }
health = { exec = ["redis-cli", "-s", "${config_dir}/redis.sock", "ping"], interval = "500ms", timeout = "400ms", failures = 2 }
stop_timeout = "500ms"
restart_delay = "100ms"
)"};
    reeve.wait_for_state("redis", "running");
    wait_until("it is healthy", [&] { return reeve.program("redis").health == "healthy"; });
    const auto pid = reeve.program("redis").pid;
    REQUIRE(pid);
    ::kill(static_cast<pid_t>(*pid), SIGSTOP);
    const auto stopped = Clock::now();
    // Woken for its stop it ends in order, and saves what it has.
    wait_for_log(reeve, "redis: exit 0 (unhealthy");
    // failures x interval + timeout + stop_timeout, and what a busy machine adds.
    if (!sanitized()) CHECK(Clock::now() - stopped < std::chrono::milliseconds{1900 + 1500});
    wait_for_log(
        reeve,
        "redis: unhealthy: 2 probes failed: exec redis-cli: timed out after 400ms; stopping it");
    wait_until("another one is healthy", [&] {
        const auto again = reeve.program("redis");
        return again.pid != pid && again.health == "healthy";
    });
    CHECK(reeve.program("redis").restarts == 1);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("one that is never healthy is given up, and the story says so") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.bad]
command = "sleep 1000"
ready = { after = "0s" }
health = { exec = ["sh", "-c", "echo no connection left; exit 2"], interval = "100ms", failures = 2 }
restart_delay = "10ms"
max_failures = 3
)"};
    reeve.wait_for_state("bad", "failed");
    const auto status = reeve.program("bad");
    CHECK(status.restarts == 2);
    CHECK(contains(status.note,
                   "unhealthy: 2 probes failed: exec sh: exit 2: no connection left, 3 times in "));
    const auto story = reeve.ctl({"explain", "bad"});
    CHECK(story.code == 0);
    INFO(story.out);
    CHECK(story.out.starts_with("bad is failed for "));
    CHECK(contains(story.out, "\nIt is not tried again by itself. `reevectl start bad` tries it"));
    for (const char* run : {"  run 3  ", "  run 2  ", "  run 1  "}) {
        const auto at = story.out.find(run);
        REQUIRE(at != std::string::npos);
        CHECK(contains(story.out.substr(at, story.out.find('\n', at) - at),
                       "ended by SIGTERM (unhealthy: 2 probes failed: exec sh: exit 2: no "
                       "connection left)"));
    }
    CHECK(contains(story.out, "max_failures = 3"));
    CHECK(contains(story.out, "reeve.toml:"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a program in C, with libsystemd, says itself when it is ready") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.redis]
command = "redis-server --port 0 --unixsocket ${config_dir}/redis.sock --save '' --supervised systemd"
ready = { notify = true }
[program.client]
type = "task"
command = "redis-cli -s ${config_dir}/redis.sock set it works"
depends_on = ["redis"]
)"};
    reeve.wait_for_state("client", "exited");
    CHECK(contains(reeve.program("redis").note, "says: Ready to accept connections"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("the process that a program names as its main one takes its place when it ends") {
    Directory directory;
    directory.write("parent.py", R"(import os, socket, time
name = os.environ["NOTIFY_SOCKET"]
client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
client.connect("\0" + name[1:] if name[0] == "@" else name)
child = os.fork()
if child == 0:
    while not os.path.exists("end"):
        time.sleep(0.02)
    os._exit(7)
client.send(b"READY=1\nMAINPID=%d" % child)
while not os.path.exists("go"):
    time.sleep(0.02)
)");
    Reeve reeve{directory, R"(
[program.py]
command = ["python3", "parent.py"]
directory = "."
ready = { notify = true }
restart = "never"
)"};
    reeve.wait_for_state("py", "running");
    const auto parent = reeve.program("py").pid;
    directory.write("go", "");
    wait_for_log(reeve, " is its main process now, as it has said (MAINPID)");
    CHECK(reeve.program("py").state == "running");
    CHECK(reeve.program("py").pid != parent);
    CHECK(reeve.program("py").run == 1);
    // It is no leftover of what ended, and its exit is the run's.
    directory.write("end", "");
    reeve.wait_for_state("py", "failed");
    CHECK(reeve.program("py").last_exit->code == 7);
    CHECK(reeve.stop() == 0);
}
