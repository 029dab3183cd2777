#include "supervisor/control/attach.h"

#include <algorithm>
#include <deque>
#include <limits>

#include "ctl/api/attach.h"
#include "supervisor/control/parameters.h"
#include "supervisor/loop/timer.h"

namespace reeve::control {

namespace {

using api::AttachFrame;

// Only a program that is started again and again while its client does not read gets here.
constexpr std::size_t kMostNotices = 64;

constexpr std::size_t kMostLines = 1000;

bool is_over(model::State state) {
    return state == model::State::stopped || state == model::State::exited ||
           state == model::State::failed;
}

std::string last_reason(const core::Instance& instance) {
    return instance.last_exits().empty() ? std::string{} : instance.last_exits().back().reason;
}

struct Wish {
    os::WindowSize window;
    std::size_t lines = 0;
};

class AttachJob final : public Job {
public:
    AttachJob(World& world, Exchange& exchange, const core::Instance& instance)
        : world_{world},
          exchange_{exchange},
          keeps_{instance.shared_from_this()},
          instance_{instance},
          attached_{world.attached},
          run_{instance.run_number()},
          look_{world.loop, [this] { look(); }} {
        attached_->emplace(instance.slot(), actor_of(exchange));
        listener_ = events().subscribe([this](const core::Event& event) { on_event(event); });
    }
    ~AttachJob() override {
        events().unsubscribe(listener_);
        attached_->erase(instance_.slot());
    }
    AttachJob(const AttachJob&) = delete;
    AttachJob& operator=(const AttachJob&) = delete;

    bool begin(const Wish& wish) {
        terminal_ =
            world_.logs.attach(instance_.slot(), wish.window, wish.lines,
                               {.on_output =
                                    [this](std::string bytes, std::uint64_t missed) {
                                        if (missed > 0)
                                            queue(api::write_count(AttachFrame::missed, missed));
                                        const std::size_t count = bytes.size();
                                        queue(api::write_frame(AttachFrame::output, bytes), count);
                                    },
                                .on_taken =
                                    [this](std::size_t bytes) {
                                        on_their_way_ -= std::min(bytes, on_their_way_);
                                        owed_ += bytes;
                                        resume();
                                    }});
        if (!terminal_) return false;
        events().publish(world_.host.wall_now(), instance_.name(),
                         core::event::Requested{"attach", actor_of(exchange_)});
        return true;
    }

    void on_input(std::string_view bytes) override {
        if (ended_) return;
        const bool readable = reader_.feed(
            bytes, [this](AttachFrame type, std::string_view payload) { take(type, payload); });
        if (!readable) end(false, "the client sent a frame that is too long");
    }

    // Only what is sent is reported as taken, so that what waits here is bounded by the terminal's
    // own limit.
    void resume() override {
        while (exchange_.has_room() && (owed_ > 0 || !queue_.empty())) {
            // Owed as a sum: a client that does not read could make a frame of each of its bytes.
            if (owed_ > 0) {
                exchange_.send(api::write_count(AttachFrame::taken, std::exchange(owed_, 0)));
                continue;
            }
            const auto [frame, output, is_notice] = std::move(queue_.front());
            queue_.pop_front();
            if (is_notice) --notices_;
            exchange_.send(frame);
            if (output > 0) terminal_->took(output);
        }
        // Nobody will come to say what the log thread has to say, if that still runs.
        if (world_.roster.exit_code()) look();
        if (ended_ && queue_.empty() && !std::exchange(closed_, true)) exchange_.end_stream();
    }

private:
    struct Queued {
        std::string frame;
        std::size_t output = 0;
        bool is_notice = false;
    };

    core::EventLog& events() { return world_.roster.events(); }

    void queue(std::string frame, std::size_t output = 0) {
        if (ended_) return;
        queue_.push_back({std::move(frame), output, false});
        resume();
    }

    void take(AttachFrame type, std::string_view payload) {
        if (ended_) return;
        switch (type) {
            case AttachFrame::input:
                on_their_way_ += payload.size();
                if (on_their_way_ > api::kInputWindow) {
                    end(false, "the client sent more than it may have on the way");
                } else if (!payload.empty()) {
                    terminal_->type(std::string{payload});
                }
                break;
            case AttachFrame::window:
                if (const auto window = api::read_window(payload)) {
                    terminal_->resize({window->rows, window->columns});
                }
                break;
            case AttachFrame::output:
            case AttachFrame::taken:
            case AttachFrame::missed:
            case AttachFrame::notice:
            case AttachFrame::end:
                break;  // not a client's
        }
    }

    // What the program does is told behind what it has written before.
    void on_event(const core::Event& event) {
        if (event.program != instance_.name()) return;
        if (std::holds_alternative<core::event::Exited>(event.body)) tell(core::sentence(event));
        look_.arm();
    }

    void tell(const std::string& sentence) {
        terminal_->flush(lifeline_.tie([this, sentence] {
            if (ended_ || notices_ >= kMostNotices) return;
            ++notices_;
            queue_.push_back({api::write_frame(AttachFrame::notice, sentence), 0, true});
            resume();
        }));
    }

    // At what the events of one turn have led to.
    void look() {
        if (ending_) return;
        if (instance_.run_number() != run_) {
            run_ = instance_.run_number();
            tell(instance_.name() + ": run " + std::to_string(run_));
        }
        const model::State state = instance_.state();
        if (!is_over(state)) return;
        ending_ = true;
        const std::string reason = last_reason(instance_);
        std::string sentence = instance_.name();
        if (state == model::State::stopped) {
            sentence += " was stopped";
        } else if (state == model::State::exited) {
            sentence += " has ended: " + reason;
        } else {
            sentence += " has failed: " + reason;
        }
        const auto last = [this, ok = state != model::State::failed, sentence] {
            end(ok, sentence);
        };
        if (world_.roster.exit_code()) return last();
        terminal_->flush(lifeline_.tie(last));
    }

    void end(bool ok, const std::string& sentence) {
        if (ended_) return;
        queue_.push_back({api::write_frame(AttachFrame::end, (ok ? "+" : "-") + sentence)});
        ended_ = true;
        resume();
    }

    World& world_;
    Exchange& exchange_;
    std::shared_ptr<const core::Instance> keeps_;
    const core::Instance& instance_;
    std::shared_ptr<std::map<std::uint32_t, core::Actor>> attached_;
    std::uint64_t run_;
    core::EventLog::ListenerId listener_ = 0;
    loop::Deferred look_;

    api::AttachReader reader_;
    std::size_t on_their_way_ = 0;  // bytes typed that the terminal has not taken
    std::size_t owed_ = 0;          // bytes taken that the client has not been told of
    std::deque<Queued> queue_;
    std::size_t notices_ = 0;  // in the queue
    bool ending_ = false;      // the program has ended for good
    bool ended_ = false;       // nothing more is queued
    bool closed_ = false;
    Lifeline lifeline_;
    std::unique_ptr<LogSource::Terminal> terminal_;  // the first to go: it calls the rest
};

Expected<Wish, Refusal> read_parameters(const api::Request& request) {
    if (auto refusal = check_parameters(request, {"rows", "columns", "lines"})) {
        return Unexpected<Refusal>{*refusal};
    }
    Wish wish;
    const auto side = [&](std::string_view name, std::uint16_t& value) -> std::optional<Refusal> {
        const auto text = request.parameter(name);
        if (!text) return std::nullopt;
        const auto number = parse_number(*text);
        if (!number || *number > std::numeric_limits<std::uint16_t>::max()) {
            return bad_parameter(name, *text, "a number up to 65535");
        }
        value = static_cast<std::uint16_t>(*number);
        return std::nullopt;
    };
    if (auto bad = side("rows", wish.window.rows)) return Unexpected<Refusal>{*bad};
    if (auto bad = side("columns", wish.window.columns)) return Unexpected<Refusal>{*bad};
    if (const auto lines = request.parameter("lines")) {
        const auto number = parse_number(*lines);
        if (!number) return Unexpected<Refusal>{bad_parameter("lines", *lines, "a number")};
        wish.lines = std::min<std::size_t>(*number, kMostLines);
    }
    return wish;
}

bool asks_for(const api::Request& request, std::string_view protocol) {
    const auto upgrade = request.header("upgrade");
    return upgrade && *upgrade == protocol;
}

// Why nobody can be attached to it; nullopt: nothing is against it.
std::optional<Refusal> objection(const World& world, const core::Instance& instance) {
    const std::string& name = instance.name();
    const auto conflict = [](std::string message, std::string hint) {
        return Refusal{api::kConflict, std::move(message), std::move(hint), {}};
    };
    if (const conf::Program& program = instance.program(); !program.tty) {
        const auto is_direct = [](const conf::Output& output) {
            return output.kind == conf::Output::Kind::direct;
        };
        const bool all_direct =
            is_direct(program.output) &&
            (is_direct(program.error) || program.error.kind == conf::Output::Kind::merged);
        std::string hint = program.input.kind == conf::Input::Kind::inherit
                               ? "it reads reeve's own stdin: type where reeve runs; "
                               : "";
        hint += all_direct ? "its output goes straight to reeve's own stdout"
                           : "its output is in 'reevectl logs -f " + name + "'";
        return conflict(name + " has no terminal (set tty = true)", std::move(hint));
    }
    if (is_over(instance.state())) {
        return conflict(name + " is not running: " + std::string{model::name_of(instance.state())},
                        "'reevectl start " + name + "' starts it");
    }
    if (const auto other = world.attached->find(instance.slot()); other != world.attached->end()) {
        const core::Actor& who = other->second;
        return conflict(
            (who.via == core::Actor::Via::token
                 ? core::describe(who)
                 : "uid " + std::to_string(who.uid) + " (pid " + std::to_string(who.pid) + ")") +
                " is attached to " + name + " already",
            "one at a time types; 'reevectl logs -f " + name + "' shows its output");
    }
    return std::nullopt;
}

}  // namespace

std::unique_ptr<Job> attach(World& world, Exchange& exchange, const std::string& target) {
    const auto refuse = [&](const Refusal& refusal) {
        exchange.refuse(refusal);
        return nullptr;
    };
    const api::Request& request = exchange.request();
    const auto wish = read_parameters(request);
    if (!wish) return refuse(wish.error());
    const auto instances = select(world, target);
    if (!instances) return refuse(instances.error());
    if (instances->size() > 1) {
        return refuse({api::kBadRequest,
                       "\"" + target + "\" means " + std::to_string(instances->size()) +
                           " instances, and a terminal is one's",
                       "name one of them: " + instances->front()->name(),
                       {}});
    }
    const core::Instance& instance = *instances->front();
    if (const auto refusal = objection(world, instance)) return refuse(*refusal);
    if (!asks_for(request, api::kAttachProtocol)) {
        return refuse({api::kUpgradeRequired,
                       "a terminal can't be had by HTTP alone",
                       "ask with \"Connection: Upgrade\" and \"Upgrade: " +
                           std::string{api::kAttachProtocol} + "\", as reevectl attach does",
                       {}});
    }
    auto job = std::make_unique<AttachJob>(world, exchange, instance);
    if (!job->begin(*wish)) {
        return refuse({api::kConflict,
                       instance.name() + " has not been started yet",
                       "'reevectl status " + instance.name() + "' tells what it waits for",
                       {}});
    }
    exchange.switch_protocols(api::kAttachProtocol);
    return job;
}

}  // namespace reeve::control
