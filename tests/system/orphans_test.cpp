#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <thread>

#include "supervisor/os/procfs.h"
#include "tests/support/catch.h"
#include "tests/support/reeve_process.h"

using namespace reeve::test;
using namespace std::chrono_literals;

namespace {

// How long its threads were ready to run and had no processor: no fault of theirs on a busy machine
// (proc(5), /proc/PID/schedstat).
std::chrono::nanoseconds waited_for_processor(pid_t pid) {
    long long sum = 0;
    std::error_code ignored;
    for (const auto& task :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/task", ignored}) {
        long long ran = 0;
        long long waited = 0;
        const auto text = read_file(task.path() / "schedstat");
        if (std::sscanf(text.c_str(), "%lld %lld", &ran, &waited) == 2) sum += waited;
    }
    return std::chrono::nanoseconds{sum};
}

double in_ms(Clock::duration time) {
    return std::chrono::duration<double, std::milli>{time}.count();
}

// Watches the zombies among a process's children, from a thread of its own.
class ZombieWatch {
public:
    explicit ZombieWatch(pid_t pid) : pid_{pid}, thread_{[this] { watch(); }} {}
    ~ZombieWatch() { stop(); }
    ZombieWatch(const ZombieWatch&) = delete;
    ZombieWatch& operator=(const ZombieWatch&) = delete;

    void stop() {
        stopping_ = true;
        if (thread_.joinable()) thread_.join();
    }
    // The oldest that was seen, without the time for which `pid` waited for a processor.
    Clock::duration oldest() const { return oldest_; }
    long looks() const { return looks_; }
    long seen() const { return seen_; }

private:
    struct Seen {
        Clock::time_point first;
        std::chrono::nanoseconds waited;
        long look;
    };

    void watch() {
        std::map<std::pair<pid_t, std::uint64_t>, Seen> zombies;
        std::vector<pid_t> children;
        while (!stopping_) {
            children.clear();
            (void)reeve::os::append_children(pid_, children);
            const auto waited = waited_for_processor(pid_);
            ++looks_;
            for (const pid_t child : children) {
                const auto stat = reeve::os::read_stat(child);
                if (!stat || stat->state != 'Z' || stat->ppid != pid_) continue;
                const auto now = Clock::now();
                const auto [seen, is_new] =
                    zombies.try_emplace({child, stat->start_ticks}, Seen{now, waited, looks_});
                seen->second.look = looks_;
                if (is_new) ++seen_;
                const auto age = now - seen->second.first - (waited - seen->second.waited);
                oldest_ = std::max(oldest_, age);
            }
            std::erase_if(zombies, [&](const auto& entry) { return entry.second.look != looks_; });
            std::this_thread::sleep_for(2ms);
        }
    }

    pid_t pid_;
    std::atomic<bool> stopping_ = false;
    Clock::duration oldest_{};
    long looks_ = 0;
    long seen_ = 0;
    std::thread thread_;  // the last: it uses the others
};

}  // namespace

TEST_CASE("twenty thousand orphans are reaped at once, and control answers meanwhile") {
    const int wanted = sanitized() ? 2'000 : 20'000;
    Directory directory;
    Reeve reeve{directory, "[program.many]\ncommand = ['" REEVE_ORPHANS_PROGRAM "', '" +
                               std::to_string(wanted) +
                               "']\nautostart = false\n[program.web]\ncommand = 'sleep 1000'\n"};
    reeve.wait_for_state("web", "running");
    ZombieWatch watch{reeve.pid()};

    CHECK(reeve.ctl({"start", "--no-wait", "many"}).code == 0);
    Clock::duration slowest{};
    int answers = 0;
    const auto reaped = [&] { return reeve.status().supervisor.reaped.orphans; };
    wait_until("all are reaped", [&] {
        const auto waited = [&] {
            return waited_for_processor(::getpid()) + waited_for_processor(reeve.pid());
        };
        const auto waited_before = waited();
        const auto began = Clock::now();
        const auto count = reaped();
        slowest = std::max(slowest, Clock::now() - began - (waited() - waited_before));
        ++answers;
        return count >= wanted;
    });
    watch.stop();

    std::printf(
        "%d orphans: %ld seen as zombies in %ld looks, the oldest %.1f ms; slowest of %d answers "
        "%.1f ms\n",
        wanted, watch.seen(), watch.looks(), in_ms(watch.oldest()), answers, in_ms(slowest));
    CHECK(reaped() == wanted);
    CHECK(watch.looks() > 10);
    // That nothing hangs; how quick it is `tests/bench/bench reap` tells.
    CHECK(watch.oldest() < patience() / 10);
    CHECK(slowest < patience() / 10);
    CHECK(reeve.status().supervisor.reaped.strays == 0);
    // These may be older than the count.
    wait_until("status knows of none", [&] {
        const auto many = reeve.program("many");
        return many.zombies == 0 && many.orphans == 0;
    });
    reeve.wait_for("many", "orphan.reaped");
    CHECK(contains(reeve.ctl({"logs", "many", "--no-prefix"}).out, "done"));
    CHECK(reeve.stop() == 0);
}

TEST_CASE("orphans are reaped while a client holds its connection and asks nothing") {
    Directory directory;
    Reeve reeve{directory, "[program.few]\ncommand = ['" REEVE_ORPHANS_PROGRAM "', '200']\n"};
    // Follows the log and is never read: its answer gets stuck.
    const auto idle = reeve.start_ctl({"events"});
    idle->signal(SIGSTOP);
    wait_until("all are reaped", [&] { return reeve.status().supervisor.reaped.orphans == 200; });
    idle->signal(SIGCONT);
}
