"""``vmss rolling-upgrade start|cancel|get-latest`` and ``vmss get-os-upgrade-history``: upgrades in batches."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestrator.cli.client import OWN, Reply, Resource, SetRef
from orchestrator.cli.command import NoWait, OnSet, command
from orchestrator.cli.faults import EXIT_ERROR, Interrupted
from orchestrator.cli.output import OutputFormat, dig
from orchestrator.cli.session import Session
from orchestrator.cli.tables import FAILED_UPGRADES, OS_UPGRADES, UPGRADES, local_time
from orchestrator.cli.waiting import poll_until
from orchestrator.errors import BadInput, NotFound

LONGEST_S = 172_800.0  # as the daemon's own deadline of an upgrade
_RUNNING = {"RollingForward", "RollingBack"}
_TOLD = {"rolling_upgrade", "revert_model"}

rolling_upgrade_app = typer.Typer(help="Upgrades that go through a set in batches.", no_args_is_help=True)


def register(app: typer.Typer, panel: str) -> None:
    command(app, "get-os-upgrade-history", on=OnSet.OPTIONAL, rich_help_panel=panel)(get_os_upgrade_history)


@command(rolling_upgrade_app, "start", on=OnSet.OPTIONAL)
def start(
    session: Session,
    scale_set: SetRef,
    extensions: Annotated[
        bool, typer.Option("--extensions", help="Look at the extensions again, rather than at the image.")
    ] = False,
    model: Annotated[
        bool,
        typer.Option("--model", help="Try the newest model again, after its upgrade faulted or was cancelled."),
    ] = False,
    no_wait: NoWait = False,
) -> None:
    """Bring all instances to the newest version of their image, in batches."""
    if extensions and model:
        raise BadInput("--extensions and --model are two different upgrades: give one")
    what = "extensions" if extensions else "model" if model else "image"
    reply = _begin(session, scale_set, what)
    if _finish(session, scale_set, reply, f"upgrading the {what} of {scale_set.name} in batches", no_wait=no_wait):
        session.show(_latest(session, scale_set), UPGRADES)


def _begin(session: Session, scale_set: SetRef, what: str) -> Reply:
    """A write that changes nothing starts the model's upgrade again, as with Azure; the others have a verb."""
    if what == "model":
        return session.client.send("PATCH", session.client.path_of(scale_set), body={})
    verb = "extensionRollingUpgrade" if what == "extensions" else "osRollingUpgrade"
    return session.client.send("POST", session.client.path_of(scale_set, verb))


@command(rolling_upgrade_app, "cancel", on=OnSet.OPTIONAL)
def cancel(session: Session, scale_set: SetRef, no_wait: NoWait = False) -> None:
    """End the rolling upgrade that runs, after its batch."""
    reply = session.client.send("POST", session.client.path_of(scale_set, "rollingUpgrades", "cancel"))
    title = f"cancelling the rolling upgrade of {scale_set.name}"
    if _finish(session, scale_set, reply, title, no_wait=no_wait):
        session.show(_latest(session, scale_set), UPGRADES)


@command(rolling_upgrade_app, "get-latest", on=OnSet.OPTIONAL)
def get_latest(
    session: Session,
    scale_set: SetRef,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Tell of each batch until the upgrade ends; 1 if it faulted.")
    ] = False,
) -> None:
    """Show how the latest rolling upgrade goes, or went."""
    latest = _follow(session, scale_set) if watch else _latest(session, scale_set)
    session.show(latest, UPGRADES)
    failed = dig(latest, "properties.error.details", [])
    if failed and session.options.output is OutputFormat.TABLE and session.options.query is None:
        session.show(failed, FAILED_UPGRADES)
    if watch and dig(latest, "properties.runningStatus.code") == "Faulted":
        raise typer.Exit(EXIT_ERROR)


def get_os_upgrade_history(session: Session, scale_set: SetRef) -> None:
    """List the last upgrades to newer versions of the image."""
    path = session.client.path_of(scale_set, "osUpgradeHistory")
    session.show(list[Any](session.client.pages(path)), OS_UPGRADES)


def _latest(session: Session, scale_set: SetRef) -> Resource:
    return dict(session.client.get(session.client.path_of(scale_set, "rollingUpgrades", "latest")))


def _finish(session: Session, scale_set: SetRef, reply: Reply, title: str, *, no_wait: bool) -> bool:
    def look() -> str:
        try:
            return progress_words(_latest(session, scale_set))
        except NotFound:
            return ""

    return session.finish(reply, title, scale_set=scale_set, no_wait=no_wait, timeout_s=LONGEST_S, look=look)


def progress_words(latest: Resource) -> str:
    """``2 done, 1 in progress, 5 to go``."""
    counts = dig(latest, "properties.progress", {})
    parts = {
        "done": counts.get("successfulInstanceCount"),
        "failed": counts.get("failedInstanceCount"),
        "in progress": counts.get("inProgressInstanceCount"),
        "to go": counts.get("pendingInstanceCount"),
    }
    return ", ".join(f"{count} {word}" for word, count in parts.items() if count) or "nothing to do"


def _follow(session: Session, scale_set: SetRef) -> Resource:
    """Print what is decided about the upgrade, from its beginning on, until it has ended."""
    path = session.client.path_of(scale_set, "rollingUpgrades", "latest")
    teller = _Teller(
        session, scale_set, str(dig(_latest(session, scale_set), "properties.runningStatus.startTime"))
    )
    try:
        reply = poll_until(
            lambda: session.client.send("GET", path),
            lambda reply: dig(reply.body, "properties.runningStatus.code") not in _RUNNING,
            what=f"the rolling upgrade of {scale_set.name}",
            timeout_s=LONGEST_S,
            on_tick=lambda _waited_s: teller.tell(),
            clock=session.wiring.clock,
        )
    except KeyboardInterrupt:
        raise Interrupted(f"the rolling upgrade of {scale_set.name} goes on by itself") from None
    teller.tell()
    return dict(reply.body)


class _Teller:
    """Prints each decision about the upgrade once, on standard error: the result comes after it."""

    def __init__(self, session: Session, scale_set: SetRef, since: str) -> None:
        self._session = session
        self._resource = session.client.path_of(scale_set)
        self._since = since
        self._after = "0"

    def tell(self) -> None:
        while True:
            query = {"resourceId": self._resource, "after": self._after}
            page: Resource = self._session.client.get(f"{OWN}/events", **query)
            self._after = str(page["next"])
            if not page["value"]:
                return
            for event in page["value"]:
                if event["kind"] in _TOLD and event["time"] >= self._since:
                    self._session.note(f"{local_time(event['time'])}  {event['reason']}")
