#include "ctl/api/attach.h"
#include "tests/loop/control_world.h"

using namespace reeve;
using namespace reeve::test;
using namespace std::string_literals;
using api::AttachFrame;

namespace {

conf::Program with_terminal(std::string name, int instances = 1) {
    conf::Program program = service(std::move(name), instances);
    program.tty = true;
    program.restart = conf::RestartPolicy::on_failure;
    return program;
}

const std::vector<api::Header> kUpgrade{{"Connection", "Upgrade"}, {"Upgrade", "reeve-attach"}};

std::string request(std::string_view name, std::string_view query = "") {
    return api::write_request(
        "POST", "/v1/programs/" + std::string{name} + "/attach" + query.data(), kUpgrade, "");
}

// What is spoken once the protocol was switched.
struct Attached {
    explicit Attached(World& world, std::string_view name = "game", std::string_view query = "")
        : client{world} {
        client.send(request(name, query));
        REQUIRE(client.until_received("\r\n\r\n"));
        REQUIRE(client.received.starts_with(api::write_switch("reeve-attach")));
        client.received.erase(0, api::write_switch("reeve-attach").size());
    }
    Client client;
};

conf::Program direct() {
    conf::Program program = service("direct");
    program.input.kind = conf::Input::Kind::inherit;
    program.output = {conf::Output::Kind::direct, {}};
    return program;
}

// Up and running.
struct Started {
    Started() {
        world.roster->start_autostart();
        world.settle();
        world.becomes_ready("game", 77);
    }
    World world{{with_terminal("game"), service("plain"), with_terminal("many", 2), direct()}};
};

}  // namespace

TEST_CASE("what is typed goes to the terminal, and what it says to who is attached") {
    Started started;
    World& world = started.world;
    Attached attached{world, "game", "?rows=24&columns=80&lines=23"};
    CHECK(world.logs.seat.instance == world.instance("game").slot());
    CHECK(world.logs.seat.sizes == std::vector<os::WindowSize>{{24, 80}});
    CHECK(world.logs.seat.lines == 23);

    attached.client.send(api::write_frame(AttachFrame::input, "look\n") +
                         api::write_window({.rows = 50, .columns = 132}));
    REQUIRE(world.until([&] { return world.logs.seat.sizes.size() == 2; }));
    CHECK(world.logs.seat.typed == "look\n");
    CHECK(world.logs.seat.sizes.back() == os::WindowSize{50, 132});

    world.logs.listening.on_taken(5);
    CHECK(attached.client.until_received(api::write_count(AttachFrame::taken, 5)));
    world.logs.listening.on_output("a dark room\r\n", 0);
    CHECK(attached.client.until_received(api::write_frame(AttachFrame::output, "a dark room\r\n")));
    CHECK(world.logs.seat.taken == 13);
    CHECK(core::sentence(world.events.kept().back()) == "game: attach asked for by uid " +
                                                            std::to_string(getuid()) + ", pid " +
                                                            std::to_string(getpid()));
}

TEST_CASE("what can't be attached to is refused with the reason") {
    Started started;
    World& world = started.world;
    Client client{world};
    const auto refused = [&](std::string_view name, std::string_view query = "") {
        client.send(request(name, query));
        return client.answer();
    };
    Answer answer = refused("plain");
    CHECK(answer.status == 409);
    CHECK(answer.code() == "conflict");
    CHECK(answer.message() == "plain has no terminal (set tty = true)");
    CHECK(answer.hint() == "its output is in 'reevectl logs -f plain'");
    CHECK(refused("direct").hint() ==
          "it reads reeve's own stdin: type where reeve runs; its output goes straight to reeve's "
          "own stdout");

    answer = refused("many");
    CHECK(answer.status == 400);
    CHECK(answer.message() == "\"many\" means 2 instances, and a terminal is one's");
    CHECK(answer.hint() == "name one of them: many@1");

    CHECK(refused("nosuch").status == 404);
    CHECK(refused("game", "?rows=70000").message() == "rows can't be \"70000\"");

    answer = client.post("/v1/programs/game/attach");
    CHECK(answer.status == 426);
    CHECK(answer.code() == "upgrade_required");

    world.logs.no_terminal = true;
    CHECK(refused("game").message() == "game has not been started yet");
    CHECK(world.logs.attached == 0);

    world.exits("game", {.code = 0});
    answer = refused("game");
    CHECK(answer.status == 409);
    CHECK(answer.message() == "game is not running: exited");
    // All of this on one connection.
    CHECK(world.server->connections() == 1);
}

TEST_CASE("one at a time types") {
    Started started;
    World& world = started.world;
    {
        Attached first{world};
        Client second{world};
        second.send(request("game"));
        const Answer answer = second.answer();
        CHECK(answer.status == 409);
        CHECK(answer.message() == "uid " + std::to_string(getuid()) + " (pid " +
                                      std::to_string(getpid()) + ") is attached to game already");
        CHECK(world.logs.attached == 1);
    }
    // Gone without a word, as when it is killed.
    REQUIRE(world.until([&] { return world.logs.attached == 0; }));
    Attached third{world};
    CHECK(world.logs.attached == 1);
    // Its own side closed is gone, too.
    third.client.shut_down_write();
    CHECK(world.until([&] { return world.logs.attached == 0; }));
}

TEST_CASE("who is attached stays over a restart, and is told when it is over for good") {
    Started started;
    World& world = started.world;
    Attached attached{world};
    world.exits("game", {.code = 3});
    CHECK(attached.client.until_received("game: exit 3 (pid 77, run 1) after "));
    world.host.advance(300ms);
    world.host.deliver(*world.roster);
    CHECK(attached.client.until_received(api::write_frame(AttachFrame::notice, "game: run 2")));
    CHECK(world.logs.attached == 1);

    world.becomes_ready("game", 78);
    world.exits("game", {.code = 0});
    CHECK(attached.client.until_received(
        api::write_frame(AttachFrame::end, "+game has ended: exit 0")));
    CHECK(attached.client.until_closed());
    CHECK(world.until([&] { return world.logs.attached == 0; }));
}

TEST_CASE("who reads nothing is not waited for, and holds no more than his share") {
    Started started;
    World& world = started.world;
    Attached attached{world};
    // As the terminal does it: no more than it was told is taken.
    std::size_t given = 0;
    for (int i = 0; i < 1000 && given - world.logs.seat.taken < 256 * 1024; ++i) {
        world.logs.listening.on_output(std::string(16 * 1024, 'x'), 0);
        given += 16 * 1024;
        world.settle();
    }
    CHECK(given - world.logs.seat.taken == 256 * 1024);
    world.logs.listening.on_output({}, 123);
    // One byte each, for which he could be owed a frame each.
    for (int i = 0; i < 1000; ++i) {
        attached.client.send(api::write_frame(AttachFrame::input, "y"));
        world.settle();
        world.logs.listening.on_taken(1);
    }
    CHECK(attached.client.until_received(api::write_count(AttachFrame::missed, 123)));
    CHECK(world.logs.seat.taken == given);
    CHECK(world.logs.seat.typed.size() == 1000);
}

TEST_CASE("who breaks the rules of the frames is hung up on") {
    Started started;
    World& world = started.world;
    SECTION("a frame that is too long") {
        Attached attached{world};
        attached.client.send("i\xff\xff\xff"s);
        CHECK(attached.client.until_received(
            api::write_frame(AttachFrame::end, "-the client sent a frame that is too long")));
        CHECK(attached.client.until_closed());
    }
    SECTION("more than may be on the way") {
        Attached attached{world};
        attached.client.send(
            api::write_frame(AttachFrame::input, std::string(api::kInputWindow + 1, 'x')));
        CHECK(attached.client.until_received(api::write_frame(
            AttachFrame::end, "-the client sent more than it may have on the way")));
        CHECK(attached.client.until_closed());
    }
    CHECK(world.until([&] { return world.logs.attached == 0; }));
}
