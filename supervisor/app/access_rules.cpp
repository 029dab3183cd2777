#include "supervisor/app/access_rules.h"

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "supervisor/app/within.h"
#include "supervisor/os/user.h"

namespace reeve::app {

namespace {

constexpr std::chrono::milliseconds kPatience{300};

control::Role role_of(conf::Role role) {
    switch (role) {
        case conf::Role::viewer:
            return control::Role::viewer;
        case conf::Role::operator_:
            return control::Role::operator_;
        case conf::Role::admin:
            return control::Role::admin;
    }
    return control::Role::none;
}

control::AccessList looked_up(const std::vector<conf::AccessRule>& rules) {
    control::AccessList list;
    for (const conf::AccessRule& rule : rules) {
        control::AccessList::Rule known{.user = {}, .group = {}, .role = role_of(rule.role)};
        std::optional<os::AccountError> error;
        if (!rule.group.empty()) {
            if (const auto group = os::resolve_group(rule.group)) {
                known.group = *group;
            } else {
                error = group.error();
            }
        } else if (rule.user != "*") {
            if (const auto account = os::resolve_account(
                    {.user = rule.user, .group = {}, .supplementary_groups = {}})) {
                known.user = account->uid;
            } else {
                error = account.error();
            }
        }
        if (error) {
            list.unknown.push_back(error->text());
        } else {
            list.rules.push_back(known);
        }
    }
    return list;
}

}  // namespace

AccessRules::AccessRules(loop::Loop& loop, const conf::Control& control,
                         std::function<void(const std::string&)> on_trouble)
    : on_trouble_{std::move(on_trouble)}, loop_{loop} {
    if (control.access.empty()) return;
    struct Found {
        std::mutex mutex;
        std::optional<control::AccessList> list;
    };
    const auto found = std::make_shared<Found>();
    within(kPatience, [found, rules = control.access] {
        auto list = looked_up(rules);
        const std::lock_guard lock{found->mutex};
        found->list = std::move(list);
    });
    std::unique_lock lock{found->mutex};
    if (found->list) {
        take(*std::move(found->list));
        return;
    }
    lock.unlock();
    on_trouble_("access: a name service does not answer; what it must be asked counts for nobody");
    set(control);
}

void AccessRules::set(const conf::Control& control) {
    work_.reset();
    if (control.access.empty()) return take({});
    auto list = std::make_shared<control::AccessList>();
    work_ = std::make_unique<loop::Work>(loop_);
    const bool looking = work_->start([list, rules = control.access] { *list = looked_up(rules); },
                                      [this, list] { take(std::move(*list)); });
    if (!looking) take(looked_up(control.access));
}

void AccessRules::take(control::AccessList list) {
    list_ = std::move(list);
    for (const std::string& unknown : list_.unknown) {
        on_trouble_("access: " + unknown + ": its line counts for nobody");
    }
    if (on_change_) on_change_();
}

}  // namespace reeve::app
