#include "supervisor/control/log_stream.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>

#include "ctl/api/messages.h"
#include "supervisor/control/parameters.h"

namespace reeve::control {

namespace {

std::string missing(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " line is" : " lines are") + " missing here";
}

// Turns lines into what is sent.
class LineWriter {
public:
    enum class Format { text, ndjson };

    LineWriter(const core::Roster& roster, Format format, bool several)
        : roster_{roster}, format_{format}, several_{several} {}

    void append(std::string& out, const log::Line& line) {
        if (line.instance >= roster_.instances().size()) return;
        if (line.kind == log::Line::Kind::run_begin) {
            pids_[line.instance] = {line.run, static_cast<std::int64_t>(line.number)};
        }
        format_ == Format::text ? append_text(out, line) : append_json(out, line);
    }

private:
    const core::Instance& instance_of(const log::Line& line) const {
        return *roster_.instances()[line.instance];
    }

    void append_text(std::string& out, const log::Line& line) {
        const auto prefix = [&] { return several_ ? instance_of(line).name() + " | " : ""; };
        switch (line.kind) {
            case log::Line::Kind::text:
            case log::Line::Kind::piece:
            case log::Line::Kind::partial:
            case log::Line::Kind::unended: {
                // A long line comes in pieces, and no other may come between them.
                const Unfinished self{line.instance, line.source};
                if (unfinished_ && *unfinished_ != self) out += '\n';
                if (!unfinished_ || *unfinished_ != self) out += prefix();
                out += line.text;
                unfinished_.reset();
                if (line.kind == log::Line::Kind::piece) {
                    unfinished_ = self;
                } else {
                    out += '\n';
                }
                break;
            }
            case log::Line::Kind::missed:
                if (unfinished_) out += '\n';
                unfinished_.reset();
                out += prefix() + "--- " + missing(line.number) + " ---\n";
                break;
            case log::Line::Kind::run_begin:
            case log::Line::Kind::run_end:
                break;
        }
    }

    void append_json(std::string& out, const log::Line& line) {
        api::LogLine message;
        switch (line.kind) {
            case log::Line::Kind::text:
            case log::Line::Kind::piece:
            case log::Line::Kind::partial:
            case log::Line::Kind::unended:
                message.stream = line.source == log::Source::out ? "stdout" : "stderr";
                message.line = line.text;
                break;
            case log::Line::Kind::missed:
                message.stream = "reeve";
                message.line = missing(line.number);
                break;
            case log::Line::Kind::run_begin:
            case log::Line::Kind::run_end:
                return;
        }
        const core::Instance& instance = instance_of(line);
        if (line.time.count() != 0) message.time = api::Timestamp{line.time};
        message.name = instance.name();
        message.program = instance.program().name;
        message.instance = instance.number();
        message.run = line.run;
        message.pid = pid_of(instance, line.run);
        out += api::to_json(message);
        out += '\n';
    }

    std::optional<std::int64_t> pid_of(const core::Instance& instance, std::uint32_t run) const {
        const auto known = pids_.find(instance.slot());
        if (known != pids_.end() && known->second.run == run && known->second.pid != 0) {
            return known->second.pid;
        }
        if (instance.run() && instance.run()->number == run && instance.run()->pid != 0) {
            return instance.run()->pid;
        }
        return std::nullopt;
    }

    struct RunPid {
        std::uint32_t run;
        std::int64_t pid;
    };
    struct Unfinished {
        log::InstanceId instance;
        log::Source source;
        bool operator==(const Unfinished&) const = default;
    };

    const core::Roster& roster_;
    Format format_;
    bool several_;
    std::map<log::InstanceId, RunPid> pids_;  // of the last run that began in this stream
    std::optional<Unfinished> unfinished_;
};

class LogJob final : public Job {
public:
    LogJob(Exchange& exchange, LineWriter writer) : exchange_{exchange}, writer_{writer} {}

    void query(LogSource& logs, log::Query query) {
        logs.query(std::move(query), lifeline_.tie([this](std::vector<log::Line> lines) {
            take(std::move(lines));
            complete_ = true;
            resume();
        }));
    }

    void follow(LogSource& logs, log::Query query) {
        follower_ = logs.follow(std::move(query), [this](std::vector<log::Line> lines) {
            take(std::move(lines));
            resume();
        });
    }

    // Only what is sent is reported as taken, so that what waits here is bounded by the follower's
    // own limit.
    void resume() override {
        while (exchange_.has_room() && !lines_.empty()) {
            std::string text;
            std::size_t count = 0;
            while (!lines_.empty() && text.size() < kBatch) {
                writer_.append(text, lines_.front());
                lines_.pop_front();
                ++count;
            }
            exchange_.send(text);
            if (follower_) follower_->took(count);
        }
        if (complete_ && lines_.empty()) {
            complete_ = false;
            exchange_.end_stream();
        }
    }

private:
    void take(std::vector<log::Line> lines) {
        lines_.insert(lines_.end(), std::make_move_iterator(lines.begin()),
                      std::make_move_iterator(lines.end()));
    }

    static constexpr std::size_t kBatch = 64 * 1024;

    Exchange& exchange_;
    LineWriter writer_;
    std::deque<log::Line> lines_;
    bool complete_ = false;
    Lifeline lifeline_;
    std::unique_ptr<LogSource::Follower> follower_;
};

struct Wish {
    log::Query query;
    bool follow = false;
};

Expected<Wish, Refusal> read_parameters(const api::Request& request, model::WallTime now) {
    const auto bad = [](std::string_view name, std::string_view value, std::string_view expected) {
        return Unexpected<Refusal>{bad_parameter(name, value, expected)};
    };
    if (auto refusal =
            check_parameters(request, {"lines", "since", "until", "follow", "stream", "run"})) {
        return Unexpected<Refusal>{*refusal};
    }

    Wish wish;
    if (const auto lines = request.parameter("lines")) {
        const auto number = parse_number(*lines);
        if (*lines == "all") {
            wish.query.last_lines = std::nullopt;
        } else if (number) {
            wish.query.last_lines = static_cast<std::size_t>(*number);
        } else {
            return bad("lines", *lines, "a number, or \"all\"");
        }
    }
    constexpr std::string_view kMoment =
        "a time such as 2026-11-22T10:17:00Z, or how long ago: 10m";
    if (const auto since = request.parameter("since")) {
        const auto moment = parse_moment(*since, now);
        if (!moment) return bad("since", *since, kMoment);
        wish.query.since = moment->time_since_epoch();
        // All of it, unless a number was named.
        if (!request.parameter("lines")) wish.query.last_lines = std::nullopt;
    }
    if (const auto until = request.parameter("until")) {
        const auto moment = parse_moment(*until, now);
        if (!moment) return bad("until", *until, kMoment);
        wish.query.until = moment->time_since_epoch();
    }
    if (const auto follow = request.parameter("follow")) {
        const auto value = parse_bool(*follow);
        if (!value) return bad("follow", *follow, "\"true\" or \"false\"");
        wish.follow = *value;
    }
    if (const auto stream = request.parameter("stream")) {
        if (*stream != "stdout" && *stream != "stderr") {
            return bad("stream", *stream, "\"stdout\" or \"stderr\"");
        }
        wish.query.source = *stream == "stdout" ? log::Source::out : log::Source::err;
    }
    if (const auto run = request.parameter("run")) {
        const auto number = parse_number(*run);
        if (!number || *number == 0 || *number > std::numeric_limits<std::uint32_t>::max()) {
            return bad("run", *run, "the number of a run, from 1");
        }
        wish.query.run = static_cast<std::uint32_t>(*number);
    }
    if (wish.follow && (wish.query.run || wish.query.until)) {
        return Unexpected<Refusal>{
            Refusal{api::kBadRequest,
                    "follow does not go with run or until",
                    "a run that is over, or a time that is past, brings nothing new",
                    {}}};
    }
    return wish;
}

}  // namespace

std::unique_ptr<Job> stream_logs(World& world, Exchange& exchange, const std::string& target) {
    const api::Request& request = exchange.request();
    auto wish = read_parameters(request, world.host.wall_now());
    if (!wish) {
        exchange.refuse(wish.error());
        return nullptr;
    }
    const auto instances = select(world, target);
    if (!instances) {
        exchange.refuse(instances.error());
        return nullptr;
    }
    const auto& run = wish->query.run;
    if (run && std::ranges::all_of(*instances, [&](const core::Instance* instance) {
            return instance->run_number() < *run;
        })) {
        exchange.refuse({api::kNoSuchRun,
                         target + " has had no run " + std::to_string(*run),
                         "GET /v1/programs/" + target + " lists the last runs",
                         {}});
        return nullptr;
    }
    for (const core::Instance* instance : *instances) {
        wish->query.instances.push_back(instance->slot());
    }

    const auto accept = request.header("accept");
    const bool ndjson = accept && accept->find(api::kNdjsonType) != std::string_view::npos;
    const auto format = ndjson ? LineWriter::Format::ndjson : LineWriter::Format::text;
    auto job =
        std::make_unique<LogJob>(exchange, LineWriter{world.roster, format, instances->size() > 1});
    exchange.begin_stream(ndjson ? api::kNdjsonType : api::kTextType,
                          wish->follow ? Exchange::Length::endless : Exchange::Length::finite);
    if (wish->follow) {
        job->follow(world.logs, std::move(wish->query));
    } else {
        job->query(world.logs, std::move(wish->query));
    }
    return job;
}

}  // namespace reeve::control
