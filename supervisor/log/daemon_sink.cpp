#include "supervisor/log/daemon_sink.h"

#include <utility>

#include "supervisor/base/error.h"
#include "supervisor/log/own_log.h"

namespace reeve::log {

namespace {

constexpr std::size_t kMostQueued = 64 * 1024;
// What one read brought is sent in parts of this, so that it doesn't pile up here.
constexpr std::size_t kBatch = 16 * 1024;

}  // namespace

DaemonSink::DaemonSink(LogSocket::Options options, StreamName stream, SinkServices services,
                       std::unique_ptr<Sink> fallback)
    : socket_{std::move(options)},
      stream_{std::move(stream)},
      services_{std::move(services)},
      fallback_{std::move(fallback)},
      watch_{services_.loop} {}

void DaemonSink::connect_first() {
    if (!reach()) declare_absent();
}

bool DaemonSink::has_room() {
    const bool room = state_ == State::absent || fallback_in_line_
                          ? fallback_->has_room()
                          : socket_.queued_bytes() < kMostQueued;
    if (!room) room_wanted_ = true;
    if (room) {
        full_since_.reset();
    } else if (!full_since_) {
        full_since_ = std::chrono::steady_clock::now();
    }
    return room;
}

std::optional<std::chrono::steady_clock::time_point> DaemonSink::full_since() const {
    return state_ == State::absent ? fallback_->full_since() : full_since_;
}

std::optional<Trouble> DaemonSink::trouble() {
    if (state_ != State::absent) return std::nullopt;
    return Trouble{.effect = Trouble::Effect::diverted,
                   .place = place(),
                   .reason = base::errno_text(socket_.error()),
                   .since = as_time_point(absent_since_),
                   .said = true};
}

void DaemonSink::put(const Record& record) {
    if (state_ == State::absent || fallback_in_line_) {
        fallback_->put(record);
        fallback_in_line_ = record.end == Record::End::more;
        return;
    }
    queue(socket_, record);
    if (wait_ == Wait::none && socket_.queued_bytes() >= kBatch) send();
}

void DaemonSink::flush() {
    if (wait_ == Wait::none && !socket_.empty()) send();
    fallback_->flush();
}

// Who listens at the path now may be another one than before.
void DaemonSink::reopen() {
    if (state_ == State::gone) return;  // is tried within a second anyway
    if (reach()) {
        send();
    } else if (state_ == State::here) {
        lost();
    }
}

void DaemonSink::retry() {
    retry_armed_ = false;
    switch (state_) {
        case State::here:
            if (wait_ != Wait::second) return;
            wait_ = Wait::none;
            send();
            return;
        case State::gone:
            if (reach()) {
                send();
            } else {
                declare_absent();
            }
            return;
        case State::absent:
            if (reach()) {
                send();
            } else {
                wait_a_second();
            }
            return;
    }
}

bool DaemonSink::reach() {
    watch_.stop();
    if (!socket_.connect()) return false;
    if (state_ == State::absent)
        services_.own_log.info(services_.name + ": " + socket_.path() +
                               " is there; its output goes to it again");
    state_ = State::here;
    wait_ = Wait::none;
    connected(socket_);
    return true;
}

void DaemonSink::send() {
    for (bool reconnected = false;;) {
        switch (socket_.send()) {
            case LogSocket::Sent::all:
                watch_.stop();
                wait_ = Wait::none;
                tell_room();
                return;
            case LogSocket::Sent::busy:
                wait_until_writable();
                tell_room();
                return;
            case LogSocket::Sent::later:
                watch_.stop();
                wait_a_second();
                return;
            case LogSocket::Sent::gone:
                // The next one may listen there already.
                if (!std::exchange(reconnected, true) && reach()) continue;
                lost();
                return;
            case LogSocket::Sent::too_large:
                if (!std::exchange(said_too_large_, true))
                    services_.own_log.warn(services_.name + ": " + socket_.path() +
                                           " cannot take a line of this size; such lines go to "
                                           "reeve's stderr");
                give_back_first();
                fallback_->flush();
                continue;
        }
    }
}

void DaemonSink::wait_until_writable() {
    if (wait_ == Wait::writable) return;
    const auto watched =
        watch_.start(socket_.fd(), {.writable = true}, [this](loop::FdWatch::Ready ready) {
            if (ready.failed) wait_ = Wait::none;  // the watch has ended; send() says why
            send();
        });
    if (watched) {
        wait_ = Wait::writable;
    } else {
        wait_a_second();
    }
}

void DaemonSink::wait_a_second() {
    wait_ = Wait::second;
    if (!std::exchange(retry_armed_, true)) services_.retry_later();
}

void DaemonSink::lost() {
    watch_.stop();
    socket_.disconnect();
    state_ = State::gone;
    wait_a_second();
}

void DaemonSink::declare_absent() {
    state_ = State::absent;
    absent_since_ = std::chrono::steady_clock::now();
    services_.own_log.warn(services_.name + ": cannot reach " + socket_.path() + ": " +
                           base::errno_text(socket_.error()) +
                           "; its output goes to reeve's stderr until it can be");
    while (!socket_.empty()) give_back_first();
    fallback_->flush();
    wait_a_second();
    tell_room();
}

void DaemonSink::give_back_first() {
    socket_.take_back([this](const LogSocket::Origin& origin, std::string_view text) {
        fallback_->put({.stream = stream_,
                        .time = origin.time,
                        .run = origin.run,
                        .pid = origin.pid,
                        .text = text,
                        .end = origin.end,
                        .begins = origin.begins});
        if (state_ == State::absent) fallback_in_line_ = origin.end == Record::End::more;
    });
}

void DaemonSink::tell_room() {
    if (!room_wanted_ || socket_.queued_bytes() > kMostQueued / 2) return;
    room_wanted_ = false;
    services_.room();
}

}  // namespace reeve::log
