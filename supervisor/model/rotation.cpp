#include "supervisor/model/rotation.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace reeve::model {

namespace {

using conf::Compression;
using std::chrono::milliseconds;

constexpr std::string_view kForm = "00000000T000000.000Z";  // a 0: any digit
constexpr std::string_view kUnfinished = ".tmp";

void append_number(std::string& text, std::int64_t number, std::size_t width) {
    const std::string digits = std::to_string(number);
    if (digits.size() < width) text.append(width - digits.size(), '0');
    text += digits;
}

int number_at(std::string_view stamp, std::size_t begin, std::size_t width) {
    int number = 0;
    std::from_chars(stamp.data() + begin, stamp.data() + begin + width, number);
    return number;
}

bool has_form(std::string_view stamp) {
    return std::equal(stamp.begin(), stamp.end(), kForm.begin(), kForm.end(),
                      [](char c, char f) { return f == '0' ? c >= '0' && c <= '9' : c == f; });
}

std::optional<milliseconds> parse_stamp(std::string_view stamp) {
    using namespace std::chrono;
    if (!has_form(stamp)) return std::nullopt;
    const year_month_day date{year{number_at(stamp, 0, 4)},
                              month{static_cast<unsigned>(number_at(stamp, 4, 2))},
                              day{static_cast<unsigned>(number_at(stamp, 6, 2))}};
    const int hour = number_at(stamp, 9, 2);
    const int minute = number_at(stamp, 11, 2);
    const int second = number_at(stamp, 13, 2);
    if (!date.ok() || date.year() < year{1970} || hour > 23 || minute > 59 || second > 59)
        return std::nullopt;
    return sys_days{date}.time_since_epoch() + hours{hour} + minutes{minute} + seconds{second} +
           milliseconds{number_at(stamp, 16, 3)};
}

}  // namespace

std::string_view compression_suffix(Compression compression) {
    switch (compression) {
        case Compression::none:
            return "";
        case Compression::gzip:
            return ".gz";
        case Compression::zstd:
            return ".zst";
    }
    return "";
}

std::string rotated_name(std::string_view name, const RotatedName& rotated) {
    using namespace std::chrono;
    const sys_time<milliseconds> time{std::clamp(rotated.time, milliseconds{0}, kLatestRotation)};
    const auto midnight = floor<days>(time);
    const year_month_day date{midnight};
    const hh_mm_ss clock{time - midnight};

    std::string text{name};
    text += '.';
    append_number(text, static_cast<int>(date.year()), 4);
    append_number(text, static_cast<unsigned>(date.month()), 2);
    append_number(text, static_cast<unsigned>(date.day()), 2);
    text += 'T';
    append_number(text, clock.hours().count(), 2);
    append_number(text, clock.minutes().count(), 2);
    append_number(text, clock.seconds().count(), 2);
    text += '.';
    append_number(text, clock.subseconds().count(), 3);
    text += 'Z';
    text += compression_suffix(rotated.compression);
    if (rotated.unfinished) text += kUnfinished;
    return text;
}

std::optional<RotatedFrom> parse_rotated_name(std::string_view file) {
    RotatedName rotated;
    if (file.ends_with(kUnfinished)) {
        rotated.unfinished = true;
        file.remove_suffix(kUnfinished.size());
    }
    for (const Compression compression : {Compression::gzip, Compression::zstd}) {
        const std::string_view suffix = compression_suffix(compression);
        if (!file.ends_with(suffix)) continue;
        rotated.compression = compression;
        file.remove_suffix(suffix.size());
        break;
    }
    if (file.size() < kForm.size() + 2) return std::nullopt;
    const std::size_t dot = file.size() - kForm.size() - 1;
    const auto time = parse_stamp(file.substr(dot + 1));
    if (file[dot] != '.' || !time) return std::nullopt;
    rotated.time = *time;
    return RotatedFrom{file.substr(0, dot), rotated};
}

std::optional<MovedName> parse_moved_name(std::string_view file, std::string_view name) {
    constexpr std::string_view kDigits = "0123456789";
    constexpr std::size_t kDate = 8;
    if (!file.starts_with(name)) return std::nullopt;
    file.remove_prefix(name.size());
    if (file.empty() || (file.front() != '.' && file.front() != '-')) return std::nullopt;
    const bool is_dated = file.front() == '-';
    file.remove_prefix(1);
    const std::string_view ending = file.substr(
        std::min(file.find_first_not_of(is_dated ? "0123456789-" : kDigits), file.size()));
    file.remove_suffix(ending.size());
    const auto digits = std::count_if(file.begin(), file.end(), [](char c) { return c != '-'; });
    if (digits == 0 || (is_dated && static_cast<std::size_t>(digits) < kDate)) return std::nullopt;

    MovedName moved;
    for (const Compression compression : {Compression::gzip, Compression::zstd})
        if (ending == compression_suffix(compression)) moved.compression = compression;
    moved.is_readable = ending.empty() || moved.compression != Compression::none;
    if (!moved.is_readable && ending != ".xz" && ending != ".bz2") return std::nullopt;
    return moved;
}

milliseconds rotation_time(milliseconds now, std::optional<milliseconds> last) {
    return last ? std::max(now, *last + milliseconds{1}) : now;
}

}  // namespace reeve::model
