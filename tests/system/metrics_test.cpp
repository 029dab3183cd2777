// GET /metrics as those read it who will: promtool, and a Prometheus that scrapes it.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using reeve::base::Fd;

namespace {

// What a program of each kind of trouble makes of the metrics.
std::string programs(const Directory& directory) {
    return "[program.web]\n"
           "command = ['sh', '-c', 'echo hello; echo oh >&2; exec sleep 86311']\n"
           "stdout = '" +
           directory / "web.log" +
           "'\nstderr = 'null'\ninstances = 2\n"
           "environment = { DB_PASSWORD = 'hunter2' }\n"
           "[program.billing]\n"
           "command = ['sh', '-c', 'exit 3']\n"
           "max_failures = 2\nrestart_delay = '10ms'\n"
           "[program.busy]\n"
           "command = ['sh', '-c', 'while :; do :; done']\nnice = 19\n"
           "[program.migrate]\n"
           "type = 'task'\ncommand = 'true'\n"
           "[group.site]\nprograms = ['web', 'busy']\n"
           "[group.money]\nprograms = ['web']\n";
}

// The value of a series in the text format; nullopt: it isn't there.
std::optional<double> value_of(std::string_view text, const std::string& series) {
    const std::string start = "\n" + series + " ";
    const std::size_t at = text.find(start);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string rest{text.substr(at + start.size(), 40)};
    return std::stod(rest);
}

std::string of(std::string_view program, int number, std::string_view more = {}) {
    const std::string group = program == "web"    ? ",group=\"site,money\""
                              : program == "busy" ? ",group=\"site\""
                                                  : "";
    return "{program=\"" + std::string{program} + "\",number=\"" + std::to_string(number) + "\"" +
           group + std::string{more} + "}";
}

// A port of the loopback behind which the socket is, one connection after the other and each for
// as long as both sides like.
class Bridge {
public:
    explicit Bridge(std::string socket) : socket_{std::move(socket)} {
        listening_ = Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(listening_.get(), 8) == 0);
        REQUIRE(::getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread{[this] { serve(); }};
    }
    ~Bridge() {
        ended_ = true;
        thread_.join();
    }
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;

    int port() const { return port_; }

private:
    static constexpr int kTick = 100;  // ms: how soon the end is noticed

    void serve() {
        while (!ended_) {
            pollfd waiting{.fd = listening_.get(), .events = POLLIN, .revents = 0};
            if (::poll(&waiting, 1, kTick) != 1) continue;
            const Fd client{::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
            const Fd server{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::memcpy(address.sun_path, socket_.c_str(), socket_.size() + 1);
            if (::connect(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0)
                carry(client.get(), server.get());
        }
    }

    void carry(int one, int other) const {
        while (!ended_) {
            std::array<pollfd, 2> both{{{one, POLLIN, 0}, {other, POLLIN, 0}}};
            if (::poll(both.data(), both.size(), kTick) <= 0) continue;
            for (std::size_t i = 0; i < both.size(); ++i) {
                if (both[i].revents == 0) continue;
                char buffer[65536];
                const ssize_t got = ::recv(both[i].fd, buffer, sizeof buffer, 0);
                if (got <= 0) return;
                for (ssize_t sent = 0; sent < got;) {
                    const ssize_t more = ::send(both[1 - i].fd, buffer + sent,
                                                static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
                    if (more <= 0) return;
                    sent += more;
                }
            }
        }
    }

    std::string socket_;
    Fd listening_;
    int port_ = 0;
    std::atomic<bool> ended_{false};
    std::thread thread_;
};

// A Prometheus that scrapes one target each second and goes by the alert rules of packaging/.
class Prometheus {
public:
    Prometheus(const Directory& directory, int target) : port_{free_port()} {
        const std::string config =
            directory.write("prometheus.yml",
                            "global: { scrape_interval: 1s, evaluation_interval: 1s }\n"
                            "rule_files: [ " REEVE_SOURCE_DIR
                            "/packaging/prometheus/reeve.rules.yml ]\n"
                            "scrape_configs:\n"
                            "  - job_name: reeve\n"
                            "    static_configs: [ { targets: [ '127.0.0.1:" +
                                std::to_string(target) + "' ] } ]\n");
        command_ = std::make_unique<Command>(std::vector<std::string>{
            "prometheus", "--config.file=" + config, "--storage.tsdb.path=" + directory / "tsdb",
            "--web.listen-address=127.0.0.1:" + std::to_string(port_), "--log.level=warn"});
        wait_until("prometheus answers", [&] { return listens(port_); });
    }

    // Of its HTTP API, as long as that says success; else null.
    nlohmann::json ask(const std::string& target) const {
        const std::string answer =
            ask_tcp(port_, "GET " + target + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
        const std::size_t body = answer.find("\r\n\r\n");
        if (body == std::string::npos) return nullptr;
        auto json = nlohmann::json::parse(answer.substr(body + 4), nullptr, false);
        if (json.is_discarded() || json.value("status", "") != "success") {
            UNSCOPED_INFO("prometheus says: " << answer);
            return nullptr;
        }
        return json["data"];
    }
    nlohmann::json query(const std::string& expression) const {
        return ask("/api/v1/query?query=" + reeve::api::percent_encode(expression));
    }
    // Of an expression with one result.
    std::optional<std::string> value(const std::string& expression) const {
        const auto data = query(expression);
        if (data.is_null() || data["result"].size() != 1) return std::nullopt;
        return data["result"][0]["value"][1].get<std::string>();
    }

private:
    int port_;
    std::unique_ptr<Command> command_;
};

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at))
        text.replace(at, what.size(), by);
    return text;
}

}  // namespace

TEST_CASE("promtool finds nothing wrong with the metrics, and they tell what is") {
    Directory directory;
    Reeve reeve{directory, programs(directory)};
    reeve.wait_for_state("billing", "failed");
    reeve.wait_for_state("migrate", "exited");
    reeve.wait_for_state("web@2", "running");
    wait_until("what web wrote has come", [&] {
        return value_of(reeve.get("/metrics").body,
                        "reeve_log_bytes_total" + of("web", 2, ",stream=\"stderr\"")) == 3;
    });

    const Result printed = reeve.ctl({"metrics"});
    REQUIRE(printed.code == 0);
    const std::string& text = printed.out;
    CHECK(text.starts_with("# HELP reeve_build_info "));
    const auto value = [&](const std::string& series) { return value_of(text, series); };
    CHECK(value("reeve_program_up" + of("web", 1)) == 1);
    CHECK(value("reeve_program_up" + of("billing", 1)) == 0);
    CHECK(value("reeve_program_state" + of("billing", 1, ",state=\"failed\"")) == 1);
    CHECK(value("reeve_program_state" + of("billing", 1, ",state=\"running\"")) == 0);
    CHECK(value("reeve_program_starts_total" + of("billing", 1)) == 2);
    CHECK(value("reeve_program_restarts_total" + of("billing", 1)) == 1);
    CHECK(value("reeve_program_exits_total" + of("billing", 1, ",result=\"exit_code\"")) == 2);
    CHECK(value("reeve_program_exits_total" + of("migrate", 1, ",result=\"success\"")) == 1);
    CHECK(value("reeve_log_bytes_total" + of("web", 1, ",stream=\"stdout\"")) == 6);
    CHECK(value("reeve_program_processes" + of("web", 1)) == 1);
    CHECK(value("reeve_program_resident_memory_bytes" + of("web", 1)) > 0);
    CHECK(value("reeve_config_last_apply_successful") == 1);
    CHECK(value("reeve_pids") > 0);
    CHECK(value("reeve_reaped_total{kind=\"run\"}") == 3);
    CHECK(value("process_resident_memory_bytes") > 0);
    CHECK_FALSE(contains(text, "hunter2"));

    const auto json = nlohmann::json::parse(reeve.ctl({"metrics", "--json"}).out);
    CHECK(json.is_array());
    CHECK(json[0]["name"] == "reeve_build_info");
    CHECK(reeve.ctl({"metrics", "--openmetrics"}).out.ends_with("# EOF\n"));
    CHECK(reeve.ctl({"metrics", "-q"}).out.empty());

    if (!is_installed("promtool")) REEVE_SKIP("promtool (package prometheus) is not installed");
    const std::string file = directory.write("metrics", text);
    const Result checked = run({"sh", "-c", "exec promtool check metrics < " + file});
    CHECK(checked.code == 0);
    CHECK(checked.out + checked.err == "");
}

TEST_CASE("an apply that is refused shows in the metrics until one succeeds") {
    Directory directory;
    Reeve reeve{directory, "[program.web]\ncommand = 'sleep 86312'\n"};
    reeve.wait_for_state("web", "running");
    const std::string good = directory.read("reeve.toml");
    const auto value = [&](const std::string& name) {
        return value_of(reeve.get("/metrics").body, "reeve_config_last_apply_" + name);
    };
    const auto at_first = value("success_timestamp_seconds");
    directory.write("reeve.toml", good + "nonsense = 1\n");
    CHECK(reeve.ctl({"apply"}).code == 1);
    CHECK(value("successful") == 0);
    CHECK(value("success_timestamp_seconds") == at_first);
    directory.write("reeve.toml", good);
    CHECK(reeve.ctl({"apply"}).code == 0);
    CHECK(value("successful") == 1);
    CHECK(value("success_timestamp_seconds") > at_first);
}

TEST_CASE("counters of a program go on over its runs, a reset, and another place for its output") {
    Directory directory;
    Reeve reeve{directory,
                "[program.web]\n"
                "command = ['sh', '-c', 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; "
                "echo hello; exec sleep 86313']\n"
                "stdout = 'inherit'\nready = { log = 'hello' }\n"
                "[group.site]\nprograms = ['web']\n[group.money]\nprograms = ['web']\n"};
    reeve.wait_for("web", "program.ready");
    const auto value = [&](const std::string& name, std::string_view more = {}) {
        return value_of(reeve.get("/metrics").body, name + of("web", 1, more));
    };
    const auto cpu = value("reeve_program_cpu_seconds_total");
    REQUIRE(cpu);
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(reeve.ctl({"reset", "web"}).code == 0);
    CHECK(value("reeve_program_starts_total") == 2);
    CHECK(value("reeve_program_exits_total", ",result=\"stopped\"") == 1);
    wait_until("both runs have used processor time",
               [&] { return value("reeve_program_cpu_seconds_total") > *cpu; });
    const auto after_two = value("reeve_program_cpu_seconds_total");
    CHECK(value("reeve_log_bytes_total", ",stream=\"stdout\"") == 12);

    // Other descriptors, and so another stream; also while nothing runs.
    const std::string text = directory.read("reeve.toml");
    directory.write("reeve.toml", replaced(text, "stdout = 'inherit'\n",
                                           "stdout = 'direct'\n"
                                           "stderr = 'inherit'\n"));
    directory.write("reeve.toml",
                    replaced(directory.read("reeve.toml"), "ready = { log = 'hello' }",
                             "ready = { after = '0s' }"));
    REQUIRE(reeve.ctl({"apply"}).code == 0);
    CHECK(value("reeve_log_bytes_total", ",stream=\"stdout\"") == std::nullopt);
    directory.write("reeve.toml", text);
    REQUIRE(reeve.ctl({"apply"}).code == 0);
    CHECK(value("reeve_log_bytes_total", ",stream=\"stdout\"") == 18);
    CHECK(value("reeve_program_starts_total") == 4);
    CHECK(reeve.ctl({"stop", "web"}).code == 0);
    CHECK(value("reeve_program_cpu_seconds_total") >= *after_two);
    CHECK(value("reeve_program_up") == 0);
    CHECK(value("reeve_program_start_time_seconds") == std::nullopt);
}

TEST_CASE("Prometheus scrapes reeve, and dashboard and alert rules find what they ask for") {
    if (!is_installed("prometheus")) REEVE_SKIP("prometheus is not installed");
    Directory directory;
    Reeve reeve{directory, programs(directory)};
    reeve.wait_for_state("billing", "failed");
    reeve.wait_for_state("web@2", "running");
    Bridge bridge{reeve.socket()};
    const Prometheus prometheus{directory, bridge.port()};

    wait_until("it has scraped", [&] { return prometheus.value("up{job=\"reeve\"}") == "1"; });
    // Its own labels are where they belong, and ours under their names.
    CHECK(prometheus.value("reeve_program_up{program=\"web\",number=\"2\",group=\"site,money\","
                           "instance=\"127.0.0.1:" +
                           std::to_string(bridge.port()) + "\"}") == "1");
    CHECK(prometheus.value("count({exported_instance=~\".+\"} or {exported_job=~\".+\"})") ==
          std::nullopt);
    CHECK(prometheus.value("sum(reeve_program_state{program=\"billing\"})") == "1");
    // With their types and units: it has asked for OpenMetrics.
    const auto about = prometheus.ask("/api/v1/metadata?metric=reeve_program_cpu_seconds_total");
    const auto about_family = prometheus.ask("/api/v1/metadata?metric=reeve_program_cpu_seconds");
    const auto family = about.empty() ? about_family : about;
    REQUIRE(family.size() == 1);
    CHECK(family.begin().value()[0]["type"] == "counter");
    CHECK(family.begin().value()[0]["unit"] == "seconds");

    wait_until("a busy program uses a part of a core", [&] {
        const auto rate =
            prometheus.value("rate(reeve_program_cpu_seconds_total{program=\"busy\"}[20s])");
        return rate && std::stod(*rate) > 0.01;
    });
    CHECK(prometheus.value("count(rate(reeve_program_cpu_seconds_total[20s]) > 3)") ==
          std::nullopt);

    wait_until("the alert of a failed program fires", [&] {
        return prometheus.value(
                   "ALERTS{alertname=\"ReeveProgramFailed\",alertstate=\"firing\","
                   "program=\"billing\"}") == "1";
    });
    CHECK(prometheus.value("count(ALERTS{alertstate=\"firing\"})") == "1");
    const auto rules = prometheus.ask("/api/v1/rules");
    REQUIRE(rules["groups"].size() == 1);
    for (const auto& rule : rules["groups"][0]["rules"]) {
        CAPTURE(rule["name"].get<std::string>());
        CHECK(rule["health"] == "ok");
    }

    const auto dashboard =
        nlohmann::json::parse(read_file(REEVE_SOURCE_DIR "/packaging/grafana/reeve.json"));
    REQUIRE(dashboard["panels"].size() > 10);
    int empty = 0;
    for (const auto& panel : dashboard["panels"]) {
        for (const auto& target : panel["targets"]) {
            std::string expression = target["expr"];
            for (const char* variable : {"$job", "$instance", "$program"})
                expression = replaced(std::move(expression), variable, ".*");
            expression = replaced(std::move(expression), "$__rate_interval", "20s");
            CAPTURE(panel["title"].get<std::string>(), expression);
            const auto data = prometheus.query(expression);
            REQUIRE_FALSE(data.is_null());
            empty += data["result"].empty() ? 1 : 0;
        }
    }
    CHECK(empty == 0);
}

TEST_CASE("promtool finds nothing wrong with the alert rules, and they fire when they should") {
    if (!is_installed("promtool")) REEVE_SKIP("promtool (package prometheus) is not installed");
    const std::string folder = REEVE_SOURCE_DIR "/packaging/prometheus/";
    const Result checked = run({"promtool", "check", "rules", folder + "reeve.rules.yml"});
    CHECK(checked.code == 0);
    CHECK(contains(checked.out, "SUCCESS: 9 rules found"));
    const Result tested = run({"promtool", "test", "rules", folder + "reeve.rules.test.yml"});
    CHECK(tested.code == 0);
    CHECK(contains(tested.out + tested.err, "SUCCESS"));
}
