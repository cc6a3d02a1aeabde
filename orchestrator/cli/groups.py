"""``vmss group create|list|show|delete``: resource groups."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.client import Reply, Resource
from orchestrator.cli.command import NoWait, command
from orchestrator.cli.output import at
from orchestrator.cli.progress import Progress
from orchestrator.cli.session import Session
from orchestrator.cli.waiting import DEFAULT_TIMEOUT_S, poll_until
from orchestrator.errors import BadInput, NotFound

group_app = typer.Typer(help="Resource groups, which hold everything else.", no_args_is_help=True)
GROUPS = (at("Name", "name"), at("Location", "location"), at("State", "properties.provisioningState"))

Name = Annotated[str, typer.Argument(help="The group's name.")]


@command(group_app, "list")
def list_groups(session: Session) -> None:
    """List the resource groups."""
    path = f"/subscriptions/{session.client.daemon['subscriptionId']}/resourceGroups"
    session.show(list(session.client.pages(path)), GROUPS)


@command(group_app, "show")
def show_group(session: Session, name: Name) -> None:
    """Show one resource group."""
    session.show(session.client.get(session.client.path_of_group(name)), GROUPS)


@command(group_app, "create")
def create_group(
    session: Session,
    name: Name,
    tags: Annotated[list[str] | None, typer.Option("--tags", help="KEY=VALUE; several may follow.")] = None,
) -> None:
    """Make a resource group; one that is there stays, with other tags if some are given."""
    path = session.client.path_of_group(name)
    body: Resource = {} if tags is None else {"tags": dict(_pair(each) for each in tags)}
    try:
        made = session.client.get(path)
        if body:
            made = session.client.send("PATCH", path, body=body).body
    except NotFound:
        made = session.client.send("PUT", path, body={"location": session.client.daemon["location"], **body}).body
    session.show(made, GROUPS)


@command(group_app, "delete")
def delete_group(session: Session, name: Name, no_wait: NoWait = False) -> None:
    """Delete a resource group with everything in it."""
    reply = session.client.send("DELETE", session.client.path_of_group(name))
    place = reply.headers.get("location")
    if no_wait or place is None:
        session.answer(f"group {name} is being deleted")
        return
    title = f"deleting group {name}"
    with Progress(title) as progress:
        poll_until(
            lambda: session.client.send("GET", place),
            _is_done,
            what=title,
            timeout_s=DEFAULT_TIMEOUT_S,
            on_tick=progress.tick,
            clock=session.wiring.clock,
        )
    session.answer(f"deleted group {name}")


def _is_done(reply: Reply) -> bool:
    return reply.status != 202


def _pair(text: str) -> tuple[str, str]:
    key, mark, value = text.partition("=")
    if not key or not mark:
        raise BadInput(f"--tags wants KEY=VALUE, not '{text}'", target="--tags")
    return key, value
