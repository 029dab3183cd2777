import json
import os
import signal
import subprocess

from supervisors import Supervisor, first_missing


class Reeve(Supervisor):
    is_subreaper = True
    stop_signal = signal.SIGTERM

    def __init__(self, path, variant=None, capture=None, tracking=None, log_format="raw",
                 stall=None, delay="0s"):
        self.path = path
        self.log_format = log_format
        self.stall = stall  # of cells/stalls.py: where the last program's output goes
        self.delay = delay  # before each restart
        self.tracking = tracking  # "cgroup", "tag" or "lineage": the most that it may use
        self.ctl = os.path.join(os.path.dirname(path), "reevectl")
        self.name = f"reeve-{variant}" if variant else "reeve"
        self.capture = capture  # of this variant, whatever the cell asks of the others

    def missing(self):
        return first_missing(self.path)

    def status_command(self, run):
        return [self.ctl, "--socket", self.socket(run), "status"]

    def status_request(self, run):
        return self.socket(run), "GET /v1/status HTTP/1.1\r\nHost: reeve\r\n\r\n"

    def tracking_used(self, run):
        answer = subprocess.run([self.ctl, "--socket", self.socket(run), "status", "--json"],
                                stdout=subprocess.PIPE, check=True)
        return json.loads(answer.stdout)["supervisor"]["tracking"]

    def socket(self, run):
        return f"{run.home}/reeve.sock"

    def prepare(self, run, commands, capture):
        capture = self.capture or capture
        before = self.stall.prepare(run.home) if self.stall else []
        path = f"{run.home}/reeve.toml"
        with open(path, "w") as file:
            file.write(f"""\
[supervisor]
exit_on = []
log_level = "error"

[control]
socket = {json.dumps(self.socket(run))}

[defaults]
restart = "always"
restart_delay = {json.dumps(self.delay)}
restart_delay_max = {json.dumps(self.delay)}
max_failures = 0
healthy_after = "0s"
{self.output(capture)}
""")
            for index, command in enumerate(commands):
                file.write(f"\n[program.p{index}]\ncommand = {json.dumps(command)}\n")
                if self.stall and index == len(commands) - 1:
                    file.write(f"stdout = {self.stall.output}\n")
                elif capture == "files":
                    file.write(f"stdout = {json.dumps(f'{run.logs}/p{index}.log')}\n")
                elif capture == "rotated":
                    file.write(f"""stdout = {{ file = {json.dumps(f'{run.logs}/p{index}/current')}, \
max_size = {run.rotate_at}, keep = {run.keep}, format = "{self.log_format}" }}
""")
        command = [*before, self.path, "--config", path]
        if self.tracking is None:
            return command
        return ["/usr/bin/env", f"REEVE_TRACKING={self.tracking}", *command]

    @staticmethod
    def output(capture):
        return {"none": 'stdout = "null"', "direct": 'stdout = "direct"'}.get(capture, "")

    def clear(self, run):
        """It was killed, and its cgroups with nothing in them are the next reeve's to remove."""
        try:
            with open(f"{self.socket(run)}.state") as file:
                lines = dict(line.split(" ", 1) for line in file.read().splitlines() if " " in line)
        except FileNotFoundError:
            return
        for folder, _, _ in os.walk(lines.get("cgroup", ""), topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # something still ends in it
