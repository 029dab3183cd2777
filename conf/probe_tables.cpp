#include "conf/probe_tables.h"

#include <algorithm>
#include <array>
#include <span>
#include <tuple>
#include <utility>

#include "conf/pattern.h"
#include "conf/quote.h"

namespace reeve::conf {

namespace {

using std::string_view;

constexpr string_view kReadyWays[] = {"ready.notify", "ready.fd",  "ready.tcp",  "ready.http",
                                      "ready.exec",   "ready.log", "ready.file", "ready.after"};
constexpr string_view kHealthWays[] = {"health.tcp", "health.http", "health.exec", "health.notify"};

// Its own name, without the table's.
string_view bare(const Setting& setting) {
    return setting.key->name;
}

bool is_chosen(const Setting& setting) {
    return !setting.value->is(Value::Type::boolean) || setting.value->integer != 0;
}

std::string list(std::span<const string_view> ways) {
    std::string text;
    for (std::size_t i = 0; i < ways.size(); ++i) {
        if (i > 0) text += i + 1 == ways.size() ? " and " : ", ";
        text += ways[i].substr(ways[i].find('.') + 1);
    }
    return text;
}

// The one way that is meant; null: none.
const Setting* choose(std::span<const string_view> ways, const Settings& own, const Settings& all,
                      Problems& problems) {
    std::vector<const Setting*> chosen;
    for (const string_view way : ways) {
        const Setting* setting = find(all, way);
        if (setting && is_chosen(*setting)) chosen.push_back(setting);
    }
    if (chosen.empty()) return nullptr;
    std::ranges::sort(chosen, {}, [](const Setting* setting) {
        return std::tuple{setting->place.file, setting->place.line, setting->place.column};
    });
    // Those of [defaults] are looked at there.
    const bool is_own = find(own, name_of(*chosen.front()->key)) != nullptr;
    for (std::size_t i = 1; is_own && i < chosen.size(); ++i) {
        problems.add(chosen[i]->place, quoted(name_of(*chosen[i]->key)) + " beside " +
                                           quoted(name_of(*chosen[0]->key)) + " (only one of " +
                                           list(ways) + " can decide; remove the others)");
    }
    return chosen.front();
}

// A key that says nothing to the way that was chosen.
void refuse_idle(string_view name, string_view for_whom, const Settings& own, Problems& problems) {
    if (const Setting* idle = find(own, name)) {
        problems.add(idle->place,
                     quoted(name) + " is for " + std::string{for_whom} + " alone (remove it)");
    }
}

void refuse_empty_table(string_view table, std::span<const string_view> ways, const Settings& own,
                        const Settings& defaults, Problems& problems) {
    const Setting* setting = find(own, table);
    if (!setting || !setting->value->is(Value::Type::table)) return;
    // Who says notify = false has thought of it.
    if (std::ranges::any_of(ways, [&](string_view way) {
            return find(own, way) != nullptr || find(defaults, way) != nullptr;
        }))
        return;
    problems.add(setting->place, quoted(table) + " has nothing to look at (add one of " +
                                     list(ways) + ", such as tcp = \"127.0.0.1:8080\")");
}

// What is to be expanded, as far as it can be told before.
std::optional<WrittenProbe> written(const Setting& setting, Problems& problems) {
    SettingReader reader{problems};
    if (bare(setting) == "exec") {
        auto words = reader.words(setting);
        if (!words) return std::nullopt;
        return WrittenProbe{&setting, std::move(*words)};
    }
    if (!reader.is_text(*setting.value, quoted(name_of(*setting.key)), "a string"))
        return std::nullopt;
    if (setting.value->text.empty()) {
        reader.wrong(setting,
                     "is empty (should be as in " + std::string{setting.key->example} + ")");
        return std::nullopt;
    }
    return WrittenProbe{&setting};
}

template <typename Field, typename T>
void take(string_view name, const Settings& all, Field& field,
          std::optional<T> (SettingReader::*reader)(const Setting&), Problems& problems) {
    SettingReader settings{problems};
    if (const Setting* setting = find(all, name)) {
        if (auto value = (settings.*reader)(*setting)) field = std::move(*value);
    }
}

// Whether it is a table, where it was written.
bool is_table(string_view name, const Settings& all, Problems& problems) {
    const Setting* setting = find(all, name);
    if (!setting) return false;
    if (setting->value->is(Value::Type::table)) return true;
    SettingReader{problems}.wrong_type(*setting);
    return false;
}

}  // namespace

bool is_replaced(const Settings& own, const Setting& theirs) {
    for (const auto& ways : {std::span<const string_view>{kReadyWays}, {kHealthWays}}) {
        if (std::ranges::find(ways, name_of(*theirs.key)) == ways.end()) continue;
        return std::ranges::any_of(ways, [&](string_view way) {
            const Setting* setting = find(own, way);
            return setting && is_chosen(*setting);
        });
    }
    return false;
}

void refuse_empty_probe_tables(const Settings& own, const Settings& defaults, Problems& problems) {
    refuse_empty_table("ready", kReadyWays, own, defaults, problems);
    refuse_empty_table("health", kHealthWays, own, defaults, problems);
}

WrittenProbe read_readiness(const Settings& own, const Settings& all, Problems& problems,
                            Readiness& into) {
    if (!is_table("ready", all, problems)) return {};
    take("ready.interval", all, into.interval, &SettingReader::duration, problems);
    bool notify = false;
    take("ready.notify", all, notify, &SettingReader::boolean, problems);
    const Setting* chosen = choose(kReadyWays, own, all, problems);
    if (!chosen) return {};
    const string_view way = bare(*chosen);
    const bool is_tried = way == "tcp" || way == "http" || way == "exec" || way == "file";
    if (!is_tried) refuse_idle("ready.interval", "tcp, http, exec and file", own, problems);
    if (way == "notify") {
        into.kind = Readiness::Kind::notify;
    } else if (way == "fd") {
        into.kind = Readiness::Kind::descriptor;
        take("ready.fd", all, into.descriptor, &SettingReader::integer, problems);
    } else if (way == "after") {
        take("ready.after", all, into.after, &SettingReader::duration, problems);
    } else {
        into.kind = way == "log" ? Readiness::Kind::log : Readiness::Kind::probe;
        return written(*chosen, problems).value_or(WrittenProbe{});
    }
    return {};
}

WrittenProbe read_health(const Settings& own, const Settings& all, Problems& problems,
                         std::optional<HealthCheck>& into) {
    if (!is_table("health", all, problems)) return {};
    HealthCheck check;
    take("health.interval", all, check.interval, &SettingReader::duration, problems);
    check.timeout = std::min(check.timeout, check.interval);
    take("health.timeout", all, check.timeout, &SettingReader::duration, problems);
    take("health.failures", all, check.failures, &SettingReader::integer, problems);
    take("health.notify", all, check.notify, &SettingReader::boolean, problems);
    if (const Setting* setting = find(all, "health.action")) {
        constexpr std::array kActions{HealthAction::restart, HealthAction::none};
        if (const auto word = SettingReader{problems}.one_of(*setting))
            check.action = kActions[*word];
    }
    const Setting* chosen = choose(kHealthWays, own, all, problems);
    if (!chosen) return {};
    check.notify = bare(*chosen) == "notify";
    into = check;
    if (!check.notify) return written(*chosen, problems).value_or(WrittenProbe{});
    for (const string_view idle : {"health.timeout", "health.failures"})
        refuse_idle(idle, "tcp, http and exec", own, problems);
    return {};
}

std::optional<ProbeTarget> probe_target(const WrittenProbe& written,
                                        const ProbeExpansion& expansion, Problems& problems) {
    const Setting& setting = *written.setting;
    const string_view way = bare(setting);
    if (way == "exec") {
        ExecTarget target;
        for (const std::string& word : written.words) {
            auto text = expansion.text(setting, word);
            if (!text) return std::nullopt;
            target.words.push_back(std::move(*text));
        }
        if (!target.words.front().empty()) return target;
        problems.add(setting.value->place,
                     quoted(name_of(*setting.key)) + " has " + quoted_short(written.words.front()) +
                         " for the program to run, which expands to nothing (set the variable, or "
                         "give a default)");
        return std::nullopt;
    }
    if (way == "file") {
        auto path = expansion.path(setting);
        if (!path) return std::nullopt;
        return FileTarget{std::move(*path)};
    }
    const auto text = expansion.text(setting, setting.value->text);
    if (!text) return std::nullopt;
    const auto refused = [&](const std::string& why) {
        problems.add(setting.value->place, quoted(name_of(*setting.key)) + ": " + why);
        return std::nullopt;
    };
    if (way == "http") {
        auto address = parse_http_address(*text);
        if (!address) return refused(address.error());
        return std::move(*address);
    }
    auto address = parse_server_address(*text);
    if (!address) return refused(address.error());
    return std::move(*address);
}

std::optional<std::string> ready_pattern(const WrittenProbe& written,
                                         const ProbeExpansion& expansion, Problems& problems) {
    const Setting& setting = *written.setting;
    auto text = expansion.text(setting, setting.value->text);
    if (!text) return std::nullopt;
    const auto pattern = Pattern::compile(*text);
    if (pattern) return text;
    problems.add(setting.value->place, quoted(name_of(*setting.key)) + " is " +
                                           quoted_short(*text) +
                                           ", which is no regular expression: " + pattern.error());
    return std::nullopt;
}

}  // namespace reeve::conf
