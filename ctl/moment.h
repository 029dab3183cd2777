#pragma once

#include <optional>
#include <string_view>

#include "ctl/api/messages.h"

namespace reeve::ctl {

// What parse_moment() takes, for a message.
constexpr std::string_view kMomentForms =
    "write how long ago, such as 5m, 1h30m or '2 hours ago', or a time, which is UTC unless it "
    "says "
    "otherwise: now, today, yesterday, 10:17, 2026-11-22, '2026-11-22 10:17', "
    "2026-11-22T10:17:00Z, "
    "2026-11-22T12:17:00+02:00 or @1795342620";

// A time as people type and paste it.  How long ago: "5m", "-5m", "5min", "1h30m", "1 hour ago".
// A moment, in UTC like all times that reeve shows: "now", "today", "yesterday", "10:17",
// "2026-11-22", "2026-11-22 10:17", what reeve itself writes into lines and into the names of
// rotated files, and what date prints with -Is, -Ins, --rfc-3339, +%s and +@%s; the hours from UTC
// that they have behind them, "Z", "UTC", "+02:00", "+0200" or "+02", are heeded.
std::optional<api::Timestamp> parse_moment(std::string_view text, api::Timestamp now);

}  // namespace reeve::ctl
