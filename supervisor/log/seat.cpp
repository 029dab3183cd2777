#include "supervisor/log/seat.h"

#include <algorithm>
#include <utility>

namespace reeve::log {

void Seat::offer(std::string_view bytes) {
    // Once something is missed, all is until it could be told.
    const bool fits = missed_ == 0 && on_its_way_ + offered_.size() + bytes.size() <= kMost;
    if (fits) {
        offered_ += bytes;
    } else {
        missed_ += bytes.size();
    }
}

void Seat::took(std::size_t bytes) {
    on_its_way_ -= std::min(bytes, on_its_way_);
    if (missed_ == 0 || on_its_way_ > kMost / 2) return;
    deliver();
    listener_.on_output({}, std::exchange(missed_, 0));
}

void Seat::deliver() {
    if (offered_.empty()) return;
    on_its_way_ += offered_.size();
    listener_.on_output(std::exchange(offered_, {}), 0);
}

void Seat::typed_went(std::size_t bytes) {
    typed_.erase(0, bytes);
    if (bytes > 0) listener_.on_taken(bytes);
}

}  // namespace reeve::log
