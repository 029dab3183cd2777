"""One file for each family of cells. measure(bench) answers with its tables.

bench: workshop, repeats, kills, idle_seconds, and the contestants: `reeve` (a function: a variant of
it, as a list that is empty when it takes no part), `peers`, `loggers` and `inits`.
"""
