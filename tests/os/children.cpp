#include "tests/os/children.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <thread>

#include "supervisor/os/pidfd.h"
#include "tests/support/catch.h"

namespace reeve::os::test {
namespace {

constexpr int kPatience = 30'000;  // ms; nothing here takes longer but a hang

void wait_readable(int fd) {
    pollfd watched{fd, POLLIN, 0};
    REQUIRE(::poll(&watched, 1, kPatience) == 1);
}

std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    ssize_t got;
    while ((got = ::read(fd, buffer, sizeof buffer)) > 0) {
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

}  // namespace

SpawnRequest command(std::vector<std::string> words) {
    SpawnRequest request;
    request.candidates = find_candidates(words.front(), kDefaultPath);
    request.argv = std::move(words);
    return request;
}

SpawnRequest shell(std::string script) {
    return command({"/bin/sh", "-c", std::move(script)});
}

SpawnOutcome land(Flight& flight) {
    for (;;) {
        wait_readable(flight.status_fd());
        if (auto outcome = flight.outcome()) return *outcome;
    }
}

void wait_until_zombie(pid_t pid) {
    auto pidfd = open_pidfd(pid);
    REQUIRE(pidfd);
    wait_readable(pidfd->get());
}

Reaped wait_for(pid_t pid) {
    wait_until_zombie(pid);
    const auto reaped = take_zombie(pid);
    REQUIRE(reaped);
    return *reaped;
}

Result run(Spawner& spawner, SpawnRequest request) {
    auto output = base::make_pipe();
    REQUIRE(output);
    request.stdout_fd = output->write.get();
    request.stderr_fd = output->write.get();
    auto spawned = spawner.spawn(std::move(request));
    REQUIRE(spawned);

    Result result;
    result.failure = land(spawned->flight).failure;
    output->write.reset();
    result.output = read_all(output->read.get());
    result.status = wait_for(spawned->pid).status;
    return result;
}

Result run(SpawnRequest request) {
    Spawner spawner;
    return run(spawner, std::move(request));
}

std::string failure_text(SpawnRequest request) {
    Spawner spawner;
    auto spawned = spawner.spawn(std::move(request));
    if (!spawned) return spawned.error().text();
    const auto outcome = land(spawned->flight);
    wait_for(spawned->pid);
    return outcome.failure ? outcome.failure->text() : "executed";
}

std::string in_fork(const std::function<std::string()>& work) {
    auto pipe = base::make_pipe();
    REQUIRE(pipe);
    // What the test program has not written yet is not the child's to write.
    std::cout.flush();
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        const std::string text = work();
        const ssize_t written = ::write(pipe->write.get(), text.data(), text.size());
        ::_exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    pipe->write.reset();
    std::string text = read_all(pipe->read.get());
    ::waitpid(pid, nullptr, 0);
    return text;
}

std::string as_nobody(const std::function<std::string()>& work) {
    return in_fork([&]() -> std::string {
        constexpr uid_t kNobody = 65534;
        if (::setgroups(0, nullptr) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0 ||
            ::setresuid(kNobody, kNobody, kNobody) != 0) {
            return "could not become nobody";
        }
        return work();
    });
}

bool am_root() {
    return ::geteuid() == 0;
}

TemporaryDirectory::TemporaryDirectory() {
    std::string pattern = "/tmp/reeve-os-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::write(const std::string& name, const std::string& text,
                                      mode_t mode) const {
    const std::string file = *this / name;
    std::ofstream{file} << text;
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    return file;
}

std::string read_file(const std::string& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

bool eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return true;
}

}  // namespace reeve::os::test
