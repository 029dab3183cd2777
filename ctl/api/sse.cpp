#include "ctl/api/sse.h"

#include <utility>

namespace reeve::api {

void SseReader::feed(std::string_view bytes) {
    for (const char c : bytes) {
        if (c == '\n' && std::exchange(after_cr_, false)) continue;
        after_cr_ = c == '\r';
        if (c == '\n' || c == '\r')
            end_line();
        else
            line_ += c;
    }
}

void SseReader::end_line() {
    const std::string line = std::exchange(line_, {});
    if (line.empty()) {
        const std::string data = std::exchange(data_, {});
        if (std::exchange(has_data_, false)) on_data_(data);
        return;
    }
    std::string_view rest = line;
    constexpr std::string_view kField = "data";
    if (rest.substr(0, kField.size()) != kField) return;
    rest.remove_prefix(kField.size());
    if (!rest.empty() && rest[0] != ':') return;
    if (!rest.empty()) rest.remove_prefix(1);
    if (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
    if (has_data_) data_ += '\n';
    data_ += rest;
    has_data_ = true;
}

}  // namespace reeve::api
