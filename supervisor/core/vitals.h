#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "conf/config.h"
#include "supervisor/model/health.h"
#include "supervisor/model/notification.h"
#include "supervisor/model/state.h"

namespace reeve::core {

// What an instance says of itself, by sd_notify(3), and what its probes and its watchdog say of it.
// All of it is of its present run; only those have it that are asked.
class Vitals {
public:
    static bool has_any(const conf::Program& program) {
        return program.health || program.ready.kind == conf::Readiness::Kind::notify;
    }

    // `program` must have any.
    explicit Vitals(const conf::Program& program);

    // Nothing is known of the new run.
    void begin_run();
    void became_ready(model::TimePoint now);
    // It stops, or has gone; what it said stays to be told.
    void end_watch();

    // When to look at it again by look().
    std::optional<model::TimePoint> due() const;

    // What has come of it that is to be told, or done.
    struct News {
        enum class Kind { none, probe_due, became_healthy, recovered, unhealthy };
        Kind kind = Kind::none;
        std::string text{};  // "3 probes failed: tcp 127.0.0.1:80: Connection refused"
        // unhealthy: for how long it had done its job until then; nullopt: not for all we know.
        std::optional<model::Duration> did_its_job_for{};
    };
    // A probe that is due counts as begun then.
    News look(model::TimePoint now);
    News probed(model::TimePoint now, model::ProbeVerdict verdict, std::string text);
    // But for READY and EXTEND_TIMEOUT_USEC, which are the machine's.
    News notified(model::TimePoint now, const model::Notification& said);

    // nullopt: nobody looks.  `unknown`: nothing was found out yet.
    std::optional<model::Health::State> health() const;
    bool restarts() const { return action_ == conf::HealthAction::restart; }

    // Of what it has said, for the reason of its end: "it said \"no license\", ERRNO 2: No such
    // file or directory"; empty where it said nothing of an error.
    std::string last_words() const;
    // For the NOTE; empty: there is nothing to say.
    std::string note(model::TimePoint now) const;

private:
    News news_of(model::Health::Turn turn, model::TimePoint now) const;
    News missed(model::TimePoint now);

    bool probes_ = false;
    bool watches_ = false;
    conf::HealthAction action_ = conf::HealthAction::restart;
    model::Health health_;
    std::chrono::microseconds watchdog_interval_{0};  // as it is configured
    model::Watchdog watchdog_;
    std::optional<model::TimePoint> ready_since_;
    std::optional<model::TimePoint> last_sign_;  // of life, by the watchdog
    bool has_passed_ = false;
    std::string status_;
    bool reloads_ = false;
    bool stops_ = false;
    std::optional<int> error_number_;
    std::optional<int> exit_status_;
};

std::string_view name_of(model::Health::State state);  // "unknown", "healthy", "unhealthy"

// What a run that is not ready has not done, as far as it is known without a probe: "it has not
// said READY=1"; empty: a probe will tell.
std::string missing_for(const conf::Readiness& ready, int instance);

}  // namespace reeve::core
