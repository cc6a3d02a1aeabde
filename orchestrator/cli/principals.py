"""``vmss principal create|list|show|delete|reset``: who may log in over a port, and what they may do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from orchestrator.cli.client import OWN, Resource
from orchestrator.cli.command import command
from orchestrator.cli.output import Column, at
from orchestrator.cli.session import Session
from orchestrator.errors import BadInput, NotFound
from orchestrator.model.principal import Role
from orchestrator.private_file import write_private

principal_app = typer.Typer(help="Who may log in over HTTPS, and what they may do.", no_args_is_help=True)
PRINCIPALS = (
    at("Name", "name"),
    at("Role", "properties.role"),
    at("Client id", "properties.clientId"),
    at("Created", "properties.createdTime"),
)
_WITH_SECRET: tuple[Column, ...] = (*PRINCIPALS, at("Secret", "properties.clientSecret"))

Name = Annotated[str, typer.Argument(help="The principal's name.")]
RoleOption = Annotated[
    Role,
    typer.Option(
        "--role", help="reader looks, operator changes what is in groups, owner changes the installation as well."
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option("--file", help="Write a file to log in with (mode 0600) instead of showing the secret."),
]


def path_of(name: str, *more: str) -> str:
    return "/".join([f"{OWN}/principals", quote(name, safe=""), *more])


@command(principal_app, "list")
def list_principals(session: Session) -> None:
    """List who may log in."""
    session.show(list(session.client.pages(f"{OWN}/principals")), PRINCIPALS)


@command(principal_app, "show")
def show_principal(session: Session, name: Name) -> None:
    """Show one; never its secret."""
    session.show(session.client.get(path_of(name)), PRINCIPALS)


@command(principal_app, "create")
def create_principal(session: Session, name: Name, role: RoleOption, file: FileOption = None) -> None:
    """Make a principal, or give one that is there another role. Its secret is shown this once."""
    if file is not None and _is_there(session, name):
        words = f"{name} is there already and keeps its secret: 'vmss principal reset' makes a new one"
        raise BadInput(words, target="--file")
    made = session.client.send("PUT", path_of(name), body={"properties": {"role": role.value}}).body
    _hand_over(session, made, file)


@command(principal_app, "reset")
def reset_principal(session: Session, name: Name, file: FileOption = None) -> None:
    """Give a principal a new secret; the old one, and what logged in with it, ends at once."""
    _hand_over(session, session.client.send("POST", path_of(name, "resetSecret")).body, file)


@command(principal_app, "delete")
def delete_principal(session: Session, name: Name) -> None:
    """Delete a principal; what is logged in with it ends at once."""
    session.client.send("DELETE", path_of(name))
    session.answer(f"deleted principal {name}")


def _is_there(session: Session, name: str) -> bool:
    try:
        session.client.get(path_of(name))
    except NotFound:
        return False
    return True


def _hand_over(session: Session, made: Resource, file: Path | None) -> None:
    secret = made["properties"].get("clientSecret")
    if secret is None:
        session.show(made, PRINCIPALS)
        return
    if file is None:
        session.show(made, _WITH_SECRET)
        session.note("the secret is not shown again")
        return
    daemon = session.client.daemon
    content = {
        "name": made["name"],
        "clientId": made["properties"]["clientId"],
        "clientSecret": secret,
        "tenantId": daemon["tenantId"],
        "subscriptionId": daemon["subscriptionId"],
        "endpoint": daemon["endpoint"],
        "caFile": daemon["caFile"],
        "caPem": daemon["caPem"],
    }
    write_private(file.absolute(), json.dumps(content, indent=2).encode() + b"\n")
    session.answer(f"{file} logs in as {made['name']} ({made['properties']['role']})")
