#include "supervisor/app/event_handlers.h"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "ctl/api/messages.h"
#include "supervisor/app/environment.h"
#include "supervisor/control/event_json.h"

namespace reeve::app {

namespace {

bool is_for(const conf::EventHandler& handler, const std::string& name) {
    return std::ranges::any_of(handler.events, [&](const std::string& glob) {
        return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0;
    });
}

}  // namespace

EventHandlers::EventHandlers(loop::Loop& loop, core::EventLog& events, SideCommands& commands,
                             log::OwnLog& log, conf::EnvironmentMap environment)
    : events_{events},
      commands_{commands},
      log_{log},
      pump_{loop, [this] { pump(); }},
      last_time_{loop, [this] { end(); }} {
    for (const auto& [name, value] : environment) environment_.push_back(name + "=" + value);
    listener_ = events_.subscribe([this](const core::Event& event) { hear(event); });
}

EventHandlers::~EventHandlers() {
    events_.unsubscribe(listener_);
}

void EventHandlers::set(std::vector<conf::EventHandler> handlers) {
    handlers_.clear();
    for (conf::EventHandler& handler : handlers) {
        handlers_.push_back(std::make_shared<const conf::EventHandler>(std::move(handler)));
    }
}

void EventHandlers::hear(const core::Event& event) {
    if (handlers_.empty()) return;
    const std::string name{core::name_of(event.body)};
    std::shared_ptr<const std::string> text;
    for (const auto& handler : handlers_) {
        if (!is_for(*handler, name)) continue;
        if (closed_) {
            if (!std::exchange(said_closed_, true)) {
                log_.info("on_event " + name +
                          ": reeve ends, and no handler is run for this and what follows");
            }
            return;
        }
        if (waiting_.size() >= kWaiting) {
            if (++dropped_ == 1) {
                log_.warn("on_event: " + std::to_string(kWaiting) +
                          " events wait for their handlers; what comes now is dropped until there "
                          "is room");
            }
            continue;
        }
        if (!text) {
            text = std::make_shared<const std::string>(api::to_json(control::to_api(event)) + "\n");
        }
        waiting_.push_back({handler, text, name});
        pump_.arm();
    }
}

void EventHandlers::pump() {
    while (running_.size() < kAtOnce && !waiting_.empty()) {
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        run(std::move(next));
    }
    if (dropped_ > 0 && waiting_.size() < kWaiting / 2) {
        log_.warn("on_event: " + std::to_string(std::exchange(dropped_, 0)) +
                  " events were dropped for want of room; there is room again");
    }
    if (finished_ && running_.empty() && waiting_.empty()) end();
}

void EventHandlers::finish(std::function<void()> done) {
    if (closed_) return;
    finished_ = std::move(done);
    last_time_.start(kLastTime);
    pump_.arm();
}

void EventHandlers::end() {
    const auto finished = std::move(finished_);
    close();
    if (finished) finished();
}

void EventHandlers::close() {
    if (std::exchange(closed_, true)) return;
    last_time_.stop();
    finished_ = nullptr;
    for (const std::string& what : running_) log_.warn(what + "killed, because reeve ends");
    if (waiting_.empty()) return;
    std::set<std::string> names;
    for (const Waiting& one : waiting_) names.insert(one.name);
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    const std::size_t count = std::exchange(waiting_, {}).size() + std::exchange(dropped_, 0);
    log_.warn("on_event: " + std::to_string(count) + (count == 1 ? " event is" : " events are") +
              " dropped, because reeve ends: " + list);
}

void EventHandlers::run(Waiting next) {
    SideOrder order;
    order.lane = SideOrder::Lane::handler;
    order.timeout = next.handler->timeout;
    order.input = *next.event;
    order.request.argv = next.handler->command.words;
    order.request.environment = environment_;
    order.request.candidates =
        os::find_candidates(order.request.argv.front(), value_of(environment_, "PATH"));
    const std::string what = "on_event " + next.name + " (" + next.handler->command.text + "): ";
    const auto started =
        commands_.start(std::move(order), {.on_end =
                                               [this, what](const SideResult& result) {
                                                   if (!result.ok() && !closed_)
                                                       log_.warn(what + result.text_with_output());
                                               },
                                           .on_gone =
                                               [this, what] {
                                                   running_.erase(running_.find(what));
                                                   pump_.arm();
                                               }});
    if (started) {
        running_.insert(what);
    } else {
        log_.warn(what + "too many commands wait to be started");
    }
}

}  // namespace reeve::app
