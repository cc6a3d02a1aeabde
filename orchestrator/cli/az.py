"""``vmss az-env`` and ``vmss az``: the user's own az on this daemon."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.az_files import AzFolder, Credentials
from orchestrator.cli.client import Client
from orchestrator.cli.command import command
from orchestrator.cli.endpoint import find_endpoint
from orchestrator.cli.session import Session
from orchestrator.errors import BadInput, NotFound

DEFAULT_GROUP = "default"
_HINT = "Install it with 'pip install azure-cli' or your system's packages, or let VMSS_AZ name it."

DirOption = Annotated[Path | None, typer.Option("--dir", help="The folder. [default: ~/.vmss/az/INSTALLATION]")]
FileOption = Annotated[
    Path | None, typer.Option("--principal-file", help="Who logs in. [default: the daemon's owner]")
]


def register(app: typer.Typer, panel: str) -> None:
    command(app, "az-env", rich_help_panel=panel)(az_env)
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command("az", rich_help_panel=panel, context_settings=settings, add_help_option=False)(run_az)


def az_env(
    session: Session,
    directory: DirOption = None,
    principal_file: FileOption = None,
    group: Annotated[
        str, typer.Option(help="The default resource group; made when it is missing.")
    ] = DEFAULT_GROUP,
) -> None:
    """Log az in at this daemon, in a folder of its own, and print what to export: eval "$(vmss az-env)"."""
    folder = _prepare(session.client, directory, principal_file, group)
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
        folder = _prepare(client, None, None, None)
    finally:
        client.close()
    sys.stdout.flush()
    try:
        os.execvpe(program, [program, *context.args], {**os.environ, **folder.environment()})  # noqa: S606
    except OSError as error:
        raise NotFound(f"{program} cannot be run: {error.strerror}. {_HINT}", code="AzMissing") from error


def _prepare(client: Client, directory: Path | None, principal_file: Path | None, group: str | None) -> AzFolder:
    """The folder, up to date. Without ``group`` the default group of a folder that is there stays."""
    daemon = client.daemon
    path = principal_file or _owner_file(daemon.get("ownerFile"))
    who = Credentials.read(path)
    folder = AzFolder((directory or Path.home() / ".vmss" / "az" / daemon["installation"]).absolute())
    if group is None and (folder.path / "config").exists():
        group = folder.default_group()
    group = group or DEFAULT_GROUP
    client.ensure_group(group)
    folder.write(who, group=group, location=daemon["location"])
    return folder


def _owner_file(text: object) -> Path:
    if not text:
        words = "the daemon does not say where its owner's file lies: name one with --principal-file"
        raise BadInput(words, target="--principal-file")
    return Path(str(text))
