#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/model/state.h"

// A random set of programs that need each other, for reeve itself and for the simulator: the same
// file for both, and the same book of what happened when.
namespace reeve::sim {

struct Need {
    enum class Until { started, ready, completed };
    std::size_t program = 0;  // its index, smaller than that of who needs it
    Until until = Until::ready;
};

struct GraphProgram {
    bool is_task = false;
    // From its start until it is ready, or until it has done its task.
    model::Duration takes{0};
    std::vector<Need> needs;
};

using Graph = std::vector<GraphProgram>;

// The program of index 12 is "p12".
Graph random_graph(std::uint64_t seed, std::size_t programs);

// Services sleep and are ready after `takes`; tasks sleep that long.  Who needs nobody needs
// `gate`, which is not in the file; empty: nobody.
std::string toml_of(const Graph& graph, const std::string& gate = {});

// When a program was started and when it was ready or done; nullopt: never.
struct Moments {
    std::optional<model::Duration> started;
    std::optional<model::Duration> done;
};

// Lives it in a world of its own until nothing is left to start.  Times are from the beginning.
std::vector<Moments> simulate(const Graph& graph, std::uint64_t seed);

// When the last thing that it needs had come, by that book; zero: it needs nothing.
model::Duration may_start(const Graph& graph, const std::vector<Moments>& book,
                          std::size_t program);

// When the last one is ready or done, if each starts the moment that it may: the longest way
// through the graph.
model::Duration critical_path(const Graph& graph);
model::Duration last_done(const std::vector<Moments>& book);

}  // namespace reeve::sim
