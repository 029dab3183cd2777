#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// Every key of the configuration, once.  The loader, the JSON schema, the manual and the tests read
// this table; what is not in it is refused.
namespace reeve::conf {

// [defaults] takes the keys of [program.NAME], the tables in it included.  `output` is one place
// that stdout or stderr goes to.
enum class Table {
    top,
    supervisor,
    control,
    program,
    output,
    ready,
    health,
    limits,
    guard,
    security,
    group,
    on_event,
    socket
};

enum class KeyType {
    text,
    boolean,
    boolean_or_text,   // a text is expanded and must then say true or false
    integer,           // `least` to `most`
    name_or_number,    // a user or group
    names_or_numbers,  // an array of them
    duration,          // `least` in milliseconds, or 0 where `or_zero`
    size,              // text or bytes; at least `least`, or 0 where `or_zero`
    percentage,
    integers,    // an array of integers from `least` to `most`, at least one
    limit,       // a number of at least `least`, "unlimited", or an array of two: soft and hard
    size_limit,  // the same, sizes too
    share,       // a number over 0, at most 1
    mode,
    one_of,         // of `allowed`
    list_of,        // an array of `allowed`
    texts,          // an array of strings
    text_or_texts,  // the same, or a single one
    command,        // an array of words, or one line
    commands,       // an array of commands
    signal,
    environment,  // a table of strings
    env_files,    // a path, or an array of paths and of tables with path and required
    inherit,      // true, false, or an array of names
    signal_or_steps,
    exits,         // an array of exit codes and signals
    access,        // an array of tables with user or group, and role
    dependencies,  // an array of names, and of tables with name, until and restart
    word_or_path,  // a word of `allowed`, or a path
    output,        // the same, or a table of the keys of Table::output, or an array of all these
    inner,         // a table of the keys of inner_table()
};

// What a changed value asks for when it is applied to a reeve that runs.
enum class Change {
    unsaid,     // no key is
    in_place,   // nothing: what runs goes on with the new value
    new_run,    // the program is restarted: it was given the old value
    new_reeve,  // reeve itself must be restarted
};

struct Key {
    Table table;
    std::string_view name;
    KeyType type;
    Change change = Change::unsaid;
    std::string_view fallback;  // the default as it would be written; empty: nothing is set
    std::string_view sentence;  // what it does
    std::string_view example;   // a value that is right, as TOML
    std::span<const std::string_view> allowed{};
    std::int64_t least = 0;
    std::int64_t most = 0;
    bool expanded = false;  // ${VAR} is replaced in it
    bool or_zero = false;   // 0 is right too, though less than `least`
};

// In the order in which they are shown.
std::span<const Key> all_keys();
const Key* find_key(Table table, std::string_view name);

// The key as messages and `GET /v1/programs/NAME` say it: "nice", "limits.memory".
std::string name_of(const Key& key);

// What that has before the key's own name: "limits.".
std::string_view prefix_of(Table table);

// Of a key of type `inner`: whose keys it holds.
Table inner_table(const Key& key);
// Whether [program.NAME] has it, itself or in one of its tables.
bool is_program_key(const Key& key);

// "an integer from 0 to 7", `"always", "on-failure" or "never"`: completes "should be …".
std::string what_it_takes(const Key& key);

// A key that other versions of reeve have or will have, and that this one must refuse: what it asks
// for would silently not happen.
struct AbsentKey {
    Table table;
    std::string_view name;
    std::string_view instead;  // completes "remove it; …"; may be empty
    std::string_view why = "is not supported by this version of reeve";
};
// "\"watch\" is not supported by this version of reeve (remove it)"
std::string describe(const AbsentKey& key);
const AbsentKey* find_absent_key(Table table, std::string_view name);

// What to say in brackets about a key that is in no table: another tool's name for one of ours, a
// near name, or the table it belongs to.
std::string suggest_key(Table table, std::string_view written);

// "[program.NAME]", "[program.NAME.limits]", for messages and manuals.
std::string_view name_of(Table table);

// `"a", "b" or "c"`
std::string list_words(std::span<const std::string_view> words);

}  // namespace reeve::conf
