#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "conf/difference.h"
#include "conf/toml_reader.h"
#include "supervisor/base/expected.h"
#include "supervisor/control/router.h"
#include "supervisor/core/roster.h"

namespace reeve::control {

// What the configuration on disk does to the one that runs, or would do.
struct ConfigPlan {
    std::vector<core::Applied> programs;  // nobody is awaited where nothing was done
    std::vector<conf::Difference> reeve;  // "supervisor.log"
    bool any() const;                     // that is not to be kept
};

// The configuration that runs, and the one on disk, which is read on another thread.
class ConfigSource {
public:
    virtual ~ConfigSource() = default;

    // conf::Config::files of what runs.
    virtual std::vector<std::string> files() const = 0;

    // Whether the files are others by now; answers once, perhaps from inside the call, within some
    // 200 ms, with what was known before where a disk has no answer.
    virtual void changed(std::function<void(bool)> done) = 0;

    // What came of the last apply(); of none yet, of the start.
    struct LastApply {
        bool successful = true;
        model::WallTime succeeded{};  // the last that was
    };
    virtual LastApply last_apply() const = 0;

    // Each answers once, never from inside the call; where it is a refusal nothing has changed.
    using Done = std::function<void(Expected<ConfigPlan, Refusal>)>;
    virtual void diff(Done done) = 0;
    virtual void apply(const core::Actor& actor, Done done) = 0;
    // From the files as they were read.
    virtual void scale(std::string program, int instances, const core::Actor& actor, Done done) = 0;

    // What no file defines.  The plan has what becomes of that program alone.
    struct NewProgram {
        std::optional<std::string> name;  // one that is_name(); nullopt: after its command
        conf::Value table;                // as of [program.NAME]
    };
    virtual void run(NewProgram program, const core::Actor& actor, Done done) = 0;
    virtual void remove(std::string program, const core::Actor& actor, Done done) = 0;
};

}  // namespace reeve::control
