"""`vmss lab`: several hypervisor hosts on one machine, and their faults."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from orchestrator.cli.demo.command import demo
from orchestrator.cli.lab_daemon_commands import daemon_app, start_daemon
from orchestrator.cli.lab_options import Name, Root, errors_as_words, say
from orchestrator.lab import Fault, Lab, LabStatus, faults
from orchestrator.lab.layout import LABS_FOLDER

fault_app = typer.Typer(help="Make a fault, really. 'heal' undoes it.", no_args_is_help=True)
lab_app = typer.Typer(
    name="lab", help="Several hypervisor hosts on one machine, for trying and testing.", no_args_is_help=True
)

lab_app.add_typer(fault_app, name="fault")
lab_app.add_typer(daemon_app, name="daemon")
lab_app.command("demo")(demo)

Host = Annotated[str, typer.Argument(help="The host: h1, h2 …")]
Guest = Annotated[str, typer.Argument(help="The guest: instance name (web_0), domain name or UUID.")]


@lab_app.command("up")
def up(  # noqa: PLR0913, PLR0917  one for each option
    hosts: Annotated[int | None, typer.Option(help="How many hosts.  [default: 3, or as it was]")] = None,
    zones: Annotated[int | None, typer.Option(help="Over how many zones.  [default: 1, or as it was]")] = None,
    pool_gib: Annotated[int | None, typer.Option(help="Size of each pool.  [default: 8, or as it was]")] = None,
    images_dir: Annotated[Path | None, typer.Option(help="The catalogue of images for the daemon.")] = None,
    listen: Annotated[str | None, typer.Option(help="127.0.0.1:PORT for the daemon's API, too.")] = None,
    https: Annotated[
        str | None,
        typer.Option(help="ADDRESS:PORT for Azure's own clients, or off.  [default: 127.0.0.1:8443, or as it was]"),
    ] = None,
    daemon: Annotated[bool, typer.Option("--daemon", help="Start the lab's vmssd, too.")] = False,
    name: Name = "lab",
    root: Root = LABS_FOLDER,
) -> None:
    """Bring a lab up, or complete one; heals every fault."""
    with errors_as_words():
        lab = Lab(name, root)
        lab.up(hosts, zones, pool_gib, images_dir=images_dir, listen=listen, https=https, say=say)
        say(f"lab '{name}' is up: {len(lab.hosts())} hosts; configuration in {lab.config_path}")
        if daemon:
            start_daemon(lab)


@lab_app.command("down")
def down(name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """Take a lab away, and all that is in it."""
    with errors_as_words():
        Lab(name, root).down(say)
        say(f"lab '{name}' is gone")


@lab_app.command("status")
def status(
    name: Name = "lab",
    root: Root = LABS_FOLDER,
    is_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show the hosts, their guests and the faults in force."""
    with errors_as_words():
        seen = Lab(name, root).status()
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
    with errors_as_words():
        argv = Lab(name, root).entering(host, command)
        # No wire leads out of a lab: the machine's proxies are out of reach there.
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        os.execvpe(argv[0], argv, environment)  # noqa: S606  the user's own command, no shell


@fault_app.command("kill-guest")
def kill_guest(guest: Guest, name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """SIGKILL a guest's QEMU. Prints the moment, in seconds since the epoch."""
    with errors_as_words():
        killed = faults.kill_guest(Lab(name, root), guest)
        say(f"killed {killed.guest.domain} on {killed.guest.host}")
        print(f"{killed.at:.6f}")


@fault_app.command("freeze-guest")
def freeze_guest(guest: Guest, name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """SIGSTOP a guest's QEMU: it hangs, and libvirt takes it for running."""
    _make(lambda: faults.freeze_guest(Lab(name, root), guest))


@fault_app.command("stop-host")
def stop_host(host: Host, name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """End a host's libvirtd and cut its wire; its guests run on inside."""
    _make(lambda: faults.stop_host(Lab(name, root), host))


@fault_app.command("cut-host")
def cut_host(host: Host, name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """Cut a host's wire, for guests and management alike: silence, no refusal."""
    _make(lambda: faults.cut_host(Lab(name, root), host))


@fault_app.command("power-off-host")
def power_off_host(host: Host, name: Name = "lab", root: Root = LABS_FOLDER) -> None:
    """Pull a host's plug: everything on it ends at once; its files stay."""
    _make(lambda: faults.power_off_host(Lab(name, root), host))


@fault_app.command("slow-host")
def slow_host(
    host: Host,
    kbit: Annotated[int | None, typer.Option(help="What the wire may carry each way, in kbit/s.")] = None,
    delay_ms: Annotated[int | None, typer.Option(help="How long each frame is held back (needs netem).")] = None,
    name: Name = "lab",
    root: Root = LABS_FOLDER,
) -> None:
    """Slow a host's wire."""
    _make(lambda: faults.slow_host(Lab(name, root), host, kbit=kbit, delay_ms=delay_ms))


@fault_app.command("fill-pool")
def fill_pool(
    host: Host,
    leave_mib: Annotated[int, typer.Option(help="How much room to leave.")] = 0,
    name: Name = "lab",
    root: Root = LABS_FOLDER,
) -> None:
    """Take the room in a host's pool."""
    _make(lambda: faults.fill_pool(Lab(name, root), host, leave_mib=leave_mib))


@lab_app.command("heal")
def heal(
    host: Annotated[str, typer.Argument(help="A host, or 'all'.")] = "all",
    name: Name = "lab",
    root: Root = LABS_FOLDER,
) -> None:
    """Undo every fault of a host, or of all."""
    with errors_as_words():
        healed = Lab(name, root).heal(None if host == "all" else host, say)
        say(f"healed: {', '.join(f'{fault.kind} {fault.host}' for fault in healed) or 'nothing was broken'}")


def _print_status(seen: LabStatus) -> None:
    table = Table("Host", "State", "Zone", "Fault domain", "Guests", "Pool free")
    for each in seen.hosts:
        guests = ", ".join(guest.domain + (" (frozen)" if guest.is_frozen else "") for guest in each.guests)
        room = f"{each.pool_free_bytes / 1024**3:.1f} of {each.pool_bytes / 1024**3:.1f} GiB"
        table.add_row(each.name, each.state, each.zone, str(each.fault_domain), guests or "-", room)
    console = Console()
    console.print(table)
    for fault in seen.faults:
        console.print(f"fault in force: {fault.kind} {fault.host}: {fault.detail}")


def _make(fault: Callable[[], Fault]) -> None:
    with errors_as_words():
        made = fault()
        say(f"{made.kind} {made.host}: {made.detail}")


if __name__ == "__main__":
    lab_app()
