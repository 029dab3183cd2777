#include "ctl/api/attach.h"

#include <algorithm>

namespace reeve::api {

namespace {

constexpr std::size_t kHead = 4;

void append_number(std::string& out, std::uint64_t number, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
        out += static_cast<char>(static_cast<unsigned char>(number >> shift & 0xFF));
    }
}

std::uint64_t number_of(std::string_view bytes) {
    std::uint64_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
}

}  // namespace

std::string write_frame(AttachFrame type, std::string_view payload) {
    std::string out;
    out.reserve(payload.size() + kHead);
    do {
        const std::string_view part = payload.substr(0, kLongestFrame);
        out += static_cast<char>(type);
        append_number(out, part.size(), kHead - 1);
        out += part;
        payload.remove_prefix(part.size());
    } while (!payload.empty());
    return out;
}

std::string write_count(AttachFrame type, std::uint64_t count) {
    std::string payload;
    append_number(payload, count, 8);
    return write_frame(type, payload);
}

std::string write_window(AttachWindow window) {
    std::string payload;
    append_number(payload, window.rows, 2);
    append_number(payload, window.columns, 2);
    return write_frame(AttachFrame::window, payload);
}

std::optional<AttachWindow> read_window(std::string_view payload) {
    if (payload.size() != 4) return std::nullopt;
    return AttachWindow{static_cast<std::uint16_t>(number_of(payload.substr(0, 2))),
                        static_cast<std::uint16_t>(number_of(payload.substr(2)))};
}

std::optional<std::uint64_t> read_count(std::string_view payload) {
    if (payload.size() != 8) return std::nullopt;
    return number_of(payload);
}

bool AttachReader::feed(std::string_view bytes, const OnFrame& on_frame) {
    if (failed_) return false;
    rest_ += bytes;
    std::string_view left = rest_;
    while (left.size() >= kHead) {
        const std::size_t length = number_of(left.substr(1, kHead - 1));
        if (length > kLongestFrame) {
            failed_ = true;
            rest_.clear();
            return false;
        }
        if (left.size() - kHead < length) break;
        on_frame(static_cast<AttachFrame>(left.front()), left.substr(kHead, length));
        left.remove_prefix(kHead + length);
    }
    rest_.erase(0, rest_.size() - left.size());
    return true;
}

}  // namespace reeve::api
