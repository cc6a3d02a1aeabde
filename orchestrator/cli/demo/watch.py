"""What the demo looks at, over the API as any client may: instances, and events as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.cli.client import OWN, Client, Resource, SetRef
from orchestrator.cli.faults import WaitTimedOut
from orchestrator.cli.output import dig
from orchestrator.cli.progress import health_of
from orchestrator.errors import NotFound

_POLL_S = 20  # seconds the daemon may hold an answer back until there is an event
_PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the event log. ``at`` is in seconds since the epoch, by the daemon's clock."""

    seq: int
    at: float
    set_name: str | None
    instance_id: str | None
    host: str | None
    kind: str
    phase: str
    reason: str

    @staticmethod
    def of(item: Resource) -> Event:
        at = datetime.fromisoformat(str(item["time"]).replace("Z", "+00:00")).timestamp()
        return Event(
            int(item["seq"]),
            at,
            item.get("set"),
            item.get("instanceId"),
            item.get("host"),
            str(item.get("kind")),
            str(item.get("phase")),
            str(item.get("reason") or ""),
        )

    def is_end_of(self, kind: str, instance_id: str | None = None) -> bool:
        """Whether it says that a step of this kind (of this instance) is done."""
        return self.kind == kind and self.phase == "after" and instance_id in (None, self.instance_id)


@dataclass(slots=True)
class EventLog:
    """The events of all sets and hosts from ``mark()`` on, kept as they are read."""

    client: Client
    now: Callable[[], float] = time.monotonic
    _next: int = 0
    _known: list[Event] = field(default_factory=list)

    def mark(self) -> int:
        """Forget what was; returns the number of the last event, for ``vmss events --after``."""
        self._read(0)
        while self._known:
            self._known.clear()
            self._read(0)
        return self._next

    def known(self) -> list[Event]:
        """All events since the mark, up to now."""
        while self._read(0):
            pass
        return list(self._known)

    def wait(self, is_it: Callable[[Event], bool], what: str, timeout_s: float) -> Event:
        """The first event since the mark that is it. Raises ``WaitTimedOut``."""
        deadline = self.now() + timeout_s
        checked = 0
        while True:
            for event in self._known[checked:]:
                if is_it(event):
                    return event
            checked = len(self._known)
            left_s = deadline - self.now()
            if left_s <= 0:
                raise WaitTimedOut(f"{what}: not within {timeout_s:.0f} s")
            self._read(max(1, min(_POLL_S, int(left_s))))

    def _read(self, wait_s: int) -> bool:
        query = {"after": str(self._next), "waitSeconds": str(wait_s)}
        page = self.client.send("GET", f"{OWN}/events", query=query, timeout_s=wait_s + 15.0).body
        self._known += [Event.of(item) for item in page["value"]]
        is_more = bool(page["value"])
        self._next = int(page["next"])
        return is_more


@dataclass(frozen=True, slots=True)
class Guest:
    """One instance as the demo speaks of it."""

    instance_id: str
    name: str
    computer_name: str
    host: str
    address: str
    is_healthy: bool


def guests_of(client: Client, scale_set: SetRef) -> list[Guest]:
    """The set's instances, by id; none when there is no such set."""
    path = client.path_of(scale_set, "virtualMachines")
    try:
        found = list(client.pages(path, **{"$expand": "instanceView"}))
    except NotFound:
        return []
    return sorted((_guest(vm) for vm in found), key=lambda guest: int(guest.instance_id))


def _guest(vm: Resource) -> Guest:
    view: Any = dig(vm, "properties.instanceView", {})
    return Guest(
        str(vm["instanceId"]),
        str(vm["name"]),
        str(view.get("computerName") or ""),
        str(view.get("assignedHost") or ""),
        str(view.get("privateIPAddress") or ""),
        health_of(vm).lower() == "healthy",
    )


def wait_until(
    is_so: Callable[[], bool], what: str, timeout_s: float, now: Callable[[], float] = time.monotonic
) -> None:
    """Ask again until it is so. Raises ``WaitTimedOut``."""
    deadline = now() + timeout_s
    while not is_so():
        if now() > deadline:
            raise WaitTimedOut(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(_PAUSE_S)


def skew(hosts: Iterable[str], of_hosts: int) -> int:
    """By how many instances the fullest of so many hosts exceeds the emptiest."""
    counts: dict[str, int] = {}
    for host in hosts:
        counts[host] = counts.get(host, 0) + 1
    return max(counts.values(), default=0) - (min(counts.values()) if len(counts) == of_hosts else 0)
