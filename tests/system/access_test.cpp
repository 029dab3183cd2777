#include <sys/stat.h>

#include <filesystem>

#include "supervisor/control/router.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

// Real users, each call.
using namespace reeve::test;
using reeve::control::Role;

namespace {

constexpr const char* kToml = R"(
[control]
access = [
  { user = 64002, role = "viewer" },
  { group = 64103, role = "operator" },
  { user = 64004, role = "admin" },
]
[program.web]
command = "sleep 1000"
)";

struct User {
    const char* title;
    std::vector<std::string> become;
    Role role;
};

std::vector<std::string> as(const std::string& uid, const std::string& groups = "") {
    std::vector<std::string> words{"setpriv", "--reuid", uid, "--regid", uid};
    if (groups.empty()) {
        words.push_back("--clear-groups");
    } else {
        words.insert(words.end(), {"--groups", groups});
    }
    return words;
}

const User kUsers[] = {
    {"nobody in particular", as("64001"), Role::none},
    {"a viewer", as("64002"), Role::viewer},
    {"an operator by a supplementary group", as("64003", "64101,64103"), Role::operator_},
    {"an operator by its own group", as("64103"), Role::operator_},
    {"an admin", as("64004"), Role::admin},
    {"a viewer who is also in the group", as("64002", "64103"), Role::operator_},
};

Result ctl_as(const Reeve& reeve, const User& user, std::vector<std::string> words) {
    std::vector<std::string> command = user.become;
    command.insert(command.end(), {REEVECTL_PROGRAM, "--socket", reeve.socket()});
    command.insert(command.end(), words.begin(), words.end());
    return run(std::move(command));
}

}  // namespace

TEST_CASE("each user may do what its role says and nothing more, call by call") {
    if (!am_root()) REEVE_SKIP("not root");
    const Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    for (const User& user : kUsers) {
        for (const auto& row : reeve::control::rows()) {
            // A request that nothing comes of, were it let in.
            std::string path{row.path};
            if (const auto star = path.find('*'); star != std::string::npos)
                path.replace(star, 1, "web");
            std::vector<std::string> command = user.become;
            command.insert(command.end(), {"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                           "--max-time", "20", "--unix-socket", reeve.socket()});
            if (!row.get) command.insert(command.end(), {"-X", "POST", "-d", "no JSON"});
            command.push_back("http://reeve" + path + "?nonsense=1");
            const auto answer = run(command);
            CAPTURE(user.title, path, answer.out);
            CHECK(answer.code == 0);
            const bool permitted = row.call ? user.role >= row.needed : user.role >= Role::viewer;
            CHECK((answer.out == "403") == !permitted);
        }
    }
    CHECK(reeve.program("web").run == 1);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("who lacks a role is told so, and by reevectl with 4") {
    if (!am_root()) REEVE_SKIP("not root");
    const Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    const auto none = ctl_as(reeve, kUsers[0], {"status"});
    CHECK(none.code == 4);
    CHECK(contains(none.err, "uid 64001 lacks the role viewer\n"));
    CHECK(contains(none.err, "[control] access gives it"));
    CHECK(ctl_as(reeve, kUsers[1], {"status"}).code == 0);
    CHECK(ctl_as(reeve, kUsers[1], {"stop", "web"}).code == 4);
    CHECK(reeve.program("web").state == "running");
    CHECK(ctl_as(reeve, kUsers[2], {"restart", "web"}).code == 0);
    CHECK(ctl_as(reeve, kUsers[2], {"shutdown"}).code == 4);
    CHECK(ctl_as(reeve, kUsers[2], {"run", "--", "sleep", "1001"}).code == 4);
    CHECK(ctl_as(reeve, kUsers[2], {"remove", "web"}).code == 4);
    // Who it was is in the log.
    reeve.wait_until_said("uid 64003");
    CHECK(ctl_as(reeve, kUsers[4], {"shutdown"}).code == 0);
    CHECK(reeve.wait_for_end() == 0);
}

TEST_CASE("a viewer is told what an apply would do, but not what a broken file says") {
    if (!am_root()) REEVE_SKIP("not root");
    const Directory directory;
    Reeve reeve{directory, kToml};
    reeve.wait_for_state("web", "running");
    const auto file = [&](const std::string& more) {
        directory.write("reeve.toml", "[control]\nsocket = \"" + reeve.socket() + "\"\n" +
                                          std::string{kToml}.substr(sizeof "\n[control]") + more);
    };
    file("environment = { GREETING = \"hello\" }\n");
    const auto plan = ctl_as(reeve, kUsers[1], {"diff"});
    CHECK(plan.code == 0);
    CHECK(contains(plan.out, "environment.GREETING"));

    file("stop_signal = \"hunter3\"\n");
    for (const User* const user : {&kUsers[1], &kUsers[2]}) {
        const auto refused = ctl_as(reeve, *user, {"diff"});
        CHECK(refused.code == 1);
        CHECK(
            contains(refused.err, "the configuration has errors, and only an admin is told which"));
        CHECK_FALSE(contains(refused.err, "hunter"));
    }
    CHECK(contains(ctl_as(reeve, kUsers[4], {"diff"}).err, "hunter3"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("an apply gives roles and takes them, and a name that there is not is said") {
    if (!am_root()) REEVE_SKIP("not root");
    const Directory directory;
    Reeve reeve{directory, kToml};
    const auto apply = [&](const std::string& rules) {
        directory.write("reeve.toml", "[control]\nsocket = \"" + reeve.socket() + "\"\naccess = " +
                                          rules + "\n[program.web]\ncommand = \"sleep 1000\"\n");
        const auto applied = reeve.ctl({"apply"});
        CHECK(applied.code == 0);
        return applied.out;
    };
    CHECK(contains(apply(R"([{ user = "nobody", role = "viewer" }])"),
                   "change   reeve  control.access"));
    const User nobody{"nobody", as("65534"), Role::viewer};
    wait_until("nobody may look", [&] { return ctl_as(reeve, nobody, {"status"}).code != 4; });
    wait_until("the viewer of before may not",
               [&] { return ctl_as(reeve, kUsers[1], {"status"}).code == 4; });

    apply(R"([{ user = "nosuchuser", role = "admin" }, { user = "*", role = "viewer" }])");
    reeve.wait_until_said("access: unknown user \"nosuchuser\": its line counts for nobody");
    CHECK(contains(reeve.ctl({"doctor"}).out, "unknown user \"nosuchuser\""));
    CHECK(ctl_as(reeve, kUsers[0], {"status"}).code != 4);
    CHECK(reeve.stop() == 0);
}

TEST_CASE("an apply gives the socket the mode that access asks for, or that is said") {
    const Directory directory;
    const std::string program = "[program.web]\ncommand = \"sleep 1000\"\n";
    Reeve reeve{directory, program};
    const auto mode = [&] {
        struct stat info {};
        REQUIRE(::stat(reeve.socket().c_str(), &info) == 0);
        return info.st_mode & 07777;
    };
    const auto apply = [&](const std::string& more) {
        directory.write("reeve.toml",
                        "[control]\nsocket = \"" + reeve.socket() + "\"\n" + more + program);
        CHECK(reeve.ctl({"apply"}).code == 0);
    };
    CHECK(mode() == 0600);
    const std::string access = "access = [{ user = \"*\", role = \"viewer\" }]\n";
    apply(access);
    wait_until("everybody may connect", [&] { return mode() == 0666; });
    apply(access + "mode = \"0640\"\n");
    wait_until("who is said may connect", [&] { return mode() == 0640; });
    // One that is made again has it too.
    std::filesystem::remove(reeve.socket());
    wait_until("it is there again", [&] { return std::filesystem::exists(reeve.socket()); });
    CHECK(mode() == 0640);
    apply("");
    wait_until("nobody else may connect", [&] { return mode() == 0600; });
    CHECK(reeve.stop() == 0);
}

TEST_CASE("doctor says where a socket lets in whom nothing is allowed, and the reverse") {
    const Directory directory;
    {
        Reeve reeve{directory, "[control]\nmode = \"0666\"\n[program.web]\ncommand = \"true\"\n"};
        CHECK(contains(reeve.ctl({"doctor"}).out, "none of them may do anything"));
    }
    Reeve reeve{directory,
                "[control]\nmode = \"0600\"\naccess = [{ user = \"*\", role = \"viewer\" }]\n"};
    CHECK(contains(reeve.ctl({"doctor"}).out, "can't be used"));
}
