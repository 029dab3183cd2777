#pragma once

#include <string>
#include <vector>

#include "ctl/screens/text.h"

namespace reeve::ctl {

// Columns of text, each as wide as its widest cell.
class Table {
public:
    enum class Align {
        left,
        right,
        // Right under its title; what is longer begins at the left edge and sticks out, so that
        // the numbers stay below each other when only some cells say more than a number.
        right_under_title,
    };

    // What becomes of it on a terminal that has not enough columns.
    enum class Fit {
        // Whole; of the last column it is cut, and has a line of its own where it would have
        // hardly any room.
        usual,
        // Not the last column: it is cut, so that the others fit.
        shrinks,
        // The last column: it is cut, however little room it has.
        beside,
        // The last column: it has lines of its own, three at most.
        below,
    };

    struct Column {
        std::string title;
        Align align = Align::left;
        std::size_t min_width = 0;
        std::size_t gap = 2;  // spaces behind it
        Fit fit = Fit::usual;
    };

    struct Cell {
        std::string text;
        Colour colour = Colour::none;
        std::size_t kept = 0;  // bytes at the end of the text that a cut leaves
    };

    explicit Table(std::vector<Column> columns) : columns_{std::move(columns)} {}

    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    // A line of its own that no column is made wider for.
    void add_heading(Cell heading) { rows_.push_back({std::move(heading)}); }

    // Lines with their newlines; none ends in spaces.
    std::string print(const Style& style, bool with_titles) const;

private:
    std::vector<std::size_t> widths(const Style& style, bool with_titles) const;

    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;  // one cell: a heading, unless there is one column
};

// The name of an instance; a cut leaves its number.
Table::Cell name_cell(const std::string& name);

}  // namespace reeve::ctl
