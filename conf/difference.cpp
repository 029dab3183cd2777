#include "conf/difference.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

namespace reeve::conf {

namespace {

// How many instances both have.
std::size_t common(const Program& a, const Program& b) {
    return static_cast<std::size_t>(std::min(a.instances, b.instances));
}

// Lists with one value an instance, or with none.
template <typename T>
bool same_for_each(const std::vector<T>& a, const std::vector<T>& b, std::size_t instances) {
    if (a.empty() != b.empty()) return false;
    const auto end = std::min({a.size(), b.size(), instances});
    return std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(end), b.begin());
}

template <typename Stream>
bool same_path(const Stream& a, const Stream& b, std::size_t instances) {
    for (std::size_t i = 1; i <= instances; ++i) {
        if (a.path_of(static_cast<int>(i)) != b.path_of(static_cast<int>(i))) return false;
    }
    return true;
}

bool same_sink(const Sink& a, const Sink& b, std::size_t instances) {
    Sink other = b;
    other.path = a.path;
    other.instance_paths = a.instance_paths;
    return a == other && same_path(a, b, instances);
}

bool same_output(const Output& a, const Output& b, std::size_t instances) {
    return a.kind == b.kind &&
           std::equal(a.sinks.begin(), a.sinks.end(), b.sinks.begin(), b.sinks.end(),
                      [&](const Sink& x, const Sink& y) { return same_sink(x, y, instances); });
}

bool same_dependency(const Dependency& a, const Dependency& b) {
    return a.program == b.program && a.until == b.until && a.restart == b.restart;
}

bool same_step(const StopStep& a, const StopStep& b) {
    return a.signal == b.signal && a.wait == b.wait;
}

const ResourceLimit* limit_of(const Program& program, std::string_view name) {
    const auto found = std::ranges::find(program.resource_limits, name, &ResourceLimit::name);
    return found == program.resource_limits.end() ? nullptr : &*found;
}

bool same_limit(const Program& a, const Program& b, std::string_view name) {
    const ResourceLimit* x = limit_of(a, name);
    const ResourceLimit* y = limit_of(b, name);
    return x && y ? *x == *y : x == y;
}

using Same = bool (*)(const Program&, const Program&);

template <auto Member>
bool same(const Program& a, const Program& b) {
    return a.*Member == b.*Member;
}

template <auto Member>
bool same_each(const Program& a, const Program& b) {
    return same_for_each(a.*Member, b.*Member, common(a, b));
}

template <auto Member>
bool same_cgroup_limit(const Program& a, const Program& b) {
    return a.limits.*Member == b.limits.*Member;
}

// Of a guard that one of them lacks, all that the other says of it is new.
template <auto Member>
bool same_guard(const Program& a, const Program& b) {
    const Guard none;
    return (a.guard ? *a.guard : none).*Member == (b.guard ? *b.guard : none).*Member;
}

template <auto Member>
bool same_security(const Program& a, const Program& b) {
    return a.security.*Member == b.security.*Member;
}

// Of a view that one of them lacks, all is as it is for everybody.
template <auto Member>
bool same_view(const Program& a, const Program& b) {
    for (std::size_t i = 0; i < common(a, b); ++i) {
        const FileView mine = i < a.views.size() ? a.views[i] : FileView{};
        const FileView theirs = i < b.views.size() ? b.views[i] : FileView{};
        if (mine.*Member != theirs.*Member) return false;
    }
    return true;
}

// What a probe of that kind looks at, for the instances that both have; empty: another kind does,
// or none.
template <typename Target>
std::vector<Target> targets_of(const std::vector<ProbeTarget>& probes, std::size_t instances) {
    std::vector<Target> targets;
    for (std::size_t i = 0; i < std::min(instances, probes.size()); ++i) {
        if (const auto* target = std::get_if<Target>(&probes[i])) targets.push_back(*target);
    }
    return targets;
}

template <typename Target>
bool same_ready_probe(const Program& a, const Program& b) {
    const std::size_t count = common(a, b);
    return targets_of<Target>(a.ready.probes, count) == targets_of<Target>(b.ready.probes, count);
}

template <typename Target>
bool same_health_probe(const Program& a, const Program& b) {
    static const std::vector<ProbeTarget> kNone;
    const std::size_t count = common(a, b);
    return targets_of<Target>(a.health ? a.health->probes : kNone, count) ==
           targets_of<Target>(b.health ? b.health->probes : kNone, count);
}

template <auto Member>
bool same_health(const Program& a, const Program& b) {
    const HealthCheck none;
    return (a.health ? *a.health : none).*Member == (b.health ? *b.health : none).*Member;
}

bool is_ready_by(const Program& program, Readiness::Kind kind) {
    return program.ready.kind == kind;
}

template <Readiness::Kind Kind>
bool same_way(const Program& a, const Program& b) {
    return is_ready_by(a, Kind) == is_ready_by(b, Kind);
}

template <auto Member>
bool same_hook(const Program& a, const Program& b) {
    for (std::size_t i = 0; i < common(a, b); ++i) {
        const int instance = static_cast<int>(i) + 1;
        if (a.hooks_of(instance).*Member != b.hooks_of(instance).*Member) return false;
    }
    return true;
}

bool never(const Program&, const Program&) {
    return true;
}

struct Comparison {
    std::string_view key;
    Same same;
};

// What each key of [program.NAME] comes to; those of `limits` that setrlimit(2) takes are compared
// by their names.
constexpr Comparison kComparisons[] = {
    {"command", same_each<&Program::commands>},
    {"shell", same<&Program::shell>},
    {"type", same<&Program::type>},
    {"pid_file", same_each<&Program::pid_files>},
    {"description", same<&Program::description>},
    {"directory", same_each<&Program::directories>},
    {"user", same<&Program::user>},
    {"group", same<&Program::group>},
    {"supplementary_groups", same<&Program::supplementary_groups>},
    {"umask", same<&Program::umask>},
    {"environment", never},       // each variable by itself
    {"environment_file", never},  // likewise
    {"inherit_environment", same<&Program::inherit_environment>},
    {"enabled", never},  // it is there, or isn't
    {"autostart", same<&Program::autostart>},
    {"watch", same_each<&Program::watches>},
    {"schedule", same<&Program::schedule>},
    {"overlap", same<&Program::overlap>},
    {"instances", same<&Program::instances>},
    {"depends_on",
     [](const Program& a, const Program& b) {
         return std::ranges::equal(a.depends_on, b.depends_on, same_dependency);
     }},
    {"essential", same<&Program::essential>},
    {"restart", same<&Program::restart>},
    {"success_exit_codes", same<&Program::success_exit_codes>},
    {"restart_delay", same<&Program::restart_delay>},
    {"restart_delay_max", same<&Program::restart_delay_max>},
    {"max_failures", same<&Program::max_failures>},
    {"healthy_after", same<&Program::healthy_after>},
    {"start_timeout", same<&Program::start_timeout>},
    {"stop_signal",
     [](const Program& a, const Program& b) {
         // Its one step without a time of its own has that of stop_timeout.
         const bool plain = a.stop_steps.size() == 1 && b.stop_steps.size() == 1 &&
                            a.stop_steps[0].wait == a.stop_timeout &&
                            b.stop_steps[0].wait == b.stop_timeout;
         if (plain) return a.stop_steps[0].signal == b.stop_steps[0].signal;
         return std::ranges::equal(a.stop_steps, b.stop_steps, same_step);
     }},
    {"stop_timeout", same<&Program::stop_timeout>},
    {"stop_scope", same<&Program::stop_scope>},
    {"stop_command", same_hook<&Hooks::stop_command>},
    {"start_pre", same_hook<&Hooks::start_pre>},
    {"stop_post", same_hook<&Hooks::stop_post>},
    {"reload_signal", same<&Program::reload_signal>},
    {"reload_command", same_hook<&Hooks::reload_command>},
    {"leftovers", same<&Program::leftovers>},
    {"stdin",
     [](const Program& a, const Program& b) {
         return a.input.kind == b.input.kind && same_path(a.input, b.input, common(a, b));
     }},
    {"tty", same<&Program::tty>},
    {"stdout", [](const Program& a,
                  const Program& b) { return same_output(a.output, b.output, common(a, b)); }},
    {"stderr", [](const Program& a,
                  const Program& b) { return same_output(a.error, b.error, common(a, b)); }},
    {"nice", same<&Program::nice>},
    {"oom_score_adj", same<&Program::oom_score_adj>},
    {"cpu_affinity", same<&Program::cpu_affinity>},
    {"ready.notify", same_way<Readiness::Kind::notify>},
    {"ready.fd",
     [](const Program& a, const Program& b) { return a.ready.descriptor == b.ready.descriptor; }},
    {"ready.tcp", same_ready_probe<ServerAddress>},
    {"ready.http", same_ready_probe<HttpAddress>},
    {"ready.exec", same_ready_probe<ExecTarget>},
    {"ready.log",
     [](const Program& a, const Program& b) {
         return same_way<Readiness::Kind::log>(a, b) &&
                same_for_each(a.ready.patterns, b.ready.patterns, common(a, b));
     }},
    {"ready.file", same_ready_probe<FileTarget>},
    {"ready.after",
     [](const Program& a, const Program& b) {
         return !is_ready_by(a, Readiness::Kind::alive) ||
                !is_ready_by(b, Readiness::Kind::alive) || a.ready.after == b.ready.after;
     }},
    {"ready.interval",
     [](const Program& a, const Program& b) { return a.ready.interval == b.ready.interval; }},
    {"health.tcp", same_health_probe<ServerAddress>},
    {"health.http", same_health_probe<HttpAddress>},
    {"health.exec", same_health_probe<ExecTarget>},
    {"health.notify", same_health<&HealthCheck::notify>},
    {"health.interval", same_health<&HealthCheck::interval>},
    {"health.timeout", same_health<&HealthCheck::timeout>},
    {"health.failures", same_health<&HealthCheck::failures>},
    {"health.action", same_health<&HealthCheck::action>},
    {"limits.memory", same_cgroup_limit<&CgroupLimits::memory_bytes>},
    {"limits.pids", same_cgroup_limit<&CgroupLimits::pids>},
    {"limits.cpu_quota", same_cgroup_limit<&CgroupLimits::cpu_percent>},
    {"guard.memory", same_guard<&Guard::memory_bytes>},
    {"guard.pids", same_guard<&Guard::pids>},
    {"guard.zombies", same_guard<&Guard::zombies>},
    {"guard.interval", same_guard<&Guard::interval>},
    {"guard.action", same_guard<&Guard::action>},
    {"security.no_new_privileges", same_security<&Security::no_new_privileges>},
    {"security.capabilities", same_security<&Security::capabilities>},
    {"security.private_tmp", same_view<&FileView::private_tmp>},
    {"security.read_only", same_view<&FileView::read_only>},
    {"security.writable", same_view<&FileView::writable>},
};

bool is_setrlimit_key(const Key& key) {
    return key.type == KeyType::limit || key.type == KeyType::size_limit;
}

struct Compared {
    const Key* key;
    std::string name;
    Same same;  // none of a limit of setrlimit(2), nor of the environment
};

// In the order of the table of keys.  Looking for each key's own in all of them took 50 ms for a
// thousand programs, so it is done once.
const std::vector<Compared>& compared_keys() {
    static const std::vector<Compared> kCompared = [] {
        std::vector<Compared> all;
        for (const Key& key : all_keys()) {
            if (!is_program_key(key) || key.type == KeyType::inner || key.table == Table::output) {
                continue;
            }
            std::string name = name_of(key);
            const auto found = std::ranges::find(kComparisons, name, &Comparison::key);
            const Same same = found == std::end(kComparisons) ? nullptr : found->same;
            if (same || is_setrlimit_key(key) || key.type == KeyType::environment)
                all.push_back({&key, std::move(name), same});
        }
        return all;
    }();
    return kCompared;
}

// The variables whose values are others for one of the instances that both have.
std::set<std::string> changed_variables(const Program& a, const Program& b) {
    std::set<std::string> changed;
    const std::size_t instances =
        std::min({common(a, b), a.environments.size(), b.environments.size()});
    const auto note = [&changed](const auto& here, const auto& there) {
        for (const auto& [name, value] : here) {
            const auto found = there.find(name);
            if (found == there.end() || found->second != value) changed.insert(name);
        }
    };
    for (std::size_t i = 0; i < instances; ++i) {
        note(a.environments[i], b.environments[i]);
        note(b.environments[i], a.environments[i]);
    }
    return changed;
}

// What a program is given for it, which stays the same for a whole run: a pipe, reeve's own
// descriptor, or the one that stdout has too.
bool same_descriptor(const Output& a, const Output& b) {
    return a.kind == b.kind;
}

Change change_of(const Key& key, const Program& a, const Program& b) {
    // It was told by $WATCHDOG_USEC when it began.
    if (key.table == Table::health && key.name == "interval" && a.health && a.health->notify &&
        b.health && b.health->notify) {
        return Change::new_run;
    }
    const bool other_stdout = key.name == "stdout" && !same_descriptor(a.output, b.output);
    const bool other_stderr = key.name == "stderr" && !same_descriptor(a.error, b.error);
    return key.table == Table::program && (other_stdout || other_stderr) ? Change::new_run
                                                                         : key.change;
}

template <typename Section, typename Is>
std::vector<Difference> section_differences(Table table, const Section& before,
                                            const Section& after, Is is_changed) {
    std::vector<Difference> found;
    for (const Key& key : all_keys()) {
        if (key.table == table && is_changed(key.name, before, after)) {
            found.push_back({std::string{key.name}, key.change});
        }
    }
    return found;
}

// One that it is passed and wasn't, or no longer, or that is another one now; all of them, where
// their order is: by that it knows them.
std::vector<std::string> changed_sockets(const Program& before, const Program& after) {
    std::vector<std::string> names;
    const auto note = [&](const std::vector<Socket>& all, const std::vector<Socket>& others) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (i < others.size() && all[i].same_as(others[i])) continue;
            if (std::ranges::find(names, all[i].name) == names.end()) names.push_back(all[i].name);
        }
    };
    note(before.sockets, after.sockets);
    note(after.sockets, before.sockets);
    return names;
}

}  // namespace

std::vector<Difference> differences(const Program& before, const Program& after) {
    std::vector<Difference> found;
    for (const auto& [key, name, same] : compared_keys()) {
        if (key->type == KeyType::environment) {
            for (const std::string& variable : changed_variables(before, after)) {
                found.push_back({"environment." + variable, key->change});
            }
            continue;
        }
        const bool is_same = same ? same(before, after) : same_limit(before, after, key->name);
        if (!is_same) found.push_back({name, change_of(*key, before, after)});
    }
    for (const std::string& name : changed_sockets(before, after)) {
        found.push_back({"socket." + name, Change::new_run});
    }
    return found;
}

std::vector<Difference> differences(const Supervisor& before, const Supervisor& after) {
    return section_differences(Table::supervisor, before, after,
                               [](std::string_view key, const Supervisor& a, const Supervisor& b) {
                                   if (key == "exit_on") return a.exit_on != b.exit_on;
                                   if (key == "stop_timeout")
                                       return a.stop_timeout != b.stop_timeout;
                                   if (key == "log_level") return a.log_level != b.log_level;
                                   if (key == "log_format") return a.log_format != b.log_format;
                                   if (key == "log") return a.log != b.log;
                                   if (key == "pids_warn") return a.pids_warn != b.pids_warn;
                                   return false;  // environment: the programs'
                               });
}

namespace {

bool same_access(const std::vector<AccessRule>& before, const std::vector<AccessRule>& after) {
    return std::ranges::equal(before, after, [](const AccessRule& a, const AccessRule& b) {
        return a.user == b.user && a.group == b.group && a.role == b.role;
    });
}

}  // namespace

std::vector<Difference> differences(const Control& before, const Control& after) {
    return section_differences(Table::control, before, after,
                               [](std::string_view key, const Control& a, const Control& b) {
                                   if (key == "socket") return a.socket != b.socket;
                                   if (key == "mode") return a.mode != b.mode;
                                   if (key == "group") return a.group != b.group;
                                   if (key == "access") return !same_access(a.access, b.access);
                                   if (key == "listen") return a.listen != b.listen;
                                   if (key == "token_file")
                                       return a.token_file != b.token_file || a.token != b.token;
                                   if (key == "hosts") return a.hosts != b.hosts;
                                   return false;
                               });
}

bool needs_new_run(std::span<const Difference> differences) {
    return std::ranges::any_of(differences, [](const Difference& difference) {
        return difference.change == Change::new_run;
    });
}

std::string join_keys(std::span<const Difference> differences) {
    std::string text;
    for (const Difference& difference : differences) {
        text += (text.empty() ? "" : ", ") + difference.key;
    }
    return text;
}

}  // namespace reeve::conf
