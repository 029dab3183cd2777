#include "supervisor/log/own_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "supervisor/base/fd.h"
#include "supervisor/log/console.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace reeve::log;
using reeve::base::Fd;
using reeve::base::Pipe;
using Kind = reeve::conf::OwnLogTarget::Kind;
using Format = reeve::conf::LogFormat;

namespace {

// Digits become 9, so that a time can be compared.
std::string nines(std::string text) {
    for (char& c : text)
        if (std::isdigit(static_cast<unsigned char>(c))) c = '9';
    return text;
}

struct Desk {
    Desk() {
        REQUIRE(::mkdtemp(directory.data()) != nullptr);
        console =
            std::move(Console::start({.out = err.write.get(), .err = err.write.get()}).value());
    }
    ~Desk() { REQUIRE(std::system(("rm -rf " + directory).c_str()) == 0); }

    OwnLog::Options file(const std::string& name = "own.log") const {
        return {.target = {Kind::file, directory + "/" + name}};
    }
    OwnLog::Options syslog() const {
        return {.target = {Kind::syslog}, .syslog_socket = directory + "/socket"};
    }
    OwnLog::Options journal() const {
        return {.target = {Kind::journal}, .journal_socket = directory + "/socket"};
    }

    // The next line on stderr; 10 s at most.
    std::string line() const {
        std::string text;
        char c = 0;
        pollfd polled{err.read.get(), POLLIN, 0};
        while (c != '\n' && ::poll(&polled, 1, 10'000) > 0 && ::read(err.read.get(), &c, 1) == 1)
            text += c;
        return text;
    }
    bool nothing_on_stderr() const {
        pollfd polled{err.read.get(), POLLIN, 0};
        return ::poll(&polled, 1, 0) == 0;
    }
    std::string contents(const std::string& name = "own.log") const {
        std::string text;
        const Fd file{::open((directory + "/" + name).c_str(), O_RDONLY | O_CLOEXEC)};
        char part[65536];
        for (ssize_t size; file && (size = ::read(file.get(), part, sizeof part)) > 0;)
            text.append(part, static_cast<std::size_t>(size));
        return text;
    }
    template <typename Enough>
    std::string contents_when(Enough enough, const std::string& name = "own.log") const {
        const auto end = std::chrono::steady_clock::now() + 10s;
        std::string text;
        while (!enough(text = contents(name)) && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(1ms);
        return text;
    }

    std::string directory = "/tmp/reeve-own-log-test-XXXXXX";
    Pipe err = std::move(reeve::base::make_pipe().value());
    std::unique_ptr<Console> console;
};

struct Daemon {
    explicit Daemon(const std::string& path)
        : socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    // The next message; 10 s at most.
    std::string receive() const {
        pollfd polled{socket.get(), POLLIN, 0};
        if (::poll(&polled, 1, 10'000) <= 0) return "nothing came";
        std::string bytes(1 << 18, '\0');
        const ssize_t size = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
        bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return bytes;
    }
    Fd socket;
};

std::string host() {
    char name[256] = {};
    REQUIRE(::gethostname(name, sizeof name - 1) == 0);
    return name;
}

int count_lines(const std::string& text) {
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("own log json: an object a line, and an event's own object with level and message") {
    Desk desk;
    OwnLog log{*desk.console, {.format = Format::json}};
    CHECK(log.wants_objects());
    log.warn("say \"hi\"\n\x1b[31m");
    CHECK(nines(desk.line()) ==
          R"({"time":"9999-99-99T99:99:99.999Z","level":"warn","message":"say \"hi\"\u999a)"
          R"(\u999b[99m"})"
          "\n");
    log.write(Level::info, "web: running",
              R"({"id":12,"event":"program.state","time":"2026-11-22T10:17:00.120Z","data":{}})");
    CHECK(desk.line() ==
          R"({"id":12,"event":"program.state","time":"2026-11-22T10:17:00.120Z","data":{},)"
          R"("level":"info","message":"web: running"})"
          "\n");
    log.info("\xff");
    const auto object = nlohmann::json::parse(desk.line());
    CHECK(object.at("encoding") == "latin-1");
    CHECK(object.at("message") == "\xc3\xbf");
}

TEST_CASE("own log text: an event's object is left out") {
    Desk desk;
    OwnLog log{*desk.console, Level::info};
    CHECK_FALSE(log.wants_objects());
    log.write(Level::info, "web: running", R"({"id":12})");
    CHECK(desk.line().substr(25) == "info  web: running\n");
}

TEST_CASE("own log: the last of it stays in memory, and who wants to hears of more") {
    Desk desk;
    OwnLog log{*desk.console, Level::info};
    int told = 0;
    log.on_line([&] { ++told; });
    log.info("one\n");
    log.debug("not this");
    log.warn("two");
    CHECK(told == 2);
    auto lines = log.lines_after();
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].number == 1);
    CHECK(lines[0].level == Level::info);
    CHECK(lines[0].text == "one\\n");
    CHECK(lines[0].time > WallTime{0});
    CHECK(lines[1].text == "two");
    lines = log.lines_after(1);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].text == "two");
    CHECK(log.lines_after(2).empty());
    CHECK(log.lines_after(99).empty());

    log.on_line({});
    for (int number = 3; number <= 5000; ++number) log.info("line " + std::to_string(number));
    CHECK(told == 2);
    lines = log.lines_after();
    std::size_t bytes = 0;
    for (std::size_t index = 0; index < lines.size(); ++index) {
        bytes += lines[index].text.size() + sizeof(OwnLine);
        CHECK(lines[index].text == "line " + std::to_string(lines[index].number));
    }
    CHECK(lines.back().number == 5000);
    CHECK(bytes <= 64 * 1024);
    CHECK(bytes > 60 * 1024);
    CHECK(log.lines_after(4999).size() == 1);
    CHECK(log.lines_after(10).size() == lines.size());
}

TEST_CASE("own log file: lines go there, and stop() waits for the last") {
    Desk desk;
    OwnLog log{*desk.console, desk.file("new/own.log")};
    for (int number = 0; number < 100; ++number) log.info("line " + std::to_string(number));
    CHECK(log.stop(10s));
    const std::string text = desk.contents("new/own.log");
    CHECK(count_lines(text) == 100);
    CHECK(nines(text.substr(0, text.find('\n'))) == "9999-99-99T99:99:99.999Z info  line 9");
    CHECK(text.ends_with("info  line 99\n"));
    CHECK(desk.nothing_on_stderr());

    log.info("after the end");
    CHECK(desk.line().substr(25) == "info  after the end\n");
}

TEST_CASE("own log file: one that was moved away is made anew when it is asked to reopen") {
    Desk desk;
    OwnLog log{*desk.console, desk.file()};
    log.info("one");
    desk.contents_when([](const std::string& text) { return text.ends_with("one\n"); });
    REQUIRE(::rename((desk.directory + "/own.log").c_str(), (desk.directory + "/old").c_str()) ==
            0);
    log.reopen();
    log.info("two");
    CHECK(log.stop(10s));
    CHECK(desk.contents().substr(25) == "info  two\n");
    CHECK(desk.contents("old").substr(25) == "info  one\n");
}

TEST_CASE("own log file: while it can't be opened the lines go to stderr, which is said once") {
    Desk desk;
    REQUIRE(::mkdir((desk.directory + "/own.log").c_str(), 0700) == 0);
    OwnLog log{*desk.console, desk.file()};
    log.info("one");
    CHECK(desk.line().substr(25) == "warn  reeve's own log cannot be written to " + desk.directory +
                                        "/own.log: Is a directory; it goes to stderr until it can "
                                        "be\n");
    CHECK(desk.line().substr(25) == "info  one\n");
    log.info("two");
    CHECK(desk.line().substr(25) == "info  two\n");

    REQUIRE(::rmdir((desk.directory + "/own.log").c_str()) == 0);
    log.reopen();
    const std::string text =
        desk.contents_when([](const std::string& all) { return all.ends_with("again\n"); });
    CHECK(text.substr(25) ==
          "info  reeve's own log is written to " + desk.directory + "/own.log again\n");
    log.info("three");
    CHECK(log.stop(10s));
    CHECK(desk.contents().ends_with("info  three\n"));
    CHECK(desk.nothing_on_stderr());
}

TEST_CASE("own log file: it comes back by itself within seconds") {
    Desk desk;
    REQUIRE(::mkdir((desk.directory + "/own.log").c_str(), 0700) == 0);
    OwnLog log{*desk.console, desk.file()};
    CHECK(desk.line().find("Is a directory") != std::string::npos);
    REQUIRE(::rmdir((desk.directory + "/own.log").c_str()) == 0);
    CHECK(desk.contents_when([](const std::string& all) { return all.ends_with("again\n"); })
              .ends_with("again\n"));
}

TEST_CASE("own log file: a full disk keeps the lines until there is room, or stderr at the end") {
    Desk desk;
    auto options = desk.file();
    options.target.path = "/dev/full";
    OwnLog log{*desk.console, options};
    log.info("one");
    std::vector<std::string> lines{desk.line()};
    log.info("two");
    lines.push_back(desk.line());
    const auto trouble = log.trouble();
    REQUIRE(trouble);
    CHECK(trouble->effect == Trouble::Effect::diverted);
    CHECK(trouble->place == "/dev/full");
    CHECK(trouble->reason == "No space left on device");
    CHECK(log.stop(10s));
    lines.push_back(desk.line());
    std::sort(lines.begin(), lines.end(),
              [](const auto& a, const auto& b) { return a.substr(25) < b.substr(25); });
    CHECK(lines[0].substr(25) == "info  one\n");
    CHECK(lines[1].substr(25) == "info  two\n");
    CHECK(lines[2].substr(25) ==
          "warn  reeve's own log cannot be written to /dev/full: No space left on device; it goes "
          "to stderr until it can be\n");
}

TEST_CASE("own log syslog: a line is a message of RFC 5424 with its severity") {
    Desk desk;
    const Daemon daemon{desk.directory + "/socket"};
    OwnLog log{*desk.console, desk.syslog()};
    log.set_level(Level::debug);
    const auto expected = [](const char* priority, const std::string& text) {
        return priority + "9 9999-99-99T99:99:99.999Z "s + nines(host()) + " reeve " +
               nines(std::to_string(::getpid())) + " - - " + text;
    };
    log.error("e");
    CHECK(nines(daemon.receive()) == expected("<99>", "e"));
    log.warn("w");
    CHECK(daemon.receive().starts_with("<28>1 "));
    log.info("i");
    CHECK(daemon.receive().starts_with("<30>1 "));
    log.debug("d");
    CHECK(daemon.receive().starts_with("<31>1 "));
}

TEST_CASE("own log syslog: in json format the message is the object") {
    Desk desk;
    const Daemon daemon{desk.directory + "/socket"};
    auto options = desk.syslog();
    options.format = Format::json;
    OwnLog log{*desk.console, options};
    log.info("hello");
    const std::string message = daemon.receive();
    const auto object = nlohmann::json::parse(message.substr(message.find('{')));
    CHECK(object.at("message") == "hello");
}

TEST_CASE("own log journal: a line is an entry with its priority") {
    Desk desk;
    const Daemon daemon{desk.directory + "/socket"};
    OwnLog log{*desk.console, desk.journal()};
    log.warn("w");
    CHECK(nines(daemon.receive()) ==
          "PRIORITY=9\nSYSLOG_FACILITY=9\nSYSLOG_IDENTIFIER=reeve\n"
          "SYSLOG_TIMESTAMP=9999-99-99T99:99:99.999Z\nSYSLOG_PID=" +
              nines(std::to_string(::getpid())) +
              "\nREEVE_PID=" + nines(std::to_string(::getpid())) + "\nMESSAGE=w\n");
}

TEST_CASE("own log syslog: without a daemon the lines go to stderr, and come back to it") {
    Desk desk;
    OwnLog log{*desk.console, desk.syslog()};
    log.info("one");
    CHECK(desk.line().substr(25) == "warn  reeve's own log cannot be written to " + desk.directory +
                                        "/socket: No such file or directory; it goes to stderr "
                                        "until it can be\n");
    CHECK(desk.line().substr(25) == "info  one\n");
    const Daemon daemon{desk.directory + "/socket"};
    CHECK(daemon.receive().ends_with("/socket again"));
    log.info("two");
    CHECK(daemon.receive().ends_with(" - - two"));
    CHECK(log.lines_after().size() == 4);
}

TEST_CASE("own log syslog: a daemon that takes nothing holds nobody up; what is lost is counted") {
    Desk desk;
    auto daemon = std::make_unique<Daemon>(desk.directory + "/socket");
    OwnLog log{*desk.console, desk.syslog()};
    constexpr int kLines = 3000;
    for (int number = 0; number < kLines; ++number)
        log.info("line " + std::to_string(number) + std::string(60, '.'));
    // It may take a few while the last ones are written, and these come behind a gap.
    int received = 0;
    int last = -1;
    std::string message;
    while ((message = daemon->receive()).find("own log dropped") == std::string::npos) {
        const std::size_t at = message.find(" - - line ");
        REQUIRE(at != std::string::npos);
        const int number = std::stoi(message.substr(at + 10));
        REQUIRE(number > last);
        last = number;
        ++received;
    }
    CHECK(received > 500);
    CHECK(message.ends_with(" lines of reeve's own log dropped: " + desk.directory +
                            "/socket did not take them"));
    CHECK(std::stoi(message.substr(message.find(" - - ") + 5)) + received == kLines);
}

TEST_CASE("own log syslog: what a wedged daemon has not taken at the end goes to stderr") {
    Desk desk;
    const Daemon daemon{desk.directory + "/socket"};
    OwnLog log{*desk.console, desk.syslog()};
    for (int number = 0; number < 100; ++number) log.info("line " + std::to_string(number));
    CHECK(log.stop(50ms));
    std::string message;
    int received = 0;
    while (::recv(daemon.socket.get(), message.data(), 0, MSG_DONTWAIT) >= 0) ++received;
    CHECK(received > 0);
    for (int number = received; number < 100; ++number)
        REQUIRE(desk.line().substr(25) == "info  line " + std::to_string(number) + "\n");
    CHECK(desk.nothing_on_stderr());
}

TEST_CASE("own log: threads write at once, and each line comes once and in its thread's order") {
    Desk desk;
    OwnLog log{*desk.console, desk.file()};
    std::atomic<int> told = 0;
    log.on_line([&] { ++told; });
    constexpr int kThreads = 4;
    constexpr int kLines = 200;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread)
        threads.emplace_back([&, thread] {
            for (int number = 0; number < kLines; ++number) {
                log.info("thread " + std::to_string(thread) + " line " + std::to_string(number));
                (void)log.lines_after(5);
            }
        });
    log.reopen();
    for (auto& thread : threads) thread.join();
    CHECK(log.stop(10s));
    CHECK(told == kThreads * kLines);
    const std::string text = desk.contents();
    CHECK(count_lines(text) == kThreads * kLines);
    for (int thread = 0; thread < kThreads; ++thread) {
        std::size_t at = 0;
        for (int number = 0; number < kLines; ++number) {
            at = text.find(
                "thread " + std::to_string(thread) + " line " + std::to_string(number) + "\n", at);
            REQUIRE(at != std::string::npos);
        }
    }
}
