#include "conf/import/ini.h"

#include <algorithm>
#include <cctype>

#include "conf/quote.h"

namespace reeve::conf::import {

namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Without its comment.
std::string_view without_comment(std::string_view line, bool& commented) {
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] != ';' && line[i] != '#') continue;
        if (i > 0 && kBlanks.find(line[i - 1]) == std::string_view::npos) continue;
        commented = true;
        return line.substr(0, i);
    }
    return line;
}

std::string lower(std::string_view text) {
    std::string result{text};
    for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return result;
}

IniSection& section_of(std::vector<IniSection>& sections, std::string_view name, const Origin& at) {
    for (IniSection& section : sections)
        if (section.name == name) return section;
    return sections.emplace_back(IniSection{std::string{name}, at, {}});
}

void set(IniSection& section, IniEntry entry) {
    std::erase_if(section.entries, [&](const IniEntry& old) { return old.key == entry.key; });
    section.entries.push_back(std::move(entry));
}

void drop_last_blanks(std::string& value) {
    while (!value.empty() && value.back() == '\n') value.pop_back();
}

}  // namespace

const IniEntry* IniSection::find(std::string_view key) const {
    const auto found =
        std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.key == key; });
    return found == entries.end() ? nullptr : &*found;
}

Expected<void, Fault> read_ini(std::string_view text, const std::string& file,
                               std::vector<IniSection>& sections) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    std::size_t section = sections.size();  // none yet
    std::size_t indent = 0;
    bool continues = false;  // there is a value that an indented line would go on with
    int number = 0;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view whole = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const Origin at{file, ++number};
        if (whole.find('\0') != std::string_view::npos) {
            return Unexpected<Fault>{Fault{at, "a NUL byte: is this a text file, in UTF-8?"}};
        }
        bool commented = false;
        const std::string_view line = without_comment(whole, commented);
        const std::string_view content = trim(line);
        if (content.empty()) {
            if (!commented && continues) sections[section].entries.back().value += '\n';
            continue;
        }
        const std::size_t deep = line.find_first_not_of(kBlanks);
        if (continues && deep > indent) {
            sections[section].entries.back().value += '\n';
            sections[section].entries.back().value += content;
            continue;
        }
        indent = deep;
        continues = false;
        if (content.front() == '[' && content.find(']') != std::string_view::npos) {
            const std::string_view name = content.substr(1, content.rfind(']') - 1);
            section = static_cast<std::size_t>(&section_of(sections, name, at) - sections.data());
            continue;
        }
        if (section == sections.size()) {
            return Unexpected<Fault>{
                Fault{at, quoted_short(content) + " stands before any [section]"}};
        }
        const auto delimiter = content.find_first_of("=:");
        const std::string_view key = trim(content.substr(0, delimiter));
        if (delimiter == std::string_view::npos || key.empty()) {
            return Unexpected<Fault>{Fault{at, quoted_short(content) + " is no key = value"}};
        }
        set(sections[section], {lower(key), std::string{trim(content.substr(delimiter + 1))}, at});
        continues = true;
    }
    for (IniSection& each : sections)
        for (IniEntry& entry : each.entries) drop_last_blanks(entry.value);
    return {};
}

}  // namespace reeve::conf::import
