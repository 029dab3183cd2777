#pragma once

// USDT probes, for bpftrace, SystemTap and perf: `bpftrace -l 'usdt:/usr/bin/reeve:*'`.  Where
// <sys/sdt.h> (Debian's systemtap-sdt-dev) was there at build time each is a nop in the code and a
// note beside it, and nothing is linked; elsewhere they are gone.  Either way the arguments must be
// values that lie ready: they are computed whether somebody listens or not.
//
// Names, order and types of the arguments are for good: scripts go by them.
//
//   spawn(name, run, pid)              a run's main process was cloned; the exec is still to come
//   exit(name, run, pid, code, signal) a run's main process was reaped; the one that is not meant
//                                      is 0
//   reap(pid, name, main)              any process was reaped; the name is "" for a stray; main is
//                                      1 for a run's main process, else 0
//   adopt(pid, name)                   an orphan was seen to have come to us
//   stop(name, run)                    a run is being stopped
//
// Names are char pointers to instance names ("web@2"), runs are 64 bits, the rest are ints.
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>

#define REEVE_PROBE_SPAWN(name, run, pid) DTRACE_PROBE3(reeve, spawn, name, run, pid)
#define REEVE_PROBE_EXIT(name, run, pid, code, signal) \
    DTRACE_PROBE5(reeve, exit, name, run, pid, code, signal)
#define REEVE_PROBE_REAP(pid, name, main) DTRACE_PROBE3(reeve, reap, pid, name, main)
#define REEVE_PROBE_ADOPT(pid, name) DTRACE_PROBE2(reeve, adopt, pid, name)
#define REEVE_PROBE_STOP(name, run) DTRACE_PROBE2(reeve, stop, name, run)
#else
namespace reeve::base {

// Takes what a probe would, so that a mistake in it is found in every build.
template <typename... Arguments>
constexpr void no_probe(const Arguments&...) {}

}  // namespace reeve::base

#define REEVE_PROBE_SPAWN(name, run, pid) ::reeve::base::no_probe(name, run, pid)
#define REEVE_PROBE_EXIT(name, run, pid, code, signal) \
    ::reeve::base::no_probe(name, run, pid, code, signal)
#define REEVE_PROBE_REAP(pid, name, main) ::reeve::base::no_probe(pid, name, main)
#define REEVE_PROBE_ADOPT(pid, name) ::reeve::base::no_probe(pid, name)
#define REEVE_PROBE_STOP(name, run) ::reeve::base::no_probe(name, run)
#endif
