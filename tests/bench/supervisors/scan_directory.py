import os


def write_services(scan, commands, logger):
    """A service directory for each command. The command is the interpreter of its own `run` file, so
    that no shell is in between. logger(name): the command line of its log service, or None."""
    for index, (command, argument) in enumerate(commands):
        name = f"p{index}"
        _write_script(f"{scan}/{name}", f"#!{command} {argument}\n")
        line = logger(name)
        if line:
            _write_script(f"{scan}/{name}/log", f"#!/bin/sh\nexec {line}\n")


def _write_script(directory, text):
    os.makedirs(directory)
    with open(f"{directory}/run", "w") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o755)
