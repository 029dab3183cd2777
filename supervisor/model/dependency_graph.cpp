#include "supervisor/model/dependency_graph.h"

#include <string_view>
#include <unordered_map>

namespace reeve::model {

namespace {

std::vector<const conf::Program*> pointers_to(const std::vector<conf::Program>& programs) {
    std::vector<const conf::Program*> pointers;
    for (const conf::Program& program : programs) pointers.push_back(&program);
    return pointers;
}

}  // namespace

DependencyGraph::DependencyGraph(const std::vector<conf::Program>& programs)
    : DependencyGraph{pointers_to(programs)} {}

DependencyGraph::DependencyGraph(const std::vector<const conf::Program*>& programs)
    : nodes_(programs.size()) {
    std::unordered_map<std::string_view, std::size_t> index;
    for (std::size_t i = 0; i < programs.size(); ++i) index.emplace(programs[i]->name, i);
    for (std::size_t i = 0; i < programs.size(); ++i) {
        for (const conf::Dependency& dependency : programs[i]->depends_on) {
            const auto found = index.find(dependency.program);
            if (found == index.end()) continue;
            const auto until = dependency.until.value_or(conf::Until::ready);
            nodes_[i].down.push_back({found->second, until, dependency.restart});
            nodes_[found->second].up.push_back({i, until, dependency.restart});
        }
    }
}

std::vector<std::size_t> DependencyGraph::all_dependencies(std::size_t program) const {
    struct Step {
        std::size_t program;
        std::size_t next = 0;
    };
    std::vector<std::size_t> all;
    std::vector<bool> seen(nodes_.size());
    std::vector<Step> way{{program}};
    seen[program] = true;
    while (!way.empty()) {
        Step& step = way.back();
        const auto& down = nodes_[step.program].down;
        if (step.next < down.size()) {
            const std::size_t next = down[step.next++].program;
            if (seen[next]) continue;
            seen[next] = true;
            way.push_back({next});
            continue;
        }
        if (step.program != program) all.push_back(step.program);
        way.pop_back();
    }
    return all;
}

}  // namespace reeve::model
