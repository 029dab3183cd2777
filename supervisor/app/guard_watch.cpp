#include "supervisor/app/guard_watch.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace reeve::app {

using std::chrono::milliseconds;

namespace {

// What is younger may be about to be waited for: it is looked at once more.
constexpr double kNeglectedSeconds = 0.1;
constexpr milliseconds kLookTwice{150};

}  // namespace

GuardWatch::GuardWatch(loop::Loop& loop, core::Host& host, core::Roster& roster,
                       control::ProcessSource& processes)
    : host_{host},
      roster_{roster},
      processes_{processes},
      timer_{loop, [this] { look(); }},
      self_{std::make_shared<GuardWatch*>(this)} {
    configure();
}

void GuardWatch::configure() {
    std::erase_if(looked_, [this](const auto& looked) {
        return roster_.instance_at(looked.first) == nullptr;
    });
    if (roster_.any_guard()) {
        arm();
    } else {
        timer_.stop();
    }
}

void GuardWatch::arm() {
    std::optional<milliseconds> soonest;
    const auto now = host_.now();
    for (const core::Roster::Watched& watched : roster_.watched()) {
        const auto last = looked_.find(watched.slot);
        const auto due =
            last == looked_.end() ? now + watched.interval : last->second + watched.interval;
        const auto wait = std::max(milliseconds{0}, due - now);
        soonest = std::min(soonest.value_or(wait), wait);
        if (last == looked_.end()) looked_[watched.slot] = now;
    }
    // Nothing runs that has one: it is asked again how it stands, seldom.
    timer_.start(soonest.value_or(std::chrono::seconds{1}));
}

void GuardWatch::look() {
    processes_.sample([self = std::weak_ptr{self_}](const control::Sample& sample) {
        if (const auto alive = self.lock()) (*alive)->judge(sample);
    });
}

void GuardWatch::judge(const control::Sample& sample) {
    struct Sum {
        core::Footprint footprint;
        std::unordered_map<pid_t, std::int64_t> by_parent;
        bool unsure = false;
    };
    std::unordered_map<pid_t, const control::ProcessInfo*> by_pid;
    for (const auto& process : sample.processes) by_pid.emplace(process.pid, &process);
    std::unordered_map<std::uint32_t, Sum> sums;
    for (const auto& process : sample.processes) {
        const control::ProcessInfo* owner = &process;
        if (process.neglected_seconds) {
            const auto parent = by_pid.find(process.ppid);
            if (parent == by_pid.end()) continue;
            owner = parent->second;
        }
        if (!owner->slot) continue;
        Sum& sum = sums[*owner->slot];
        ++sum.footprint.pids;
        sum.footprint.memory_bytes += process.memory_bytes;
        if (!process.neglected_seconds) continue;
        if (*process.neglected_seconds < kNeglectedSeconds) {
            sum.unsure = true;
            continue;
        }
        ++sum.footprint.zombies;
        const std::int64_t count = ++sum.by_parent[owner->pid];
        if (count > sum.by_parent[sum.footprint.neglecting_pid]) {
            sum.footprint.neglecting_pid = owner->pid;
            sum.footprint.neglecting_command = owner->command;
        }
    }

    bool unsure = false;
    const auto now = host_.now();
    for (const core::Roster::Watched& watched : roster_.watched()) {
        const auto last = looked_.find(watched.slot);
        if (last == looked_.end() || now - last->second < watched.interval) continue;
        // What is seen of a run is nothing that the next one is answerable for; and a sample may be
        // the one before.
        const auto& run = roster_.instance_at(watched.slot)->run();
        if (!run || run->started > sample.begun || sample.begun < last->second) {
            unsure = true;
            continue;
        }
        const auto sum = sums.find(watched.slot);
        if (sum == sums.end()) {
            last->second = now;
            continue;
        }
        // Young zombies are looked at once more before this look counts as one.
        if (sum->second.unsure && !second_look_) {
            unsure = true;
            continue;
        }
        last->second = now;
        roster_.on_footprint(watched.slot, sum->second.footprint);
    }
    second_look_ = unsure;
    if (unsure) {
        timer_.start(kLookTwice);
    } else {
        arm();
    }
}

}  // namespace reeve::app
