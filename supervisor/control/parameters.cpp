#include "supervisor/control/parameters.h"

#include <algorithm>
#include <charconv>

#include "conf/units.h"
#include "ctl/api/messages.h"

namespace reeve::control {

Refusal unknown_parameter(std::string_view name, std::initializer_list<std::string_view> known) {
    std::string hint = known.size() == 0 ? "this call takes none" : "there are ";
    bool first = true;
    for (const std::string_view one : known) {
        if (!std::exchange(first, false)) hint += ", ";
        hint += one;
    }
    return {api::kBadRequest, "unknown parameter \"" + std::string{name} + "\"", hint, {}};
}

Refusal bad_parameter(std::string_view name, std::string_view value, std::string_view expected) {
    return {api::kBadRequest,
            std::string{name} + " can't be \"" + std::string{value} + "\"",
            std::string{name} + " is " + std::string{expected},
            {}};
}

std::optional<Refusal> check_parameters(const api::Request& request,
                                        std::initializer_list<std::string_view> known) {
    for (const auto& [name, value] : request.query) {
        if (std::ranges::find(known, name) == known.end()) return unknown_parameter(name, known);
    }
    return std::nullopt;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<bool> parse_bool(std::string_view text) {
    if (text.empty() || text == "1" || text == "true") return true;
    if (text == "0" || text == "false") return false;
    return std::nullopt;
}

std::optional<model::WallTime> parse_moment(std::string_view text, model::WallTime now) {
    if (const auto moment = api::parse_timestamp(text)) return *moment;
    if (text.size() == std::string_view{"2026-11-22T10:17:00Z"}.size() && text.back() == 'Z') {
        return api::parse_timestamp(std::string{text.substr(0, text.size() - 1)} + ".000Z");
    }
    if (const auto seconds = parse_number(text)) {
        // Beyond that the sum would not fit; a thousand years is late enough.
        constexpr std::uint64_t kLatest = 32'503'680'000;
        return model::WallTime{std::chrono::seconds{std::min(*seconds, kLatest)}};
    }
    if (const auto ago = conf::parse_duration(text)) return now - *ago;
    return std::nullopt;
}

Expected<LogWindow, Refusal> read_log_window(const api::Request& request,
                                             std::initializer_list<std::string_view> known,
                                             model::WallTime now) {
    const auto bad = [](std::string_view name, std::string_view value, std::string_view expected) {
        return Unexpected<Refusal>{bad_parameter(name, value, expected)};
    };
    if (auto refusal = check_parameters(request, known)) return Unexpected<Refusal>{*refusal};

    LogWindow window;
    if (const auto lines = request.parameter("lines")) {
        const auto number = parse_number(*lines);
        if (*lines == "all") {
            window.lines = std::nullopt;
        } else if (number) {
            window.lines = static_cast<std::size_t>(*number);
        } else {
            return bad("lines", *lines, "a number, or \"all\"");
        }
    }
    constexpr std::string_view kMoment =
        "a time such as 2026-11-22T10:17:00Z, or how long ago: 10m";
    if (const auto since = request.parameter("since")) {
        window.since = parse_moment(*since, now);
        if (!window.since) return bad("since", *since, kMoment);
        // All of it, unless a number was named.
        if (!request.parameter("lines")) window.lines = std::nullopt;
    }
    if (const auto until = request.parameter("until")) {
        window.until = parse_moment(*until, now);
        if (!window.until) return bad("until", *until, kMoment);
    }
    for (const auto& [name, value] :
         {std::pair{"follow", &window.follow}, std::pair{"present", &window.present}}) {
        const auto text = request.parameter(name);
        if (!text) continue;
        const auto truth = parse_bool(*text);
        if (!truth) return bad(name, *text, "\"true\" or \"false\"");
        *value = *truth;
    }
    return window;
}

}  // namespace reeve::control
