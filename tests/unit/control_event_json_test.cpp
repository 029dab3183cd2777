#include <csignal>

#include "supervisor/control/event_json.h"
#include "tests/support/catch.h"

using namespace reeve;
namespace event = core::event;

namespace {

std::string data_of(core::Event::Body body) {
    return control::to_api({.seq = 7, .at = {}, .program = "web", .body = std::move(body)}).data;
}

}  // namespace

TEST_CASE("an event keeps its number, name, time and program") {
    const auto out = control::to_api({.seq = 12,
                                      .at = *api::parse_timestamp("2026-11-22T10:17:00.120Z"),
                                      .program = "web@2",
                                      .body = event::Ready{3, 4121}});
    CHECK(api::to_json(out) ==
          R"({"id":12,"event":"program.ready","time":"2026-11-22T10:17:00.120Z",)"
          R"("program":"web@2","data":{"run":3,"pid":4121}})");

    const auto stray = control::to_api(
        {.seq = 1, .at = {}, .program = {}, .body = event::OrphanAdopted{99, "sleep 5"}});
    CHECK(stray.program == std::nullopt);
    CHECK(stray.event == "orphan.adopted");
    CHECK(stray.data == R"({"pid":99,"command":"sleep 5"})");
}

TEST_CASE("each kind of event brings its own data, null where there is nothing") {
    CHECK(data_of(event::StateChanged{model::State::starting, model::State::running, 3, 41, ""}) ==
          R"({"from":"starting","to":"running","run":3,"pid":41,"note":""})");
    CHECK(
        data_of(event::StateChanged{model::State::stopped, model::State::waiting, 0, 0, "fork"}) ==
        R"({"from":"stopped","to":"waiting","run":null,"pid":null,"note":"fork"})");
    CHECK(data_of(event::Exited{3, 41, base::ExitStatus{.code = 3}, "exit 3", 0.5, 0.25, 4096}) ==
          R"({"run":3,"pid":41,"code":3,"signal":null,"core_dumped":false,"reason":"exit 3",)"
          R"("lasted_seconds":0.5,"cpu_seconds":0.25,"max_memory_bytes":4096})");
    CHECK(data_of(event::Exited{3, 41, base::ExitStatus{.signal = SIGSEGV, .core_dumped = true},
                                "killed by SIGSEGV (core dumped)", 0.5, 0.25, 4096}) ==
          R"({"run":3,"pid":41,"code":null,"signal":"SIGSEGV","core_dumped":true,)"
          R"x("reason":"killed by SIGSEGV (core dumped)",)x"
          R"("lasted_seconds":0.5,"cpu_seconds":0.25,"max_memory_bytes":4096})");
    CHECK(data_of(event::Exited{3, 0, std::nullopt, "chdir /srv: No such file", 0, 0, 0}) ==
          R"({"run":3,"pid":null,"code":null,"signal":null,"core_dumped":false,)"
          R"("reason":"chdir /srv: No such file",)"
          R"("lasted_seconds":0.0,"cpu_seconds":0.0,"max_memory_bytes":0})");
    CHECK(data_of(event::Failed{"exit 3", 5}) == R"({"reason":"exit 3","failures":5})");
    CHECK(data_of(event::OrphansReaped{20}) == R"({"count":20})");
    CHECK(data_of(event::Zombies{8000, 50, 4121, "python3 app.py"}) ==
          R"({"count":8000,"limit":50,"parent_pid":4121,"parent_command":"python3 app.py"})");
    CHECK(data_of(event::Zombies{51, 50, 0, ""}) ==
          R"({"count":51,"limit":50,"parent_pid":null,"parent_command":""})");
    CHECK(data_of(event::Guarded{"memory 412 MiB, limit 400 MiB", true}) ==
          R"({"what":"memory 412 MiB, limit 400 MiB","action":"restart"})");
    CHECK(data_of(event::Guarded{"pids 101, limit 100", false}) ==
          R"({"what":"pids 101, limit 100","action":"warn"})");
    CHECK(data_of(event::LogFailed{{.effect = model::OutputTrouble::Effect::drops,
                                    .place = "/var/log/web.log",
                                    .reason = "No space left on device"}}) ==
          R"({"place":"/var/log/web.log","reason":"No space left on device","effect":"drops"})");
    CHECK(data_of(event::LogRecovered{"/var/log/web.log", 1.5, 7, true}) ==
          R"({"place":"/var/log/web.log","lasted_seconds":1.5,"dropped_lines":7})");
    CHECK(data_of(event::Pids{7000, 8192, "pid_max", true}) ==
          R"({"current":7000,"limit":8192,"which":"pid_max","near":true})");
    CHECK(data_of(event::Requested{"restart", {core::Actor::Via::guard, 0, 0}}).substr(0, 35) ==
          R"({"request":"restart","via":"guard",)");
    CHECK(
        data_of(event::Requested{"restart", {core::Actor::Via::watch, 0, 0}, "a is new"}) ==
        R"({"request":"restart","via":"watch","uid":0,"pid":null,"address":null,"reason":"a is new"})");
    CHECK(data_of(event::Requested{"stop", {core::Actor::Via::control, 1000, 77}}) ==
          R"({"request":"stop","via":"control","uid":1000,"pid":77,"address":null,"reason":null})");
    const core::Actor remote{.via = core::Actor::Via::token, .address = "127.0.0.1:53122"};
    CHECK(
        data_of(event::Requested{"stop", remote}) ==
        R"({"request":"stop","via":"token","uid":null,"pid":null,"address":"127.0.0.1:53122","reason":null})");
    CHECK(data_of(event::SupervisorStarted{"1.0.0", 1, 4}) ==
          R"({"version":"1.0.0","pid":1,"programs":4})");
    CHECK(data_of(event::SupervisorStopping{"SIGTERM", 0}) ==
          R"({"reason":"SIGTERM","exit_code":0})");
}

TEST_CASE("a command line that is not UTF-8 still makes JSON") {
    CHECK(data_of(event::OrphanAdopted{99, "a\xff\"b"}) ==
          "{\"pid\":99,\"command\":\"a\uFFFD\\\"b\"}");
}
