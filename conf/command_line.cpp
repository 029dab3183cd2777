#include "conf/command_line.h"

#include "conf/quote.h"
#include "conf/secret.h"

namespace reeve::conf {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The quote at `at`, in the word that begins at `begin`, behind `words`.
Unexpected<std::string> unclosed(std::string_view line, std::size_t begin, std::size_t at,
                                 const std::vector<LineWord>& words) {
    const std::string mark(1, line[at]);
    std::string_view shown = line.substr(begin, line.find_first_of(" \t\r\n", at) - begin);
    if (is_secret_name(line.substr(begin, at - begin)) ||
        (!words.empty() && is_secret_name(words.back().text))) {
        shown = line.substr(begin, at + 1 - begin);
    }
    return Unexpected<std::string>{"the quote " + mark + " is not closed, which opens at " +
                                   quoted_short(shown) +
                                   " (close it, or write the words as an array, in which " + mark +
                                   " is like any other character)"};
}

// Takes a line apart from its beginning.
class Splitter {
public:
    explicit Splitter(std::string_view line) : line_{line} {}

    Expected<std::vector<LineWord>, std::string> split() {
        while (at_ < line_.size()) {
            const char c = line_[at_++];
            if (is_blank(c)) {
                end_word();
                continue;
            }
            if (c == '#' && !in_word_) {
                while (at_ < line_.size() && line_[at_] != '\n') ++at_;
                continue;
            }
            if (!in_word_) begin_ = at_ - 1;
            bool good = true;
            if (c == '\'') {
                good = take_single();
            } else if (c == '"') {
                good = take_double();
            } else if (c == '\\') {
                if (at_ == line_.size()) {
                    return Unexpected<std::string>{
                        "it ends in a backslash (write \\\\ for the character itself)"};
                }
                if (line_[at_] != '\n') add(line_[at_], LineWord::Written::quoted);
                ++at_;
            } else {
                add(c, LineWord::Written::bare);
            }
            if (!good) return unclosed(line_, begin_, opened_, words_);
        }
        end_word();
        return std::move(words_);
    }

private:
    void add(char c, LineWord::Written written) {
        word_.text += c;
        word_.written.push_back(written);
        in_word_ = true;
    }

    void end_word() {
        if (in_word_) words_.push_back(std::move(word_));
        word_ = {};
        in_word_ = false;
    }

    // Behind the quote that opens.
    bool take_single() {
        opened_ = at_ - 1;
        const std::size_t end = line_.find('\'', at_);
        if (end == std::string_view::npos) return false;
        while (at_ < end) add(line_[at_++], LineWord::Written::quoted);
        ++at_;
        in_word_ = true;  // an empty '' is a word too
        return true;
    }

    bool take_double() {
        opened_ = at_ - 1;
        in_word_ = true;
        for (;; ++at_) {
            if (at_ == line_.size()) return false;
            if (line_[at_] == '"') break;
            auto written = LineWord::Written::double_quoted;
            if (line_[at_] == '\\' && at_ + 1 < line_.size()) {
                const char next = line_[at_ + 1];
                if (next == '\n') {
                    ++at_;
                    continue;
                }
                if (next == '$' || next == '`' || next == '"' || next == '\\') {
                    ++at_;
                    written = LineWord::Written::quoted;
                }
            }
            add(line_[at_], written);
        }
        ++at_;
        return true;
    }

    std::string_view line_;
    std::size_t at_ = 0;
    std::vector<LineWord> words_;
    LineWord word_;
    bool in_word_ = false;
    std::size_t begin_ = 0;   // of the word
    std::size_t opened_ = 0;  // where the last quote was
};

}  // namespace

Expected<std::vector<LineWord>, std::string> split_line(std::string_view line) {
    return Splitter{line}.split();
}

Expected<std::vector<std::string>, std::string> split_command(std::string_view line) {
    auto split = split_line(line);
    if (!split) return Unexpected<std::string>{std::move(split.error())};
    std::vector<std::string> words;
    for (LineWord& word : *split) words.push_back(std::move(word.text));
    return words;
}

std::string quote_word(std::string_view word) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) {
        return std::string{word};
    }
    std::string result = "'";
    for (const char c : word) {
        if (c == '\'') {
            result += "'\\''";
        } else {
            result += c;
        }
    }
    return result += "'";
}

std::string join_command(const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : words) {
        if (!line.empty()) line += ' ';
        line += quote_word(word);
    }
    return line;
}

}  // namespace reeve::conf
