"""``vmss az-env`` and ``vmss az``: the user's own az on this daemon."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from orchestrator.cli.az_files import AzFolder, Credentials
from orchestrator.cli.client import Client, Resource
from orchestrator.cli.command import command
from orchestrator.cli.endpoint import find_endpoint
from orchestrator.cli.session import Session
from orchestrator.errors import BadInput, NotFound

DEFAULT_GROUP = "default"
_HINT = "Install it with 'pip install azure-cli' or your system's packages, or let VMSS_AZ name it."

DirOption = Annotated[
    Path | None, typer.Option("--dir", help="The folder. [default: one for each login, in ~/.vmss/az]")
]
FileOption = Annotated[
    Path | None,
    typer.Option("--principal-file", help="Who logs in. [default: VMSS_CREDENTIALS, else the daemon's owner]"),
]
GroupOption = Annotated[
    str | None,
    typer.Option(
        help="The default resource group, made when it is missing. [default: as it was, at first 'default']"
    ),
]


class _Through(TyperCommand):
    """Every word belongs to az, ``--help`` and ``--`` as well."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.args = list(args)
        return []


def register(app: typer.Typer, panel: str) -> None:
    command(app, "az-env", rich_help_panel=panel)(az_env)
    app.command("az", cls=_Through, rich_help_panel=panel, add_help_option=False)(run_az)


def az_env(
    session: Session,
    directory: DirOption = None,
    principal_file: FileOption = None,
    group: GroupOption = None,
) -> None:
    """Log az in at this daemon, in a folder of its own, and print what to export: eval "$(vmss az-env)"."""
    folder, who = _folder(session.client, directory, principal_file)
    _make(folder, who, session.client, group)
    for name, value in folder.environment().items():
        print(f"export {name}={shlex.quote(value)}")
    if sys.stdout.isatty():
        session.note('to have it in this shell: eval "$(vmss az-env)"')


def run_az(context: typer.Context) -> None:
    """Run az with these arguments, logged in at this daemon."""
    program = os.environ.get("VMSS_AZ") or shutil.which("az")
    if program is None:
        raise NotFound(f"There is no az here. {_HINT}", code="AzMissing")
    client = Client(find_endpoint(None, None, os.environ))
    try:
        folder, who = _folder(client, None, None)
        if not folder.is_made_of(who):
            _make(folder, who, client, None)
    finally:
        client.close()
    sys.stdout.flush()
    try:
        os.execvpe(program, [program, *context.args], {**os.environ, **folder.environment()})  # noqa: S606
    except OSError as error:
        raise NotFound(f"{program} cannot be run: {error.strerror}. {_HINT}", code="AzMissing") from error


def _folder(client: Client, directory: Path | None, principal_file: Path | None) -> tuple[AzFolder, Credentials]:
    who = Credentials.read(principal_file or client.endpoint.credentials or _owner_file(client.daemon))
    path = directory or Path.home() / ".vmss" / "az" / client.daemon["installation"] / who.client_id
    return AzFolder(path.absolute()), who


def _make(folder: AzFolder, who: Credentials, client: Client, group: str | None) -> None:
    group = group or folder.default_group() or DEFAULT_GROUP
    client.ensure_group(group)
    folder.write(who, group=group, location=client.daemon["location"])


def _owner_file(daemon: Resource) -> Path:
    text = daemon.get("ownerFile")
    if not text:
        words = "the daemon does not say where its owner's file lies: name one with --principal-file"
        raise BadInput(words, target="--principal-file")
    return Path(text)
