"""``vmss service show|install``: `vmssd` as a service of systemd, on machines that have it.

Installing only puts the unit file in its place: to enable and to start it stays the administrator's word.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from jinja2 import Environment, PackageLoader, StrictUndefined

from orchestrator.cli.command import command
from orchestrator.cli.session import Session
from orchestrator.errors import BadInput, NotPossible

UNIT = Path("/etc/systemd/system/vmssd.service")
CONFIG = Path("/etc/vmss/vmssd.yaml")
_SYSTEMD_RUNS = Path("/run/systemd/system")  # sd_booted(3)

service_app = typer.Typer(help="vmssd as a service of systemd.", no_args_is_help=True)

ConfigOption = Annotated[Path, typer.Option("--config", help="The daemon's configuration file.", show_default=True)]


def unit_text(program: Path, config: Path) -> str:
    """The unit file. Raises ``BadInput`` for a path that is not absolute or cannot stand in a unit file."""
    environment = Environment(
        loader=PackageLoader("orchestrator.cli", "."),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  a unit file is no markup; systemd's own quoting is used below
        keep_trailing_newline=True,
    )
    template = environment.get_template("vmssd.service.j2")
    return template.render(program=_as_word(program), config=_as_word(config))


def _as_word(path: Path) -> str:
    """A path as one word of a command line (systemd.syntax(7)), with ``%`` and ``$`` doubled."""
    text = str(path)
    if not path.is_absolute() or re.search(r"[\x00-\x1f\"'\\]", text):
        raise BadInput(f"a unit file needs an absolute path without quotes, not {text!r}")
    text = text.replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if " " in text else text


def _program() -> Path:
    return Path(sys.executable).with_name("vmssd")


@command(service_app, "show")
def show_unit(session: Session, config: ConfigOption = CONFIG) -> None:
    """Print the unit file that 'install' would write."""
    session.answer(unit_text(_program(), config).rstrip("\n"))


@command(service_app, "install")
def install_unit(session: Session, config: ConfigOption = CONFIG) -> None:
    """Write the unit file and let systemd read it. It is neither enabled nor started."""
    if not _SYSTEMD_RUNS.is_dir():
        raise NotPossible("systemd does not run here; start it as you like: vmssd --config FILE")
    if os.geteuid() != 0:
        raise NotPossible(f"{UNIT} belongs to root; try it with sudo")
    text = unit_text(_program(), config)
    draft = UNIT.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(UNIT)
    subprocess.run([shutil.which("systemctl") or "systemctl", "daemon-reload"], check=True)
    session.note(f"{UNIT} is written")
    if not config.exists():
        session.note(f"there is no {config} yet: name your hosts there first (vmssd --check --config {config})")
    session.note("then: systemctl enable --now vmssd")
