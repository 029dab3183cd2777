#include "supervisor/control/log_stream.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <optional>

#include "ctl/api/messages.h"
#include "supervisor/control/line_writer.h"
#include "supervisor/control/parameters.h"
#include "supervisor/log/history.h"
#include "supervisor/loop/timer.h"
#include "supervisor/loop/work.h"

namespace reeve::control {

namespace {

// How long a reading of files may come to nothing before it is given up.
constexpr std::chrono::seconds kPatience{5};
// So much of the history is made ready at a time.
constexpr std::size_t kStep = 256 * 1024;
// So often it is tried to come near enough to the present for following.
constexpr int kMostLooks = 8;

struct Wish {
    log::LookRequest request;
    std::optional<std::uint32_t> run;
    bool previous = false;
    bool marks = false;
    bool present = false;
    bool named = false;  // the targets are not just all there are
};

// Where a stream goes, in words.
std::string places_of(const conf::Program& program, log::Source source) {
    const bool is_merged = program.error.kind == conf::Output::Kind::merged;
    const bool is_out = source == log::Source::out || is_merged;
    std::string places;
    for (const conf::Sink& sink : (is_out ? program.output : program.error).sinks) {
        std::string place;
        switch (sink.kind) {
            case conf::Sink::Kind::inherit:
                place = sink.descriptor.value_or(is_out ? 1 : 2) == 1 ? "reeve's own stdout"
                                                                      : "reeve's own stderr";
                break;
            case conf::Sink::Kind::syslog:
                place = "syslog";
                break;
            case conf::Sink::Kind::journal:
                place = "the journal";
                break;
            case conf::Sink::Kind::null:
            case conf::Sink::Kind::file:
                continue;
        }
        places += (places.empty() ? "" : " and ") + place;
    }
    return places.empty() ? "nowhere" : "to " + places;
}

// Lines on their way to a client: of memory as they are; of files read and written out on another
// thread, a piece whenever the client has taken the one before; and then those that come.
class LogJob final : public Job {
public:
    LogJob(World& world, Exchange& exchange, Wish wish, const LineWriter::Settings& settings)
        : world_{world},
          exchange_{exchange},
          wish_{std::move(wish)},
          settings_{settings},
          watchdog_{world.loop, [this] { watch_the_reader(); }},
          seat_{*world.turns, [this] { send_lines(kTurn); }} {
        renew_writer();
    }
    ~LogJob() override {
        if (history_) history_->cancel();
    }

    void look() {
        ++looks_;
        wish_.request.last = looks_ >= kMostLooks;
        follower_ = world_.logs.look(
            wish_.request, lifeline_.tie([this](log::Look found) { take_look(std::move(found)); }),
            [this](std::vector<log::Line> lines) {
                take(std::move(lines));
                resume();
            });
    }

    void resume() override {
        if (history_) {
            send_history();
            if (history_) return;
        }
        // The past is sent as fast as it is read.
        if (!following_ || not_followed_ > 0 || wish_.present) return send_lines();
        if (lines_.empty()) return;
        lines_.size() >= kMany&& exchange_.has_room() ? seat_.ask_at_once() : seat_.ask();
    }

    void flush() override {
        if (!history_) send_lines();
    }

private:
    // Only what is sent is reported as taken, so that what waits here is bounded by the follower's
    // own limit.
    void send_lines(std::size_t most = std::numeric_limits<std::size_t>::max()) {
        std::size_t sent = 0;
        std::optional<log::InstanceId> refreshed;
        while (exchange_.has_room() && !lines_.empty() && sent < most) {
            std::string text;
            std::size_t count = 0;
            while (!lines_.empty() && text.size() < kBatch) {
                say_present(text);
                if (refreshed != lines_.front().instance)
                    writer_->refresh(refreshed.emplace(lines_.front().instance));
                writer_->append(text, lines_.front());
                lines_.pop_front();
                if (not_followed_ > 0) {
                    --not_followed_;
                } else {
                    ++count;
                }
            }
            sent += text.size();
            if (!text.empty()) exchange_.send(text);
            if (follower_ && count > 0) follower_->took(count);
        }
        if (exchange_.has_room() && !lines_.empty()) seat_.ask_at_once();
        std::string text;
        say_present(text);
        if (!text.empty()) exchange_.send(text);
        if (complete_ && lines_.empty()) {
            complete_ = false;
            exchange_.end_stream();
        }
    }

    // What is made of the history at one go, on another thread.
    struct Step {
        std::shared_ptr<log::History> history;
        std::shared_ptr<LineWriter> writer;
        std::string text;
        bool more = true;
    };

    // Where all that was there before has been sent.
    void say_present(std::string& text) {
        if (wish_.present && following_ && not_followed_ == 0) {
            text += '\n';
            wish_.present = false;
        }
    }

    void renew_writer() {
        writer_ =
            std::make_shared<LineWriter>(world_.roster, wish_.request.query.instances, settings_);
    }

    void take(std::vector<log::Line> lines) {
        lines_.insert(lines_.end(), std::make_move_iterator(lines.begin()),
                      std::make_move_iterator(lines.end()));
    }

    void take_look(log::Look found) {
        say_what_is_forgotten(found);
        if (wish_.request.after.empty()) say_what_is_not_seen(found);
        following_ = found.following;
        seen_ = found.seen;
        if (found.files.empty()) {
            not_followed_ += found.lines.size();
            take(std::move(found.lines));
            complete_ = !wish_.request.follow;
            return resume();
        }
        in_memory_ = found.lines;
        in_memory_.insert(in_memory_.end(), found.instead.begin(), found.instead.end());
        std::ranges::stable_sort(in_memory_, log::comes_before);
        const log::Query& query = wish_.request.query;
        const bool is_first = wish_.request.after.empty();
        history_ = std::make_shared<log::History>(
            std::move(found), log::History::Options{
                                  .last_lines = is_first ? query.last_lines : std::nullopt,
                                  .since = query.since,
                                  .until = query.until,
                                  .with_partial = !wish_.request.follow,
                              });
        read_on();
    }

    // Once for all streams that go to the same places.
    void say_what_is_forgotten(log::Look& found) const {
        constexpr std::size_t kMostNames = 5;
        struct Some {
            std::vector<log::InstanceId> instances;
            std::string names;
        };
        std::map<std::string, Some> by_places;
        for (const log::StreamKey key : found.forgotten) {
            const core::Instance* const there = world_.roster.instance_at(key.instance);
            if (!there) continue;
            const core::Instance& instance = *there;
            Some& some = by_places[places_of(instance.program(), key.source)];
            if (!some.instances.empty() && some.instances.back() == key.instance) continue;
            some.instances.push_back(key.instance);
            if (some.instances.size() <= kMostNames + 1 && some.instances.size() > 1)
                some.names += (some.names.empty() ? "" : ", ") + instance.name();
        }
        for (const auto& [places, some] : by_places) {
            std::string text =
                "older lines went " + places + "; of each stream the last 64 KiB are kept here";
            if (!some.names.empty()) {
                text += " (the same of " + some.names;
                if (some.instances.size() > kMostNames + 1)
                    text +=
                        " and " + std::to_string(some.instances.size() - kMostNames - 1) + " more";
                text += ")";
            }
            found.lines.insert(found.lines.begin(), {.instance = some.instances.front(),
                                                     .kind = log::Line::Kind::note,
                                                     .text = std::move(text)});
        }
    }

    void say_what_is_not_seen(log::Look& found) const {
        if (!wish_.named) return;
        const log::Query& query = wish_.request.query;
        for (const log::InstanceId id : query.instances) {
            const core::Instance* const instance = world_.roster.instance_at(id);
            if (!instance) continue;
            const conf::Program& program = instance->program();
            const auto is_direct = [&](log::Source source, const conf::Output& output) {
                return query.source.value_or(source) == source &&
                       output.kind == conf::Output::Kind::direct;
            };
            const bool out = is_direct(log::Source::out, program.output);
            const bool err = is_direct(log::Source::err, program.error);
            if (!out && !err) continue;
            const std::string streams = out && err ? "stdout and stderr"
                                        : out      ? "stdout"
                                                   : "stderr";
            found.lines.insert(
                found.lines.begin(),
                {.instance = id,
                 .kind = log::Line::Kind::note,
                 .text = streams +
                         " = \"direct\": what it writes goes straight to reeve's own, and "
                         "nothing of it is known here"});
        }
    }

    void send_history() {
        if (text_.empty() || !exchange_.has_room()) return;
        exchange_.send(std::exchange(text_, {}));
        more_ ? read_on() : history_is_over(history_->seen());
    }

    void read_on() {
        writer_->refresh();
        auto step = std::make_shared<Step>();
        step->history = history_;
        step->writer = writer_;
        work_.emplace(world_.loop, loop::Work::Lane::logs);
        quiet_ = 0;
        watchdog_.start(std::chrono::seconds{1}, std::chrono::seconds{1});
        const bool started = work_->start(
            [step] {
                std::vector<log::Line> lines;
                step->more = step->history->next(kStep, lines);
                for (const log::Line& line : lines) step->writer->append(step->text, line);
            },
            [this, step] {
                watchdog_.stop();
                in_memory_.clear();
                in_memory_.shrink_to_fit();
                text_ = std::move(step->text);
                more_ = step->more;
                if (!text_.empty()) return resume();
                if (more_) return read_on();
                history_is_over(history_->seen());
                resume();
            });
        if (!started) give_up("there is no thread to read log files with");
    }

    void history_is_over(std::vector<log::Seen> seen) {
        history_.reset();
        if (!wish_.request.follow) {
            complete_ = true;
        } else if (!following_) {
            look_again(std::move(seen));
        }
    }

    // For what came meanwhile, all of it.
    void look_again(std::vector<log::Seen> seen) {
        wish_.request.after = std::move(seen);
        wish_.request.query.last_lines = std::nullopt;
        look();
    }

    void watch_the_reader() {
        const std::uint64_t progress = history_->progress();
        quiet_ = progress == std::exchange(progress_, progress) ? quiet_ + 1 : 0;
        if (std::chrono::seconds{quiet_} < kPatience) return;
        give_up("log files could not be read for " + std::to_string(kPatience.count()) +
                " seconds");
    }

    // The reader may hang for ever, with its history and its writer.
    void give_up(const std::string& why) {
        watchdog_.stop();
        history_->cancel();
        work_.reset();
        history_.reset();
        renew_writer();
        std::vector<log::Line> lines = std::exchange(in_memory_, {});
        if (const auto& wanted = wish_.request.query.last_lines; wanted && lines.size() > *wanted)
            lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(*wanted));
        lines.insert(lines.begin(), {.instance = wish_.request.query.instances.front(),
                                     .kind = log::Line::Kind::note,
                                     .text = why + ": only what memory has is shown"});
        const std::size_t count = lines.size();
        lines_.insert(lines_.begin(), std::make_move_iterator(lines.begin()),
                      std::make_move_iterator(lines.end()));
        not_followed_ += count;
        wish_.request.memory_only = true;
        if (!wish_.request.follow) {
            complete_ = true;
        } else if (!following_) {
            look_again(std::move(seen_));
        }
        resume();
    }

    static constexpr std::size_t kBatch = 64 * 1024;
    static constexpr std::size_t kTurn = 4 * kBatch;
    // Lines that wait: the follower has room for some more.
    static constexpr std::size_t kMany = 256;

    World& world_;
    Exchange& exchange_;
    Wish wish_;
    LineWriter::Settings settings_;
    std::shared_ptr<LineWriter> writer_;
    std::deque<log::Line> lines_;
    std::size_t not_followed_ = 0;  // so many of them, at the front, did not come to the follower
    bool complete_ = false;
    bool following_ = false;
    int looks_ = 0;

    std::shared_ptr<log::History> history_;
    std::string text_;  // of it, ready to be sent
    bool more_ = false;
    std::vector<log::Line> in_memory_;  // for when no file can be read
    std::vector<log::Seen> seen_;
    std::uint64_t progress_ = 0;
    int quiet_ = 0;  // seconds
    loop::Timer watchdog_;
    std::optional<loop::Work> work_;
    Turns::Seat seat_;

    Lifeline lifeline_;
    std::unique_ptr<LogSource::Follower> follower_;
};

Expected<Wish, Refusal> read_parameters(const api::Request& request, model::WallTime now) {
    const auto bad = [](std::string_view name, std::string_view value, std::string_view expected) {
        return Unexpected<Refusal>{bad_parameter(name, value, expected)};
    };
    const auto window = read_log_window(
        request,
        {"lines", "since", "until", "follow", "stream", "run", "previous", "marks", "present"},
        now);
    if (!window) return Unexpected<Refusal>{window.error()};

    Wish wish;
    log::Query& query = wish.request.query;
    query.last_lines = window->lines;
    if (window->since) query.since = window->since->time_since_epoch();
    if (window->until) query.until = window->until->time_since_epoch();
    wish.request.follow = window->follow;
    wish.present = window->follow && window->present;
    if (const auto stream = request.parameter("stream")) {
        if (*stream != "stdout" && *stream != "stderr") {
            return bad("stream", *stream, "\"stdout\" or \"stderr\"");
        }
        query.source = *stream == "stdout" ? log::Source::out : log::Source::err;
    }
    if (const auto run = request.parameter("run")) {
        const auto number = parse_number(*run);
        if (!number || *number == 0 || *number > std::numeric_limits<std::uint32_t>::max()) {
            return bad("run", *run, "the number of a run, from 1");
        }
        wish.run = static_cast<std::uint32_t>(*number);
    }
    for (const auto& [name, value] :
         {std::pair{"previous", &wish.previous}, std::pair{"marks", &wish.marks}}) {
        const auto text = request.parameter(name);
        if (!text) continue;
        const auto truth = parse_bool(*text);
        if (!truth) return bad(name, *text, "\"true\" or \"false\"");
        *value = *truth;
    }
    if (wish.run && wish.previous) {
        return Unexpected<Refusal>{
            Refusal{api::kBadRequest, "run and previous exclude each other", std::nullopt, {}}};
    }
    if (window->follow && (wish.run || wish.previous || window->until)) {
        return Unexpected<Refusal>{
            Refusal{api::kBadRequest,
                    "follow does not go with run, previous or until",
                    "a run that is over, or a time that is past, brings nothing new",
                    {}}};
    }
    return wish;
}

// Runs are numbered from the start of this reeve.
std::string earlier_runs_hint(const std::string& target,
                              const std::vector<core::Instance*>& instances) {
    const bool any_file = std::ranges::any_of(instances, [](const core::Instance* instance) {
        const conf::Program& program = instance->program();
        const auto is_file = [](const conf::Sink& sink) {
            return sink.kind == conf::Sink::Kind::file;
        };
        return std::ranges::any_of(program.output.sinks, is_file) ||
               std::ranges::any_of(program.error.sinks, is_file);
    });
    std::string names = target == "*" ? "" : target + " ";
    std::ranges::replace(names, ',', ' ');
    const std::string all = "'reevectl logs " + names + "-n all'";
    return "runs are counted since reeve was started; " +
           (any_file ? all + " has what its log files hold of earlier ones, too"
                     : all + " has all that is known here");
}

// Of several targets, with commas between them; each instance once.
Expected<std::vector<core::Instance*>, Refusal> select_all(const World& world,
                                                           std::string_view targets) {
    std::vector<core::Instance*> all;
    for (;;) {
        const std::size_t comma = targets.find(',');
        auto some = select(world, std::string{targets.substr(0, comma)});
        if (!some) return some;
        for (core::Instance* const instance : *some)
            if (std::ranges::find(all, instance) == all.end()) all.push_back(instance);
        if (comma == std::string_view::npos) return all;
        targets.remove_prefix(comma + 1);
    }
}

}  // namespace

std::unique_ptr<Job> stream_logs(World& world, Exchange& exchange, const std::string& target) {
    auto wish = read_parameters(exchange.request(), world.host.wall_now());
    if (!wish) {
        exchange.refuse(wish.error());
        return nullptr;
    }
    const auto instances = select_all(world, target);
    if (!instances) {
        exchange.refuse(instances.error());
        return nullptr;
    }
    wish->named = target != "*";
    const auto& run = wish->run;
    if (run && std::ranges::all_of(*instances, [&](const core::Instance* instance) {
            return instance->run_number() < *run;
        })) {
        std::uint64_t last = 0;
        for (const core::Instance* instance : *instances)
            last = std::max(last, instance->run_number());
        exchange.refuse({api::kNoSuchRun,
                         target + " has had no run " + std::to_string(*run) + ": " +
                             (last == 0 ? std::string{"it was not started yet"}
                                        : "the last is " + std::to_string(last)),
                         earlier_runs_hint(target, *instances),
                         {}});
        return nullptr;
    }
    log::LookRequest& request = wish->request;
    for (const core::Instance* instance : *instances) {
        std::uint64_t its = run.value_or(0);
        if (wish->previous) {
            // Of one that is up the run before, of one that is down its last.
            const bool is_up = instance->run() && instance->run()->pid != 0;
            its = instance->run_number() - (is_up ? 1 : 0);
            if (instance->run_number() == 0 || its == 0) continue;
        }
        request.query.instances.push_back(instance->slot());
        if (its != 0) request.runs.push_back(static_cast<std::uint32_t>(its));
    }
    if (request.query.instances.empty()) {
        exchange.refuse({api::kNoSuchRun,
                         "no run of " + target + " has ended yet",
                         earlier_runs_hint(target, *instances),
                         {}});
        return nullptr;
    }

    const auto accept = exchange.request().header("accept");
    const bool ndjson = accept && accept->find(api::kNdjsonType) != std::string_view::npos;
    const LineWriter::Settings settings{
        .format = ndjson ? LineWriter::Format::ndjson : LineWriter::Format::text,
        .prefix = instances->size() > 1,
        .marks = wish->marks};
    exchange.begin_stream(ndjson ? api::kNdjsonType : api::kTextType,
                          request.follow ? Exchange::Length::endless : Exchange::Length::finite);
    auto job = std::make_unique<LogJob>(world, exchange, *std::move(wish), settings);
    job->look();
    return job;
}

}  // namespace reeve::control
