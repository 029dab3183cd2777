#include "supervisor/log/inherit_sink.h"

#include <algorithm>
#include <utility>

#include "supervisor/base/error.h"

namespace reeve::log {

std::string Prefixing::operator()(std::string_view name) const {
    if (!on) return {};
    std::string prefix{name};
    if (prefix.size() < width) prefix.append(width - prefix.size(), ' ');
    return prefix + " | ";
}

std::optional<Trouble> InheritSink::trouble() {
    const auto failure = console_.failure(target_);
    if (!failure) return std::nullopt;
    return Trouble{.effect = Trouble::Effect::waits,
                   .place = place(),
                   .reason = base::errno_text(failure->error),
                   .since = as_time_point(failure->since)};
}

void InheritSink::put(const Record& record) {
    if (batch_.empty()) {
        batch_ = scratch_.take();
        // The console puts the first one, which an unfinished line of ours doesn't get.
        prefix_ = is_raw_ ? prefixing_(name_) : std::string{};
    } else if (record.begins) {
        batch_ += prefix_;
    }
    format_.append(batch_, record);
}

void InheritSink::flush() {
    if (batch_.empty()) return;
    console_.program_lines(target_, writer_, prefix_, batch_);
    scratch_.give_back(std::exchange(batch_, {}));
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
