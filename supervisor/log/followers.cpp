#include "supervisor/log/followers.h"

#include <algorithm>
#include <deque>
#include <utility>

namespace reeve::log {

struct Followers::Follower {
    bool wants(const Line& line) const {
        if (!std::binary_search(query.instances.begin(), query.instances.end(), line.instance))
            return false;
        if (query.since && line.time < *query.since) return false;
        return !query.source || *query.source == line.source || !is_line(line.kind);
    }

    void add(Line line) {
        const std::size_t bytes = cost(line);
        // Once it has missed something it gets nothing before there is room for some more than the
        // mark.
        if (missed > 0 ? held >= kMost / 2 : held + bytes > kMost) {
            if (is_line(line.kind)) ++missed;
            return;
        }
        add_missed(line.time);
        push(std::move(line));
    }

    void add_missed(WallTime time) {
        if (missed == 0 || held >= kMost / 2) return;
        push({.time = time,
              .instance = query.instances.empty() ? 0 : query.instances.front(),
              .kind = Line::Kind::missed,
              .number = std::exchange(missed, 0)});
    }

    void push(Line line) {
        held += cost(line);
        costs.push_back(cost(line));
        pending.push_back(std::move(line));
    }

    void deliver() {
        if (!pending.empty()) on_lines(std::exchange(pending, {}));
    }

    Query query;
    OnLines on_lines;
    std::vector<Line> pending;
    std::deque<std::size_t> costs;  // of what is pending or on its way, the oldest first
    std::size_t held = 0;           // their sum
    std::uint64_t missed = 0;
};

Followers::Followers() = default;
Followers::~Followers() = default;

void Followers::add(std::uint64_t id, const Query& query, std::vector<Line> past,
                    OnLines on_lines) {
    auto follower = std::make_unique<Follower>();
    follower->query = query;
    follower->on_lines = std::move(on_lines);
    for (Line& line : past) follower->push(std::move(line));
    follower->on_lines(std::exchange(follower->pending, {}));
    for (const InstanceId instance : follower->query.instances) ++followed_[instance];
    followers_[id] = std::move(follower);
}

void Followers::remove(std::uint64_t id) {
    const auto found = followers_.find(id);
    if (found == followers_.end()) return;
    for (const InstanceId instance : found->second->query.instances) {
        const auto followed = followed_.find(instance);
        if (--followed->second == 0) followed_.erase(followed);
    }
    followers_.erase(found);
}

void Followers::offer(const Line& line) {
    for (const auto& [id, follower] : followers_)
        if (follower->wants(line)) follower->add(line);
}

void Followers::took(std::uint64_t id, std::size_t lines) {
    const auto found = followers_.find(id);
    if (found == followers_.end()) return;
    Follower& follower = *found->second;
    for (; lines > 0 && !follower.costs.empty(); --lines) {
        follower.held -= follower.costs.front();
        follower.costs.pop_front();
    }
    follower.add_missed(WallTime{});
    follower.deliver();
}

void Followers::deliver() {
    for (const auto& [id, follower] : followers_) follower->deliver();
}

}  // namespace reeve::log
