#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "ctl/api/http.h"
#include "supervisor/base/expected.h"
#include "supervisor/control/router.h"
#include "supervisor/model/state.h"

// The values of a query string.
namespace reeve::control {

Refusal unknown_parameter(std::string_view name, std::initializer_list<std::string_view> known);
Refusal bad_parameter(std::string_view name, std::string_view value, std::string_view expected);

// The first parameter that is none of `known`: nothing is accepted and ignored.
std::optional<Refusal> check_parameters(const api::Request& request,
                                        std::initializer_list<std::string_view> known);

std::optional<std::uint64_t> parse_number(std::string_view text);

// "true", "1" and nothing at all ("?follow") are true; "false" and "0" are false.
std::optional<bool> parse_bool(std::string_view text);

// A moment: "2026-11-22T10:17:00.120Z" (the fraction may be left out), seconds since 1970, or how
// long ago, "10m".
std::optional<model::WallTime> parse_moment(std::string_view text, model::WallTime now);

// Which lines of a log are wanted, by the parameters of these names.
struct LogWindow {
    std::optional<std::size_t> lines = 100;  // the last so many; nullopt: all
    std::optional<model::WallTime> since{};
    std::optional<model::WallTime> until{};
    bool follow = false;
    bool present = false;  // an empty line between what was and what comes
};

// `known`: what the call takes.
Expected<LogWindow, Refusal> read_log_window(const api::Request& request,
                                             std::initializer_list<std::string_view> known,
                                             model::WallTime now);

}  // namespace reeve::control
