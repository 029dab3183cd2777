#include "conf/program_table.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <set>
#include <string_view>

#include "conf/capabilities.h"
#include "conf/command_table.h"
#include "conf/dependencies.h"
#include "conf/env_file.h"
#include "conf/expand.h"
#include "conf/output_table.h"
#include "conf/probe_tables.h"
#include "conf/quote.h"
#include "conf/secret.h"
#include "conf/variables.h"

namespace reeve::conf {

namespace {

using std::string;

constexpr std::string_view kNoSuchFile = "No such file or directory";  // as strerror(3) says it
constexpr std::string_view kEnvironmentFile = R"(".env" or { path = ".env", required = false })";

// By the names of the keys of [program.NAME.limits].
int resource_of(std::string_view name) {
    constexpr std::pair<std::string_view, int> kResources[] = {
        {"as", RLIMIT_AS},
        {"core", RLIMIT_CORE},
        {"cpu", RLIMIT_CPU},
        {"data", RLIMIT_DATA},
        {"fsize", RLIMIT_FSIZE},
        {"memlock", RLIMIT_MEMLOCK},
        {"msgqueue", RLIMIT_MSGQUEUE},
        {"nice", RLIMIT_NICE},
        {"nofile", RLIMIT_NOFILE},
        {"nproc", RLIMIT_NPROC},
        {"rss", RLIMIT_RSS},
        {"rtprio", RLIMIT_RTPRIO},
        {"rttime", RLIMIT_RTTIME},
        {"sigpending", RLIMIT_SIGPENDING},
        {"stack", RLIMIT_STACK},
    };
    for (const auto& [known, resource] : kResources) {
        if (known == name) return resource;
    }
    return -1;  // setrlimit says so
}

// Of an item of `watch`; empty: it is well.
string fault_of_glob(std::string_view glob) {
    if (glob.empty()) return "is empty (should be a path or a glob, such as \"src/**/*.py\")";
    for (std::size_t at = glob.find("**"); at != std::string_view::npos;
         at = glob.find("**", at + 2)) {
        const bool alone =
            (at == 0 || glob[at - 1] == '/') && (at + 2 == glob.size() || glob[at + 2] == '/');
        if (!alone)
            return "has a ** that is not alone between slashes (write \"**/*.py\" for all below)";
    }
    return "";
}

bool is_below(std::string_view path, std::string_view directory) {
    return path.starts_with(directory) &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

// Of an item of `security.read_only` or `writable`; empty: it is well.
string fault_of_view_path(std::string_view path, bool private_tmp) {
    if (path.empty() || path.front() != '/') return "is not an absolute path (start it with a /)";
    if ((string{path} + '/').find("/../") != string::npos) {
        return "goes up again by .. (write where it leads)";
    }
    if (private_tmp && (is_below(path, "/tmp") || is_below(path, "/var/tmp"))) {
        return "is hidden by \"private_tmp\", whose /tmp is new and writable (remove it)";
    }
    return "";
}

class ProgramTable {
public:
    ProgramTable(string name, Place place, const Settings& own,
                 const ProgramSurroundings& surroundings, Problems& problems)
        : surroundings_{surroundings}, problems_{problems}, read_{problems} {
        program_.name = std::move(name);
        program_.place = place;
        settings_ = own;
        own_ = &own;
        for (const Setting& setting : surroundings.defaults) {
            if (find(own, name_of(*setting.key)) || is_replaced(own, setting)) continue;
            settings_.push_back(setting);
        }
        own_pid_file_ = find(own, "pid_file") != nullptr;
        gather_environment(own);
    }

    // The values that mean the same whatever the surroundings.
    void read_plain() {
        if (const Setting* setting = at("type")) {
            constexpr std::array kTypes{ProgramType::service, ProgramType::task,
                                        ProgramType::forking};
            if (const auto word = read_.one_of(*setting)) {
                program_.type = kTypes[*word];
            } else {
                faulty_.emplace("type");
            }
        }
        if (program_.type == ProgramType::task) program_.restart = RestartPolicy::never;

        if (const Setting* setting = at("restart")) {
            constexpr std::array kPolicies{RestartPolicy::always, RestartPolicy::on_failure,
                                           RestartPolicy::never};
            if (const auto word = read_.one_of(*setting)) program_.restart = kPolicies[*word];
        }
        if (const Setting* setting = at("stop_scope")) {
            constexpr std::array kScopes{StopScope::main, StopScope::group, StopScope::tree};
            if (const auto word = read_.one_of(*setting)) program_.stop_scope = kScopes[*word];
        }
        if (const Setting* setting = at("leftovers")) {
            constexpr std::array kLeftovers{Leftovers::kill, Leftovers::keep};
            if (const auto word = read_.one_of(*setting)) program_.leftovers = kLeftovers[*word];
        }

        if (const Setting* setting = at("overlap")) {
            constexpr std::array kOverlaps{Overlap::skip, Overlap::queue, Overlap::replace};
            if (const auto word = read_.one_of(*setting)) program_.overlap = kOverlaps[*word];
        }
        if (const Setting* setting = at("schedule")) {
            read_schedule(*setting);
        } else if (const Setting* overlap = find(*own_, "overlap");
                   overlap && !program_.name.empty() && program_.overlap != Overlap::skip) {
            // That of [defaults] is for those that have one.
            problems_.add(overlap->place,
                          "\"overlap\" is for tasks with a schedule, and program " +
                              quoted(program_.name) +
                              " has none (remove it, or add a schedule such as \"@daily\")");
        }

        take("description", program_.description, &SettingReader::text);
        take("shell", program_.shell, &SettingReader::boolean);
        take("autostart", program_.autostart, &SettingReader::boolean);
        take("essential", program_.essential, &SettingReader::boolean);
        take("user", program_.user, &SettingReader::name_or_number);
        take("group", program_.group, &SettingReader::name_or_number);
        take("supplementary_groups", program_.supplementary_groups,
             &SettingReader::names_or_numbers);
        take("instances", program_.instances, &SettingReader::integer);
        program_.instances_written = program_.instances;
        if (surroundings_.scaled) scale(*surroundings_.scaled);
        take("max_failures", program_.max_failures, &SettingReader::integer);
        take("nice", program_.nice, &SettingReader::integer);
        take("oom_score_adj", program_.oom_score_adj, &SettingReader::integer);
        take("cpu_affinity", program_.cpu_affinity, &SettingReader::integers);
        take("success_exit_codes", program_.success_exit_codes, &SettingReader::exits);
        take("restart_delay", program_.restart_delay, &SettingReader::duration);
        take("restart_delay_max", program_.restart_delay_max, &SettingReader::duration);
        take("healthy_after", program_.healthy_after, &SettingReader::duration);
        take("start_timeout", program_.start_timeout, &SettingReader::duration);
        take("stop_timeout", program_.stop_timeout, &SettingReader::duration);
        if (const Setting* setting = at("umask")) {
            if (const auto mode = read_.mode(*setting, 0777)) program_.umask = *mode;
        }
        if (const Setting* setting = at("depends_on")) {
            program_.depends_on = read_dependencies(*setting, problems_);
            // What [defaults] names depends on the others there, not on itself.
            if (!find(*own_, "depends_on")) {
                std::erase_if(program_.depends_on, [this](const Dependency& dependency) {
                    return dependency.program == program_.name;
                });
            }
        }
        read_limits();
        read_guard();
        read_probes();
        read_security();
        read_inheritance();
        read_stop();
        read_hooks();
        read_words();
        take("tty", program_.tty, &SettingReader::boolean);
        read_stdin();
        watch("stdout", [&] { out_ = read_stream("stdout", program_.output); });
        watch("stderr", [&] { err_ = read_stream("stderr", program_.error); });
        watch("pid_file", [&] {
            const Setting* setting = at("pid_file");
            if (setting && read_.is_text(*setting->value, "\"pid_file\"", "a string") &&
                setting->value->text.empty()) {
                read_.wrong(*setting, "is empty (should be a path)");
            }
        });
    }

    // Everything that is expanded.  False: the program is not enabled.
    bool read_expanded() {
        for (int instance = 1; instance <= program_.instances; ++instance) {
            Variables variables{layers_, *surroundings_.own, *surroundings_.directories,
                                program_.name, instance};
            if (instance == 1 && !is_enabled(variables)) return false;
            const Setting* files = at("environment_file");
            if (!files) {
                read_instance(variables);
                continue;
            }
            const Value from_files = read_environment_files(*files, variables);
            // Below the environment that stands beside it.
            const bool own = find(*own_, "environment_file") != nullptr;
            const bool beside = find(*own_, "environment") != nullptr;
            std::vector<const Value*> layers = layers_;
            layers.insert(layers.begin() +
                              (own ? (beside ? 1 : 0) : static_cast<std::ptrdiff_t>(own_layers_)),
                          &from_files);
            Variables with_files{layers, *surroundings_.own, *surroundings_.directories,
                                 program_.name, instance};
            read_instance(with_files);
        }
        settle(program_.input);
        watch("stdout", [&] { settle_sinks(program_.output, STDOUT_FILENO, out_); });
        watch("stderr", [&] { settle_sinks(program_.error, STDERR_FILENO, err_); });
        return true;
    }

    Program take_program() {
        note_keys();
        return std::move(program_);
    }

    FaultyKeys take_faulty() { return std::move(faulty_); }

private:
    const Setting* at(std::string_view name) const { return find(settings_, name); }

    // Stores what `reader` makes of the key, where it is written and right.
    template <typename Field, typename T>
    void take(std::string_view name, Field& field,
              std::optional<T> (SettingReader::*reader)(const Setting&)) {
        if (const Setting* setting = at(name)) {
            if (auto value = (read_.*reader)(*setting)) {
                field = std::move(*value);
            } else {
                faulty_.emplace(name);
            }
        }
    }

    // Reads what may be wrong in one of several places.
    template <typename Action>
    void watch(std::string_view key, const Action& action) {
        const std::size_t before = problems_.size();
        action();
        if (problems_.size() != before) faulty_.emplace(key);
    }

    void scale(const std::map<string, Scaled>& scaled) {
        const auto found = scaled.find(program_.name);
        if (found == scaled.end() || found->second.written != program_.instances) return;
        program_.instances = found->second.instances;
    }

    // Tables merge key by key, so the environment has layers and no one value.
    void gather_environment(const Settings& own) {
        const auto add = [&](const Settings& from) {
            if (const Setting* setting = find(from, "environment")) {
                if (setting->value->is(Value::Type::table)) {
                    layers_.push_back(setting->value);
                } else {
                    read_.wrong_type(*setting);
                }
            }
        };
        add(own);
        add(surroundings_.defaults);
        own_layers_ = layers_.size();
        if (surroundings_.environment) layers_.push_back(surroundings_.environment);
    }

    // False: it was not written, or is no table.
    bool has_table(std::string_view name) {
        const Setting* setting = at(name);
        if (!setting) return false;
        if (setting->value->is(Value::Type::table)) return true;
        read_.wrong_type(*setting);
        return false;
    }

    void read_schedule(const Setting& setting) {
        const auto text = read_.text(setting);
        if (!text) return;
        auto schedule = parse_schedule(*text);
        if (schedule) {
            program_.schedule = *schedule;
        } else {
            problems_.add(setting.value->place, "\"schedule\": " + schedule.error());
        }
    }

    void read_limits() {
        if (!has_table("limits")) return;
        take("limits.memory", program_.limits.memory_bytes, &SettingReader::size);
        take("limits.pids", program_.limits.pids, &SettingReader::integer);
        take("limits.cpu_quota", program_.limits.cpu_percent, &SettingReader::percentage);
        for (const Key& key : all_keys()) {
            if (key.type != KeyType::limit && key.type != KeyType::size_limit) continue;
            const Setting* setting = at(name_of(key));
            if (!setting) continue;
            if (const auto limit = read_.limit(*setting)) {
                program_.resource_limits.push_back(
                    {key.name, resource_of(key.name), limit->soft, limit->hard});
            }
        }
    }

    void read_guard() {
        if (!has_table("guard")) return;
        Guard guard;
        take("guard.memory", guard.memory_bytes, &SettingReader::size);
        take("guard.pids", guard.pids, &SettingReader::integer);
        take("guard.zombies", guard.zombies, &SettingReader::integer);
        take("guard.interval", guard.interval, &SettingReader::duration);
        if (const Setting* setting = at("guard.action")) {
            constexpr std::array kActions{GuardAction::restart, GuardAction::warn};
            if (const auto word = read_.one_of(*setting)) guard.action = kActions[*word];
        }
        // [defaults.guard] may say how often and what then, for those that have a guard.
        if (guard.memory_bytes || guard.pids || guard.zombies) program_.guard = guard;
    }

    void read_security() {
        if (!has_table("security")) return;
        Security& security = program_.security;
        take("security.no_new_privileges", security.no_new_privileges, &SettingReader::boolean);
        const Setting* setting = at("security.capabilities");
        if (!setting) return;
        const auto names = read_.texts(*setting);
        if (!names || names->size() != setting->value->items.size()) return;
        security.capabilities.emplace();
        for (std::size_t i = 0; i < names->size(); ++i) {
            if (const auto number = parse_capability((*names)[i])) {
                security.capabilities->push_back({(*names)[i], *number});
            } else {
                problems_.add(setting->value->items[i].place,
                              "\"security.capabilities\": " + number.error());
            }
        }
    }

    void read_inheritance() {
        const Setting* setting = at("inherit_environment");
        if (!setting) return;
        if (setting->value->is(Value::Type::boolean)) {
            if (setting->value->integer == 0) program_.inherit_environment.emplace();
        } else if (setting->value->is(Value::Type::array)) {
            program_.inherit_environment = read_.texts(*setting);
        } else {
            read_.wrong_type(*setting);
        }
    }

    void read_stop() {
        int signal = SIGTERM;
        if (const Setting* setting = at("stop_signal")) {
            if (auto stop = read_.stop(*setting)) {
                program_.stop_steps = std::move(stop->steps);
                if (stop->signal) signal = *stop->signal;
            }
        }
        if (program_.stop_steps.empty()) program_.stop_steps = {{signal, program_.stop_timeout}};
    }

    void read_hooks() {
        const auto read_list = [&](std::string_view name, std::vector<WrittenCommand>& commands) {
            const Setting* setting = at(name);
            if (!setting) return;
            if (auto read = read_commands(*setting, problems_)) commands = std::move(*read);
        };
        const auto read_one = [&](std::string_view name, std::optional<WrittenCommand>& command) {
            if (const Setting* setting = at(name)) command = read_command(*setting, problems_);
        };
        read_list("start_pre", start_pre_);
        read_list("stop_post", stop_post_);
        read_one("stop_command", stop_command_);
        read_one("reload_command", reload_command_);
        take("reload_signal", program_.reload_signal, &SettingReader::signal);

        const Setting* signal = at("reload_signal");
        const Setting* command = at("reload_command");
        if (!signal || !command) return;
        // One of its own takes the place of the other in [defaults].
        const bool own_signal = find(*own_, "reload_signal") != nullptr;
        const bool own_command = find(*own_, "reload_command") != nullptr;
        if (own_signal == own_command) {
            problems_.add(command->place,
                          "\"reload_command\" and \"reload_signal\" are both set (should be one "
                          "of them)");
        } else if (own_signal) {
            reload_command_.reset();
        } else {
            program_.reload_signal.reset();
        }
    }

    void read_words() {
        const Setting* setting = at("command");
        if (!setting) return;
        const Value& value = *setting->value;
        if (!program_.shell) {
            words_ = read_.words(*setting).value_or(std::vector<string>{});
        } else if (value.is(Value::Type::array)) {
            read_.wrong(*setting, "is an array (should be one string, since shell = true)");
        } else if (!value.is(Value::Type::string)) {
            read_.wrong_type(*setting);
        } else if (read_.is_text(value, "\"command\"", "a string")) {
            if (value.text.find_first_not_of(" \t\r\n") != string::npos) {
                words_ = {value.text};
            } else {
                read_.wrong(*setting, "is empty (should be the program to run and its arguments)");
            }
        }
    }

    // A task does its job as long as it runs.
    void read_probes() {
        const bool task = program_.type == ProgramType::task;
        if (task && !faulty_.contains("type")) {
            for (const std::string_view table : {"ready", "health"}) {
                const Setting* setting = find(*own_, table);
                if (!setting) continue;
                problems_.add(setting->place,
                              quoted(table) + " is for services, and program " +
                                  quoted(program_.name) +
                                  " is a task, which is done when it has ended well (remove it)");
            }
        }
        if (task) return;
        watch("ready",
              [&] { ready_ = read_readiness(*own_, settings_, problems_, program_.ready); });
        watch("health",
              [&] { health_ = read_health(*own_, settings_, problems_, program_.health); });
    }

    WrittenOutput read_stream(std::string_view name, Output& output) {
        WrittenOutput written =
            read_output(name, find(*own_, name), find(surroundings_.defaults, name), problems_);
        output = written.output;
        return written;
    }

    // A path is left to read_instance().
    void read_stdin() {
        constexpr std::array kKinds{Input::Kind::null, Input::Kind::inherit, Input::Kind::file};
        if (const Setting* setting = at("stdin")) {
            if (const auto word = read_.word_or_path(*setting)) program_.input.kind = kKinds[*word];
        }
    }

    std::optional<string> expanded(Variables& variables, std::string_view key,
                                   std::string_view text, Place place) {
        auto result = variables.expand(text, place.file);
        if (!result) {
            problems_.add(place, quoted(key) + ": " + result.error());
            return std::nullopt;
        }
        return std::move(*result);
    }

    // The same for a path, which comes out absolute.
    std::optional<string> expanded_path(Variables& variables, const Setting& setting) {
        const Value& value = *setting.value;
        auto path = expanded(variables, setting.key->name, value.text, value.place);
        if (!path) return std::nullopt;
        if (path->empty()) {
            read_.wrong(setting, value.text.empty() ? "is empty (should be a path)"
                                                    : "expands to nothing (should be a path)");
            return std::nullopt;
        }
        return join_path(surroundings_.directories->at(value.place.file), *path);
    }

    bool is_enabled(Variables& variables) {
        const Setting* setting = at("enabled");
        if (!setting) return true;
        if (setting->value->is(Value::Type::boolean)) return setting->value->integer != 0;
        if (!setting->value->is(Value::Type::string)) {
            read_.wrong_type(*setting);
            return true;
        }
        auto text = expanded(variables, "enabled", setting->value->text, setting->value->place);
        if (!text) return true;
        string lower = *text;
        for (char& c : lower) {
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        }
        for (const std::string_view word : {"true", "1", "yes", "on"}) {
            if (lower == word) return true;
        }
        for (const std::string_view word : {"false", "0", "no", "off"}) {
            if (lower == word) return false;
        }
        read_.wrong(*setting, (lower == setting->value->text ? "is " : "expands to ") +
                                  quoted_short(*text) +
                                  " (should be true, false, 1, 0, yes, no, on or off)");
        return true;
    }

    struct EnvironmentFile {
        const Value* path = nullptr;
        bool required = true;
    };

    std::vector<EnvironmentFile> environment_files(const Setting& setting) {
        std::vector<EnvironmentFile> files;
        const auto take = [&](const Value& item) {
            if (item.is(Value::Type::string)) {
                files.push_back({&item});
            } else if (item.is(Value::Type::table)) {
                take_environment_file(item, files);
            } else {
                problems_.add(item.place, "an item of \"environment_file\" is " +
                                              string{name_of(item.type)} + " (should be " +
                                              string{kEnvironmentFile} + ")");
            }
        };
        if (setting.value->is(Value::Type::array)) {
            for (const Value& item : setting.value->items) take(item);
        } else if (setting.value->is(Value::Type::string)) {
            take(*setting.value);
        } else {
            read_.wrong_type(setting);
        }
        return files;
    }

    void take_environment_file(const Value& table, std::vector<EnvironmentFile>& files) {
        EnvironmentFile file;
        for (const Value::Entry& entry : table.entries) {
            if (entry.key == "path" && entry.value.is(Value::Type::string)) {
                file.path = &entry.value;
            } else if (entry.key == "required" && entry.value.is(Value::Type::boolean)) {
                file.required = entry.value.integer != 0;
            } else {
                const bool known = entry.key == "path" || entry.key == "required";
                problems_.add(
                    known ? entry.value.place : entry.place,
                    (known ? quoted(entry.key) + " in an item of \"environment_file\" is " +
                                 string{name_of(entry.value.type)}
                           : "unknown key " + quoted_short(entry.key) +
                                 " in an item of \"environment_file\"") +
                        " (should be as in " + string{kEnvironmentFile} + ")");
                return;
            }
        }
        if (file.path) return files.push_back(file);
        problems_.add(table.place, "an item of \"environment_file\" has no path (should be as in " +
                                       string{kEnvironmentFile} + ")");
    }

    // All of them as one table, as if it had been written here.
    Value read_environment_files(const Setting& setting, Variables& variables) {
        EnvironmentMap known;
        for (const EnvironmentFile& file : environment_files(setting)) {
            const Place place = file.path->place;
            if (!read_.is_text(*file.path, "\"environment_file\"", "a path")) continue;
            auto name = expanded(variables, "environment_file", file.path->text, place);
            if (!name) continue;
            if (name->empty()) {
                problems_.add(place, "\"environment_file\" has an empty path (should be a path)");
                continue;
            }
            const string path = join_path(surroundings_.directories->at(place.file), *name);
            const auto text = surroundings_.read(path);
            if (!text) {
                if (!file.required && text.error() == kNoSuchFile) continue;
                problems_.add(place,
                              "\"environment_file\": cannot read " + quoted_short(path) + ": " +
                                  text.error() +
                                  (text.error() == kNoSuchFile
                                       ? " (make it, or write { path = …, required = false })"
                                       : ""));
                continue;
            }
            read_environment_file(path, place, *text, known);
        }
        Value table;
        table.place = setting.place;
        for (auto& [name, value] : known) {
            Value text;
            text.type = Value::Type::string;
            text.place = setting.place;
            text.text = escape_dollars(value);
            table.entries.push_back({name, setting.place, std::move(text)});
        }
        return table;
    }

    void read_environment_file(const string& path, Place place, std::string_view text,
                               EnvironmentMap& known) {
        const auto note = [&](const EnvProblem& problem) {
            problems_.add(place, path + ":" + std::to_string(problem.line) + ":" +
                                     std::to_string(problem.column) + ": " + problem.text);
        };
        auto file = parse_env_file(text, *surroundings_.own, known);
        if (!file) {
            for (const EnvProblem& problem : file.error()) note(problem);
            return;
        }
        // A dollar in a password, mostly: an error here as anywhere else in the configuration.
        for (const EnvProblem& problem : file->unset) note(problem);
        for (EnvVariable& variable : file->variables)
            known[variable.name] = std::move(variable.value);
    }

    void read_instance(Variables& variables) {
        std::vector<Variables::Failure> failures;
        program_.environments.push_back(variables.environment(failures));
        for (Variables::Failure& failure : failures) {
            problems_.add(failure.place, std::move(failure.text));
        }

        if (const Setting* setting = at("command"); setting && !words_.empty()) {
            std::vector<string> command;
            for (const string& word : words_) {
                if (auto text = expanded(variables, "command", word, setting->value->place)) {
                    command.push_back(std::move(*text));
                }
            }
            if (command.size() == words_.size() && command.front().empty()) {
                read_.wrong(*setting, "has " + quoted_short(words_.front()) +
                                          " for the program to run, which expands to nothing (set "
                                          "the variable, or give a default)");
            }
            if (program_.shell) command.insert(command.begin(), {"/bin/sh", "-c"});
            program_.commands.push_back(std::move(command));
        }

        expand_hooks(variables);
        read_view(variables);

        string directory;
        if (const Setting* setting = at("directory")) {
            if (read_.is_text(*setting->value, "\"directory\"", "a string")) {
                directory = expanded_path(variables, *setting).value_or("");
            }
        }
        if (const Setting* setting = at("watch")) read_watch(variables, *setting, directory);
        program_.directories.push_back(std::move(directory));

        if (const Setting* setting = at("pid_file"); setting && has_pid_file()) {
            if (setting->value->is(Value::Type::string) && !setting->value->text.empty()) {
                program_.pid_files.push_back(expanded_path(variables, *setting).value_or(""));
            }
        }

        if (program_.input.kind == Input::Kind::file) {
            program_.input.instance_paths.push_back(
                expanded_path(variables, *at("stdin")).value_or(""));
        }
        read_sink_paths(variables, program_.output, out_);
        read_sink_paths(variables, program_.error, err_);
        read_probe_targets(variables);
    }

    void read_probe_targets(Variables& variables) {
        const ProbeExpansion expansion{
            .text =
                [&](const Setting& setting, std::string_view text) {
                    return expanded(variables, name_of(*setting.key), text, setting.value->place);
                },
            .path = [&](const Setting& setting) { return expanded_path(variables, setting); }};
        if (ready_.setting && program_.ready.kind == Readiness::Kind::log) {
            if (auto pattern = ready_pattern(ready_, expansion, problems_))
                program_.ready.patterns.push_back(std::move(*pattern));
        } else if (ready_.setting) {
            if (auto target = probe_target(ready_, expansion, problems_))
                program_.ready.probes.push_back(std::move(*target));
        }
        if (health_.setting) {
            if (auto target = probe_target(health_, expansion, problems_))
                program_.health->probes.push_back(std::move(*target));
        }
    }

    void expand_hooks(Variables& variables) {
        Hooks hooks;
        const Expand expand = [&](std::string_view text, std::uint32_t file) {
            return variables.expand(text, file);
        };
        const auto add = [&](std::string_view key, const std::vector<WrittenCommand>& written,
                             std::vector<Command>& commands) {
            for (const WrittenCommand& one : written) {
                if (auto command = expand_command(key, one, expand, problems_))
                    commands.push_back(std::move(*command));
            }
        };
        const auto set = [&](std::string_view key, const std::optional<WrittenCommand>& written,
                             Command& into) {
            if (!written) return;
            if (auto command = expand_command(key, *written, expand, problems_))
                into = std::move(*command);
        };
        add("start_pre", start_pre_, hooks.start_pre);
        add("stop_post", stop_post_, hooks.stop_post);
        set("stop_command", stop_command_, hooks.stop_command);
        set("reload_command", reload_command_, hooks.reload_command);
        const bool any =
            !start_pre_.empty() || !stop_post_.empty() || stop_command_ || reload_command_;
        if (any) program_.hooks.push_back(std::move(hooks));
    }

    void read_view(Variables& variables) {
        FileView view;
        take("security.private_tmp", view.private_tmp, &SettingReader::boolean);
        view.read_only = view_paths(variables, "security.read_only", view);
        view.writable = view_paths(variables, "security.writable", view);
        // [defaults.security] may say it for those that are read-only.
        if (!view.writable.empty() && view.read_only.empty() && find(*own_, "security.writable")) {
            read_.wrong(*at("security.writable"),
                        "names exceptions, but nothing is read-only (set \"read_only\", or remove "
                        "it)");
        }
        for (const string& path : view.writable) {
            if (std::ranges::count(view.read_only, path) == 0) continue;
            read_.wrong(*at("security.writable"),
                        "has " + quoted_short(path) + ", which \"read_only\" has, too");
        }
        if (view != FileView{}) program_.views.push_back(std::move(view));
    }

    std::vector<string> view_paths(Variables& variables, std::string_view key,
                                   const FileView& view) {
        std::vector<string> paths;
        const Setting* setting = at(key);
        if (!setting) return paths;
        if (!setting->value->is(Value::Type::array)) {
            read_.wrong_type(*setting);
            return paths;
        }
        for (const Value& item : setting->value->items) {
            if (!read_.is_text(item, "an item of " + quoted(key), "a string")) break;
            auto path = expanded(variables, key, item.text, item.place);
            if (!path) break;
            const string fault = fault_of_view_path(*path, view.private_tmp);
            if (!fault.empty()) {
                problems_.add(item.place, quoted(key) + ": " + quoted_short(*path) + " " + fault);
                break;
            }
            while (path->size() > 1 && path->back() == '/') path->pop_back();
            if (std::ranges::count(paths, *path) == 0) paths.push_back(std::move(*path));
        }
        return paths;
    }

    void read_watch(Variables& variables, const Setting& setting, const string& directory) {
        if (!setting.value->is(Value::Type::array)) {
            read_.wrong_type(setting);
            return;
        }
        if (setting.value->items.empty()) return;
        std::vector<string>& globs = program_.watches.emplace_back();
        for (const Value& item : setting.value->items) {
            if (!read_.is_text(item, "an item of \"watch\"", "a string")) return;
            const auto glob = expanded(variables, "watch", item.text, item.place);
            if (!glob) return;
            const string fault = fault_of_glob(*glob);
            if (!fault.empty()) {
                problems_.add(item.place, "\"watch\": " + quoted_short(*glob) + " " + fault);
                return;
            }
            const string& from = directory.empty()
                                     ? surroundings_.directories->at(setting.value->place.file)
                                     : directory;
            globs.push_back(join_path(from, *glob));
        }
    }

    // That of [defaults] is for the daemons alone; one of its own is not let pass so.
    bool has_pid_file() const { return program_.type == ProgramType::forking || own_pid_file_; }

    void read_sink_paths(Variables& variables, Output& output, const WrittenOutput& written) {
        for (std::size_t i = 0; i < written.paths.size(); ++i) {
            const WrittenOutput::Path& path = written.paths[i];
            if (!path.text) continue;
            output.sinks[i].instance_paths.push_back(sink_path(variables, path).value_or(""));
        }
    }

    std::optional<string> sink_path(Variables& variables, const WrittenOutput::Path& written) {
        const Value& value = *written.text;
        auto text = expanded(variables, written.key, value.text, value.place);
        if (!text) return std::nullopt;
        const string fault = text->empty() ? "expands to nothing (should be a path)"
                                           : fault_of_output_path(*text, *text != value.text,
                                                                  written.key, "${program}.log");
        if (!fault.empty()) {
            problems_.add(value.place, quoted(written.key) + " " + fault);
            return std::nullopt;
        }
        return join_path(surroundings_.directories->at(value.place.file), *text);
    }

    void settle_sinks(Output& output, int descriptor, const WrittenOutput& written) {
        for (std::size_t i = 0; i < written.paths.size(); ++i) {
            Sink& sink = output.sinks[i];
            settle(sink);
            if (resolve_special_path(sink, descriptor)) continue;
            const WrittenOutput::Path& path = written.paths[i];
            problems_.add(path.text->place,
                          quoted(path.key) + " is " + quoted_short(path.text->text) +
                              ", of which some instances make a file and others none (write "
                              "${instance} in the name of a file alone)");
        }
    }

    // One path where all instances have the same.
    template <typename Stream>
    static void settle(Stream& stream) {
        if (stream.instance_paths.empty()) return;
        stream.path = stream.instance_paths.front();
        for (const string& path : stream.instance_paths) {
            if (path != stream.path) return;
        }
        stream.instance_paths = {};
    }

    void note_keys() {
        for (const Key& key : all_keys()) {
            if (!is_program_key(key) || key.type == KeyType::inner) continue;
            if (key.name == "pid_file" && !has_pid_file()) continue;
            const bool probes = key.table == Table::ready || key.table == Table::health;
            if (probes && program_.type == ProgramType::task) continue;
            if (key.type == KeyType::environment) {
                note_environment();
            } else if (key.table == Table::output) {
                continue;
            } else if (key.name == "stdout" && !out_.keys.empty()) {
                note_output(key.name, out_.keys);
            } else if (key.name == "stderr" && !err_.keys.empty()) {
                note_output(key.name, err_.keys);
            } else if (const Setting* setting = at(name_of(key))) {
                program_.keys.push_back(
                    {name_of(key), print_toml(*setting->value), setting->place});
            }
        }
        program_.keys.shrink_to_fit();
    }

    // A table of the program and one of [defaults] come to one.
    void note_output(std::string_view stream, const Settings& keys) {
        for (const Setting& setting : keys) {
            program_.keys.push_back({string{stream} + "." + string{setting.key->name},
                                     print_toml(*setting.value), setting.place});
        }
    }

    void note_environment() {
        std::set<std::string_view> seen;
        for (std::size_t layer = 0; layer < own_layers_; ++layer) {
            for (const Value::Entry& entry : layers_[layer]->entries) {
                if (!seen.insert(entry.key).second) continue;
                program_.keys.push_back(
                    {"environment." + print_key(entry.key),
                     is_secret_name(entry.key) ? quoted(kRedacted) : print_toml(entry.value),
                     entry.place});
            }
        }
    }

    const ProgramSurroundings& surroundings_;
    Problems& problems_;
    SettingReader read_;
    Program program_;
    Settings settings_;                 // its own, then those of [defaults] that it leaves open
    std::vector<const Value*> layers_;  // of the environment, the strongest first
    std::size_t own_layers_ = 0;        // without that of [supervisor]
    bool own_pid_file_ = false;         // and not that of [defaults]
    const Settings* own_ = nullptr;
    FaultyKeys faulty_;
    std::vector<string> words_;
    std::vector<WrittenCommand> start_pre_;
    std::vector<WrittenCommand> stop_post_;
    std::optional<WrittenCommand> stop_command_;
    std::optional<WrittenCommand> reload_command_;
    WrittenOutput out_;
    WrittenOutput err_;
    WrittenProbe ready_;
    WrittenProbe health_;
};

}  // namespace

std::optional<Program> read_program(const string& name, Place place, const Settings& own,
                                    const ProgramSurroundings& surroundings, Problems& problems,
                                    FaultyKeys& faulty) {
    ProgramTable table{name, place, own, surroundings, problems};
    table.read_plain();
    if (!table.read_expanded()) return std::nullopt;
    faulty = table.take_faulty();
    return table.take_program();
}

void check_settings(const Settings& settings, const ProgramSurroundings& surroundings,
                    Problems& problems) {
    ProgramTable table{"", {}, settings, surroundings, problems};
    table.read_plain();
}

}  // namespace reeve::conf
