#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "conf/pattern.h"
#include "ctl/moment.h"
#include "ctl/screens/screens.h"
#include "ctl/verbs/verbs.h"

namespace reeve::ctl {

namespace {

// What does not match must not count: then all is asked for, and the last are taken here.
bool counts_here(const Options::Logs& logs) {
    return !logs.grep.empty() && logs.lines && *logs.lines != 0;
}

// The times that the flags name.
struct Span {
    std::optional<api::Timestamp> since;
    std::optional<api::Timestamp> until;
};

std::string query(const Options& options, const Span& span) {
    const Options::Logs& logs = options.logs;
    std::string text = "?lines=";
    const bool all = !logs.lines || counts_here(logs);
    text += all ? "all" : std::to_string(*logs.lines);
    if (span.since) text += "&since=" + api::percent_encode(api::to_text(*span.since));
    if (span.until) text += "&until=" + api::percent_encode(api::to_text(*span.until));
    if (logs.follow) text += "&follow=true";
    if (logs.follow && counts_here(logs)) text += "&present=true";
    if (logs.only_stdout) text += "&stream=stdout";
    if (logs.only_stderr) text += "&stream=stderr";
    if (logs.run) text += "&run=" + std::to_string(*logs.run);
    if (logs.previous) text += "&previous=true";
    if (!options.json && !logs.raw && !logs.reeve && !logs.no_prefix) text += "&marks=true";
    return text;
}

// Turns what comes into what is printed.
class LogReader {
public:
    LogReader(const Session& session, LogScreen screen, std::optional<conf::Pattern> pattern)
        : session_{session}, screen_{std::move(screen)}, pattern_{std::move(pattern)} {
        const Options::Logs& logs = session.options.logs;
        if (counts_here(logs)) wanted_ = logs.lines;
    }

    void feed(std::string_view bytes) {
        rest_ += bytes;
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = rest_.find('\n', begin)) != std::string::npos;
             begin = end + 1) {
            if (end > begin) {
                take(std::string_view{rest_}.substr(begin, end - begin));
            } else {
                begin_of_what_is_new();
            }
        }
        rest_.erase(0, begin);
        if (!wanted_) {
            out_ += screen_.finish();
            flush();
        }
    }

    void finish() {
        begin_of_what_is_new();
        out_ += screen_.finish();
        flush();
    }

    bool has_reader() const { return has_reader_; }
    // How many lines came, and how many of them were printed; whether reeve has said why that is.
    std::int64_t come() const { return come_; }
    std::int64_t printed() const { return printed_; }
    bool noted() const { return noted_; }
    const std::string& undecodable() const { return undecodable_; }

private:
    // A line as it came and what it says.
    struct Received {
        std::string json;
        std::variant<api::LogLine, api::OwnLogLine> line;
        bool counts = false;
    };

    // The last that matched, where only so many are wanted; of what is new all.
    void begin_of_what_is_new() {
        for (const Received& received : kept_) print(received);
        kept_.clear();
        wanted_.reset();
    }

    void take(std::string_view json) {
        if (session_.options.logs.reeve) return take_own(json);
        auto line = api::from_json<api::LogLine>(json);
        if (!line) {
            undecodable_ = line.error().text;
            return;
        }
        const bool is_mark = line->stream == "reeve";
        if (line->event == "note") {
            noted_ = true;
            const Options& options = session_.options;
            if (options.json || options.logs.raw || options.logs.no_prefix)
                return note(line->name + ": " + line->line);
        } else if (pattern_ && !line->event.empty()) {
            return;  // between the few lines that match, marks of runs would be in the way
        }
        if (!is_mark) ++come_;
        if (pattern_ && !is_mark && !pattern_->matches(line->line)) return;
        Received received{session_.options.json ? std::string{json} : std::string{},
                          *std::move(line), !is_mark};
        keep_or_print(std::move(received));
    }

    void take_own(std::string_view json) {
        auto line = api::from_json<api::OwnLogLine>(json);
        if (!line) {
            undecodable_ = line.error().text;
            return;
        }
        ++come_;
        if (pattern_ && !pattern_->matches(line->message)) return;
        keep_or_print({std::string{json}, *std::move(line), true});
    }

    void keep_or_print(Received received) {
        if (!wanted_) return print(received);
        if (received.counts) ++kept_lines_;
        kept_.push_back(std::move(received));
        while (kept_lines_ > *wanted_) {
            if (kept_.front().counts) --kept_lines_;
            kept_.pop_front();
        }
    }

    void print(const Received& received) {
        if (received.counts) ++printed_;
        if (session_.options.json) {
            out_ += received.json + "\n";
        } else if (const auto* line = std::get_if<api::LogLine>(&received.line)) {
            out_ += screen_.line(*line);
        } else {
            out_ += own_log_line(std::get<api::OwnLogLine>(received.line), session_.style);
        }
        if (out_.size() > 64 * 1024) flush();
    }

    // Beside what is data.
    void note(const std::string& text) const {
        if (!session_.options.quiet) complain(session_.world, "reevectl: " + text + "\n");
    }

    void flush() {
        if (!out_.empty() && has_reader_) has_reader_ = session_.print(out_);
        out_.clear();
    }

    const Session& session_;
    LogScreen screen_;
    std::optional<conf::Pattern> pattern_;
    std::optional<std::int64_t> wanted_;  // the last so many of those that match
    std::deque<Received> kept_;
    std::int64_t kept_lines_ = 0;
    std::string rest_;  // of the input: a line whose end has not come
    std::string out_;
    bool has_reader_ = true;
    std::string undecodable_;
    std::int64_t come_ = 0;
    std::int64_t printed_ = 0;
    bool noted_ = false;
};

Failure no_time(const std::string& flag, const std::string& text) {
    return {Exit::usage, flag + ": '" + text + "' is no time", std::string{kMomentForms}};
}

// Where `stderr` is merged into `stdout`, the default, there is nothing to see under --stderr: says
// of whom that is so, and whether it said anything.
bool explain_merged(const Session& session, const std::vector<api::ProgramStatus>& selected) {
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
                return (entry.key == "stderr" && entry.value != "\"stdout\"") ||
                       entry.key.starts_with("stderr.");  // of a table
            });
        if (!is_apart) names += (names.empty() ? "" : ", ") + name;
    }
    if (names.empty()) return false;
    complain(session.world,
             "reevectl: " + names +
                 ": stderr goes into stdout (stderr = \"stdout\", the default): look there, or "
                 "set another 'stderr'\n");
    return true;
}

// Why nothing was printed, where all went well.
std::string why_nothing(const Options& options, const Span& span, const LogReader& reader,
                        const std::vector<api::ProgramStatus>& selected) {
    const Options::Logs& logs = options.logs;
    if (reader.come() > 0) {
        return (reader.come() == 1
                    ? "the one line there is does not match '"
                    : "none of " + std::to_string(reader.come()) + " lines matches '") +
               logs.grep + "'";
    }
    std::string names = selected.size() == 1 ? " of " + selected.front().name : "";
    const bool any_started =
        std::any_of(selected.begin(), selected.end(),
                    [](const api::ProgramStatus& instance) { return instance.run.has_value(); });
    if (!logs.reeve && !any_started && !span.since && !span.until)
        return (selected.size() == 1 ? selected.front().name : std::string{"none of them"}) +
               (selected.size() == 1 ? " has not" : " has") + " been started yet";
    std::string text = "there are no lines" + names;
    if (logs.only_stdout) text += " on stdout";
    if (logs.only_stderr) text += " on stderr";
    if (logs.run) text += " from run " + std::to_string(*logs.run);
    if (logs.previous) text += " from the run before";
    if (span.since || span.until) text += " in that time";
    return text;
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
    if (span.since && span.until && *span.until < *span.since) {
        return session.fail({Exit::usage,
                             "--until " + api::to_text(*span.until) + " is before --since " +
                                 api::to_text(*span.since),
                             "times are in UTC"});
    }
    const auto say = [&session](const std::string& text) {
        if (!session.options.quiet) complain(session.world, "reevectl: " + text + "\n");
    };
    const bool is_future = span.since && *span.since > session.world.now();
    if (is_future)
        say("--since " + api::to_text(*span.since) + " has not come yet (times are in UTC)");
    std::optional<conf::Pattern> pattern;
    if (!logs.grep.empty()) {
        auto compiled = conf::Pattern::compile(logs.grep, logs.ignore_case);
        if (!compiled) {
            return session.fail(
                {Exit::usage,
                 "--grep: '" + logs.grep + "' is no regular expression: " + compiled.error(), ""});
        }
        pattern = *std::move(compiled);
    }

    std::string path = "/v1/logs";
    LogScreen::Settings settings{
        .timestamps = logs.timestamps,
        .marks = !logs.no_prefix,
        .raw = logs.raw,
        .live_from = logs.follow ? std::optional{session.world.now()} : std::nullopt};
    std::vector<api::ProgramStatus> programs;
    bool explained = is_future || logs.lines == 0;
    if (!logs.reeve) {
        const auto status = session.client.ask<api::Status>(session.question("/v1/status"));
        if (!status) return session.fail(status.error());
        const auto selected = select(*status, session.options.targets);
        if (!selected) return session.fail(selected.error());
        if (logs.only_stderr && !session.options.quiet && explain_merged(session, *selected))
            explained = true;
        // As in reeve's own output; a longer name sticks out.
        constexpr std::size_t kWidest = 24;
        for (const api::ProgramStatus& instance : *selected)
            settings.name_width =
                std::max(settings.name_width, std::min(kWidest, display_width(instance.name)));
        settings.prefix = selected->size() > 1 && !logs.no_prefix;
        std::string targets;
        for (const std::string& target : session.options.targets)
            targets += (targets.empty() ? "" : ",") + target;
        programs = *selected;
        path = program_path(targets.empty() ? "*" : targets) + "/logs";
    }
    LogReader reader{session, LogScreen{settings, session.style}, std::move(pattern)};

    Call call;
    call.target = path + query(session.options, span);
    call.accept = api::kNdjsonType;
    // A history of gigabytes takes its time.
    call.timeout = session.options.timeout;
    auto exchange =
        session.client.begin(call, [&reader](std::string_view bytes) { reader.feed(bytes); });
    if (!exchange) return session.fail(exchange.error());
    for (;;) {
        const auto progress = exchange->wait();
        if (!reader.has_reader()) return Exit::done;
        if (!reader.undecodable().empty())
            return session.fail(session.client.unreadable(reader.undecodable()));
        if (progress == Exchange::Progress::ended) break;
        // --timeout: that long, no longer.
        if (progress == Exchange::Progress::late && logs.follow) return Exit::done;
        if (progress == Exchange::Progress::late) break;
    }
    reader.finish();
    const auto reply = exchange->finish();
    // Following ends when reeve does, well or not.
    const bool is_cut = logs.follow && (reply || reply.error().exit == Exit::unreachable);
    if (is_cut) return session.fail({Exit::failed, "the connection has ended: reeve has gone", ""});
    if (!reply) return session.fail(reply.error());
    if (reader.printed() == 0 && !explained && !logs.follow &&
        (reader.come() > 0 || !reader.noted()))
        say(why_nothing(session.options, span, reader, programs));
    return Exit::done;
}

}  // namespace reeve::ctl
