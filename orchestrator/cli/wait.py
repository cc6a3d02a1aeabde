"""``vmss wait``: until a scale set is created, updated, deleted, healthy, or as a query says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from orchestrator.cli.client import Reply, SetRef
from orchestrator.cli.command import OnSet, command
from orchestrator.cli.faults import ApiError, Interrupted
from orchestrator.cli.output import ask, dig
from orchestrator.cli.progress import Progress, health_of, summary
from orchestrator.cli.session import Session
from orchestrator.cli.waiting import poll_until
from orchestrator.errors import BadInput, NotFound

_GONE = 404


@dataclass(frozen=True, slots=True)
class WaitFlags:
    """What to wait for: exactly one of the first six."""

    created: Annotated[bool, typer.Option("--created", help="It is there and Succeeded.")] = False
    updated: Annotated[bool, typer.Option("--updated", help="The last change Succeeded.")] = False
    deleted: Annotated[bool, typer.Option("--deleted", help="It is gone.")] = False
    exists: Annotated[bool, typer.Option("--exists", help="It is there, in any state.")] = False
    healthy: Annotated[bool, typer.Option("--healthy", help="As many healthy instances as its capacity.")] = False
    custom: Annotated[str | None, typer.Option(metavar="JMESPATH", help="True of the set's JSON.")] = None
    interval: Annotated[float | None, typer.Option(min=0.1, metavar="SECONDS", help="[default: quick, then 1]")] = (
        None
    )
    timeout: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Then give up with exit code 4.")] = (
        3600.0
    )

    @property
    def what(self) -> str:
        """The one thing waited for. Raises ``BadInput`` for none or several."""
        names = ("created", "updated", "deleted", "exists", "healthy", "custom")
        given = [name for name in names if getattr(self, name)]
        if len(given) != 1:
            raise BadInput("wait for one of " + ", ".join(f"--{name}" for name in names))
        return given[0]


def register(app: typer.Typer, panel: str) -> None:
    command(app, "wait", on=OnSet.OPTIONAL, rich_help_panel=panel)(wait)


def wait(session: Session, scale_set: SetRef, flags: WaitFlags) -> None:
    """Wait until something is true of a scale set."""
    what = flags.what
    conditions: dict[str, Callable[[Reply], bool]] = {
        "created": _has_succeeded,
        "updated": _has_succeeded,
        "deleted": lambda reply: reply.status == _GONE,
        "exists": lambda reply: reply.status != _GONE,
        "healthy": lambda reply: reply.status != _GONE and _is_healthy(session, scale_set, reply),
        "custom": lambda reply: reply.status != _GONE and bool(ask(reply.body, flags.custom)),
    }
    ask(None, flags.custom)  # a query that does not parse is a usage error, not something to wait for
    path = session.client.path_of(scale_set)

    def look() -> Reply:
        try:
            return session.client.send("GET", path)
        except NotFound:
            if what == "updated":
                raise
            return Reply(_GONE, None)

    title = f"waiting for {scale_set.name} to be {flags.custom or what}"
    try:
        with Progress(title, lambda: summary(_instances(session, scale_set))) as progress:
            poll_until(
                look,
                conditions[what],
                what=title,
                timeout_s=flags.timeout,
                on_tick=progress.tick,
                clock=session.wiring.clock,
                longest_pause_s=flags.interval,
            )
    except KeyboardInterrupt:
        raise Interrupted(f"no longer {title}") from None


def _instances(session: Session, scale_set: SetRef) -> list[dict[str, object]]:
    try:
        return session.instances(scale_set)
    except NotFound:
        return []


def _has_succeeded(reply: Reply) -> bool:
    """Raises ``ApiError`` when it has failed instead: then waiting longer is in vain."""
    state = str(dig(reply.body, "properties.provisioningState", "")).lower()
    if state == "failed":
        raise ApiError("the scale set's last change failed; see vmss get-instance-view", code="ProvisioningFailed")
    return state == "succeeded"


def _is_healthy(session: Session, scale_set: SetRef, reply: Reply) -> bool:
    wanted = int(reply.body["sku"]["capacity"])
    healthy = [vm for vm in _instances(session, scale_set) if health_of(vm).lower() == "healthy"]
    return len(healthy) >= wanted
