#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// One that daemonizes by itself.
struct Daemon {
    std::string comm;      // of its main process
    std::string toml;      // of its program, without pid_file
    std::string pid_file;  // that it writes by itself, as its program names it
    std::string seen_as;   // the same file, as the test sees it
    std::function<bool()> serves;
    int port = 0;  // nobody listens there when it is gone; 0: it has none
    std::vector<std::string> before{};
};

std::string quoted(const std::string& text) {
    return "'" + text + "'";
}

pid_t pid_in(const std::string& file) {
    return static_cast<pid_t>(std::strtol(read_file(file).c_str(), nullptr, 10));
}

bool has_ended(pid_t pid) {
    return name_of(pid).empty();
}

void check_life(const Directory& directory, const Daemon& daemon, const std::string& tracking,
                bool by_file) {
    CAPTURE(by_file);
    std::string toml = "[program.daemon]\ntype = \"forking\"\n" + daemon.toml + "\n";
    if (by_file) toml += "pid_file = " + quoted(daemon.pid_file) + "\n";
    Reeve reeve{directory, toml, tracked_by(tracking, {.before = daemon.before})};
    CHECK(reeve.status().supervisor.tracking == tracking);

    const auto check_it_runs = [&] {
        const auto pid =
            static_cast<pid_t>(number_of(reeve.wait_for_state("daemon", "running"), "pid"));
        CHECK(name_of(pid) == daemon.comm);
        wait_until("it has written its own pid file",
                   [&] { return pid_in(daemon.seen_as) == pid; });
        CHECK(reeve.program("daemon").pid == pid);
        wait_until("it serves", daemon.serves);
        std::vector<reeve::api::Process> mains;
        wait_until("it is in the tree", [&] {
            mains = processes_of(reeve.tree(), "daemon");
            std::erase_if(mains, [](const auto& process) { return !process.main; });
            return !mains.empty();
        });
        REQUIRE(mains.size() == 1);
        CHECK(mains[0].pid == pid);
        CHECK(reeve.tree().strays.empty());
        return pid;
    };

    const pid_t first = check_it_runs();
    REQUIRE(::kill(first, SIGKILL) == 0);
    const auto exit = reeve.wait_for("daemon", "program.exit", "SIGKILL");
    CHECK(text_of(exit, "reason") == "killed by SIGKILL");
    CHECK(number_of(exit, "run") == 1);

    const pid_t second = check_it_runs();
    CHECK(second != first);
    const auto status = reeve.program("daemon");
    CHECK(status.run == 2);
    CHECK(status.restarts == 1);
    REQUIRE(status.last_exit);
    CHECK(status.last_exit->signal == "SIGKILL");
    CHECK(status.last_exit->reason == "killed by SIGKILL");

    const auto before = processes_of(reeve.tree(), "daemon");
    const auto cgroup = reeve.cgroup();
    CHECK(cgroup.empty() == (tracking != "cgroup"));
    if (!cgroup.empty()) CHECK(std::filesystem::exists(cgroup + "/run-daemon.2"));
    const auto stopped = reeve.ctl({"stop", "daemon"});
    CHECK(stopped.code == 0);
    CHECK(stopped.err.empty());
    CHECK(reeve.program("daemon").state == "stopped");
    for (const auto& process : before) CHECK(has_ended(static_cast<pid_t>(process.pid)));
    // They are taken away together, a little later.
    for (const char* leaf : {"/run-daemon.1", "/run-daemon.2"}) {
        if (cgroup.empty()) continue;
        wait_until("its cgroup is gone", [&] { return !std::filesystem::exists(cgroup + leaf); });
    }
    wait_until_tree_is_empty(reeve, "daemon");
    if (daemon.port != 0) CHECK_FALSE(listens(daemon.port));
    CHECK(reeve.stop() == 0);
}

void check_life(const Directory& directory, const Daemon& daemon, const std::string& tracking) {
    check_life(directory, daemon, tracking, true);
    check_life(directory, daemon, tracking, false);
}

// Where Debian keeps the programs of PostgreSQL; empty: nowhere.
std::string postgres_programs() {
    std::error_code none;
    for (const auto& version : std::filesystem::directory_iterator{"/usr/lib/postgresql", none}) {
        const auto programs = version.path() / "bin";
        if (::access((programs / "pg_ctl").c_str(), X_OK) == 0 &&
            ::access((programs / "initdb").c_str(), X_OK) == 0) {
            return programs.string();
        }
    }
    return {};
}

std::string php_fpm() {
    for (const char* name : {"php-fpm8.2", "php-fpm8.3", "php-fpm8.4", "php-fpm8.1"}) {
        if (is_installed(name)) return name;
    }
    return {};
}

// A daemon in the shell, to do with its pid file what it likes: $1 is its number.
constexpr const char* kDaemonize =
    "#!/bin/sh\n"
    "setsid sh -c \"$1\" daemon \"$2\" >/dev/null 2>&1 &\n";

}  // namespace

REEVE_TRACKED_TEST_CASE("nginx daemonizes and is followed, restarted and stopped") {
    if (!is_installed("nginx")) REEVE_SKIP("nginx is not installed");
    Directory directory;
    directory.open_to_all();
    const int port = free_port();
    const std::string pid_file = directory / "nginx.pid";
    directory.write("html/index.html", "It works\n");
    directory.write("nginx.conf", "worker_processes 2;\npid " + pid_file +
                                      ";\nerror_log error.log;\n"
                                      "events { worker_connections 64; }\nhttp {\n"
                                      "  access_log off;\n"
                                      "  client_body_temp_path t1; proxy_temp_path t2;\n"
                                      "  fastcgi_temp_path t3; uwsgi_temp_path t4;\n"
                                      "  scgi_temp_path t5;\n"
                                      "  server { listen 127.0.0.1:" +
                                      std::to_string(port) + "; root html; }\n}\n");
    check_life(
        directory,
        {.comm = "nginx",
         .toml = "command = ['nginx', '-e', 'error.log', '-p', '${config_dir}/', '-c', "
                 "'${config_dir}/nginx.conf']",
         .pid_file = "nginx.pid",
         .seen_as = pid_file,
         .serves = [&] { return contains(ask_tcp(port, "GET / HTTP/1.0\r\n\r\n"), "It works"); },
         .port = port},
        tracking);
}

REEVE_TRACKED_TEST_CASE("redis daemonizes and is followed, restarted and stopped") {
    if (!is_installed("redis-server")) REEVE_SKIP("redis-server is not installed");
    Directory directory;
    const int port = free_port();
    check_life(directory,
               {.comm = "redis-server",
                .toml = "command = \"redis-server --bind 127.0.0.1 --port " + std::to_string(port) +
                        " --dir '${config_dir}' --save '' --appendonly no --daemonize yes "
                        "--pidfile '${config_dir}/redis.pid' --logfile redis.log\"",
                .pid_file = directory / "redis.pid",
                .seen_as = directory / "redis.pid",
                .serves = [&] { return ask_tcp(port, "PING\r\nQUIT\r\n") == "+PONG\r\n+OK\r\n"; },
                .port = port},
               tracking);
}

REEVE_TRACKED_TEST_CASE("memcached daemonizes and is followed, restarted and stopped") {
    if (!is_installed("memcached")) REEVE_SKIP("memcached is not installed");
    Directory directory;
    directory.open_to_all();
    const int port = free_port();
    check_life(directory,
               {.comm = "memcached",
                .toml = "command = \"memcached -d -l 127.0.0.1 -U 0 -m 16 -u nobody -p " +
                        std::to_string(port) + " -P '${config_dir}/memcached.pid'\"",
                .pid_file = "${config_dir}/memcached.pid",
                .seen_as = directory / "memcached.pid",
                .serves =
                    [&] {
                        // It knows its own number.
                        const auto answer = ask_tcp(port, "stats\r\nquit\r\n");
                        return contains(
                            answer,
                            "STAT pid " + std::to_string(pid_in(directory / "memcached.pid")));
                    },
                .port = port},
               tracking);
}

REEVE_TRACKED_TEST_CASE("rsyslogd daemonizes and is followed, restarted and stopped") {
    if (!is_installed("rsyslogd")) REEVE_SKIP("rsyslogd is not installed");
    Directory directory;
    const std::string socket = directory / "log";
    directory.write("rsyslog.conf",
                    "module(load=\"imuxsock\" SysSock.Use=\"off\")\n"
                    "input(type=\"imuxsock\" Socket=\"" +
                        socket + "\")\n*.* action(type=\"omfile\" file=\"" +
                        (directory / "messages") + "\")\n");
    check_life(directory,
               {.comm = "rsyslogd",
                .toml = "command = ['rsyslogd', '-f', '${config_dir}/rsyslog.conf', '-i', "
                        "'${config_dir}/rsyslog.pid']",
                .pid_file = "rsyslog.pid",
                .seen_as = directory / "rsyslog.pid",
                .serves =
                    [&] {
                        const auto mark =
                            "hello " + std::to_string(pid_in(directory / "rsyslog.pid"));
                        (void)run({"logger", "--socket", socket, mark});
                        return contains(directory.read("messages"), mark);
                    }},
               tracking);
}

REEVE_TRACKED_TEST_CASE("cron daemonizes and is followed, restarted and stopped") {
    if (!is_installed("cron")) REEVE_SKIP("cron is not installed");
    Directory directory;
    const auto before = with_places_of_its_own(directory);
    if (before.empty()) REEVE_SKIP("no right to mount anything");
    check_life(directory,
               {.comm = "cron",
                .toml = "command = 'cron'",
                .pid_file = "/run/crond.pid",
                .seen_as = directory / "places/run/crond.pid",
                .serves = [] { return true; },
                .before = before},
               tracking);
}

REEVE_TRACKED_TEST_CASE("sshd daemonizes and is followed, restarted and stopped") {
    if (!is_installed("sshd")) REEVE_SKIP("sshd is not installed");
    Directory directory;
    const auto before = with_places_of_its_own(directory);
    if (before.empty()) REEVE_SKIP("no right to mount anything");
    const int port = free_port();
    REQUIRE(run({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / "host"}).code ==
            0);
    directory.write("sshd_config", "ListenAddress 127.0.0.1\nPort " + std::to_string(port) +
                                       "\nHostKey " + (directory / "host") + "\nPidFile " +
                                       (directory / "sshd.pid") + "\nUsePAM yes\n");
    check_life(directory,
               {.comm = "sshd",
                .toml = "command = ['/usr/sbin/sshd', '-f', '${config_dir}/sshd_config']",
                .pid_file = "sshd.pid",
                .seen_as = directory / "sshd.pid",
                .serves = [&] { return contains(ask_tcp(port, "hello\r\n\r\n"), "SSH-2.0-"); },
                .port = port,
                .before = before},
               tracking);
}

REEVE_TRACKED_TEST_CASE("postgres is started by pg_ctl and is followed, restarted and stopped") {
    const std::string programs = postgres_programs();
    if (programs.empty()) REEVE_SKIP("PostgreSQL is not installed");
    const passwd* postgres = ::getpwnam("postgres");
    if (!am_root() || postgres == nullptr) REEVE_SKIP("cannot become the user postgres");
    Directory directory;
    const int port = free_port();
    const std::string data = directory / "data";
    REQUIRE(::mkdir(data.c_str(), 0700) == 0);
    REQUIRE(::chown(data.c_str(), postgres->pw_uid, postgres->pw_gid) == 0);
    const auto made =
        run({"setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups",
             programs + "/initdb", "--no-sync", "-A", "trust", "-D", data},
            {.directory = data});
    INFO(made.err);
    REQUIRE(made.code == 0);
    const std::string option = "-p " + std::to_string(port) + " -h 127.0.0.1 -F -k " + data;
    check_life(directory,
               {.comm = "postgres",
                .toml = "user = 'postgres'\ndirectory = 'data'\ncommand = ['" + programs +
                        "/pg_ctl', '-s', '-w', '-l', 'log', '-D', '" + data + "', '-o', '" +
                        option + "', 'start']",
                .pid_file = "data/postmaster.pid",
                .seen_as = data + "/postmaster.pid",
                .serves = [&] { return listens(port); },
                .port = port},
               tracking);
}

REEVE_TRACKED_TEST_CASE("php-fpm daemonizes and is followed, restarted and stopped") {
    const std::string program = php_fpm();
    if (program.empty()) REEVE_SKIP("php-fpm is not installed");
    if (!am_root()) REEVE_SKIP("not root");
    Directory directory;
    const int port = free_port();
    directory.write("php-fpm.conf", "[global]\npid = " + (directory / "php-fpm.pid") +
                                        "\nerror_log = " + (directory / "php-fpm.log") +
                                        "\n[www]\nuser = nobody\ngroup = nogroup\n"
                                        "listen = 127.0.0.1:" +
                                        std::to_string(port) +
                                        "\npm = static\npm.max_children = 2\n");
    check_life(directory,
               {.comm = program,
                .toml = "command = ['" + program + "', '-D', '-y', '${config_dir}/php-fpm.conf']",
                .pid_file = "php-fpm.pid",
                .seen_as = directory / "php-fpm.pid",
                .serves = [&] { return listens(port); },
                .port = port},
               tracking);
}

REEVE_TRACKED_TEST_CASE("apache2 daemonizes and is followed, restarted and stopped") {
    if (!is_installed("apache2")) REEVE_SKIP("apache2 is not installed");
    Directory directory;
    directory.open_to_all();
    const int port = free_port();
    directory.write("html/index.html", "It works\n");
    const std::string modules = "/usr/lib/apache2/modules/";
    directory.write("apache.conf", "ServerName localhost\nServerRoot " + directory.path() +
                                       "\nPidFile apache.pid\nErrorLog error.log\n"
                                       "DefaultRuntimeDir " +
                                       directory.path() +
                                       "\nListen 127.0.0.1:" + std::to_string(port) +
                                       "\nDocumentRoot " + (directory / "html") +
                                       "\nUser nobody\nGroup nogroup\n"
                                       "LoadModule mpm_event_module " +
                                       modules + "mod_mpm_event.so\nLoadModule authz_core_module " +
                                       modules + "mod_authz_core.so\n");
    check_life(directory,
               {.comm = "apache2",
                .toml = "command = ['apache2', '-f', '${config_dir}/apache.conf', '-k', 'start']",
                .pid_file = "apache.pid",
                .seen_as = directory / "apache.pid",
                .serves = [&] { return listens(port); },
                .port = port},
               tracking);
}

REEVE_TRACKED_TEST_CASE("a daemon whose command fails is a failed start with its reason") {
    if (!is_installed("nginx")) REEVE_SKIP("nginx is not installed");
    Directory directory;
    directory.write("nginx.conf", "no_such_directive on;\n");
    Reeve reeve{directory, R"(
[program.nginx]
type = "forking"
command = ["nginx", "-e", "error.log", "-p", "${config_dir}/", "-c", "${config_dir}/nginx.conf"]
pid_file = "nginx.pid"
restart = "never"
)",
                tracked_by(tracking)};
    reeve.wait_for_state("nginx", "failed");
    wait_until("the note has its last words", [&] {
        return contains(reeve.program("nginx").note, "unknown directive \"no_such_directive\"");
    });
    const auto status = reeve.program("nginx");
    CHECK(status.note.starts_with("exit 1: "));
    REQUIRE(status.last_exit);
    CHECK(status.last_exit->code == 1);
    CHECK(status.last_exit->reason == "exit 1");
    const auto again = reeve.ctl({"start", "nginx"});
    CHECK(again.code == 1);
    CHECK(contains(again.err, "exit 1"));
    CHECK(contains(again.err, "unknown directive"));
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a forking program that leaves nothing behind is a failed start") {
    Directory directory;
    Reeve reeve{directory,
                "[program.none]\ntype = 'forking'\ncommand = 'true'\nrestart = 'never'\n",
                tracked_by(tracking)};
    reeve.wait_for_state("none", "failed");
    CHECK(reeve.program("none").note == "exit 0, and left no process behind");
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a pid file that names a stranger is never believed") {
    Directory directory;
    directory.write("daemonize", kDaemonize, 0755);
    Command stranger{{REEVE_MISBEHAVE_PROGRAM, "witness", "stranger"}};
    stranger.wait_for_output("done");
    const std::string file = directory / "daemon.pid";
    Reeve reeve{directory,
                "[program.liar]\ntype = 'forking'\nrestart = 'never'\nstart_timeout = '1s'\n"
                "pid_file = 'daemon.pid'\ncommand = ['./daemonize', 'echo $1 >daemon.pid; exec "
                "sleep 86299', '" +
                    std::to_string(stranger.pid()) + "']\n",
                tracked_by(tracking)};
    wait_until("it looks for its daemon", [&] {
        return reeve.program("liar").note.starts_with("looks for its daemon in " + file) ||
               reeve.program("liar").state == "failed";
    });
    reeve.wait_for_state("liar", "failed");
    const std::string note = reeve.program("liar").note;
    CAPTURE(note);
    CHECK(note.starts_with("no daemon found within 1s (pid_file " + file + ": it names pid " +
                           std::to_string(stranger.pid()) +
                           ", which is no process of this program; pid "));
    CHECK(note.ends_with(" sleep runs, and would be taken without a pid_file)"));
    CHECK(pid_in(file) == stranger.pid());
    CHECK(running_with("sleep 86299").empty());
    CHECK(reeve.stop() == 0);
    CHECK(stranger.out() == "done\n");
    CHECK_FALSE(stranger.ends_within(0ms));
}

REEVE_TRACKED_TEST_CASE("a stale pid file with a stranger's number is removed before the start") {
    Directory directory;
    directory.write("daemonize", kDaemonize, 0755);
    Command stranger{{REEVE_MISBEHAVE_PROGRAM, "witness", "stranger"}};
    stranger.wait_for_output("done");
    directory.write("daemon.pid", std::to_string(stranger.pid()) + "\n");
    // It writes its own late.
    Reeve reeve{directory,
                "[program.late]\ntype = 'forking'\npid_file = 'daemon.pid'\n"
                "command = ['./daemonize', 'test ! -e daemon.pid && sleep 0.3; echo $$$$ "
                ">daemon.pid; exec sleep 86298', '']\n",
                tracked_by(tracking)};
    const auto running = reeve.wait_for_state("late", "running");
    const auto pid = static_cast<pid_t>(number_of(running, "pid"));
    CHECK(pid != stranger.pid());
    CHECK(pid_in(directory / "daemon.pid") == pid);
    CHECK(running_with("sleep 86298") == std::vector{pid});
    CHECK(reeve.ctl({"restart", "late"}).code == 0);
    CHECK(reeve.ctl({"stop", "late"}).code == 0);
    CHECK(running_with("sleep 86298").empty());
    CHECK(reeve.stop() == 0);
    CHECK(stranger.out() == "done\n");
    CHECK_FALSE(stranger.ends_within(0ms));
}

REEVE_TRACKED_TEST_CASE("a forking program is stopped while its daemon is still looked for") {
    Directory directory;
    directory.write("daemonize", kDaemonize, 0755);
    Reeve reeve{directory,
                "[program.silent]\ntype = 'forking'\npid_file = 'daemon.pid'\n"
                "command = ['./daemonize', 'exec sleep 86297', '']\n",
                tracked_by(tracking)};
    wait_until("it looks for its daemon", [&] {
        return reeve.program("silent").note.starts_with("looks for its daemon in " +
                                                        (directory / "daemon.pid"));
    });
    CHECK(reeve.ctl({"stop", "silent"}).code == 0);
    CHECK(running_with("sleep 86297").empty());
    CHECK(reeve.program("silent").state == "stopped");
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a daemon that ends by itself has its own exit code") {
    Directory directory;
    directory.write("daemonize", kDaemonize, 0755);
    Reeve reeve{directory,
                "[program.short]\ntype = 'forking'\nrestart = 'never'\n"
                "command = ['./daemonize', 'while test ! -e end; do sleep 0.01; done; exit 42', "
                "'']\n",
                tracked_by(tracking)};
    reeve.wait_for_state("short", "running");
    directory.write("end", "");
    const auto exit = reeve.wait_for("short", "program.exit", "\"code\":42");
    CHECK(text_of(exit, "reason") == "exit 42");
    reeve.wait_for_state("short", "failed");
    CHECK(reeve.program("short").note == "exit 42");
    CHECK(reeve.stop() == 0);
}

REEVE_TRACKED_TEST_CASE("a service that daemonizes is told what to write instead") {
    Directory directory;
    directory.write("daemonize", kDaemonize, 0755);
    Reeve reeve{directory,
                "[program.wrong]\nrestart = 'never'\n"
                "command = ['./daemonize', 'exec sleep 86296', '']\n",
                tracked_by(tracking)};
    reeve.wait_for_state("wrong", "exited");
    CHECK(reeve.program("wrong").note ==
          "exit 0, but left 1 process behind: type = \"forking\" if it daemonizes, or keep it in "
          "the foreground");
    CHECK(running_with("sleep 86296").empty());
    CHECK(reeve.stop() == 0);
}
