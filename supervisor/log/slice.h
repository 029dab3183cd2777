#pragma once

#include <memory>
#include <string_view>

namespace reeve::log {

// Bytes as one read brought them, which several sinks may hold on to without a copy.
struct Slice {
    std::shared_ptr<const char[]> memory;
    std::string_view bytes;  // in `memory`

    Slice from(std::size_t offset) const { return {memory, bytes.substr(offset)}; }
    Slice first(std::size_t count) const { return {memory, bytes.substr(0, count)}; }
};

}  // namespace reeve::log
