"""``vmss events``: every step taken, with its reason, before and after; as it happens with ``--follow``."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from orchestrator.cli.client import OWN, Resource, SetRef
from orchestrator.cli.command import GroupOption, command
from orchestrator.cli.complete import complete_set_names
from orchestrator.cli.faults import DaemonUnreachable
from orchestrator.cli.output import OutputFormat, cell_text
from orchestrator.cli.session import Session
from orchestrator.cli.tables import EVENTS, local_time
from orchestrator.cli.waiting import Pace

_WAIT_S = 20
_SLACK_S = 15.0
_PATIENCE_TRIES = 30


def register(app: typer.Typer, panel: str) -> None:
    command(app, "events", rich_help_panel=panel)(events)


def events(
    session: Session,
    set_name: Annotated[
        str | None,
        typer.Option("--set", metavar="NAME", help="Of one scale set.", autocompletion=complete_set_names),
    ] = None,
    resource_group: GroupOption = "default",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option(min=0, help="Of what was, show this many at most.")] = 100,
    after: Annotated[int, typer.Option(min=0, metavar="SEQ", help="Only later ones than this number.")] = 0,
) -> None:
    """Show what was done, and why."""
    query = {}
    if set_name is not None:
        query["resourceId"] = session.client.path_of(SetRef(resource_group, set_name))
    past = _past(session, query, after, last)
    if not follow:
        session.show(past["value"], EVENTS)
        return
    try:
        for event in _stream(session, past, query):
            print(_line(session, event), flush=True)
    except KeyboardInterrupt:
        return


def _past(session: Session, query: Mapping[str, str], after: int, last: int) -> Resource:
    """The last events so far, over all pages, and the number to go on from."""
    kept: deque[Resource] = deque(maxlen=last)
    while True:
        page: Resource = session.client.get(f"{OWN}/events", **query, after=str(after))
        if not page["value"]:
            return {"value": list(kept), "next": page["next"]}
        kept.extend(page["value"])
        after = page["next"]


def _stream(session: Session, first: Resource, query: Mapping[str, str]) -> Iterator[Resource]:
    """All events from the first page on, by long polls; a daemon that restarts is waited for."""
    page, pace, failures = first, Pace(), 0
    while True:
        yield from page["value"]
        wanted = {**query, "after": str(page["next"]), "waitSeconds": str(_WAIT_S)}
        try:
            reply = session.client.send("GET", f"{OWN}/events", query=wanted, timeout_s=_WAIT_S + _SLACK_S)
            page, pace, failures = reply.body, Pace(), 0
        except DaemonUnreachable:
            failures += 1
            if failures > _PATIENCE_TRIES:
                raise
            page = {"value": [], "next": page["next"]}
            session.wiring.clock.sleep(pace.next_s())


def _line(session: Session, event: Resource) -> str:
    value: Any = session.asked(event)
    if session.options.output is not OutputFormat.TABLE or session.options.query is not None:
        return json.dumps(value, ensure_ascii=False)
    whose = "/".join(cell_text(event.get(part)) for part in ("set", "instanceId") if event.get(part) is not None)
    outcome = f" -> {event['outcome']}" if event.get("outcome") else ""
    what = f"{event.get('phase', '')} {event.get('kind', '')}".strip()
    return f"{local_time(event.get('time'))}  {whose:<12} {what:<24} {event.get('reason') or ''}{outcome}"
