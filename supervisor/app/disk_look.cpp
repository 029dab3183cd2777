#include "supervisor/app/disk_look.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "supervisor/app/ask_apart.h"

namespace reeve::app {

namespace {

using conf::Found;

// An answer on its way: a letter for the kind, and the identity.
constexpr std::array kKinds{Found::Kind::unknown, Found::Kind::nothing, Found::Kind::directory,
                            Found::Kind::socket, Found::Kind::other};

std::string to_answer(const Found& found) {
    const auto kind = std::ranges::find(kKinds, found.kind) - kKinds.begin();
    return static_cast<char>('0' + kind) + found.identity;
}

Found from_answer(std::string_view answer) {
    if (answer.empty()) return {};
    const auto kind = static_cast<std::size_t>(answer.front() - '0');
    if (kind >= kKinds.size()) return {};
    return {kKinds[kind], std::string{answer.substr(1)}};
}

}  // namespace

DiskLook look_at_disk(const std::vector<std::string>& paths, std::chrono::milliseconds patience,
                      const std::function<Found(const std::string&)>& look_at) {
    DiskLook look;
    const auto answers = ask_apart(paths.size(), patience,
                                   [&](std::size_t i) { return to_answer(look_at(paths[i])); });
    for (const std::string& answer : answers) look.found.push_back(from_answer(answer));
    look.unanswered.assign(paths.begin() + static_cast<std::ptrdiff_t>(look.found.size()),
                           paths.end());
    look.found.resize(paths.size());
    return look;
}

}  // namespace reeve::app
