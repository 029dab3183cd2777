#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <span>

#include "supervisor/base/error.h"

// The limits and descriptors that we were started with.
namespace reeve::os {

// Raises the soft RLIMIT_NOFILE to the hard one and returns what it was before: what a program of
// ours gets back.
base::OsExpected<rlimit> raise_nofile();

// Our own RLIMIT_LOCKS (the hard one): our tag if another reeve runs us, else RLIM_INFINITY.
std::uint64_t own_tag();

// Makes every descriptor from 3 on that we inherited close-on-exec, but those in `keep`.
base::OsExpected<void> close_inherited_on_exec(std::span<const int> keep = {});

}  // namespace reeve::os
