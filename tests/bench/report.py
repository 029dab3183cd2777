"""Samples, what is made of them, and the tables."""

import contextlib
import dataclasses
import itertools
import math
import statistics
import sys
import time

from run import Failed

FLOOR = "floor"  # every contestant whose name begins so is one; the least of them counts
QUICKEST = "the quickest"  # of all that are neither floors nor reeves, by a table's first column


def nearest_rank(samples, share):
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


STATISTICS = {
    "median": statistics.median,
    "p99": lambda samples: nearest_rank(samples, 0.99),
    "max": max,
}


@dataclasses.dataclass
class Column:
    series: str
    unit: str
    statistic: str = "median"
    # Of the floor's own figure, for reeve to be met (where more is better: to be reached); or in the
    # column's unit.
    within_ratio: float | dict = None  # one limit, or that of each by its name
    within: float = None
    goal_for: tuple = ("reeve",)
    more_is_better: bool = False
    over: str = None  # one floor by name, instead of the best of all; or QUICKEST
    ratio: bool = True  # whether a ratio to the floor means anything

    def judged(self):
        return tuple(self.within_ratio) if isinstance(self.within_ratio, dict) else self.goal_for

    def within_ratio_of(self, who):
        return self.within_ratio.get(who) if isinstance(self.within_ratio, dict) \
            else self.within_ratio

    @property
    def title(self):
        shown = "" if self.statistic == "median" or self.series.endswith(self.statistic) \
            else " " + self.statistic
        over = f", over {self.over}" if self.over else ""
        unit = f" [{self.unit}]" if self.unit else ""
        return f"{self.series}{shown}{over}{unit}"


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def figure(value):
    if value == 0:
        return "0"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


class Table:
    def __init__(self, title, columns):
        self.title, self.columns = title, columns
        self.samples = {}  # contestant -> series -> list
        self.failed = {}  # (contestant, series) -> why
        self.notes = []

    def add(self, contestant, series, value):
        self.samples.setdefault(contestant, {}).setdefault(series, []).append(value)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def fail(self, contestant, series, why):
        self.samples.setdefault(contestant, {})
        self.failed[contestant, series] = why
        self.note(f"{contestant}, {series}: {why}")

    @contextlib.contextmanager
    def attempt(self, contestant, series):
        """What fails inside becomes a blank cell with its reason, and is not tried again."""
        try:
            yield
        except (Failed, OSError) as why:
            self.fail(contestant, series, str(why))

    def rounds(self, contestants, series, repeats, budget):
        """Contestants in turn, beginning with another one each round. One that has used up its
        `budget` of seconds, or has failed, is not asked again."""
        spent = dict.fromkeys(contestants, 0.0)
        done = dict.fromkeys(contestants, 0)
        for turn in range(repeats):
            first = turn % max(1, len(contestants))
            for contestant in contestants[first:] + contestants[:first]:
                name = contestant.name
                if (name, series) in self.failed or spent[contestant] > budget:
                    continue
                progress(f"{self.title}: {series}, round {turn + 1} of {repeats}: {name}")
                began = time.monotonic()
                yield contestant
                spent[contestant] += time.monotonic() - began
                done[contestant] += 1
        progress("")
        for contestant in contestants:
            if done[contestant] < repeats and (contestant.name, series) not in self.failed:
                self.note(f"{contestant.name}, {series}: {done[contestant]} of {repeats} rounds "
                          f"({budget:g} s are its budget)")

    # --- reading ------------------------------------------------------------------------------

    def value(self, contestant, column):
        samples = self.samples.get(contestant, {}).get(column.series)
        return STATISTICS[column.statistic](samples) if samples else None

    def floor(self, column):
        if not column.ratio:
            return None
        if column.over == QUICKEST:
            names = self._quickest_peer()
        elif column.over:
            names = [column.over]
        else:
            names = [name for name in self.samples if name.startswith(FLOOR)]
        values = [value for value in (self.value(name, column) for name in names)
                  if value is not None]
        return (max if column.more_is_better else min)(values) if values else None

    def _quickest_peer(self):
        column = self.columns[0]
        peers = [(self.value(name, column), name) for name in self.samples
                 if not name.startswith((FLOOR, "reeve")) and self.value(name, column) is not None]
        return [(max if column.more_is_better else min)(peers)[1]] if peers else []

    def _cell(self, contestant, column):
        value, floor = self.value(contestant, column), self.floor(column)
        if value is None:
            return "-"
        return figure(value) + (f" ({value / floor:.2f}x)" if floor else "")

    def goals(self):
        """(what, reached, limit, met) for each goal whose figures are there."""
        for column, who in [(column, who) for column in self.columns for who in column.judged()]:
            value, floor = self.value(who, column), self.floor(column)
            what = f"{self.title}: {'' if who == 'reeve' else who + ', '}{column.title}"
            if value is None:
                continue
            if column.within is not None:
                limit = f"{figure(column.within)} {column.unit}"
                yield what, f"{figure(value)} {column.unit}", limit, value / column.within \
                    if column.within else (0 if value == 0 else math.inf)
            limit = column.within_ratio_of(who)
            if limit is not None and floor:
                share = value / floor / limit
                yield what, f"{value / floor:.2f}x", f"{limit:g}x", \
                    1 / share if column.more_is_better else share

    def __str__(self):
        head = ["", *(column.title for column in self.columns)]
        rows = [[name, *(self._cell(name, column) for column in self.columns)]
                for name in self.samples]
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        lines = [f"## {self.title}", ""]
        for row in [head, ["-" * width for width in widths], *rows]:
            cells = itertools.chain([row[0].ljust(widths[0])],
                                    (cell.rjust(width) for cell, width in zip(row[1:], widths[1:])))
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
        lines.extend(f"- {note}" for note in self.notes)
        return "\n".join(lines)

    def as_json(self):
        return {"title": self.title, "samples": self.samples, "notes": self.notes,
                "goals": [dict(zip(("what", "reached", "limit", "share_of_limit"), goal))
                          for goal in self.goals()]}


def goal_lines(tables):
    lines = ["## Goals", ""]
    for table in tables:
        for what, reached, limit, share in table.goals():
            verdict = "met" if share <= 1 else "MISSED" if math.isinf(share) \
                else f"MISSED by {100 * (share - 1):.0f} %"
            lines.append(f"- {verdict}: {what}: {reached}, goal {limit}")
    return "\n".join(lines) if len(lines) > 2 else ""
