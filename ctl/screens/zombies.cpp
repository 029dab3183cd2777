#include <algorithm>
#include <set>

#include "ctl/screens/screens.h"
#include "ctl/screens/table.h"

namespace reeve::ctl {

namespace {

std::string plural(std::int64_t count, const std::string& one, const std::string& many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

// "[program.web.guard]" of the instance "web@2".
std::string guard_table(const std::string& instance) {
    const std::string program = instance.substr(0, instance.find('@'));
    const bool is_bare = program.find('.') == std::string::npos;  // TOML: a dot separates keys
    return "[program." + (is_bare ? program : "\"" + program + "\"") + ".guard]";
}

}  // namespace

std::string zombies_screen(const api::Zombies& zombies, const Style& style, bool with_headers) {
    if (zombies.zombies.empty()) {
        return with_headers
                   ? "no neglected zombies: every parent has waited for its dead children\n"
                   : "";
    }
    using Align = Table::Align;
    Table table{{{"COUNT", Align::right, 5},
                 {"OLDEST", Align::right, 6},
                 {"PARENT", Align::right, 7},
                 {"PROGRAM", Align::left, 0, 2, Table::Fit::shrinks},
                 {"COMMAND", Align::left, 0}}};
    std::int64_t total = 0;
    std::set<std::string> programs;
    std::set<std::int64_t> strays;
    for (const api::NeglectfulParent& parent : zombies.zombies) {
        total += parent.count;
        if (parent.program)
            programs.insert(*parent.program);
        else
            strays.insert(parent.parent_pid);
        table.add({{std::to_string(parent.count), Colour::red},
                   {human_duration(parent.oldest_seconds), Colour::none},
                   {std::to_string(parent.parent_pid), Colour::none},
                   parent.program ? name_cell(*parent.program) : Table::Cell{"(stray)"},
                   {harmless(parent.parent_command), Colour::none}});
    }
    std::string out = table.print(style, with_headers);
    if (!with_headers) return out;

    const auto parents = static_cast<std::int64_t>(zombies.zombies.size());
    const std::string sum = plural(total, "zombie", "zombies") + " of " +
                            plural(parents, "parent that does", "parents that do") +
                            " not wait for " + (parents == 1 ? "its" : "their") + " children";
    out += coloured(style, Colour::dim, sum) + "\n";
    if (!programs.empty()) {
        const std::string name = programs.size() == 1 ? harmless(*programs.begin()) : "NAME";
        out += "A parent must wait for its children; until it does: 'reevectl restart " + name +
               "',\nor set zombies in " + guard_table(name) + ", and reeve sees to it.\n";
    }
    if (!strays.empty()) {
        const std::string pid = strays.size() == 1 ? std::to_string(*strays.begin()) : "PID";
        out += "A stray is of no program: 'kill " + pid + "' ends it, and reeve reaps the rest.\n";
    }
    return out;
}

}  // namespace reeve::ctl
