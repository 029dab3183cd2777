#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <span>

#include "supervisor/base/error.h"

// The limits and descriptors that we were started with.
namespace reeve::os {

// Raises the soft RLIMIT_NOFILE to the hard one and returns what it was before: what a program of
// ours gets back.
base::OsExpected<rlimit> raise_nofile();

// Our own: processor time of all threads, how many descriptors are open (a directory is read, so
// not on a loop), and how many may be.  nullopt: it can't be told.
double own_cpu_seconds();
std::optional<std::uint64_t> count_open_files();
std::optional<std::uint64_t> most_open_files();

// Our own RLIMIT_LOCKS (the hard one): our tag if another reeve runs us, else RLIM_INFINITY.
std::uint64_t own_tag();

// Makes every descriptor from 3 on that we inherited close-on-exec, but those in `keep`.
base::OsExpected<void> close_inherited_on_exec(std::span<const int> keep = {});

}  // namespace reeve::os
