"""What asking costs: who asks, who is asked, and whoever asks beside a crowd."""

import os
import signal
import time

import processes
from report import Column, Table
from run import Failed, Job, Run
from supervisors.supervisord import Supervisord

PROGRAMS = 1000
ASKED_SECONDS = 2.0
FOLLOWERS = 200
CHURN = 10_000
GET = "GET {} HTTP/1.1\r\nHost: reeve\r\n{}\r\n"


def commanded(peer):
    return Supervisord(commanded=True) if isinstance(peer, Supervisord) else peer


def start_clients(run, kind, path, number, request, stdout=None):
    with open(f"{run.home}/request", "w", newline="") as file:
        file.write(request)
    return processes.spawn([run.workshop.tool("clients"), kind, path, number],
                           stdout=stdout, stdin=f"{run.home}/request")


def clients(run, kind, path, number, request):
    """Runs them to their end; answers with what they print."""
    out = f"{run.home}/answers"
    pid = start_clients(run, kind, path, number, request, out)
    code = processes.wait(pid)
    if code != 0:
        raise Failed(f"clients {kind} exited with {code}")
    with open(out) as file:
        text = file.read()
    os.remove(out)
    return text


def ask(run, *words):
    """Latencies in ms, over ASKED_SECONDS."""
    end, theirs = os.pipe()
    asker = processes.spawn([run.workshop.tool("ask"), *words], stdout=theirs)
    os.close(theirs)
    time.sleep(ASKED_SECONDS)
    os.kill(asker, signal.SIGTERM)
    with os.fdopen(end) as lines:
        took = [int(line) / 1e6 for line in lines]
    processes.end(asker)
    if 0 in took:
        raise Failed("a request failed")
    return took


def measure_status(bench):
    table = Table(f"status of {PROGRAMS} programs", [
        Column("command", "ms", within=8, ratio=False),
        Column("command", "ms", "p99", ratio=False),
        Column("over one connection", "/s", more_is_better=True, ratio=False)])
    contestants = [*map(commanded, bench.peers), *bench.reeve()]
    for contestant in table.rounds(contestants, "command", bench.repeats, budget=40):
        with table.attempt(contestant.name, "command"), \
                Run(bench.workshop, contestant, [Job()] * PROGRAMS) as run:
            run.wait_for_lives(1)
            time.sleep(1)
            command = contestant.status_command(run)
            if not command:
                raise Failed("has no command for all of them")
            for latency in ask(run, 20, "command", *command):
                table.add(contestant.name, "command", latency)
            request = contestant.status_request(run)
            if request:
                answers, took = clients(run, "kept", request[0], ASKED_SECONDS, request[1]).split()
                table.add(contestant.name, "over one connection", int(answers) * 1e9 / int(took))
    table.note("command: reevectl status, supervisorctl status, sv status of all directories, from "
               "its fork to its exit, to /dev/null; over one connection: whole answers of GET "
               "/v1/status, of supervisor.getAllProcessInfo")
    return [table]


def measure_crowd(bench):
    """GET /livez while all programs crash and are restarted each second, and clients follow."""
    table = Table("crowd", [Column("livez", "ms", ratio=False), Column("livez", "ms", "p99", within=20,
                                                                    goal_for=("reeve", "reeve-all"),
                                                                    ratio=False),
                            Column("restarts", "/s", ratio=False),
                            Column("followed", "KiB/s", ratio=False)])
    for variant, target in ((None, "p#"), ("all", "*")):
        for contestant in table.rounds(bench.reeve(variant, delay="1s"), "livez", bench.repeats,
                                       budget=120):
            with table.attempt(contestant.name, "livez"), \
                    Run(bench.workshop, contestant, [Job("crash")] * PROGRAMS,
                        capture="usual") as run:
                run.wait_for_lives(2)
                out = f"{run.home}/followed"
                crowd = start_clients(
                    run, "read", contestant.socket(run), FOLLOWERS,
                    GET.format(f"/v1/programs/{target}/logs?follow=true&lines=0", ""), out)
                time.sleep(1)
                before, began = run.lives(), time.monotonic()
                for latency in ask(run, 5, "socket", contestant.socket(run), "/livez"):
                    table.add(contestant.name, "livez", latency)
                seconds = time.monotonic() - began
                table.add(contestant.name, "restarts", (run.lives() - before) / seconds)
                os.kill(crowd, signal.SIGTERM)
                processes.wait(crowd)
                with open(out) as file:
                    table.add(contestant.name, "followed", int(file.read()) / 1024 / (seconds + 1))
    table.note(f"{PROGRAMS} programs write a line and exit with 1, and are restarted a second later; "
               f"{FOLLOWERS} clients follow the log of one of them each, with reeve-all those of all")
    return [table]


def measure_clients(bench):
    """What clients leave behind in memory."""
    table = Table("clients", [Column("before", "KiB", ratio=False),
                              Column("more after 10,000 connections", "KiB", within=256, ratio=False),
                              Column("more after 10,000 more", "KiB", within=64, ratio=False)])
    for contestant in table.rounds(bench.reeve(), "before", bench.repeats, budget=120):
        with table.attempt(contestant.name, "before"), \
                Run(bench.workshop, contestant, [Job()] * 100, capture="usual") as run:
            run.wait_for_lives(1)
            request = GET.format("/v1/status", "Connection: close\r\n")
            clients(run, "churn", contestant.socket(run), 1, request)
            time.sleep(2)
            figures = [processes.pss_kib(run.pid, "Pss_Anon")]
            for _ in range(2):
                clients(run, "churn", contestant.socket(run), CHURN, request)
                time.sleep(2)
                figures.append(processes.pss_kib(run.pid, "Pss_Anon"))
            table.add(contestant.name, "before", figures[0])
            table.add(contestant.name, "more after 10,000 connections", figures[1] - figures[0])
            table.add(contestant.name, "more after 10,000 more", figures[2] - figures[1])
    table.note("anonymous memory (PSS) beside 100 programs; each connection asks for /v1/status; what "
               "code of its own file a process has in memory is the kernel's to drop")
    return [table]
