#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"
#include "tests/system/output_fixture.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kGet = "GET /index.html HTTP/1.0\r\nHost: localhost\r\n\r\n";

void wait_for_text(const std::string& path, const std::string& text) {
    const auto deadline = Clock::now() + patience();
    while (!contains(read_file(path), text)) {
        if (Clock::now() > deadline) FAIL(path << " never had " << text << ": " << read_file(path));
        ::usleep(10'000);
    }
}

std::string php_fpm() {
    for (const char* name : {"php-fpm8.2", "php-fpm8.3", "php-fpm8.4", "php-fpm8.1"}) {
        if (is_installed(name)) return name;
    }
    return {};
}

std::string fcgi_record(int type, const std::string& content) {
    const auto size = static_cast<int>(content.size());
    return std::string{'\1',
                       static_cast<char>(type),
                       '\0',
                       '\1',
                       static_cast<char>(size / 256),
                       static_cast<char>(size % 256),
                       '\0',
                       '\0'} +
           content;
}

// FastCGI 1.0: begin as a responder, parameters, no input.
std::string fcgi_get(const std::string& script) {
    std::string parameters;
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, std::string>>{{"SCRIPT_FILENAME", script},
                                                          {"SCRIPT_NAME", "/say.php"},
                                                          {"REQUEST_METHOD", "GET"},
                                                          {"REQUEST_URI", "/say.php"}}) {
        parameters += std::string{static_cast<char>(name.size()), static_cast<char>(value.size())} +
                      name + value;
    }
    return fcgi_record(1, std::string{"\0\1\0\0\0\0\0\0", 8}) + fcgi_record(4, parameters) +
           fcgi_record(4, "") + fcgi_record(5, "");
}

}  // namespace

TEST_CASE("a program of another user opens /dev/stdout and its other names") {
    if (!am_root()) REEVE_SKIP("not root");
    const Directory directory;
    directory.open_to_all();
    Reeve reeve{directory, R"(
[program.app]
type = "task"
user = 1000
group = 1000
shell = true
command = '''
echo one > /dev/stdout
echo two > /dev/fd/1
echo three >> /proc/self/fd/1
echo four > /dev/stderr
echo five > /proc/self/fd/2
echo six'''
stdout = "out.log"
stderr = "err.log"
)"};
    reeve.wait_for_state("app", "exited");
    CHECK(reeve.stop() == 0);
    CHECK(directory.read("out.log") == "one\ntwo\nthree\nsix\n");
    CHECK(directory.read("err.log") == "four\nfive\n");
}

TEST_CASE("nginx with workers of another user logs to /dev/stdout and stderr") {
    if (!is_installed("nginx")) REEVE_SKIP("nginx is not installed");
    if (!am_root()) REEVE_SKIP("not root");
    const Directory directory;
    directory.open_to_all();
    const int port = free_port();
    directory.write("html/index.html", "It works\n");
    directory.write("nginx.conf",
                    "daemon off;\nuser www-data;\nworker_processes 2;\npid nginx.pid;\n"
                    "error_log stderr notice;\nevents { worker_connections 64; }\nhttp {\n"
                    "  access_log /dev/stdout;\n"
                    "  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;\n"
                    "  uwsgi_temp_path t4; scgi_temp_path t5;\n  server { listen 127.0.0.1:" +
                        std::to_string(port) + "; root html; }\n}\n");
    Reeve reeve{directory, R"(
[program.nginx]
command = ["nginx", "-e", "stderr", "-p", "${config_dir}/", "-c", "${config_dir}/nginx.conf"]
stdout = "access.log"
stderr = "error.log"
)"};
    wait_until("nginx answers", [&] { return contains(ask_tcp(port, kGet), "It works"); });
    wait_for_text(directory / "access.log", "\"GET /index.html HTTP/1.0\" 200 9 ");
    wait_for_text(directory / "error.log", "start worker processes");

    // It opens /dev/stdout again, the workers by themselves.
    const auto master = static_cast<pid_t>(reeve.program("nginx").pid.value());
    REQUIRE(::kill(master, SIGUSR1) == 0);
    wait_for_text(directory / "error.log", "reopening logs");
    wait_until("an answer after that is logged", [&] {
        (void)ask_tcp(port, "GET /after HTTP/1.0\r\n\r\n");
        return contains(directory.read("access.log"), "\"GET /after HTTP/1.0\" 404");
    });
    CHECK_FALSE(contains(directory.read("error.log"), "emerg"));
    CHECK_FALSE(contains(directory.read("error.log"), "Permission denied"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("apache2 logs to /dev/stdout and /dev/stderr") {
    if (!is_installed("apache2")) REEVE_SKIP("apache2 is not installed");
    const Directory directory;
    directory.open_to_all();
    const int port = free_port();
    directory.write("html/index.html", "It works\n");
    const std::string user = am_root() ? "User www-data\nGroup www-data\n" : "";
    directory.write("apache.conf",
                    "ServerName localhost\nServerRoot " + directory.path() +
                        "\nDefaultRuntimeDir " + directory.path() + "\nPidFile " +
                        directory / "apache.pid" + "\n" + user +
                        "Listen 127.0.0.1:" + std::to_string(port) +
                        "\nLoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n"
                        "LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n"
                        "DocumentRoot " +
                        directory / "html" +
                        "\nErrorLog /dev/stderr\nLogLevel info\n"
                        "CustomLog /dev/stdout \"access %r %>s\"\n");
    Reeve reeve{directory, R"(
[program.apache]
command = ["apache2", "-D", "FOREGROUND", "-f", "${config_dir}/apache.conf"]
stdout = "access.log"
stderr = "error.log"
)"};
    wait_until("apache answers", [&] { return contains(ask_tcp(port, kGet), "It works"); });
    wait_for_text(directory / "access.log", "access GET /index.html HTTP/1.0 200\n");
    wait_for_text(directory / "error.log", "resuming normal operations");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("php-fpm logs to /proc/self/fd/2, what its workers say included") {
    const std::string program = php_fpm();
    if (program.empty()) REEVE_SKIP("php-fpm is not installed");
    if (!am_root()) REEVE_SKIP("not root");
    const Directory directory;
    directory.open_to_all();
    const int port = free_port();
    const std::string script = directory.write(
        "say.php", "<?php file_put_contents('php://stderr', \"said by php\\n\"); echo 'It works';");
    directory.write("php-fpm.conf",
                    "[global]\ndaemonize = no\nerror_log = /proc/self/fd/2\n[www]\n"
                    "user = nobody\ngroup = nogroup\nlisten = 127.0.0.1:" +
                        std::to_string(port) +
                        "\npm = static\npm.max_children = 2\naccess.log = /proc/self/fd/2\n"
                        "catch_workers_output = yes\ndecorate_workers_output = no\n");
    Reeve reeve{directory, "[program.php]\ncommand = ['" + program +
                               "', '-F', '-y', '${config_dir}/php-fpm.conf']\n"
                               "stdout = 'out.log'\nstderr = 'err.log'\n"};
    wait_until("php answers",
               [&] { return contains(ask_tcp(port, fcgi_get(script)), "It works"); });
    wait_for_text(directory / "err.log", "ready to handle connections");
    wait_for_text(directory / "err.log", "\"GET /say.php\" 200");
    wait_for_text(directory / "err.log", "said by php\n");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("rsyslog gets every line, whole and once") {
    if (!is_installed("rsyslogd")) REEVE_SKIP("rsyslog is not installed");
    const Directory directory;
    const auto words = in_mount_namespace(with_dev_log(directory, directory / "log"));
    if (words.empty()) REEVE_SKIP(kNoNamespace);
    std::filesystem::create_directory(directory / "notes");
    const std::string conf = directory.write(
        "rsyslog.conf",
        "global(workDirectory=\"" + directory.path() +
            "\" parser.escapeControlCharactersOnReceive=\"off\")\n"
            "module(load=\"imuxsock\" SysSock.Name=\"" +
            directory / "log" +
            "\" SysSock.UseSpecialParser=\"off\" SysSock.IgnoreTimestamp=\"off\"\n"
            "       SysSock.RateLimit.Interval=\"0\")\n"
            "template(name=\"text\" type=\"string\" string=\"%msg%\\n\")\n"
            "template(name=\"rest\" type=\"string\"\n"
            "  string=\"%syslogfacility-text%.%syslogseverity-text% %app-name% %msgid% "
            "%structured-data%\\n\")\n"
            "action(type=\"omfile\" file=\"" +
            directory / "got" +
            "\" template=\"text\")\n"
            "action(type=\"omfile\" file=\"" +
            directory / "rest" + "\" template=\"rest\")\n");
    Command rsyslog{{"rsyslogd", "-n", "-f", conf, "-i", directory / "rsyslog.pid"}};
    wait_until("rsyslog listens", [&] { return std::filesystem::exists(directory / "log"); });

    Reeve reeve{directory,
                "[program.web]\ncommand = [\"" REEVE_SCRIBE_PROGRAM "\", \"" + directory / "notes" +
                    "\", \"0\", \"20000\"]\nstdout = \"syslog\"\n",
                {.before = words}};
    wait_until("the last line is there",
               [&] { return contains(directory.read("got"), "web 1 19999 "); });
    CHECK(reeve.stop() == 0);
    rsyslog.signal(SIGTERM);
    CHECK(rsyslog.finish().code == 0);

    const auto reading = proofread(directory / "notes", "raw", {"web"}, {directory / "got"});
    INFO(reading.out);
    CHECK(reading.code == 0);
    CHECK(count_of(reading, "lines") == 20000);
    CHECK(contains(directory.read("rest"), "daemon.info web stdout [reeve@32473 program=\"web\" "));
}
