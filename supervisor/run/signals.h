#pragma once

#include <csignal>
#include <cstdint>
#include <optional>

#include "conf/units.h"

// All signals, those too that glibc keeps for itself (32 and 33, which its sigfillset() leaves out
// and which would end us): by the kernel's own calls, signal(7).
namespace reeve::run {

inline constexpr int kLastSignal = 64;

// The mask of the kernel: bit N-1 is signal N.
using SignalMask = std::uint64_t;
inline constexpr SignalMask kAllSignals = ~SignalMask{0};

// Of the one thread there is.  What it was before.
SignalMask set_mask(SignalMask mask);

// The next signal, of all that are blocked; waits for it, at most until `patience` is over: nullopt
// then.  Without one it waits for as long as it takes.
std::optional<siginfo_t> next_signal(std::optional<conf::Duration> patience);

// Sends it on as it came: with its value, where it has one.  False: not permitted.
bool forward(pid_t pid, int signal, const siginfo_t& came);

}  // namespace reeve::run
