#include "conf/validate.h"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "conf/nearest.h"
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
        check_pid_files();
        check_groups();
    }

private:
    static const Place* written(const Program& program, std::string_view key) {
        for (const Program::Key& one : program.keys) {
            if (one.name == key) return &one.place;
        }
        return nullptr;
    }

    // Where it was written, else where the program is.
    static Place place_of(const Program& program, std::string_view key) {
        const Place* place = written(program, key);
        return place ? *place : program.place;
    }

    void check(const Program& program) {
        if (!written(program, "command") && !as_written_.misspelt.contains(program.name)) {
            problems_.add(program.place,
                          "program " + quoted(program.name) +
                              " has no command (add one, such as command = [\"sleep\", \"60\"])");
        }

        if (as_written_.broken.contains(program.name)) return;

        if (program.restart_delay > program.restart_delay_max) {
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

        // There is no other way to become ready yet, see the sentence of start_timeout.
        constexpr Duration kReadyAfter = std::chrono::seconds{1};
        if (program.start_timeout < kReadyAfter) {
            problems_.add(place_of(program, "start_timeout"),
                          "\"start_timeout\" is " + quoted(format_duration(program.start_timeout)) +
                              " (should be at least \"1s\": a program is ready after one second)");
        }
    }

    void check_daemon(const Program& program) {
        const bool forking = program.type == ProgramType::forking;
        if (const Place* place = written(program, "pid_file");
            place && !forking && !as_written_.misspelt.contains(program.name)) {
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

    // A daemon that found another's number in its file would be taken for it.
    void check_pid_files() {
        std::map<std::string_view, const Program*> owners;
        for (const Program& program : config_.programs) {
            if (program.type != ProgramType::forking) continue;
            if (as_written_.broken.contains(program.name)) continue;
            const Place place = place_of(program, "pid_file");
            for (const std::string& path : program.pid_files) {
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
                                   " (give each its own; the other is at " +
                                   config_.files[first.file] + ":" + std::to_string(first.line) +
                                   ":" + std::to_string(first.column) + ")");
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
            if (!seen.emplace(member.group, member.program).second) {
                problems_.add(member.place, quoted(member.program) + " is listed twice in group " +
                                                quoted(member.group) + " (remove one)");
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
