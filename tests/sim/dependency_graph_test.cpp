#include "tests/sim/dependency_graph.h"

#include "tests/support/catch.h"

using namespace reeve::sim;
using reeve::model::Duration;

// In the world of the simulator a wake-up comes up to 3 ms late, and it takes up to 6 until a
// program that was started has been executed, which is what "started" means to others; with its end
// that is up to 14 for each.
constexpr Duration kLate{9};
constexpr Duration kOneProgram{14};

TEST_CASE("a thousand programs start the moment that they may, and none before") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        INFO(seed);
        const Graph graph = random_graph(seed, 1000);
        const auto book = simulate(graph, seed);
        for (std::size_t i = 0; i < graph.size(); ++i) {
            INFO(i);
            REQUIRE(book[i].started);
            REQUIRE(book[i].done);
            const Duration may = may_start(graph, book, i);
            CHECK(*book[i].started >= may);
            CHECK(*book[i].started <= may + kLate);
        }
    }
}

TEST_CASE("all are up when the longest way through the graph is gone, and no later") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        INFO(seed);
        Graph graph = random_graph(seed, 1000);
        const Duration least = critical_path(graph);
        for (GraphProgram& program : graph) program.takes += kOneProgram + kLate;
        const Duration most = critical_path(graph);
        for (GraphProgram& program : graph) program.takes -= kOneProgram + kLate;
        const Duration took = last_done(simulate(graph, seed));
        CHECK(took >= least);
        CHECK(took <= most);
    }
}
