#include "ctl/screens/table.h"

#include <algorithm>
#include <utility>

namespace reeve::ctl {

namespace {

// On a terminal that leaves less than this to the last column, what does not fit into it gets a
// line of its own.
constexpr std::size_t kSmallestLast = 24;
constexpr std::size_t kBelow = 4;  // columns that it is indented by
constexpr std::size_t kLinesBelow = 3;
// A column that shrinks keeps so much.
constexpr std::size_t kSmallestShrunk = 12;

// The spaces before a text that is `own` columns wide.
std::size_t indent(const Table::Column& column, std::size_t own, std::size_t width) {
    if (column.align == Table::Align::left) return 0;
    if (column.align == Table::Align::right_under_title) width = display_width(column.title);
    return width - std::min(own, width);
}

std::string cut(const Table::Cell& cell, std::size_t columns, const Style& style) {
    const std::string_view text = cell.text;
    const auto kept = text.substr(text.size() - cell.kept);
    const std::size_t own = display_width(kept);
    if (own >= columns) return cut(text, columns, style);
    return cut(text.substr(0, text.size() - cell.kept), columns - own, style) + std::string{kept};
}

std::vector<std::string> lines_below(const std::string& text, std::size_t width,
                                     const Style& style) {
    std::vector<std::string> lines = broken(text, width);
    for (; lines.size() > kLinesBelow; lines.pop_back())
        lines[lines.size() - 2] += ' ' + lines.back();
    for (std::string& line : lines) line = cut(line, width, style);
    return lines;
}

}  // namespace

std::vector<std::size_t> Table::widths(const Style& style, bool with_titles) const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = columns_[i].min_width;
        if (with_titles || columns_[i].align == Align::right_under_title)
            width = std::max(width, display_width(columns_[i].title));
        for (const auto& row : rows_) {
            if (row.size() == columns_.size()) width = std::max(width, display_width(row[i].text));
        }
        widths.push_back(width);
    }
    if (!style.terminal) return widths;
    std::size_t needed = columns_.back().min_width;
    if (with_titles) needed = std::max(needed, display_width(columns_.back().title));
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) needed += widths[i] + columns_[i].gap;
    const auto terminal = static_cast<std::size_t>(std::max(style.width, 1));
    for (std::size_t i = 0; i + 1 < widths.size() && needed > terminal; ++i) {
        if (columns_[i].fit != Fit::shrinks || widths[i] <= kSmallestShrunk) continue;
        const std::size_t less = std::min(widths[i] - kSmallestShrunk, needed - terminal);
        widths[i] -= less;
        needed -= less;
    }
    return widths;
}

std::string Table::print(const Style& style, bool with_titles) const {
    const std::vector<std::size_t> widths = this->widths(style, with_titles);
    const Fit last_fit = columns_.back().fit;
    std::size_t before_last = 0;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) before_last += widths[i] + columns_[i].gap;
    const auto terminal = static_cast<std::size_t>(std::max(style.width, 1));
    const std::size_t left = terminal - std::min(terminal, before_last);
    const std::size_t room_below = std::max(terminal, kBelow + 1) - kBelow;
    const bool may_go_below = style.terminal && (last_fit == Fit::below ||
                                                 (last_fit == Fit::usual && left < kSmallestLast));

    std::string out;
    const auto below = [&](const Cell& cell) {
        const std::vector<std::string> lines = last_fit == Fit::below
                                                   ? lines_below(cell.text, room_below, style)
                                                   : std::vector{cut(cell, room_below, style)};
        for (const std::string& text : lines)
            out += '\n' + std::string(kBelow, ' ') + coloured(style, cell.colour, text);
    };
    const auto line = [&](const std::vector<Cell>& row) {
        std::size_t gap = 0;  // spaces owed before the next cell, if it has any text
        std::string shortened;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool is_last = i + 1 == row.size();
            std::string_view text = row[i].text;
            std::size_t own = display_width(text);
            if (is_last && may_go_below && own > left) {
                below(row[i]);
                break;
            }
            const bool may_cut = style.terminal && (is_last || columns_[i].fit == Fit::shrinks);
            const std::size_t most = is_last ? left : widths[i];
            if (may_cut && own > most) {
                shortened = cut(row[i], most, style);
                text = shortened;
                own = display_width(text);
            }
            const std::size_t before = indent(columns_[i], own, widths[i]);
            gap += before;
            if (!text.empty()) {
                out.append(std::exchange(gap, 0), ' ');
                out += coloured(style, row[i].colour, text);
            }
            gap += widths[i] - std::min(before + own, widths[i]) + columns_[i].gap;
        }
        out += '\n';
    };

    if (with_titles) {
        std::vector<Cell> titles;
        for (const Column& column : columns_) titles.push_back({column.title, Colour::bold});
        line(titles);
    }
    for (const auto& row : rows_) {
        if (row.size() == columns_.size()) {
            line(row);
        } else {
            out += coloured(style, row.front().colour, row.front().text) + "\n";
        }
    }
    return out;
}

Table::Cell name_cell(const std::string& name) {
    const std::size_t at = std::min(name.find('@'), name.size());
    return {harmless(name), Colour::none, harmless(name.substr(at)).size()};
}

}  // namespace reeve::ctl
