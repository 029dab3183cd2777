#include "supervisor/os/oom.h"

#include <charconv>
#include <string>

#include "supervisor/os/kernel_file.h"

namespace reeve::os {
namespace {

constexpr const char* kFile = "/proc/self/oom_score_adj";

}  // namespace

std::optional<int> own_oom_score_adj() {
    const auto text = read_kernel_file(kFile);
    if (!text) return std::nullopt;
    int value = 0;
    const auto [_, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc{}) return std::nullopt;
    return value;
}

std::optional<int> lower_own_oom_score_adj(int wanted) {
    const auto found = own_oom_score_adj();
    if (!found || *found <= wanted) return std::nullopt;
    if (!write_kernel_file(kFile, std::to_string(wanted))) return std::nullopt;
    return found;
}

}  // namespace reeve::os
