#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

// The line of /proc/PID/FILE that starts so, blanks drawn together.
std::string line_of(pid_t pid, const char* file, const std::string& start) {
    std::istringstream lines{read_file("/proc/" + std::to_string(pid) + "/" + file)};
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(start)) continue;
        std::istringstream words{line.substr(start.size())};
        std::string text;
        for (std::string word; words >> word;) text += (text.empty() ? "" : " ") + word;
        return text;
    }
    return "(none)";
}

pid_t pid_of(Reeve& reeve, const std::string& name) {
    reeve.wait_for_state(name, "running");
    return static_cast<pid_t>(reeve.program(name).pid.value_or(0));
}

}  // namespace

TEST_CASE("a program has its limits of setrlimit and its processors, and another has not") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.web]
command = "sleep 1000"
cpu_affinity = [0]
limits = { nofile = [100, 200], core = 0, as = "4GiB", nproc = 500, rttime = 7 }
[program.other]
command = "sleep 1000"
)"};
    const pid_t web = pid_of(reeve, "web");
    CHECK(line_of(web, "limits", "Max open files") == "100 200 files");
    CHECK(line_of(web, "limits", "Max core file size") == "0 0 bytes");
    CHECK(line_of(web, "limits", "Max address space") == "4294967296 4294967296 bytes");
    CHECK(line_of(web, "limits", "Max realtime timeout") == "7 7 us");
    CHECK(line_of(web, "status", "Cpus_allowed_list:") == "0");

    rlimit ours{};
    ::getrlimit(RLIMIT_NOFILE, &ours);
    const pid_t other = pid_of(reeve, "other");
    CHECK(line_of(other, "limits", "Max open files")
              .starts_with(std::to_string(ours.rlim_cur) + " "));
    CHECK(line_of(other, "limits", "Max realtime timeout") == "unlimited unlimited us");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a limit and a processor that can't be had fail the start at once, and say why") {
    Directory directory;
    Reeve reeve{directory, R"(
[program.many]
command = "sleep 1000"
limits.nofile = "unlimited"
[program.nowhere]
command = "sleep 1000"
cpu_affinity = [0, 8000]
)"};
    reeve.wait_for_state("many", "failed");
    CHECK(contains(reeve.program("many").note,
                   "limits.nofile unlimited: Operation not permitted (fs.nr_open is "));
    reeve.wait_for_state("nowhere", "failed");
    CHECK(contains(reeve.program("nowhere").note,
                   "cpu_affinity 0,8000: Invalid argument (there is no CPU 8000, but "));
    reeve.stop();
}

TEST_CASE("nginx serves a low port as www-data by one capability, and its workers have no other") {
    if (!am_root()) REEVE_SKIP("needs root");
    if (!is_installed("nginx")) REEVE_SKIP("nginx is not installed");
    Directory directory;
    // Others of this machine may have 80.
    int port = 0;
    for (int each = 1023; each > 600 && port == 0; --each) {
        if (!listens(each)) port = each;
    }
    ::chmod(directory.path().c_str(), 0777);
    std::string conf =
        "daemon off; worker_processes 1; error_log stderr; pid PLACE/pid;\n"
        "events {}\nhttp { access_log off; client_body_temp_path PLACE/body;\n"
        "proxy_temp_path PLACE/proxy; fastcgi_temp_path PLACE/fastcgi;\n"
        "uwsgi_temp_path PLACE/uwsgi; scgi_temp_path PLACE/scgi;\n"
        "server { listen 127.0.0.1:" +
        std::to_string(port) + "; location / { return 200 'served'; } } }\n";
    for (std::size_t at; (at = conf.find("PLACE")) != std::string::npos;) {
        conf.replace(at, 5, directory.path());
    }
    directory.write("nginx.conf", conf);
    const std::string web =
        "command = \"nginx -c '${config_dir}/nginx.conf'\"\nuser = \"www-data\"\n"
        "max_failures = 1\n";
    Reeve reeve{directory, "[program.web]\n" + web +
                               "security = { no_new_privileges = true, capabilities = "
                               "[\"net_bind_service\"] }\n[program.without]\nautostart = false\n" +
                               web};
    const pid_t master = pid_of(reeve, "web");
    CHECK(contains(ask_tcp(port, "GET / HTTP/1.0\r\n\r\n"), "served"));
    wait_until("the worker is there",
               [&] { return processes_of(reeve.tree(), "web").size() == 2; });
    for (const auto& process : processes_of(reeve.tree(), "web")) {
        const auto pid = static_cast<pid_t>(process.pid);
        CHECK(line_of(pid, "status", "Uid:") == line_of(master, "status", "Uid:"));
        for (const char* set : {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"}) {
            CHECK(line_of(pid, "status", set) == "0000000000000400");
        }
        CHECK(line_of(pid, "status", "NoNewPrivs:") == "1");
    }
    CHECK(line_of(master, "status", "Uid:") != "0 0 0 0");
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    // Else it would prove nothing.
    reeve.ctl({"start", "without"});
    reeve.wait_for_state("without", "failed");
    CHECK(contains(reeve.ctl({"logs", "without"}).out, "Permission denied"));
    reeve.stop();
}

TEST_CASE("a program and its probe have a /tmp of their own for a run, and write where they may") {
    if (!am_root()) REEVE_SKIP("needs root");
    Directory directory;
    const std::string name = "reeve-test-" + std::to_string(::getpid());
    const std::string data = "/run/" + name;
    REQUIRE(::mkdir(data.c_str(), 0755) == 0);
    Reeve reeve{directory, R"(
[supervisor]
environment = { MINE = "/tmp/)" +
                               name + R"(", DATA = ")" + data + R"(" }
[program.web]
command = """sh -c '
  test ! -e $MINE && touch $MINE || exit 3
  (touch /run/reeve-no) 2>/dev/null && exit 4
  touch $DATA/log || exit 5
  exec sleep 1000'
"""
directory = "/"
ready.exec = "test -e '${MINE}' -a -e '${DATA}/log'"
security = { private_tmp = true, read_only = ["/"], writable = ["${DATA}"] }
[program.wrong]
command = "sleep 1000"
security = { read_only = ["/"], writable = ["${DATA}/nosuch"] }
max_failures = 1
)"};
    const pid_t first = pid_of(reeve, "web");
    CHECK(::access(("/tmp/" + name).c_str(), F_OK) != 0);
    CHECK(::unlink((data + "/log").c_str()) == 0);
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(pid_of(reeve, "web") != first);
    reeve.wait_for_state("wrong", "failed");
    CHECK(contains(reeve.program("wrong").note,
                   "security.writable " + data + "/nosuch: No such file or directory"));
    reeve.stop();
    CHECK(::unlink((data + "/log").c_str()) == 0);
    ::rmdir(data.c_str());
}
