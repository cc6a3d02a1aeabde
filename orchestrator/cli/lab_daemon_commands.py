"""``vmss lab daemon start|stop|restart|status|log``."""

from __future__ import annotations

import json
import os
import time
from typing import Annotated

import typer

from orchestrator.cli.lab_daemon import LabDaemon, tail
from orchestrator.cli.lab_options import Name, Root, errors_as_words, say
from orchestrator.lab import Lab
from orchestrator.lab.layout import LABS_FOLDER

daemon_app = typer.Typer(help="The lab's own vmssd.", no_args_is_help=True)


@daemon_app.command("start")
def start(name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """Start the lab's vmssd unless it runs, and wait until it answers."""
    with errors_as_words():
        start_daemon(Lab(name, root))


@daemon_app.command("stop")
def stop(name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """End the lab's vmssd. Its guests run on, and the next one takes them over."""
    with errors_as_words():
        if not LabDaemon(Lab(name, root)).stop(say):
            say(f"no vmssd runs for lab '{name}'")


@daemon_app.command("restart")
def restart(name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """End the lab's vmssd and start it anew. Its guests run on meanwhile."""
    with errors_as_words():
        lab = Lab(name, root)
        LabDaemon(lab).stop(say)
        start_daemon(lab)


@daemon_app.command("status")
def status(
    name: Name = "lab",
    root: Root = LABS_FOLDER,
    is_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show whether the lab's vmssd runs. Exit code 1 when it does not."""
    with errors_as_words():
        daemon = LabDaemon(Lab(name, root))
        running, answer = daemon.process(), daemon.status()
        seen = {
            "pid": running.pid if running else None,
            "is_answering": answer is not None,
            "version": answer["version"] if answer else None,
            "up_s": round(time.time() - running.create_time(), 1) if running else None,
            "memory_mib": round(running.memory_info().rss / 2**20) if running else None,
            "socket": str(daemon.socket),
            "log": str(daemon.log),
        }
        print(json.dumps(seen, indent=2) if is_json else _as_lines(seen))
        if answer is None:
            raise typer.Exit(1)


@daemon_app.command("log")
def log(
    name: Name = "lab",
    root: Root = LABS_FOLDER,
    lines: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Print the end of the daemon's log."""
    with errors_as_words():
        path = LabDaemon(Lab(name, root)).log
        if follow:
            os.execvp("tail", ["tail", "-n", str(lines), "-F", str(path)])  # noqa: S606
        for line in tail(path, lines):
            print(line)


def start_daemon(lab: Lab) -> None:
    """Start the daemon, saying how to reach it."""
    daemon = LabDaemon(lab)
    running = daemon.start(say)
    say(f"vmssd answers on {daemon.socket} (process {running.pid}, log {daemon.log})")


def _as_lines(seen: dict[str, object]) -> str:
    return "\n".join(f"{key:<13} {'-' if value is None else value}" for key, value in seen.items())
