"""One file for each supervisor: how to tell it what to run, at its best for what is measured."""


import os

NOT_LOGS = ("config", "lock", "state", "newstate")  # what svlogd and multilog keep beside them


class Supervisor:
    name = None
    log_format = "raw"
    is_subreaper = False  # by itself; the others are lent the trait where orphans are the matter
    stop_signal = None  # what makes it stop its programs and end

    def missing(self):
        """Why it can't take part, or None."""
        return None

    def descriptors(self, count):
        """The soft RLIMIT_NOFILE that it is started with."""
        return 1024

    def prepare(self, run, commands, capture):
        """Writes what it needs under run.home; commands are (path, only argument). Answers with
        its command line, the first word a path."""
        raise NotImplementedError

    def status_command(self, run):
        """What shows the state of all programs, as a command line; or None."""
        return None

    def status_request(self, run):
        """The same over one connection: a Unix socket's path, and an HTTP request; or None."""
        return None

    def log_files(self, run, index):
        """Where capture is "rotated": a directory for each program, whose file `current` is the
        newest, and whose others sort by age."""
        names = sorted(name for name in os.listdir(f"{run.logs}/p{index}") if name not in NOT_LOGS)
        names.sort(key="current".__eq__)
        return [f"{run.logs}/p{index}/{name}" for name in names]

    def clear(self, run):
        """Takes away what it leaves outside of run.home when it is killed."""


def first_missing(*paths):
    for path in paths:
        if not os.access(path, os.X_OK):
            return f"{path} is not installed"
    return None
