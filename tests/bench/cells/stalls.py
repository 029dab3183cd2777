"""How long an answer and a restart take beside twenty programs, while a place for output stalls."""

import contextlib
import os
import signal
import socket
import time

import processes
from report import Column, Table
from run import Failed, Job, Run

PROGRAMS = 20
KILLS = 10  # a round
ASKED_MS = 5
ASKED_SECONDS = 1.5
CALM = "reeve-calm"
LINES = 100_000_000  # never all written


class Stall:
    """One more program writes as much as it can to a place that takes nothing."""

    output = None  # as `stdout =` of reeve.toml has it
    needs_root = True

    def __init__(self, name):
        self.name = name

    def missing(self):
        return "needs root" if self.needs_root and os.getuid() != 0 else None

    def prepare(self, home):
        """Makes the place; answers with the words that run reeve in it."""
        return []

    def begin(self, home):
        """It stops taking anything, where it hasn't from the first."""

    def end(self, home):
        """Whoever waits for it can be killed again."""


class Calm(Stall):
    """That program writes nothing."""
    output = '"inherit"'
    needs_root = False


class Unread(Stall):
    output = '"inherit"'
    needs_root = False

    def prepare(self, home):
        os.mkfifo(f"{home}/out")
        # Open for reading by nobody who reads.
        return ["/bin/sh", "-c", f'exec "$@" 1<>{home}/out', "sh"]


class Fifo(Stall):
    needs_root = False

    def prepare(self, home):
        os.mkfifo(f"{home}/fifo")
        self.output = f'"{home}/fifo"'
        return []


def namespace(script):
    return ["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec",
            script + '\nexec "$@"', "sh"]


class Full(Stall):
    def prepare(self, home):
        os.mkdir(f"{home}/disk")
        self.output = f'"{home}/disk/log"'
        return namespace(f"mount -t tmpfs -o size=1m none {home}/disk")


class Journal(Stall):
    output = '"journal"'

    def prepare(self, home):
        os.makedirs(f"{home}/run/systemd/journal")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{home}/run/systemd/journal/socket")
        return namespace(f"mount --bind {home}/run /run")


class Syslog(Stall):
    output = '"syslog"'

    def prepare(self, home):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{home}/log")
        return namespace(f"mkdir {home}/dev\nmount -t tmpfs none {home}/dev\ncd {home}/dev\n"
                         "touch null; mount --bind /dev/null null\n"
                         "mkdir shm; mount --bind /dev/shm shm\n"
                         f"ln -s {home}/log log; cd /\nmount --rbind {home}/dev /dev")


class Hang(Stall):
    """A FUSE file system whose server does not answer."""

    def __init__(self, name, hangfs):
        super().__init__(name)
        self.hangfs = hangfs

    def missing(self):
        return super().missing() or (None if os.access("/dev/fuse", os.R_OK | os.W_OK)
                                     else "no /dev/fuse")

    def prepare(self, home):
        os.mkdir(f"{home}/disk")
        self.output = f'"{home}/disk/log"'
        return [self.hangfs, f"{home}/disk", f"{home}/hang"]

    def begin(self, home):
        time.sleep(0.5)  # it has been written to
        with open(f"{home}/hang", "w"):
            pass

    def end(self, home):
        os.remove(f"{home}/hang")


def answers(run, contestant):
    """Latencies of GET /v1/status, in ms."""
    end, theirs = os.pipe()
    asker = processes.spawn([run.workshop.tool("ask"), ASKED_MS, "socket", contestant.socket(run),
                             "/v1/status"], stdout=theirs)
    os.close(theirs)
    time.sleep(ASKED_SECONDS)
    os.kill(asker, signal.SIGTERM)
    with os.fdopen(end) as lines:
        took = [int(line) / 1e6 for line in lines]
    processes.end(asker)
    if 0 in took:
        raise Failed("a request failed")
    return took


def restarts(run, lives):
    for index in [turn % PROGRAMS for turn in range(KILLS)]:
        began = run.kill_jobs([index])
        lives[index] += 1
        yield (run.wait_for_lives(lives[index], [index], seconds=10) - began) / 1e6
        time.sleep(0.03)


def measure(bench):
    stalls = [Calm("calm"), Unread("unread"), Fifo("fifo"), Full("full"), Journal("journal"),
              Syslog("syslog"), Hang("hang", bench.workshop.tool("hangfs"))]
    names = tuple(f"reeve-{stall.name}" for stall in stalls[1:])
    table = Table("stalls", [
        Column("status", "ms", within_ratio=1.2, over=CALM, goal_for=names),
        Column("status", "ms", "p99", over=CALM),
        Column("restart", "ms", within_ratio=1.2, over=CALM, goal_for=names),
        Column("restart", "ms", "max", over=CALM)])
    jobs = [Job()] * PROGRAMS + [Job("emit", f"{LINES}:4096")]
    with contextlib.ExitStack() as stack:
        runs = {}
        for stall in stalls:
            if why := stall.missing():
                table.fail(f"reeve-{stall.name}", "status", why)
                continue
            for contestant in bench.reeve(stall.name, stall=stall):
                with table.attempt(contestant.name, "status"):
                    run = stack.enter_context(Run(bench.workshop, contestant, jobs))
                    run.wait_for_lives(1)
                    runs[contestant] = run
                    if stall.name != "calm":
                        os.kill(run.job_pid(PROGRAMS), signal.SIGUSR1)
                        stall.begin(run.home)
                        stack.callback(stall.end, run.home)
        time.sleep(2)  # until all who can be stuck are
        lives = {contestant: [1] * PROGRAMS for contestant in runs}
        for contestant in table.rounds(list(runs), "status", 2 * bench.repeats, budget=1e9):
            with table.attempt(contestant.name, "status"):
                run = runs[contestant]
                for latency in answers(run, contestant):
                    table.add(contestant.name, "status", latency)
                for latency in restarts(run, lives[contestant]):
                    table.add(contestant.name, "restart", latency)
    table.note(f"{PROGRAMS} programs and one more, whose place for output stalls while it writes "
               "(calm: that writes nothing): reeve's stdout is not read, a FIFO is not, a disk is "
               "full, a journal and a syslog take nothing, a file system does not answer; all of "
               "these reeves at once, in turn")
    return [table]
