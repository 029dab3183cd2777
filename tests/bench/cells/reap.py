"""Twenty thousand orphans of a program that forks twice come home at once."""

import contextlib
import json
import os
import signal
import time

import processes
from report import Column, Table
from run import FIRST_FORK, LAST_FORK, Failed, Job, Run
from supervisors.floor import Reap

ORPHANS = 20000
SECONDS = 20  # then whoever still has zombies is out
SETTLE = 1.3


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


def storm(bench, table, contestant, asked):
    name = contestant.name
    with Run(bench.workshop, contestant, [Job("orphans", ORPHANS)], subreaper=True) as run, \
            contextlib.ExitStack() as stack:
        run.wait_for_lives(1)
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
        sampler = stack.enter_context(
            Helper(tool("sampler"), run.pid, run.notes_path, SECONDS))
        sampler.stdout.readline()

        cpu = run.cpu_ns(supervising)
        os.kill(run.job_pid(), signal.SIGUSR1)
        seen = json.loads(sampler.stdout.readline())
        cpu = run.cpu_ns(supervising) - cpu
        run.read_notes()

        for what, asker in askers.items():
            for latency in asker.answers():
                if latency == 0:
                    table.note(f"{name}: a {what} failed")
                else:
                    table.add(name, what, latency)
    if seen["gone_ns"] == 0:
        raise Failed(f"{seen['left']} not reaped {SECONDS} s after the storm began "
                     f"(peak {seen['peak_zombies']} zombies)")
    table.add(name, "wall", (seen["gone_ns"] - run.notes[FIRST_FORK][0].ns) / 1e6)
    table.add(name, "lag", (seen["gone_ns"] - run.notes[LAST_FORK][0].ns) / 1e6)
    table.add(name, "CPU", cpu / 1e6)
    table.add(name, "peak zombies", seen["peak_zombies"])
    table.add(name, "oldest zombie", seen["oldest_ns"] / 1e6)
    table.note(f"{name}: longest sample {seen['longest_sample_ns'] / 1e6:.1f} ms") \
        if seen["longest_sample_ns"] > 50e6 else None


def measure(bench):
    table = Table("reap", [
        Column("wall", "ms"),
        Column("lag", "ms", within_ratio=1.1, over="floor"),
        Column("CPU", "ms", within_ratio=1.1, over="floor"),
        Column("CPU", "ms", within_ratio=1.1, over="floor-proc"),
        Column("peak zombies", "", ratio=False),
        Column("oldest zombie", "ms", "max", within=100, ratio=False),
        Column("GET /v1/status", "ms", "p99", within=50, goal_for="reeve-asked"),
        Column("GET /v1/status", "ms", "max", within=50, goal_for="reeve-asked"),
        Column("reevectl status", "ms", "max", within=50, goal_for="reeve-asked"),
    ])
    asked = bench.reeve("asked")
    contestants = [Reap("bare"), Reap("proc"), *bench.peers, *bench.reeve(), *asked]
    for contestant in table.rounds(contestants, "wall", bench.repeats, budget=30):
        with table.attempt(contestant.name, "wall"):
            storm(bench, table, contestant, contestant in asked)
    table.note("wall: first fork to none left, so it holds the storm's own forks; lag: last fork to "
               "none left; floor-proc reads a /proc file for each orphan; reeve-asked: while a GET "
               "/v1/status is sent every 10 ms and reevectl status run every 100 ms")
    return [table]
