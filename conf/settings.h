#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/keys.h"
#include "conf/problems.h"
#include "conf/toml_reader.h"

// From a TOML table to typed values, by the table of keys.
namespace reeve::conf {

// One key that was written and that the table of keys knows.
struct Setting {
    const Key* key = nullptr;
    const Value* value = nullptr;
    Place place;  // of the key
};

// What a table inside of another sets comes after that one, on its own: `limits`, `limits.memory`.
using Settings = std::vector<Setting>;

// By the name that name_of(Key) gives it.
const Setting* find(const Settings& settings, std::string_view name);

// Which keys of `table` are known; the others are problems.  `shown` is the table's name for
// messages without its brackets: "program.web".
Settings read_settings(Table kind, const Value& table, std::string_view shown, Problems& problems);

// The known keys of a table of which read_settings() has said the others.
Settings known_settings(Table kind, const Value& table);

// Each reads one setting, or notes what is wrong with it and gives nullopt.
class SettingReader {
public:
    explicit SettingReader(Problems& problems) : problems_{problems} {}

    std::optional<std::string> text(const Setting& setting);
    std::optional<bool> boolean(const Setting& setting);
    std::optional<int> integer(const Setting& setting);
    std::optional<Duration> duration(const Setting& setting);
    std::optional<std::uint64_t> size(const Setting& setting);
    std::optional<int> percentage(const Setting& setting);
    std::optional<std::vector<int>> integers(const Setting& setting);

    // RLIM_INFINITY: unlimited.
    struct SoftAndHard {
        std::uint64_t soft = 0;
        std::uint64_t hard = 0;
    };
    std::optional<SoftAndHard> limit(const Setting& setting);
    std::optional<double> share(const Setting& setting);
    std::optional<mode_t> mode(const Setting& setting, mode_t most);
    std::optional<std::string> name_or_number(const Setting& setting);
    std::optional<std::vector<std::string>> names_or_numbers(const Setting& setting);
    std::optional<std::vector<std::string>> texts(const Setting& setting);
    // Of a command, an array of them or one line: at least one, and the first not empty.
    std::optional<std::vector<std::string>> words(const Setting& setting);
    std::optional<std::vector<SuccessExit>> exits(const Setting& setting);

    // Index into key->allowed.
    std::optional<std::size_t> one_of(const Setting& setting);
    std::optional<std::vector<std::size_t>> list_of(const Setting& setting);

    // Whether it is a string, as what takes a word or a path, or more than that, needs.
    bool is_word_or_path(const Setting& setting);
    // Index into key->allowed, or its size: a path, which may need expanding.
    std::optional<std::size_t> word_or_path(const Setting& setting);
    // The same for an item of it.
    std::optional<std::size_t> word_or_path(const Setting& setting, const Value& value);

    std::optional<int> signal(const Setting& setting);

    // One signal, or steps; exactly one of the two is set.
    struct Stop {
        std::optional<int> signal;
        std::vector<StopStep> steps;
    };
    std::optional<Stop> stop(const Setting& setting);

    // A string without NUL, which no system call could take.  `what` names it for the message.
    bool is_text(const Value& value, const std::string& what, std::string_view should_be);

    // "\"nice\" is a string (should be an integer from -20 to 19)"
    void wrong_type(const Setting& setting);
    void wrong(const Setting& setting, std::string text);

private:
    std::optional<std::string> name(const Setting& setting, const Value& value);
    std::optional<std::size_t> word(const Setting& setting, const Value& value);
    std::optional<std::uint64_t> one_limit(const Setting& setting, const Value& value);
    void note(Place place, std::string text) { problems_.add(place, std::move(text)); }

    Problems& problems_;
};

}  // namespace reeve::conf
