#include "supervisor/os/mount_view.h"

#include <unistd.h>

#include "tests/os/children.h"
#include "tests/support/catch.h"

using namespace reeve::os;
using namespace reeve::os::test;
using reeve::base::Fd;

namespace {

// What a shell in the view says.
std::string said_in(const MountView& view, std::string script, std::string directory = {}) {
    const auto made = make_mount_view(view);
    if (!made) return made.error().text();
    SpawnRequest request = shell(std::move(script));
    request.mount_namespace = made->get();
    request.directory = std::move(directory);
    const Result result = run(std::move(request));
    return result.failure ? result.failure->text() : result.output;
}

constexpr const char* kWrite = "for f; do (: >$f/new) 2>/dev/null && echo $f; done; true";

// Of these, those that are directories in which it can make files.
std::string writable_in(const MountView& view, const std::string& directories) {
    return said_in(view, "set -- " + directories + "; " + kWrite);
}

}  // namespace

TEST_CASE("what is read-only in a view is so with all below but its exceptions, and nowhere else") {
    if (!am_root()) REEVE_SKIP("needs root");
    const TemporaryDirectory directory;
    const std::string all = directory.path();
    REQUIRE(run(shell("mkdir -p " + all + "/in/deep " + all + "/out")).status.code == 0);
    const std::string in = all + "/in";
    const std::string deep = in + "/deep";
    const std::string out = all + "/out";
    const std::string asked = all + " " + in + " " + deep + " " + out;

    CHECK(writable_in({.read_only = {in}}, asked) == all + "\n" + out + "\n");
    CHECK(writable_in({.read_only = {all}, .writable = {in}}, asked) == in + "\n" + deep + "\n");
    CHECK(writable_in({.read_only = {deep, all}, .writable = {in}}, asked) == in + "\n");
    CHECK(writable_in({.read_only = {"/"}, .writable = {deep}}, asked) == deep + "\n");
    // Ours is as it was.
    CHECK(run(shell("set -- " + asked + "; " + kWrite)).output ==
          all + "\n" + in + "\n" + deep + "\n" + out + "\n");
}

TEST_CASE("whoever may only read the file system still speaks to the kernel") {
    if (!am_root()) REEVE_SKIP("needs root");
    const std::string script =
        "echo nothing >/dev/null && cat /proc/self/oom_score_adj >/proc/self/oom_score_adj && "
        "echo well";
    CHECK(said_in({.read_only = {"/"}}, script) == "well\n");
    CHECK(said_in({.read_only = {"/", "/proc"}},
                  "exec 2>/dev/null; " + script + " || echo not well") == "not well\n");
}

TEST_CASE("a private /tmp is empty, anybody's, and nobody else sees it") {
    if (!am_root()) REEVE_SKIP("needs root");
    const TemporaryDirectory directory;  // in the /tmp of all
    const auto view = make_mount_view({.private_tmp = true});
    REQUIRE(view);
    SpawnRequest request =
        shell("ls -A /tmp /var/tmp; touch /tmp/reeve-private; stat -c %a /tmp /var/tmp");
    request.directory = "/";
    request.mount_namespace = view->get();

    CHECK(run(request).output == "/tmp:\n\n/var/tmp:\n1777\n1777\n");
    CHECK(run(shell("ls /tmp/reeve-private 2>&1")).status.code != 0);
    // It stays as long as the view does.
    request.argv = {"ls", "-A", "/tmp"};
    request.candidates = find_candidates("ls", "");
    CHECK(run(request).output == "reeve-private\n");
    CHECK(said_in({.private_tmp = true, .read_only = {"/"}}, "touch /tmp/a && ls -A /tmp", "/") ==
          "a\n");
}

TEST_CASE("a child in a view begins where we are, if that is there, whoever it becomes") {
    if (!am_root()) REEVE_SKIP("needs root");
    CHECK(in_fork([] {
              const TemporaryDirectory directory;
              if (::chdir(directory.path().c_str()) != 0) return std::string{"no directory"};
              std::string said = said_in({.read_only = {"/etc"}}, "pwd") == directory.path() + "\n"
                                     ? "there; "
                                     : "elsewhere; ";
              const std::string why = said_in({.private_tmp = true}, "pwd");
              return said +
                     (why == "chdir " + directory.path() +
                                  ": No such file or directory (reeve's own directory is not "
                                  "in its view: set \"directory\")"
                          ? "told"
                          : why);
          }) == "there; told");
}

TEST_CASE("a view that can't be had names the key and the path") {
    if (!am_root()) REEVE_SKIP("needs root");
    CHECK(said_in({.read_only = {"/", "/no/such"}}, "pwd") ==
          "security.read_only /no/such: No such file or directory");
    CHECK(said_in({.read_only = {"/"}, .writable = {"/no/such"}}, "pwd") ==
          "security.writable /no/such: No such file or directory");
    CHECK(as_nobody([] { return said_in({.private_tmp = true}, "pwd"); }) ==
          "security.private_tmp a mount namespace: Operation not permitted");
}
