#include "conf/foreign_path.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "conf/quote.h"

namespace reeve::conf {

namespace {

using std::string;
using std::string_view;

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool starts_name(char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The name of a variable at the beginning.
string_view name_in(string_view text) {
    if (text.empty() || !starts_name(text.front())) return {};
    std::size_t size = 1;
    while (size < text.size() && (starts_name(text[size]) || is_digit(text[size]))) ++size;
    return text.substr(0, size);
}

// ---- $HOME

// A dollar that a shell would take for a variable, with those in braces.
struct ShellDollars {
    string as_reeve_does;  // "${HOME}/web.log"
    string plain;          // "$$HOME/web.log"
    bool names = false;
    bool commands = false;  // "$(date)"
};

ShellDollars look_for_dollars(string_view text) {
    ShellDollars found;
    const auto copy = [&](string_view part) {
        found.as_reeve_does += part;
        found.plain += part;
    };
    while (!text.empty()) {
        std::size_t size = 1;
        if (text.starts_with("$$")) {
            size = 2;
        } else if (text.starts_with("${")) {
            // A message is for people: they know what is meant.
            const string_view name = name_in(text.substr(2));
            const std::size_t end = text.find('}');
            const bool message = text.substr(2 + name.size()).starts_with(":?");
            size = message && end != string_view::npos ? end + 1 : 2;
        } else if (text.front() == '$') {
            const string_view name = name_in(text.substr(1));
            found.commands = found.commands || text.starts_with("$(");
            if (!name.empty()) {
                found.names = true;
                found.as_reeve_does += "${" + string{name} + "}";
                found.plain += "$$" + string{name};
                text.remove_prefix(1 + name.size());
                continue;
            }
        }
        copy(text.substr(0, size));
        text.remove_prefix(size);
    }
    return found;
}

// ---- %(program_name)s

// "%(ENV_HOME)s" and what it is here; empty: there is no such thing.
struct Percent {
    std::size_t size = 0;
    string ours;
};

std::optional<Percent> percent_at(string_view text, bool is_own_log) {
    if (!text.starts_with("%(")) return std::nullopt;
    const string_view name = name_in(text.substr(2));
    std::size_t size = 2 + name.size();
    if (name.empty() || !text.substr(size).starts_with(')')) return std::nullopt;
    ++size;
    while (size < text.size() && is_digit(text[size])) ++size;
    if (size == text.size() || (text[size] != 's' && text[size] != 'd')) return std::nullopt;

    Percent percent{size + 1, {}};
    if (name == "here") percent.ours = "${config_dir}";
    if (name.starts_with("ENV_")) percent.ours = "${" + string{name.substr(4)} + "}";
    if (is_own_log) return percent;
    if (name == "program_name" || name == "process_name") percent.ours = "${program}";
    if (name == "process_num") percent.ours = "${instance}";
    return percent;
}

string fault_of_percents(string_view text, bool is_own_log) {
    bool any = false;
    bool all = true;
    string ours;
    for (string_view rest = text; !rest.empty();) {
        const auto percent = percent_at(rest, is_own_log);
        any = any || percent;
        all = all && !(percent && percent->ours.empty());
        const std::size_t size = percent ? percent->size : 1;
        ours += percent ? percent->ours : string{rest.substr(0, 1)};
        rest.remove_prefix(size);
    }
    if (!any) return "";
    return "is " + quoted_short(text) + ", as it is written for supervisord (" +
           (all          ? "write " + quoted_short(ours)
            : is_own_log ? "here there are ${config_dir} and the variables of the environment"
                         : "here there are ${program}, ${instance}, ${config_dir} and the "
                           "variables of the environment") +
           ")";
}

// ---- syslog:local0

enum class Meaning {
    file,
    syslog,
    journal,
    program,     // which is to read it
    descriptor,  // of reeve's own
    network,     // or a socket
};

struct Prefix {
    string_view text;
    Meaning meaning;
};
// Two of them may fit: the first counts.
constexpr Prefix kPrefixes[] = {
    {"file://", Meaning::file},      {"file:", Meaning::file},     {"append:", Meaning::file},
    {"truncate:", Meaning::file},    {"2>&", Meaning::descriptor}, {"1>&", Meaning::descriptor},
    {">&", Meaning::descriptor},     {"&", Meaning::descriptor},   {"fd:", Meaning::descriptor},
    {"fd://", Meaning::descriptor},  {"2>>", Meaning::file},       {"1>>", Meaning::file},
    {"2>", Meaning::file},           {"1>", Meaning::file},        {">>", Meaning::file},
    {">|", Meaning::file},           {">", Meaning::file},         {"|", Meaning::program},
    {"pipe:", Meaning::program},     {"exec:", Meaning::program},  {"program:", Meaning::program},
    {"syslog:", Meaning::syslog},    {"syslog@", Meaning::syslog}, {"journal:", Meaning::journal},
    {"journald:", Meaning::journal}, {"tcp:", Meaning::network},   {"udp:", Meaning::network},
    {"tls:", Meaning::network},      {"unix:", Meaning::network},  {"unixgram:", Meaning::network},
    {"socket:", Meaning::network},   {"gelf:", Meaning::network},  {"fluentd:", Meaning::network},
};

string_view without_blanks(string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    return text;
}

class Foreign {
public:
    Foreign(string_view path, bool changed, string_view key)
        : path_{path}, key_{key}, is_{(changed ? "expands to " : "is ") + quoted_short(path)} {}

    string fault() const {
        if (path_.starts_with('/') || path_.starts_with("./")) return "";
        if (path_ == "-") {
            return is_ + " (write " +
                   (key_ == "log" ? quoted("stderr")
                                  : word("inherit") + " for reeve's own output") +
                   or_file() + ")";
        }
        if (!path_.empty() && std::ranges::all_of(path_, is_digit)) return descriptor(path_);
        for (const Prefix& prefix : kPrefixes) {
            if (path_.starts_with(prefix.text)) {
                return meaning(prefix.meaning, without_blanks(path_.substr(prefix.text.size())));
            }
        }
        return several();
    }

private:
    string meaning(Meaning meaning, string_view rest) const {
        switch (meaning) {
            case Meaning::file:
                return is_ + " (write the path alone" +
                       (rest.empty() ? "" : ": " + quoted_short(rest)) + ")";
            case Meaning::syslog:
                return is_ + " (write " + word("syslog") + ", whose facility is always daemon" +
                       or_file() + ")";
            case Meaning::journal:
                return is_ + " (write " + word("journal") + or_file() + ")";
            case Meaning::program:
                if (rest.starts_with('/') && rest.find(' ') == string_view::npos) {
                    return is_ +
                           ", and output goes to no other program (for a FIFO write its "
                           "path alone: " +
                           quoted_short(rest) + ")";
                }
                return is_ + ", and output goes to no other program (write " + word("syslog") +
                       " or " + word("journal") + ", or the path of a FIFO that it reads)";
            case Meaning::descriptor:
                return descriptor(rest);
            case Meaning::network:
                return is_ + ", and output goes to no network and no socket (use " +
                       word("syslog") + " or " + word("journal") + ", which can forward it)";
        }
        return "";
    }

    string descriptor(string_view number) const {
        if (number != "1" && number != "2") {
            return is_ + ", which is none of reeve's own outputs (use " +
                   (key_ == "log" ? quoted("stderr") : "\"/dev/stdout\" or \"/dev/stderr\"") +
                   or_file() + ")";
        }
        string_view ours = number == "1" ? "/dev/stdout" : "/dev/stderr";
        if (key_ == "log") ours = "stderr";
        if (key_ == "stderr" && number == "1") ours = "stdout";
        return is_ + " (write " + quoted(ours) + or_file() + ")";
    }

    // "journal+console", "syslog,inherit"
    string several() const {
        if (key_ == "log" || path_.find('/') != string_view::npos) return "";
        const std::size_t end = path_.find_first_of("+,");
        if (end == string_view::npos) return "";
        const string_view first = path_.substr(0, end);
        const auto is_word = [](string_view text) {
            constexpr string_view kWords[] = {"inherit", "null", "syslog", "journal",
                                              "console", "kmsg", "tty"};
            return std::ranges::find(kWords, text) != std::end(kWords);
        };
        if (!is_word(first) && !path_.ends_with("+console")) return "";
        return is_ + " (for several places write an array, such as [\"journal\", \"inherit\"])";
    }

    string word(string_view text) const { return (key_ == "file" ? "sink = " : "") + quoted(text); }
    string or_file() const {
        return ", or " + quoted_short("./" + string{path_}) + " for a file of that name";
    }

    string_view path_;
    string_view key_;
    string is_;
};

}  // namespace

string fault_of_written_path(string_view text, string_view key) {
    const ShellDollars dollars = look_for_dollars(text);
    if (dollars.commands) {
        return "is " + quoted_short(text) +
               ", and no shell sees that (set a variable and write ${VAR}, or $$( for a plain $()";
    }
    if (dollars.names) {
        return "is " + quoted_short(text) + ", and a variable stands in braces here (write " +
               quoted_short(dollars.as_reeve_does) + ", or " + quoted_short(dollars.plain) +
               " for a plain $)";
    }
    return fault_of_percents(text, key == "log");
}

string fault_of_foreign_path(string_view path, bool changed, string_view key) {
    return Foreign{path, changed, key}.fault();
}

}  // namespace reeve::conf
