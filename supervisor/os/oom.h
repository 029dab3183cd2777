#pragma once

#include <optional>

// Our own oom_score_adj: from -1000 (never) to 1000, how readily the kernel kills us when memory
// runs out; see proc(5).  Children inherit it.
namespace reeve::os {

// nullopt: /proc does not tell.
std::optional<int> own_oom_score_adj();

// Lowers it to `wanted`, and returns what it was before: what a program of ours gets back.
// nullopt: it was that low already, or we may not (it takes CAP_SYS_RESOURCE to go below what
// somebody with it has set last); nothing has changed.
std::optional<int> lower_own_oom_score_adj(int wanted);

}  // namespace reeve::os
