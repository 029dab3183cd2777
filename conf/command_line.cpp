#include "conf/command_line.h"

namespace reeve::conf {

namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

Unexpected<std::string> unclosed(char quote) {
    const std::string mark(1, quote);
    return Unexpected<std::string>{"the quote " + mark + " is not closed (add " + mark +
                                   ", or write \\" + mark + " for the character itself)"};
}

}  // namespace

Expected<std::vector<std::string>, std::string> split_command(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;  // an empty '' is a word too

    std::size_t i = 0;
    while (i < line.size()) {
        const char c = line[i++];
        if (c == '\'') {
            const std::size_t end = line.find('\'', i);
            if (end == std::string_view::npos) return unclosed('\'');
            word += line.substr(i, end - i);
            i = end + 1;
            in_word = true;
        } else if (c == '"') {
            in_word = true;
            for (;; ++i) {
                if (i == line.size()) return unclosed('"');
                if (line[i] == '"') break;
                if (line[i] == '\\' && i + 1 < line.size()) {
                    const char next = line[i + 1];
                    if (next == '\n') {
                        ++i;
                        continue;
                    }
                    if (next == '$' || next == '`' || next == '"' || next == '\\') ++i;
                }
                word += line[i];
            }
            ++i;
        } else if (c == '\\') {
            if (i == line.size()) {
                return Unexpected<std::string>{
                    "it ends in a backslash (write \\\\ for the character itself)"};
            }
            if (line[i] != '\n') {
                word += line[i];
                in_word = true;
            }
            ++i;
        } else if (is_blank(c)) {
            if (in_word) words.push_back(std::move(word));
            word.clear();
            in_word = false;
        } else if (c == '#' && !in_word) {
            while (i < line.size() && line[i] != '\n') ++i;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (in_word) words.push_back(std::move(word));
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
