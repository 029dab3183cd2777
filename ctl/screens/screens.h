#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ctl/api/messages.h"
#include "ctl/output.h"
#include "ctl/screens/text.h"

// Each screen is a function from a message to text: no clock, no terminal, so that the tests
// compare whole pages.
namespace reeve::ctl {

// The table of `status`, one instance a line, and the totals below.
std::string status_screen(const api::Status& status, api::Timestamp now, const Style& style,
                          bool with_headers);

// All about one instance on one page.
struct Card {
    const api::ProgramStatus& status;
    const api::ProgramCard& program;
    std::vector<api::Process> processes;
    std::vector<api::LogLine> last_lines;
};
std::string card_screen(const Card& card, api::Timestamp now, const Style& style);

// Why an instance is as it is, and what would change it.
struct Explanation {
    const api::ProgramStatus& status;
    api::ProgramCard program;
    struct Link {
        const api::ProgramStatus& status;
        std::size_t depth = 0;  // 0: the instance itself waits for it
        // Of its last run, where it is that which is wrong.
        std::vector<std::string> last_lines;
    };
    std::vector<Link> waits_for;  // or, of one that failed for want of another, that other
    struct Run {
        api::RunRecord record;
        std::vector<std::string> last_lines;
    };
    std::vector<Run> runs;  // the youngest first
    std::vector<api::Process> processes;
};
// Whose failure, by its name, made this one fail, which was never started; empty: it failed itself,
// or has not.
std::string failed_for(const api::ProgramStatus& status, const api::ProgramCard& program);
std::string explain_screen(const Explanation& told, api::Timestamp now, const Style& style);

// Runs, one a line, in the order given.
std::string history_screen(const std::vector<api::RunRecord>& runs, api::Timestamp now,
                           const Style& style, bool with_headers);

// The effective configuration as TOML, with the place of each key in a comment.
std::string config_screen(const api::ProgramCard& card, const Style& style);

std::string tree_screen(const api::Tree& tree, const Style& style, bool with_headers);

// Lines of one tree, each with that many spaces before it.
std::string process_lines(const std::vector<api::Process>& processes, const Style& style,
                          bool with_headers, std::size_t indent);

// Neglected zombies by their parents, and what to do about them.
std::string zombies_screen(const api::Zombies& zombies, const Style& style, bool with_headers);

// One line a finding, its remedy below.
std::string doctor_screen(const api::Doctor& doctor, const Style& style, bool with_headers);

// What apply does, or would do, a program a line; those that are kept are counted.
std::string config_plan_screen(const api::ConfigReply& plan, const Style& style);

std::string event_line(const api::Event& event, const Style& style);

// What became of one instance, as `start` and its like say it; with the last lines of its output
// when it failed.  The first begins at that column.
std::string action_lines(const api::ActionResult& result, const Style& style,
                         std::size_t column = 0);

// Lines of output, with the marks between runs.
class LogScreen {
public:
    struct Settings {
        bool prefix = false;  // the instance's name before each line
        std::size_t name_width = 0;
        bool timestamps = false;
        bool marks = true;
        bool raw = false;  // bytes as they came, and nothing else
        // What comes from then on is seen as it happens.
        std::optional<api::Timestamp> live_from{};
    };

    LogScreen(Settings settings, Style style) : settings_{settings}, style_{style} {}

    // The line and what comes before it, with newlines.
    std::string line(const api::LogLine& line);
    // What was held back, when nothing more comes for now.
    std::string finish();

private:
    struct Ended {
        std::string name;
        std::string text;
    };

    std::string mark(const std::string& name, const std::string& text) const;
    std::string release();
    std::string begin_of_run(const api::LogLine& line);
    std::string end_piece(const api::LogLine& line);
    std::string head_of(const api::LogLine& line) const;

    Settings settings_;
    Style style_;
    std::map<std::string, std::int64_t> last_run_;  // by instance
    Ended ended_;                                   // of which nothing has been said yet
    // Between runs of which no line is shown stand the first mark and the last.
    std::string silent_;             // whose mark was the last that was shown; empty: a line was
    std::size_t held_back_ = 0;      // marks behind that one,
    std::vector<std::string> held_;  // of which these are the first and the last
    // Whose line it is that goes on.
    std::optional<std::pair<std::string, std::string>> goes_on_;
};

std::string own_log_line(const api::OwnLogLine& line, const Style& style);

}  // namespace reeve::ctl
