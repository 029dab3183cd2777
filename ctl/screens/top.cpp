#include "ctl/screens/top.h"

#include <algorithm>

#include "ctl/screens/table.h"

namespace reeve::ctl {

namespace {

constexpr std::string_view kKeys =
    "s start  x stop  r restart  e explain  Enter card  / filter  ? all keys  q quit";

constexpr std::string_view kHelp[] = {
    "up, down, j, k, PgUp, PgDn, Home, End   choose a program",
    "",
    "s       start it",
    "x       stop it (asks first)",
    "r       restart it (asks first)",
    "f       forget its failures",
    "e       why it is as it is, and what would change that",
    "Enter   all about it",
    "",
    "/       show only names that have this in them; an empty one shows all",
    "c m n o sort by CPU, memory, name, or as in the configuration",
    "q       quit",
    "",
    "CPU is that of the last seconds, 100% being one core.",
};

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(text.size(), end + 1));
    }
    return lines;
}

std::string heading_of(const api::Status& status) {
    const api::SupervisorStatus& self = status.supervisor;
    std::string text = "reeve " + harmless(self.version) + ", pid " + std::to_string(self.pid) +
                       ", up " + human_duration(self.uptime_seconds);
    if (self.state != "running") text += ", " + harmless(self.state);
    std::size_t running = 0;
    std::size_t failed = 0;
    for (const api::ProgramStatus& program : status.programs) {
        running += program.state == "running" ? 1 : 0;
        failed += program.state == "failed" || program.state == "backoff" ? 1 : 0;
    }
    text += "  " + std::to_string(running) + " of " + std::to_string(status.programs.size()) +
            " running";
    if (failed > 0) text += ", " + std::to_string(failed) + " in trouble";
    if (self.config_changed) text += "  config changed: reevectl diff";
    if (self.pids.current && self.pids.limit) {
        text +=
            "  pids " + std::to_string(*self.pids.current) + "/" + std::to_string(*self.pids.limit);
    }
    return text;
}

std::string percent(std::optional<double> value) {
    return value ? fixed(*value, 1) + '%' : "-";
}

}  // namespace

void Top::set(api::Status status, api::Timestamp now, std::chrono::milliseconds at) {
    trouble_.clear();
    now_ = now;
    heading_ = heading_of(status);
    all_.clear();
    std::map<std::string, Spent> spent;
    for (api::ProgramStatus& program : status.programs) {
        Spent& its = spent[program.name];
        const auto before = spent_.find(program.name);
        if (before != spent_.end() && before->second.run == program.run) its = before->second;
        const double seconds = program.cpu_seconds.value_or(0);
        const auto passed = std::chrono::duration<double>(at - its.at).count();
        const bool is_new = its.at.count() == 0 || its.run != program.run;
        if (is_new) {
            its = {program.run, seconds, at, std::nullopt};
        } else if (seconds > its.cpu_seconds || passed >= 2) {
            // reeve itself looks once a second: between two looks nothing changes.
            its.percent = 100 * (seconds - its.cpu_seconds) / passed;
            its.cpu_seconds = seconds;
            its.at = at;
        }
        const auto shown = program.pid ? its.percent : std::nullopt;
        all_.push_back({std::move(program), shown});
    }
    spent_ = std::move(spent);
    if (to_confirm_ && std::ranges::none_of(all_, [&](const Row& row) {
            return row.program.name == to_confirm_->target;
        })) {
        to_confirm_.reset();
    }
}

void Top::say(std::string text, Colour colour) {
    said_ = harmless(text);
    said_colour_ = colour;
}

std::vector<const Top::Row*> Top::rows() const {
    std::vector<const Row*> rows;
    for (const Row& row : all_) {
        if (row.program.name.find(filter_) != std::string::npos) rows.push_back(&row);
    }
    const auto by = [&](const auto& key) {
        std::ranges::stable_sort(rows, std::ranges::greater{}, key);
    };
    switch (order_) {
        case Order::configuration:
            break;
        case Order::cpu:
            by([](const Row* row) { return row->cpu_percent.value_or(-1); });
            break;
        case Order::memory:
            by([](const Row* row) { return row->program.memory_bytes.value_or(-1); });
            break;
        case Order::name:
            std::ranges::stable_sort(
                rows, {}, [](const Row* row) -> const std::string& { return row->program.name; });
            break;
    }
    return rows;
}

const Top::Row* Top::chosen(const std::vector<const Row*>& rows) const {
    const auto found =
        std::ranges::find_if(rows, [&](const Row* row) { return row->program.name == chosen_; });
    if (found != rows.end()) return *found;
    return rows.empty() ? nullptr : rows.front();
}

void Top::move(std::ptrdiff_t by) {
    const auto all = rows();
    if (all.empty()) return;
    const auto at = std::ranges::find(all, chosen(all)) - all.begin();
    const auto last = static_cast<std::ptrdiff_t>(all.size()) - 1;
    const auto to = std::clamp<std::ptrdiff_t>(at + by, 0, last);
    chosen_ = all[static_cast<std::size_t>(to)]->program.name;
}

// What ends something is asked twice.
std::optional<Top::Wish> Top::ask(Verb verb) {
    const auto all = rows();
    const Row* row = chosen(all);
    if (!row) return std::nullopt;
    Wish wish{Wish::Kind::act, verb, row->program.name};
    if (verb == Verb::stop || verb == Verb::restart) {
        to_confirm_ = std::move(wish);
        return std::nullopt;
    }
    return wish;
}

std::optional<Top::Wish> Top::press(const Key& key) {
    using Name = Key::Name;
    said_.clear();
    if (helping_) {
        helping_ = false;
        return std::nullopt;
    }
    if (to_confirm_) {
        const bool sure = key.name == Name::character && (key.text == "y" || key.text == "Y");
        auto wish = std::exchange(to_confirm_, std::nullopt);
        return sure ? wish : std::nullopt;
    }
    if (typing_filter_) {
        if (key.name == Name::character) {
            filter_ += key.text;
        } else if (key.name == Name::erase) {
            while (!filter_.empty() && (static_cast<unsigned char>(filter_.back()) & 0xC0) == 0x80)
                filter_.pop_back();
            if (!filter_.empty()) filter_.pop_back();
        } else {
            typing_filter_ = false;
            if (key.name == Name::escape) filter_.clear();
        }
        return std::nullopt;
    }
    const auto page = static_cast<std::ptrdiff_t>(page_height_);
    switch (key.name) {
        case Name::up:
            move(-1);
            return std::nullopt;
        case Name::down:
            move(1);
            return std::nullopt;
        case Name::page_up:
            move(-page);
            return std::nullopt;
        case Name::page_down:
            move(page);
            return std::nullopt;
        case Name::home:
            move(-static_cast<std::ptrdiff_t>(all_.size()));
            return std::nullopt;
        case Name::end:
            move(static_cast<std::ptrdiff_t>(all_.size()));
            return std::nullopt;
        case Name::enter: {
            const auto all = rows();
            const Row* row = chosen(all);
            if (!row) return std::nullopt;
            return Wish{Wish::Kind::card, Verb::status, row->program.name};
        }
        case Name::escape:
            filter_.clear();
            return std::nullopt;
        case Name::erase:
            return std::nullopt;
        case Name::character:
            return key.text.size() == 1 ? press_letter(key.text[0]) : std::nullopt;
    }
    return std::nullopt;
}

std::optional<Top::Wish> Top::press_letter(char letter) {
    switch (letter) {
        case 'q':
            return Wish{Wish::Kind::leave};
        case 'k':
            move(-1);
            break;
        case 'j':
            move(1);
            break;
        case 's':
            return ask(Verb::start);
        case 'x':
            return ask(Verb::stop);
        case 'r':
            return ask(Verb::restart);
        case 'f':
            return ask(Verb::reset);
        case 'e':
            if (const auto all = rows(); const Row* row = chosen(all)) {
                return Wish{Wish::Kind::explain, Verb::explain, row->program.name};
            }
            break;
        case '/':
            filter_.clear();
            typing_filter_ = true;
            break;
        case 'c':
            order_ = Order::cpu;
            break;
        case 'm':
            order_ = Order::memory;
            break;
        case 'n':
            order_ = Order::name;
            break;
        case 'o':
            order_ = Order::configuration;
            break;
        case '?':
        case 'h':
            helping_ = true;
            break;
        default:
            say("no key is '" + std::string{letter} + "'; ? has them all");
    }
    return std::nullopt;
}

// Each row one line.
std::string Top::table(const std::vector<const Row*>& rows, int width) const {
    using Align = Table::Align;
    Style plain = style_;
    plain.terminal = true;
    plain.colour = false;
    plain.width = width;
    Table table{{{"NAME", Align::left, 0, 2, Table::Fit::shrinks},
                 {"STATE", Align::left, 8},
                 {"PID", Align::right, 7},
                 {"UPTIME", Align::right, 6},
                 {"RESTARTS", Align::right},
                 {"CPU", Align::right, 6},
                 {"MEM", Align::right, 5},
                 {"PROCS", Align::right},
                 {"NOTE", Align::left, 0, 2, Table::Fit::beside}}};
    for (const Row* row : rows) {
        const api::ProgramStatus& its = row->program;
        const std::string state =
            its.state == "running" && its.health == "unhealthy" ? "unhealthy" : its.state;
        table.add({name_cell(its.name),
                   {harmless(state)},
                   {its.pid ? std::to_string(*its.pid) : "-"},
                   {its.uptime_seconds && its.pid ? human_duration(*its.uptime_seconds) : "-"},
                   {std::to_string(its.restarts)},
                   {percent(row->cpu_percent)},
                   {its.memory_bytes ? human_bytes(*its.memory_bytes) : "-"},
                   {std::to_string(its.processes)},
                   {harmless(its.note)}});
    }
    return table.print(plain, true);
}

ScreenLine Top::bottom() const {
    if (to_confirm_) {
        return {(to_confirm_->verb == Verb::stop ? "stop " : "restart ") +
                    harmless(to_confirm_->target) + "? y or n",
                Colour::yellow, true};
    }
    if (typing_filter_) return {"/" + harmless(filter_), Colour::none, true};
    if (!said_.empty()) return {said_, said_colour_, false};
    if (!filter_.empty()) {
        return {"only names with \"" + harmless(filter_) + "\"; Esc shows all", Colour::dim, false};
    }
    return {std::string{kKeys}, Colour::dim, false};
}

std::vector<ScreenLine> Top::page(int width, int height) const {
    std::vector<ScreenLine> page;
    std::string note;  // of the chosen one, whose row has hardly any room for it
    page.push_back({trouble_.empty() ? heading_ : harmless(trouble_),
                    trouble_.empty() ? Colour::bold : Colour::red, false});
    if (helping_) {
        page.push_back({});
        for (const std::string_view line : kHelp) page.push_back({std::string{line}});
    } else {
        const auto all = rows();
        const Row* here = chosen(all);
        const auto lines = lines_of(table(all, width));
        page_height_ = static_cast<std::size_t>(std::max(height - 4, 1));
        const auto at = static_cast<std::size_t>(std::ranges::find(all, here) - all.begin());
        if (at < first_) first_ = at;
        if (here && at >= first_ + page_height_) first_ = at - page_height_ + 1;
        first_ = std::min(first_, all.size() > page_height_ ? all.size() - page_height_ : 0);
        if (here && !here->program.note.empty())
            note = harmless(here->program.name) + ": " + harmless(here->program.note);
        page.push_back({lines.empty() ? "" : lines.front(), Colour::none, true});
        for (std::size_t i = first_; i < all.size() && i < first_ + page_height_; ++i) {
            const api::ProgramStatus& its = all[i]->program;
            const Colour of_state = state_colour(its);
            // What is as it should be is not coloured: there are many of them.
            const Colour colour = of_state == Colour::green ? Colour::none : of_state;
            page.push_back({lines[i + 1], colour, all[i] == here});
        }
    }
    page.resize(static_cast<std::size_t>(std::max(height - 2, 1)));
    page.push_back({note});
    page.push_back(bottom());
    for (ScreenLine& line : page) {
        line.text = cut(line.text, static_cast<std::size_t>(std::max(width, 1)), style_);
        if (line.bright) line.text = padded(line.text, static_cast<std::size_t>(width));
    }
    page.resize(static_cast<std::size_t>(std::max(height, 1)));
    return page;
}

}  // namespace reeve::ctl
