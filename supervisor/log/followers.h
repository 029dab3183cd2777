#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "supervisor/log/line.h"

namespace reeve::log {

// Who is given lines as they come.  Each has at most `kMost` bytes on their way; one that takes
// nothing is given a `missed` mark instead of lines, and nobody waits for it.
class Followers {
public:
    static constexpr std::size_t kMost = 1024 * 1024;
    using OnLines = std::function<void(std::vector<Line>)>;

    Followers();
    ~Followers();

    // Gives it the past at once, perhaps nothing.  The query's instances are sorted.
    void add(std::uint64_t id, const Query& query, std::vector<Line> past, OnLines on_lines);
    void remove(std::uint64_t id);

    bool any_for(InstanceId instance) const { return followed_.contains(instance); }

    void offer(const Line& line);
    void took(std::uint64_t id, std::size_t lines);
    // Hands over what was offered since.
    void deliver();

private:
    struct Follower;
    std::map<std::uint64_t, std::unique_ptr<Follower>> followers_;
    std::map<InstanceId, int> followed_;  // by how many
};

}  // namespace reeve::log
