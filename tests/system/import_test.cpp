// What `reeve import` makes of others' files, checked and run.
#include <sys/stat.h>

#include <string>

#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;

namespace {

Result import_file(const Directory& directory, const std::string& name) {
    return run({REEVE_PROGRAM, "import", directory / name},
               {.environment = {{"GREETING", "hello there"}}});
}

}  // namespace

TEST_CASE("an imported supervisord.conf runs the same programs in the same way") {
    Directory directory;
    directory.write("extra.ini",
                    "[program:extra]\ncommand=sh %(here)s/say extra\ndirectory=/tmp\n");
    directory.write("say", "echo $1 in $(pwd) with $WHAT \"$GREETING\"\nexec sleep 1000\n");
    directory.write("supervisord.conf", R"([supervisord]
nodaemon = true
environment = WHAT="all"
[include]
files = *.ini
[program:worker]
command = sh )" + directory / "say" + R"( shard-%(process_num)d
process_name = %(program_name)s_%(process_num)02d
numprocs = 2
environment = WHAT="100%% of %(numprocs)d; '$x'"
[program:once]
command = sh -c "echo done; exit 3"
autorestart = false
startsecs = 0
exitcodes = 0,3
[group:site]
programs = worker, extra
)");
    const Result imported = import_file(directory, "supervisord.conf");
    CHECK(imported.code == 0);
    CHECK(contains(imported.err, "supervisord.conf:2: nodaemon has no counterpart"));

    ReeveOptions options;
    options.command.environment = {{"GREETING", "hello there"}};
    Reeve reeve{directory, imported.out, options};
    for (const char* name : {"worker_00", "worker_01", "extra"})
        reeve.wait_for_state(name, "running");
    reeve.wait_for_state("once", "exited");
    CHECK(reeve.program("once").last_exit->reason == "exit 3");
    const auto said = [&](const std::string& name) {
        std::string out;
        wait_until(name + " has said it", [&] {
            out = reeve.ctl({"logs", name, "--no-prefix", "-n", "1"}).out;
            return contains(out, " with ");
        });
        return out;
    };
    CHECK(contains(said("worker_00"), "shard-0 in "));
    CHECK(contains(said("worker_01"), " with 100% of 2; '$x' hello there\n"));
    CHECK(said("extra") == "extra in /tmp with all hello there\n");
    CHECK(reeve.ctl({"stop", "site"}).out ==
          "worker_00: stopped\nworker_01: stopped\nextra: stopped\n");
    CHECK(reeve.stop() == 0);
}

TEST_CASE("an imported Procfile runs, its release first, with the variables of its .env") {
    Directory directory;
    directory.write(".env", "NAME=\"from the file\"\n");
    directory.write("Procfile",
                    "web: echo web $NAME at $PORT ${UNSET:-nothing}; exec sleep 1000\nrelease: "
                    "echo released\n");
    const Result imported = import_file(directory, "Procfile");
    CHECK(imported.code == 0);
    Reeve reeve{directory, imported.out};
    reeve.wait_for_state("release", "exited");
    reeve.wait_for_state("web", "running");
    wait_until("web has said it", [&] {
        return contains(reeve.ctl({"logs", "web", "--no-prefix"}).out,
                        "web from the file at 5000 nothing\n");
    });
    CHECK(reeve.stop() == 0);
}

TEST_CASE("a file that can't be imported is said with its place, and nothing is printed") {
    Directory directory;
    directory.write("wrong.conf", "[program:a]\ncommand = x\n[group:g]\nprograms = b\n");
    const Result wrong = import_file(directory, "wrong.conf");
    CHECK(wrong.code == 1);
    CHECK(wrong.out.empty());
    CHECK(contains(wrong.err, "wrong.conf:4: there is no program 'b'"));
    CHECK(import_file(directory, "missing.conf").code == 1);
    CHECK(run({REEVE_PROGRAM, "import", directory.path()}).code == 1);
    REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
    CHECK(import_file(directory, "fifo").code == 1);
    CHECK(run({REEVE_PROGRAM, "import"}).code == 64);
}
