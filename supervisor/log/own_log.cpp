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

#include <deque>
#include <mutex>
#include <utility>

#include "supervisor/base/error.h"
#include "supervisor/log/format.h"
#include "supervisor/log/own_writer.h"

namespace reeve::log {

namespace {

constexpr std::size_t kKept = 64 * 1024;

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

std::string_view name_of(Level level) {
    const auto name = spdlog::level::to_string_view(to_spdlog(level));
    return {name.data(), name.size()};
}

Level from_spdlog(spdlog::level::level_enum level) {
    for (const Level ours : {Level::trace, Level::debug, Level::info, Level::warn})
        if (to_spdlog(ours) == level) return ours;
    return Level::error;
}

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

// The object, or one with the time, and level and message at its end.
std::string json_line(WallTime time, Level level, std::string_view message,
                      std::string_view object) {
    std::string line;
    if (object.starts_with('{') && object.ends_with('}') && object.size() > 2) {
        line = object.substr(0, object.size() - 1);
    } else {
        line = R"({"time":")";
        append_time(line, time);
        line += '"';
    }
    line += R"(,"level":")";
    line += name_of(level);
    line += R"(","message":)";
    const bool utf8 = append_json_string(line, message);
    if (!utf8) line += R"(,"encoding":"latin-1")";
    line += '}';
    return line;
}

std::string dropped_message(std::uint64_t lines) {
    return std::to_string(lines) + (lines == 1 ? " line" : " lines") +
           " of reeve's own log dropped: its stderr did not take them";
}

WallTime wall_time(spdlog::log_clock::time_point time) {
    return std::chrono::duration_cast<WallTime>(time.time_since_epoch());
}

}  // namespace

// What spdlog's logger hands its lines to: memory, and the target.
struct OwnLog::State final : spdlog::sinks::base_sink<std::mutex> {
    State(Console& given_console, conf::LogFormat format)
        : base_sink{make_formatter()},
          console{given_console},
          json{format == conf::LogFormat::json} {}

    // What a line brings beside what spdlog knows of it.
    struct Extra {
        std::string_view message;
        std::string_view object;
    };
    static thread_local Extra extra;

    void write(Level level, const Extra& given) {
        const std::string text = neutral(given.message);
        extra = given;
        logger->log(to_spdlog(level), spdlog::string_view_t{text.data(), text.size()});
        extra = {};
        const std::lock_guard lock{callback_mutex};
        if (on_line) on_line();
    }

    // What the writer itself has to say, to bring it where it can.
    OwnEntry say(Level level, std::string_view message) {
        OwnEntry entry;
        {
            const std::string text = neutral(message);
            const std::lock_guard lock{mutex_};
            entry = make_entry({spdlog::string_view_t{}, to_spdlog(level),
                                spdlog::string_view_t{text.data(), text.size()}},
                               {.message = message, .object = {}});
        }
        const std::lock_guard lock{callback_mutex};
        if (on_line) on_line();
        return entry;
    }

    void sink_it_(const spdlog::details::log_msg& message) override {
        OwnEntry entry = make_entry(message, extra);
        if (writer) {
            writer->put(std::move(entry));
        } else {
            console.own_line(entry.line);
        }
    }
    void flush_() override {}

    // Under the mutex.
    OwnEntry make_entry(const spdlog::details::log_msg& message, const Extra& given) {
        OwnEntry entry;
        entry.time = wall_time(message.time);
        entry.level = from_spdlog(message.level);
        if (json) {
            entry.line = json_line(entry.time, entry.level, given.message, given.object);
        } else {
            spdlog::memory_buf_t text;
            formatter_->format(message, text);
            entry.line = view(text);
            entry.message_at = entry.line.size() - message.payload.size();
        }
        keep({.number = ++last_number,
              .time = entry.time,
              .level = entry.level,
              .text = {message.payload.data(), message.payload.size()}});
        return entry;
    }

    void keep(OwnLine line) {
        kept_bytes += sizeof(OwnLine) + line.text.size();
        kept.push_back(std::move(line));
        while (kept_bytes > kKept && kept.size() > 1) {
            kept_bytes -= sizeof(OwnLine) + kept.front().text.size();
            kept.pop_front();
        }
    }

    std::mutex& mutex() { return mutex_; }

    Console& console;
    const bool json;
    std::deque<OwnLine> kept;
    std::size_t kept_bytes = 0;
    std::uint64_t last_number = 0;

    std::mutex callback_mutex;
    std::function<void()> on_line;

    std::unique_ptr<spdlog::logger> logger;
    std::unique_ptr<OwnWriter> writer;  // none: the console
};

thread_local OwnLog::State::Extra OwnLog::State::extra;

OwnLog::OwnLog(Console& console, Level level) : OwnLog{console, Options{.level = level}} {}

OwnLog::OwnLog(Console& console, Options options)
    : state_{std::make_unique<State>(console, options.format)} {
    // spdlog wants to share its sinks; this one outlives the logger that it has.
    state_->logger = std::make_unique<spdlog::logger>(
        "", std::shared_ptr<State>{std::shared_ptr<void>{}, state_.get()});
    // Its own words would go to stderr, and wait there.
    state_->logger->set_error_handler([](const std::string&) {});
    set_level(options.level);

    auto target = make_own_target(
        options.target, {.syslog = options.syslog_socket, .journal = options.journal_socket});
    if (!target) return;
    const std::string path = target->path();
    auto writer = OwnWriter::start(
        {.target = std::move(target),
         .elsewhere = [&console](std::string_view line) { console.own_line(line); },
         .say = [state = state_.get()](
                    Level level, std::string_view message) { return state->say(level, message); }});
    if (writer) {
        const std::lock_guard lock{state_->mutex()};
        state_->writer = std::move(*writer);
    } else {
        error("reeve's own log cannot be written to " + path + ": " + writer.error().text() +
              "; it goes to stderr");
    }
}

OwnLog::~OwnLog() = default;

void OwnLog::set_level(Level level) {
    state_->logger->set_level(to_spdlog(level));
}

bool OwnLog::enabled(Level level) const {
    return state_->logger->should_log(to_spdlog(level));
}

bool OwnLog::wants_objects() const {
    return state_->json;
}

void OwnLog::write(Level level, std::string_view message, std::string_view object) {
    if (enabled(level)) state_->write(level, {.message = message, .object = object});
}

std::vector<OwnLine> OwnLog::lines_after(std::uint64_t after) const {
    const std::lock_guard lock{state_->mutex()};
    const auto& kept = state_->kept;
    const std::uint64_t first = state_->last_number - kept.size() + 1;
    const std::uint64_t skip =
        after < first ? 0 : std::min<std::uint64_t>(after - first + 1, kept.size());
    return {kept.begin() + static_cast<std::ptrdiff_t>(skip), kept.end()};
}

void OwnLog::on_line(std::function<void()> callback) {
    const std::lock_guard lock{state_->callback_mutex};
    state_->on_line = std::move(callback);
}

void OwnLog::reopen() {
    if (state_->writer) state_->writer->reopen();
}

std::optional<Trouble> OwnLog::trouble() const {
    return state_->writer ? state_->writer->trouble() : std::nullopt;
}

bool OwnLog::stop(std::chrono::milliseconds at_most) {
    return !state_->writer || state_->writer->stop(at_most);
}

std::string OwnLog::dropped_text(std::uint64_t lines) {
    const std::string text = dropped_message(lines);
    spdlog::memory_buf_t formatted;
    make_formatter()->format({spdlog::string_view_t{}, spdlog::level::warn,
                              spdlog::string_view_t{text.data(), text.size()}},
                             formatted);
    return std::string{view(formatted)};
}

std::string OwnLog::dropped_text_json(std::uint64_t lines) {
    return json_line(wall_time(spdlog::log_clock::now()), Level::warn, dropped_message(lines), {});
}

}  // namespace reeve::log
