"""``vmss``: the parts put together, and the one place where errors become words and exit codes."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from orchestrator.cli import (
    apply,
    az,
    events,
    instances,
    model_diff,
    observe,
    rolling_upgrades,
    scale_sets,
    ssh,
    update,
    wait,
)
from orchestrator.cli.balancers import balancer_app
from orchestrator.cli.client import OWN
from orchestrator.cli.command import command
from orchestrator.cli.extensions import extension_app
from orchestrator.cli.faults import EXIT_CODES, EXIT_INTERRUPTED, EXIT_OK, DaemonUnreachable, Interrupted, exit_code
from orchestrator.cli.groups import group_app
from orchestrator.cli.hosts import host_app
from orchestrator.cli.principals import principal_app
from orchestrator.cli.run_command import run_command_app
from orchestrator.cli.session import Session, Wiring
from orchestrator.errors import VmssError

_OTHER = "Other"


def _load_lab() -> typer.Typer:
    from orchestrator.cli.lab import lab_app  # noqa: PLC0415

    return lab_app


def _load_image() -> typer.Typer:
    from orchestrator.cli.images import image_app  # noqa: PLC0415

    return image_app


def _load_service() -> typer.Typer:
    from orchestrator.cli.service import service_app  # noqa: PLC0415

    return service_app


_LAZY = {
    "lab": (_load_lab, "Several hypervisor hosts on one machine, for trying and testing."),
    "image": (_load_image, "Base images of guests."),
    "service": (_load_service, "vmssd as a service of systemd."),
}
"""Nouns whose work happens in this process: they import much, which no other command should pay for."""


class RootGroup(TyperGroup):
    """Loads a lazy noun when it is really asked for; until then only its help line is there."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in _LAZY:
            load, _ = _LAZY[args[0]]
            self.commands[args[0]] = typer.main.get_group(load())
        return super().resolve_command(ctx, args)


def _epilog() -> str:
    codes = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
    return f"Exit codes: {codes}."


app = typer.Typer(
    name="vmss",
    cls=RootGroup,
    help="Azure-style virtual machine scale sets on your own hypervisors.",
    epilog=_epilog(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _assemble() -> None:
    scale_sets.register(app)
    update.register(app, scale_sets.PANEL)
    apply.register(app, scale_sets.PANEL)
    wait.register(app, scale_sets.PANEL)
    instances.register(app)
    ssh.register(app, instances.PANEL)
    observe.register(app)
    model_diff.register(app, observe.PANEL)
    events.register(app, observe.PANEL)
    rolling_upgrades.register(app, instances.PANEL)
    app.add_typer(rolling_upgrades.rolling_upgrade_app, name="rolling-upgrade", rich_help_panel=_OTHER)
    app.add_typer(extension_app, name="extension", rich_help_panel=_OTHER)
    app.add_typer(run_command_app, name="run-command", rich_help_panel=_OTHER)
    app.add_typer(host_app, name="host", rich_help_panel=_OTHER)
    app.add_typer(group_app, name="group", rich_help_panel=_OTHER)
    app.add_typer(balancer_app, name="lb", rich_help_panel=_OTHER)
    app.add_typer(principal_app, name="principal", rich_help_panel=_OTHER)
    az.register(app, _OTHER)
    for name, (_, line) in _LAZY.items():
        app.add_typer(typer.Typer(help=line), name=name, rich_help_panel=_OTHER)


_assemble()


@app.callback()
def root() -> None:
    """Azure-style virtual machine scale sets on your own hypervisors."""


@command(app, "version", rich_help_panel=_OTHER)
def version(session: Session) -> None:
    """Show the versions of this program and of the daemon."""
    from importlib.metadata import version as version_of  # noqa: PLC0415

    try:
        daemon = session.client.get(f"{OWN}/status")["version"]
    except DaemonUnreachable:
        daemon = None
    session.show({"vmss": version_of("vmss"), "vmssd": daemon})


@app.command("completion", rich_help_panel=_OTHER)
def completion(
    shell: Annotated[str, typer.Argument(help="bash, zsh, fish or powershell.")] = "bash",
) -> None:
    """Print the script that teaches a shell to complete: eval "$(vmss completion bash)"."""
    os.environ["_VMSS_COMPLETE"] = f"source_{shell}"
    app([], prog_name="vmss")


def run(argv: list[str] | None = None, wiring: Wiring | None = None) -> int:
    """The entry point. Never shows a traceback for what a sentence can say.

    ``argv`` defaults to the process's own; ``wiring`` is for tests."""
    try:
        app(argv, prog_name="vmss", obj=wiring or Wiring())
    except VmssError as error:
        sys.stdout.flush()  # what was printed before it went wrong comes before it
        print_error(error)
        return exit_code(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_OK


def print_error(error: VmssError) -> None:
    """Azure's code, message, target and details, for people, on standard error."""
    if isinstance(error, Interrupted):
        print(error.message, file=sys.stderr)
        return
    is_terminal = sys.stderr.isatty()
    red, plain = ("\033[1;31m", "\033[0m") if is_terminal else ("", "")
    whole = _sentence(error.code, error.message, error.target)
    print(f"{red}error{plain}: {whole}", file=sys.stderr)
    for detail in error.details:
        part = _sentence(detail.code, detail.message, detail.target)
        if part != whole:
            print(f"  - {part}", file=sys.stderr)


def _sentence(code: str, message: str, target: str | None) -> str:
    """The target is said only where the message does not name it."""
    is_named = not target or target in message
    return f"{code}: {message}" + ("" if is_named else f" (target: {target})")
