import signal

from supervisors import Supervisor, first_missing

MOST = 16777215  # all that its `s` takes


class Multilog(Supervisor):
    """daemontools' logger. It has no supervisor of its own here: a shell makes the pipes."""

    name = "multilog"
    stop_signal = signal.SIGTERM

    def missing(self):
        return first_missing("/usr/bin/multilog")

    def prepare(self, run, commands, capture):
        pipes = "".join(
            f"{command} {argument} | multilog n{run.keep} s{min(run.rotate_at, MOST)} "
            f"{run.logs}/p{index} & " for index, (command, argument) in enumerate(commands))
        return ["/bin/sh", "-c", pipes + "wait"]
