// supervisord.conf, as supervisord 4.2 reads it.
#include <algorithm>
#include <charconv>

#include "conf/command_line.h"
#include "conf/expand.h"
#include "conf/import/document.h"
#include "conf/import/import.h"
#include "conf/import/names.h"
#include "conf/import/percent.h"
#include "conf/quote.h"
#include "conf/secret.h"
#include "conf/units.h"

namespace reeve::conf::import {

namespace {

constexpr int kMostProcesses = 1000;  // of one program, as of `instances`

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return text;
}

std::vector<std::string> words_in(std::string_view list) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : std::string{list} + ",") {
        if (c == ',' || c == '\n') {
            const auto first = word.find_first_not_of(" \t\r");
            if (first != std::string::npos)
                words.push_back(word.substr(first, word.find_last_not_of(" \t\r") - first + 1));
            word.clear();
        } else {
            word += c;
        }
    }
    return words;
}

// What is found in a section's name: "program" and "web" of "program:web".
struct Kind {
    std::string kind;
    std::string name;
};
Kind kind_of(const IniSection& section) {
    const auto colon = section.name.find(':');
    if (colon == std::string::npos) return {section.name, {}};
    return {section.name.substr(0, colon), section.name.substr(colon + 1)};
}

// A program of the file, and what it is called here.
struct Source {
    const IniSection* section = nullptr;
    Kind kind;
    int processes = 1;
    int first = 0;
    // One for each process, where they differ in more than their number; else one.
    std::vector<std::string> names;
    bool apart = false;
};

class Importer {
public:
    explicit Importer(const Request& request) : request_{request}, document_{request.path} {}

    Imported import() {
        sections_ = read_all();
        give_defaults();
        for (const IniSection& section : sections_) collect(section);
        look_for_watchers();
        write_head();
        for (const Source& source : sources_) write_source(source);
        for (const IniSection& section : sections_)
            if (kind_of(section).kind == "group") write_group(section);
        for (const IniSection& section : sections_) write_rest(section);
        return {document_.text(), document_.remarks()};
    }

private:
    // --- reading -----------------------------------------------------------------------------

    std::vector<IniSection> read_all() {
        std::vector<IniSection> sections;
        check(read_ini(request_.text, request_.path, sections));
        // Only the first file's [include] counts, and its own files are not asked for theirs.
        const IniSection* include = nullptr;
        for (const IniSection& section : sections)
            if (section.name == "include") include = &section;
        if (!include) return sections;
        const IniEntry* files = include->find("files");
        if (!files) throw Fault{include->at, "[include] without files ="};
        const std::string patterns = plain(*files, {});
        std::string pattern;
        std::vector<std::string> paths;
        for (const char c : patterns + " ") {
            if (c != ' ' && c != '\t' && c != '\n') {
                pattern += c;
                continue;
            }
            if (pattern.empty()) continue;
            const auto found = request_.glob(join_path(here(request_.path), pattern));
            if (found.empty()) missing_.push_back({files->at, pattern});
            paths.insert(paths.end(), found.begin(), found.end());
            pattern.clear();
        }
        const Origin at = files->at;
        for (const std::string& path : paths) {
            const auto text = request_.read(path);
            if (!text) throw Fault{at, "can't read " + path + ": " + text.error()};
            check(read_ini(*text, path, sections));
        }
        return sections;
    }

    // [DEFAULT] lends its keys to every section that lacks them.
    void give_defaults() {
        const auto found =
            std::find_if(sections_.begin(), sections_.end(),
                         [](const IniSection& one) { return one.name == "DEFAULT"; });
        if (found == sections_.end()) return;
        const std::vector<IniEntry> lent = found->entries;
        for (IniSection& section : sections_) {
            for (const IniEntry& entry : lent)
                if (!section.find(entry.key)) section.entries.push_back(entry);
        }
    }

    static void check(const Expected<void, Fault>& outcome) {
        if (!outcome) throw outcome.error();
    }

    std::string here(const std::string& path) const {
        if (path == "-") return request_.directory;
        return join_path(request_.directory, directory_of(path));
    }

    // --- values ------------------------------------------------------------------------------

    struct Values {
        std::string program{};
        std::string group{};
        int processes = 1;
        // What %(process_num) is, by its format; empty: it is not known there.
        std::function<Expected<std::string, std::string>(std::string_view format)> number{};
    };

    Expected<std::string, std::string> look_up(std::string_view name, std::string_view format,
                                               const Values& names, const Origin& at,
                                               bool for_reeve) const {
        const auto text = [&](const std::string& value) {
            return for_reeve ? escape_dollars(value) : value;
        };
        if (name == "here") return text(here(at.file));
        if (name == "host_node_name") return text(request_.host);
        if (name == "program_name" && !names.program.empty()) return text(names.program);
        if (name == "group_name" && !names.group.empty()) return text(names.group);
        if (name == "numprocs" && !names.program.empty())
            return format_number(names.processes, format);
        if (name == "process_num" && names.number) return names.number(format);
        if (name.starts_with("ENV_")) {
            const std::string variable{name.substr(4)};
            if (for_reeve) return "${" + variable + "}";
            const auto set = request_.environment.find(variable);
            if (set != request_.environment.end()) return set->second;
            return Unexpected<std::string>{"%(" + std::string{name} +
                                           ")s is needed here and now, and " + variable +
                                           " is not set: set it for reeve import"};
        }
        return Unexpected<std::string>{"%(" + std::string{name} +
                                       ")s is no name that has a value here"};
    }

    // For a string of reeve's that is expanded again at each start.
    std::string text(const IniEntry& entry, std::string_view value, const Values& names) const {
        const auto result = expand_percent(
            value,
            [&](std::string_view name, std::string_view format) {
                return look_up(name, format, names, entry.at, true);
            },
            [](std::string_view plain) { return escape_dollars(plain); });
        if (!result) throw Fault{entry.at, entry.key + ": " + result.error()};
        return *result;
    }
    // For what is no such string.
    std::string plain(const IniEntry& entry, const Values& names) const {
        const auto result =
            expand_percent(entry.value, [&](std::string_view name, std::string_view format) {
                return look_up(name, format, names, entry.at, false);
            });
        if (!result) throw Fault{entry.at, entry.key + ": " + result.error()};
        return *result;
    }

    long long integer(const IniEntry& entry, const Values& names, long long least,
                      long long most) const {
        const std::string value = plain(entry, names);
        long long number = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        if (error != std::errc{} || end != value.data() + value.size() || number < least ||
            number > most) {
            throw Fault{entry.at, entry.key + " is " + quoted_short(value) +
                                      ", and no number from " + std::to_string(least) + " to " +
                                      std::to_string(most)};
        }
        return number;
    }
    bool boolean(const IniEntry& entry, const Values& names) const {
        const std::string value = lower(plain(entry, names));
        for (const char* yes : {"yes", "true", "on", "1"})
            if (value == yes) return true;
        for (const char* no : {"no", "false", "off", "0"})
            if (value == no) return false;
        throw Fault{entry.at,
                    entry.key + " is " + quoted_short(value) + ", and neither true nor false"};
    }
    std::uint64_t size(const IniEntry& entry, const Values& names) const {
        std::string value = lower(plain(entry, names));
        std::uint64_t unit = 1;
        if (value.ends_with("kb")) unit = 1024;
        if (value.ends_with("mb")) unit = 1024 * 1024;
        if (value.ends_with("gb")) unit = 1024 * 1024 * 1024;
        if (unit > 1) value.resize(value.size() - 2);
        std::uint64_t number = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        constexpr std::uint64_t kMost = std::uint64_t{1} << 50;
        if (error != std::errc{} || end != value.data() + value.size() || number > kMost / unit) {
            throw Fault{entry.at, entry.key + " is no size (such as 50MB or 1024)"};
        }
        return number * unit;
    }

    // KEY="value",KEY2='value'
    std::vector<std::pair<std::string, std::string>> environment(const IniEntry& entry) const {
        std::vector<std::pair<std::string, std::string>> result;
        std::string_view rest = entry.value;
        const auto skip = [&](std::string_view what) {
            while (!rest.empty() && what.find(rest.front()) != std::string_view::npos)
                rest.remove_prefix(1);
        };
        for (skip(" \t\n,"); !rest.empty(); skip(" \t\n,")) {
            const auto equals = rest.find('=');
            std::string key{rest.substr(0, equals)};
            while (!key.empty() && (key.back() == ' ' || key.back() == '\t')) key.pop_back();
            if (equals == std::string_view::npos || key.empty() ||
                key.find_first_of(" \t\n,\"'") != std::string::npos) {
                throw Fault{entry.at,
                            "environment is no list of KEY=\"value\", separated by commas"};
            }
            rest.remove_prefix(equals + 1);
            skip(" \t\n");
            std::string value;
            if (!rest.empty() && (rest.front() == '"' || rest.front() == '\'')) {
                const char quote = rest.front();
                const auto end = rest.find(quote, 1);
                if (end == std::string_view::npos)
                    throw Fault{entry.at, "environment: the quote of " + key + " is not closed"};
                value = rest.substr(1, end - 1);
                rest.remove_prefix(end + 1);
            } else {
                const auto end = std::min(rest.find_first_of(", \t\n"), rest.size());
                value = rest.substr(0, end);
                rest.remove_prefix(end);
            }
            result.emplace_back(std::move(key), std::move(value));
        }
        return result;
    }

    void write_environment(std::string_view table, const IniEntry& entry, const Values& names) {
        const auto pairs = environment(entry);
        if (pairs.empty()) return;
        document_.table(table);
        for (auto pair = pairs.begin(); pair != pairs.end(); ++pair) {
            // The last one counts.
            const bool again = std::any_of(std::next(pair), pairs.end(), [&](const auto& later) {
                return later.first == pair->first;
            });
            if (!again)
                document_.set(toml_key(pair->first), toml(text(entry, pair->second, names)));
        }
    }

    // --- what there is ---------------------------------------------------------------------------

    void collect(const IniSection& section) {
        const Kind kind = kind_of(section);
        if (kind.kind != "program" && kind.kind != "fcgi-program") return;
        if (kind.name.empty()) throw Fault{section.at, "[" + section.name + "] names no program"};
        Source source{&section, kind, 1, 0, {}, false};
        const Values names{kind.name, kind.name};
        if (const IniEntry* count = section.find("numprocs"))
            source.processes = static_cast<int>(integer(*count, names, 1, kMostProcesses));
        if (const IniEntry* first = section.find("numprocs_start"))
            source.first = static_cast<int>(integer(*first, names, 0, 1'000'000));
        const IniEntry* process_name = section.find("process_name");
        if (source.processes > 1 &&
            (!process_name || process_name->value.find("%(process_num)") == std::string::npos)) {
            throw Fault{section.at, "[" + section.name + "]: numprocs is " +
                                        std::to_string(source.processes) +
                                        ", so process_name must have %(process_num) in it "
                                        "(supervisord refuses it, too)"};
        }
        for (const char* key : {"command", "directory", "environment"}) {
            const IniEntry* entry = section.find(key);
            if (entry && entry->value.find("%(process_num)") != std::string::npos)
                source.apart = true;
        }
        if (!section.find("command"))
            throw Fault{section.at, "[" + section.name + "] has no command"};
        if (source.processes == 1) source.apart = false;
        if (source.apart) {
            for (int i = 0; i < source.processes; ++i) {
                Values own = names_of(source, i);
                source.names.push_back(names_.take(plain(*process_name, own)));
            }
        } else {
            source.names.push_back(names_.take(kind.name));
        }
        sources_.push_back(std::move(source));
    }

    Values names_of(const Source& source, int index) const {
        Values names{source.kind.name, group_of(source.kind.name), source.processes, {}};
        const bool is_instance = source.processes > 1 && !source.apart;
        names.number = [is_instance, number = source.first + index](
                           std::string_view format) -> Expected<std::string, std::string> {
            if (is_instance) return "${instance}";
            return format_number(number, format);
        };
        return names;
    }

    std::string group_of(const std::string& program) const {
        for (const IniSection& section : sections_) {
            const Kind kind = kind_of(section);
            const IniEntry* programs = section.find("programs");
            if (kind.kind != "group" || !programs) continue;
            for (const std::string& word : words_in(programs->value))
                if (word == program) return kind.name;
        }
        return program;
    }

    // Listeners that end supervisord when a program is beyond hope: that is `essential` here.
    void look_for_watchers() {
        for (const IniSection& section : sections_) {
            if (kind_of(section).kind != "eventlistener") continue;
            const IniEntry* events = section.find("events");
            const IniEntry* command = section.find("command");
            if (!events || !command) continue;
            const bool sees_ends = events->value.find("PROCESS_STATE") != std::string::npos;
            const std::string line = lower(command->value);
            const bool ends_all =
                std::any_of(std::begin(kKillers), std::end(kKillers),
                            [&](const char* word) { return line.find(word) != std::string::npos; });
            if (sees_ends && ends_all) killer_ = &section;
        }
    }

    // --- writing ---------------------------------------------------------------------------------

    void write_head() {
        document_.comment("From " + request_.path +
                          ", a supervisord.conf. `reeve check` looks whether it is right.");
        document_.comment("");
        document_.comment(
            "Otherwise than there: output goes to reeve's own where no file is named (reevectl "
            "logs has it,");
        document_.comment(
            "too); a stop ends all that a program has started; all start at once, and depends_on "
            "says who");
        document_.comment(
            "waits for whom; a program that fails too often in a row is left, also after "
            "startsecs.");
        for (const auto& [at, pattern] : missing_)
            document_.remark(at, "there is no file for the include '" + pattern + "'");
        const IniSection* main = nullptr;
        for (const IniSection& section : sections_)
            if (section.name == "supervisord") main = &section;
        document_.table("supervisor");
        document_.comment(killer_ ? "An event listener ended supervisord for a program's sake."
                                  : "supervisord never ends by itself.");
        document_.set("exit_on", killer_ ? toml(std::vector<std::string>{"essential"}) : "[]");
        if (!main) return;
        for (const IniEntry& entry : main->entries) write_supervisor_key(entry);
        if (const IniEntry* entry = main->find("environment"))
            write_environment("supervisor.environment", *entry, {});
    }

    void write_supervisor_key(const IniEntry& entry) {
        const std::string& key = entry.key;
        if (key == "environment") return;
        if (key == "loglevel") {
            const std::string level = lower(plain(entry, {}));
            if (level == "critical" || level == "error")
                return document_.set("log_level", toml("error"));
            if (level == "warn") return document_.set("log_level", toml("warn"));
            if (level == "info") return;
            if (level == "debug") return document_.set("log_level", toml("debug"));
            return document_.set("log_level", toml("trace"));
        }
        if (key == "logfile") {
            const std::string path = plain(entry, {});
            if (is_own_output(path)) return;
            if (path == "syslog") return document_.set("log", toml("syslog"));
            if (path == "/dev/null" || lower(path) == "none")
                return document_.remark(entry.at,
                                        "reeve's own log goes to stderr, and can't be turned off: "
                                        "log_level = \"error\" is least");
            return document_.set("log", toml(escape_dollars(path)));
        }
        if (key == "nodaemon" || key == "silent" || key == "pidfile" || key == "identifier" ||
            key == "nocleanup" || key == "childlogdir") {
            return document_.remark(entry.at,
                                    key +
                                        " has no counterpart: reeve stays in the foreground, "
                                        "writes no pid file, and keeps no logs of its own accord");
        }
        if (key == "logfile_maxbytes" || key == "logfile_backups")
            return document_.remark(
                entry.at, key + ": reeve's own log is rotated at 50 MiB, and five are kept");
        if (key == "user")
            return document_.remark(
                entry.at, "user: start reeve as that user, or give `user` to each program");
        if (key == "minfds" || key == "minprocs")
            return document_.remark(entry.at,
                                    key +
                                        ": programs get the limits that reeve was started with, or "
                                        "those of [program.NAME.limits]");
        if (key == "umask" || key == "directory")
            return document_.remark(entry.at, key + ": give it to each program, or to [defaults]");
        if (key == "strip_ansi")
            return document_.remark(entry.at,
                                    "strip_ansi: output is kept as it comes; reevectl logs shows "
                                    "no escapes where there is no terminal");
        document_.remark(entry.at,
                         "supervisord knows no key '" + key + "' of its own; it is left out");
    }

    static bool is_own_output(const std::string& path) {
        return path == "/dev/stdout" || path == "/dev/stderr" || path == "/dev/fd/1" ||
               path == "/dev/fd/2" || path == "/proc/self/fd/1" || path == "/proc/self/fd/2" ||
               path == "/proc/1/fd/1" || path == "/proc/1/fd/2";
    }

    void write_source(const Source& source) {
        for (std::size_t i = 0; i < source.names.size(); ++i) write_program(source, i);
        if (!source.apart) return;
        document_.table("group." + toml_key(names_.take(source.kind.name)));
        document_.set("programs", toml(source.names));
    }

    void write_program(const Source& source, std::size_t index) {
        const IniSection& section = *source.section;
        const Values names = names_of(source, static_cast<int>(index));
        const std::string& name = source.names[index];
        const std::string table = "program." + toml_key(name);
        document_.table(table);
        if (!source.apart && name != source.kind.name) {
            document_.remark(section.at, "'" + source.kind.name + "' is called '" + name +
                                             "' here, where names are in small letters, each once");
        }
        if (index == 0 && source.apart) {
            document_.remark(
                section.at,
                "a program for each process, since they differ in more than their number");
        }
        write_command(source, names);
        if (!source.apart && source.processes > 1) {
            document_.set("instances", toml(static_cast<long long>(source.processes)));
            if (source.first != 1)
                document_.remark(section.at, "its processes are " + name + "@1 to " + name + "@" +
                                                 std::to_string(source.processes) + " here");
        }
        write_ends(section, names);
        write_output(section, names, "stdout");
        write_output(section, names, "stderr");
        if (killer_) document_.set("essential", toml(true));
        const IniEntry* environment_entry = nullptr;
        const bool first = index == 0;
        for (const IniEntry& entry : section.entries) {
            if (entry.key == "environment") environment_entry = &entry;
            write_other_key(entry, names, source, first);
        }
        if (environment_entry) write_environment(table + ".environment", *environment_entry, names);
        if (source.kind.kind == "fcgi-program" && first) write_socket(source, names);
    }

    void write_command(const Source& source, const Values& names) {
        const IniEntry& entry = *source.section->find("command");
        const auto words = split_command(entry.value);
        if (!words) throw Fault{entry.at, "command: " + words.error()};
        if (words->empty()) throw Fault{entry.at, "command is empty"};
        std::vector<std::string> command;
        if (source.kind.kind == "fcgi-program") {
            document_.remark(source.section->at,
                             "its socket is passed as descriptor 3 (LISTEN_FDS); the shell puts it "
                             "where FastCGI looks, at 0");
            command = {"sh", "-c", "exec \"$$@\" <&3 3<&-", "sh"};
        }
        bool from_environment = false;
        for (const std::string& word : *words) {
            from_environment |= word.find("%(ENV_") != std::string::npos;
            command.push_back(text(entry, word, names));
        }
        document_.set("command", toml(command));
        if (from_environment)
            document_.comment("A variable with blanks in it stays one word here.");
    }

    void write_ends(const IniSection& section, const Values& names) {
        const IniEntry* again = section.find("autorestart");
        const std::string when = again ? lower(plain(*again, names)) : "unexpected";
        if (when == "unexpected") {
            // reeve's default, by other exit codes than 0 and those of success_exit_codes.
        } else {
            document_.set("restart", toml(boolean(*again, names) ? "always" : "never"));
        }
        if (const IniEntry* codes = section.find("exitcodes")) {
            std::string list;
            for (const std::string& word : words_in(plain(*codes, names))) {
                const IniEntry one{"exitcodes", word, codes->at};
                const long long code = integer(one, names, 0, 255);
                list += (list.empty() ? "" : ", ") + std::to_string(code);
            }
            if (list != "0") document_.set("success_exit_codes", "[" + list + "]");
        }
        if (const IniEntry* retries = section.find("startretries"))
            document_.set("max_failures", toml(integer(*retries, names, 0, 999'999) + 1));
        if (const IniEntry* seconds = section.find("startsecs")) {
            const long long number = integer(*seconds, names, 0, 1'000'000);
            if (number != 1)
                document_.set("ready", "{ after = " + toml(std::to_string(number) + "s") + " }");
            // Longer than reeve waits for anybody by default.
            if (number >= 80)
                document_.set("start_timeout", toml(std::to_string(number + 30) + "s"));
        }
        if (const IniEntry* signal = section.find("stopsignal")) {
            const std::string value = plain(*signal, names);
            const auto number = parse_signal(value);
            if (!number) throw Fault{signal->at, "stopsignal: " + number.error()};
            if (format_signal(*number) != "TERM")
                document_.set("stop_signal", toml(format_signal(*number)));
        }
        if (const IniEntry* seconds = section.find("stopwaitsecs")) {
            const long long number = integer(*seconds, names, 0, 1'000'000);
            if (number != 10)
                document_.set("stop_timeout",
                              toml(number == 0 ? "1ms" : std::to_string(number) + "s"));
        }
        const IniEntry* group = section.find("stopasgroup");
        const bool whole = group && boolean(*group, names);
        if (whole) document_.set("stop_scope", toml("group"));
        const IniEntry* kill = section.find("killasgroup");
        if (kill && whole && !boolean(*kill, names)) {
            throw Fault{kill->at,
                        "killasgroup can't be false where stopasgroup is true (supervisord refuses "
                        "it, too)"};
        }
    }

    void write_output(const IniSection& section, const Values& names, const std::string& stream) {
        const IniEntry* file = section.find(stream + "_logfile");
        const IniEntry* syslog = section.find(stream + "_syslog");
        const bool to_syslog = syslog && boolean(*syslog, names);
        if (stream == "stderr") {
            const IniEntry* merged = section.find("redirect_stderr");
            if (merged && boolean(*merged, names)) return;  // reeve's default
            const IniEntry* out = section.find("stdout_logfile");
            // Its own, where stdout went to a file.
            if (!file && out && !to_syslog) return document_.set("stderr", toml("inherit"));
        }
        const std::string where = file ? plain_path(*file, names) : "AUTO";
        const std::string kind = lower(where);
        std::vector<std::string> places;
        if (kind == "none" || kind == "off") {
            if (!to_syslog) return document_.set(stream, toml("null"));
        } else if (kind == "syslog") {
            places.push_back(toml("syslog"));
        } else if (is_own_output(where) || (kind == "auto" && file)) {
            places.push_back(toml("inherit"));
        } else if (kind != "auto") {
            places.push_back(place(section, names, *file, stream));
        }
        if (to_syslog) places.push_back(toml("syslog"));
        if (places.empty()) return;
        std::string list = places.front();
        if (places.size() > 1) list = "[" + places[0] + ", " + places[1] + "]";
        document_.set(stream, list);
    }

    std::string plain_path(const IniEntry& entry, const Values& names) const {
        return text(entry, entry.value, names);
    }

    std::string place(const IniSection& section, const Values& names, const IniEntry& file,
                      const std::string& stream) const {
        std::string table = "{ file = " + toml(plain_path(file, names));
        std::uint64_t bytes = 50 * 1024 * 1024;
        if (const IniEntry* most = section.find(stream + "_logfile_maxbytes"))
            bytes = size(*most, names);
        if (bytes != 50 * 1024 * 1024)
            table += ", max_size = " +
                     (bytes == 0 ? std::string{"0"}
                                 : toml(format_size(std::max<std::uint64_t>(bytes, 4096))));
        long long keep = 10;
        if (const IniEntry* backups = section.find(stream + "_logfile_backups"))
            keep = integer(*backups, names, 0, 100'000);
        if (bytes != 0) table += ", keep = " + std::to_string(std::clamp<long long>(keep, 0, 1000));
        return table + " }";
    }

    void write_other_key(const IniEntry& entry, const Values& names, const Source& source,
                         bool first) {
        const std::string& key = entry.key;
        for (const char* done : {"command",
                                 "numprocs",
                                 "numprocs_start",
                                 "autorestart",
                                 "exitcodes",
                                 "startretries",
                                 "startsecs",
                                 "stopsignal",
                                 "stopwaitsecs",
                                 "stopasgroup",
                                 "killasgroup",
                                 "redirect_stderr",
                                 "stdout_logfile",
                                 "stderr_logfile",
                                 "stdout_logfile_maxbytes",
                                 "stderr_logfile_maxbytes",
                                 "stdout_logfile_backups",
                                 "stderr_logfile_backups",
                                 "stdout_syslog",
                                 "stderr_syslog",
                                 "environment"}) {
            if (key == done) return;
        }
        if (source.kind.kind == "fcgi-program" && key.starts_with("socket")) return;
        if (key == "autostart") {
            if (!boolean(entry, names)) document_.set("autostart", toml(false));
        } else if (key == "directory") {
            document_.set("directory", toml(text(entry, entry.value, names)));
        } else if (key == "user") {
            document_.set("user", toml(plain(entry, names)));
        } else if (key == "umask") {
            const auto mode = parse_mode(plain(entry, names));
            if (!mode) throw Fault{entry.at, "umask: " + mode.error()};
            document_.set("umask", toml(format_mode(*mode & 0777)));
        } else if (!first) {
            return;  // said of the first of them
        } else if (key == "priority") {
            document_.remark(entry.at,
                             "priority: all start at once, and end in the reverse order of "
                             "depends_on; name what this one needs there");
        } else if (key == "process_name") {
            if (source.processes == 1 && plain(entry, names) != source.kind.name)
                document_.remark(entry.at, "process_name: it goes by the program's name here");
        } else if (key == "serverurl") {
            document_.remark(
                entry.at,
                "serverurl: there is no XML-RPC; a program finds reeve by its control socket");
        } else if (key.ends_with("_capture_maxbytes") || key.ends_with("_events_enabled")) {
            document_.remark(entry.at, key +
                                           ": output makes no events; reevectl logs -f --json, or "
                                           "GET /v1/programs/NAME/logs, has it as it comes");
        } else {
            document_.remark(entry.at,
                             "supervisord knows no key '" + key + "' of a program; it is left out");
        }
    }

    void write_socket(const Source& source, const Values& names) {
        const IniSection& section = *source.section;
        const IniEntry* socket = section.find("socket");
        if (!socket) throw Fault{section.at, "[" + section.name + "] has no socket"};
        const std::string address = text(*socket, socket->value, names);
        std::string listen;
        if (address.starts_with("unix://")) {
            listen = address.substr(7);
        } else if (address.starts_with("tcp://")) {
            listen = address.substr(6);
            if (listen.starts_with("localhost:")) listen = "127.0.0.1" + listen.substr(9);
            if (listen.starts_with("*:")) listen = listen.substr(2);
        } else {
            throw Fault{socket->at, "socket is neither unix:///PATH nor tcp://HOST:PORT"};
        }
        document_.table("socket." + toml_key(sockets_.take(source.kind.name)));
        document_.set("listen", toml(listen));
        document_.set("programs", toml(source.names));
        if (const IniEntry* mode = section.find("socket_mode")) {
            const auto value = parse_mode(plain(*mode, names));
            if (!value) throw Fault{mode->at, "socket_mode: " + value.error()};
            document_.set("mode", toml(format_mode(*value & 0777)));
        } else if (address.starts_with("unix://")) {
            document_.set("mode", toml("0700"));
        }
        if (const IniEntry* owner = section.find("socket_owner")) {
            const std::string value = plain(*owner, names);
            const auto colon = value.find(':');
            if (!value.substr(0, colon).empty())
                document_.set("user", toml(value.substr(0, colon)));
            if (colon != std::string::npos && colon + 1 < value.size())
                document_.set("group", toml(value.substr(colon + 1)));
        }
        if (const IniEntry* backlog = section.find("socket_backlog"))
            document_.set("backlog", toml(integer(*backlog, names, 1, 65535)));
    }

    void write_group(const IniSection& section) {
        const Kind kind = kind_of(section);
        const IniEntry* programs = section.find("programs");
        if (!programs) throw Fault{section.at, "[" + section.name + "] has no programs"};
        std::vector<std::string> members;
        for (const std::string& word : words_in(plain(*programs, {}))) {
            const auto source =
                std::find_if(sources_.begin(), sources_.end(),
                             [&](const Source& one) { return one.kind.name == word; });
            if (source == sources_.end()) {
                throw Fault{programs->at,
                            "there is no program '" + word + "' (supervisord refuses it, too)"};
            }
            members.insert(members.end(), source->names.begin(), source->names.end());
        }
        const std::string name = names_.take(kind.name);
        document_.table("group." + toml_key(name));
        if (name != kind.name)
            document_.remark(section.at, "the group '" + kind.name + "' is called '" + name +
                                             "' here, where programs and groups share their names");
        document_.set("programs", toml(members));
        if (const IniEntry* priority = section.find("priority"))
            document_.remark(priority->at,
                             "priority: all start at once; depends_on says who waits for whom");
    }

    void write_rest(const IniSection& section) {
        const Kind kind = kind_of(section);
        for (const char* done :
             {"supervisord", "program", "fcgi-program", "group", "include", "DEFAULT"})
            if (kind.kind == done) return;
        const std::string heading = "[" + section.name + "]: ";
        document_.comment("");
        if (kind.kind == "unix_http_server") {
            document_.remark(section.at,
                             heading +
                                 "reevectl finds reeve at /run/reeve/reeve.sock by itself; "
                                 "[control] has socket, mode, group and access");
        } else if (kind.kind == "inet_http_server") {
            document_.remark(section.at, heading +
                                             "[control] listen opens TCP, and token_file takes the "
                                             "place of username and password");
        } else if (kind.kind == "supervisorctl" || kind.kind == "ctlplugin") {
            document_.remark(section.at, heading + "reevectl needs no configuration");
        } else if (kind.kind == "rpcinterface") {
            document_.remark(
                section.at,
                heading + "there is no XML-RPC; reeve's API is HTTP and JSON, reeve-api(7)");
        } else if (kind.kind == "eventlistener") {
            if (&section == killer_) {
                document_.remark(
                    section.at,
                    heading +
                        "it ended supervisord when a program was beyond hope; each program is "
                        "essential instead, which ends reeve with its exit code");
            } else {
                document_.remark(
                    section.at,
                    heading +
                        "what it does may be done by [[on_event]], which runs a command with the "
                        "event as JSON on its standard input, or over GET /v1/events");
            }
        } else {
            document_.remark(section.at,
                             heading + "supervisord knows no such section; it is left out");
        }
    }

    static constexpr const char* kKillers[] = {"kill", "shutdown", "stop",
                                               "quit", "exit",     "terminate"};

    const Request& request_;
    std::vector<IniSection> sections_;
    std::vector<Source> sources_;
    std::vector<std::pair<Origin, std::string>> missing_;
    const IniSection* killer_ = nullptr;
    Names names_;
    Names sockets_;
    Document document_;
};

}  // namespace

Expected<Imported, Fault> import_supervisord(const Request& request) {
    try {
        return Importer{request}.import();
    } catch (const Fault& fault) {
        return Unexpected<Fault>{fault};
    }
}

}  // namespace reeve::conf::import
