"""`vmss lab`: several hypervisor hosts on one machine, and their faults."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.errors import VmssError
from orchestrator.lab import Lab, LabStatus, status_of
from orchestrator.lab.layout import IMAGES_FOLDER, LABS_FOLDER

lab_app = typer.Typer(
    name="lab", help="Several hypervisor hosts on one machine, for trying and testing.", no_args_is_help=True
)

Name = Annotated[str, typer.Option("--name", "-n", help="The lab's name; several can be up at once.")]
Root = Annotated[Path, typer.Option("--root", help="The folder that holds the labs.", show_default=True)]


@lab_app.command("up")
def up(
    hosts: Annotated[int | None, typer.Option(help="How many hosts.  [default: 3, or as it was]")] = None,
    zones: Annotated[int | None, typer.Option(help="Over how many zones.  [default: 1, or as it was]")] = None,
    pool_gib: Annotated[int | None, typer.Option(help="Size of each pool.  [default: 8, or as it was]")] = None,
    images_dir: Annotated[Path, typer.Option(help="The catalogue of images the daemon is to use.")] = IMAGES_FOLDER,
    listen: Annotated[str | None, typer.Option(help="127.0.0.1:PORT for the daemon's API, too.")] = None,
    name: Name = "lab",
    root: Root = LABS_FOLDER,
) -> None:
    """Bring a lab up, or complete one; heals every fault."""
    with _errors_as_words():
        lab = Lab(name, root)
        lab.up(hosts, zones, pool_gib, images_dir=images_dir, listen=listen, say=_say)
        _say(f"lab '{name}' is up: {len(lab.hosts())} hosts; configuration in {lab.config_path}")


@lab_app.command("down")
def down(name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """Take a lab away, and all that is in it."""
    with _errors_as_words():
        Lab(name, root).down(_say)
        _say(f"lab '{name}' is gone")


@lab_app.command("status")
def status(
    name: Name = "lab",
    root: Root = LABS_FOLDER,
    is_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the hosts, their guests and the faults in force."""
    with _errors_as_words():
        seen = status_of(Lab(name, root))
        if is_json:
            print(json.dumps({**asdict(seen), "is_up": seen.is_up}, indent=2))
        else:
            _print_status(seen)


@lab_app.command("exec", context_settings={"ignore_unknown_options": True})
def execute(
    host: Annotated[str, typer.Argument(help="h1, h2 …, or 'controller' for the daemon's end of the fabric.")],
    command: Annotated[list[str], typer.Argument(help="The command, after --")],
    name: Name = "lab",
    root: Root = LABS_FOLDER,
) -> None:
    """Run a command on a host; its output, input and exit code pass through."""
    with _errors_as_words():
        argv = Lab(name, root).entering(host, command)
        os.execvp(argv[0], argv)  # noqa: S606  the user's own command, no shell


def _print_status(seen: LabStatus) -> None:
    table = Table("Host", "State", "Zone", "Fault domain", "Guests", "Pool free", "URI")
    for each in seen.hosts:
        guests = ", ".join(guest.domain + (" (frozen)" if guest.is_frozen else "") for guest in each.guests)
        room = f"{each.pool_free_bytes / 1024**3:.1f} of {each.pool_bytes / 1024**3:.1f} GiB"
        table.add_row(each.name, each.state, each.zone, str(each.fault_domain), guests or "-", room, each.uri)
    console = Console()
    console.print(table)
    for fault in seen.faults:
        console.print(f"fault in force: {fault.kind} {fault.host}: {fault.detail}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _errors_as_words() -> Iterator[None]:
    try:
        yield
    except VmssError as error:
        _say(f"error: {error.message}")
        raise typer.Exit(1) from error


if __name__ == "__main__":
    lab_app()
