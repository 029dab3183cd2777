#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cstring>

#include "supervisor/base/fd.h"
#include "supervisor/log/console.h"
#include "supervisor/log/journal_sink.h"
#include "supervisor/log/own_log.h"
#include "supervisor/log/syslog_sink.h"
#include "supervisor/loop/loop.h"
#include "tests/support/catch.h"

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace reeve::log;
using reeve::base::Fd;
using reeve::base::Pipe;
using End = Record::End;

namespace {

constexpr WallTime kTime{1795342620120};  // 2026-11-22T10:17:00.120Z
const StreamName kOut{.name = "web@2", .program = "web", .instance = 2, .source = Source::out};
const StreamName kErr{.name = "web@2", .program = "web", .instance = 2, .source = Source::err};

struct Directory {
    Directory() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
    ~Directory() {
        ::unlink(socket().c_str());
        ::unlink((path + "/link").c_str());
        ::rmdir((path + "/systemd/journal").c_str());
        ::rmdir((path + "/systemd").c_str());
        ::rmdir(path.c_str());
    }
    std::string socket() const { return path + "/socket"; }
    std::string path = "/tmp/reeve-daemon-test-XXXXXX";
};

// Who takes messages: a datagram socket, or a stream socket's first connection.
class Daemon {
public:
    explicit Daemon(const std::string& path, int type = SOCK_DGRAM)
        : path_{path}, socket_{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        if (type == SOCK_STREAM) REQUIRE(::listen(socket_.get(), 5) == 0);
    }
    ~Daemon() { ::unlink(path_.c_str()); }

    // The next message, a large one out of its memfd; "" when none is there.
    std::string receive() {
        std::string bytes(1 << 20, '\0');
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        iovec part{bytes.data(), bytes.size()};
        msghdr header{};
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        const ssize_t size = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
        if (size < 0) return {};
        bytes.resize(static_cast<std::size_t>(size));
        const cmsghdr* const rights = CMSG_FIRSTHDR(&header);
        if (rights == nullptr) return bytes;

        CHECK(size == 0);
        int number = -1;
        std::memcpy(&number, CMSG_DATA(rights), sizeof number);
        const Fd memfd{number};
        CHECK(::fcntl(memfd.get(), F_GET_SEALS) ==
              (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
        struct stat status {};
        REQUIRE(::fstat(memfd.get(), &status) == 0);
        bytes.resize(static_cast<std::size_t>(status.st_size));
        REQUIRE(::pread(memfd.get(), bytes.data(), bytes.size(), 0) == status.st_size);
        ++memfds;
        return bytes;
    }

    // What has come of the stream, which is accepted first.
    std::string read_stream(std::size_t at_least) {
        if (!connection_) connection_ = Fd{::accept(socket_.get(), nullptr, nullptr)};
        std::string all;
        char part[4096];
        pollfd polled{connection_.get(), POLLIN, 0};
        while (all.size() < at_least && ::poll(&polled, 1, 10'000) > 0) {
            const ssize_t size = ::read(connection_.get(), part, sizeof part);
            if (size <= 0) break;
            all.append(part, static_cast<std::size_t>(size));
        }
        return all;
    }
    bool stream_connected() const { return static_cast<bool>(connection_); }

    int memfds = 0;

private:
    std::string path_;
    Fd socket_;
    Fd connection_;
};

// What a sink falls back to: "1:text/newline" …
struct Fallback final : Sink {
    explicit Fallback(std::vector<std::string>& into) : lines{into} {}
    bool has_room() override { return true; }
    void put(const Record& record) override {
        const char* const end = record.end == End::newline ? "\n"
                                : record.end == End::none  ? "(end)"
                                                           : "(more)";
        lines.push_back(std::string{record.text} + end);
    }
    std::vector<std::string>& lines;
};

struct Desk {
    Desk() {
        console =
            std::move(Console::start({.out = err.write.get(), .err = err.write.get()}).value());
        own_log = std::make_unique<OwnLog>(*console, Level::info);
    }

    SinkServices services() {
        return {.loop = *loop,
                .own_log = *own_log,
                .name = name,
                .room = [this] { ++rooms; },
                .retry_later = [this] { ++retries; }};
    }
    std::unique_ptr<Sink> fallback() { return std::make_unique<Fallback>(fallen); }

    std::unique_ptr<SyslogSink> syslog(const std::string& path, const StreamName& stream = kOut) {
        return std::make_unique<SyslogSink>(stream, services(), fallback(), path);
    }
    std::unique_ptr<JournalSink> journal(const std::string& path, const StreamName& stream = kOut) {
        return std::make_unique<JournalSink>(stream, services(), fallback(), path);
    }

    // The next line of reeve's own log without its time; 10 s at most.
    std::string said() {
        std::string line;
        char c = 0;
        pollfd polled{err.read.get(), POLLIN, 0};
        while (c != '\n' && ::poll(&polled, 1, 10'000) > 0 && ::read(err.read.get(), &c, 1) == 1)
            line += c;
        return line.size() > 25 ? line.substr(25) : line;
    }

    template <typename Done>
    bool turn_until(Done done) {
        const auto end = std::chrono::steady_clock::now() + 10s;
        while (!done()) {
            if (std::chrono::steady_clock::now() > end) return false;
            loop->turn();
        }
        return true;
    }

    std::string name = "web@2";
    Directory directory;
    Pipe err = std::move(reeve::base::make_pipe().value());
    std::unique_ptr<Console> console;
    std::unique_ptr<OwnLog> own_log;
    std::unique_ptr<reeve::loop::Loop> loop = std::move(reeve::loop::Loop::open().value());
    int rooms = 0;
    int retries = 0;
    std::vector<std::string> fallen;
};

Record record(std::string_view text, End end = End::newline, const StreamName& stream = kOut) {
    return {.stream = stream, .time = kTime, .run = 3, .pid = 4121, .text = text, .end = end};
}

std::string host() {
    char name[256] = {};
    REQUIRE(::gethostname(name, sizeof name - 1) == 0);
    return name;
}

// What stands before each line of stdout in RFC 5424.
std::string header(const std::string& more = "", const char* priority = "<30>",
                   const std::string& stream = "stdout") {
    return priority + "1 2026-11-22T10:17:00.120Z "s + host() + " web@2 4121 " + stream +
           " [reeve@32473 program=\"web\" instance=\"2\" run=\"3\" stream=\"" + stream + "\"" +
           more + "] ";
}

// An entry of the journal by its protocol's description, not by our writer.
std::map<std::string, std::string> fields_of(std::string_view entry) {
    std::map<std::string, std::string> fields;
    while (!entry.empty()) {
        const std::size_t end = entry.find_first_of("=\n");
        REQUIRE(end != std::string_view::npos);
        const std::string name{entry.substr(0, end)};
        const bool sized = entry[end] == '\n';
        entry.remove_prefix(end + 1);
        std::uint64_t size = entry.find('\n');
        if (sized) {
            REQUIRE(entry.size() > 8);
            std::memcpy(&size, entry.data(), 8);  // little-endian, as we are
            entry.remove_prefix(8);
        }
        REQUIRE(size < entry.size());
        REQUIRE(fields.emplace(name, entry.substr(0, size)).second);
        REQUIRE(entry[size] == '\n');
        entry.remove_prefix(size + 1);
    }
    return fields;
}

}  // namespace

TEST_CASE("syslog: a line is one message of RFC 5424, stderr one of a higher severity") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto out = desk.syslog(desk.directory.socket());
    const auto err = desk.syslog(desk.directory.socket(), kErr);
    out->put(record("hello"));
    out->put(record(""));
    out->flush();
    err->put(record("oh no", End::newline, kErr));
    err->flush();
    CHECK(daemon.receive() == header() + "hello");
    CHECK(daemon.receive() == header());
    CHECK(daemon.receive() == header("", "<27>", "stderr") + "oh no");
    CHECK(out->idle());
}

TEST_CASE("syslog: what isn't known of a line is left out as RFC 5424 wants it") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto sink = desk.syslog(desk.directory.socket());
    Record line = record("x");
    line.pid = 0;
    sink->put(line);
    sink->flush();
    const std::string message = daemon.receive();
    CHECK(message.find(" web@2 - stdout [") != std::string::npos);
}

TEST_CASE("syslog: a last line without a newline says so") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto sink = desk.syslog(desk.directory.socket());
    sink->put(record("half", End::none));
    sink->flush();
    CHECK(daemon.receive() == header(" partial=\"true\"") + "half");
}

TEST_CASE("syslog: control characters stay, a NUL would end the line and is written out") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto sink = desk.syslog(desk.directory.socket());
    sink->put(record("a\0b\x1b[31m\t\xff"s));
    sink->flush();
    CHECK(daemon.receive() == header() + "a#000b\x1b[31m\t\xff");
}

TEST_CASE("syslog: a line too long for rsyslog goes as several, none of it lost") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto sink = desk.syslog(desk.directory.socket());
    std::string line;
    while (line.size() < 20000) line += "\xe2\x82\xac" + std::to_string(line.size());
    sink->put(record(line));
    sink->flush();
    std::string all;
    const std::string more = header(" partial=\"true\"");
    std::vector<std::string> messages;
    for (std::string message; !(message = daemon.receive()).empty();) messages.push_back(message);
    REQUIRE(messages.size() == 3);
    for (std::size_t index = 0; index < messages.size(); ++index) {
        const std::string& before = index + 1 < messages.size() ? more : header();
        CHECK(messages[index].size() <= 8096);
        REQUIRE(messages[index].starts_with(before));
        const std::string text = messages[index].substr(before.size());
        CHECK((static_cast<unsigned char>(text[0]) & 0xc0) != 0x80);
        all += text;
    }
    CHECK(all == line);
}

TEST_CASE("syslog: control characters count as the four that rsyslog makes of each") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto sink = desk.syslog(desk.directory.socket());
    const std::string line(5000, '\x01');
    sink->put(record(line));
    sink->flush();
    std::string all;
    for (std::string message; !(message = daemon.receive()).empty();) {
        const std::string text = message.substr(message.find("] ") + 2);
        CHECK(message.size() + 3 * text.size() <= 8096);
        all += text;
    }
    CHECK(all == line);
}

TEST_CASE("syslog: a stream socket gets the messages with a NUL behind each") {
    Desk desk;
    Daemon daemon{desk.directory.socket(), SOCK_STREAM};
    const auto sink = desk.syslog(desk.directory.socket());
    REQUIRE_FALSE(sink->absent());
    std::string expected;
    for (int number = 0; number < 300; ++number) {
        const std::string text = "line " + std::to_string(number) + std::string(900, 'x');
        sink->put(record(text));
        expected += header() + text + '\0';
    }
    sink->flush();
    std::string all;
    while (all.size() < expected.size()) {
        const std::string part = daemon.read_stream(1);
        REQUIRE_FALSE(part.empty());
        all += part;
        desk.loop->turn();
    }
    CHECK(all == expected);
    CHECK(sink->idle());
}

TEST_CASE("syslog: to journald, which knows nothing else, it speaks as syslog(3) does") {
    Desk desk;
    ::mkdir((desk.directory.path + "/systemd").c_str(), 0700);
    ::mkdir((desk.directory.path + "/systemd/journal").c_str(), 0700);
    Daemon daemon{desk.directory.path + "/systemd/journal/dev-log"};
    const std::string link = desk.directory.path + "/link";
    REQUIRE(::symlink((desk.directory.path + "/systemd/journal/dev-log").c_str(), link.c_str()) ==
            0);
    const auto sink = desk.syslog(link, kErr);
    sink->put(record("a\0b"s, End::newline, kErr));
    sink->flush();
    std::string message = daemon.receive();
    CHECK(message.substr(19) == " web@2[4121]: a#000b");
    for (char& c : message)
        if (std::isdigit(static_cast<unsigned char>(c))) c = '9';
    CHECK(message.substr(0, 19) == "<99>Nov 99 99:99:99");
}

TEST_CASE("syslog: a name is cut to what RFC 5424 allows, and the instance's number stays") {
    CHECK(syslog_name("web@2", 48) == "web@2");
    CHECK(syslog_name("", 48) == "-");
    CHECK(syslog_name("a b\xc3\xa9", 48) == "a_b__");
    CHECK(syslog_name(std::string(64, 'n') + "@17", 48) == std::string(45, 'n') + "@17");
    CHECK(syslog_name(std::string(64, 'n'), 48) == std::string(48, 'n'));
    std::string parameters;
    append_parameter(parameters, "a", "q\"b\\c]d");
    append_parameter(parameters, "e", "f");
    CHECK(parameters == R"(a="q\"b\\c\]d" e="f")");
}

TEST_CASE("journal: a line is an entry with its fields") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto out = desk.journal(desk.directory.socket());
    const auto err = desk.journal(desk.directory.socket(), kErr);
    out->put(record("hello = world"));
    out->flush();
    CHECK(fields_of(daemon.receive()) ==
          std::map<std::string, std::string>{{"MESSAGE", "hello = world"},
                                             {"PRIORITY", "6"},
                                             {"SYSLOG_FACILITY", "3"},
                                             {"SYSLOG_IDENTIFIER", "web@2"},
                                             {"SYSLOG_PID", "4121"},
                                             {"SYSLOG_TIMESTAMP", "2026-11-22T10:17:00.120Z"},
                                             {"REEVE_PROGRAM", "web"},
                                             {"REEVE_INSTANCE", "2"},
                                             {"REEVE_RUN", "3"},
                                             {"REEVE_STREAM", "stdout"},
                                             {"REEVE_PID", "4121"}});
    err->put(record("half", End::none, kErr));
    err->flush();
    const auto fields = fields_of(daemon.receive());
    CHECK(fields.at("PRIORITY") == "3");
    CHECK(fields.at("REEVE_STREAM") == "stderr");
    CHECK(fields.at("REEVE_PARTIAL") == "1");
}

TEST_CASE("journal: bytes of any kind come through, and so does an empty line") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto sink = desk.journal(desk.directory.socket());
    const std::string bytes = "a\0b\r\x1b[31m\xff\xc3\xa9="s;
    sink->put(record(bytes));
    sink->put(record(""));
    sink->flush();
    CHECK(fields_of(daemon.receive()).at("MESSAGE") == bytes);
    CHECK(fields_of(daemon.receive()).at("MESSAGE").empty());
}

TEST_CASE("journal: what is too large for a datagram goes as a sealed memfd, in its order") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto sink = desk.journal(desk.directory.socket());
    std::string large(1'000'000, 'x');
    for (std::size_t at = 0; at < large.size(); at += 997) large[at] = static_cast<char>(at % 251);
    large.erase(std::remove(large.begin(), large.end(), '\n'), large.end());
    sink->put(record("before"));
    sink->put(record(large));
    sink->put(record("after"));
    sink->flush();
    CHECK(fields_of(daemon.receive()).at("MESSAGE") == "before");
    CHECK(fields_of(daemon.receive()).at("MESSAGE") == large);
    CHECK(fields_of(daemon.receive()).at("MESSAGE") == "after");
    CHECK(daemon.memfds == 1);
}

TEST_CASE("journal: a slow daemon gets all in order, and room is told when there is some") {
    Desk desk;
    Daemon daemon{desk.directory.socket()};
    const auto sink = desk.journal(desk.directory.socket());
    int lines = 0;
    while (sink->has_room()) {
        REQUIRE(lines < 10'000);
        sink->put(record("line " + std::to_string(lines++) + std::string(300, '.')));
        sink->flush();
    }
    CHECK_FALSE(sink->idle());
    CHECK(desk.rooms == 0);
    for (int turn = 0; turn < 10; ++turn) desk.loop->turn();
    CHECK(desk.rooms == 0);

    int received = 0;
    REQUIRE(desk.turn_until([&] {
        for (std::string message; !(message = daemon.receive()).empty(); ++received)
            REQUIRE(fields_of(message).at("MESSAGE") ==
                    "line " + std::to_string(received) + std::string(300, '.'));
        return received == lines;
    }));
    CHECK(desk.rooms == 1);
    CHECK(sink->idle());
    CHECK(desk.retries == 0);
    CHECK(desk.fallen.empty());
}

TEST_CASE("syslog: a daemon that is restarted within a second loses nothing") {
    Desk desk;
    auto daemon = std::make_unique<Daemon>(desk.directory.socket());
    const auto sink = desk.syslog(desk.directory.socket());
    sink->put(record("one"));
    sink->flush();
    CHECK(daemon->receive() == header() + "one");
    daemon.reset();
    sink->put(record("two"));
    sink->flush();
    sink->put(record("three"));
    sink->flush();
    CHECK_FALSE(sink->absent());
    CHECK(desk.retries == 1);
    daemon = std::make_unique<Daemon>(desk.directory.socket());
    sink->retry();
    CHECK(daemon->receive() == header() + "two");
    CHECK(daemon->receive() == header() + "three");
    CHECK(desk.fallen.empty());
}

TEST_CASE("syslog: when another one listens at once, the next line goes to it") {
    Desk desk;
    auto daemon = std::make_unique<Daemon>(desk.directory.socket());
    const auto sink = desk.syslog(desk.directory.socket());
    daemon.reset();
    daemon = std::make_unique<Daemon>(desk.directory.socket());
    sink->put(record("one"));
    sink->flush();
    CHECK(daemon->receive() == header() + "one");
    CHECK(desk.retries == 0);
}

TEST_CASE("syslog: an absent daemon is said once, its lines go elsewhere until it is there") {
    Desk desk;
    const auto sink = desk.syslog(desk.directory.socket());
    CHECK(sink->absent());
    CHECK(desk.said() == "warn  web@2: cannot reach " + desk.directory.socket() +
                             ": No such file or directory; its output goes to reeve's stderr until "
                             "it can be\n");
    CHECK(desk.retries == 1);
    sink->put(record("one"));
    sink->flush();
    sink->retry();
    CHECK(desk.retries == 2);
    sink->put(record("two", End::none));
    sink->flush();
    CHECK(desk.fallen == std::vector<std::string>{"one\n", "two(end)"});

    Daemon daemon{desk.directory.socket()};
    sink->put(record("a line's begin ", End::more));
    sink->retry();
    CHECK_FALSE(sink->absent());
    CHECK(desk.said() ==
          "info  web@2: " + desk.directory.socket() + " is there; its output goes to it again\n");
    sink->put({.stream = kOut, .text = "and its end", .begins = false});
    sink->put(record("three"));
    sink->flush();
    CHECK(desk.fallen.size() == 4);
    CHECK(desk.fallen.back() == "and its end\n");
    CHECK(daemon.receive() == header() + "three");
}

TEST_CASE("journal: when the daemon stays away, what waited for it goes where the rest goes") {
    Desk desk;
    auto daemon = std::make_unique<Daemon>(desk.directory.socket());
    const auto sink = desk.journal(desk.directory.socket());
    daemon.reset();
    int lines = 0;
    while (sink->has_room()) {
        sink->put(record("line " + std::to_string(lines++)));
        sink->flush();
    }
    sink->put(record("last\0"s, End::none));
    CHECK_FALSE(sink->idle());
    CHECK(desk.fallen.empty());
    sink->retry();
    CHECK(sink->absent());
    CHECK(sink->idle());
    CHECK(desk.rooms == 1);
    REQUIRE(desk.fallen.size() == static_cast<std::size_t>(lines) + 1);
    for (int line = 0; line < lines; ++line)
        CHECK(desk.fallen[static_cast<std::size_t>(line)] == "line " + std::to_string(line) + "\n");
    CHECK(desk.fallen.back() == "last\0(end)"s);
}

TEST_CASE("syslog: a daemon that dies while it is slow is noticed") {
    Desk desk;
    auto daemon = std::make_unique<Daemon>(desk.directory.socket());
    const auto sink = desk.syslog(desk.directory.socket());
    while (sink->has_room()) {
        sink->put(record(std::string(1000, 'x')));
        sink->flush();
    }
    daemon.reset();
    REQUIRE(desk.turn_until([&] { return desk.retries == 1; }));
    sink->retry();
    CHECK(sink->absent());
    CHECK(desk.rooms == 1);
}

TEST_CASE("syslog: on SIGUSR1 it looks anew who listens") {
    Desk desk;
    const std::string path = desk.directory.socket();
    Daemon first{path};
    const auto sink = desk.syslog(path);
    REQUIRE(::rename(path.c_str(), (path + ".old").c_str()) == 0);
    Daemon second{path};
    sink->put(record("one"));
    sink->flush();
    CHECK(first.receive() == header() + "one");
    sink->reopen();
    sink->put(record("two"));
    sink->flush();
    CHECK(second.receive() == header() + "two");
    ::unlink((path + ".old").c_str());
}
