#include "conf/validate.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "conf/nearest.h"
#include "conf/paths.h"
#include "conf/quote.h"
#include "conf/units.h"

namespace reeve::conf {

namespace {

class Validator {
public:
    Validator(const Config& config, const AsWritten& as_written, Problems& problems)
        : config_{config}, as_written_{as_written}, problems_{problems} {}

    void run() {
        for (const Program& program : config_.programs) check(program);
        check_stdin();
        check_log_files();
        check_pid_files();
        check_groups();
    }

private:
    static const Place* written(const Program& program, std::string_view key) {
        for (const Program::Key& one : program.keys) {
            if (one.name == key) return &one.place;
            // A table of it, "stdout.file".
            if (one.name.starts_with(key) && one.name[key.size()] == '.') return &one.place;
        }
        return nullptr;
    }

    // Where it was written, else where the program is.
    static Place place_of(const Program& program, std::string_view key) {
        const Place* place = written(program, key);
        return place ? *place : program.place;
    }

    bool is_faulty(const Program& program, std::string_view key) const {
        const auto keys = as_written_.faulty.find(program.name);
        return keys != as_written_.faulty.end() && keys->second.contains(key);
    }

    void check(const Program& program) {
        if (!written(program, "command") && !as_written_.misspelt.contains(program.name)) {
            problems_.add(program.place,
                          "program " + quoted(program.name) +
                              " has no command (add one, such as command = [\"sleep\", \"60\"])");
        }

        if (program.restart_delay > program.restart_delay_max &&
            !is_faulty(program, "restart_delay") && !is_faulty(program, "restart_delay_max")) {
            const bool own = written(program, "restart_delay") != nullptr;
            const bool maximum = written(program, "restart_delay_max") != nullptr;
            problems_.add(place_of(program, own ? "restart_delay" : "restart_delay_max"),
                          "\"restart_delay\" is " + quoted(format_duration(program.restart_delay)) +
                              (own ? "" : " by default") +
                              ", longer than \"restart_delay_max\", which is " +
                              quoted(format_duration(program.restart_delay_max)) +
                              (maximum ? "" : " by default") + " (should be at most as long)");
        }

        check_daemon(program);
        check_schedule(program);
        check_tty(program);
        check_sinks(program, "stdout", program.output);
        check_sinks(program, "stderr", program.error);

        check_ready(program);
    }

    void check_ready(const Program& program) {
        if (program.type == ProgramType::task || is_faulty(program, "ready")) return;
        const Readiness& ready = program.ready;
        if (ready.kind == Readiness::Kind::alive && program.start_timeout < ready.after) {
            const bool own = written(program, "ready.after") != nullptr;
            problems_.add(place_of(program, "start_timeout"),
                          "\"start_timeout\" is " + quoted(format_duration(program.start_timeout)) +
                              " (should be at least " + quoted(format_duration(ready.after)) +
                              (own ? ", which is \"ready.after\")"
                                   : ": a program is ready after one second unless \"ready\" says "
                                     "otherwise)"));
        }
        if (ready.kind == Readiness::Kind::log && program.output.kind == Output::Kind::direct &&
            program.error.kind != Output::Kind::sinks) {
            problems_.add(place_of(program, "ready.log"),
                          "\"ready.log\" has no output to look at, since \"stdout\" is \"direct\" "
                          "(use \"inherit\" or a file)");
        }
    }

    void check_daemon(const Program& program) {
        const bool forking = program.type == ProgramType::forking;
        if (const Place* place = written(program, "pid_file");
            place && !forking && !is_faulty(program, "type") && !is_faulty(program, "pid_file") &&
            !as_written_.misspelt.contains(program.name)) {
            problems_.add(*place, "\"pid_file\" is for type = \"forking\" alone, and program " +
                                      quoted(program.name) + " is a " +
                                      (program.type == ProgramType::task ? "task" : "service") +
                                      " (remove it, or set type = \"forking\")");
        }
        if (forking && program.input.kind == Input::Kind::inherit) {
            problems_.add(place_of(program, "stdin"),
                          "program " + quoted(program.name) +
                              " has type = \"forking\" and stdin = \"inherit\" (a daemon goes to "
                              "the background, where it has no terminal; use \"null\" or a path)");
        }
    }

    void check_schedule(const Program& program) {
        if (!program.schedule) return;
        const Place place = place_of(program, "schedule");
        if (program.type != ProgramType::task && !is_faulty(program, "type")) {
            problems_.add(place,
                          "\"schedule\" is for type = \"task\" alone, and program " +
                              quoted(program.name) +
                              (program.type == ProgramType::forking ? " has type = \"forking\""
                                                                    : " is a service") +
                              " (remove it, or set type = \"task\")");
            return;
        }
        if (program.restart == RestartPolicy::always) {
            problems_.add(
                place_of(program, "restart"),
                "program " + quoted(program.name) +
                    " has a schedule and restart = \"always\" (its schedule runs it again; "
                    "use \"never\", or \"on-failure\" to try a failed run again)");
        }
        if (program.essential) {
            problems_.add(
                place_of(program, "essential"),
                "program " + quoted(program.name) +
                    " has a schedule and essential = true (between its runs it waits, and "
                    "never ends for good; remove essential)");
        }
    }

    void check_tty(const Program& program) {
        if (!program.tty) return;
        const auto refuse = [&](std::string_view key, const std::string& what) {
            problems_.add(place_of(program, key),
                          "program " + quoted(program.name) + " has tty = true and " + what);
        };
        if (program.type == ProgramType::forking) {
            refuse("tty",
                   "type = \"forking\" (a daemon goes to the background, where it has no terminal; "
                   "remove tty)");
        }
        if (program.input.kind != Input::Kind::null) {
            refuse("stdin",
                   "a stdin of its own (the pseudo-terminal is its standard input too; remove "
                   "stdin, and type with \"reevectl attach\")");
        }
        if (program.output.kind == Output::Kind::direct) {
            refuse("stdout",
                   "stdout = \"direct\" (a pseudo-terminal is read by reeve; use \"inherit\")");
        }
        // A table in which nothing says where to may mean "stdout" in the end.
        if (program.error.kind == Output::Kind::direct || !program.error.places.empty()) {
            refuse(written(program, "stderr") ? "stderr" : "tty",
                   "a stderr of its own (a pseudo-terminal is one stream; remove stderr, or set it "
                   "to \"stdout\")");
        }
    }

    // One line twice in one place is nothing that anybody wants.
    void check_sinks(const Program& program, std::string_view stream, const Output& output) {
        for (std::size_t i = 1; i < output.places.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                const Sink& one = output.sinks[j];
                const Sink& other = output.sinks[i];
                if (one.kind != other.kind || one.descriptor != other.descriptor) continue;
                if (one.path != other.path || one.instance_paths != other.instance_paths) continue;
                // Neither could be read.
                if (one.kind == Sink::Kind::file && one.path.empty()) continue;
                problems_.add(output.places[i],
                              quoted(stream) + " of program " + quoted(program.name) + " goes to " +
                                  (one.kind == Sink::Kind::file ? quoted_short(one.path)
                                                                : quoted(word_of(one.kind))) +
                                  " twice (remove one)");
                break;
            }
        }
    }

    static std::string_view word_of(Sink::Kind kind) {
        switch (kind) {
            case Sink::Kind::inherit:
                return "inherit";
            case Sink::Kind::null:
                return "null";
            case Sink::Kind::file:
                return "file";
            case Sink::Kind::syslog:
                return "syslog";
            case Sink::Kind::journal:
                return "journal";
        }
        return "";
    }

    // A file that several write to is rotated, and written, in one way.
    void check_log_files() {
        struct Use {
            const Sink& sink;
            const std::string& path;
            Place place;
            bool faulty;
        };
        std::map<std::string, Use> uses;  // by the path without its ".."
        const OwnLogTarget& own = config_.supervisor.log;
        const std::string own_path =
            own.kind == OwnLogTarget::Kind::file ? without_parents(own.path) : "";
        const auto check = [&](const Use& use) {
            const auto& [sink, path, place, faulty] = use;
            if (path.empty()) return;  // it could not be read
            const std::string shortest = without_parents(path);
            if (shortest == own_path) {
                problems_.add(place, quoted_short(path) +
                                         " is the file of reeve's own log, which "
                                         "is set at " +
                                         shown(as_written_.log) + " (give each its own)");
                return;
            }
            const auto [first, added] = uses.emplace(shortest, use);
            if (added) return;
            if (first->second.path != path) {
                problems_.add(place, quoted_short(path) + " and " +
                                         quoted_short(first->second.path) + " at " +
                                         shown(first->second.place) +
                                         " differ in \"..\" alone (write the same path in both, "
                                         "or give each its own)");
                return;
            }
            if (faulty || first->second.faulty) return;
            const auto [here, there] = difference(sink, first->second.sink);
            if (here.empty()) return;
            problems_.add(place, quoted_short(path) + " has " + here + " here, and " + there +
                                     " at " + shown(first->second.place) +
                                     " (a file that several write to is written and rotated in one "
                                     "way; make them the same)");
        };
        for (const Program& program : config_.programs) {
            for (const bool error : {false, true}) {
                const Output& output = error ? program.error : program.output;
                const bool faulty = is_faulty(program, error ? "stderr" : "stdout");
                for (std::size_t i = 0; i < output.places.size(); ++i) {
                    const Sink& sink = output.sinks[i];
                    const Place place = output.places[i];
                    if (sink.kind != Sink::Kind::file) continue;
                    if (sink.instance_paths.empty()) check({sink, sink.path, place, faulty});
                    for (const std::string& path : sink.instance_paths) {
                        check({sink, path, place, faulty});
                    }
                }
            }
        }
    }

    // The first key that two have differently, as each has it; empty: they agree.
    static std::pair<std::string, std::string> difference(const Sink& one, const Sink& other) {
        const auto pick = [&](const auto& show) { return std::pair{show(one), show(other)}; };
        const Rotation& a = one.rotation;
        const Rotation& b = other.rotation;
        if (one.format != other.format) {
            return pick(
                [](const Sink& sink) { return "format = " + quoted(word_of(sink.format)); });
        }
        if (a.max_size_bytes != b.max_size_bytes) {
            return pick([](const Sink& sink) {
                const std::uint64_t bytes = sink.rotation.max_size_bytes;
                return "max_size = " + (bytes == 0 ? "0" : quoted(format_size(bytes)));
            });
        }
        if (a.max_age != b.max_age) {
            return pick([](const Sink& sink) -> std::string {
                const auto& age = sink.rotation.max_age;
                return age ? "max_age = " + quoted(format_duration(*age)) : "no max_age";
            });
        }
        if (a.keep != b.keep) {
            return pick(
                [](const Sink& sink) { return "keep = " + std::to_string(sink.rotation.keep); });
        }
        if (a.compress != b.compress) {
            return pick([](const Sink& sink) {
                return "compress = " + quoted(word_of(sink.rotation.compress));
            });
        }
        return {};
    }

    static std::string_view word_of(LogFormat format) {
        switch (format) {
            case LogFormat::raw:
                return "raw";
            case LogFormat::text:
                return "text";
            case LogFormat::json:
                return "json";
        }
        return "";
    }

    static std::string_view word_of(Compression compression) {
        switch (compression) {
            case Compression::none:
                return "none";
            case Compression::gzip:
                return "gzip";
            case Compression::zstd:
                return "zstd";
        }
        return "";
    }

    std::string shown(Place place) const {
        if (place.line == 0) return config_.files[place.file];
        return config_.files[place.file] + ":" + std::to_string(place.line) + ":" +
               std::to_string(place.column);
    }

    // A daemon that found another's number in its file would be taken for it.
    void check_pid_files() {
        std::map<std::string_view, const Program*> owners;
        for (const Program& program : config_.programs) {
            if (program.type != ProgramType::forking) continue;
            const Place place = place_of(program, "pid_file");
            for (const std::string& path : program.pid_files) {
                if (path.empty()) continue;  // it could not be read
                const auto [owner, added] = owners.emplace(path, &program);
                if (added) continue;
                const Program& other = *owner->second;
                if (&other == &program) {
                    problems_.add(place, "the instances of program " + quoted(program.name) +
                                             " share one pid_file, " + quoted_short(path) +
                                             " (write ${instance} in it)");
                } else if (const Place first = place_of(other, "pid_file");
                           first.file == place.file && first.line == place.line) {
                    problems_.add(place, "programs " + quoted(other.name) + " and " +
                                             quoted(program.name) + " share one pid_file, " +
                                             quoted_short(path) + " (write ${program} in it)");
                } else {
                    problems_.add(
                        place, "programs " + quoted(other.name) + " and " + quoted(program.name) +
                                   " share one pid_file, " + quoted_short(path) +
                                   " (give each its own; the other is at " + shown(first) + ")");
                }
                break;
            }
        }
    }

    void check_stdin() {
        const Program* owner = nullptr;
        for (const Program& program : config_.programs) {
            if (program.input.kind != Input::Kind::inherit) continue;
            if (program.type == ProgramType::forking) continue;  // wrong anyway
            const Place place = place_of(program, "stdin");
            if (owner) {
                problems_.add(place,
                              "programs " + quoted(owner->name) + " and " + quoted(program.name) +
                                  " both have stdin = \"inherit\" (only one can have reeve's "
                                  "standard input)");
            } else if (program.instances != 1) {
                problems_.add(place, "program " + quoted(program.name) +
                                         " has stdin = \"inherit\" and " +
                                         std::to_string(program.instances) +
                                         " instances (only one can have reeve's standard input)");
            }
            if (!owner) owner = &program;
        }
    }

    void check_groups() {
        std::set<std::pair<std::string_view, std::string_view>> seen;
        for (const AsWritten::Member& member : as_written_.members) {
            if (!seen.emplace(member.owner, member.program).second) {
                problems_.add(member.place, quoted(member.program) + " is listed twice in " +
                                                member.owner + " (remove one)");
            } else if (as_written_.complete) {
                check_exists(member);
            }
        }
    }

    void check_exists(const AsWritten::Member& member) {
        Nearest nearest{member.program};
        for (const Program& program : config_.programs) {
            if (program.name == member.program) return;
            nearest.offer(program.name);
        }
        for (const std::string& name : config_.disabled) {
            if (name == member.program) return;
            nearest.offer(name);
        }
        for (const Group& group : config_.groups) {
            if (group.name != member.program) continue;
            problems_.add(member.place, quoted(member.program) +
                                            " is a group (a group lists programs, so name those)");
            return;
        }
        problems_.add(
            member.place,
            "there is no program " + quoted_short(member.program) +
                (nearest.found() ? " (did you mean " + quoted(*nearest.found()) + "?)"
                                 : " (add [program." + member.program + "], or remove it)"));
    }

    const Config& config_;
    const AsWritten& as_written_;
    Problems& problems_;
};

}  // namespace

void validate(const Config& config, const AsWritten& as_written, Problems& problems) {
    Validator{config, as_written, problems}.run();
}

}  // namespace reeve::conf
