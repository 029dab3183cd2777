#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/api/http.h"
#include "ctl/api/messages.h"
#include "ctl/api/sse.h"
#include "supervisor/base/fd.h"

// The real reeve and the real reevectl, for tests/system.  Whatever a test waits for has a deadline
// and fails the test by name when it passes; nothing sleeps and hopes.
namespace reeve::test {

using Clock = std::chrono::steady_clock;

// Programs under a sanitizer are several times slower.
inline bool sanitized() {
    return !std::string_view{REEVE_SANITIZE}.empty();
}

// The longest that anything takes which does not hang, on a busy machine.
std::chrono::milliseconds patience();

bool am_root();
// In the places where Debian puts programs.
bool is_installed(std::string_view program);

// A directory that everybody may enter, and that goes with all that is in it.
class Directory {
public:
    explicit Directory(const std::string& parent = "/tmp");
    ~Directory();
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string{name}; }

    // A file in it; gives its path.
    std::string write(std::string_view name, std::string_view text, mode_t mode = 0644) const;
    // Empty when it is not there.
    std::string read(std::string_view name) const;
    // For programs that are not ours.
    void open_to_all() const;
    // A copy that others may execute too, whoever may enter the place where it was built.
    std::string copy_of(std::string_view program) const;

private:
    std::string path_;
};

std::string read_file(const std::string& path);
bool contains(std::string_view text, std::string_view part);

// Looks again and again until `condition` holds; fails the test, saying `what`, when it never does.
void wait_until(std::string_view what, const std::function<bool()>& condition);

// A TCP port of 127.0.0.1 that nobody listens at.
int free_port();
// What the server says until it closes; empty when nobody listens.
std::string ask_tcp(int port, std::string_view request);
bool listens(int port);

struct Result {
    int code = 0;  // 128 + N when signal N ended it
    std::string out;
    std::string err;
};

struct CommandOptions {
    // Set in, or with nullopt taken out of, the test's own environment.
    std::vector<std::pair<std::string, std::optional<std::string>>> environment{};
    std::string directory{};
    // Descriptors in the place of the files that collect what it writes; -1: none.
    int out = -1;
    int err = -1;
    std::function<void()> in_child{};  // before the exec; system calls only
};

// A process of the test's, ended with it.
class Command {
public:
    explicit Command(std::vector<std::string> words, const CommandOptions& options = {});
    ~Command();
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

    pid_t pid() const { return pid_; }
    void signal(int number) const;
    // What it wrote up to now.
    std::string out() const;
    std::string err() const;
    void wait_for_output(std::string_view text) const;
    // Its exit code if it ends by then.
    std::optional<int> ends_within(std::chrono::milliseconds time);
    // Fails the test if it does not end.
    Result finish();

private:
    std::string title_;
    pid_t pid_ = 0;
    base::Fd pidfd_;
    base::Fd out_;
    base::Fd err_;
    std::optional<int> code_;
};

Result run(std::vector<std::string> words, const CommandOptions& options = {});

// Words that run a command in a mount namespace of its own, where a few of the machine's places are
// directories of the test's: /run, /etc/cron.d and /var/spool/cron/crontabs; and no /etc/crontab.
// Empty: that can't be had here.
std::vector<std::string> with_places_of_its_own(const Directory& directory);

// Words that run a command in a mount namespace of its own, once the script (of sh -e) has made it
// what it should be. Empty: that can't be had here.
std::vector<std::string> in_mount_namespace(const std::string& script);

// Children of this process that it did not start: what a reeve left behind comes home to us.
std::vector<std::string> take_strangers();
// A child that came home to us is no stranger from now on.
void take_in(pid_t pid);
// Takes those that are dead but the test's own commands.
void reap_strangers();

struct ReeveOptions {
    std::vector<std::string> before{};  // words that run reeve: "setpriv", "--reuid", "65534"
    std::string program = REEVE_PROGRAM;
    std::string name = "reeve";  // of its socket and its file, when there are several
    CommandOptions command{};
};

struct Answer {
    int status = 0;
    std::string body;
    std::vector<api::Header> headers{};
};

struct Question {
    std::string method = "GET";
    std::string target;
    std::vector<api::Header> headers{};
    std::string body{};
    // Of a stream without an end: whether this much of it will do.
    std::function<bool(const std::string& body)> enough{};
};

// A reeve that supervises what a text says, with a socket in `directory`.  At its end it must
// leave nothing behind.
class Reeve {
public:
    Reeve(const Directory& directory, const std::string& toml, ReeveOptions options = {});
    ~Reeve();
    Reeve(const Reeve&) = delete;
    Reeve& operator=(const Reeve&) = delete;

    pid_t pid() const { return pid_; }
    const std::string& socket() const { return socket_; }
    std::string out() const { return command_.out(); }
    std::string err() const { return command_.err(); }
    // In its log.
    void wait_until_said(std::string_view text) const;

    Answer get(std::string_view target) const;
    Answer post(std::string_view target, std::string_view body = {}) const;
    // Status 0: there was none, or it was cut off.
    Answer ask(const Question& question) const;
    api::Status status() const;
    api::ProgramStatus program(std::string_view name) const;
    api::Tree tree() const;

    // The next event of that program (empty: of reeve itself) after the last one that was waited
    // for; `part` is in its data: R"("to":"running")".
    api::Event wait_for(std::string_view program, std::string_view event,
                        std::string_view part = {});
    api::Event wait_for_state(std::string_view program, std::string_view state);
    // All that came up to now.
    const std::vector<api::Event>& events();

    // reevectl with the words, to its end.
    Result ctl(std::vector<std::string> words) const;
    // The same, still running.
    std::unique_ptr<Command> start_ctl(std::vector<std::string> words) const;

    void signal(int number) const;
    // Its exit code, when it ends by itself.
    int wait_for_end();
    bool runs() { return !command_.ends_within(std::chrono::milliseconds{0}); }
    // SIGTERM, and its exit code.
    int stop();
    // SIGKILL: what it leaves behind comes home to us, and is the test's to look at.
    void kill();
    // The cgroup that those of its runs are in; empty: it has none.
    std::string cgroup() const;

private:
    struct Cursor {
        std::string program;
        std::size_t next = 0;
    };

    void subscribe();
    // False when the stream has ended or nothing came in time.
    bool pump(std::chrono::milliseconds time);
    std::string history() const;
    void check_nothing_is_left();

    std::string socket_;
    Command command_;
    pid_t pid_ = 0;
    base::Fd stream_;
    std::vector<api::Event> events_;
    api::SseReader sse_;
    api::ResponseParser response_;
    std::vector<Cursor> cursors_;
    std::string cgroup_;
    bool killed_ = false;
};

// A number or a text of an event's data.
std::int64_t number_of(const api::Event& event, std::string_view field);
std::string text_of(const api::Event& event, std::string_view field);

// The processes of a program, flat.
std::vector<api::Process> processes_of(const api::Tree& tree, std::string_view program);

// The tree may be a moment older than the answer to `stop` (a second at most).
void wait_until_tree_is_empty(const Reeve& reeve, std::string_view program);

bool exists(pid_t pid);

// The name in /proc/PID/stat; empty when there is no such process.
std::string name_of(pid_t pid);

// All descendants of the test's that live and have that word in their command line, whatever PID
// namespace they are in.
std::vector<pid_t> running_with(std::string_view word);

// Held to one way of knowing whose a process is: "cgroup" or "tag".
ReeveOptions tracked_by(std::string_view tracking, ReeveOptions options = {});

// Whether a reeve of the test's can have cgroups here.
bool cgroups_are_here();

// One body, and a test case for each way of tracking, whose name is in `tracking`.
#define REEVE_TRACKED_TEST_CASE(sentence) REEVE_TRACKED_AT(sentence, __LINE__)
#define REEVE_TRACKED_AT(sentence, line) REEVE_TRACKED_LINE(sentence, line)
#define REEVE_TRACKED_LINE(sentence, line) REEVE_TRACKED_NAMED(sentence, tracked_body_##line)
#define REEVE_TRACKED_NAMED(sentence, body)                                                     \
    static void body(const std::string& tracking);                                              \
    TEST_CASE(sentence ", by cgroup") {                                                         \
        if (!reeve::test::cgroups_are_here()) REEVE_SKIP("no writable cgroup v2 is to be had"); \
        body("cgroup");                                                                         \
    }                                                                                           \
    TEST_CASE(sentence ", by tag") {                                                            \
        body("tag");                                                                            \
    }                                                                                           \
    static void body(const std::string& tracking)

}  // namespace reeve::test
