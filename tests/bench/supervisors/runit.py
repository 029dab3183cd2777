import os
import signal

from supervisors import Supervisor, first_missing
from supervisors.scan_directory import write_services


class Runit(Supervisor):
    name = "runit"
    stop_signal = signal.SIGHUP  # TERM would leave every runsv as it is

    def missing(self):
        return first_missing("/usr/bin/runsvdir", "/usr/bin/runsv", "/usr/bin/svlogd")

    def status_command(self, run):
        scan = f"{run.home}/scan"
        return ["/usr/bin/sv", "status", *sorted(f"{scan}/{name}" for name in os.listdir(scan))]

    def prepare(self, run, commands, capture):
        def logger(name):
            if capture == "none":
                return None
            log = f"{run.logs}/{name}"
            os.mkdir(log)
            with open(f"{log}/config", "w") as file:
                if capture == "rotated":
                    file.write(f"s{run.rotate_at}\nn{run.keep}\n")
                else:
                    file.write("s0\n")  # never rotate
            return f"/usr/bin/svlogd {log}"

        scan = f"{run.home}/scan"
        write_services(scan, commands, logger)
        os.utime(scan, (0, 0))  # runsvdir sits out the second in which its directory was changed
        return ["/usr/bin/runsvdir", "-P", scan]
