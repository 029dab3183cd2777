"""From a SIGKILL to the first instruction of the next run."""

import contextlib
import time

from report import Column, Table
from run import Job, Run
from supervisors.floor import spawning

# runit and s6 hold a service back that ran for less than a second, so every victim has run for more.
ALIVE = 1.15
SLOW_MS = 500  # who takes longer than this is asked less often
SLOW_KILLS = 8


def one_kill(run, index, lives):
    began = run.kill_jobs([index])
    return (run.wait_for_lives(lives + 1, [index], seconds=10) - began) / 1e6


def alone(bench, table, contestants):
    """All supervisors at once, each with one program; they are killed in turn."""
    with contextlib.ExitStack() as stack:
        runs = {}
        for contestant in contestants:
            with table.attempt(contestant.name, "alone"):
                run = stack.enter_context(Run(bench.workshop, contestant, [Job()]))
                run.wait_for_lives(1)
                runs[contestant] = run
        lives = dict.fromkeys(runs, 1)
        next_kill = time.monotonic()
        for contestant in table.rounds(list(runs), "alone", bench.kills, budget=1e9):
            name = contestant.name
            so_far = table.samples.get(name, {}).get("alone", [])
            if len(so_far) >= SLOW_KILLS and sorted(so_far)[len(so_far) // 2] > SLOW_MS:
                table.note(f"{name}: {len(so_far)} kills alone")
                continue
            with table.attempt(name, "alone"):
                run = runs[contestant]
                age = (time.monotonic_ns() - run.notes[0][-1].ns) / 1e9
                time.sleep(max(0.03, ALIVE - age))
                table.add(name, "alone", one_kill(run, 0, lives[contestant]))
                lives[contestant] += 1


def beside(bench, table, contestants):
    """One after the other is killed among a thousand."""
    series, each = "beside 1000", max(1, bench.kills // bench.repeats)
    for contestant in table.rounds(contestants, series, bench.repeats, budget=15):
        with table.attempt(contestant.name, series), \
                Run(bench.workshop, contestant, [Job()] * 1000) as run:
            run.wait_for_lives(1)
            time.sleep(ALIVE)
            deadline = time.monotonic() + 8
            for victim in range(each):
                if time.monotonic() > deadline:
                    break
                table.add(contestant.name, series, one_kill(run, victim * 997 // each, 1))
                time.sleep(0.03)


def measure_restart(bench):
    table = Table("restart", [Column("alone", "ms", within_ratio=1.3),
                              Column("alone", "ms", "p99", within_ratio=2),
                              Column("beside 1000", "ms", within_ratio=1.3),
                              Column("beside 1000", "ms", "p99", within_ratio=2)])
    contestants = [*spawning(), *bench.peers, *bench.reeve()]
    alone(bench, table, contestants)
    beside(bench, table, contestants)
    return [table]


def measure_storm(bench):
    table = Table("storm", [Column("200 killed", "ms", within_ratio=1.5),
                            Column("and again", "ms", within_ratio=1.5)])
    contestants = [*spawning(), *bench.peers, *bench.reeve()]
    everyone = range(200)
    for contestant in table.rounds(contestants, "200 killed", bench.repeats, budget=12):
        with table.attempt(contestant.name, "200 killed"), \
                Run(bench.workshop, contestant, [Job()] * len(everyone)) as run:
            run.wait_for_lives(1)
            time.sleep(ALIVE)
            for lives, series in ((2, "200 killed"), (3, "and again")):
                began = run.kill_jobs(everyone)
                table.add(contestant.name, series,
                          (run.wait_for_lives(lives, seconds=20) - began) / 1e6)
    return [table]
