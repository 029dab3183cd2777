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

    struct Column {
        std::string title;
        Align align = Align::left;
        std::size_t min_width = 0;
        std::size_t gap = 2;  // spaces behind it
    };

    struct Cell {
        std::string text;
        Colour colour = Colour::none;
        std::string kept{};  // behind the text; of the last column, what a cut leaves
    };

    explicit Table(std::vector<Column> columns) : columns_{std::move(columns)} {}

    void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
    // A line of its own that no column is made wider for.
    void add_heading(Cell heading) { rows_.push_back({std::move(heading)}); }

    // Lines with their newlines.  On a terminal the last column is cut to the width that is left;
    // no line ends in spaces.
    std::string print(const Style& style, bool with_titles) const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;  // one cell: a heading, unless there is one column
};

}  // namespace reeve::ctl
