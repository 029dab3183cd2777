"""From the supervisor's exec to the first instruction of the last of its programs."""

from report import Column, Table
from run import Job, Run
from supervisors.floor import spawning


def measure(bench):
    table = Table("start", [Column("N=1", "ms", within_ratio=2), Column("N=100", "ms"),
                            Column("N=1000", "ms", within_ratio=1.5)])
    contestants = [*spawning(), *bench.peers, *bench.reeve(),
                   *bench.reeve("captured", capture="usual")]
    for count, repeats in ((1, 3 * bench.repeats), (100, 2 * bench.repeats), (1000, bench.repeats)):
        series = f"N={count}"
        for contestant in table.rounds(contestants, series, repeats, budget=25):
            with table.attempt(contestant.name, series), \
                    Run(bench.workshop, contestant, [Job()] * count) as run:
                last = run.wait_for_lives(1)
                table.add(contestant.name, series, (last - run.launched_ns()) / 1e6)
    table.note("output discarded, by reeve-captured captured")
    return [table]
