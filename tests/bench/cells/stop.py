"""From the supervisor's stop signal until it and all of its programs have exited."""

import os
import time

import processes
from report import Column, Table
from run import Failed, Job, Run
from supervisors.floor import spawning

SECONDS = 60


def measure(bench):
    table = Table("stop", [Column("N=1000", "ms", within_ratio=1.2)])
    contestants = [*spawning(), *bench.peers, *bench.reeve()]
    for contestant in table.rounds(contestants, "N=1000", bench.repeats, budget=30):
        with table.attempt(contestant.name, "N=1000"), \
                Run(bench.workshop, contestant, [Job()] * 1000) as run:
            run.wait_for_lives(1)
            time.sleep(1.3)
            wait = processes.wait_for_exit([run.pid, *processes.descendants(run.pid)], SECONDS)
            began = time.monotonic_ns()
            os.kill(run.pid, contestant.stop_signal)
            ended = wait()
            if ended is None:
                raise Failed(f"not all had gone after {SECONDS} s")
            table.add(contestant.name, "N=1000", (ended - began) / 1e6)
    return [table]
