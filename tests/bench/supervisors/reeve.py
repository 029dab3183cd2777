import json
import os
import signal

from supervisors import Supervisor, first_missing


class Reeve(Supervisor):
    is_subreaper = True
    stop_signal = signal.SIGTERM

    def __init__(self, path, variant=None, capture=None):
        self.path = path
        self.ctl = os.path.join(os.path.dirname(path), "reevectl")
        self.name = f"reeve-{variant}" if variant else "reeve"
        self.capture = capture  # of this variant, whatever the cell asks of the others

    def missing(self):
        return first_missing(self.path)

    def socket(self, run):
        return f"{run.home}/reeve.sock"

    def prepare(self, run, commands, capture):
        capture = self.capture or capture
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
restart_delay = "0s"
max_failures = 0
healthy_after = "0s"
{'stdout = "null"' if capture == "none" else ""}
""")
            for index, command in enumerate(commands):
                file.write(f"\n[program.p{index}]\ncommand = {json.dumps(command)}\n")
                if capture == "files":
                    file.write(f"stdout = {json.dumps(f'{run.logs}/p{index}.log')}\n")
        return [self.path, "--config", path]
