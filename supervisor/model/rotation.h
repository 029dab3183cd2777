#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "conf/config.h"

namespace reeve::model {

// What a log file was renamed to when the next one was begun, for good: NAME.20261122T101700.120Z,
// the UTC time of the rotation, with .zst or .gz behind it once it is compressed.
struct RotatedName {
    std::chrono::milliseconds time{0};  // since 1970
    conf::Compression compression = conf::Compression::none;
    bool unfinished = false;  // being compressed into, or left behind by who was

    bool operator==(const RotatedName&) const = default;
};

// "web.log.20261122T101700.120Z.zst".  Of times from 1970 to 9999: see kLatestRotation.
std::string rotated_name(std::string_view name, const RotatedName& rotated);

inline constexpr std::chrono::milliseconds kLatestRotation{253'402'300'799'999};

// ".zst", ".gz" or nothing.
std::string_view compression_suffix(conf::Compression compression);

struct RotatedFrom {
    std::string_view name;  // of the log file, in `file`
    RotatedName rotated;
};

// The inverse; nullopt for what is none.
std::optional<RotatedFrom> parse_rotated_name(std::string_view file);

// What others than reeve, logrotate above all, rename NAME to: NAME.1 or NAME-20261122, perhaps
// with the ending of a compressor.  nullopt for what is none.
struct MovedName {
    conf::Compression compression = conf::Compression::none;
    bool is_readable = true;  // or by a compressor that is none of ours: .xz, .bz2
};
std::optional<MovedName> parse_moved_name(std::string_view file, std::string_view name);

// When a rotation at `now` is said to be, after one at `last`: later in any case, though the clock
// may stand still or step back.
std::chrono::milliseconds rotation_time(std::chrono::milliseconds now,
                                        std::optional<std::chrono::milliseconds> last);

}  // namespace reeve::model
