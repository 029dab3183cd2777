#include <algorithm>

#include "ctl/screens/screens.h"
#include "ctl/screens/table.h"

namespace reeve::ctl {

namespace {

struct Branches {
    std::string_view more, last, line, gap;
};

constexpr Branches kDrawn{"├─ ", "└─ ", "│  ", "   "};
constexpr Branches kPlain{"|- ", "`- ", "|  ", "   "};

std::string marks_of(const api::Process& process) {
    std::string text;
    const auto add = [&](bool applies, std::string_view word) {
        if (!applies) return;
        text += text.empty() ? "" : ", ";
        text += word;
    };
    add(process.main, "main");
    add(process.orphan, "orphan");
    add(process.zombie && !process.neglected_seconds, "zombie");
    if (process.neglected_seconds) {
        add(true, "neglected zombie, " + human_duration(*process.neglected_seconds));
    }
    return text.empty() ? text : "  (" + text + ")";
}

// A parent may neglect thousands of zombies; of more than these the rest is counted.
constexpr std::size_t kZombiesListed = 3;

bool is_dead_leaf(const api::Process& process) {
    return process.zombie && process.children.empty();
}

// The rows of siblings and of what is below them.
void add_rows(Table& table, const std::vector<api::Process>& processes, const Branches& branches,
              const std::string& before, bool is_root) {
    const auto zombies =
        static_cast<std::size_t>(std::count_if(processes.begin(), processes.end(), is_dead_leaf));
    // A single one is listed rather than said to be one more.
    const std::size_t listed = zombies > kZombiesListed + 1 ? kZombiesListed : zombies;
    const std::size_t unlisted = zombies - listed;

    std::size_t zombies_seen = 0;
    for (std::size_t i = 0; i < processes.size(); ++i) {
        const api::Process& process = processes[i];
        if (is_dead_leaf(process) && ++zombies_seen > listed) continue;
        const bool is_last = i + 1 == processes.size() && unlisted == 0;
        std::string command = before;
        if (!is_root) command += is_last ? branches.last : branches.more;
        const std::string marks = marks_of(process);
        command += harmless(process.command) + marks;
        const Colour colour = process.zombie   ? Colour::red
                              : process.orphan ? Colour::yellow
                                               : Colour::none;
        table.add({{std::to_string(process.pid), Colour::none},
                   {harmless(process.state), Colour::none},
                   {harmless(process.user), Colour::none},
                   {human_cpu(process.cpu_seconds), Colour::none},
                   {human_bytes(process.memory_bytes), Colour::none},
                   {std::move(command), colour, marks.size()}});
        std::string below = before;
        if (!is_root) below += is_last ? branches.gap : branches.line;
        add_rows(table, process.children, branches, below, false);
    }
    if (unlisted == 0) return;
    std::string more = before;
    if (!is_root) more += branches.last;
    more += "and " + std::to_string(unlisted) + " more zombies";
    table.add({{}, {}, {}, {}, {}, {std::move(more), Colour::red}});
}

Table empty_table() {
    using Align = Table::Align;
    return Table{{{"PID", Align::right, 7},
                  {"S", Align::left, 1},
                  {"USER", Align::left, 8},
                  {"CPU", Align::right, 6},
                  {"MEM", Align::right, 4},
                  {"COMMAND", Align::left, 0}}};
}

std::string indented(const std::string& lines, std::size_t indent) {
    std::string out;
    bool at_start = true;
    for (const char c : lines) {
        if (at_start && c != '\n') out.append(indent, ' ');
        at_start = c == '\n';
        out += c;
    }
    return out;
}

}  // namespace

std::string process_lines(const std::vector<api::Process>& processes, const Style& style,
                          bool with_headers, std::size_t indent) {
    Table table = empty_table();
    add_rows(table, processes, style.glyphs ? kDrawn : kPlain, "", true);
    Style narrower = style;
    narrower.width -= static_cast<int>(indent);
    return indented(table.print(narrower, with_headers), indent);
}

std::string tree_screen(const api::Tree& tree, const Style& style, bool with_headers) {
    Table table = empty_table();
    const auto section = [&](const std::string& title, const std::vector<api::Process>& processes) {
        table.add_heading({processes.empty() ? title + ": no process" : title, Colour::bold});
        add_rows(table, processes, style.glyphs ? kDrawn : kPlain, "", true);
    };
    for (const api::ProgramTree& program : tree.programs) {
        section(harmless(program.name), program.processes);
    }
    if (!tree.strays.empty()) section("strays (of no program)", tree.strays);
    return table.print(style, with_headers);
}

}  // namespace reeve::ctl
