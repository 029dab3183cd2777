"""One program writes 4 KiB at a time, its supervisor files it."""

import os
import signal
import time

from report import Column, Table
from run import FIRST_WRITE, Failed, Job, Run
from supervisors.floor import Cat

BYTES = 128 << 20
SECONDS = 30


def bytes_in(directory):
    return sum(entry.stat().st_size if entry.is_file() else bytes_in(entry.path)
               for entry in os.scandir(directory) if entry.name not in ("config", "lock", "state"))


def measure(bench):
    table = Table("logs", [Column("rate", "MB/s", more_is_better=True), Column("CPU", "s/GiB")])
    contestants = [Cat(), *bench.peers, *bench.reeve()]
    for contestant in table.rounds(contestants, "rate", bench.repeats, budget=30):
        with table.attempt(contestant.name, "rate"), \
                Run(bench.workshop, contestant, [Job("emit", BYTES)], capture="files") as run:
            run.wait_for_lives(1)
            time.sleep(1.3)
            supervising = run.supervising()
            cpu = run.cpu_ns(supervising)
            os.kill(run.job_pid(), signal.SIGUSR1)
            deadline = time.monotonic() + SECONDS
            while (filed := bytes_in(run.logs)) < BYTES:
                if time.monotonic() > deadline:
                    raise Failed(f"{filed} of {BYTES} bytes filed after {SECONDS} s")
                time.sleep(0.002)
            ended = time.monotonic_ns()
            cpu = run.cpu_ns(supervising) - cpu
            run.read_notes()
            table.add(contestant.name, "rate",
                      BYTES / 1e6 / ((ended - run.notes[FIRST_WRITE][0].ns) / 1e9))
            table.add(contestant.name, "CPU", cpu / 1e9 * (1 << 30) / BYTES)
    table.note(f"{BYTES >> 20} MiB in lines of 128 bytes, files on tmpfs, nothing rotated by the peers")
    return [table]
