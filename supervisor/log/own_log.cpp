#include "supervisor/log/own_log.h"

// spdlog stays in this file: it is large, and only its logger and its formatter are used.  Its
// registry, its default logger and its thread pool (3 MiB) are never touched.
#define FMT_HEADER_ONLY
#define SPDLOG_FMT_EXTERNAL
#define SPDLOG_NO_THREAD_ID
#define SPDLOG_LEVEL_NAMES \
    { "trace", "debug", "info", "warn", "error", "critical", "off" }
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <mutex>

namespace reeve::log {

namespace {

constexpr const char* kPattern = "%Y-%m-%dT%H:%M:%S.%eZ %-5l %v";

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::trace:
            return spdlog::level::trace;
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warn:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::unique_ptr<spdlog::pattern_formatter> make_formatter() {
    return std::make_unique<spdlog::pattern_formatter>(kPattern, spdlog::pattern_time_type::utc,
                                                       std::string{});
}

std::string_view view(const spdlog::memory_buf_t& buffer) {
    return {buffer.data(), buffer.size()};
}

class ConsoleSink final : public spdlog::sinks::base_sink<std::mutex> {
public:
    explicit ConsoleSink(Console& console) : base_sink{make_formatter()}, console_{console} {}

private:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t text;
        formatter_->format(message, text);
        console_.own_line(view(text));
    }
    void flush_() override {}

    Console& console_;
};

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

// One line, and nothing that a terminal obeys.
std::string neutral(std::string_view message) {
    constexpr std::string_view kHex = "0123456789abcdef";
    std::string text;
    text.reserve(message.size());
    // U+0080 to U+009F are control characters too, and in UTF-8 they begin with 0xc2.
    bool second_of_control = false;
    for (std::size_t index = 0; index < message.size(); ++index) {
        const char c = message[index];
        const auto byte = static_cast<unsigned char>(c);
        const bool first_of_control = byte == 0xc2 && index + 1 < message.size() &&
                                      static_cast<unsigned char>(message[index + 1]) < 0xa0;
        if (c == '\n') {
            text += "\\n";
        } else if (c == '\t') {
            text += "\\t";
        } else if (is_control(c) || first_of_control || second_of_control) {
            text += "\\x";
            text += kHex[byte >> 4];
            text += kHex[byte & 15];
        } else {
            text += c;
        }
        second_of_control = first_of_control;
    }
    return text;
}

}  // namespace

struct OwnLog::Logger {
    explicit Logger(Console& console) : spdlog{"", std::make_shared<ConsoleSink>(console)} {}

    spdlog::logger spdlog;
};

OwnLog::OwnLog(Console& console, Level level) : logger_{std::make_unique<Logger>(console)} {
    set_level(level);
}

OwnLog::~OwnLog() = default;

void OwnLog::set_level(Level level) {
    logger_->spdlog.set_level(to_spdlog(level));
}

bool OwnLog::enabled(Level level) const {
    return logger_->spdlog.should_log(to_spdlog(level));
}

void OwnLog::write(Level level, std::string_view message) {
    if (!enabled(level)) return;
    const std::string text = neutral(message);
    logger_->spdlog.log(to_spdlog(level), spdlog::string_view_t{text.data(), text.size()});
}

std::string OwnLog::dropped_text(std::uint64_t lines) {
    const std::string text = std::to_string(lines) + (lines == 1 ? " line" : " lines") +
                             " of reeve's own log dropped: its stderr did not take them";
    spdlog::memory_buf_t formatted;
    make_formatter()->format({spdlog::string_view_t{}, spdlog::level::warn,
                              spdlog::string_view_t{text.data(), text.size()}},
                             formatted);
    return std::string{view(formatted)};
}

}  // namespace reeve::log
