"""What is seen and why it was done: ``status``, ``plan``, ``census``, ``doctor``, ``console``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.client import OWN, Resource, SetRef
from orchestrator.cli.command import OnSet, command
from orchestrator.cli.faults import EXIT_ERROR, EXIT_UNREACHABLE, DaemonUnreachable
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.session import Session
from orchestrator.cli.tables import CENSUS, DOCTOR, STEPS

PANEL = "Look"
_CONSOLE_BYTES = 65_536
_FOLLOW_EVERY_S = 0.5
_ANCHOR = 256


def register(app: typer.Typer) -> None:
    command(app, "status", rich_help_panel=PANEL)(status)
    command(app, "plan", on=OnSet.OPTIONAL, rich_help_panel=PANEL)(plan)
    command(app, "census", rich_help_panel=PANEL)(census)
    command(app, "doctor", rich_help_panel=PANEL)(doctor)
    command(app, "console", on=OnSet.REQUIRED, rich_help_panel=PANEL)(console)


def status(session: Session) -> None:
    """Show the daemon and what it looks after."""
    value: Resource = session.client.get(f"{OWN}/status")
    if session.options.output is OutputFormat.TABLE and session.options.query is None:
        instances = value.get("instances") or {}
        counted = ", ".join(f"{count} {state}" for state, count in instances.items() if count) or "none"
        value = {**value, "instances": counted}
    session.show(value)


def plan(session: Session, scale_set: SetRef) -> None:
    """Show what would be done next, and why."""
    found: Resource = session.client.get(session.client.path_of(scale_set, "plan"))
    if session.options.output is not OutputFormat.TABLE or session.options.query is not None:
        session.show(found)
        return
    if steps := [*found.get("setSteps", []), *found["steps"]]:
        session.show(steps, STEPS)
    else:
        session.answer("nothing to do: everything is as wanted")
    for note in found.get("notes") or []:
        session.answer(f"note: {note}")


def census(session: Session) -> None:
    """List everything on the hosts: ours and wanted, ours and stray, and what is not ours."""
    session.show(list(session.client.pages(f"{OWN}/census")), CENSUS)


def doctor(session: Session) -> None:
    """Check acceleration, connections, pools, networks, permissions and clocks; say how to mend each."""
    try:
        checks = list(session.client.pages(f"{OWN}/doctor"))
    except DaemonUnreachable as error:
        session.show([_no_daemon(error)], DOCTOR)
        raise typer.Exit(EXIT_UNREACHABLE) from None
    session.show(checks, DOCTOR)
    if not all(check["ok"] for check in checks):
        raise typer.Exit(EXIT_ERROR)


def _no_daemon(error: DaemonUnreachable) -> dict[str, Any]:
    return {
        "subject": "vmssd",
        "name": "the daemon answers",
        "ok": False,
        "detail": error.message,
        "mend": "start it: vmssd --config FILE, or vmss lab up --daemon; elsewhere? --socket, --endpoint",
    }


def console(
    session: Session,
    scale_set: SetRef,
    instance_id: Annotated[str, typer.Argument(metavar="ID", help="The instance.", show_default=False)],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    max_bytes: Annotated[
        int, typer.Option("--bytes", min=1, max=1 << 20, help="How much of the log's end.")
    ] = _CONSOLE_BYTES,
) -> None:
    """Print a guest's serial log."""
    path = session.client.path_of(scale_set, "virtualMachines", instance_id, "console")

    def tail() -> str:
        text = session.client.send("GET", path, query={"bytes": str(max_bytes)}).text
        return text.lstrip("\ufffd")  # the tail may begin in the middle of a character

    shown = tail()
    typer.echo(shown, nl=False)
    try:
        while follow:
            session.wiring.clock.sleep(_FOLLOW_EVERY_S)
            newest = tail()
            typer.echo(fresh_part(shown, newest), nl=False)
            shown = newest
    except KeyboardInterrupt:
        return


def fresh_part(old: str, new: str) -> str:
    """What the later of two tails of one log has beyond the earlier. Tails slide: the later may lack the
    earlier's beginning. With nothing in common (the guest was started anew) all of it is fresh."""
    if new.startswith(old):
        return new[len(old) :]
    anchor = new[:_ANCHOR]
    start = old.find(anchor)
    while start != -1:
        if new.startswith(old[start:]):
            return new[len(old) - start :]
        start = old.find(anchor, start + 1)
    return _after_short_overlap(old, new)


def _after_short_overlap(old: str, new: str) -> str:
    """The overlap may be shorter than the anchor."""
    for length in range(min(_ANCHOR, len(old), len(new)), 0, -1):
        if old.endswith(new[:length]):
            return new[length:]
    return new
