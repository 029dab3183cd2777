#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "conf/config.h"
#include "supervisor/control/access.h"
#include "supervisor/loop/work.h"

namespace reeve::app {

// `access` of [control] as it counts now.  Its names are looked up on another thread, for a name
// service may take its time; until it answers such a line counts for nobody.
class AccessRules {
public:
    // Waits a moment for the names.  `on_trouble` is told, for the log, which there are not.
    AccessRules(loop::Loop& loop, const conf::Control& control,
                std::function<void(const std::string&)> on_trouble);

    // Once the names are known; until then by the lines before.
    void set(const conf::Control& control);

    const control::AccessList& list() const { return list_; }

    // Told when it has become another.
    void on_change(std::function<void()> callback) { on_change_ = std::move(callback); }

private:
    void take(control::AccessList list);

    std::function<void(const std::string&)> on_trouble_;
    std::function<void()> on_change_;
    control::AccessList list_;
    loop::Loop& loop_;
    std::unique_ptr<loop::Work> work_;
};

}  // namespace reeve::app
