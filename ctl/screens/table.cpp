#include "ctl/screens/table.h"

#include <algorithm>

namespace reeve::ctl {

namespace {

// On a terminal that leaves less than this to the last column, what does not fit into it gets a
// line of its own.
constexpr std::size_t kSmallestLast = 24;
constexpr std::size_t kBelow = 4;  // columns that it is indented by

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

}  // namespace

std::string Table::print(const Style& style, bool with_titles) const {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t width = columns_[i].min_width;
        if (with_titles) width = std::max(width, display_width(columns_[i].title));
        for (const auto& row : rows_) {
            if (row.size() == columns_.size())
                width = std::max(width, display_width(row[i].text + row[i].kept));
        }
        widths.push_back(width);
    }

    std::size_t before_last = 0;
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) before_last += widths[i] + columns_[i].gap;
    const auto terminal = static_cast<std::size_t>(std::max(style.width, 1));
    const std::size_t left = terminal - std::min(terminal, before_last);
    const bool may_go_below = style.terminal && left < kSmallestLast;

    const auto line = [&](const std::vector<Cell>& row) {
        std::string out;
        std::size_t gap = 0;  // spaces owed before the next cell, if it has any text
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool is_last = i + 1 == row.size();
            if (is_last && may_go_below && display_width(row[i].text + row[i].kept) > left) {
                const std::size_t room = std::max(terminal, kBelow + 1) - kBelow;
                out += '\n' + std::string(kBelow, ' ') +
                       coloured(style, row[i].colour,
                                cut_before(row[i].kept, row[i].text, room, style));
                break;
            }
            const std::string text = is_last && style.terminal
                                         ? cut_before(row[i].kept, row[i].text, left, style)
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

}  // namespace reeve::ctl
