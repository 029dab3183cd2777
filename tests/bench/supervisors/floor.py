import signal

from supervisors import Supervisor


class Respawn(Supervisor):
    """Starts, and starts again: by vfork, by clone(CLONE_VM) without waiting for the exec ("vm"), or
    that with a session for each program ("session")."""

    stop_signal = signal.SIGTERM

    def __init__(self, how):
        self.how = how
        self.name = "floor" if how == "vfork" else f"floor-{how}"

    def prepare(self, run, commands, capture):
        notes = commands[0][1].rpartition(":")[0]
        return [run.workshop.tool("floor"), "respawn", self.how, len(commands), commands[0][0], notes]


def spawning():
    return [Respawn("vfork"), Respawn("vm"), Respawn("session")]


class Reap(Supervisor):
    """Reaps, and with "proc" reads one file of /proc for each that it reaps."""

    is_subreaper = True
    stop_signal = signal.SIGTERM

    def __init__(self, how):
        self.how = how
        self.name = "floor" if how == "bare" else f"floor-{how}"

    def prepare(self, run, commands, capture):
        return [run.workshop.tool("floor"), "reap", self.how, *commands[0]]


class Cat(Supervisor):
    """Without "polled" the goals' floor; with it, what is left to who has to watch his pipes."""

    def __init__(self, polled=False):
        self.polled = polled
        self.name = "floor (cat, polled)" if polled else "floor (cat)"

    def prepare(self, run, commands, capture):
        cat = f"{run.workshop.tool('floor')} copy" if self.polled else "cat"
        pipes = "".join(f"{command} {argument} | {cat} > {run.logs}/p{index} & "
                        for index, (command, argument) in enumerate(commands))
        return ["/bin/sh", "-c", pipes + "wait"]

    def log_files(self, run, index):
        return [f"{run.logs}/p{index}"]
