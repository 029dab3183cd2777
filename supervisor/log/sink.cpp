#include "supervisor/log/sink.h"

namespace reeve::log {

namespace {

constexpr std::size_t kFileQueue = 256 * 1024;

}  // namespace

std::string Prefixing::operator()(std::string_view name) const {
    if (!on) return {};
    std::string prefix{name};
    if (prefix.size() < width) prefix.append(width - prefix.size(), ' ');
    return prefix + " | ";
}

void InheritSink::put(std::string_view lines) {
    const std::string prefix = prefixing_(name_);
    if (prefix.empty()) {
        console_.program_lines(target_, writer_, {}, lines);
        return;
    }
    // The console puts the first one, which an unfinished line of ours doesn't get.
    std::string text;
    text.reserve(lines.size() + lines.size() / 4);
    for (;;) {
        const std::size_t newline = lines.find('\n');
        if (newline == std::string_view::npos || newline + 1 == lines.size()) break;
        text.append(lines.substr(0, newline + 1)).append(prefix);
        lines.remove_prefix(newline + 1);
    }
    text += lines;
    console_.program_lines(target_, writer_, prefix, text);
}

FileSink::FileSink(std::string path, std::optional<Owner> owner, Services services,
                   std::unique_ptr<InheritSink> fallback)
    : services_{std::move(services)},
      target_{std::make_shared<FileTarget>(std::move(path), owner, services_.on_outcome)},
      fallback_{std::move(fallback)} {
    submit();  // so that the file is there, or it is said that it can't be
}

void FileSink::submit() {
    services_.pool.submit(target_);
    if (services_.pool.waiting()) services_.pool_waits();
}

bool FileSink::has_room() {
    return falling_back_ ? fallback_->has_room() : target_->queued() < kFileQueue;
}

void FileSink::put(std::string_view lines) {
    if (falling_back_) {
        fallback_->put(lines);
        if (!std::exchange(retry_armed_, true)) services_.retry_later();
        return;
    }
    target_->queue(lines);
    // After a failed write the next try is timed.
    if (!retry_armed_) submit();
}

bool FileSink::idle() const {
    return target_->queued() == 0;
}

void FileSink::reopen() {
    target_->want_reopen();
    submit();
}

void FileSink::retry() {
    if (std::exchange(retry_armed_, false)) submit();
}

void FileSink::look_at_outcome() {
    const auto outcome = target_->outcome();
    const std::string subject = target_->path() + ": ";

    if (outcome.open_error != 0) {
        falling_back_ = true;
        if (std::exchange(said_, outcome.open_error) != outcome.open_error)
            services_.own_log.warn(services_.name + ": cannot open " + subject +
                                   base::errno_text(outcome.open_error) +
                                   "; its output goes to reeve's stderr until it can be");
        // What was meant for the file follows its fellows.
        const std::string lines = target_->take_queued();
        if (!lines.empty()) fallback_->put(lines);
        return;
    }
    falling_back_ = false;

    if (outcome.write_error != 0) {
        if (std::exchange(said_, outcome.write_error) != outcome.write_error)
            services_.own_log.warn(services_.name + ": cannot write " + subject +
                                   base::errno_text(outcome.write_error) +
                                   "; tried again every second, the program waits meanwhile");
        if (!std::exchange(retry_armed_, true)) services_.retry_later();
        return;
    }
    if (std::exchange(said_, 0) != 0)
        services_.own_log.info(services_.name + ": " + target_->path() + " is written again");
}

}  // namespace reeve::log
