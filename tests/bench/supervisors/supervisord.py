import os
import signal

from supervisors import Supervisor, first_missing


class Supervisord(Supervisor):
    name = "supervisor"
    stop_signal = signal.SIGTERM

    def missing(self):
        return first_missing("/usr/bin/supervisord")

    def prepare(self, run, commands, capture):
        # One group: it stops a group at once, but one group after the other.
        command, argument = commands[0]
        tail = argument.rpartition(":0")[2]
        argument = argument[:len(argument) - len(tail) - 1] + "%(process_num)d" + tail
        log = "NONE" if capture == "none" else f"{run.logs}/p%(process_num)d"
        path = f"{run.home}/supervisord.conf"
        with open(path, "w") as file:
            file.write(f"""\
[supervisord]
nodaemon=true
loglevel=error
logfile=/dev/null
logfile_maxbytes=0
pidfile={run.home}/supervisord.pid
childlogdir={run.logs}
minfds={max(1024, 5 * len(commands) + 200)}
{"user=root" if os.getuid() == 0 else ""}

[program:p]
command={command} {argument}
process_name=p%(process_num)d
numprocs={len(commands)}
autorestart=true
startsecs=0
startretries=1000000
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes={run.rotate_at if capture == "rotated" else 0}
stdout_logfile_backups={run.keep}
""")
        return ["/usr/bin/supervisord", "-c", path]

    def log_files(self, run, index):
        """p0, p0.1 (the file before), p0.2 …"""
        newest = f"{run.logs}/p{index}"
        older = (f"{newest}.{number}" for number in range(run.keep, 0, -1))
        return [path for path in (*older, newest) if os.path.exists(path)]
