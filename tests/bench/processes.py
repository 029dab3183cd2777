"""What /proc says of processes, and the starting and ending of our own.

The bench is a child subreaper, so whatever a supervisor leaves behind becomes a child of ours. That
makes ending things safe: nothing but our own, unreaped children is ever signalled, whose numbers
cannot have passed to somebody else.
"""

import ctypes
import os
import resource
import select
import signal
import time

PR_SET_CHILD_SUBREAPER = 36

_ours = set()  # what spawn() started and nobody has ended yet


def become_subreaper():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a pidfd for each process of `stop`


def spawn(argv, stdout=None, stderr=None, stdin="/dev/null"):
    """Starts argv[0], a path; stdout and stderr are paths or descriptors, stdin a path. Answers with
    its pid."""
    actions = [(os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0)]
    for number, target in ((1, stdout or "/dev/null"), (2, stderr or "/dev/null")):
        if isinstance(target, int):
            actions.append((os.POSIX_SPAWN_DUP2, target, number))
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            actions.append((os.POSIX_SPAWN_OPEN, number, str(target), flags, 0o644))
    pid = os.posix_spawn(argv[0], [str(word) for word in argv], os.environ, file_actions=actions)
    _ours.add(pid)
    return pid


def end(pid):
    """Kills a child of ours, waits for it, and does the same to all that it leaves behind."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    _ours.discard(pid)
    while True:
        # Each turn ends one generation, whose children then come home to us.
        strays = [child for child in children(os.getpid()) if child not in _ours]
        if not strays:
            return
        for stray in strays:
            os.kill(stray, signal.SIGKILL)
        for stray in strays:
            os.waitpid(stray, 0)


def wait(pid):
    """Until a child of ours ends by itself; answers with its exit code, negative for a signal."""
    status = os.waitpid(pid, 0)[1]
    _ours.discard(pid)
    return os.waitstatus_to_exitcode(status)


def end_all():
    for pid in list(_ours):
        end(pid)


def _read(path):
    with open(path, "rb") as file:
        return file.read()


def _tasks(pid):
    try:
        return [f"/proc/{pid}/task/{task}" for task in os.listdir(f"/proc/{pid}/task")]
    except FileNotFoundError:
        return []


def _per_task(pid, name):
    for task in _tasks(pid):
        try:
            yield _read(f"{task}/{name}")
        except (FileNotFoundError, ProcessLookupError):
            continue


def children(pid):
    return [int(child) for line in _per_task(pid, "children") for child in line.split()]


def descendants(pid):
    """All below pid, parents first."""
    found = children(pid)
    for child in found:
        found.extend(children(child))
    return found


def executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def pss_kib(pid, kind="Pss"):
    """"Pss_Anon": without pages of files, such as code, which the kernel may drop at any time."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(kind.encode() + b":"):
            return int(line.split()[1])
    return 0


def cpu_ns(pid):
    """The time on a CPU of all its threads, those that have ended too; to the nanosecond, unlike
    utime and stime: by the clock that clock_getcpuclockid(3) makes of a pid."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)
    except OSError:
        return 0


def switches(pid):
    """Context switches of all threads. A thread that is woken up does one at least."""
    return sum(int(line.split()[1]) for status in _per_task(pid, "status")
               for line in status.splitlines() if b"ctxt_switches:" in line)


def wait_for_exit(pids, seconds):
    """A function that waits until all pids have exited and says when (ns), or None if too late.

    The waiting is for one after the other: a poll of all would wake us a thousand times and take
    from the time that is measured.
    """
    descriptors = []
    for pid in pids:
        try:
            descriptors.append(os.pidfd_open(pid))
        except ProcessLookupError:
            pass

    def wait():
        deadline = time.monotonic() + seconds
        try:
            for descriptor in descriptors:
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
                    return None
            return time.monotonic_ns()
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    return wait


class MachineShare:
    """Who used the machine's CPU since: the bench with all its processes, and everybody else."""

    def __init__(self):
        self.began = time.monotonic()
        self.busy, self.ours = self._busy(), self._ours()

    @staticmethod
    def _busy():
        user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
            int, _read("/proc/stat").splitlines()[0].split()[1:])
        return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def _ours():
        used = [resource.getrusage(who)
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    def __str__(self):
        seconds = time.monotonic() - self.began
        machine = seconds * os.cpu_count()
        ours = self._ours() - self.ours
        others = max(0.0, self._busy() - self.busy - ours) / machine
        warning = ": too many for p99s and close ratios (README.md)" if others > 0.1 else ""
        return (f"took {seconds:.0f} s; of the machine's CPU the bench used "
                f"{100 * ours / machine:.0f} %, others {100 * others:.0f} %{warning}")
