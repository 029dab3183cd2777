#include "supervisor/log/inherit_sink.h"

#include "supervisor/log/format.h"

namespace reeve::log {

std::string Prefixing::operator()(std::string_view name) const {
    if (!on) return {};
    std::string prefix{name};
    if (prefix.size() < width) prefix.append(width - prefix.size(), ' ');
    return prefix + " | ";
}

void InheritSink::put(const Record& record) {
    switch (format_) {
        case conf::LogFormat::raw:
            // The console puts the first one, which an unfinished line of ours doesn't get.
            if (batch_.empty()) {
                prefix_ = prefixing_(name_);
            } else if (record.begins) {
                batch_ += prefix_;
            }
            return append_raw(batch_, record);
        case conf::LogFormat::text:
            return append_text(batch_, record);
        case conf::LogFormat::json:
            return append_json(batch_, record);
    }
}

void InheritSink::flush() {
    if (batch_.empty()) return;
    console_.program_lines(target_, writer_, prefix_, batch_);
    std::string{}.swap(batch_);
}

void InheritSink::put_lines(std::string_view lines) {
    flush();
    prefix_ = prefixing_(name_);
    while (!lines.empty()) {
        const std::size_t newline = std::min(lines.find('\n'), lines.size() - 1);
        if (!batch_.empty()) batch_ += prefix_;
        batch_ += lines.substr(0, newline + 1);
        lines.remove_prefix(newline + 1);
    }
    flush();
}

}  // namespace reeve::log
