#include "supervisor/control/own_log_stream.h"

#include <optional>

#include "ctl/api/messages.h"
#include "supervisor/control/parameters.h"
#include "supervisor/log/format.h"

namespace reeve::control {

namespace {

std::string_view name_of(log::Level level) {
    switch (level) {
        case log::Level::trace:
            return "trace";
        case log::Level::debug:
            return "debug";
        case log::Level::info:
            return "info";
        case log::Level::warn:
            return "warn";
        case log::Level::error:
            return "error";
    }
    return "info";
}

class OwnLogJob final : public Job {
public:
    OwnLogJob(World& world, Exchange& exchange, const LogWindow& window, bool ndjson)
        : world_{world}, exchange_{exchange}, window_{window}, ndjson_{ndjson} {}

    void send_past() {
        std::vector<log::OwnLine> lines = world_.logs.own_lines(0);
        if (!lines.empty()) last_ = lines.back().number;
        std::erase_if(lines, [this](const log::OwnLine& line) { return !is_wanted(line); });
        if (window_.lines && lines.size() > *window_.lines)
            lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(*window_.lines));
        std::string text;
        for (const log::OwnLine& line : lines)
            append(text, line.time, name_of(line.level), line.text);
        if (window_.follow && window_.present) text += '\n';
        if (!text.empty()) exchange_.send(text);
    }

    void follow() {
        watch_ = world_.logs.watch_own([this] { resume(); });
        resume();
    }

    // Who doesn't read is given later what memory then still has.
    void resume() override {
        if (!watch_ || !exchange_.has_room()) return;
        std::string text;
        for (const log::OwnLine& line : world_.logs.own_lines(last_)) {
            if (line.number > last_ + 1) {
                const std::uint64_t missing = line.number - last_ - 1;
                append(text, line.time, "warn",
                       std::to_string(missing) + (missing == 1 ? " line is" : " lines are") +
                           " missing here");
            }
            last_ = line.number;
            append(text, line.time, name_of(line.level), line.text);
        }
        if (!text.empty()) exchange_.send(text);
    }

private:
    bool is_wanted(const log::OwnLine& line) const {
        const model::WallTime time{line.time};
        return !(window_.since && time < *window_.since) &&
               !(window_.until && time > *window_.until);
    }

    void append(std::string& out, log::WallTime time, std::string_view level,
                std::string_view message) const {
        if (ndjson_) {
            out += R"({"time":")";
            log::append_time(out, time);
            out += R"(","level":")";
            out += level;
            out += R"(","message":)";
            log::append_json_string(out, message);
            out += "}\n";
            return;
        }
        log::append_time(out, time);
        out += ' ';
        out += level;
        out.append(level.size() < 5 ? 6 - level.size() : 1, ' ');
        out += message;
        out += '\n';
    }

    World& world_;
    Exchange& exchange_;
    const LogWindow window_;
    const bool ndjson_;
    std::uint64_t last_ = 0;
    std::unique_ptr<LogSource::OwnWatch> watch_;
};

}  // namespace

std::unique_ptr<Job> stream_own_log(World& world, Exchange& exchange) {
    const api::Request& request = exchange.request();
    auto wish = read_log_window(request, {"lines", "since", "until", "follow", "present"},
                                world.host.wall_now());
    if (!wish) {
        exchange.refuse(wish.error());
        return nullptr;
    }
    const auto accept = request.header("accept");
    const bool ndjson = accept && accept->find(api::kNdjsonType) != std::string_view::npos;
    exchange.begin_stream(ndjson ? api::kNdjsonType : api::kTextType,
                          wish->follow ? Exchange::Length::endless : Exchange::Length::finite);
    auto job = std::make_unique<OwnLogJob>(world, exchange, *wish, ndjson);
    job->send_past();
    if (wish->follow) {
        job->follow();
        return job;
    }
    exchange.end_stream();
    return nullptr;
}

}  // namespace reeve::control
