#pragma once

#include <chrono>
#include <functional>

namespace reeve::app {

// Runs `work` on a thread of its own and waits for it, but no longer than `patience`: a disk or a
// name service may hang, and the work goes on by itself then.  Before the loop runs, and after.
void within(std::chrono::milliseconds patience, const std::function<void()>& work);

}  // namespace reeve::app
