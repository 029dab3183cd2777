#include "conf/load.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <set>

#include "conf/access.h"
#include "conf/command_table.h"
#include "conf/control_table.h"
#include "conf/dependencies.h"
#include "conf/event_names.h"
#include "conf/foreign_path.h"
#include "conf/listen_address.h"
#include "conf/names.h"
#include "conf/nearest.h"
#include "conf/output_table.h"
#include "conf/probe_tables.h"
#include "conf/problems.h"
#include "conf/program_table.h"
#include "conf/quote.h"
#include "conf/settings.h"
#include "conf/toml_reader.h"
#include "conf/validate.h"
#include "conf/variables.h"

namespace reeve::conf {

namespace {

constexpr std::size_t kMostFiles = 10000;
constexpr std::size_t kDeepestInclude = 32;
constexpr std::size_t kLongestSocket = 107;  // sockaddr_un::sun_path less its NUL

constexpr std::string_view kTopTables[] = {"supervisor", "control", "defaults",
                                           "program",    "group",   "socket"};

// [program.NAME] and its like.
bool has_names(std::string_view table) {
    return table == "program" || table == "group" || table == "socket";
}

// So that glob(3) takes the directory of the including file as it is.
std::string escape_glob(std::string_view path) {
    std::string escaped;
    for (const char c : path) {
        if (c == '*' || c == '?' || c == '[' || c == '\\') escaped += '\\';
        escaped += c;
    }
    return escaped;
}

struct CloseAtEnd {
    int fd;
    ~CloseAtEnd() {
        if (fd != STDIN_FILENO) ::close(fd);
    }
};

std::string current_directory() {
    char* const directory = ::getcwd(nullptr, 0);
    std::string text = directory ? directory : "/";
    std::free(directory);
    return text;
}

class Loader {
public:
    explicit Loader(const LoadRequest& request) : request_{request} {}

    Expected<Config, std::vector<ConfigError>> load() {
        read_file(request_.path, nullptr);
        for (const Value& document : documents_) read_document(document);
        add_transients();
        read_programs();
        read_groups();
        read_sockets();
        check_names();
        refuse_transients_in_files();
        settle_dependencies(config_, written_, problems_);
        validate(config_, written_, problems_);
        if (request_.look) {
            check_found(config_, written_, request_.look(paths_of_output(config_)), problems_);
        }
        note_shared_files();
        for (Group& group : config_.groups) drop_disabled(group.programs);
        for (Socket& socket : config_.sockets) drop_disabled(socket.programs);
        for (Program& program : config_.programs) pass_sockets(program);

        if (whole_file_error_ || !problems_.empty()) {
            return Unexpected<std::vector<ConfigError>>{errors()};
        }
        config_.warnings = problems_.warnings();
        return std::move(config_);
    }

private:
    void pass_sockets(Program& program) const {
        for (const Socket& socket : config_.sockets) {
            if (std::ranges::find(socket.programs, program.name) == socket.programs.end()) continue;
            program.sockets.push_back(socket);
            program.sockets.back().programs.clear();
        }
    }

    // Once more what everybody writes to: who shares a file is given lines, and from the beginning.
    void note_shared_files() {
        std::map<std::string, int> uses;
        const auto each_path = [this](const auto& action) {
            for (Program& program : config_.programs) {
                for (Output* output : {&program.output, &program.error}) {
                    for (Sink& sink : output->sinks) {
                        if (sink.kind != Sink::Kind::file) continue;
                        for (int instance = 1; instance <= program.instances; ++instance)
                            action(sink, sink.path_of(instance));
                    }
                }
            }
        };
        each_path([&](const Sink&, const std::string& path) { ++uses[path]; });
        each_path([&](Sink& sink, const std::string& path) {
            sink.shared = sink.shared || uses[path] > 1;
        });
    }

    // ---- files

    std::string shown(std::uint32_t file) const { return config_.files[file]; }
    std::string shown(Place place) const {
        if (place.line == 0) return shown(place.file);
        return shown(place.file) + ":" + std::to_string(place.line) + ":" +
               std::to_string(place.column);
    }

    // `include` is where a file was asked for; null for the main one.
    void read_file(const std::string& path, const Place* include) {
        const auto index = static_cast<std::uint32_t>(config_.files.size());
        Expected<std::string, std::string> text =
            !include && request_.text ? *request_.text : read(path);
        if (!text) {
            written_.complete = false;
            const std::string problem = quoted(path) + " can't be read: " + text.error();
            if (include) {
                problems_.add(*include, problem + " (mend or remove the include)");
            } else {
                config_.files.push_back(path);
                whole_file_error_ = ConfigError{path, 0, 0, "can't be read: " + text.error()};
            }
            return;
        }
        config_.files.push_back(path);
        const std::string directory = path == "-" ? "." : directory_of(path);
        directories_.push_back(join_path(current_directory(), directory));
        documents_.emplace_back();

        auto document = read_toml(*text, index);
        if (!document) {
            written_.complete = false;
            problems_.add(document.error().place, std::move(document.error().text));
            return;
        }
        documents_[index] = std::move(*document);
        // A deque's elements stay where they are while included files are added.
        if (const Value::Entry* entry = documents_[index].find("include")) {
            open_.push_back({identity(path), path});
            read_includes(*entry, directory);
            open_.pop_back();
        }
    }

    Expected<std::string, std::string> read(const std::string& path) const {
        auto text = request_.read ? request_.read(path) : read_config_file(path);
        if (Sources* const sources = request_.sources) {
            if (!reading_transient_) {
                sources->files.insert_or_assign(path, text);
            } else if (!sources->files.contains(path)) {
                sources->transient_files.insert_or_assign(path, text);
            }
        }
        return text;
    }

    std::vector<std::string> matches(const std::string& pattern) const {
        auto paths = request_.glob ? request_.glob(pattern) : matching_files(pattern);
        if (request_.sources) request_.sources->globs.insert_or_assign(pattern, paths);
        return paths;
    }

    // One file by any of its names.
    std::string identity(const std::string& path) const {
        if (request_.read) return join_path("", path);
        char* const real = ::realpath(path.c_str(), nullptr);
        std::string text = real ? real : path;
        std::free(real);
        return text;
    }

    void read_includes(const Value::Entry& entry, const std::string& directory) {
        SettingReader reader{problems_};
        const Setting setting{find_key(Table::top, "include"), &entry.value, entry.place};
        if (!entry.value.is(Value::Type::array)) {
            reader.wrong_type(setting);
            return;
        }
        for (const Value& item : entry.value.items) {
            if (!reader.is_text(item, "an item of \"include\"", "a string")) continue;
            if (item.text.empty()) {
                problems_.add(item.place, "an item of \"include\" is empty (should be a path)");
                continue;
            }
            if (item.text.find_first_of("*?[") == std::string::npos) {
                include(join_path(directory, item.text), item.place);
                continue;
            }
            const std::string pattern = join_path(escape_glob(directory), item.text);
            for (const std::string& path : matches(pattern)) include(path, item.place);
        }
    }

    void include(const std::string& path, Place place) {
        const std::string id = identity(path);
        for (std::size_t i = 0; i < open_.size(); ++i) {
            if (open_[i].identity != id) continue;
            std::string chain;
            for (std::size_t j = i; j < open_.size(); ++j) chain += open_[j].path + " -> ";
            problems_.add(place, "files include each other: " + chain + path +
                                     " (remove one of these includes)");
            return;
        }
        if (const auto [first, added] = included_.emplace(id, place); !added) {
            problems_.add(
                place, quoted(path) + " is included twice (first at " + shown(first->second) + ")");
            return;
        }
        if (open_.size() > kDeepestInclude || config_.files.size() >= kMostFiles) {
            problems_.add(place, quoted(path) + " is one include too many (at most " +
                                     std::to_string(kMostFiles) + " files, " +
                                     std::to_string(kDeepestInclude) + " within each other)");
            return;
        }
        read_file(path, &place);
    }

    // ---- tables

    void read_document(const Value& document) {
        for (const Value::Entry& entry : document.entries) {
            const std::string& key = entry.key;
            if (key == "include") continue;
            if (key == "on_event") {
                read_event_handlers(entry);
                continue;
            }
            const bool known = std::find(std::begin(kTopTables), std::end(kTopTables), key) !=
                               std::end(kTopTables);
            if (!known) {
                unknown_top(entry);
            } else if (!entry.value.is(Value::Type::table)) {
                const bool many = has_names(key);
                const bool tables = entry.value.is(Value::Type::array) &&
                                    !entry.value.items.empty() &&
                                    entry.value.items.front().is(Value::Type::table);
                problems_.add(
                    entry.place,
                    quoted(key) + " is " +
                        (tables ? "an array of tables" : std::string{name_of(entry.value.type)}) +
                        " (should be a table: [" + key + (many ? ".NAME" : "") + "])");
            } else if (key == "supervisor") {
                read_supervisor(entry.value);
            } else if (key == "control") {
                read_control(entry.value);
            } else if (key == "defaults") {
                read_defaults(entry.value);
            } else {
                collect(entry, key == "program" ? program_tables_
                               : key == "group" ? group_tables_
                                                : socket_tables_);
            }
        }
    }

    void unknown_top(const Value::Entry& entry) {
        if (const AbsentKey* absent = find_absent_key(Table::top, entry.key)) {
            problems_.add(entry.place, describe(*absent));
            return;
        }
        const bool table = entry.value.is(Value::Type::table);
        Nearest nearest{entry.key};
        for (const std::string_view name : kTopTables) nearest.offer(name);
        nearest.offer("include");

        std::string hint;
        if (nearest.found()) {
            hint = table ? "did you mean [" + *nearest.found() +
                               (has_names(*nearest.found()) ? ".NAME]?" : "]?")
                         : "did you mean " + quoted(*nearest.found()) + "?";
        } else if (table && entry.value.find("command")) {
            hint = "did you mean [program." + print_key(entry.key) + "]?";
        } else if (const Key* inner = find_key(Table::program, entry.key);
                   table && inner && inner->type == KeyType::inner) {
            hint = "did you mean " + std::string{name_of(inner_table(*inner))} + "?";
        } else if (table && (entry.key == "stdout" || entry.key == "stderr")) {
            hint = "did you mean [program.NAME." + entry.key + "]?";
        } else if (table) {
            hint =
                "the tables are [supervisor], [control], [defaults], [program.NAME], "
                "[group.NAME] and [socket.NAME]";
        } else {
            for (const Key& key : all_keys()) {
                if (key.name == entry.key && key.table != Table::top) {
                    hint = "it belongs in " + std::string{name_of(key.table)};
                    break;
                }
            }
            if (hint.empty()) hint = "the only key outside of tables is include";
        }
        problems_.add(entry.place,
                      std::string{table ? "unknown table [" : "unknown key "} +
                          (table ? print_key(entry.key) + "]" : quoted_short(entry.key)) + " (" +
                          hint + ")");
    }

    // A key of a table that may be written in several files, but not the same key in two.
    Settings once(Table kind, const Value& table, std::string_view name) {
        Settings settings;
        for (const Setting& setting : read_settings(kind, table, name, problems_)) {
            if (setting.key->type == KeyType::inner) {
                // What is in it is looked at by itself.
                settings.push_back(setting);
                continue;
            }
            const std::string key = std::string{name} + "." + name_of(*setting.key);
            const auto [first, added] = first_places_.emplace(key, setting.place);
            if (added) {
                settings.push_back(setting);
            } else {
                problems_.add(setting.place, quoted(name_of(*setting.key)) + " in [" +
                                                 std::string{name} + "] is set twice (first at " +
                                                 shown(first->second) + ")");
            }
        }
        return settings;
    }

    void read_supervisor(const Value& table) {
        SettingReader reader{problems_};
        Supervisor& supervisor = config_.supervisor;
        for (const Setting& setting : once(Table::supervisor, table, "supervisor")) {
            const std::string_view name = setting.key->name;
            if (name == "exit_on") {
                constexpr std::array kExitOn{ExitOn::essential, ExitOn::failed, ExitOn::all_done};
                if (const auto words = reader.list_of(setting)) {
                    supervisor.exit_on.emplace();
                    for (const std::size_t word : *words) {
                        supervisor.exit_on->push_back(kExitOn[word]);
                    }
                }
            } else if (name == "stop_timeout") {
                supervisor.stop_timeout = reader.duration(setting);
            } else if (name == "pids_warn") {
                if (const auto share = reader.share(setting)) supervisor.pids_warn = *share;
            } else if (name == "log_level") {
                constexpr std::array kLevels{LogLevel::trace, LogLevel::debug, LogLevel::info,
                                             LogLevel::warn, LogLevel::error};
                if (const auto word = reader.one_of(setting)) {
                    supervisor.log_level = kLevels[*word];
                }
            } else if (name == "log_format") {
                constexpr std::array kFormats{LogFormat::text, LogFormat::json};
                if (const auto word = reader.one_of(setting)) {
                    supervisor.log_format = kFormats[*word];
                }
            } else if (name == "log") {
                read_log(reader, setting);
            } else if (name == "environment") {
                if (!setting.value->is(Value::Type::table)) {
                    reader.wrong_type(setting);
                } else {
                    check_environment(*setting.value);
                    surroundings_.environment = setting.value;
                }
            }
        }
    }

    void read_event_handlers(const Value::Entry& entry) {
        if (!entry.value.is(Value::Type::array)) {
            problems_.add(entry.place, "\"on_event\" is " + std::string{name_of(entry.value.type)} +
                                           " (should be an array of tables: [[on_event]])");
            return;
        }
        for (const Value& item : entry.value.items) {
            if (item.is(Value::Type::table)) {
                read_event_handler(item);
            } else {
                problems_.add(item.place, "an item of \"on_event\" is " +
                                              std::string{name_of(item.type)} +
                                              " (should be a table: [[on_event]])");
            }
        }
    }

    void read_event_handler(const Value& table) {
        SettingReader reader{problems_};
        EventHandler handler;
        handler.place = table.place;
        const std::size_t before = problems_.size();
        for (const Setting& setting :
             read_settings(Table::on_event, table, "[on_event]", problems_)) {
            const std::string_view name = setting.key->name;
            if (name == "events") {
                if (auto events = reader.texts(setting)) {
                    check_event_names(setting);
                    handler.events = std::move(*events);
                }
            } else if (name == "timeout") {
                if (const auto timeout = reader.duration(setting)) handler.timeout = *timeout;
            } else if (const auto written = read_command(setting, problems_)) {
                const Expand expand = [this](std::string_view text, std::uint32_t file) {
                    return expanded(std::string{text}, file);
                };
                if (auto command = expand_command("command", *written, expand, problems_))
                    handler.command = std::move(*command);
            }
        }
        if (problems_.size() != before) return;
        for (const std::string_view needed : {"events", "command"}) {
            const bool is_there =
                needed == "events" ? !handler.events.empty() : !handler.command.words.empty();
            if (is_there) continue;
            problems_.add(table.place, "[[on_event]] has no " + std::string{needed} +
                                           " (should be as in " + std::string{needed} + " = " +
                                           std::string{find_key(Table::on_event, needed)->example} +
                                           ")");
        }
        if (problems_.size() == before) config_.on_event.push_back(std::move(handler));
    }

    void check_event_names(const Setting& setting) {
        for (const Value& item : setting.value->items) {
            if (!item.is(Value::Type::string)) continue;
            const bool known =
                std::any_of(kEventNames.begin(), kEventNames.end(), [&](std::string_view name) {
                    return fnmatch(item.text.c_str(), std::string{name}.c_str(), 0) == 0;
                });
            if (known) continue;
            Nearest nearest{item.text};
            for (const std::string_view name : kEventNames) nearest.offer(name);
            problems_.add(
                item.place,
                "there is no event " + quoted_short(item.text) +
                    (nearest.found()
                         ? " (did you mean " + quoted(*nearest.found()) + "?)"
                         : " (the events are " +
                               list_words({kEventNames.data(), kEventNames.size()}) + ")"));
        }
    }

    void read_control(const Value& table) {
        SettingReader reader{problems_};
        for (const Setting& setting : once(Table::control, table, "control")) {
            const std::string_view name = setting.key->name;
            if (name == "socket") {
                if (const auto text = reader.text(setting)) read_socket(reader, setting, *text);
            } else if (name == "mode") {
                config_.control.mode = reader.mode(setting, 0777);
            } else if (name == "group") {
                config_.control.group = reader.name_or_number(setting).value_or("");
                config_.control.group_place = setting.place;
            } else if (name == "access") {
                config_.control.access = read_access(setting, problems_);
            } else if (name == "listen") {
                read_control_listen(reader, setting);
            } else if (name == "token_file") {
                if (const auto text = reader.text(setting)) read_token(reader, setting, *text);
            } else if (name == "hosts") {
                read_hosts(reader, setting);
            }
        }
    }

    void read_control_listen(SettingReader& reader, const Setting& setting) {
        if (setting.value->is(Value::Type::array)) {
            for (const Value& item : setting.value->items) {
                if (reader.is_text(item, "an item of \"listen\"", "a string")) {
                    add_control_address(item);
                }
            }
        } else if (reader.is_text(*setting.value, "\"listen\"",
                                  reeve::conf::what_it_takes(*setting.key))) {
            add_control_address(*setting.value);
        }
    }

    void add_control_address(const Value& value) {
        const auto wrong = [&](const std::string& what) {
            problems_.add(value.place, "\"listen\" " + what);
        };
        const auto text = expanded(value.text, value.place.file);
        if (!text) {
            problems_.add(value.place, "\"listen\": " + text.error());
            return;
        }
        if (text->empty()) {
            return wrong(std::string{value.text.empty() ? "is empty" : "expands to nothing"} +
                         " (should be an address such as \"127.0.0.1:9280\")");
        }
        auto address = parse_control_address(*text);
        if (!address) return wrong(address.error());
        const auto [first, added] =
            addresses_.emplace(format_listen_address(*address), value.place);
        if (!added) {
            return wrong("has " + quoted_short(*text) + ", which is listened at already (at " +
                         shown(first->second) + ")");
        }
        config_.control.listen.push_back(std::move(*address));
    }

    void read_token(SettingReader& reader, const Setting& setting, const std::string& text) {
        const auto path = expanded(text, setting.place.file);
        if (!path) {
            problems_.add(setting.value->place, "\"token_file\": " + path.error());
            return;
        }
        if (path->empty()) return reader.wrong(setting, "is empty (should be a path)");
        const std::string file = join_path(directories_[setting.place.file], *path);
        const auto content = read(file);
        if (!content) {
            return reader.wrong(setting, "is " + quoted_short(file) +
                                             ", which can't be read: " + content.error() +
                                             " (write a token of 16 bytes or more into it, such "
                                             "as that of `openssl rand -hex 32`)");
        }
        auto token = parse_token(*content);
        if (!token) {
            return reader.wrong(setting, "is " + quoted_short(file) + ": " + token.error());
        }
        config_.control.token_file = file;
        config_.control.token = std::move(*token);
        config_.control.token_is_public = request_.is_public && request_.is_public(file);
    }

    void read_hosts(SettingReader& reader, const Setting& setting) {
        if (!setting.value->is(Value::Type::array)) return reader.wrong_type(setting);
        for (const Value& item : setting.value->items) {
            if (!reader.is_text(item, "an item of \"hosts\"", "a string")) continue;
            auto name = parse_host_name(item.text);
            if (name) {
                config_.control.hosts.push_back(std::move(*name));
            } else {
                problems_.add(item.place, "an item of \"hosts\" " + name.error());
            }
        }
    }

    // What is outside of programs knows reeve's own environment alone.
    Expected<std::string, std::string> expanded(const std::string& text, std::uint32_t file) const {
        Lookup look_up =
            [&](std::string_view name) -> Expected<std::optional<std::string>, std::string> {
            if (name == "config_dir") return directories_[file];
            const auto found = request_.environment.find(name);
            if (found == request_.environment.end()) return std::nullopt;
            return found->second;
        };
        const Suggest suggest = [&](std::string_view name) -> std::string {
            if (builtin_meant_by(name) == "config_dir") return "config_dir";
            Nearest nearest{name};
            nearest.offer("config_dir");
            for (const auto& [other, value] : request_.environment) nearest.offer(other);
            return nearest.found().value_or("");
        };
        return expand(text, look_up, suggest);
    }

    void read_log(SettingReader& reader, const Setting& setting) {
        using Kind = OwnLogTarget::Kind;
        constexpr std::array kKinds{Kind::standard_error, Kind::syslog, Kind::journal, Kind::file};
        OwnLogTarget& log = config_.supervisor.log;
        if (setting.value->is(Value::Type::table)) {
            reader.wrong(setting,
                         "is a table (write a path, \"stderr\", \"syslog\" or \"journal\": a file "
                         "is always rotated at 50 MiB, and five older ones are kept)");
            return;
        }
        const auto word = reader.word_or_path(setting);
        if (!word) return;
        if (kKinds[*word] != Kind::file) {
            log.kind = kKinds[*word];
            return;
        }
        const std::string& text = setting.value->text;
        std::string fault = fault_of_written_path(text, "log");
        if (!fault.empty()) {
            reader.wrong(setting, fault);
            return;
        }
        const auto path = expanded(text, setting.place.file);
        if (!path) {
            problems_.add(setting.value->place, "\"log\": " + path.error());
            return;
        }
        fault = path->empty() ? "expands to nothing (should be a path)"
                              : fault_of_output_path(*path, *path != text, "log", "reeve.log");
        if (!fault.empty()) {
            reader.wrong(setting, fault);
            return;
        }
        Sink sink{.kind = Sink::Kind::file,
                  .path = join_path(directories_[setting.place.file], *path)};
        resolve_special_path(sink, STDERR_FILENO);
        if (sink.kind == Sink::Kind::inherit && !sink.descriptor) return;
        if (sink.kind == Sink::Kind::inherit) {
            reader.wrong(setting, "is " + quoted_short(text) +
                                      ", where the programs' output goes (write \"stderr\", and "
                                      "start reeve with 2>&1)");
            return;
        }
        log.kind = Kind::file;
        log.path = sink.kind == Sink::Kind::null ? "/dev/null" : sink.path;
        written_.log = setting.place;
    }

    void read_socket(SettingReader& reader, const Setting& setting, const std::string& text) {
        const auto path = expanded(text, setting.place.file);
        if (!path) {
            problems_.add(setting.value->place, "\"socket\": " + path.error());
        } else if (path->empty()) {
            reader.wrong(setting, "is empty (should be a path)");
        } else {
            config_.control.socket = join_path(directories_[setting.place.file], *path);
            const std::size_t length = config_.control.socket.size();
            if (length > kLongestSocket) {
                reader.wrong(setting, "is " + std::to_string(length) +
                                          " bytes long (a socket's path can have " +
                                          std::to_string(kLongestSocket) + ")");
            }
        }
    }

    void read_defaults(const Value& table) {
        for (const Setting& setting : once(Table::program, table, "defaults")) {
            if (setting.key->type == KeyType::environment &&
                setting.value->is(Value::Type::table)) {
                check_environment(*setting.value);
            }
            surroundings_.defaults.push_back(setting);
        }
    }

    void check_environment(const Value& table) {
        SettingReader reader{problems_};
        for (const Value::Entry& entry : table.entries) {
            if (entry.key.empty() ||
                entry.key.find_first_of(std::string_view{"=\0", 2}) != std::string::npos) {
                problems_.add(entry.place, quoted_short(entry.key) +
                                               " can't name a variable (write letters, digits and "
                                               "_)");
            }
            reader.is_text(entry.value, quoted("environment." + print_key(entry.key)), "a string");
        }
    }

    // ---- programs and groups

    struct NamedTable {
        std::string name;
        Place place;
        const Value* value;
    };

    void collect(const Value::Entry& tables, std::vector<NamedTable>& into) {
        for (const Value::Entry& entry : tables.value.entries) {
            const std::string full = "[" + tables.key + "." + print_key(entry.key) + "]";
            if (!is_name(entry.key)) {
                problems_.add(entry.place,
                              quoted_short(entry.key) + " can't name a " + tables.key +
                                  " (use a-z, 0-9, \"_\", \".\" and \"-\", a letter or digit "
                                  "first, 64 characters at most)");
            }
            if (!entry.value.is(Value::Type::table)) {
                problems_.add(entry.place, quoted_short(tables.key + "." + entry.key) + " is " +
                                               std::string{name_of(entry.value.type)} +
                                               " (should be a table: " + full + ")");
                continue;
            }
            into.push_back({entry.key, entry.place, &entry.value});
        }
    }

    // Each is a document of its own, with nothing but its table.
    void add_transients() {
        std::set<std::string> in_files;
        for (const NamedTable& table : program_tables_) in_files.insert(table.name);
        for (const auto& transient : request_.transients) {
            if (in_files.contains(transient->name)) continue;
            // The main file could not be read: there is an error already.
            if (directories_.empty()) return;
            const auto index = static_cast<std::uint32_t>(config_.files.size());
            config_.files.push_back(transient->origin);
            documents_.push_back(transient->table);
            set_file(documents_.back(), index);
            directories_.push_back(directory_of_transient(documents_.back()));
            first_transient_ = std::min(first_transient_, index);
            program_tables_.push_back(
                {transient->name, documents_.back().place, &documents_.back()});
        }
    }

    // Its paths begin where it runs, or else where the main file lies.
    std::string directory_of_transient(const Value& table) const {
        const Value::Entry* const entry = table.find("directory");
        if (!entry || !entry->value.is(Value::Type::string)) return directories_.front();
        const auto directory = expanded(entry->value.text, 0);
        return directory ? join_path(directories_.front(), *directory) : directories_.front();
    }

    bool is_transient(Place place) const { return place.file >= first_transient_; }

    // What `reeve check` would not find can't be needed by what stands in a file.
    void refuse_transients_in_files() {
        const auto is_one = [this](const std::string& name) {
            const auto place = program_places_.find(name);
            return place != program_places_.end() && is_transient(place->second);
        };
        const auto refuse = [this](const std::string& name, Place place) {
            problems_.add(place, "program " + quoted(name) + " comes from " +
                                     shown(program_places_.at(name)) +
                                     " and is in no file (add [program." + print_key(name) +
                                     "], or remove it here)");
        };
        for (const AsWritten::Member& member : written_.members)
            if (is_one(member.program)) refuse(member.program, member.place);
        for (const Program& program : config_.programs) {
            for (const Dependency& dependency : program.depends_on) {
                if (!is_transient(dependency.place) && is_one(dependency.program))
                    refuse(dependency.program, dependency.place);
            }
        }
    }

    void read_programs() {
        surroundings_.own = &request_.environment;
        surroundings_.read = [this](const std::string& path) { return read(path); };
        surroundings_.scaled = &request_.scaled;
        surroundings_.directories = &directories_;
        check_settings(surroundings_.defaults, surroundings_, problems_);

        for (const NamedTable& table : program_tables_) {
            const auto [first, added] = program_places_.emplace(table.name, table.place);
            if (!added) {
                problems_.add(table.place, "program " + quoted_short(table.name) +
                                               " is defined twice (first at " +
                                               shown(first->second) + ")");
            }
            const std::size_t before_keys = problems_.size();
            const Settings own = read_settings(Table::program, *table.value,
                                               "program." + print_key(table.name), problems_);
            if (problems_.size() != before_keys) {
                written_.misspelt.insert(table.name);
            } else {
                check_guard(own);
                refuse_empty_probe_tables(own, surroundings_.defaults, problems_);
            }
            if (const Setting* setting = find(own, "environment");
                setting && setting->value->is(Value::Type::table)) {
                check_environment(*setting->value);
            }
            FaultyKeys faulty;
            reading_transient_ = is_transient(table.place);
            auto program =
                read_program(table.name, table.place, own, surroundings_, problems_, faulty);
            if (!added) continue;
            if (!faulty.empty()) written_.faulty.emplace(table.name, std::move(faulty));
            if (reading_transient_) settle_transient(table, program);
            if (program) {
                config_.programs.push_back(std::move(*program));
            } else {
                config_.disabled.push_back(table.name);
            }
        }
    }

    // It was asked for in order to run.
    void settle_transient(const NamedTable& table, std::optional<Program>& program) {
        const Value::Entry* const own = table.value->find("autostart");
        if (own && own->value.is(Value::Type::boolean) && own->value.integer == 0) {
            problems_.add(own->place,
                          "\"autostart\" is false, and what is run is started at once (remove it)");
        }
        if (program) {
            program->transient = true;
            program->autostart = true;
            return;
        }
        const Value::Entry* const enabled = table.value->find("enabled");
        problems_.add(enabled ? enabled->place : table.place,
                      enabled ? "\"enabled\" is false, so that nothing would run (remove it)"
                              : "\"enabled\" in [defaults] is false, so that nothing would run "
                                "(set enabled = true)");
    }

    // [program.NAME.guard] without anything to watch, of its own or of [defaults].
    void check_guard(const Settings& own) {
        const Setting* guard = find(own, "guard");
        if (!guard || !guard->value->is(Value::Type::table)) return;
        for (const std::string_view watched : {"guard.memory", "guard.pids", "guard.zombies"}) {
            if (find(own, watched) || find(surroundings_.defaults, watched)) return;
        }
        problems_.add(guard->place,
                      "\"guard\" has nothing to watch (add memory, pids or zombies, such as "
                      "zombies = 50)");
    }

    void read_groups() {
        for (const NamedTable& table : group_tables_) {
            const Settings settings = read_settings(Table::group, *table.value,
                                                    "group." + print_key(table.name), problems_);
            const auto [first, added] = group_places_.emplace(table.name, table.place);
            if (!added) {
                problems_.add(table.place, "group " + quoted_short(table.name) +
                                               " is defined twice (first at " +
                                               shown(first->second) + ")");
                continue;
            }
            Group group{table.name, table.place, {}};
            group.programs = read_members("group", table, settings);
            config_.groups.push_back(std::move(group));
        }
    }

    // The `programs` of a [group.NAME] or a [socket.NAME].
    std::vector<std::string> read_members(std::string_view kind, const NamedTable& table,
                                          const Settings& settings) {
        SettingReader reader{problems_};
        std::vector<std::string> names;
        const std::string owner = std::string{kind} + " " + quoted_short(table.name);
        const Setting* programs = find(settings, "programs");
        if (!programs) {
            problems_.add(table.place, owner + " has no programs (add programs = [\"NAME\"])");
        } else if (!programs->value->is(Value::Type::array)) {
            reader.wrong_type(*programs);
        } else {
            for (const Value& item : programs->value->items) {
                if (!reader.is_text(item, "an item of \"programs\"", "a string")) continue;
                written_.members.push_back(
                    {std::string{kind} + " " + quoted(table.name), item.text, item.place});
                names.push_back(item.text);
            }
        }
        return names;
    }

    void read_sockets() {
        SettingReader reader{problems_};
        for (const NamedTable& table : socket_tables_) {
            const Settings settings = read_settings(Table::socket, *table.value,
                                                    "socket." + print_key(table.name), problems_);
            const auto [first, added] = socket_places_.emplace(table.name, table.place);
            if (!added) {
                problems_.add(table.place, "socket " + quoted_short(table.name) +
                                               " is defined twice (first at " +
                                               shown(first->second) + ")");
                continue;
            }
            Socket socket;
            socket.name = table.name;
            socket.place = table.place;
            socket.programs = read_members("socket", table, settings);
            if (const Setting* programs = find(settings, "programs");
                programs && programs->value->is(Value::Type::array) &&
                programs->value->items.empty()) {
                problems_.add(programs->place, "\"programs\" of socket " +
                                                   quoted_short(table.name) +
                                                   " is empty (nobody would take its connections; "
                                                   "name one)");
            }
            if (const Setting* type = find(settings, "type")) {
                constexpr std::array kTypes{SocketType::stream, SocketType::datagram};
                if (const auto word = reader.one_of(*type)) socket.type = kTypes[*word];
            }
            if (const Setting* setting = find(settings, "backlog")) {
                if (const auto backlog = reader.integer(*setting)) socket.backlog = *backlog;
            }
            if (const Setting* setting = find(settings, "non_blocking")) {
                socket.non_blocking = reader.boolean(*setting).value_or(false);
            }
            if (const Setting* setting = find(settings, "mode")) {
                socket.mode = reader.mode(*setting, 0777);
            }
            if (const Setting* setting = find(settings, "user")) {
                socket.user = reader.name_or_number(*setting).value_or("");
            }
            if (const Setting* setting = find(settings, "group")) {
                socket.group = reader.name_or_number(*setting).value_or("");
            }
            read_listen(table, settings, socket);
            config_.sockets.push_back(std::move(socket));
        }
        for (const Program& program : config_.programs) check_descriptor(program);
    }

    // Sockets begin at 3, one for each address, and nobody can have two at one number.
    void check_descriptor(const Program& program) {
        if (program.ready.kind != Readiness::Kind::descriptor) return;
        int next = 3;
        for (const Socket& socket : config_.sockets) {
            if (std::ranges::find(socket.programs, program.name) != socket.programs.end()) {
                next += static_cast<int>(socket.listen.size());
            }
        }
        if (program.ready.descriptor >= next || program.ready.descriptor == 0) return;
        const std::string last = next == 4 ? "" : " to " + std::to_string(next - 1);
        problems_.add(program.place, "\"ready.fd\" of program " + quoted_short(program.name) +
                                         " is " + std::to_string(program.ready.descriptor) +
                                         ", but its sockets have 3" + last + " (choose " +
                                         std::to_string(next) + ")");
    }

    void read_listen(const NamedTable& table, const Settings& settings, Socket& socket) {
        SettingReader reader{problems_};
        const Setting* listen = find(settings, "listen");
        if (!listen) {
            problems_.add(table.place, "socket " + quoted_short(table.name) +
                                           " has no listen (add one, such as listen = "
                                           "\"127.0.0.1:8080\")");
            return;
        }
        const Value& value = *listen->value;
        bool all_known = true;
        if (value.is(Value::Type::array)) {
            if (value.items.empty()) {
                reader.wrong(*listen,
                             "is empty (should be where to listen, such as "
                             "[\"127.0.0.1:8080\"])");
            }
            for (const Value& item : value.items) {
                if (!reader.is_text(item, "an item of \"listen\"", "a string") ||
                    !add_address(item, socket)) {
                    all_known = false;
                }
            }
        } else if (value.is(Value::Type::string)) {
            all_known =
                reader.is_text(value, "\"listen\"", "a string") && add_address(value, socket);
        } else {
            reader.is_text(value, "\"listen\"", reeve::conf::what_it_takes(*listen->key));
            all_known = false;
        }
        const bool has_path = std::any_of(
            socket.listen.begin(), socket.listen.end(),
            [](const ListenAddress& one) { return one.kind == ListenAddress::Kind::path; });
        if (has_path || !all_known) return;
        for (const std::string_view key : {"mode", "user", "group"}) {
            if (const Setting* setting = find(settings, key)) {
                problems_.add(setting->place, quoted(key) + " is for Unix sockets alone, and " +
                                                  "socket " + quoted_short(table.name) +
                                                  " has none (remove it, or listen at a path)");
            }
        }
    }

    // False: it is a problem.
    bool add_address(const Value& value, Socket& socket) {
        const auto text = expanded(value.text, value.place.file);
        if (!text) {
            problems_.add(value.place, "\"listen\": " + text.error());
            return false;
        }
        const auto wrong = [&](const std::string& what) {
            problems_.add(value.place, "\"listen\" " + what);
            return false;
        };
        if (text->empty()) {
            return wrong(std::string{value.text.empty() ? "is empty" : "expands to nothing"} +
                         " (should be an address or a path)");
        }
        auto address = parse_listen_address(*text);
        if (!address) return wrong(address.error());
        if (address->kind == ListenAddress::Kind::path) {
            address->path = join_path(directories_[value.place.file], address->path);
            if (address->path.size() > kLongestSocket) {
                return wrong("is " + std::to_string(address->path.size()) +
                             " bytes long (a socket's path can have " +
                             std::to_string(kLongestSocket) + ")");
            }
            if (const std::string own = config_.control.socket.empty()
                                            ? default_socket(request_.environment, ::geteuid())
                                            : config_.control.socket;
                without_parents(address->path) == without_parents(own)) {
                return wrong("is " + quoted_short(*text) +
                             ", where reeve itself is commanded (choose another path)");
            }
        }
        // A port of TCP and one of UDP are two.
        std::string key = format_listen_address(*address);
        if (address->kind == ListenAddress::Kind::path) {
            key = without_parents(key);
        } else if (socket.type == SocketType::datagram) {
            key += "/udp";
        }
        const auto [first, added] = addresses_.emplace(std::move(key), value.place);
        if (!added) {
            return wrong("has " + quoted_short(*text) + ", which is listened at already (at " +
                         shown(first->second) + ")");
        }
        socket.listen.push_back(std::move(*address));
        return true;
    }

    // Programs and groups share one name space.
    void check_names() {
        for (const auto& [name, place] : group_places_) {
            const auto program = program_places_.find(name);
            if (program == program_places_.end()) continue;
            const bool group_last = std::pair{program->second.file, program->second.line} <
                                    std::pair{place.file, place.line};
            problems_.add(group_last ? place : program->second,
                          quoted(name) + " names both a program and a group (" +
                              (group_last ? "the program is at " + shown(program->second)
                                          : "the group is at " + shown(place)) +
                              "; rename one of them)");
        }
    }

    void drop_disabled(std::vector<std::string>& programs) const {
        std::erase_if(programs, [&](const std::string& name) {
            return std::find(config_.disabled.begin(), config_.disabled.end(), name) !=
                   config_.disabled.end();
        });
    }

    // ---- the result

    std::vector<ConfigError> errors() const {
        std::vector<ConfigError> errors;
        if (whole_file_error_) errors.push_back(*whole_file_error_);
        for (Problem& problem : problems_.sorted()) {
            errors.push_back({shown(problem.place.file), problem.place.line, problem.place.column,
                              std::move(problem.text)});
        }
        return errors;
    }

    struct OpenFile {
        std::string identity;
        std::string path;
    };

    const LoadRequest& request_;
    Config config_;
    Problems problems_;
    AsWritten written_;
    std::optional<ConfigError> whole_file_error_;

    std::deque<Value> documents_;           // one a file
    std::vector<std::string> directories_;  // the same
    std::vector<OpenFile> open_;            // being read now, the main file first
    std::map<std::string, Place> included_;

    std::map<std::string, Place> first_places_;  // "supervisor.log_level"
    std::vector<NamedTable> program_tables_;
    std::vector<NamedTable> group_tables_;
    std::vector<NamedTable> socket_tables_;
    std::map<std::string, Place> program_places_;
    std::map<std::string, Place> group_places_;
    std::map<std::string, Place> socket_places_;
    std::map<std::string, Place> addresses_;  // of all sockets
    ProgramSurroundings surroundings_;

    std::uint32_t first_transient_ = std::numeric_limits<std::uint32_t>::max();  // of the files
    bool reading_transient_ = false;
};

}  // namespace

Expected<Config, std::vector<ConfigError>> load(const LoadRequest& request) {
    return Loader{request}.load();
}

LoadRequest load_again(std::string path, EnvironmentMap environment, const Sources& sources) {
    LoadRequest request;
    request.path = std::move(path);
    request.environment = std::move(environment);
    request.read = [&sources](const std::string& file) -> Expected<std::string, std::string> {
        for (const auto* files : {&sources.files, &sources.transient_files}) {
            const auto found = files->find(file);
            if (found != files->end()) return found->second;
        }
        return Unexpected<std::string>{std::string{"it was not there when reeve read the others"}};
    };
    request.glob = [&sources](const std::string& pattern) {
        const auto found = sources.globs.find(pattern);
        return found == sources.globs.end() ? std::vector<std::string>{} : found->second;
    };
    return request;
}

std::string format_error(const ConfigError& error) {
    if (error.file.empty()) return error.text;
    std::string text = one_line(error.file);
    if (error.line != 0) {
        text += ":" + std::to_string(error.line) + ":" + std::to_string(error.column);
    }
    return text + ": " + error.text;
}

std::string format_errors(const std::vector<ConfigError>& errors) {
    std::string text;
    for (const ConfigError& error : errors) text += format_error(error) + "\n";
    return text;
}

std::string format_warning(const Config& config, const Warning& warning) {
    const Place place = warning.place;
    return format_error(
        {config.files.at(place.file), place.line, place.column, "warning: " + warning.text});
}

std::vector<std::string> matching_files(const std::string& pattern) {
    std::vector<std::string> paths;
    glob_t found{};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
        for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
    }
    ::globfree(&found);
    std::sort(paths.begin(), paths.end());
    return paths;
}

Expected<std::string, std::string> read_config_file(const std::string& path) {
    const auto failed = [](int number) {
        const char* text = ::strerrordesc_np(number);
        return Unexpected<std::string>{text ? text : "errno " + std::to_string(number)};
    };

    int fd = STDIN_FILENO;
    if (path != "-") {
        // Not blocking: a FIFO that nobody writes to must not hold reeve up.
        fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0) return failed(errno);
    }
    const CloseAtEnd close_at_end{fd};
    struct stat status {};
    if (::fstat(fd, &status) != 0) return failed(errno);
    if (S_ISDIR(status.st_mode)) return failed(EISDIR);

    std::string text;
    if (S_ISREG(status.st_mode) && status.st_size > 0) {
        text.reserve(std::min(kLargestFile, static_cast<std::size_t>(status.st_size)) + 1);
    }
    std::array<char, 16 * 1024> chunk;
    for (;;) {
        const ssize_t count = ::read(fd, chunk.data(), chunk.size());
        if (count == 0) return text;
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) {
            constexpr int kPatience = 10000;  // milliseconds
            struct pollfd ready {
                fd, POLLIN, 0
            };
            if (::poll(&ready, 1, kPatience) == 0) {
                return Unexpected<std::string>{std::string{"nothing came for 10 seconds"}};
            }
            continue;
        }
        if (count < 0) return failed(errno);
        text.append(chunk.data(), static_cast<std::size_t>(count));
        if (text.size() > kLargestFile) {
            return Unexpected<std::string>{std::string{"it is larger than 16 MiB"}};
        }
    }
}

}  // namespace reeve::conf
