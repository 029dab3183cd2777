#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ctl/api/http.h"
#include "ctl/api/messages.h"
#include "supervisor/control/server.h"
#include "supervisor/os/unix_socket.h"
#include "tests/support/catch.h"

// A supervisor without processes behind the real control server: the roster is real, the machine
// below it, /proc and the log thread are played by the test.
namespace reeve::test {

using namespace std::chrono_literals;

// Does what it is told to the roster, between two turns of the loop and never inside an order.
class FakeHost final : public core::Host {
public:
    model::TimePoint now() const override { return now_; }
    model::WallTime wall_now() const override {
        return model::WallTime{1'795'342'620'000ms} + (now_ - model::TimePoint{});
    }
    std::uint32_t random() override { return 1; }
    void wake_at(std::optional<model::TimePoint> when) override { wake_ = when; }
    void spawn(const core::SpawnOrder& order) override { runs_[order.slot] = order.id; }
    bool signal(core::RunId run, int signal, conf::StopScope scope) override {
        signals.push_back({run, signal, scope});
        return may_signal;
    }
    bool may_signal = true;
    void kill_tree(core::RunId run) override { emptied_.push_back(run); }
    void check_tree(core::RunId run) override { emptied_.push_back(run); }
    void find_main(core::RunId) override {}
    void await_ready(core::RunId) override {}
    void probe_health(core::RunId) override {}
    void end_watch(core::RunId) override {}
    void run_command(const core::CommandOrder&) override {}
    void kill_command(core::CommandId) override {}
    void forget(core::RunId) override {}
    void redefine(const core::Redefinition&) override {}
    void retire(std::uint32_t) override {}
    void end_rest(bool) override { rest_asked = true; }

    void advance(std::chrono::milliseconds time) { now_ += time; }
    core::RunId run_of(std::uint32_t slot) const { return runs_.at(slot); }

    void deliver(core::Roster& roster) {
        for (const core::RunId run : std::exchange(emptied_, {})) roster.on_emptied(run);
        if (wake_ && *wake_ <= now_) {
            wake_.reset();
            roster.on_wake();
        }
    }

    struct Sent {
        core::RunId run;
        int signal;
        conf::StopScope scope;
    };
    std::vector<Sent> signals;
    bool rest_asked = false;

private:
    model::TimePoint now_{100s};
    std::optional<model::TimePoint> wake_;
    std::map<std::uint32_t, core::RunId> runs_;
    std::vector<core::RunId> emptied_;
};

class FakeProcesses final : public control::ProcessSource {
public:
    void sample(std::function<void(const control::Sample&)> done) override {
        ++asked;
        if (later) {
            waiting.push_back(std::move(done));
        } else {
            done(latest);
        }
    }
    void last_seen(std::function<void(const control::Sample&)> done) override { done(latest); }
    control::SupervisorFacts facts() override { return known; }
    std::vector<control::Finding> examine() override { return found; }
    std::string user_name(uid_t uid) override { return uid == 0 ? "root" : std::to_string(uid); }

    void answer() {
        for (auto& done : std::exchange(waiting, {})) done(latest);
    }

    control::Sample latest;
    control::SupervisorFacts known;
    int asked = 0;
    std::vector<control::Finding> found;
    bool later = false;
    std::vector<std::function<void(const control::Sample&)>> waiting;
};

class FakeLogs final : public control::LogSource {
public:
    using Lines = std::vector<log::Line>;

    void query(log::Query query, std::function<void(Lines)> answer) override {
        queries.push_back(query);
        answers.push_back(std::move(answer));
    }
    void dropped_of(std::vector<log::RunKey> runs,
                    std::function<void(std::vector<std::uint64_t>)> answer) override {
        std::vector<std::uint64_t> counts;
        for (const log::RunKey& run : runs) counts.push_back(dropped[{run.instance, run.run}]);
        answer(counts);
    }
    std::unique_ptr<Follower> follow(log::Query query,
                                     std::function<void(Lines)> on_lines) override {
        queries.push_back(query);
        give = std::move(on_lines);
        ++followers;
        return std::make_unique<FakeFollower>(*this);
    }

    std::unique_ptr<Follower> look(log::LookRequest request, std::function<void(log::Look)> answer,
                                   std::function<void(Lines)> on_lines) override {
        auto with_forgotten = [this, answer = std::move(answer)](log::Look look) {
            look.forgotten = forgotten;
            answer(std::move(look));
        };
        return LogSource::look(std::move(request), std::move(with_forgotten), std::move(on_lines));
    }

    std::unique_ptr<Terminal> attach(log::InstanceId instance, os::WindowSize size,
                                     std::size_t count, log::TerminalListener listener) override {
        if (no_terminal) return nullptr;
        seat = Seat{.instance = instance, .sizes = {size}, .lines = count};
        listening = std::move(listener);
        ++attached;
        return std::make_unique<FakeTerminal>(*this);
    }

    void answer_all() {
        for (auto& answer : std::exchange(answers, {})) answer(lines);
    }

    Lines lines;
    std::map<std::pair<log::InstanceId, std::uint32_t>, std::uint64_t> dropped;
    std::vector<log::StreamKey> forgotten;
    std::vector<log::Query> queries;
    std::vector<std::function<void(Lines)>> answers;
    std::function<void(Lines)> give;
    std::size_t taken = 0;
    int followers = 0;

    struct Seat {
        log::InstanceId instance = 0;
        std::vector<os::WindowSize> sizes{};
        std::size_t lines = 0;
        std::string typed{};
        std::size_t taken = 0;
    };
    Seat seat;
    log::TerminalListener listening;
    int attached = 0;
    bool no_terminal = false;

private:
    class FakeTerminal final : public Terminal {
    public:
        explicit FakeTerminal(FakeLogs& logs) : logs_{logs} {}
        ~FakeTerminal() override { --logs_.attached; }
        void type(std::string bytes) override { logs_.seat.typed += bytes; }
        void resize(os::WindowSize size) override { logs_.seat.sizes.push_back(size); }
        void took(std::size_t bytes) override { logs_.seat.taken += bytes; }
        void flush(std::function<void()> done) override { done(); }

    private:
        FakeLogs& logs_;
    };

    class FakeFollower final : public Follower {
    public:
        explicit FakeFollower(FakeLogs& logs) : logs_{logs} {}
        ~FakeFollower() override { --logs_.followers; }
        void took(std::size_t count) override { logs_.taken += count; }

    private:
        FakeLogs& logs_;
    };
};

inline conf::Program service(std::string name, int instances = 1) {
    conf::Program program;
    program.name = std::move(name);
    program.instances = instances;
    program.commands.assign(static_cast<std::size_t>(instances), {"/bin/true"});
    program.directories.assign(static_cast<std::size_t>(instances), {});
    program.environments.resize(static_cast<std::size_t>(instances));
    program.stop_steps = {{SIGTERM, 10s}};
    return program;
}

inline conf::Program task(std::string name) {
    conf::Program program = service(std::move(name));
    program.type = conf::ProgramType::task;
    program.restart = conf::RestartPolicy::never;
    return program;
}

class World;

// The configuration is what the test says, and is there at once, a turn of the loop later.
class FakeConfigs final : public control::ConfigSource {
public:
    std::vector<std::string> files() const override { return config.files; }
    void changed(std::function<void(bool)> done) override { done(is_changed); }
    LastApply last_apply() const override { return applied; }
    void diff(Done done) override { answer(true, {}, std::move(done)); }
    void apply(const core::Actor& actor, Done done) override {
        answer(false, actor, std::move(done));
    }
    void scale(std::string program, int instances, const core::Actor& actor, Done done) override;
    // A service, or with type = "task" one of those.
    void run(NewProgram program, const core::Actor& actor, Done done) override {
        const auto* const type = program.table.find("type");
        const bool is_task = type && type->value.text == "task";
        const std::string name = program.name.value_or("unnamed");
        config.programs.push_back(is_task ? task(name) : service(name));
        config.programs.back().transient = true;
        ran = std::move(program);
        answer(false, actor, std::move(done));
    }
    void remove(std::string program, const core::Actor& actor, Done done) override {
        std::erase_if(config.programs,
                      [&](const conf::Program& one) { return one.name == program; });
        answer(false, actor, std::move(done));
    }

    conf::Config config;  // on the disk
    LastApply applied;
    NewProgram ran;  // the last
    bool is_changed = false;
    bool hangs = false;  // the disk
    std::optional<control::Refusal> refusal;
    World* world = nullptr;

private:
    void answer(bool only_look, const core::Actor& actor, Done done);
};

class World {
public:
    explicit World(std::vector<conf::Program> programs, control::Limits limits = {},
                   std::vector<conf::Group> groups = {})
        : World{std::move(programs), limits, std::move(groups), getuid()} {}

    World(std::vector<conf::Program> programs, control::Limits limits,
          std::vector<conf::Group> groups, uid_t own_uid)
        : loop{std::move(*loop::Loop::open())} {
        conf::Config config;
        config.files = {"/etc/reeve/reeve.toml"};
        config.programs = std::move(programs);
        config.groups = std::move(groups);
        configs.config = config;
        configs.world = this;
        roster = std::make_unique<core::Roster>(
            host, events, config, core::Roster::Settings{.exit_on = {}, .stop_timeout = 25s});
        server = std::make_unique<control::Server>(
            control::World{*loop, *roster, host, processes, logs, configs, own_uid, access, remote},
            [this](const std::string& text) { troubles.push_back(text); }, limits);

        char pattern[] = "/tmp/reeve-control-XXXXXX";
        directory = ::mkdtemp(pattern);
        ::chmod(directory.c_str(), 0755);
        auto listening =
            os::listen_at({.path = directory + "/s", .mode = 0666, .group = std::nullopt});
        REQUIRE(listening);
        REQUIRE(server->start(std::move(listening->fd)));
    }
    ~World() {
        server.reset();
        std::filesystem::remove_all(directory);
    }

    // Lets everything happen that can until `done`; false if it doesn't within ten seconds.
    template <typename Condition>
    bool until(Condition done) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        for (int turns = 0; !done(); ++turns) {
            loop->turn();
            host.deliver(*roster);
            if (std::chrono::steady_clock::now() > end) return done();
            // What is still missing then is time.
            if (turns > 20) ::usleep(200);
        }
        return true;
    }

    void settle() {
        for (int turn = 0; turn < 5; ++turn) {
            loop->turn();
            host.deliver(*roster);
        }
    }

    core::Instance& instance(std::string_view name) {
        for (const auto& instance : roster->instances()) {
            if (instance->name() == name) return *instance;
        }
        FAIL("no instance " << name);
        std::abort();
    }

    // The spawn that was ordered succeeds.
    void executes(std::string_view name, pid_t pid) {
        const core::RunId run = host.run_of(instance(name).slot());
        roster->on_spawned(run, pid);
        roster->on_executed(run);
    }

    void becomes_ready(std::string_view name, pid_t pid) {
        executes(name, pid);
        host.advance(1s);
        host.deliver(*roster);
    }

    void exits(std::string_view name, base::ExitStatus status) {
        roster->on_main_exited(host.run_of(instance(name).slot()), status, {});
        host.deliver(*roster);
    }

    control::AccessList access;
    control::RemoteAccess remote;
    std::unique_ptr<loop::Loop> loop;
    FakeHost host;
    core::EventLog events;
    FakeProcesses processes;
    FakeLogs logs;
    FakeConfigs configs;
    std::vector<std::string> troubles;
    std::unique_ptr<core::Roster> roster;
    std::unique_ptr<control::Server> server;
    std::string directory;
};

inline void FakeConfigs::answer(bool only_look, const core::Actor& actor, Done done) {
    if (hangs) return;
    if (refusal) return done(Unexpected<control::Refusal>{*refusal});
    control::ConfigPlan plan;
    if (only_look) {
        for (auto& one : world->roster->plan(config)) plan.programs.push_back({one, {}});
    } else {
        plan.programs = world->roster->apply(config, {}, actor);
        world->host.deliver(*world->roster);
    }
    done(std::move(plan));
}

inline void FakeConfigs::scale(std::string program, int instances, const core::Actor& actor,
                               Done done) {
    for (conf::Program& one : config.programs) {
        if (one.name != program) continue;
        one.instances = instances;
        one.commands.resize(static_cast<std::size_t>(instances), one.commands.empty()
                                                                     ? std::vector<std::string>{"x"}
                                                                     : one.commands.front());
    }
    answer(false, actor, std::move(done));
}

struct Answer {
    int status = 0;
    std::vector<api::Header> headers;
    std::string body;

    std::string header(std::string_view name) const {
        return std::string{api::find_header(headers, name).value_or("")};
    }
    // Of an error.
    std::string code() const {
        const auto error = api::from_json<api::ErrorBody>(body);
        return error ? error->code : "no error: " + body;
    }
    std::string message() const { return api::from_json<api::ErrorBody>(body).value().message; }
    std::string hint() const {
        return api::from_json<api::ErrorBody>(body).value().hint.value_or("null");
    }
};

// A client's socket, read only when told to.
class Client {
public:
    explicit Client(World& world) : world_{world} {
        fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = world.directory + "/s";
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        REQUIRE(world.until([&] {
            return ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        }));
    }
    // Over TCP, on this machine.
    Client(World& world, std::uint16_t port) : world_{world} {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        ::fcntl(fd_, F_SETFL, O_NONBLOCK);
    }
    ~Client() { close(); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(std::string_view bytes) {
        REQUIRE(world_.until([&] {
            const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
            return bytes.empty() || (sent < 0 && errno != EAGAIN);
        }));
    }

    // What the kernel takes of it now.
    ssize_t try_send(std::string_view bytes) {
        return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }

    void read() {
        char buffer[65536];
        for (;;) {
            const ssize_t count = ::read(fd_, buffer, sizeof buffer);
            if (count > 0) {
                received.append(buffer, static_cast<std::size_t>(count));
                continue;
            }
            if (count == 0 || errno != EAGAIN) closed = true;
            return;
        }
    }

    void shut_down_write() { ::shutdown(fd_, SHUT_WR); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

    bool until_received(std::string_view text) {
        return world_.until([&] {
            read();
            return received.find(text) != std::string::npos;
        });
    }
    bool until_closed() {
        return world_.until([&] {
            read();
            return closed;
        });
    }

    // The next answer, of which nothing may be missing.
    Answer answer() {
        Answer answer;
        api::ResponseParser parser{[&](std::string_view piece) { answer.body += piece; }};
        REQUIRE(world_.until([&] {
            read();
            received.erase(0, parser.feed(received));
            if (closed && received.empty()) parser.finish();
            return parser.phase() == api::ResponseParser::Phase::complete ||
                   parser.phase() == api::ResponseParser::Phase::failed;
        }));
        REQUIRE(parser.phase() == api::ResponseParser::Phase::complete);
        answer.status = parser.response().status;
        answer.headers = parser.response().headers;
        return answer;
    }

    Answer get(std::string_view target, std::vector<api::Header> headers = {}) {
        send(api::write_request("GET", target, headers, {}));
        return answer();
    }
    void begin_post(std::string_view target, std::string_view body = {}) {
        send(api::write_request("POST", target, {}, body));
        world_.settle();
    }
    Answer post(std::string_view target, std::string_view body = {}) {
        begin_post(target, body);
        return answer();
    }

    std::string received;
    bool closed = false;

private:
    World& world_;
    int fd_ = -1;
};

inline api::ActionReply action_of(const Answer& answer) {
    INFO(answer.body);
    REQUIRE(answer.status == 200);
    auto reply = api::from_json<api::ActionReply>(answer.body);
    REQUIRE(reply);
    return *reply;
}

}  // namespace reeve::test
