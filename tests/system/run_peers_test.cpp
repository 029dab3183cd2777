#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <sstream>

#include "tests/system/run_fixture.h"

// `reeve run` beside tini and dumb-init: what the tables of reeve(8) say of it, row by row.  What
// they say of the others was tried with Debian 12's tini 0.19.0 and dumb-init 1.2.5.
using namespace reeve;
using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

void replace_all(std::string& text, std::string_view what, std::string_view by) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at))
        text.replace(at, what.size(), by);
}

std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(' ');
    if (first == std::string::npos) return "";
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// The first cell of a row that is not empty.
std::string name_of_row(std::string row) {
    for (const char* mark : {"T{", "T}", "\\:"}) replace_all(row, mark, "");
    replace_all(row, "\\-", "-");
    replace_all(row, "\\(ha", "^");
    std::istringstream cells{row};
    for (std::string cell; std::getline(cells, cell, '|');) {
        if (const std::string name = trimmed(cell); !name.empty()) return name;
    }
    return "";
}

// Of all tables of a page, tbl(1): a cell is a text block from T{ to T}, or within its line.
std::vector<std::string> rows_of_tables(const std::string& page) {
    std::vector<std::string> rows;
    std::istringstream lines{page};
    bool in_table = false;
    bool in_block = false;
    std::string row;
    for (std::string line; std::getline(lines, line);) {
        if (line == ".TE") in_table = false;
        if (in_table) {
            if (line.starts_with("T}")) in_block = false;
            if (line.ends_with("T{")) in_block = true;
            row += line + " ";
            if (!in_block) rows.push_back(name_of_row(std::exchange(row, "")));
        }
        if (line == "_") in_table = true;  // below the head
    }
    return rows;
}

void without_core() {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

// Leaves an orphan behind, and ends once it is gone.
constexpr const char* kOrphan =
    "bash -c 'setsid sleep 0.01 &'; "
    "until [ \"$(cat /proc/$PPID/task/$PPID/children)\" = \"$$ \" ]; do sleep 0.01; done";

// A command, and a child in its group that says whether it heard of a TERM, when it is asked by IO.
constexpr const char* kFamily =
    "trap : TERM; trap 'kill -IO $! 2>/dev/null; wait; exit 9' IO; "
    "bash -c \"trap 'heard=child' TERM; trap 'echo told the \\${heard:-command alone}; exit' IO; "
    "echo up; while :; do sleep 0.01; done\" & "
    "while :; do sleep 0.01; done";

// Who hears of a TERM.
std::string told(const Words& options, const CommandOptions& how = {}) {
    Command init{with_run(shell(kFamily, options)), how};
    init.wait_for_output("up\n");
    init.signal(SIGTERM);
    init.signal(SIGIO);  // the higher number: it comes later, to whomever it is sent
    CHECK(init.finish().code == 9);
    return init.out().substr(3);
}

const std::string kAlone = "told the command alone\n";
const std::string kGroup = "told the child\n";

}  // namespace

TEST_CASE(
    "each row of the tables of reeve run in reeve(8) has a test and each of these has a row") {
    const std::string page = read_file(REEVE_SOURCE_DIR "/packaging/man/reeve.8");
    const std::size_t begin = page.find(".SH ONE COMMAND\n");
    REQUIRE(begin != std::string::npos);
    const auto rows = rows_of_tables(page.substr(begin, page.find("\n.SH ", begin) - begin));
    CHECK(rows.size() > 30);
    const std::set<std::string> names{rows.begin(), rows.end()};
    CHECK(names.size() == rows.size());
    for (const std::string& name : names) {
        INFO(name);
        CHECK(rows_with_a_test().contains(name));
    }
    for (const std::string& name : rows_with_a_test()) {
        INFO(name);
        CHECK(names.contains(name));
    }
}

// --- options
// ---------------------------------------------------------------------------------------

REEVE_ROW_TEST_CASE("orphans come home to reeve run with -s and TINI_SUBREAPER and without", "-s",
                    "TINI_SUBREAPER") {
    for (const Words& options : {Words{}, Words{"-s"}}) {
        const Result result = run_it(shell(kOrphan, options));
        CHECK(result.code == 0);
        CHECK(result.err == "");
    }
    CHECK(run_it(shell(kOrphan), {.environment = {{"TINI_SUBREAPER", ""}}}).code == 0);
}

REEVE_ROW_TEST_CASE("the signal of -p has any of its names", "-p SIGNAL", "-p FROB") {
    for (const char* name : {"SIGKILL", "KILL", "9", "SIGRTMIN+3"}) {
        INFO(name);
        CHECK(run_it({"-p", name, "true"}).code == 0);
    }
    for (const char* name : {"FROB", "0", "65", ""}) {
        INFO(name);
        CHECK(run_it({"-p", name, "true"}).code == 64);
    }
}

REEVE_ROW_TEST_CASE("what is done is said on standard error with -v however often it is given",
                    "-v, -vv, -vvv", "TINI_VERBOSITY=N", "DUMB_INIT_DEBUG=1") {
    const auto err = [](const Words& options, const CommandOptions& how = {}) {
        const Result result = run_it(shell("echo out; exit 3", options), how);
        CHECK(result.code == 3);
        CHECK(result.out == "out\n");
        return result.err;
    };
    for (const char* option : {"-v", "-vv", "-vvv", "--verbose"}) {
        INFO(option);
        const std::string said = err({option});
        CHECK(said.starts_with("reeve run: runs bash as pid "));
        CHECK(said.ends_with("\nreeve run: bash has ended: exit 3\n"));
    }
    const auto with = [&](const char* variable, const char* value) {
        return err({}, {.environment = {{variable, value}}});
    };
    CHECK(contains(with("TINI_VERBOSITY", "3"), " has ended"));
    CHECK(contains(with("TINI_VERBOSITY", "2"), " has ended"));
    CHECK(with("TINI_VERBOSITY", "1").empty());
    CHECK(with("TINI_VERBOSITY", "loud").empty());
    CHECK(contains(with("DUMB_INIT_DEBUG", "1"), " has ended"));
    CHECK(with("DUMB_INIT_DEBUG", "0").empty());
    CHECK(with("DUMB_INIT_DEBUG", "yes").empty());
}

REEVE_ROW_TEST_CASE("a signal goes to the command alone or with -g to its process group", "-g",
                    "TINI_KILL_PROCESS_GROUP", "-c, --single-child", "DUMB_INIT_SETSID=0") {
    CHECK(told({}) == kAlone);
    CHECK(told({"-c"}) == kAlone);
    CHECK(told({"--single-child"}) == kAlone);
    CHECK(told({}, {.environment = {{"DUMB_INIT_SETSID", "0"}}}) == kAlone);
    CHECK(told({"-g"}) == kGroup);
    CHECK(told({"-g", "-c"}) == kGroup);
    CHECK(told({}, {.environment = {{"TINI_KILL_PROCESS_GROUP", ""}}}) == kGroup);
}

REEVE_ROW_TEST_CASE("any exit code is a 0 with -e and the others stay", "-e CODE") {
    const auto dash = [](int exits, const Words& options) {
        Words words = options;
        words.insert(words.end(), {"sh", "-c", "exit " + std::to_string(exits)});
        return run_it(words).code;
    };
    for (int code = 0; code < 256; ++code) {
        INFO(code);
        CHECK(dash(code, {"-e", std::to_string(code)}) == 0);
    }
    Words others;
    for (int code = 0; code < 256; ++code) {
        if (code % 51 != 0) others.insert(others.end(), {"-e", std::to_string(code)});
    }
    for (int code = 0; code < 256; code += 51) CHECK(dash(code, others) == code);
    CHECK(run_it({"-e", "143", "sh", "-c", "kill -TERM $$"}).code == 0);
    CHECK(run_it({"-e", "15", "sh", "-c", "kill -TERM $$"}).code == 143);
}

REEVE_ROW_TEST_CASE("the table of rewritten signals is read once", "-r, --rewrite S:T") {
    Command command{
        with_run(shell(kEcho, {"-r", "15:2", "-r", "2:15", "-r", "1:31", "--rewrite", "31:1", "-r",
                               "10:0", "-r", "SIGRTMIN:USR2", "-r", "18:0", "-r", "18:12"}))};
    command.wait_for_output("up\n");
    std::string expected = "up\n";
    command.signal(SIGUSR1);  // dropped
    for (const auto& [sent, arrives] : std::vector<std::pair<int, int>>{{SIGTERM, SIGINT},
                                                                        {SIGINT, SIGTERM},
                                                                        {SIGHUP, SIGSYS},
                                                                        {SIGSYS, SIGHUP},
                                                                        {SIGRTMIN, SIGUSR2},
                                                                        {SIGCONT, SIGUSR2}}) {
        expected += "got " + std::to_string(arrives) + "\n";
        command.signal(sent);
        command.wait_for_output(expected);
    }
    CHECK(command.out() == expected);
    ::kill(child_of(command.pid()), SIGKILL);
    command.finish();
}

REEVE_ROW_TEST_CASE("a rewrite that can't be read is refused", "a rewrite that can't be read") {
    // The first ten are dumb-init's own.
    for (const char* rewrite : {"", "15", "15:", ":15", "15:x", "x:15", "0:15", "-1:15", "15:-1",
                                "1:2:3", "65:1", "1:65", "9999999999:1", "TERM:", "15 : 2"}) {
        INFO(rewrite);
        const Result result = run_it({"-r", rewrite, "echo", "runs"});
        CHECK(result.code == 64);
        CHECK(result.out == "");
        CHECK(result.err.starts_with("reeve run: --rewrite"));
    }
}

REEVE_ROW_TEST_CASE("help and version and licence go to standard output", "-h", "--version", "-l") {
    const auto prints = [](const Words& words) {
        const Result result = run_it(words);
        CHECK(result.code == 0);
        CHECK(result.err == "");
        return result.out;
    };
    CHECK(prints({"-h"}).starts_with("Usage: reeve run "));
    CHECK(prints({"--help"}) == prints({"-h"}));
    CHECK(prints({"--version"}).starts_with("reeve "));
    CHECK(prints({"-V"}) == prints({"--version"}));
    CHECK(prints({"-s", "--version", "--", "true"}) == prints({"--version"}));
    CHECK(prints({"-l"}) == read_file(REEVE_SOURCE_DIR "/LICENSE"));
}

// --- how they are read
// -----------------------------------------------------------------------------

REEVE_ROW_TEST_CASE("options may share a word and end with the command", "options in one word",
                    "options end", "a command named --") {
    CHECK(told({"-gw"}) == kGroup);
    CHECK(told({"-vcgs"}) == kGroup);
    CHECK(run_it({"-ge3", "--", "sh", "-c", "exit 3"}).code == 0);
    CHECK(run_it({"-e3", "sh", "-c", "exit 3"}).code == 0);
    CHECK(run_it({"echo", "-g", "--", "-h"}).out == "-g -- -h\n");
    const Result dashes = run_it({"--", "--", "true"});
    CHECK(dashes.code == 127);
    CHECK(dashes.err == "reeve run: --: No such file or directory\n");
}

REEVE_ROW_TEST_CASE("what can't be read is exit code 64 and runs nothing",
                    "no command, or an option that there is not", "-e 256 or -e x") {
    for (const Words& words :
         {Words{}, Words{"--"}, Words{"-g"}, Words{""}, Words{"-z", "echo"}, Words{"-gz", "echo"},
          Words{"--frob", "echo"}, Words{"-e"}, Words{"-e", "256", "echo"},
          Words{"-e", "x", "echo"}, Words{"-e", "-1", "echo"}, Words{"-e", "", "echo"},
          Words{"-e", "1x", "echo"}}) {
        const Result result = run_it(words);
        CHECK(result.code == 64);
        CHECK(result.out == "");
        CHECK(result.err.starts_with("reeve run: "));
    }
}

// --- what becomes of the command
// -------------------------------------------------------------------

REEVE_ROW_TEST_CASE("a command that can't be run is 127 or 126 and its name is said",
                    "no such command", "a command that can't be executed") {
    Directory directory;
    const std::string file = directory.write("file", "no program");
    const std::string interpreter = directory.write("script", "#!/no/such/shell\n", 0755);
    const auto refused = [](const std::string& path, int code, const std::string& why) {
        const Result result = run_it({path});
        CHECK(result.code == code);
        CHECK(result.err == "reeve run: " + path + ": " + why + "\n");
    };
    refused("nosuchcommand", 127, "No such file or directory");
    refused("/no/such/command", 127, "No such file or directory");
    refused(interpreter, 127, "No such file or directory");
    refused("/etc", 126, "Permission denied");
    refused(file, 126, "Permission denied");
    refused(file + "/below", 126, "Not a directory");
}

REEVE_ROW_TEST_CASE("the exit code is the command's or 128 and its signal",
                    "the command exits with N", "signal N ends the command") {
    for (const int code : {0, 1, 2, 32, 64, 127, 128, 254, 255})
        CHECK(run_it({"sh", "-c", "exit " + std::to_string(code)}).code == code);
    for (int signal = 1; signal <= 64; ++signal) {
        INFO(signal);
        if (signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH)
            continue;
        if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU)
            continue;
        const std::string kill = "kill -" + std::to_string(signal) + " $$";
        CHECK(run_it({"sh", "-c", kill}, {.in_child = without_core}).code == 128 + signal);
    }
}

REEVE_ROW_TEST_CASE("a stop signal that is sent to reeve run stops the command",
                    "TSTP, TTIN or TTOU is sent to it") {
    // No terminal has a say in it.
    Command command{with_run(shell(kEcho)), {.in_child = [] { ::setsid(); }}};
    command.wait_for_output("up\n");
    const pid_t main = child_of(command.pid());
    std::string expected = "up\n";
    for (const int signal : {SIGTSTP, SIGTTIN, SIGTTOU}) {
        command.signal(signal);
        expected += "got " + std::to_string(signal) + "\n";
        command.wait_for_output(expected);
    }
    ::kill(main, SIGKILL);
    CHECK(command.finish().code == 137);

    for (const int signal : {SIGTSTP, SIGTTIN, SIGTTOU}) {
        INFO(signal);
        Command sleeper{with_run({"sleep", "1000"}), {.in_child = [] { ::setsid(); }}};
        const pid_t sleeps = child_of(sleeper.pid());
        wait_until("it sleeps", [&] { return name_of(sleeps) == "sleep"; });
        sleeper.signal(signal);
        wait_until("it is stopped", [&] { return state_of(sleeps) == 'T'; });
        sleeper.signal(SIGCONT);
        wait_until("it goes on", [&] { return state_of(sleeps) == 'S'; });
        sleeper.signal(SIGTERM);
        CHECK(sleeper.finish().code == 143);
    }
}

REEVE_ROW_TEST_CASE("the command has a process group of its own and the init's session",
                    "the command's process group") {
    Command command{with_run({"sleep", "1000"})};
    const pid_t main = child_of(command.pid());
    wait_until("it sleeps", [&] { return name_of(main) == "sleep"; });
    CHECK(::getpgid(main) == main);
    CHECK(::getsid(main) == ::getsid(command.pid()));
    command.signal(SIGTERM);
    CHECK(command.finish().code == 143);
}

REEVE_ROW_TEST_CASE("a command that may not be signalled is told and waited for",
                    "the command may not be signalled") {
    if (!am_root()) REEVE_SKIP("only root can make a program that runs as root");
    Directory directory;
    directory.open_to_all();
    const std::string setpriv = directory.copy_of("/usr/bin/setpriv");
    REQUIRE(::chmod(setpriv.c_str(), 04755) == 0);
    const std::string reeve = directory.copy_of(REEVE_PROGRAM);
    Command command{{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", reeve,
                     "run", "--", setpriv, "--reuid", "0", "sleep", "1000"}};
    const pid_t main = [&] {
        wait_until("it is reeve", [&] { return name_of(command.pid()) == "reeve"; });
        return child_of(command.pid());
    }();
    wait_until("it sleeps", [&] { return name_of(main) == "sleep" || !exists(main); });
    if (!exists(main)) REEVE_SKIP("set-user-ID programs do nothing here");
    command.signal(SIGTERM);
    wait_until("it says so", [&] { return contains(command.err(), "not permitted"); });
    CHECK(command.err() ==
          "reeve run: not permitted to send SIGTERM to pid " + std::to_string(main) + "\n");
    ::kill(main, SIGKILL);
    CHECK(command.finish().code == 137);
}

REEVE_ROW_TEST_CASE("what a command leaves behind is left unless there is a --grace",
                    "what is left at the end", "--grace DURATION") {
    const std::string leaves = "sleep 1003 & exit 5";
    CHECK(run_it(shell(leaves)).code == 5);
    const auto left = running_with("1003");
    REQUIRE(left.size() == 1);
    ::kill(left[0], SIGKILL);
    take_strangers();
    CHECK(run_it(shell(leaves, {"--grace", "10s"})).code == 5);
    CHECK(running_with("1003").empty());
    CHECK(take_strangers().empty());
}

REEVE_ROW_TEST_CASE("reeve run keeps standard error of all that it was started with",
                    "the init's descriptors", "the init's directory") {
    CommandOptions options{.directory = "/usr"};
    options.in_child = [] { ::dup2(2, 9); };
    Command command{with_run({"sleep", "1000"}), options};
    const pid_t main = child_of(command.pid());
    wait_until("it has let go of them", [&] { return has_let_go(command.pid()); });
    wait_until("it sleeps", [&] { return name_of(main) == "sleep"; });
    CHECK(target_of(main, "fd/9") == target_of(main, "fd/2"));
    CHECK(target_of(command.pid(), "fd/9") == "");
    CHECK(target_of(command.pid(), "fd/0") == "/dev/null");
    CHECK(target_of(command.pid(), "fd/1") == "/dev/null");
    CHECK(target_of(command.pid(), "fd/2") == target_of(main, "fd/2"));
    CHECK(target_of(command.pid(), "cwd") == "/");
    CHECK(target_of(main, "cwd") == "/usr");
    command.signal(SIGTERM);
    CHECK(command.finish().code == 143);
}

REEVE_ROW_TEST_CASE("reeve run in the background leaves the terminal to the shell",
                    "started with & by a shell") {
    Typist typist;
    typist.types(std::string{REEVE_PROGRAM} + " run sh -c 'echo star\"\"ted; exec sleep 1000' &\n",
                 "started\r\n");
    typist.types("echo the shell re\"\"ads\n", "the shell reads\r\n");
    typist.types("kill %1; wait %1\n", "143 $ ");
}
