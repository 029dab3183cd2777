#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace reeve::app {

// Answers `count` questions in a child, in their order; none may hold a NUL.  Fewer than asked: no
// answer came to the next for as long as `patience`, and the child was left behind: who waits for
// a dead disk or a name service can't be killed, and a process can't end before all of its threads
// have.  To be called while there is one thread.
std::vector<std::string> ask_apart(std::size_t count, std::chrono::milliseconds patience,
                                   const std::function<std::string(std::size_t)>& answer);

}  // namespace reeve::app
