#include "conf/settings.h"

#include <sys/resource.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "conf/command_line.h"
#include "conf/foreign_names.h"
#include "conf/nearest.h"
#include "conf/quote.h"
#include "conf/shell_syntax.h"
#include "conf/units.h"

namespace reeve::conf {

namespace {

std::string show(const Key& key) {
    return quoted(name_of(key));
}

// By file, line and column, each once.
template <typename T>
std::vector<T> sorted_once(std::vector<T> all) {
    const auto rank = [](const T& one) {
        return std::tuple{one.place.file, one.place.line, one.place.column};
    };
    std::stable_sort(all.begin(), all.end(),
                     [&](const T& a, const T& b) { return rank(a) < rank(b); });
    std::vector<T> once;
    for (T& one : all) {
        // Equal ones share a place, and few do.
        bool seen = false;
        for (auto other = once.rbegin(); other != once.rend() && rank(*other) == rank(one);
             ++other) {
            seen = seen || other->text == one.text;
        }
        if (!seen) once.push_back(std::move(one));
    }
    return once;
}

}  // namespace

std::vector<Problem> Problems::sorted() const {
    return sorted_once(problems_);
}

std::vector<Warning> Problems::warnings() const {
    return sorted_once(warnings_);
}

std::vector<Warning> sorted_warnings(std::vector<Warning> warnings) {
    return sorted_once(std::move(warnings));
}

const Setting* find(const Settings& settings, std::string_view name) {
    for (const Setting& setting : settings) {
        const std::string_view prefix = prefix_of(setting.key->table);
        if (name.starts_with(prefix) && name.substr(prefix.size()) == setting.key->name) {
            return &setting;
        }
    }
    return nullptr;
}

Settings known_settings(Table kind, const Value& table) {
    Settings settings;
    for (const Value::Entry& entry : table.entries) {
        if (const Key* key = find_key(kind, entry.key)) {
            settings.push_back({key, &entry.value, entry.place});
        }
    }
    return settings;
}

Settings read_settings(Table kind, const Value& table, std::string_view shown, Problems& problems) {
    Settings settings;
    for (const Value::Entry& entry : table.entries) {
        if (const Key* key = find_key(kind, entry.key)) {
            settings.push_back({key, &entry.value, entry.place});
            const std::string name = std::string{shown} + "." + std::string{key->name};
            if (key->type == KeyType::output) {
                // read_output() makes its own of what is known in these.
                if (entry.value.is(Value::Type::table)) {
                    read_settings(Table::output, entry.value, name, problems);
                }
                for (const Value& item : entry.value.items) {
                    if (!item.is(Value::Type::table)) continue;
                    read_settings(Table::output, item, name, problems);
                }
            }
            if (key->type != KeyType::inner || !entry.value.is(Value::Type::table)) continue;
            const Settings inner = read_settings(inner_table(*key), entry.value, name, problems);
            settings.insert(settings.end(), inner.begin(), inner.end());
        } else if (problems.full()) {
            break;
        } else if (const AbsentKey* absent = find_absent_key(kind, entry.key)) {
            problems.add(entry.place, describe(*absent));
        } else {
            problems.add(entry.place, "unknown key " + quoted_short(entry.key) + " in [" +
                                          std::string{shown} + "] (" +
                                          suggest_key(kind, entry.key) + ")");
        }
    }
    return settings;
}

void SettingReader::wrong(const Setting& setting, std::string text) {
    note(setting.value->place, show(*setting.key) + " " + std::move(text));
}

void SettingReader::wrong_type(const Setting& setting) {
    wrong(setting, "is " + std::string{name_of(setting.value->type)} + " (should be " +
                       what_it_takes(*setting.key) + ")");
}

bool SettingReader::is_text(const Value& value, const std::string& what,
                            std::string_view should_be) {
    if (!value.is(Value::Type::string)) {
        std::string hint{should_be};
        const bool plain = value.is(Value::Type::integer) || value.is(Value::Type::boolean) ||
                           value.is(Value::Type::floating);
        if (plain) hint += ": " + quoted(print_toml(value));
        note(value.place,
             what + " is " + std::string{name_of(value.type)} + " (should be " + hint + ")");
        return false;
    }
    if (value.text.find('\0') != std::string::npos) {
        note(value.place, what + " has a NUL byte in it (no program could be given that)");
        return false;
    }
    return true;
}

std::optional<std::string> SettingReader::text(const Setting& setting) {
    if (!is_text(*setting.value, show(*setting.key), "a string")) return std::nullopt;
    return setting.value->text;
}

std::optional<bool> SettingReader::boolean(const Setting& setting) {
    if (!setting.value->is(Value::Type::boolean)) {
        wrong_type(setting);
        return std::nullopt;
    }
    return setting.value->integer != 0;
}

std::optional<int> SettingReader::integer(const Setting& setting) {
    if (!setting.value->is(Value::Type::integer)) {
        wrong_type(setting);
        return std::nullopt;
    }
    const std::int64_t number = setting.value->integer;
    if (number < setting.key->least || number > setting.key->most) {
        wrong(setting,
              "is " + std::to_string(number) + " (should be " + what_it_takes(*setting.key) + ")");
        return std::nullopt;
    }
    return static_cast<int>(number);
}

std::optional<Duration> SettingReader::duration(const Setting& setting) {
    if (!setting.value->is(Value::Type::string)) {
        wrong_type(setting);
        return std::nullopt;
    }
    const auto parsed = parse_duration(setting.value->text);
    if (!parsed) {
        note(setting.value->place, show(*setting.key) + ": " + parsed.error());
        return std::nullopt;
    }
    const bool zero = setting.key->or_zero && parsed->count() == 0;
    if (parsed->count() < setting.key->least && !zero) {
        wrong(setting, "is " + quoted(setting.value->text) + " (should be at least " +
                           quoted(format_duration(Duration{setting.key->least})) +
                           (setting.key->or_zero ? ", or \"0s\")" : ")"));
        return std::nullopt;
    }
    return *parsed;
}

std::optional<std::uint64_t> SettingReader::size(const Setting& setting) {
    const Value& value = *setting.value;
    if (!value.is(Value::Type::string) && !value.is(Value::Type::integer)) {
        wrong_type(setting);
        return std::nullopt;
    }
    const auto least = static_cast<std::uint64_t>(setting.key->least);
    std::uint64_t bytes = 0;
    if (value.is(Value::Type::string)) {
        const auto parsed = parse_size(value.text);
        if (!parsed) {
            note(value.place, show(*setting.key) + ": " + parsed.error());
            return std::nullopt;
        }
        bytes = *parsed;
    } else if (value.integer > 0) {
        bytes = static_cast<std::uint64_t>(value.integer);
    }
    const bool zero = value.is(Value::Type::string) || value.integer == 0;
    if (bytes < least && !(bytes == 0 && zero && setting.key->or_zero)) {
        wrong(setting, "is " + print_toml(value) + " (should be at least " +
                           quoted(format_size(least)) + (setting.key->or_zero ? ", or 0)" : ")"));
        return std::nullopt;
    }
    return bytes;
}

std::optional<int> SettingReader::percentage(const Setting& setting) {
    if (!setting.value->is(Value::Type::string)) {
        wrong_type(setting);
        return std::nullopt;
    }
    const auto parsed = parse_percentage(setting.value->text);
    if (!parsed) {
        note(setting.value->place, show(*setting.key) + ": " + parsed.error());
        return std::nullopt;
    }
    return *parsed;
}

std::optional<std::vector<int>> SettingReader::integers(const Setting& setting) {
    const Key& key = *setting.key;
    if (!setting.value->is(Value::Type::array)) {
        wrong_type(setting);
        return std::nullopt;
    }
    if (setting.value->items.empty()) {
        wrong(setting, "is empty (should be " + what_it_takes(key) + ")");
        return std::nullopt;
    }
    std::vector<int> numbers;
    for (const Value& item : setting.value->items) {
        const bool integer = item.is(Value::Type::integer);
        if (!integer || item.integer < key.least || item.integer > key.most) {
            note(item.place,
                 "an item of " + show(key) + " is " +
                     (integer ? std::to_string(item.integer) : std::string{name_of(item.type)}) +
                     " (should be an integer from " + std::to_string(key.least) + " to " +
                     std::to_string(key.most) + ")");
            return std::nullopt;
        }
        numbers.push_back(static_cast<int>(item.integer));
    }
    return numbers;
}

std::optional<std::uint64_t> SettingReader::one_limit(const Setting& setting, const Value& value) {
    const std::string shown = show(*setting.key);
    const bool takes_size = setting.key->type == KeyType::size_limit;
    constexpr std::string_view kUnlimited = "\"unlimited\"";
    if (value.is(Value::Type::integer)) {
        if (value.integer >= 0) return static_cast<std::uint64_t>(value.integer);
        note(value.place, shown + " is " + std::to_string(value.integer) + " (" +
                              (value.integer == -1 ? "did you mean " + std::string{kUnlimited} + "?"
                                                   : "should be 0 or more") +
                              ")");
        return std::nullopt;
    }
    if (!value.is(Value::Type::string)) {
        note(value.place, shown + " is " + std::string{name_of(value.type)} + " (should be " +
                              what_it_takes(*setting.key) + ")");
        return std::nullopt;
    }
    if (value.text == "unlimited") return RLIM_INFINITY;
    const std::string word = folded(value.text);
    Nearest nearest{word};
    nearest.offer("unlimited");
    if (word == "infinity" || word == "inf" || word == "max" || word == "none" || word == "1" ||
        nearest.found()) {
        if (word != "1" || value.text == "-1") {
            note(value.place, shown + " is " + quoted_short(value.text) + " (did you mean " +
                                  std::string{kUnlimited} + "?)");
            return std::nullopt;
        }
    }
    if (takes_size) {
        if (const auto size = parse_size(value.text)) {
            return *size;
        } else {
            note(value.place, shown + ": " + size.error());
        }
    } else {
        note(value.place, shown + " is " + quoted_short(value.text) +
                              " (should be a number without quotes, or " + std::string{kUnlimited} +
                              ")");
    }
    return std::nullopt;
}

std::optional<SettingReader::SoftAndHard> SettingReader::limit(const Setting& setting) {
    const Value& value = *setting.value;
    if (!value.is(Value::Type::array)) {
        const auto both = one_limit(setting, value);
        if (!both) return std::nullopt;
        return SoftAndHard{*both, *both};
    }
    if (value.items.size() != 2) {
        wrong(setting, "has " + std::to_string(value.items.size()) +
                           (value.items.size() == 1 ? " item" : " items") +
                           " (should be two, the soft and the hard limit)");
        return std::nullopt;
    }
    const auto soft = one_limit(setting, value.items[0]);
    const auto hard = one_limit(setting, value.items[1]);
    if (!soft || !hard) return std::nullopt;
    if (*soft > *hard) {
        wrong(setting, "is " + print_toml(value) +
                           ", a soft limit over the hard one (should be at most that)");
        return std::nullopt;
    }
    return SoftAndHard{*soft, *hard};
}

std::optional<double> SettingReader::share(const Setting& setting) {
    const Value& value = *setting.value;
    const bool whole = value.is(Value::Type::integer);
    if (!whole && !value.is(Value::Type::floating)) {
        wrong_type(setting);
        return std::nullopt;
    }
    const double number = whole ? static_cast<double>(value.integer) : value.number;
    // Not a number is none of them.
    if (!(number > 0 && number <= 1)) {
        wrong(setting,
              "is " + print_toml(value) + " (should be " + what_it_takes(*setting.key) + ")");
        return std::nullopt;
    }
    return number;
}

std::optional<mode_t> SettingReader::mode(const Setting& setting, mode_t most) {
    if (!setting.value->is(Value::Type::string)) {
        wrong_type(setting);
        return std::nullopt;
    }
    const auto parsed = parse_mode(setting.value->text);
    if (!parsed) {
        note(setting.value->place, show(*setting.key) + ": " + parsed.error());
        return std::nullopt;
    }
    if (*parsed > most) {
        wrong(setting, "is " + quoted(setting.value->text) + " (should be at most " +
                           quoted(format_mode(most)) + ")");
        return std::nullopt;
    }
    return *parsed;
}

std::optional<std::string> SettingReader::name(const Setting& setting, const Value& value) {
    if (value.is(Value::Type::integer)) {
        // The last number means "leave as it is" to chown(2) and setresuid(2).
        if (value.integer < 0 || value.integer > 4294967294) {
            note(value.place, show(*setting.key) + " is " + std::to_string(value.integer) +
                                  " (should be a name, or a number from 0 to 4294967294)");
            return std::nullopt;
        }
        return std::to_string(value.integer);
    }
    if (!value.is(Value::Type::string)) {
        wrong_type(setting);
        return std::nullopt;
    }
    const bool printable = std::all_of(value.text.begin(), value.text.end(), [](char c) {
        return static_cast<unsigned char>(c) > ' ' && c != ':' && c != '/' && c != 0x7f;
    });
    if (value.text.empty() || !printable) {
        note(value.place, show(*setting.key) + ": " + quoted_short(value.text) +
                              " is not a name (write one without blanks, : and /, or a number)");
        return std::nullopt;
    }
    return value.text;
}

std::optional<std::string> SettingReader::name_or_number(const Setting& setting) {
    return name(setting, *setting.value);
}

std::optional<std::vector<std::string>> SettingReader::names_or_numbers(const Setting& setting) {
    if (!setting.value->is(Value::Type::array)) {
        wrong_type(setting);
        return std::nullopt;
    }
    std::vector<std::string> names;
    for (const Value& item : setting.value->items) {
        if (auto one = name(setting, item)) names.push_back(std::move(*one));
    }
    return names;
}

std::optional<std::vector<std::string>> SettingReader::texts(const Setting& setting) {
    if (!setting.value->is(Value::Type::array)) {
        wrong_type(setting);
        return std::nullopt;
    }
    std::vector<std::string> texts;
    for (const Value& item : setting.value->items) {
        if (is_text(item, "an item of " + show(*setting.key), "a string")) {
            texts.push_back(item.text);
        }
    }
    return texts;
}

std::optional<std::vector<std::string>> SettingReader::words(const Setting& setting) {
    const Value& value = *setting.value;
    std::vector<std::string> words;
    if (value.is(Value::Type::string)) {
        if (!is_text(value, show(*setting.key), "a string")) return std::nullopt;
        auto split = split_line(value.text);
        if (!split) {
            note(value.place, show(*setting.key) + ": " + split.error());
            return std::nullopt;
        }
        const bool can_have_shell = setting.key->name == "command";
        warn_of_shell_syntax(show(*setting.key), can_have_shell, *split, value.place, problems_);
        for (LineWord& word : *split) words.push_back(std::move(word.text));
    } else if (value.is(Value::Type::array)) {
        for (const Value& item : value.items) {
            if (!is_text(item, "a word of " + show(*setting.key), "a string")) return std::nullopt;
            words.push_back(item.text);
        }
    } else {
        wrong_type(setting);
        return std::nullopt;
    }
    if (!words.empty() && !words.front().empty()) return words;
    wrong(setting, words.empty() ? "is empty (should be the program to run and its arguments)"
                                 : "starts with an empty word (should be the program to run)");
    return std::nullopt;
}

std::optional<std::vector<SuccessExit>> SettingReader::exits(const Setting& setting) {
    if (!setting.value->is(Value::Type::array)) {
        wrong_type(setting);
        return std::nullopt;
    }
    std::vector<SuccessExit> exits;
    for (const Value& item : setting.value->items) {
        if (item.is(Value::Type::integer)) {
            if (item.integer < 0 || item.integer > 255) {
                note(item.place, "an item of " + show(*setting.key) + " is " +
                                     std::to_string(item.integer) +
                                     " (should be an exit code from 0 to 255)");
                continue;
            }
            exits.push_back({SuccessExit::Kind::code, static_cast<int>(item.integer)});
        } else if (item.is(Value::Type::string)) {
            const auto signal = parse_signal(item.text);
            if (!signal) {
                note(item.place, "an item of " + show(*setting.key) + ": " + signal.error());
                continue;
            }
            exits.push_back({SuccessExit::Kind::signal, *signal});
        } else {
            note(item.place, "an item of " + show(*setting.key) + " is " +
                                 std::string{name_of(item.type)} +
                                 " (should be an exit code, or a signal such as \"TERM\")");
        }
    }
    return exits;
}

std::optional<std::size_t> SettingReader::word(const Setting& setting, const Value& value) {
    const Key& key = *setting.key;
    for (std::size_t i = 0; i < key.allowed.size(); ++i) {
        if (key.allowed[i] == value.text) return i;
    }
    std::string meant{find_alias_value(key, value.text)};
    if (meant.empty()) {
        Nearest nearest{value.text};
        for (const std::string_view allowed : key.allowed) nearest.offer(allowed);
        meant = nearest.found().value_or("");
    }
    note(value.place, show(key) + " is " + quoted_short(value.text) + " (" +
                          (meant.empty() ? "" : "did you mean " + quoted(meant) + "? ") +
                          "it can be " + list_words(key.allowed) + ")");
    return std::nullopt;
}

std::optional<std::size_t> SettingReader::one_of(const Setting& setting) {
    if (!setting.value->is(Value::Type::string)) {
        wrong_type(setting);
        return std::nullopt;
    }
    return word(setting, *setting.value);
}

bool SettingReader::is_word_or_path(const Setting& setting) {
    const Key& key = *setting.key;
    const Value& value = *setting.value;
    const bool is_boolean = value.is(Value::Type::boolean);
    if (!is_boolean && !value.is(Value::Type::integer) && !value.is(Value::Type::floating))
        return is_text(value, show(key), what_it_takes(key));
    const std::string name = print_toml(value);
    const std::string_view meant = is_boolean ? find_alias_value(key, name) : "";
    wrong(setting, "is " + std::string{name_of(value.type)} + " (" +
                       (meant.empty() ? "" : "did you mean " + quoted(meant) + "? it ") +
                       "should be " + what_it_takes(key) + "; " + quoted("./" + name) +
                       " is a file of that name)");
    return false;
}

std::optional<std::size_t> SettingReader::word_or_path(const Setting& setting) {
    if (!is_word_or_path(setting)) return std::nullopt;
    return word_or_path(setting, *setting.value);
}

std::optional<std::size_t> SettingReader::word_or_path(const Setting& setting, const Value& value) {
    const Key& key = *setting.key;
    const std::string& text = value.text;
    for (std::size_t i = 0; i < key.allowed.size(); ++i) {
        if (key.allowed[i] == text) return i;
    }
    // "inhert" would make a file of that name; nobody means that.
    const bool bare = text.find_first_of("/.$") == std::string::npos;
    const bool no_file = names_no_file(text);
    std::string meant;
    if (bare) meant = find_alias_value(key, text);
    if (bare && !no_file && meant.empty()) {
        Nearest nearest{text};
        for (const std::string_view word : key.allowed) nearest.offer(word);
        meant = nearest.found().value_or("");
    }
    if (!text.empty() && !no_file && meant.empty()) return key.allowed.size();
    note(value.place, show(key) + " is " + quoted_short(text) + " (" +
                          (meant.empty() ? "" : "did you mean " + quoted(meant) + "? ") +
                          "it can be " + list_words(key.allowed) + ", or a path such as " +
                          quoted_short("./" + (text.empty() ? "web.log" : text)) + ")");
    return std::nullopt;
}

std::optional<std::vector<std::size_t>> SettingReader::list_of(const Setting& setting) {
    if (!setting.value->is(Value::Type::array)) {
        wrong_type(setting);
        return std::nullopt;
    }
    std::vector<std::size_t> words;
    for (const Value& item : setting.value->items) {
        if (!is_text(item, "an item of " + show(*setting.key), list_words(setting.key->allowed))) {
            continue;
        }
        if (const auto one = word(setting, item)) words.push_back(*one);
    }
    return words;
}

std::optional<int> SettingReader::signal(const Setting& setting) {
    if (setting.value->is(Value::Type::array)) {
        wrong_type(setting);
        return std::nullopt;
    }
    const auto one = stop(setting);
    return one ? one->signal : std::nullopt;
}

std::optional<SettingReader::Stop> SettingReader::stop(const Setting& setting) {
    const Value& value = *setting.value;
    const std::string shown = show(*setting.key);
    const auto signal_of = [&](const Value& from) -> std::optional<int> {
        if (from.is(Value::Type::integer)) {
            if (from.integer >= 1 && from.integer <= 64) return static_cast<int>(from.integer);
            note(from.place, shown + " is " + std::to_string(from.integer) +
                                 " (should be a signal from 1 to 64)");
            return std::nullopt;
        }
        const auto parsed = parse_signal(from.text);
        if (parsed) return *parsed;
        note(from.place, shown + ": " + parsed.error());
        return std::nullopt;
    };

    Stop stop;
    if (value.is(Value::Type::string) || value.is(Value::Type::integer)) {
        stop.signal = signal_of(value);
        if (!stop.signal) return std::nullopt;
        return stop;
    }
    if (!value.is(Value::Type::array)) {
        wrong_type(setting);
        return std::nullopt;
    }

    constexpr std::size_t kMostSteps = 16;
    if (value.items.empty() || value.items.size() > kMostSteps) {
        wrong(setting, "has " + std::to_string(value.items.size()) + " steps (should be 1 to 16)");
        return std::nullopt;
    }
    constexpr std::string_view kStep = "{ signal = \"TERM\", wait = \"5s\" }";
    bool good = true;
    for (const Value& item : value.items) {
        if (!item.is(Value::Type::table)) {
            note(item.place, "a step of " + shown + " is " + std::string{name_of(item.type)} +
                                 " (should be a table such as " + std::string{kStep} + ")");
            good = false;
            continue;
        }
        StopStep step;
        for (const Value::Entry& entry : item.entries) {
            const bool text = entry.value.is(Value::Type::string);
            if (entry.key == "signal" && (text || entry.value.is(Value::Type::integer))) {
                const auto signal = signal_of(entry.value);
                if (signal) step.signal = *signal;
                good = good && signal;
            } else if (entry.key == "wait" && text) {
                const auto wait = parse_duration(entry.value.text);
                if (wait) {
                    step.wait = *wait;
                } else {
                    note(entry.value.place, shown + ": " + wait.error());
                    good = false;
                }
            } else if (entry.key == "signal" || entry.key == "wait") {
                note(entry.value.place, "\"" + entry.key + "\" in a step of " + shown + " is " +
                                            std::string{name_of(entry.value.type)} +
                                            " (should be as in " + std::string{kStep} + ")");
                good = false;
            } else {
                note(entry.place, "unknown key " + quoted_short(entry.key) + " in a step of " +
                                      shown + " (should be as in " + std::string{kStep} + ")");
                good = false;
            }
        }
        for (const std::string_view needed : {"signal", "wait"}) {
            if (item.find(needed)) continue;
            note(item.place, "a step of " + shown + " has no " + std::string{needed} +
                                 " (should be as in " + std::string{kStep} + ")");
            good = false;
        }
        stop.steps.push_back(step);
    }
    if (!good) return std::nullopt;
    return stop;
}

}  // namespace reeve::conf
