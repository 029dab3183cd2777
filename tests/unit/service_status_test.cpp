#include "supervisor/app/service_status.h"

#include "tests/support/catch.h"

using namespace reeve::app;
using reeve::model::State;
using namespace std::chrono_literals;

TEST_CASE("the service manager's wishes are read from the environment") {
    constexpr pid_t kPid = 77;
    CHECK(service_wishes({}, kPid).socket.empty());
    CHECK(service_wishes({{"WATCHDOG_USEC", "2000000"}}, kPid).feed_every == std::nullopt);

    const auto usual = service_wishes({{"NOTIFY_SOCKET", "/run/systemd/notify"}}, kPid);
    CHECK(usual.socket == "/run/systemd/notify");
    CHECK(usual.feed_every == std::nullopt);
    CHECK(usual.fault.empty());
    CHECK(service_wishes({{"NOTIFY_SOCKET", "@x"}}, kPid).socket == "@x");

    const auto odd = service_wishes({{"NOTIFY_SOCKET", "vsock:2:9999"}}, kPid);
    CHECK(odd.socket.empty());
    CHECK(odd.fault == "NOTIFY_SOCKET is 'vsock:2:9999', and no path and no @name");
}

TEST_CASE("the watchdog is fed twice as often as it is due, and only if it is ours") {
    const auto wanted = [](std::string limit, std::string pid = {}) {
        reeve::conf::EnvironmentMap environment{{"NOTIFY_SOCKET", "@x"},
                                                {"WATCHDOG_USEC", std::move(limit)}};
        if (!pid.empty()) environment["WATCHDOG_PID"] = std::move(pid);
        return service_wishes(environment, 77);
    };
    CHECK(wanted("30000000").feed_every == 15s);
    CHECK(wanted("30000000", "77").feed_every == 15s);
    CHECK(wanted("30000000", "78").feed_every == std::nullopt);
    CHECK(wanted("30000000", "x").feed_every == std::nullopt);
    CHECK(wanted("1").feed_every == 1ms);
    CHECK(wanted("18446744073709551615").feed_every == 24h);
    for (const char* wrong : {"0", "30s", "-1", "99999999999999999999999"}) {
        const auto wishes = wanted(wrong);
        CHECK(wishes.feed_every == std::nullopt);
        CHECK(wishes.fault ==
              "WATCHDOG_USEC is '" + std::string{wrong} + "', and no number of microseconds");
        CHECK(wishes.socket == "@x");
    }
}

TEST_CASE("the status line counts the states, and names what is in trouble") {
    CHECK(status_line({}) == "0 programs");
    CHECK(status_line({{"web", State::running}}) == "1 program: 1 running");
    CHECK(status_line({{"web", State::stopped},
                       {"db", State::running},
                       {"job", State::exited},
                       {"mail", State::backoff},
                       {"bill", State::failed}}) ==
          "5 programs: 1 running, 1 backoff (mail), 1 failed (bill), 1 exited, 1 stopped");
    CHECK(status_line({{"a", State::failed},
                       {"b", State::failed},
                       {"c", State::failed},
                       {"d", State::failed}}) == "4 programs: 4 failed (a, b, c, …)");
}
