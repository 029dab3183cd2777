#include "supervisor/control/event_stream.h"

#include <new>

#include "supervisor/control/event_json.h"
#include "supervisor/control/parameters.h"
#include "supervisor/loop/timer.h"

namespace reeve::control {

namespace {

class EventJob final : public Job {
public:
    EventJob(World& world, Exchange& exchange, std::uint64_t last_seen)
        : world_{world}, exchange_{exchange}, last_sent_{last_seen}, seat_{*world.turns, [this] {
                                                                               send_what_is_due();
                                                                           }} {
        listener_ = events().subscribe([this](const core::Event&) { ask(); });
        ask();
    }
    ~EventJob() override { events().unsubscribe(listener_); }
    EventJob(const EventJob&) = delete;
    EventJob& operator=(const EventJob&) = delete;

    void resume() override {
        if (last_sent_ < events().last_seq()) ask();
    }
    void flush() override { send_what_is_due(); }

private:
    core::EventLog& events() { return world_.roster.events(); }

    // A client that takes what it is sent must not lose events to the pace of the turns, nor to a
    // turn that has more of them than are kept.
    void ask() {
        const std::uint64_t due = events().last_seq() - last_sent_;
        if (due < kMany || !exchange_.has_room()) {
            seat_.ask();
        } else if (due < core::EventLog::kKept) {
            seat_.ask_at_once();
        } else {
            try {
                send_what_is_due();
            } catch (const std::bad_alloc&) {
                seat_.ask();  // whoever publishes is not to fail for it
            }
        }
    }

    // The client's place in the log is all that is remembered for it: the events themselves are
    // kept once, for everybody.
    void send_what_is_due() {
        while (exchange_.has_room() && last_sent_ < events().last_seq()) {
            std::string text;
            const auto& kept = events().kept();
            const std::uint64_t oldest = kept.front().seq;
            std::uint64_t upto = last_sent_;
            if (upto + 1 < oldest) {
                text = api::to_sse(lost(upto + 1, oldest - 1));
                upto = oldest - 1;
            }
            for (std::size_t i = upto + 1 - oldest; i < kept.size() && text.size() < kBatch; ++i) {
                text += world_.event_texts->of(kept[i]);
                upto = kept[i].seq;
            }
            exchange_.send(text);
            last_sent_ = upto;
        }
    }

    api::Event lost(std::uint64_t from, std::uint64_t to) const {
        api::Event event;
        event.id = to;
        event.event = "lost";
        event.time = world_.host.wall_now();
        event.data = "{\"from\":" + std::to_string(from) + ",\"to\":" + std::to_string(to) +
                     ",\"count\":" + std::to_string(to - from + 1) + "}";
        return event;
    }

    static constexpr std::size_t kBatch = 32 * 1024;
    static constexpr std::uint64_t kMany = core::EventLog::kKept / 4;

    World& world_;
    Exchange& exchange_;
    std::uint64_t last_sent_;
    core::EventLog::ListenerId listener_ = 0;
    Turns::Seat seat_;  // many events make one write
};

}  // namespace

std::unique_ptr<Job> stream_events(World& world, Exchange& exchange) {
    const api::Request& request = exchange.request();
    if (auto refusal = check_parameters(request, {"since"})) {
        exchange.refuse(*refusal);
        return nullptr;
    }
    // A browser that reconnects asks with its first address again; the header knows better.
    const auto header = request.header("last-event-id");
    const auto since = header ? header : request.parameter("since");
    const std::uint64_t last = world.roster.events().last_seq();
    std::uint64_t last_seen = last;
    if (since) {
        const auto number = parse_number(*since);
        if (!number) {
            exchange.refuse(bad_parameter("since", *since, "the number of an event"));
            return nullptr;
        }
        // A number from the life of another reeve: all of ours is new to this client.
        last_seen = *number <= last ? *number : 0;
    }
    exchange.begin_stream(api::kEventStreamType, Exchange::Length::endless);
    return std::make_unique<EventJob>(world, exchange, last_seen);
}

}  // namespace reeve::control
