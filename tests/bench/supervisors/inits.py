"""What runs one command as PID 1 of a container, and reaps for it."""

import os
import signal

from supervisors import Supervisor, first_missing


class Init(Supervisor):
    stop_signal = signal.SIGTERM

    def __init__(self, name, *options, path=None, is_subreaper=False):
        self.name, self.options, self.is_subreaper = name, options, is_subreaper
        self.path = path or f"/usr/bin/{name}"

    def missing(self):
        return first_missing(self.path)

    def command(self, *words):
        return [self.path, *self.options, "--", *words]

    def prepare(self, run, commands, capture):
        return self.command(*commands[0])

    def size(self):
        return os.path.getsize(self.path)


def inits():
    """By the names of their packages."""
    return {"tini": Init("tini", "-s", is_subreaper=True), "dumb-init": Init("dumb-init"),
            "catatonit": Init("catatonit")}


def static_tini():
    """Of the package tini, too."""
    return Init("tini-static", "-s", is_subreaper=True)


def reeve_run(name, path):
    return Init(name, "run", path=path, is_subreaper=True)
