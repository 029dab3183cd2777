#include <array>
#include <utility>

#include "ctl/screens/screens.h"

namespace reeve::ctl {

namespace {

// The same name has the same colour every time; red is for stderr.
Colour colour_of(std::string_view name) {
    constexpr std::array<Colour, 5> kColours{Colour::cyan, Colour::green, Colour::yellow,
                                             Colour::blue, Colour::magenta};
    std::uint32_t sum = 2166136261;  // FNV-1a
    for (const char c : name) sum = (sum ^ static_cast<unsigned char>(c)) * 16777619U;
    return kColours[sum % kColours.size()];
}

std::string run_and_pid(const api::LogLine& line) {
    std::string text = "run " + std::to_string(line.run);
    if (line.pid) text += ", pid " + std::to_string(*line.pid);
    return text;
}

}  // namespace

std::string LogScreen::mark(const std::string& name, const std::string& text) const {
    if (!settings_.marks) return {};
    return coloured(style_, Colour::dim, "--- " + harmless(name) + ": " + harmless(text) + " ---") +
           "\n";
}

std::string LogScreen::release() {
    const std::string name = std::exchange(silent_, {});
    const std::size_t count = std::exchange(held_back_, 0);
    const auto held = std::exchange(held_, {});
    if (count > 2)
        return mark(name, std::to_string(count - 1) + " runs without a line here") + held[1];
    std::string out;
    for (const std::string& mark : held) out += mark;
    return out;
}

std::string LogScreen::finish() {
    const std::string held = release();
    const auto ended = std::exchange(ended_, {});
    return held + (ended.name.empty() ? "" : mark(ended.name, ended.text));
}

std::string LogScreen::line(const api::LogLine& line) {
    if (settings_.raw) {
        if (line.stream == "reeve") return {};
        return line.partial ? line.line : line.line + "\n";
    }
    if (line.event == "run_begin") return begin_of_run(line);
    std::string out = end_piece(line);
    const bool is_silent = line.event == "run_end" && silent_ == line.name && ended_.name.empty();
    if (!is_silent) out += finish();
    if (line.event == "run_end") {
        // What begins at once goes on the same line.
        ended_ = {line.name, line.line};
        last_run_[line.name] = line.run;
        return out;
    }
    if (line.stream == "reeve") return out + mark(line.name, line.line);

    if (line.run != 0) {
        const auto [known, is_first] = last_run_.try_emplace(line.name, line.run);
        if (std::exchange(known->second, line.run) != line.run && !is_first)
            out += mark(line.name, run_and_pid(line));
    }
    if (!goes_on_) out += head_of(line);

    const bool is_stderr = line.stream == "stderr";
    // A long line comes in pieces.
    const bool is_piece = line.partial && line.line.size() == api::kLongestLine;
    goes_on_ = is_piece ? std::optional{std::pair{line.name, line.stream}} : std::nullopt;
    if (!style_.terminal) {
        out += line.line;
    } else {
        const std::string text = harmless_output(line.line);
        const bool has_own_colours = text.find('\033') != std::string::npos;
        const bool mark_here = is_stderr && !settings_.prefix && !has_own_colours;
        out += mark_here ? coloured(style_, Colour::red, text) : text;
        if (line.partial && !is_piece && settings_.marks)
            out += coloured(style_, Colour::dim, " [no newline]");
    }
    return is_piece ? out : out + "\n";
}

// Nothing stands within a line but the rest of it.
std::string LogScreen::end_piece(const api::LogLine& line) {
    if (!goes_on_ || *goes_on_ == std::pair{line.name, line.stream}) return {};
    goes_on_.reset();
    return "\n";
}

std::string LogScreen::begin_of_run(const api::LogLine& line) {
    std::string out = end_piece(line);
    const bool is_first = last_run_.find(line.name) == last_run_.end();
    last_run_[line.name] = line.run;
    // A mark stands between two runs; whoever watches sees each begin.
    const bool is_live = settings_.live_from && line.time && *line.time >= *settings_.live_from;
    if (ended_.name == line.name) {
        const auto ended = std::exchange(ended_, {});
        std::string both = mark(line.name, ended.text + "; " + run_and_pid(line));
        if (silent_ == line.name && !is_live) {
            ++held_back_;
            if (held_.size() == 2) held_.pop_back();
            held_.push_back(std::move(both));
            return out;
        }
        out += release();
        silent_ = line.name;
        return out + both;
    }
    out += finish();
    return is_first && !is_live ? out : out + mark(line.name, run_and_pid(line));
}

std::string LogScreen::head_of(const api::LogLine& line) const {
    std::string out;
    if (settings_.timestamps) {
        const std::string time = line.time ? api::to_text(*line.time) : std::string(24, '-');
        out += coloured(style_, Colour::dim, time) + " ";
    }
    if (settings_.prefix) {
        out += coloured(style_, colour_of(line.name),
                        padded(harmless(line.name), settings_.name_width));
        out += line.stream == "stderr" ? " " + coloured(style_, Colour::red, "!") + " " : " | ";
    }
    return out;
}

std::string own_log_line(const api::OwnLogLine& line, const Style& style) {
    const Colour colour = line.level == "error"  ? Colour::red
                          : line.level == "warn" ? Colour::yellow
                                                 : Colour::none;
    std::string level = line.level;
    level.resize(std::max<std::size_t>(level.size(), 5), ' ');
    const std::string time = line.time ? api::to_text(*line.time) : std::string(24, '-');
    const std::string head =
        coloured(style, Colour::dim, time) + " " + coloured(style, colour, harmless(level)) + " ";
    const std::string text = harmless(line.message);
    const std::size_t indent = time.size() + level.size() + 2;
    return head + hanging(text, indent, indent, style) + "\n";
}

}  // namespace reeve::ctl
