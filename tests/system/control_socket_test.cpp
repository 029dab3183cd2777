// What becomes of the control socket when somebody deletes it, or puts something in its place.
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kToml = "[program.web]\ncommand = 'sleep 1000'\n";

ino_t inode_of(const std::string& path) {
    struct stat file {};
    return ::lstat(path.c_str(), &file) == 0 ? file.st_ino : 0;
}

mode_t mode_of(const std::string& path) {
    struct stat file {};
    return ::lstat(path.c_str(), &file) == 0 ? file.st_mode & 07777 : 0;
}

bool answers(const Reeve& reeve) {
    return reeve.get("/v1/status").status == 200;
}

void wait_until_it_answers(const Reeve& reeve) {
    wait_until("the socket is there again", [&] { return answers(reeve); });
}

std::size_t descriptors_of(pid_t pid) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd"}) {
        ++count;
    }
    return count;
}

std::size_t times(std::string_view text, std::string_view part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

// A socket in a directory of its own, two deep.
struct Nested {
    Directory directory;
    std::string above;
    std::string below;
    std::string toml = kToml;

    Nested() : above{directory / "run"}, below{above + "/reeve"} {
        std::filesystem::create_directories(below);
    }
    ReeveOptions options() const {
        ReeveOptions options;
        options.name = "run/reeve/reeve";
        return options;
    }
};

// Somebody else's, that answers: connections wait in its queue.
reeve::base::Fd listen_as_another(const std::string& path) {
    reeve::base::Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd.get(), 100) == 0);
    return fd;
}

}  // namespace

TEST_CASE("a control socket that was deleted is there again, and who is connected stays so") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    const mode_t mode = mode_of(reeve.socket());
    const std::string state = directory.read("reeve.sock.state");
    REQUIRE_FALSE(state.empty());
    const auto doctor = reeve.ctl({"doctor"});
    CHECK(contains(doctor.out, "listens at " + reeve.socket() + ", which is made again"));
    const std::size_t before = descriptors_of(reeve.pid());

    REQUIRE(::unlink(reeve.socket().c_str()) == 0);
    reeve.wait_until_said("control socket " + reeve.socket() + " was deleted; it is there again");
    CHECK(answers(reeve));
    CHECK(mode_of(reeve.socket()) == mode);
    CHECK(directory.read("reeve.sock.state") == state);
    // The stream of events is that from before.
    CHECK(reeve.ctl({"restart", "web"}).code == 0);
    CHECK(number_of(reeve.wait_for_state("web", "running"), "run") == 2);
    wait_until("the listener before is closed",
               [&] { return descriptors_of(reeve.pid()) <= before; });

    // Its state file too, alone.
    REQUIRE(::unlink((reeve.socket() + ".state").c_str()) == 0);
    wait_until("the state file is there again",
               [&] { return directory.read("reeve.sock.state") == state; });
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a file that has taken the control socket's place is told of once and left alone") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    const std::string aside = directory / "aside.sock";
    // In one step, so that nobody can come between.
    directory.write("file", "mine");
    REQUIRE(::link(reeve.socket().c_str(), aside.c_str()) == 0);
    REQUIRE(::rename((directory / "file").c_str(), reeve.socket().c_str()) == 0);
    const std::string why = reeve.socket() + " is there, but not a socket";
    const std::string said = " was deleted, and can't be made again: " + why;
    reeve.wait_until_said(said);

    // By its other name it is reached all the while.
    const auto doctor = run({REEVECTL_PROGRAM, "--socket", aside, "doctor", "--json"});
    CHECK(contains(doctor.out, R"("subject":"control","verdict":"bad")"));
    CHECK(contains(doctor.out, why));

    // It is looked again, and not told of again.
    directory.write("reeve.sock.state", "no state\n");
    directory.write("other", "also mine");
    REQUIRE(::rename((directory / "other").c_str(), reeve.socket().c_str()) == 0);
    CHECK(directory.read("reeve.sock") == "also mine");

    REQUIRE(::unlink(reeve.socket().c_str()) == 0);
    wait_until_it_answers(reeve);
    reeve.wait_until_said("control socket " + reeve.socket() + " is there again");
    CHECK(times(reeve.err(), said) == 1);
    CHECK_FALSE(contains(reeve.ctl({"doctor"}).out, "BAD"));
    ::unlink(aside.c_str());
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a control socket that was moved away, where another answers now, is not taken from it") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    const auto other = listen_as_another(directory / "other.sock");
    const ino_t others = inode_of(directory / "other.sock");
    REQUIRE(::rename((directory / "other.sock").c_str(), reeve.socket().c_str()) == 0);
    reeve.wait_until_said("another reeve answers on " + reeve.socket());
    CHECK(inode_of(reeve.socket()) == others);

    SECTION("until that goes") {
        REQUIRE(::unlink(reeve.socket().c_str()) == 0);
        wait_until_it_answers(reeve);
        CHECK(reeve.stop() == 0);
    }
    SECTION("and stays when reeve ends") {
        CHECK(reeve.stop() == 0);
        CHECK(inode_of(reeve.socket()) == others);
        REQUIRE(::unlink(reeve.socket().c_str()) == 0);
    }
}

TEST_CASE("a reeve that has lost its place to a new one waits until that has ended") {
    Directory directory;
    Reeve first{directory, kToml};
    first.wait_for_state("web", "running");
    first.signal(SIGSTOP);
    REQUIRE(::unlink(first.socket().c_str()) == 0);
    REQUIRE(::unlink((first.socket() + ".state").c_str()) == 0);
    Reeve second{directory, kToml};
    second.wait_for_state("web", "running");
    const std::string state = directory.read("reeve.sock.state");
    const ino_t socket = inode_of(second.socket());
    first.signal(SIGCONT);
    first.wait_until_said("it is another reeve's by now (pid " + std::to_string(second.pid()));
    CHECK(directory.read("reeve.sock.state") == state);
    CHECK(inode_of(second.socket()) == socket);

    // The new one loses nothing to the one before either.
    REQUIRE(::unlink(second.socket().c_str()) == 0);
    second.wait_until_said("was deleted; it is there again");
    CHECK(directory.read("reeve.sock.state") == state);
    CHECK(answers(second));
    CHECK(second.stop() == 0);
    wait_until_it_answers(first);
    CHECK(first.stop() == 0);
}

TEST_CASE("a control socket comes back with its directories") {
    Nested nested;
    Reeve reeve{nested.directory, nested.toml, nested.options()};
    reeve.wait_for_state("web", "running");
    const std::string state = read_file(reeve.socket() + ".state");
    SECTION("deleted") {
        REQUIRE(run({"rm", "-rf", nested.below}).code == 0);
    }
    SECTION("deleted, and all above") {
        REQUIRE(run({"rm", "-rf", nested.above}).code == 0);
    }
    SECTION("moved away") {
        REQUIRE(::rename(nested.below.c_str(), (nested.directory / "away").c_str()) == 0);
    }
    SECTION("moved away with one above") {
        REQUIRE(::rename(nested.above.c_str(), (nested.directory / "away").c_str()) == 0);
    }
    reeve.wait_until_said("was deleted; it is there again");
    CHECK(answers(reeve));
    CHECK(read_file(reeve.socket() + ".state") == state);
    // As well as the first.
    REQUIRE(::unlink(reeve.socket().c_str()) == 0);
    wait_until_it_answers(reeve);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a control socket whose directory can't be made comes back when that can") {
    Nested nested;
    Reeve reeve{nested.directory, nested.toml, nested.options()};
    reeve.wait_for_state("web", "running");
    // A file in the place of the directory above.
    nested.directory.write("file", "");
    REQUIRE(::rename(nested.above.c_str(), (nested.directory / "away").c_str()) == 0);
    REQUIRE(::rename((nested.directory / "file").c_str(), nested.above.c_str()) == 0);
    reeve.wait_until_said("was deleted, and can't be made again: ");
    REQUIRE(::unlink(nested.above.c_str()) == 0);
    wait_until_it_answers(reeve);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("who deletes the control socket in a loop does not keep reeve busy") {
    Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    const auto began = Clock::now();
    int deleted = 0;
    ino_t last = 0;
    int returned = 0;
    // As often as it can, until it was deleted often enough, whether it had come back or not.
    for (; deleted < 200; ++deleted) {
        const ino_t now = inode_of(reeve.socket());
        if (now != 0) {
            ++returned;
            last = now;
        }
        ::unlink(reeve.socket().c_str());
        ::usleep(10'000);
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    CHECK(last != 0);
    CHECK(returned >= 2);
    CHECK(returned <= took / 100ms + 2);
    wait_until_it_answers(reeve);
    CHECK(reeve.stop() == 0);
    // All are told of, and few lines tell it.
    CHECK(contains(reeve.err(), "times; it is there again"));
    CHECK(times(reeve.err(), "it is there again") <= 3u + static_cast<unsigned>(took / 10s));
}

TEST_CASE("a reeve that was killed after its files had come back is still known to the next") {
    Directory directory;
    const std::string mark = "reeve-test-back-" + std::to_string(::getpid());
    const std::string toml = "[program.web]\ncommand = ['" REEVE_MISBEHAVE_PROGRAM
                             "', 'stubborn', '" +
                             mark + "']\nstop_timeout = '300ms'\n";
    {
        Reeve reeve{directory, toml, tracked_by("tag")};
        reeve.wait_for_state("web", "running");
        wait_until("the daemon is there",
                   [&] { return running_with("linger " + mark).size() == 1; });
        REQUIRE(::unlink((reeve.socket() + ".state").c_str()) == 0);
        REQUIRE(::unlink(reeve.socket().c_str()) == 0);
        reeve.wait_until_said("was deleted; it is there again");
        REQUIRE_FALSE(directory.read("reeve.sock.state").empty());
        reeve.kill();
        wait_until("the kernel has ended the main process",
                   [&] { return running_with("stubborn " + mark).empty(); });
        reap_strangers();
    }
    const auto left = running_with("linger " + mark);
    REQUIRE(left.size() == 1);
    Reeve next{directory, kToml, tracked_by("tag")};
    next.wait_until_said("was killed; ended what it left behind: pid " +
                         std::to_string(left.front()));
    reap_strangers();
    CHECK(next.stop() == 0);
}

TEST_CASE("without room for inotify the control socket comes back, and the doctor says how") {
    const std::string limit = GENERATE("instances", "watches");
    ReeveOptions options;
    options.before = {
        "unshare", "--user", "--map-root-user",
        "sh",      "-c",     "echo 0 > /proc/sys/user/max_inotify_" + limit + " && exec \"$@\"",
        "sh"};
    auto trial = options.before;
    trial.push_back("true");
    if (run(std::move(trial)).code != 0)
        REEVE_SKIP("no user namespace with limits of its own is to be had");
    Directory directory;
    Reeve reeve{directory, kToml, options};
    reeve.wait_for_state("web", "running");
    wait_until("the doctor has heard of it", [&] {
        const auto doctor = reeve.ctl({"doctor"});
        return contains(doctor.out, "whether that was deleted is looked every 10s: inotify_") &&
               contains(doctor.out, "(raise fs.inotify.max_user_" + limit + ")");
    });
    REQUIRE(::unlink(reeve.socket().c_str()) == 0);
    wait_until_it_answers(reeve);
    CHECK(reeve.stop() == 0);
}
