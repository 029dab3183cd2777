"""What an init costs that runs one command: time before and after it, memory while it waits."""

import os
import time

import processes
from report import Column, Table
from run import Failed, Job, Run
from supervisors.inits import reeve_run, static_tini

ROUNDS = 100  # for each repeat
SETTLE = 1.5  # reeve gives memory back after a second


def took_ms(command):
    """From before its spawn until it is reaped."""
    began = time.monotonic_ns()
    code = processes.wait(processes.spawn(command))
    ended = time.monotonic_ns()
    if code != 0:
        raise Failed(f"exited with {code}")
    return (ended - began) / 1e6


def reeves(bench):
    """The one that is asked for, and the static build if it lies beside it."""
    static = os.path.join(os.path.dirname(os.path.dirname(bench.reeve_path)), "static", "reeve")
    paths = {"reeve": bench.reeve_path, "reeve-static": static}
    contestants = [reeve_run(name, path) for name, path in paths.items()]
    return [contestant for contestant in contestants if not contestant.missing()]


def measure(bench):
    ours = reeves(bench)
    goal_for = tuple(contestant.name for contestant in ours)
    table = Table("run", [Column("added", "ms", within_ratio=2, goal_for=goal_for, over="tini"),
                          Column("PSS", "KiB", within=500, goal_for=goal_for, ratio=False),
                          Column("size", "KiB", ratio=False)])
    contestants = [*bench.inits, *ours]
    if any(init.name == "tini" for init in bench.inits) and not static_tini().missing():
        contestants.insert(0, static_tini())
    nothing = bench.workshop.tool("nothing")
    for contestant in table.rounds(contestants, "added", ROUNDS * bench.repeats, budget=60):
        with table.attempt(contestant.name, "added"):
            bare = took_ms([nothing])
            table.add(contestant.name, "added", took_ms(contestant.command(nothing)) - bare)
            table.add("bare", "bare", bare)
    for contestant in table.rounds(contestants, "PSS", bench.repeats, budget=20):
        with table.attempt(contestant.name, "PSS"), \
                Run(bench.workshop, contestant, [Job()]) as run:
            run.wait_for_lives(1)
            time.sleep(SETTLE)
            table.add(contestant.name, "PSS", processes.pss_kib(run.pid))
            table.add(contestant.name, "size", contestant.size() / 1024)
    bare = table.samples.pop("bare", {}).get("bare")
    if bare:
        table.note(f"added: to the least of static programs, which takes {sorted(bare)[len(bare) // 2]:.2f} ms "
                   "by itself, from spawn to wait")
    return [table]
