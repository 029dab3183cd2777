import signal

from supervisors import Supervisor, first_missing
from supervisors.scan_directory import write_services


class S6(Supervisor):
    name = "s6"
    stop_signal = signal.SIGTERM

    def missing(self):
        return first_missing("/usr/bin/s6-svscan", "/usr/bin/s6-supervise", "/usr/bin/s6-log")

    def descriptors(self, count):
        return max(1024, 4 * count + 100)  # a pipe to each logger stays open

    def prepare(self, run, commands, capture):
        def logger(name):
            if capture == "none":
                return None
            keep, size = (run.keep, run.rotate_at) if capture == "rotated" else (2, 268435455)
            return f"/usr/bin/s6-log n{keep} s{size} {run.logs}/{name}"

        scan = f"{run.home}/scan"
        write_services(scan, commands, logger)
        return ["/usr/bin/s6-svscan", "-c", max(500, 2 * len(commands) + 10), "-t", 0, scan]
