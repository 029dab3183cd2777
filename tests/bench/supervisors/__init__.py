"""One file for each supervisor: how to tell it what to run, at its best for what is measured."""


class Supervisor:
    name = None
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

    def clear(self, run):
        """Takes away what it leaves outside of run.home when it is killed."""


def first_missing(*paths):
    import os
    for path in paths:
        if not os.access(path, os.X_OK):
            return f"{path} is not installed"
    return None
