import os
import signal

from supervisors import Supervisor, first_missing


class Supervisord(Supervisor):
    name = "supervisor"
    stop_signal = signal.SIGTERM

    def __init__(self, commanded=False):
        self.commanded = commanded  # whether it has a socket, which costs it memory

    def status_command(self, run):
        return ["/usr/bin/supervisorctl", "-c", f"{run.home}/supervisord.conf", "status"]

    def status_request(self, run):
        call = "<methodCall><methodName>supervisor.getAllProcessInfo</methodName></methodCall>"
        return f"{run.home}/supervisor.sock", (
            "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
            f"Content-Length: {len(call)}\r\n\r\n{call}")

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
            if self.commanded:
                file.write(f"""
[unix_http_server]
file={run.home}/supervisor.sock

[supervisorctl]
serverurl=unix://{run.home}/supervisor.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
""")
        return ["/usr/bin/supervisord", "-c", path]

    def log_files(self, run, index):
        """p0, p0.1 (the file before), p0.2 …"""
        newest = f"{run.logs}/p{index}"
        older = (f"{newest}.{number}" for number in range(run.keep, 0, -1))
        return [path for path in (*older, newest) if os.path.exists(path)]
