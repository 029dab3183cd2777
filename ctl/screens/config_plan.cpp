#include "ctl/screens/screens.h"
#include "ctl/screens/table.h"

namespace reeve::ctl {

namespace {

Colour colour_of(std::string_view action) {
    if (action == "start") return Colour::green;
    if (action == "stop") return Colour::red;
    return action == "restart" ? Colour::yellow : Colour::none;
}

std::string joined(const std::vector<std::string>& keys) {
    std::string text;
    for (const std::string& key : keys) text += (text.empty() ? "" : ", ") + harmless(key);
    return text;
}

}  // namespace

std::string config_plan_screen(const api::ConfigReply& plan, const Style& style) {
    using Align = Table::Align;
    Table table{{{"", Align::left, 7},
                 {"", Align::left, 0, 2, Table::Fit::shrinks},
                 {"", Align::left, 0, 2, Table::Fit::below}}};
    std::size_t kept = 0;
    bool is_empty = true;
    for (const api::ProgramChange& change : plan.programs) {
        if (change.action == "keep" && change.message.empty()) {
            ++kept;
            continue;
        }
        is_empty = false;
        std::string what = joined(change.keys);
        if (!change.message.empty()) {
            what +=
                (what.empty() ? "" : " (") + harmless(change.message) + (what.empty() ? "" : ")");
        }
        table.add({{harmless(change.action), colour_of(change.action)},
                   {harmless(change.program), Colour::none},
                   {what, Colour::none}});
    }
    for (const api::ReeveChange& change : plan.reeve) {
        is_empty = false;
        const bool later = change.action == "restart";
        table.add({{later ? "later" : harmless(change.action), Colour::none},
                   {"reeve", Colour::none},
                   {harmless(change.key) + (later ? " (once reeve itself is restarted)" : ""),
                    Colour::none}});
    }
    std::string out = is_empty ? std::string{} : table.print(style, false);
    if (!plan.differs) return out + "no difference\n";
    if (kept > 0) {
        out += coloured(style, Colour::dim,
                        std::to_string(kept) + (kept == 1 ? " program is kept as it is"
                                                          : " programs are kept as they are")) +
               "\n";
    }
    return out;
}

}  // namespace reeve::ctl
