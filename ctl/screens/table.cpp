#include "ctl/screens/table.h"

#include <algorithm>

namespace reeve::ctl {

namespace {

// On a terminal that leaves less than this to the last column, what does not fit into it gets a
// line of its own.
constexpr std::size_t kSmallestLast = 24;
constexpr std::size_t kBelow = 4;  // columns that it is indented by
constexpr std::size_t kLinesBelow = 3;
// A column that shrinks keeps so much.
constexpr std::size_t kSmallestShrunk = 12;

std::string aligned(const Table::Column& column, std::string_view text, std::size_t width) {
    const std::size_t own = display_width(text);
    std::size_t before = 0;
    if (column.align == Table::Align::right) {
        before = width - std::min(own, width);
    } else if (column.align == Table::Align::right_under_title) {
        const std::size_t title = display_width(column.title);
        before = title - std::min(own, title);
    }
    return std::string(before, ' ') + std::string{text};
}

std::string cut_before(std::string_view kept, std::string_view text, std::size_t columns,
                       const Style& style) {
    const std::size_t own = display_width(kept);
    if (own >= columns) return cut(std::string{text} + std::string{kept}, columns, style);
    return cut(text, columns - own, style) + std::string{kept};
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
            if (row.size() == columns_.size())
                width = std::max(width, display_width(row[i].text + row[i].kept));
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

    const auto below = [&](const Cell& cell) {
        const std::vector<std::string> lines =
            last_fit == Fit::below
                ? lines_below(cell.text + cell.kept, room_below, style)
                : std::vector{cut_before(cell.kept, cell.text, room_below, style)};
        std::string out;
        for (const std::string& text : lines)
            out += '\n' + std::string(kBelow, ' ') + coloured(style, cell.colour, text);
        return out;
    };
    const auto line = [&](const std::vector<Cell>& row) {
        std::string out;
        std::size_t gap = 0;  // spaces owed before the next cell, if it has any text
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool is_last = i + 1 == row.size();
            if (is_last && may_go_below && display_width(row[i].text + row[i].kept) > left) {
                out += below(row[i]);
                break;
            }
            const bool may_cut = style.terminal && (is_last || columns_[i].fit == Fit::shrinks);
            const std::string text =
                may_cut ? cut_before(row[i].kept, row[i].text, is_last ? left : widths[i], style)
                        : row[i].text + row[i].kept;
            const std::string cell = aligned(columns_[i], text, widths[i]);
            const std::size_t indent = cell.size() - text.size();
            if (!text.empty()) {
                out.append(gap + indent, ' ');
                gap = 0;
                out += coloured(style, row[i].colour, text);
            } else {
                gap += indent;
            }
            const std::size_t used = display_width(cell);
            gap += widths[i] - std::min(used, widths[i]) + columns_[i].gap;
        }
        out += '\n';
        return out;
    };

    std::string out;
    if (with_titles) {
        std::vector<Cell> titles;
        for (const Column& column : columns_) titles.push_back({column.title, Colour::bold});
        out += line(titles);
    }
    for (const auto& row : rows_) {
        if (row.size() == columns_.size()) {
            out += line(row);
        } else {
            out += coloured(style, row.front().colour, row.front().text) + "\n";
        }
    }
    return out;
}

Table::Cell name_cell(const std::string& name) {
    const std::size_t at = std::min(name.find('@'), name.size());
    return {harmless(name.substr(0, at)), Colour::none, harmless(name.substr(at))};
}

}  // namespace reeve::ctl
