#include <poll.h>
#include <regex.h>

#include <algorithm>
#include <deque>
#include <list>
#include <memory>

#include "conf/units.h"
#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// A POSIX extended regular expression.
class Pattern {
public:
    static Expected<Pattern, std::string> compile(const std::string& text) {
        Pattern pattern;
        pattern.compiled_ = std::make_unique<regex_t>();
        const int error = regcomp(pattern.compiled_.get(), text.c_str(), REG_EXTENDED | REG_NOSUB);
        if (error == 0) return pattern;
        char why[256];
        regerror(error, pattern.compiled_.get(), why, sizeof why);
        pattern.compiled_.reset();  // regcomp(3): nothing to free then
        return Unexpected<std::string>{why};
    }
    Pattern(Pattern&&) = default;
    Pattern& operator=(Pattern&&) = default;
    ~Pattern() {
        if (compiled_) regfree(compiled_.get());
    }

    bool matches(const std::string& line) const {
        return regexec(compiled_.get(), line.c_str(), 0, nullptr, 0) == 0;
    }

private:
    Pattern() = default;
    std::unique_ptr<regex_t> compiled_;
};

// "5m" before now, or a time with or without its milliseconds.
std::optional<api::Timestamp> parse_moment(const std::string& text, api::Timestamp now) {
    if (const auto ago = conf::parse_duration(text)) return now - *ago;
    if (const auto time = api::parse_timestamp(text)) return time;
    if (!text.empty() && text.back() == 'Z') {
        return api::parse_timestamp(text.substr(0, text.size() - 1) + ".000Z");
    }
    return std::nullopt;
}

// The times that the flags name.
struct Span {
    std::optional<api::Timestamp> since;
    std::optional<api::Timestamp> until;
};

std::string query(const Options::Logs& logs, const Span& span, std::optional<std::int64_t> run) {
    std::string text = "?lines=";
    // What does not match must not count: then all is asked for and the last are taken here.
    const bool all = !logs.lines || (!logs.grep.empty() && !logs.follow);
    text += all ? "all" : std::to_string(*logs.lines);
    if (span.since) text += "&since=" + api::percent_encode(api::to_text(*span.since));
    if (span.until) text += "&until=" + api::percent_encode(api::to_text(*span.until));
    if (logs.follow) text += "&follow=true";
    if (logs.only_stdout) text += "&stream=stdout";
    if (logs.only_stderr) text += "&stream=stderr";
    if (run) text += "&run=" + std::to_string(*run);
    return text;
}

// A line as it came and what it says.
struct Received {
    std::string json;
    api::LogLine line;
};

class LogReader {
public:
    LogReader(const Session& session, LogScreen screen, std::optional<Pattern> pattern)
        : session_{session}, screen_{std::move(screen)}, pattern_{std::move(pattern)} {}

    // Bytes of JSON lines from one of the connections, whose unfinished line is kept in `rest`.
    void feed(std::string& rest, std::string_view bytes) {
        rest += bytes;
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = rest.find('\n', begin)) != std::string::npos;
             begin = end + 1) {
            if (end > begin) take(std::string_view{rest}.substr(begin, end - begin));
        }
        rest.erase(0, begin);
        flush();
    }

    // The lines of several connections in the order of time, and of these the last that were asked
    // for.
    void print_kept() {
        std::stable_sort(kept_.begin(), kept_.end(), [](const Received& a, const Received& b) {
            return a.line.time && b.line.time && *a.line.time < *b.line.time;
        });
        const std::optional<std::int64_t> wanted = session_.options.logs.lines;
        std::size_t first = 0;
        if (wanted && kept_.size() > static_cast<std::size_t>(*wanted)) {
            first = kept_.size() - static_cast<std::size_t>(*wanted);
        }
        for (std::size_t i = first; i < kept_.size(); ++i) print(kept_[i]);
        kept_.clear();
        flush();
    }

    bool has_reader() const { return has_reader_; }
    const std::string& undecodable() const { return undecodable_; }

private:
    void take(std::string_view json) {
        auto line = api::from_json<api::LogLine>(json);
        if (!line) {
            undecodable_ = line.error().text;
            return;
        }
        if (pattern_ && !pattern_->matches(line->line)) return;
        Received received{std::string{json}, *std::move(line)};
        if (session_.options.logs.follow)
            print(received);
        else
            kept_.push_back(std::move(received));
    }

    void print(const Received& received) {
        out_ += session_.options.json ? received.json + "\n" : screen_.line(received.line);
        if (out_.size() > 64 * 1024) flush();
    }

    void flush() {
        if (!out_.empty() && has_reader_) has_reader_ = session_.print(out_);
        out_.clear();
    }

    const Session& session_;
    LogScreen screen_;
    std::optional<Pattern> pattern_;
    std::vector<Received> kept_;
    std::string out_;
    bool has_reader_ = true;
    std::string undecodable_;
};

// One connection and the beginning of the line that is still to come.
struct Source {
    std::string rest;
    std::optional<Exchange> exchange;
    bool ended = false;
};

// Waits until any of them has something and takes it.  False: the time is over.
bool pump_any(std::list<Source>& sources) {
    std::vector<pollfd> polled;
    int timeout = -1;
    for (const Source& source : sources) {
        if (source.ended) continue;
        polled.push_back({source.exchange->fd(), POLLIN, 0});
        timeout = source.exchange->time_left();  // all began together
    }
    if (polled.empty()) return true;
    if (poll(polled.data(), polled.size(), timeout) == 0) return false;
    for (Source& source : sources) {
        if (!source.ended) source.ended = source.exchange->pump() == Exchange::Progress::ended;
    }
    return true;
}

Failure no_time(const std::string& flag, const std::string& text) {
    return {Exit::usage, flag + ": '" + text + "' is no time",
            "write a duration such as 5m, or a time such as 2026-11-22T10:17:00Z"};
}

struct Wanted {
    std::string target;
    std::optional<std::int64_t> run;
};

// What to ask for.  With --previous each instance has a run of its own: of one that is up the run
// before, of one that is down its last.
Expected<std::vector<Wanted>, Failure> requests(const Options& options,
                                                const std::vector<api::ProgramStatus>& selected) {
    std::vector<Wanted> wanted;
    if (!options.logs.previous) {
        for (const std::string& target : options.targets) {
            wanted.push_back({target, options.logs.run});
        }
        if (wanted.empty()) wanted.push_back({"*", options.logs.run});
        return wanted;
    }
    for (const api::ProgramStatus& instance : selected) {
        if (!instance.run) continue;
        const std::int64_t run = *instance.run - (instance.pid ? 1 : 0);
        if (run >= 1) wanted.push_back({instance.name, run});
    }
    if (!wanted.empty() || selected.empty()) return wanted;
    return Unexpected<Failure>{{Exit::no_such_name, "no run has ended yet",
                                "'reevectl logs' without --previous shows the present one"}};
}

// Where `stderr` is merged into `stdout`, the default, there is nothing to see under --stderr: says
// of whom that is so.
void explain_merged(const Session& session, const std::vector<api::ProgramStatus>& selected) {
    std::vector<std::string> asked;
    std::string names;
    for (const api::ProgramStatus& instance : selected) {
        const std::string& name = instance.program;
        if (std::find(asked.begin(), asked.end(), name) != asked.end()) continue;
        asked.push_back(name);
        const auto card =
            session.client.ask<api::ProgramCard>(session.question(program_path(name)));
        if (!card) continue;  // the logs themselves are what was asked for
        const bool is_apart = std::any_of(
            card->config.begin(), card->config.end(), [](const api::ConfigEntry& entry) {
                return entry.key == "stderr" && entry.value != "\"stdout\"";
            });
        if (!is_apart) names += (names.empty() ? "" : ", ") + name;
    }
    if (names.empty()) return;
    session.world.err(
        "reevectl: " + names +
        ": stderr goes into stdout (stderr = \"stdout\", the default): look there, or "
        "set another 'stderr'\n");
}

}  // namespace

Exit logs_verb(const Session& session) {
    const Options::Logs& logs = session.options.logs;
    Span span;
    if (!logs.since.empty()) {
        span.since = parse_moment(logs.since, session.world.now());
        if (!span.since) return session.fail(no_time("--since", logs.since));
    }
    if (!logs.until.empty()) {
        span.until = parse_moment(logs.until, session.world.now());
        if (!span.until) return session.fail(no_time("--until", logs.until));
    }
    std::optional<Pattern> pattern;
    if (!logs.grep.empty()) {
        auto compiled = Pattern::compile(logs.grep);
        if (!compiled) {
            return session.fail(
                {Exit::usage,
                 "--grep: '" + logs.grep + "' is no regular expression: " + compiled.error(), ""});
        }
        pattern = *std::move(compiled);
    }

    const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
    if (!status) return session.fail(status.error());
    const auto selected = select(*status, session.options.targets);
    if (!selected) return session.fail(selected.error());
    if (logs.only_stderr && !session.options.quiet) explain_merged(session, *selected);
    std::size_t name_width = 0;
    for (const api::ProgramStatus& instance : *selected) {
        name_width = std::max(name_width, display_width(instance.name));
    }
    LogReader reader{session,
                     LogScreen{{.prefix = selected->size() > 1 && !logs.no_prefix,
                                .name_width = name_width,
                                .timestamps = logs.timestamps,
                                .marks = !logs.no_prefix},
                               session.style},
                     std::move(pattern)};

    const auto wanted = requests(session.options, *selected);
    if (!wanted) return session.fail(wanted.error());
    std::list<Source> sources;
    for (const auto& [target, run] : *wanted) {
        Call call;
        call.target = program_path(target) + "/logs" + query(logs, span, run);
        call.accept = api::kNdjsonType;
        if (logs.follow)
            call.timeout = session.options.timeout;
        else
            call.timeout = session.patience();
        Source& source = sources.emplace_back();
        auto exchange = session.client.begin(
            call, [&reader, &source](std::string_view bytes) { reader.feed(source.rest, bytes); });
        if (!exchange) return session.fail(exchange.error());
        source.exchange = *std::move(exchange);
    }

    const auto any_under_way = [&] {
        return std::any_of(sources.begin(), sources.end(),
                           [](const Source& source) { return !source.ended; });
    };
    while (any_under_way()) {
        const bool in_time = pump_any(sources);
        if (!reader.has_reader()) return Exit::done;
        if (!reader.undecodable().empty()) {
            return session.fail(session.client.unreadable(reader.undecodable()));
        }
        if (!in_time && logs.follow) return Exit::done;  // --timeout: that long, no longer
        if (!in_time) break;
    }
    reader.print_kept();
    for (Source& source : sources) {
        const auto reply = source.exchange->finish();
        if (!reply) return session.fail(reply.error());
    }
    return Exit::done;
}

}  // namespace reeve::ctl
