#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "conf/config.h"
#include "supervisor/log/sink.h"

namespace reeve::log {

// A sink, and what becomes of what it cannot take: the stream waits, or whole lines are dropped and
// counted.
class Outlet {
public:
    using Clock = std::chrono::steady_clock;

    Outlet(std::unique_ptr<Sink> sink, conf::Overflow overflow)
        : sink_{std::move(sink)}, overflow_{overflow} {}

    Sink& sink() const { return *sink_; }
    bool takes_bytes() const { return sink_->takes_bytes(); }

    // While it drops, nothing waits for the sink: its program is stopping and its time is up.
    void set_dropping(bool dropping) { dropping_ = dropping; }

    // Whether the stream must not be read now for this sink's sake.
    bool must_wait() const {
        return overflow_ == conf::Overflow::block && !dropping_ && !sink_->has_room();
    }

    // Before what one read brought.
    void begin() {
        full_ = may_drop() && !sink_->has_room();
        if (!full_) overdraft_ = 0;
    }
    void put_bytes(const Slice& slice);
    void put(const Record& record);
    void flush() { sink_->flush(); }

    // Whether its sink may read the stream itself for a while; and what it has read.
    bool may_pull() const {
        return overflow_ == conf::Overflow::block && !dropping_ && !given_lines_ &&
               !in_skipped_line_ && sink_->takes_bytes() && sink_->has_room();
    }
    void pulled(bool in_line) {
        in_line_ = in_line;
        skipping_ = false;
        overdraft_ = 0;
    }

    // Whether lines are what it is given from now on; answers with what it was before.
    bool is_given_lines(bool now) { return std::exchange(given_lines_, now); }

    // Since it was asked last.
    std::uint64_t take_dropped_lines() {
        if (dropped_lines_ > 0) dropped_at_ = Clock::now();
        return std::exchange(dropped_lines_, 0);
    }
    // As far as those lines were taken.
    bool has_dropped_since(Clock::time_point time) const { return dropped_at_ >= time; }

    bool may_drop() const { return overflow_ == conf::Overflow::drop || dropping_; }

private:
    void skip(std::string_view bytes);

    std::unique_ptr<Sink> sink_;
    conf::Overflow overflow_;
    bool dropping_ = false;
    bool full_ = false;
    bool given_lines_ = false;
    bool in_line_ = false;          // the sink has the beginning of a line, and not yet its end
    bool skipping_ = false;         // the last line, or what has come of it, was dropped
    bool in_skipped_line_ = false;  // and its end has not come
    std::size_t overdraft_ = 0;     // given while there was no room
    std::uint64_t dropped_lines_ = 0;
    Clock::time_point dropped_at_ = Clock::time_point::min();
};

}  // namespace reeve::log
