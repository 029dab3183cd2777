"""What runs one command as PID 1 of a container, and reaps for it."""

import signal

from supervisors import Supervisor, first_missing


class Init(Supervisor):
    stop_signal = signal.SIGTERM

    def __init__(self, name, *options, is_subreaper=False):
        self.name, self.options, self.is_subreaper = name, options, is_subreaper

    def missing(self):
        return first_missing(f"/usr/bin/{self.name}")

    def prepare(self, run, commands, capture):
        return [f"/usr/bin/{self.name}", *self.options, "--", *commands[0]]


def inits():
    """By the names of their packages."""
    return {"tini": Init("tini", "-s", is_subreaper=True), "dumb-init": Init("dumb-init"),
            "catatonit": Init("catatonit")}
