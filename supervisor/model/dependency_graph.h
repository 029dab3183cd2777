#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "conf/config.h"

namespace reeve::model {

// Who depends on whom, both ways round.  Programs are named by their index in the configuration,
// which has no circles.
class DependencyGraph {
public:
    struct Edge {
        std::size_t program;  // that is depended on; or, the other way round, that depends
        conf::Until until = conf::Until::ready;
        bool restart = false;
    };

    DependencyGraph() = default;
    explicit DependencyGraph(const std::vector<const conf::Program*>& programs);
    explicit DependencyGraph(const std::vector<conf::Program>& programs);

    std::span<const Edge> dependencies(std::size_t program) const { return nodes_[program].down; }
    std::span<const Edge> dependents(std::size_t program) const { return nodes_[program].up; }

    // All that it depends on by whatever way, each behind what it depends on itself.
    std::vector<std::size_t> all_dependencies(std::size_t program) const;

private:
    struct Node {
        std::vector<Edge> down;
        std::vector<Edge> up;
    };
    std::vector<Node> nodes_;
};

}  // namespace reeve::model
