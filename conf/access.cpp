#include "conf/access.h"

#include <string>
#include <string_view>
#include <utility>

#include "conf/quote.h"

namespace reeve::conf {

namespace {

const std::string kShouldBe = R"( (should be as in { group = "dev", role = "operator" }))";

std::optional<Role> role_of(std::string_view word) {
    if (word == "viewer") return Role::viewer;
    if (word == "operator") return Role::operator_;
    if (word == "admin") return Role::admin;
    return std::nullopt;
}

// One line; nullopt: a problem.
std::optional<AccessRule> read_rule(const Value& table, Problems& problems) {
    AccessRule rule;
    rule.place = table.place;
    std::optional<Role> role;
    const std::size_t before = problems.size();
    for (const Value::Entry& entry : table.entries) {
        const Value& value = entry.value;
        const bool is_text = value.is(Value::Type::string) && !value.text.empty();
        if (entry.key == "user" || entry.key == "group") {
            std::string& name = entry.key == "user" ? rule.user : rule.group;
            if (is_text) {
                name = value.text;
            } else if (value.is(Value::Type::integer) && value.integer >= 0 &&
                       value.integer < 0xffffffff) {
                name = std::to_string(value.integer);
            } else {
                problems.add(value.place, quoted(entry.key) +
                                              " in an item of \"access\" is no name or number" +
                                              kShouldBe);
            }
        } else if (entry.key == "role") {
            role = is_text ? role_of(value.text) : std::nullopt;
            if (!role) {
                problems.add(value.place, "\"role\" is " +
                                              (is_text ? quoted_short(value.text)
                                                       : std::string{name_of(value.type)}) +
                                              R"( (should be "viewer", "operator" or "admin"))");
            }
        } else {
            problems.add(entry.place, "unknown key " + quoted_short(entry.key) +
                                          " in an item of \"access\"" + kShouldBe);
        }
    }
    if (problems.size() != before) return std::nullopt;
    if (rule.user.empty() == rule.group.empty()) {
        problems.add(table.place, std::string{"an item of \"access\" has "} +
                                      (rule.user.empty() ? "neither user nor group"
                                                         : "both user and group: each line is for "
                                                           "one of them") +
                                      kShouldBe);
    } else if (!role) {
        problems.add(table.place, "an item of \"access\" has no role" + kShouldBe);
    } else if (rule.group == "*") {
        problems.add(table.place,
                     "there is no group \"*\" (should be user = \"*\", which is everybody)");
    } else {
        rule.role = *role;
        return rule;
    }
    return std::nullopt;
}

}  // namespace

std::vector<AccessRule> read_access(const Setting& setting, Problems& problems) {
    std::vector<AccessRule> rules;
    if (!setting.value->is(Value::Type::array)) {
        SettingReader{problems}.wrong_type(setting);
        return rules;
    }
    for (const Value& item : setting.value->items) {
        if (!item.is(Value::Type::table)) {
            problems.add(item.place,
                         "an item of \"access\" is " + std::string{name_of(item.type)} + kShouldBe);
        } else if (auto rule = read_rule(item, problems)) {
            rules.push_back(*std::move(rule));
        }
    }
    return rules;
}

}  // namespace reeve::conf
