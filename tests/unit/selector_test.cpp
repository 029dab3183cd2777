#include "supervisor/model/selector.h"

#include "tests/support/catch.h"

using namespace reeve::model;

namespace {

const std::vector<std::string> kSite{"site", "all-of-it"};
const std::vector<std::string> kAll{"all-of-it"};

const std::vector<Selectable> kInstances{
    {"web@1", "web", kSite},    {"web@2", "web", kSite}, {"db", "db", kSite},
    {"webmail", "webmail", {}}, {"cron", "cron", kAll},
};

// "0 1 2", or "no such: TARGET", with the nearest name behind it.
std::string selected(const std::string& target) {
    const auto found = select(kInstances, target);
    if (!found) {
        const std::string& nearest = found.error().nearest;
        return "no such: " + found.error().target + (nearest.empty() ? "" : ", perhaps " + nearest);
    }
    std::string text;
    for (const std::size_t index : *found) {
        text += (text.empty() ? "" : " ") + std::to_string(index);
    }
    return text;
}

}  // namespace

TEST_CASE("a target names an instance, a program, a group, or all that a glob matches") {
    struct Row {
        std::string target, becomes;
    };
    for (const Row& row : std::vector<Row>{
             {"web@2", "1"},
             {"web", "0 1"},
             {"db", "2"},
             {"site", "0 1 2"},
             {"all-of-it", "0 1 2 4"},
             {"*", "0 1 2 3 4"},
             {"web*", "0 1 3"},
             {"web@*", "0 1"},
             {"web@[2-9]", "1"},
             {"si*", "0 1 2"},
             {"?b", "2"},
             {"wbe", "no such: wbe, perhaps web"},
             {"web@3", "no such: web@3, perhaps web@1"},
             {"crn", "no such: crn, perhaps cron"},
             {"postgres", "no such: postgres"},
             {"nginx*", "no such: nginx*"},
             {"WEB", "no such: WEB"},
             {"", "no such: "},
         }) {
        INFO(row.target);
        CHECK(selected(row.target) == row.becomes);
    }
}

TEST_CASE("nothing can be selected of nothing") {
    CHECK_FALSE(select({}, "*").has_value());
    CHECK(select({}, "web").error().nearest.empty());
}
