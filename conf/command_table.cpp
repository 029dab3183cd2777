#include "conf/command_table.h"

#include <utility>

#include "conf/command_line.h"
#include "conf/quote.h"
#include "conf/shell_syntax.h"

namespace reeve::conf {

namespace {

// `what` begins messages: "\"stop_command\"", "an item of \"start_pre\"".
std::optional<WrittenCommand> read_one(const std::string& what, const std::string& example,
                                       const Value& value, Problems& problems) {
    const std::string should_be = " (should be the program to run and its arguments)";
    WrittenCommand command{{}, value.place};
    const auto is_text = [&](const Value& text) {
        if (text.text.find('\0') == std::string::npos) return true;
        problems.add(text.place, what + " has a NUL character (should have none)");
        return false;
    };
    if (value.is(Value::Type::string)) {
        if (!is_text(value)) return std::nullopt;
        auto words = split_line(value.text);
        if (!words) {
            problems.add(value.place, what + ": " + words.error());
            return std::nullopt;
        }
        warn_of_shell_syntax(what, false, *words, value.place, problems);
        for (LineWord& word : *words) command.words.push_back(std::move(word.text));
    } else if (value.is(Value::Type::array)) {
        for (const Value& item : value.items) {
            if (!item.is(Value::Type::string)) {
                problems.add(item.place, "a word of " + what + " is " +
                                             std::string{name_of(item.type)} +
                                             " (should be a string)");
                return std::nullopt;
            }
            if (!is_text(item)) return std::nullopt;
            command.words.push_back(item.text);
        }
    } else {
        problems.add(value.place, what + " is " + std::string{name_of(value.type)} +
                                      " (should be a command such as " + example + ")");
        return std::nullopt;
    }
    if (command.words.empty() || command.words.front().empty()) {
        problems.add(value.place,
                     what + (command.words.empty() ? " is empty" : " starts with an empty word") +
                         should_be);
        return std::nullopt;
    }
    return command;
}

// For messages, which say it often: one line, and not a long one.
std::string shown(const std::vector<std::string>& words) {
    constexpr std::size_t kLongest = 80;
    std::string text = one_line(join_command(words));
    if (text.size() <= kLongest) return text;
    std::size_t end = kLongest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return text.substr(0, end) + "…";
}

}  // namespace

std::optional<WrittenCommand> read_command(const Setting& setting, Problems& problems) {
    return read_one(quoted(name_of(*setting.key)), std::string{setting.key->example},
                    *setting.value, problems);
}

std::optional<std::vector<WrittenCommand>> read_commands(const Setting& setting,
                                                         Problems& problems) {
    const std::string key = quoted(name_of(*setting.key));
    const Value& value = *setting.value;
    std::vector<WrittenCommand> commands;
    if (!value.is(Value::Type::array)) {
        if (!value.is(Value::Type::string)) {
            problems.add(value.place, key + " is " + std::string{name_of(value.type)} +
                                          " (should be " + what_it_takes(*setting.key) + ")");
            return std::nullopt;
        }
        auto command = read_one(key, {}, value, problems);
        if (!command) return std::nullopt;
        commands.push_back(std::move(*command));
        return commands;
    }
    bool good = true;
    for (const Value& item : value.items) {
        auto command =
            read_one("an item of " + key, R"(["chown", "www-data", "/run/web"])", item, problems);
        good = good && command;
        if (command) commands.push_back(std::move(*command));
    }
    if (!good) return std::nullopt;
    return commands;
}

std::optional<Command> expand_command(std::string_view key, const WrittenCommand& written,
                                      const Expand& expand, Problems& problems) {
    Command command;
    for (const std::string& word : written.words) {
        auto text = expand(word, written.place.file);
        if (!text) {
            problems.add(written.place, quoted(key) + ": " + text.error());
            return std::nullopt;
        }
        command.words.push_back(std::move(*text));
    }
    if (command.words.front().empty()) {
        problems.add(written.place, quoted(key) + " has " + quoted_short(written.words.front()) +
                                        " for the program to run, which expands to nothing (set "
                                        "the variable, or give a default)");
        return std::nullopt;
    }
    command.text = shown(written.words);
    return command;
}

}  // namespace reeve::conf
