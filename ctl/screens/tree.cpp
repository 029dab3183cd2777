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
    add(process.zombie, "zombie");
    return text;
}

void add_rows(Table& table, const std::vector<api::Process>& processes, const Branches& branches,
              const std::string& before, bool is_root) {
    for (std::size_t i = 0; i < processes.size(); ++i) {
        const api::Process& process = processes[i];
        const bool is_last = i + 1 == processes.size();
        std::string command = before;
        if (!is_root) command += is_last ? branches.last : branches.more;
        command += harmless(process.command);
        if (const std::string marks = marks_of(process); !marks.empty()) {
            command += "  (" + marks + ")";
        }
        const Colour colour = process.zombie   ? Colour::red
                              : process.orphan ? Colour::yellow
                                               : Colour::none;
        table.add({{std::to_string(process.pid), Colour::none},
                   {harmless(process.state), Colour::none},
                   {harmless(process.user), Colour::none},
                   {human_cpu(process.cpu_seconds), Colour::none},
                   {human_bytes(process.memory_bytes), Colour::none},
                   {std::move(command), colour}});
        std::string below = before;
        if (!is_root) below += is_last ? branches.gap : branches.line;
        add_rows(table, process.children, branches, below, false);
    }
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
