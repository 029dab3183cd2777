"""One program or fifty write numbered lines, their supervisor files and rotates them."""

import os
import signal
import subprocess
import time

from report import Column, Table
from run import FIRST_WRITE, LAST_WRITE, Failed, Job, Run
from supervisors.floor import Cat

LINE = 100
STDIO = 4096
KEEP = 40
QUIET = 0.3  # this long nothing has been filed: that was all
SECONDS = 60
# writers, lines of each, where files are rotated
SHAPES = ((1, 2_500_000, 50 << 20), (50, 50_000, 1 << 20))


def wait_until_filed(run, writers):
    """Until nothing is added any more; answers when the last byte was, by the files' own times."""
    run.wait_for(lambda: len(run.notes[LAST_WRITE]) == writers, "all is written", SECONDS)
    last, since = None, time.monotonic()
    deadline = since + SECONDS
    while time.monotonic() - since < QUIET:
        try:
            now = [(os.stat(path).st_size, os.stat(path).st_mtime_ns)
                   for index in range(writers) for path in run.log_files(index)]
        except FileNotFoundError:  # rotated while we looked
            now = None
        if now is None or now != last:
            last, since = now, time.monotonic()
        if time.monotonic() > deadline:
            raise Failed(f"still files after {SECONDS} s")
        time.sleep(0.02)
    if not last:
        raise Failed("filed nothing")
    ahead = time.time_ns() - time.monotonic_ns()
    return max(changed for _, changed in last) - ahead


def bad_lines(run, writers, lines, log_format):
    checks = [subprocess.Popen(
        [run.workshop.tool("lines"), str(index), str(lines), log_format, *run.log_files(index)],
        stdout=subprocess.PIPE) for index in range(writers)]
    answers = [check.communicate()[0] for check in checks]
    if any(check.returncode != 0 for check in checks):
        raise Failed("its files can't be read")
    return sum(map(int, answers))


def one_round(bench, table, contestant, writers, lines, size, rotate_at):
    name = contestant.name
    jobs = [Job("emit", f"{lines}:{size}")] * writers
    with table.attempt(name, "rate"), \
            Run(bench.workshop, contestant, jobs, capture="rotated", rotate_at=rotate_at,
                keep=KEEP) as run:
        run.wait_for_lives(1)
        time.sleep(1.3)
        supervising = run.supervising()
        cpu = run.cpu_ns(supervising)
        for index in range(writers):
            os.kill(run.job_pid(index), signal.SIGUSR1)
        ended = wait_until_filed(run, writers)
        cpu = run.cpu_ns(supervising) - cpu
        began = min(note.ns for note in run.notes[FIRST_WRITE])
        total = writers * lines * LINE
        table.add(name, "rate", total / 1e6 / ((ended - began) / 1e9))
        table.add(name, "CPU", cpu / 1e9 * (1 << 30) / total)
        table.add(name, "bad lines", bad_lines(run, writers, lines, contestant.log_format))


def measure(bench):
    tables = []
    for writers, lines, rotate_at in SHAPES:
        for size in (STDIO, LINE):
            title = f"logs: {writers} writer{'s' if writers > 1 else ''}, " \
                    f"{'4 KiB writes' if size == STDIO else 'a write a line'}"
            reeves = ("reeve", "reeve-text", "reeve-json")
            table = Table(title, [
                Column("rate", "MB/s", more_is_better=True, over=Cat().name,
                       within_ratio={"reeve": 0.9, "reeve-text": 0.5, "reeve-json": 0.5}),
                Column("CPU", "s/GiB", over=Cat().name, within_ratio={"reeve": 1.2}),
                Column("bad lines", "", "max", within=0, ratio=False, goal_for=reeves)])
            contestants = [Cat(), Cat(polled=True), *bench.reeve(), *bench.reeve("text", log_format="text"),
                           *bench.reeve("json", log_format="json"), *bench.peers,
                           *bench.loggers]
            for contestant in table.rounds(contestants, "rate", bench.repeats, budget=40):
                one_round(bench, table, contestant, writers, lines, size, rotate_at)
            table.note(f"{lines * LINE / 1e6:g} MB each in lines of {LINE} bytes, files on tmpfs, "
                       f"rotated at {rotate_at >> 20} MiB (multilog: at most 16), by cat not at all")
            tables.append(table)
    return tables
