"""One life of one supervisor with its jobs, from the launch until nothing of it is left."""

import collections
import os
import shutil
import signal
import struct
import time

import processes

# workload/notes.h
NOTE = struct.Struct("=QII")
(LAUNCH, FIRST_FORK, LAST_FORK, FIRST_WRITE, LAST_WRITE, FIRST_DEATH,
 RAISED) = range(1000000, 1000007)

Note = collections.namedtuple("Note", "ns pid")
Job = collections.namedtuple("Job", "tool count", defaults=("note", None))


class Failed(Exception):
    """A supervisor did not do what the cell asks for; the text says what."""


class Workshop:
    """Where the tools are, and a scratch directory with a home for each run."""

    def __init__(self, tools, scratch):
        self.tools, self.scratch = tools, scratch
        self.runs = 0

    def tool(self, name):
        return os.path.join(self.tools, name)

    def new_home(self):
        self.runs += 1
        home = os.path.join(self.scratch, str(self.runs))
        os.mkdir(home)
        return home

    def is_job(self, executable):
        return executable in map(self.tool, ("note", "orphans", "emit", "crash"))


class Run:
    """with Run(workshop, supervisor, jobs, capture) as run: …

    capture: "none" (output discarded), "usual" (captured the supervisor's usual way), "files" or
    "rotated" (files that are rotated at `rotate_at` bytes, of which `keep` are kept).
    """

    def __init__(self, workshop, supervisor, jobs, capture="none", subreaper=False, rotate_at=0,
                 keep=0):
        self.workshop, self.supervisor = workshop, supervisor
        self.rotate_at, self.keep = rotate_at, keep
        self.home = workshop.new_home()
        self.notes_path = os.path.join(self.home, "notes")
        self.logs = os.path.join(self.home, "logs")
        os.mkdir(self.logs)
        self.notes = collections.defaultdict(list)  # by index, in the order in which they were written
        self.offset = 0
        self.pid = None
        commands = []
        for index, job in enumerate(jobs):
            argument = f"{self.notes_path}:{index}" + (f":{job.count}" if job.count else "")
            commands.append((workshop.tool(job.tool), argument))
        self.count = len(jobs)
        self.argv = supervisor.prepare(self, commands, capture)
        self.subreaper = subreaper and not supervisor.is_subreaper

    def __enter__(self):
        self.pid = processes.spawn(
            [self.workshop.tool("launch"), self.notes_path, self.supervisor.descriptors(self.count),
             int(self.subreaper), *self.argv], stderr=self.home + "/stderr")
        return self

    def __exit__(self, *_):
        processes.end(self.pid)
        self.supervisor.clear(self)
        shutil.rmtree(self.home, ignore_errors=True)

    # --- notes --------------------------------------------------------------------------------

    def read_notes(self):
        try:
            with open(self.notes_path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except FileNotFoundError:
            return
        data = data[:len(data) - len(data) % NOTE.size]
        self.offset += len(data)
        for nanoseconds, index, pid in NOTE.iter_unpack(data):
            self.notes[index].append(Note(nanoseconds, pid))

    def wait_for(self, done, what, seconds, step=0.002):
        """Reads notes until done(); the time of a thing is in its note, not in when we see it."""
        deadline = time.monotonic() + seconds
        while True:
            self.read_notes()
            if done():
                return
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not after {seconds:g} s{self.last_words()}")
            time.sleep(step)

    def wait_for_lives(self, lives, indices=None, seconds=60):
        """Until each program has been started `lives` times; answers when the last of them was."""
        indices = range(self.count) if indices is None else indices

        def missing():
            return sum(len(self.notes[index]) < lives for index in indices)

        self.wait_for(lambda: not missing(), f"{len(indices)} programs started", seconds,
                      step=0.002 if len(indices) < 100 else 0.01)
        return max(self.notes[index][lives - 1].ns for index in indices)

    def lives(self):
        """How many of its programs' starts there have been."""
        self.read_notes()
        return sum(len(self.notes[index]) for index in range(self.count))

    def launched_ns(self):
        return self.notes[LAUNCH][0].ns

    def job_pid(self, index=0):
        return self.notes[index][-1].pid

    def last_words(self):
        try:
            with open(self.home + "/stderr", errors="replace") as file:
                lines = file.read().strip().splitlines()
        except FileNotFoundError:
            return ""
        return f" ({lines[-1][:200]})" if lines else ""

    # --- what it costs ------------------------------------------------------------------------

    def supervising(self):
        """The pids of all that is there for the supervisor's sake and not a job's."""
        return [pid for pid in [self.pid, *processes.descendants(self.pid)]
                if not self.workshop.is_job(processes.executable(pid))]

    def cpu_ns(self, pids):
        return sum(map(processes.cpu_ns, pids))

    def log_files(self, index):
        """That program's, oldest first, as this supervisor names and sorts them."""
        return self.supervisor.log_files(self, index)

    def kill_jobs(self, indices):
        """SIGKILL to each; answers when that began."""
        pids = [self.job_pid(index) for index in indices]
        began = time.monotonic_ns()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return began
