"""``vmss diff``: what each instance has otherwise than the set's newest model, and what would apply it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from orchestrator.cli.client import Resource, SetRef
from orchestrator.cli.command import OnSet, command
from orchestrator.cli.output import Column, OutputFormat, at
from orchestrator.cli.session import Session

_COLUMNS: Sequence[Column] = (
    at("Id", "instanceId", is_number=True),
    at("Property", "property"),
    at("Applied", "applied"),
    at("Wanted", "wanted"),
    at("Applied by", "appliedBy"),
)


def register(app: typer.Typer, panel: str) -> None:
    command(app, "diff", on=OnSet.OPTIONAL, rich_help_panel=panel)(diff)


def diff(
    session: Session,
    scale_set: SetRef,
    instance_id: Annotated[str | None, typer.Option(metavar="ID", help="Only this instance.")] = None,
) -> None:
    """Show how instances differ from the scale set's newest model, and the command that would apply it."""
    if instance_id is None:
        found = list(session.client.pages(session.client.path_of(scale_set, "differences")))
    else:
        path = session.client.path_of(scale_set, "virtualMachines", instance_id, "difference")
        found = [session.client.get(path)]
    if session.options.output is not OutputFormat.TABLE or session.options.query is not None:
        session.show(found if instance_id is None else found[0])
        return
    behind = [each for each in found if not each["latestModelApplied"]]
    if not behind:
        session.answer("nothing differs: every instance is on the newest model")
        return
    session.show([row for each in behind for row in _rows(each)], _COLUMNS)
    for each in behind:
        session.answer(f"to apply to {each['instanceId']}: {each['command']}")


def _rows(item: Resource) -> Iterator[dict[str, Any]]:
    """One line for each property; one line, too, where nobody knows any more what differs."""
    common = {"instanceId": item["instanceId"], "appliedBy": item["appliedBy"]}
    differences = item["differences"]
    if differences is None:
        yield {**common, "property": f"all: model {item['modelVersion']} is not kept any more"}
    elif not differences:
        yield {**common, "property": "none that an instance is made of"}
    else:
        yield from ({**common, **each} for each in differences)
