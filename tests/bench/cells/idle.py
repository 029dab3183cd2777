"""What a supervisor does while nothing happens."""

import contextlib
import time

import processes
from report import Column, Table
from run import Job, Run
from supervisors.floor import Respawn

PROGRAMS = 100
SETTLE = 12


def measure(bench):
    """All of them at once: who does nothing is in nobody's way."""
    seconds = bench.idle_seconds
    table = Table("idle", [Column("context switches", f"/{seconds:g}s", within=0),
                           Column("CPU", f"ms/{seconds:g}s")])
    with contextlib.ExitStack() as stack:
        watched = []
        for contestant in [Respawn("vfork"), *bench.peers, *bench.reeve(),
                           *bench.reeve("captured", capture="usual")]:
            with table.attempt(contestant.name, "context switches"):
                run = stack.enter_context(Run(bench.workshop, contestant, [Job()] * PROGRAMS))
                run.wait_for_lives(1)
                watched.append((contestant.name, run))
        time.sleep(SETTLE)

        def look():
            for name, run in watched:
                pids = run.supervising()
                yield name, sum(map(processes.switches, pids)), run.cpu_ns(pids)

        before = list(look())
        time.sleep(seconds)
        for (name, switches, cpu), (_, later, cpu_later) in zip(before, look()):
            table.add(name, "context switches", later - switches)
            table.add(name, "CPU", (cpu_later - cpu) / 1e6)
    table.note(f"{PROGRAMS} programs each, all supervisors at once, all threads")
    return [table]
