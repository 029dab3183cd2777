#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "conf/config.h"
#include "supervisor/core/event.h"
#include "supervisor/core/instance.h"
#include "supervisor/model/dependency_graph.h"

namespace reeve::core {

// The order among programs: who waits for whom before a start, who is stopped after whom, and who
// is restarted with whom.  A part of the roster, which tells it who has changed and whom it asks to
// do what follows from that.
class Order {
public:
    class Owner {
    public:
        virtual void step(Instance& instance, const model::MachineEvent& event) = 0;
        virtual void record_request(Instance& instance, std::string verb, const Actor& actor,
                                    std::string reason = {}) = 0;
        // It was asked for, and is not done.
        virtual void tell_declined(const Instance& instance, std::string verb, const Actor& actor,
                                   std::string reason) = 0;
        virtual std::string note(const Instance& instance) const = 0;
        virtual bool is_shutting_down() const = 0;

    protected:
        ~Owner() = default;
    };

    // `owner` must outlive it.
    explicit Order(Owner& owner) : owner_{owner} {}

    // All programs there are, with their instances, those that are leaving too.  What it points to
    // lives until the next call, but for instances that were removed.
    struct Entry {
        const conf::Program* program;
        std::vector<Instance*> instances;
    };
    void arrange(std::vector<Entry> entries);
    void remove(const Instance& instance);
    // After that: whoever waits, for whom, anew.
    void look_at_all();
    // And of these each is told to stop, or to restart, when those of them have gone that need it.
    // Nobody takes those for what they are waited for that are about to be started: started() is
    // said of each.
    void rearranged(const std::vector<Instance*>& to_stop, const std::vector<Instance*>& to_restart,
                    const std::vector<Instance*>& to_start);
    void started(const Instance& instance);

    // The programs that it waits for, in the order in which it names them.
    std::vector<std::string> waiting_for(const Instance& instance) const;
    // All that it waits for are on their way.
    bool waits_for_somebody_who_comes(const Instance& instance) const;
    // What there is to say of it for the sake of others: "is stopped after web"; empty: nothing.
    std::vector<std::string> notes(const Instance& instance) const;

    // Its state, whether it is ready, or what it waits for, is another.
    void changed(const Instance& instance);
    // It begins a run, not its first one.
    void restart_dependents(const Instance& instance);

    // All that is down and is needed, those first that the others depend on.  Without an `actor`
    // what an operator has stopped stays so.
    void start_dependencies(const Instance& instance, const Actor* actor);
    // Of these, what nobody has asked anything of: a schedule brings along what it needs, but
    // undoes nobody's stop and tries no failure again.
    void start_untouched(const Instance& instance);
    // Each is told to stop when those of them have gone that need it.
    void stop(const std::vector<Instance*>& instances);
    // Nobody has stopped it, or is about to as soon as others have gone, and it has been started.
    bool is_wanted_up(const Instance& instance) const;
    bool is_held(const Instance& instance) const { return held_.contains(instance.slot()); }
    void let_go(const Instance& instance) { held_.erase(instance.slot()); }
    void let_all_go() { held_.clear(); }

private:
    enum class Then { stop, restart };

    void hold(const std::vector<Instance*>& instances, Then then);
    bool is_met(const model::DependencyGraph::Edge& edge, const Instance& dependency) const;
    // The first instance of the dependency that is not where it is to be; null: there is none.
    const Instance* missing(const model::DependencyGraph::Edge& edge) const;
    std::size_t program_of(const Instance& instance) const {
        return programs_of_.at(instance.slot());
    }
    std::string conditions_of(const Instance& instance) const;
    void look_at_conditions(Instance& instance);
    bool is_down(const Instance& instance) const;
    bool must_stop_later(const Instance& instance) const;
    void settle();

    Owner& owner_;
    model::DependencyGraph graph_;
    std::vector<std::vector<Instance*>> programs_;                // by their index: their instances
    std::unordered_map<std::uint32_t, std::size_t> programs_of_;  // by the slot: their index
    std::set<std::size_t> changed_;  // programs whose dependents are to be looked at
    // Because what they depend on does, and which of that.
    struct Restart {
        Instance* instance;
        std::string because_of;
    };
    std::map<std::uint32_t, Restart> to_restart_;
    std::map<std::uint32_t, Then> held_;  // until others have gone
    std::set<std::uint32_t> to_start_;    // who has ended, and is about to begin anew
    // Of those that were held, who is on its way from one run to the next.
    std::set<std::uint32_t> between_;
    bool settling_ = false;
};

}  // namespace reeve::core
