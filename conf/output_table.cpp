#include "conf/output_table.h"

#include <array>

#include "conf/foreign_names.h"
#include "conf/foreign_path.h"
#include "conf/quote.h"

namespace reeve::conf {

namespace {

using std::string;

constexpr std::size_t kMostSinks = 16;
constexpr std::array kSinks{Sink::Kind::inherit, Sink::Kind::null, Sink::Kind::syslog,
                            Sink::Kind::journal};  // in the order of the table of keys

std::optional<Sink::Kind> kind_of(std::string_view word) {
    if (word == "inherit") return Sink::Kind::inherit;
    if (word == "null") return Sink::Kind::null;
    if (word == "syslog") return Sink::Kind::syslog;
    if (word == "journal") return Sink::Kind::journal;
    return std::nullopt;
}

// Whether a key of [program.NAME.stdout] says anything about such a sink.
bool applies(std::string_view key, Sink::Kind kind) {
    if (key == "file" || key == "sink" || key == "overflow") return true;
    if (key == "format") return kind == Sink::Kind::file || kind == Sink::Kind::inherit;
    return kind == Sink::Kind::file;
}

class OutputReader {
public:
    OutputReader(std::string_view name, Problems& problems)
        : name_{name}, problems_{problems}, read_{problems} {}

    WrittenOutput read(const Setting* own, const Setting* shared) {
        if (name_ == "stderr") out_.output = {Output::Kind::merged, {}};
        const bool shared_table = shared && shared->value->is(Value::Type::table);
        if (own && shared && own->value == shared->value) own = nullptr;
        if (own && own->value->is(Value::Type::table)) {
            own_table(*own, shared_table ? shared->value : nullptr);
        } else if (own) {
            no_table(*own);
        } else if (shared_table) {
            shared_table_alone(*shared->value);
        } else if (shared) {
            no_table(*shared);
        }
        return std::move(out_);
    }

private:
    void note(Place place, string text) { problems_.add(place, std::move(text)); }

    void add(Sink sink, Place place, WrittenOutput::Path path = {}) {
        out_.output.sinks.push_back(std::move(sink));
        out_.output.places.push_back(place);
        out_.paths.push_back(path);
    }
    void begin_sinks() { out_.output = {Output::Kind::sinks, {}}; }

    void no_table(const Setting& setting) {
        const Value& value = *setting.value;
        if (value.is(Value::Type::array)) {
            list(setting);
            return;
        }
        if (!read_.is_word_or_path(setting)) return;
        if (value.text == "stdout" && name_ == "stderr") {
            out_.output = {Output::Kind::merged, {}};
        } else if (value.text == "direct") {
            out_.output = {Output::Kind::direct, {}};
        } else {
            begin_sinks();
            text_sink(setting, value);
        }
    }

    void list(const Setting& setting) {
        const Value& value = *setting.value;
        if (value.items.empty()) {
            read_.wrong(setting, "is an empty array (write \"null\" for nowhere)");
            return;
        }
        if (value.items.size() > kMostSinks) {
            read_.wrong(setting, "has " + std::to_string(value.items.size()) +
                                     " places to go to (should be at most " +
                                     std::to_string(kMostSinks) + ")");
            return;
        }
        begin_sinks();
        for (const Value& item : value.items) {
            if (item.is(Value::Type::table)) {
                const Settings keys = known_settings(Table::output, item);
                table_sink(item, keys, keys);
            } else if (!item.is(Value::Type::string)) {
                note(item.place, "an item of " + quoted(name_) + " is " +
                                     string{name_of(item.type)} +
                                     " (should be a word such as \"inherit\", a path, or a table)");
            } else if (item.text == "direct" || (item.text == "stdout" && name_ == "stderr")) {
                note(item.place, quoted(item.text) + " can't be one of several in " +
                                     quoted(name_) + " (write " + string{name_} + " = " +
                                     quoted(item.text) + " alone, or remove it)");
            } else if (read_.is_text(item, "an item of " + quoted(name_), "a string")) {
                text_sink(setting, item);
            }
        }
    }

    void text_sink(const Setting& setting, const Value& value) {
        if (is_foreign(value, name_)) return;
        const auto word = read_.word_or_path(setting, value);
        if (!word) return;
        if (const auto kind = kind_of(value.text)) {
            add({.kind = *kind}, value.place);
        } else {
            add({.kind = Sink::Kind::file}, value.place, {&value, name_});
        }
    }

    // A path that nobody means so, as far as that is known before it is expanded.
    bool is_foreign(const Value& value, std::string_view key) {
        string fault = fault_of_written_path(value.text, key);
        if (fault.empty() && value.text.find('$') == string::npos)
            fault = fault_of_foreign_path(value.text, false, key);
        if (fault.empty()) return false;
        note(value.place, quoted(key) + " " + fault);
        return true;
    }

    static bool has_target(const Settings& keys) {
        return find(keys, "file") || find(keys, "sink");
    }

    // A program's own table, over that of [defaults].
    void own_table(const Setting& own, const Value* shared) {
        begin_sinks();
        const Settings mine = known_settings(Table::output, *own.value);
        Settings all = mine;
        if (shared) {
            const bool own_target = has_target(mine);
            for (const Setting& setting : known_settings(Table::output, *shared)) {
                const std::string_view key = setting.key->name;
                if (find(mine, key)) continue;
                if (own_target && (key == "file" || key == "sink")) continue;
                all.push_back(setting);
            }
        }
        table_sink(*own.value, all, mine);
        out_.keys = std::move(all);
    }

    // That of [defaults], where the program says nothing.  Without a file or a sink it is about
    // those of the programs, and about the sink that is the default.
    void shared_table_alone(const Value& shared) {
        const Settings keys = known_settings(Table::output, shared);
        if (has_target(keys)) {
            begin_sinks();
            table_sink(shared, keys, keys);
            out_.keys = keys;
            return;
        }
        Sink sink;
        fill(sink, keys);
        if (out_.output.kind != Output::Kind::sinks) return;
        sink.rotation = {};
        out_.output.sinks = {std::move(sink)};
        out_.paths.emplace_back();
        for (const Setting& key : keys) {
            if (applies(key.key->name, Sink::Kind::inherit)) out_.keys.push_back(key);
        }
    }

    // `strict` are those of `keys` that must make sense; of the others what does not is dropped.
    void table_sink(const Value& table, Settings keys, const Settings& strict) {
        const Setting* file = find(keys, "file");
        const Setting* sink_word = find(keys, "sink");
        if (file && sink_word) {
            note(sink_word->place,
                 "\"file\" and \"sink\" are both set (keep one; for several places write an array, "
                 "such as [\"web.log\", \"syslog\"])");
            return;
        }
        if (!file && !sink_word) {
            // An unknown key, which was said, may be meant as one of them.
            if (table.entries.size() == strict.size()) {
                note(table.place, quoted(name_) +
                                      " has neither file nor sink (add one, such as file = "
                                      "\"/var/log/web.log\" or sink = \"inherit\")");
            }
            return;
        }

        Sink sink;
        if (file) {
            sink.kind = Sink::Kind::file;
            if (!read_.is_text(*file->value, "\"file\"", "a string")) return;
            if (file->value->text.empty()) {
                read_.wrong(*file, "is empty (should be a path)");
                return;
            }
            if (is_foreign(*file->value, "file") || is_word(*file)) return;
        } else {
            if (only_alone(*sink_word)) return;
            const auto word = read_.one_of(*sink_word);
            if (!word) return;
            sink.kind = kSinks[*word];
        }

        std::erase_if(keys, [&](const Setting& key) {
            if (applies(key.key->name, sink.kind)) return false;
            if (find(strict, key.key->name)) refuse(key, sink.kind, *sink_word);
            return true;
        });
        fill(sink, keys);
        add(std::move(sink), table.place,
            file ? WrittenOutput::Path{file->value, "file"} : WrittenOutput::Path{});
    }

    // { file = "syslog" }
    bool is_word(const Setting& file) {
        const string& text = file.value->text;
        const std::string_view meant =
            kind_of(text) ? std::string_view{text}
                          : find_alias_value(*find_key(Table::output, "sink"), text);
        if (meant.empty()) return false;
        read_.wrong(file, "is " + quoted(text) + " (write sink = " + quoted(meant) + ", or " +
                              quoted("./" + text) + " for a file of that name)");
        return true;
    }

    bool only_alone(const Setting& sink) {
        const string& word = sink.value->text;
        if (word != "direct" && !(word == "stdout" && name_ == "stderr")) return false;
        note(sink.value->place, "\"sink\" is " + quoted(word) + " (write " + string{name_} + " = " +
                                    quoted(word) + " instead of the table)");
        return true;
    }

    void refuse(const Setting& key, Sink::Kind kind, const Setting& sink) {
        const bool format = key.key->name == "format";
        note(key.place, quoted(key.key->name) + " is for files" +
                            (format ? " and \"inherit\"" : "") + " alone, and the sink is " +
                            quoted(sink.value->text) +
                            (format && kind != Sink::Kind::null ? ", which has its own" : "") +
                            " (remove it)");
    }

    void fill(Sink& sink, const Settings& keys) {
        const auto take = [&](std::string_view name, auto& field, auto reader) {
            if (const Setting* setting = find(keys, name)) {
                if (auto value = (read_.*reader)(*setting)) field = *value;
            }
        };
        const auto choose = [&](std::string_view name, auto& field, const auto& values) {
            if (const Setting* setting = find(keys, name)) {
                if (const auto word = read_.one_of(*setting)) field = values[*word];
            }
        };
        take("max_size", sink.rotation.max_size_bytes, &SettingReader::size);
        take("max_age", sink.rotation.max_age, &SettingReader::duration);
        take("keep", sink.rotation.keep, &SettingReader::integer);
        if (sink.rotation.max_age == Duration{0}) sink.rotation.max_age.reset();
        choose("compress", sink.rotation.compress,
               std::array{Compression::none, Compression::gzip, Compression::zstd});
        choose("format", sink.format, std::array{LogFormat::raw, LogFormat::text, LogFormat::json});
        choose("overflow", sink.overflow, std::array{Overflow::block, Overflow::drop});
    }

    std::string_view name_;
    Problems& problems_;
    SettingReader read_;
    WrittenOutput out_;
};

// Of /dev/fd/N and its other names; -1: it is none.
int descriptor_of(std::string_view path) {
    if (path == "/dev/stdin") return 0;
    if (path == "/dev/stdout") return 1;
    if (path == "/dev/stderr") return 2;
    for (const std::string_view prefix : {"/dev/fd/", "/proc/self/fd/"}) {
        if (!path.starts_with(prefix)) continue;
        const std::string_view number = path.substr(prefix.size());
        if (number == "1") return 1;
        if (number == "2") return 2;
        return 0;
    }
    return -1;
}

bool is_special(std::string_view path) {
    return path == "/dev/null" || descriptor_of(path) > 0;
}

}  // namespace

WrittenOutput read_output(std::string_view name, const Setting* own, const Setting* shared,
                          Problems& problems) {
    return OutputReader{name, problems}.read(own, shared);
}

string fault_of_output_path(std::string_view path, bool changed, std::string_view key,
                            std::string_view example) {
    string foreign = fault_of_foreign_path(path, changed, key);
    if (!foreign.empty()) return foreign;
    const string is = (changed ? "expands to " : "is ") + quoted_short(path);
    const std::size_t slash = path.rfind('/');
    const std::string_view last = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (last.empty() || last == "." || last == "..") {
        const string within = string{path} + (last.empty() ? "" : "/");
        return is + ", a directory (write the name of a file in it, such as " +
               quoted_short(within + string{example}) + ")";
    }
    if (path.starts_with("~/")) {
        return is + ", and only a shell makes a home of \"~\" (write " +
               quoted_short("${HOME}" + string{path.substr(1)}) + ")";
    }
    if (path.find("://") != std::string_view::npos) {
        return is +
               ", and output goes to no network (use \"syslog\" or \"journal\", which can "
               "forward it)";
    }
    if (descriptor_of(path) == 0) {
        return is +
               ", which is none of reeve's own outputs (use \"/dev/stdout\" or "
               "\"/dev/stderr\")";
    }
    if (path == "/dev/log") {
        return is + ", which is no file but a socket (write \"syslog\")";
    }
    if (!changed) return "";
    const std::string_view alias = find_alias_value(*find_key(Table::output, "sink"), path);
    if (kind_of(path) || path == "direct" || path == "stdout" || !alias.empty()) {
        std::string_view instead = R"("/dev/stdout" for "inherit")";
        if (path == "null" || alias == "null") instead = R"("/dev/null" for "null")";
        if (key == "log") instead = R"("/dev/stderr" for "stderr")";
        return is +
               ", and in a variable that would be a file of that name (write the word itself, "
               "or a path in the variable, such as " +
               std::string{instead} + ")";
    }
    return "";
}

bool resolve_special_path(Sink& sink, int own) {
    if (sink.kind != Sink::Kind::file) return true;
    for (const string& path : sink.instance_paths) {
        if (is_special(path)) return false;
    }
    if (!is_special(sink.path)) return true;
    const int descriptor = descriptor_of(sink.path);
    sink.kind = descriptor < 0 ? Sink::Kind::null : Sink::Kind::inherit;
    if (descriptor > 0 && descriptor != own) sink.descriptor = descriptor;
    if (sink.kind == Sink::Kind::null) sink.format = LogFormat::raw;
    sink.path.clear();
    sink.rotation = {};
    return true;
}

}  // namespace reeve::conf
