"""Orphans come home and die: twenty thousand in a storm, one after the other, and ten thousand at
the same moment."""

import contextlib
import json
import os
import signal
import time

import processes
from report import QUICKEST, Column, Table
from run import FIRST_DEATH, LAST_FORK, RAISED, Failed, Job, Run
from supervisors.floor import Reap

STORM, BURST = 20000, 10000
SECONDS = 20  # then whoever still has zombies is out
SETTLE = 1.3
TRACKING = ("cgroup", "tag")


class Helper:
    """One of our tools beside a run; its stdout is ours to read."""

    def __init__(self, *argv):
        end, theirs = os.pipe()
        self.pid = processes.spawn(argv, stdout=theirs)
        os.close(theirs)
        self.stdout = os.fdopen(end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stdout.close()
        processes.end(self.pid)

    def answers(self):
        """The latencies in ms that `ask` has noted, once it has been told to end."""
        os.kill(self.pid, signal.SIGTERM)
        return [int(line) / 1e6 for line in self.stdout]


def watched(run, stack):
    sampler = stack.enter_context(
        Helper(run.workshop.tool("sampler"), run.pid, run.notes_path, SECONDS))
    sampler.stdout.readline()
    return sampler


def judge(table, name, run, seen, count, cpu_ns):
    """Fills in what storm and burst have in common."""
    run.read_notes()
    first_death = run.notes[FIRST_DEATH][0].ns
    if seen["gone_ns"] == 0:
        raise Failed(f"{seen['left']} of {count} left {SECONDS} s after the first had died "
                     f"(peak {seen['peak_zombies']} zombies)")
    table.add(name, "rate", count / (seen["gone_ns"] - first_death) * 1e9)
    table.add(name, "lag", (seen["gone_ns"] - run.notes[LAST_FORK][0].ns) / 1e6)
    table.add(name, "CPU", cpu_ns / 1e3 / count)
    table.add(name, "peak zombies", seen["peak_zombies"])
    table.add(name, "oldest zombie", seen["oldest_ns"] / 1e6)
    if seen["longest_sample_ns"] > 50e6:
        table.note(f"{name}: longest sample {seen['longest_sample_ns'] / 1e6:.1f} ms")


def check_tracking(contestant, run):
    wanted = getattr(contestant, "tracking", None)
    if wanted and (used := contestant.tracking_used(run)) != wanted:
        raise Failed(f"can't be had here, it would use \"{used}\"")


def storm(bench, table, contestant, asked):
    name = contestant.name
    with Run(bench.workshop, contestant, [Job("orphans", STORM)], subreaper=True) as run, \
            contextlib.ExitStack() as stack:
        run.wait_for_lives(1)
        check_tracking(contestant, run)
        time.sleep(SETTLE)
        supervising = run.supervising()
        tool = bench.workshop.tool
        askers = {}
        if asked:
            askers["GET /v1/status"] = stack.enter_context(
                Helper(tool("ask"), 10, "socket", contestant.socket(run), "/v1/status"))
            askers["reevectl status"] = stack.enter_context(
                Helper(tool("ask"), 100, "command", contestant.ctl, "--socket",
                       contestant.socket(run), "status"))
        sampler = watched(run, stack)

        cpu = run.cpu_ns(supervising)
        os.kill(run.job_pid(), signal.SIGUSR1)
        seen = json.loads(sampler.stdout.readline())
        cpu = run.cpu_ns(supervising) - cpu

        for what, asker in askers.items():
            for latency in asker.answers():
                if latency == 0:
                    table.note(f"{name}: a {what} failed")
                else:
                    table.add(name, what, latency)
        judge(table, name, run, seen, STORM, cpu)


def burst(bench, table, contestant):
    with Run(bench.workshop, contestant, [Job("orphans", BURST)], subreaper=True) as run, \
            contextlib.ExitStack() as stack:
        run.wait_for_lives(1)
        check_tracking(contestant, run)
        supervising = run.supervising()
        sampler = watched(run, stack)
        os.kill(run.job_pid(), signal.SIGUSR2)
        run.wait_for(lambda: run.notes[RAISED], f"{BURST} orphans raised", SECONDS)
        time.sleep(SETTLE)

        cpu = run.cpu_ns(supervising)
        os.kill(run.job_pid(), signal.SIGUSR2)
        seen = json.loads(sampler.stdout.readline())
        cpu = run.cpu_ns(supervising) - cpu
        judge(table, contestant.name, run, seen, BURST, cpu)


REEVES = tuple(f"reeve-{tracking}" for tracking in TRACKING)
COLUMNS = [
    Column("rate", "1/s", more_is_better=True),
    Column("rate", "1/s", more_is_better=True, within_ratio=1, over=QUICKEST,
           goal_for=REEVES),
    Column("CPU", "us each", within_ratio=1.1, over="floor", goal_for=REEVES),
    Column("CPU", "us each", within_ratio=1.1, over="floor-proc", goal_for=REEVES),
    Column("CPU", "us each", within_ratio=1, over=QUICKEST, goal_for=REEVES),
    Column("peak zombies", "", over=QUICKEST),
]


def measure(bench):
    floors = [Reap("bare"), Reap("proc")]
    reeves = [reeve for tracking in TRACKING for reeve in bench.reeve(tracking, tracking=tracking)]
    contestants = [*floors, *bench.peers, *bench.inits, *reeves]

    asked = bench.reeve("asked")
    storms = Table("reap", [
        *COLUMNS,
        Column("lag", "ms", within_ratio=1.1, over="floor", goal_for=REEVES),
        Column("oldest zombie", "ms", "max", within=100, ratio=False, goal_for=REEVES),
        Column("GET /v1/status", "ms", "p99", within=50, goal_for=("reeve-asked",)),
        Column("GET /v1/status", "ms", "max", within=50, goal_for=("reeve-asked",)),
        Column("reevectl status", "ms", "max", within=50, goal_for=("reeve-asked",)),
    ])
    for contestant in storms.rounds([*contestants, *asked], "rate", bench.repeats, budget=30):
        with storms.attempt(contestant.name, "rate"):
            storm(bench, storms, contestant, contestant in asked)
    storms.note(f"{STORM} orphans, one after the other; rate: first death to none left, so it holds "
                "the storm's own forks; lag: last fork to none left; CPU: the supervisor's, for each "
                "orphan; floor-proc reads a /proc file for each; reeve-asked: while a GET /v1/status "
                "is sent every 10 ms and reevectl status run every 100 ms")

    bursts = Table("reap: at once", COLUMNS)
    for contestant in bursts.rounds(contestants, "rate", bench.repeats, budget=60):
        with bursts.attempt(contestant.name, "rate"):
            burst(bench, bursts, contestant)
    bursts.note(f"{BURST} orphans die of one kill(); most of the time is their own dying")
    return [storms, bursts]
