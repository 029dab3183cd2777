"""Proportional set size of everything that is there for the supervisor's sake."""

import statistics
import time

import processes
from report import Column, Table
from run import Failed, Job, Run
from supervisors.floor import Respawn

SETTLE = 2.5


def measure(bench):
    table = Table("memory", [Column("N=1", "KiB", within=2048), Column("N=100", "KiB", within=3072),
                             Column("N=1000", "KiB", within=8192),
                             Column("a program", "bytes", within=6144, ratio=False),
                             Column("its log path", "bytes", within=2048, ratio=False,
                                    goal_for=("reeve", "reeve-files")),
                             Column("processes at N=1000", "", ratio=False)])
    contestants = [Respawn("vfork"), *bench.peers, *bench.reeve(),
                   *bench.reeve("files", capture="files"),
                   *bench.reeve("uncaptured", capture="direct")]
    latest = {}
    for count in (1, 100, 1000):
        series = f"N={count}"
        for contestant in table.rounds(contestants, series, min(3, bench.repeats), budget=20):
            name = contestant.name
            with table.attempt(name, series), \
                    Run(bench.workshop, contestant, [Job()] * count, capture="usual") as run:
                run.wait_for_lives(1)
                time.sleep(SETTLE)
                pids = run.supervising()
                pss = sum(map(processes.pss_kib, pids))
                if pss == 0:
                    raise Failed("its memory can't be read")
                table.add(name, series, pss)
                latest[name, count] = pss
                if count == 1000:
                    table.add(name, "processes at N=1000", len(pids))
                    if (name, 100) in latest:
                        table.add(name, "a program", (pss - latest[name, 100]) * 1024 / 900)
    # What a program costs whose output is captured, less what it costs where reeve's own stdout is
    # handed over to it.
    medians = {name: series.get("a program") and statistics.median(series["a program"])
               for name, series in table.samples.items()}
    for name in ("reeve", "reeve-files"):
        if medians.get(name) and medians.get("reeve-uncaptured"):
            table.add(name, "its log path", medians[name] - medians["reeve-uncaptured"])
    table.note("output captured: runit with svlogd, s6 with s6-log, supervisor in files, reeve to its "
               "own stdout, reeve-files in files; not by the floor and reeve-uncaptured")
    return [table]
