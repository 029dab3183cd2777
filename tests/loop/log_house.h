#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "supervisor/base/fd.h"
#include "supervisor/log/console.h"
#include "supervisor/log/log_thread.h"
#include "supervisor/log/own_log.h"
#include "supervisor/loop/loop.h"
#include "supervisor/loop/timer.h"
#include "tests/support/catch.h"

// A log thread as reeve has it, for the tests of this folder.
namespace reeve::log::testing {

using namespace std::chrono_literals;
using base::Fd;
using base::Pipe;
using conf::Output;
using Sink = conf::Sink;
namespace fs = std::filesystem;

inline Output inherit() {
    return {};
}
inline Output null() {
    return {.sinks = {{.kind = Sink::Kind::null}}};
}
inline Output merged() {
    return {Output::Kind::merged, {}};
}
inline Output file(const fs::path& path) {
    return {.sinks = {{.kind = Sink::Kind::file, .path = path.string()}}};
}

inline void put(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t size = ::write(fd, bytes.data(), bytes.size());
        REQUIRE(size > 0);
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
}

inline std::string content(const fs::path& path) {
    std::ifstream stream{path};
    std::stringstream all;
    all << stream.rdbuf();
    return all.str();
}

// A log thread with pipes for reeve's own stdout and stderr, which are read only when a test says
// so.
struct House {
    House() {
        char name[] = "/tmp/reeve-log-XXXXXX";
        directory = ::mkdtemp(name);
    }
    ~House() { fs::remove_all(directory); }

    OutputFds open(InstanceId id, const std::string& name, const Output& output,
                   const Output& error = merged()) {
        return log->open_instance(id, {name, name, 1}, output, error, std::nullopt).value();
    }

    // Turns the loop until `done`, ten seconds at most.
    template <typename Done>
    void until(Done done) {
        reeve::loop::Timer look{*loop, [&] {
                                    if (done()) loop->stop();
                                }};
        bool late = false;
        reeve::loop::Timer limit{*loop, [&] {
                                     late = true;
                                     loop->stop();
                                 }};
        look.start(0ms, 1ms);
        limit.start(10s);
        loop->run();
        REQUIRE_FALSE(late);
    }

    std::vector<Line> lines(Query query) {
        std::optional<std::vector<Line>> answer;
        log->query(std::move(query), [&](std::vector<Line> got) { answer = std::move(got); });
        until([&] { return answer.has_value(); });
        return *answer;
    }
    std::string said(InstanceId id, std::size_t last = 100) {
        std::string all;
        for (const Line& line : lines({.instances = {id}, .last_lines = last})) {
            switch (line.kind) {
                case Line::Kind::text:
                    all += std::to_string(line.run) + ":" + line.text + "\n";
                    break;
                case Line::Kind::partial:
                    all += std::to_string(line.run) + ":" + line.text + "…\n";
                    break;
                case Line::Kind::piece:
                    all += std::to_string(line.run) + ":(piece)\n";
                    break;
                case Line::Kind::unended:
                    all += std::to_string(line.run) + ":" + line.text + "¶\n";
                    break;
                case Line::Kind::run_begin:
                    all += "begin " + std::to_string(line.run) + "\n";
                    break;
                case Line::Kind::run_end:
                    all += "end " + std::to_string(line.run) + "\n";
                    break;
                case Line::Kind::missed:
                    all += "missed\n";
                    break;
                case Line::Kind::note:
                    all += "note: " + line.text + "\n";
                    break;
            }
        }
        return all;
    }
    InstanceCounters counters(InstanceId id) {
        std::optional<InstanceCounters> answer;
        log->counters([&](std::vector<InstanceCounters> all) {
            for (const auto& one : all)
                if (one.instance == id) answer = one;
        });
        until([&] { return answer.has_value(); });
        return *answer;
    }

    // Reads from it until `enough` says so, ten seconds at most.
    template <typename Enough>
    static std::string read_until(int fd, Enough enough) {
        std::string all;
        char part[65536];
        pollfd polled{fd, POLLIN, 0};
        while (!enough(all) && ::poll(&polled, 1, 10'000) > 0) {
            const ssize_t size = ::read(fd, part, sizeof part);
            if (size <= 0) break;
            all.append(part, static_cast<std::size_t>(size));
        }
        return all;
    }
    std::string console_lines(int count) {
        std::size_t looked_at = 0;
        std::ptrdiff_t found = 0;
        return read_until(out.read.get(), [&](const std::string& all) {
            found +=
                std::count(all.begin() + static_cast<std::ptrdiff_t>(looked_at), all.end(), '\n');
            looked_at = all.size();
            return found >= count;
        });
    }
    std::string error_with(std::string_view words) {
        return read_until(err.read.get(), [&](const std::string& all) {
            return all.find(words) != std::string::npos && all.ends_with('\n');
        });
    }

    fs::path directory;
    Pipe out = std::move(reeve::base::make_pipe().value());
    Pipe err = std::move(reeve::base::make_pipe().value());
    std::unique_ptr<reeve::loop::Loop> loop = std::move(reeve::loop::Loop::open().value());
    std::unique_ptr<Console> console = std::move(
        Console::start(
            {.out = out.write.get(), .err = err.write.get(), .dropped_text = OwnLog::dropped_text})
            .value());
    OwnLog own{*console, Level::info};
    std::unique_ptr<LogThread> log = std::move(LogThread::start(*loop, *console, own).value());
};

}  // namespace reeve::log::testing
