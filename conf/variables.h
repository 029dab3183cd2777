#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "conf/expand.h"
#include "conf/paths.h"
#include "conf/toml_reader.h"

namespace reeve::conf {

// Which of the words that are built in, "program", "instance" and "config_dir", another tool calls
// `name`, or which is written like it: "program_name", "PROGRAM".  Empty: none.
std::string_view builtin_meant_by(std::string_view name);

// What ${NAME} means inside one instance's table: reeve's built-in words, then the program's
// environment in its layers ([program.NAME], [defaults], [supervisor]), then reeve's own.
class Variables {
public:
    // `layers` are tables of strings, the strongest first; `directories` says where each file is.
    // All of them must outlive it.
    Variables(const std::vector<const Value*>& layers, const EnvironmentMap& own,
              const std::vector<std::string>& directories, std::string program, int instance);

    // Expands what was written in `file`, whose directory ${config_dir} is.
    Expected<std::string, std::string> expand(std::string_view text, std::uint32_t file);

    struct Failure {
        Place place;
        std::string text;
    };
    // The layers as one environment.  A value may name others of any layer, and itself, which then
    // means the value below it; the values are expanded in whatever order that needs.
    std::map<std::string, std::string> environment(std::vector<Failure>& failures);

private:
    using Result = Expected<std::optional<std::string>, std::string>;

    Result look_up(std::string_view name, std::uint32_t file, std::string_view self,
                   std::size_t below);
    Result resolve(std::string_view name, std::size_t from);
    std::string suggest(std::string_view name) const;

    using Layer = std::map<std::string_view, const Value*>;
    std::vector<Layer> layers_;  // what is not a string is left out
    const EnvironmentMap& own_;
    const std::vector<std::string>& directories_;
    std::string program_;
    int instance_;

    using Slot = std::pair<std::string, std::size_t>;  // a name and the layer it is set in
    std::map<Slot, std::string> known_;
    std::vector<std::string> open_;  // names being expanded now, outermost first
    std::vector<Failure> failures_;
};

}  // namespace reeve::conf
