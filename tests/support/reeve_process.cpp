#include "tests/support/reeve_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "supervisor/os/procfs.h"
#include "tests/support/catch.h"

namespace reeve::test {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{5};  // between two looks at what cannot be waited for

std::set<pid_t>& own_children() {
    static std::set<pid_t> pids;
    return pids;
}

int milliseconds_until(Clock::time_point deadline) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::max<milliseconds::rep>(left, 0));
}

bool readable(int fd, milliseconds time) {
    pollfd watched{fd, POLLIN, 0};
    int result;
    do {
        result = ::poll(&watched, 1, static_cast<int>(time.count()));
    } while (result < 0 && errno == EINTR);
    return result > 0;
}

// A file without a name, for what a command writes: never full, never waited for.
base::Fd make_sink(const char* name) {
    return base::Fd{::memfd_create(name, MFD_CLOEXEC)};
}

std::string whole(const base::Fd& sink) {
    std::string text;
    char buffer[64 * 1024];
    ssize_t got;
    while ((got = ::pread(sink.get(), buffer, sizeof buffer, static_cast<off_t>(text.size()))) >
           0) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

base::Fd connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return {};
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    base::Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return {};
    }
    return fd;
}

void send_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

Answer ask(const std::string& socket, const Question& question) {
    const base::Fd fd = connect_to(socket);
    if (!fd) return {};
    send_all(fd.get(),
             api::write_request(question.method, question.target, question.headers, question.body));
    Answer answer;
    api::ResponseParser parser{[&](std::string_view bytes) { answer.body += bytes; }};
    const auto deadline = Clock::now() + patience();
    char buffer[16 * 1024];
    while (parser.phase() != api::ResponseParser::Phase::complete) {
        if (!readable(fd.get(), milliseconds{milliseconds_until(deadline)})) {
            FAIL("no answer to " << question.method << " " << question.target
                                 << " in time; up to now: " << answer.body);
        }
        const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (got <= 0) {
            parser.finish();
            break;
        }
        parser.feed(std::string_view{buffer, static_cast<std::size_t>(got)});
        if (parser.phase() == api::ResponseParser::Phase::failed) break;
        if (parser.phase() == api::ResponseParser::Phase::body && question.enough &&
            question.enough(answer.body)) {
            break;
        }
    }
    const bool is_enough = parser.phase() == api::ResponseParser::Phase::body && question.enough &&
                           question.enough(answer.body);
    if (parser.phase() != api::ResponseParser::Phase::complete && !is_enough) return {};
    answer.status = parser.response().status;
    answer.headers = parser.response().headers;
    return answer;
}

std::string with_socket(std::string toml, const std::string& path) {
    constexpr std::string_view kTable = "[control]\n";
    const std::string line = "socket = \"" + path + "\"\n";
    const std::size_t table = toml.find(kTable);
    if (table == std::string::npos) return toml + "\n" + std::string{kTable} + line;
    return toml.insert(table + kTable.size(), line);
}

std::vector<std::string> words_of_reeve(const Directory& directory, const std::string& toml,
                                        const ReeveOptions& options) {
    const auto file = directory.write(
        options.name + ".toml", with_socket(toml, directory.path() + "/" + options.name + ".sock"));
    std::vector<std::string> words = options.before;
    words.insert(words.end(), {options.program, "--config", file});
    return words;
}

CommandOptions in_directory(CommandOptions options, const Directory& directory) {
    if (options.directory.empty()) options.directory = directory.path();
    return options;
}

}  // namespace

milliseconds patience() {
    return sanitized() ? std::chrono::seconds{60} : std::chrono::seconds{30};
}

bool am_root() {
    return ::geteuid() == 0;
}

bool is_installed(std::string_view program) {
    for (const char* place : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
        if (::access((place + std::string{program}).c_str(), X_OK) == 0) return true;
    }
    return false;
}

Directory::Directory(const std::string& parent) : path_{parent + "/reeve-test-XXXXXX"} {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
    ::chmod(path_.c_str(), 0755);
}

Directory::~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string Directory::write(std::string_view name, std::string_view text, mode_t mode) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path{path}.parent_path());
    std::ofstream{path} << text;
    ::chmod(path.c_str(), mode);
    return path;
}

std::string Directory::read(std::string_view name) const {
    return read_file(*this / name);
}

void Directory::open_to_all() const {
    ::chmod(path_.c_str(), 0777);
}

std::string Directory::copy_of(std::string_view program) const {
    const std::filesystem::path from{program};
    const std::string to = *this / from.filename().string();
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::skip_existing);
    ::chmod(to.c_str(), 0755);
    return to;
}

std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

void wait_until(std::string_view what, const std::function<bool()>& condition) {
    const auto deadline = Clock::now() + patience();
    while (!condition()) {
        if (Clock::now() >= deadline) FAIL("waited in vain: " << what);
        std::this_thread::sleep_for(kLook);
    }
}

int free_port() {
    const base::Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

std::string ask_tcp(int port, std::string_view request) {
    const base::Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
    send_all(fd.get(), request);
    std::string text;
    char buffer[4096];
    const auto deadline = Clock::now() + patience();
    while (readable(fd.get(), milliseconds{milliseconds_until(deadline)})) {
        const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (got <= 0) break;
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

bool listens(int port) {
    const base::Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Command::Command(std::vector<std::string> words, const CommandOptions& options) {
    // Whatever a reeve leaves behind shall come to us, to be seen.
    static const int subreaper = ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    REQUIRE(subreaper == 0);

    std::vector<std::string> environment;
    const auto is_set_anew = [&](std::string_view name) {
        for (const auto& [other, value] : options.environment) {
            if (other == name) return true;
        }
        return name == "REEVE_SOCKET" || name == "REEVE_CONFIG" || name == "NO_COLOR";
    };
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text{*entry};
        if (!is_set_anew(text.substr(0, text.find('=')))) environment.emplace_back(text);
    }
    for (const auto& [name, value] : options.environment) {
        if (value) environment.push_back(name + "=" + *value);
    }

    for (const auto& word : words) title_ += (title_.empty() ? "" : " ") + word;
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (auto& entry : environment) envp.push_back(entry.data());
    envp.push_back(nullptr);

    out_ = make_sink("stdout");
    err_ = make_sink("stderr");
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (::getppid() != parent) ::_exit(125);
        const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        ::dup2(null, 0);
        ::dup2(options.out >= 0 ? options.out : out_.get(), 1);
        ::dup2(options.err >= 0 ? options.err : err_.get(), 2);
        if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) ::_exit(125);
        if (options.in_child) options.in_child();
        ::execvpe(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    own_children().insert(pid_);
    pidfd_ = base::Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
    REQUIRE(pidfd_);
}

Command::~Command() {
    if (code_) return;
    ::kill(pid_, SIGKILL);
    (void)ends_within(patience());
}

void Command::signal(int number) const {
    if (!code_) ::kill(pid_, number);
}

std::string Command::out() const {
    return whole(out_);
}

std::string Command::err() const {
    return whole(err_);
}

void Command::wait_for_output(std::string_view text) const {
    wait_until("\"" + std::string{text} + "\" from " + title_,
               [&] { return contains(out(), text); });
}

std::optional<int> Command::ends_within(milliseconds time) {
    if (code_) return code_;
    if (!readable(pidfd_.get(), time)) return std::nullopt;
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_) return std::nullopt;
    own_children().erase(pid_);
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return code_;
}

Result Command::finish() {
    const auto code = ends_within(patience());
    if (!code) FAIL(title_ << " does not end; it said: " << out() << err());
    return {*code, out(), err()};
}

Result run(std::vector<std::string> words, const CommandOptions& options) {
    return Command{std::move(words), options}.finish();
}

std::vector<std::string> with_places_of_its_own(const Directory& directory) {
    if (!am_root()) return {};
    directory.write("places/crontab", "");
    for (const char* place : {"run/sshd", "cron.d", "crontabs"}) {
        std::filesystem::create_directories(directory / "places/" + place);
    }
    const std::string places = directory / "places";
    return in_mount_namespace(
        "instead() { if [ -e $2 ]; then mount --bind \"$1\" $2; fi; }\n"
        "instead '" +
        places + "/run' /run\ninstead '" + places + "/cron.d' /etc/cron.d\ninstead '" + places +
        "/crontabs' /var/spool/cron/crontabs\ninstead '" + places + "/crontab' /etc/crontab");
}

std::vector<std::string> in_mount_namespace(const std::string& script) {
    if (!am_root()) return {};
    std::vector<std::string> words{"unshare", "--mount", "--propagation",          "private",
                                   "sh",      "-ec",     script + "\nexec \"$@\"", "sh"};
    auto probe = words;
    probe.emplace_back("true");
    return run(probe).code == 0 ? words : std::vector<std::string>{};
}

std::vector<std::string> take_strangers() {
    std::vector<std::string> found;
    std::vector<pid_t> children;
    (void)os::append_children(::getpid(), children);
    for (const pid_t child : children) {
        if (own_children().contains(child)) continue;
        found.push_back(std::to_string(child) + " " + os::read_command_line(child));
        for (const auto& below : os::descendants(child)) ::kill(below.pid, SIGKILL);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    return found;
}

void take_in(pid_t pid) {
    own_children().insert(pid);
}

void reap_strangers() {
    std::vector<pid_t> children;
    (void)os::append_children(::getpid(), children);
    for (const pid_t child : children) {
        if (!own_children().contains(child)) ::waitpid(child, nullptr, WNOHANG);
    }
}

Reeve::Reeve(const Directory& directory, const std::string& toml, ReeveOptions options)
    : socket_{directory / (options.name + ".sock")},
      command_{words_of_reeve(directory, toml, options), in_directory(options.command, directory)},
      sse_{[this](std::string_view data) {
          auto event = api::from_json<api::Event>(data);
          if (event) events_.push_back(*std::move(event));
      }},
      response_{[this](std::string_view bytes) { sse_.feed(bytes); }} {
    subscribe();
    cgroup_ = cgroup();
}

Reeve::~Reeve() {
    if (!command_.ends_within(milliseconds{0})) {
        signal(SIGTERM);
        if (!command_.ends_within(patience())) {
            FAIL_CHECK("reeve does not end. " << history());
            ::kill(pid_, SIGKILL);
            (void)command_.ends_within(patience());
            (void)take_strangers();
            return;
        }
    }
    check_nothing_is_left();
}

void Reeve::check_nothing_is_left() {
    if (killed_) return;
    const auto left = take_strangers();
    for (const auto& stranger : left) FAIL_CHECK("reeve left this behind: " << stranger);
    struct stat file {};
    if (::lstat(socket_.c_str(), &file) == 0) FAIL_CHECK("reeve left its socket behind");
    if (::lstat((socket_ + ".state").c_str(), &file) == 0) {
        FAIL_CHECK("reeve left its state file behind");
    }
    if (!cgroup_.empty() && ::lstat(cgroup_.c_str(), &file) == 0) {
        FAIL_CHECK("reeve left its cgroup behind: " << cgroup_);
    }
}

void Reeve::subscribe() {
    wait_until("reeve listens", [&] {
        stream_ = connect_to(socket_);
        if (!stream_ && command_.ends_within(milliseconds{0})) {
            FAIL("reeve ended at once: " << command_.out() << command_.err());
        }
        return static_cast<bool>(stream_);
    });
    ucred peer{};
    socklen_t size = sizeof peer;
    REQUIRE(::getsockopt(stream_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0);
    pid_ = peer.pid;
    send_all(stream_.get(), api::write_request("GET", "/v1/events?since=0", {}, {}));
}

bool Reeve::pump(milliseconds time) {
    if (!stream_ || !readable(stream_.get(), time)) return false;
    char buffer[16 * 1024];
    const ssize_t got = ::recv(stream_.get(), buffer, sizeof buffer, 0);
    if (got <= 0) {
        stream_.reset();
        return false;
    }
    response_.feed(std::string_view{buffer, static_cast<std::size_t>(got)});
    return true;
}

std::string Reeve::history() const {
    std::string text = "What happened:\n";
    for (const auto& event : events_) {
        text += event.event + " " + event.program.value_or("-") + " " + event.data + "\n";
    }
    const std::string log = command_.out() + command_.err();
    constexpr std::size_t kShown = 4000;
    // A sanitizer's report tells most in its beginning.
    for (const std::string_view report : {"WARNING: ThreadSanitizer", "ERROR: AddressSanitizer",
                                          "ERROR: LeakSanitizer", "runtime error: "}) {
        if (const auto at = log.find(report); at != std::string::npos)
            return text + "and in its output is:\n" + log.substr(at, 2 * kShown);
    }
    return text + "and its output ends with:\n" +
           log.substr(log.size() > kShown ? log.size() - kShown : 0);
}

void Reeve::wait_until_said(std::string_view text) const {
    const auto deadline = Clock::now() + patience();
    while (!contains(err(), text) && !contains(out(), text)) {
        if (Clock::now() >= deadline) FAIL("never said: " << text << "\n" << history());
        std::this_thread::sleep_for(kLook);
    }
}

Answer Reeve::get(std::string_view target) const {
    return ask({.target = std::string{target}});
}

Answer Reeve::post(std::string_view target, std::string_view body) const {
    return ask({.method = "POST", .target = std::string{target}, .body = std::string{body}});
}

Answer Reeve::ask(const Question& question) const {
    return test::ask(socket_, question);
}

api::Status Reeve::status() const {
    const auto answer = get("/v1/status");
    const auto status = api::from_json<api::Status>(answer.body);
    if (!status) FAIL("/v1/status: " << status.error().text << ": " << answer.body);
    return *status;
}

api::ProgramStatus Reeve::program(std::string_view name) const {
    for (const auto& program : status().programs) {
        if (program.name == name) return program;
    }
    FAIL("no program " << name);
    return {};
}

api::Tree Reeve::tree() const {
    const auto answer = get("/v1/tree");
    const auto tree = api::from_json<api::Tree>(answer.body);
    if (!tree) FAIL("/v1/tree: " << tree.error().text << ": " << answer.body);
    return *tree;
}

api::Event Reeve::wait_for(std::string_view program, std::string_view event,
                           std::string_view part) {
    Cursor* cursor = nullptr;
    for (auto& known : cursors_) {
        if (known.program == program) cursor = &known;
    }
    if (cursor == nullptr) cursor = &cursors_.emplace_back(Cursor{std::string{program}, 0});

    const auto deadline = Clock::now() + patience();
    for (;;) {
        for (; cursor->next < events_.size(); ++cursor->next) {
            const auto& candidate = events_[cursor->next];
            if (candidate.program.value_or("") == program && candidate.event == event &&
                contains(candidate.data, part)) {
                return events_[cursor->next++];
            }
        }
        if (!pump(milliseconds{milliseconds_until(deadline)}) &&
            (!stream_ || Clock::now() >= deadline)) {
            FAIL("no " << event << " of " << program << " with " << part << ". " << history());
        }
    }
}

api::Event Reeve::wait_for_state(std::string_view program, std::string_view state) {
    return wait_for(program, "program.state", "\"to\":\"" + std::string{state} + "\"");
}

const std::vector<api::Event>& Reeve::events() {
    while (pump(milliseconds{0})) {
    }
    return events_;
}

std::unique_ptr<Command> Reeve::start_ctl(std::vector<std::string> words) const {
    words.insert(words.begin(), {REEVECTL_PROGRAM, "--socket", socket_});
    return std::make_unique<Command>(std::move(words));
}

Result Reeve::ctl(std::vector<std::string> words) const {
    return start_ctl(std::move(words))->finish();
}

void Reeve::signal(int number) const {
    ::kill(pid_ != 0 ? pid_ : command_.pid(), number);
}

int Reeve::wait_for_end() {
    const auto code = command_.ends_within(patience());
    if (!code) FAIL("reeve does not end. " << history());
    while (pump(milliseconds{0})) {
    }
    return *code;
}

int Reeve::stop() {
    signal(SIGTERM);
    const int code = wait_for_end();
    // Shown when the next assertion, mostly about the code, fails: a sanitizer's report is in it.
    if (code != 0) UNSCOPED_INFO(history());
    return code;
}

void Reeve::kill() {
    killed_ = true;
    signal(SIGKILL);
    (void)wait_for_end();
}

std::string Reeve::cgroup() const {
    const auto doctor = api::from_json<api::Doctor>(get("/v1/doctor").body);
    if (!doctor) return {};
    constexpr std::string_view kBefore = ", below ";
    for (const auto& finding : doctor->findings) {
        const auto at = finding.detail.find(kBefore);
        if (finding.subject == "tracking" && at != std::string::npos) {
            return finding.detail.substr(at + kBefore.size());
        }
    }
    return {};
}

std::int64_t number_of(const api::Event& event, std::string_view field) {
    const std::string key = "\"" + std::string{field} + "\":";
    const auto at = event.data.find(key);
    REQUIRE(at != std::string::npos);
    return std::strtoll(event.data.c_str() + at + key.size(), nullptr, 10);
}

std::string text_of(const api::Event& event, std::string_view field) {
    const std::string key = "\"" + std::string{field} + "\":\"";
    const auto at = event.data.find(key);
    REQUIRE(at != std::string::npos);
    const auto begin = at + key.size();
    return event.data.substr(begin, event.data.find('"', begin) - begin);
}

namespace {

void flatten(const std::vector<api::Process>& processes, std::vector<api::Process>& flat) {
    for (const auto& process : processes) {
        flat.push_back(process);
        flatten(process.children, flat);
    }
}

}  // namespace

std::vector<api::Process> processes_of(const api::Tree& tree, std::string_view program) {
    std::vector<api::Process> flat;
    for (const auto& entry : tree.programs) {
        if (entry.name == program) flatten(entry.processes, flat);
    }
    return flat;
}

void wait_until_tree_is_empty(const Reeve& reeve, std::string_view program) {
    wait_until("the tree of " + std::string{program} + " is empty",
               [&] { return processes_of(reeve.tree(), program).empty(); });
}

bool exists(pid_t pid) {
    return ::kill(pid, 0) == 0 || errno == EPERM;
}

std::string name_of(pid_t pid) {
    const auto stat = os::read_stat(pid);
    return stat ? std::string{stat->comm()} : std::string{};
}

std::vector<pid_t> running_with(std::string_view word) {
    std::vector<pid_t> found;
    for (const auto& process : os::descendants(::getpid())) {
        const auto stat = os::read_stat(process.pid);
        if (!stat || stat->state == 'Z') continue;
        if (contains(os::read_command_line(process.pid), word)) found.push_back(process.pid);
    }
    return found;
}

ReeveOptions tracked_by(std::string_view tracking, ReeveOptions options) {
    options.command.environment.emplace_back("REEVE_TRACKING", std::string{tracking});
    return options;
}

bool cgroups_are_here() {
    static const bool here = [] {
        const Directory directory;
        return !Reeve{directory, {}}.cgroup().empty();
    }();
    return here;
}

}  // namespace reeve::test
