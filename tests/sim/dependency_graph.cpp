#include "tests/sim/dependency_graph.h"

#include <algorithm>
#include <stdexcept>
#include <variant>

#include "conf/load.h"
#include "supervisor/core/event.h"
#include "supervisor/core/roster.h"
#include "tests/sim/world.h"

namespace reeve::sim {

namespace {

std::string name_of(std::size_t program) {
    return "p" + std::to_string(program);
}

const char* text_of(Need::Until until) {
    switch (until) {
        case Need::Until::started:
            return "started";
        case Need::Until::ready:
            return "ready";
        case Need::Until::completed:
            return "completed";
    }
    return "";
}

model::State done_state(const GraphProgram& program) {
    return program.is_task ? model::State::exited : model::State::running;
}

conf::Config config_of(const Graph& graph) {
    conf::LoadRequest request;
    request.path = "graph.toml";
    request.text = toml_of(graph);
    auto config = conf::load(request);
    if (!config) throw std::runtime_error{conf::format_errors(config.error())};
    return std::move(*config);
}

}  // namespace

Graph random_graph(std::uint64_t seed, std::size_t programs) {
    Dice dice{seed};
    Graph graph(programs);
    for (std::size_t i = 0; i < programs; ++i) {
        GraphProgram& program = graph[i];
        program.is_task = dice.one_in(2);
        program.takes = dice.ms(0, 100);
        if (i == 0) continue;
        for (int many = dice.below(4); many > 0; --many) {
            // Near ones, so that there are long chains, and some from far away.
            const int reach =
                dice.one_in(4) ? static_cast<int>(i) : std::min<int>(60, static_cast<int>(i));
            const std::size_t other = i - 1 - static_cast<std::size_t>(dice.below(reach));
            if (std::ranges::any_of(program.needs,
                                    [&](const Need& need) { return need.program == other; })) {
                continue;
            }
            Need need{other, graph[other].is_task ? Need::Until::completed : Need::Until::ready};
            if (dice.one_in(8)) need.until = Need::Until::started;
            program.needs.push_back(need);
        }
    }
    return graph;
}

std::string toml_of(const Graph& graph, const std::string& gate) {
    std::string toml;
    for (std::size_t i = 0; i < graph.size(); ++i) {
        const GraphProgram& program = graph[i];
        const std::string takes = std::to_string(program.takes.count());
        toml += "[program." + name_of(i) + "]\n";
        if (program.is_task) {
            const std::string fraction =
                std::to_string(1000 + program.takes.count() % 1000).substr(1);
            toml += "type = \"task\"\ncommand = \"sleep " +
                    std::to_string(program.takes.count() / 1000) + "." + fraction + "\"\n";
        } else {
            toml += "command = \"sleep 1000\"\nready.after = \"" + takes + "ms\"\n";
        }
        if (program.needs.empty() && !gate.empty()) toml += "depends_on = [\"" + gate + "\"]\n";
        if (program.needs.empty()) continue;
        toml += "depends_on = [";
        for (const Need& need : program.needs) {
            toml += "{ name = \"" + name_of(need.program) + "\", until = \"" + text_of(need.until) +
                    "\" }, ";
        }
        toml += "]\n";
    }
    return toml;
}

std::vector<Moments> simulate(const Graph& graph, std::uint64_t seed) {
    const conf::Config config = config_of(graph);
    Dice dice{seed};
    std::vector<World::Role> cast;
    for (std::size_t i = 0; i < graph.size(); ++i) {
        Temper temper;
        temper.lives = graph[i].is_task ? std::optional{graph[i].takes} : std::nullopt;
        temper.lives_for_ever = 1;
        cast.push_back({&config.programs[i], temper});
    }
    World world{dice, std::move(cast)};
    core::EventLog events;
    const TimePoint begin = world.now();
    std::vector<Moments> book(graph.size());
    events.subscribe([&](const core::Event& event) {
        const auto* change = std::get_if<core::event::StateChanged>(&event.body);
        if (!change) return;
        const auto index = static_cast<std::size_t>(std::stoul(event.program.substr(1)));
        if (change->to == model::State::starting) book[index].started = world.now() - begin;
        if (change->to == done_state(graph[index])) book[index].done = world.now() - begin;
    });
    core::Roster roster{world, events, config, {}};
    world.attach(roster);
    roster.start_autostart();
    while (world.turn(begin + std::chrono::hours{1})) {
    }
    return book;
}

model::Duration may_start(const Graph& graph, const std::vector<Moments>& book,
                          std::size_t program) {
    model::Duration last{0};
    for (const Need& need : graph[program].needs) {
        const Moments& its = book[need.program];
        const auto& moment = need.until == Need::Until::started ? its.started : its.done;
        last = std::max(last, moment.value_or(model::Duration::max()));
    }
    return last;
}

model::Duration critical_path(const Graph& graph) {
    std::vector<Moments> book(graph.size());
    for (std::size_t i = 0; i < graph.size(); ++i) {
        book[i].started = may_start(graph, book, i);
        book[i].done = *book[i].started + graph[i].takes;
    }
    return last_done(book);
}

model::Duration last_done(const std::vector<Moments>& book) {
    model::Duration last{0};
    for (const Moments& its : book)
        last = std::max(last, its.done.value_or(model::Duration::max()));
    return last;
}

}  // namespace reeve::sim
