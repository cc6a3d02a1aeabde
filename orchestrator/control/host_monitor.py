"""What each host is known to run: whole looks, mended by events and by our own actions in between.

Note [Newer facts win]: a look takes time. What an event or an action told meanwhile is newer than what the
look brings back, so facts carry a sequence number and an older look never overwrites a newer fact.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from orchestrator.errors import HostUnreachable, VmssError
from orchestrator.hosts.port import Host
from orchestrator.model.guest import (
    GuestSpec,
    HostCapacity,
    HostEvent,
    HostEventKind,
    HostView,
    Owner,
    Power,
    SeenGuest,
)

log = structlog.get_logger()

LOOK_EVERY_S = 10.0  # the slow full look
RETRY_EVERY_S = 2.0  # while it does not answer

_POWER_BY_EVENT = {
    HostEventKind.GUEST_STARTED: Power.RUNNING,
    HostEventKind.GUEST_STOPPED: Power.SHUT_OFF,
    HostEventKind.GUEST_SAVED: Power.SAVED,
    HostEventKind.GUEST_CRASHED: Power.CRASHED,
    HostEventKind.GUEST_REMOVED: None,
}


@dataclass(frozen=True, slots=True)
class Change:
    """Something about a host moved. ``owner`` is set when it is one guest of ours."""

    host: str
    what: str
    owner: Owner | None = None
    power: Power | None = None


@dataclass(slots=True)
class _Fact:
    guest: SeenGuest | None
    sequence: int


class HostMonitor:
    """Keeps one host's view. ``on_change`` is called on the event loop, soon after the fact."""

    def __init__(
        self,
        host: Host,
        now: Callable[[], float],
        on_change: Callable[[Change], None],
        after_look: Callable[[HostMonitor], Awaitable[None]],
    ) -> None:
        self.host = host
        self._after_look = after_look
        self._now = now
        self._on_change = on_change
        self._facts: dict[str, _Fact] = {}
        self._view: HostView | None = None
        self.counted: frozenset[str] = frozenset()  # guests whose memory the last reported capacity includes
        self._sequence = 0
        self._wake = asyncio.Event()
        self.was_seen = asyncio.Event()
        self.silent_since: float | None = now()
        self.last_seen_at: float | None = None
        host.listen(self._heard)

    @property
    def name(self) -> str:
        return self.host.config.name

    @property
    def is_up(self) -> bool:
        return self.silent_since is None

    @property
    def capacity(self) -> HostCapacity | None:
        return self._view.capacity if self._view else None

    def view(self) -> HostView | None:
        """The newest knowledge; ``None`` before the first look."""
        if self._view is None:
            return None
        guests = tuple(fact.guest for fact in self._facts.values() if fact.guest)
        return HostView(guests, self._view.volumes, self._view.capacity)

    def power_of(self, owner: Owner) -> Power | None:
        """The power of this owner's guest; ``None`` when it is not there or is another generation's."""
        fact = self._facts.get(owner.vm_uuid)
        if fact is None or fact.guest is None or fact.guest.owner != owner:
            return None
        return fact.guest.power

    def power_of_any(self, owner: Owner) -> Power | None:
        """The power of this instance's guest, whichever generation it is of."""
        fact = self._facts.get(owner.vm_uuid)
        return fact.guest.power if fact and fact.guest and fact.guest.owner else None

    def look_now(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Look for ever. A host that does not answer is asked again and again, and blocks nobody else."""
        while True:
            self._wake.clear()
            try:
                await self.look()
            except Exception:
                log.exception("look broke; the next one may not", host=self.name)
            pause = LOOK_EVERY_S if self.is_up else RETRY_EVERY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def look(self) -> bool:
        """One full look. Returns whether the host answered."""
        began = self._sequence
        try:
            await self.host.open()
            self._take(await self.host.look(), began)
            await self._after_look(self)
        except HostUnreachable as error:
            self._be_silent(error.message)
        except VmssError as error:
            log.warning("host refused", host=self.name, why=error.message)
            if self._view is None:
                self._be_silent(error.message)
        return self.is_up

    def _take(self, view: HostView, began: int) -> None:
        was_silent = self.silent_since is not None
        self._view = view
        self.counted = frozenset(guest.uuid for guest in view.guests if guest.power is Power.RUNNING)
        self.silent_since = None
        self.last_seen_at = self._now()
        self.was_seen.set()
        seen = {guest.uuid: guest for guest in view.guests}
        for uuid in set(self._facts) | set(seen):
            fact = self._facts.get(uuid)
            if fact is None or fact.sequence <= began:
                self._learn(uuid, seen.get(uuid), began, "seen")
        if was_silent:
            self._on_change(Change(self.name, "answers"))

    def _be_silent(self, why: str) -> None:
        if self.silent_since is None:
            self.silent_since = self._now()
            log.warning("host does not answer", host=self.name, why=why)
            self._on_change(Change(self.name, f"does not answer: {why}"))

    def _learn(self, uuid: str, guest: SeenGuest | None, sequence: int, what: str) -> None:
        old = self._facts.get(uuid)
        before = old.guest if old else None
        if guest is None and what == "seen":
            self._facts.pop(uuid, None)
        else:  # an absence that was told is kept, or an older look would bring the guest back
            self._facts[uuid] = _Fact(guest, sequence)
        if before != guest:
            either = guest or before
            owner = either.owner if either else None
            self._on_change(Change(self.name, what, owner, guest.power if guest else None))

    def _heard(self, event: HostEvent) -> None:
        if event.kind is HostEventKind.CONNECTION_LOST:
            self._be_silent(event.detail or "the connection was lost")
            self.look_now()
        elif event.kind is HostEventKind.CONNECTION_BACK:
            self.look_now()
        elif event.uuid is not None:
            self._heard_of_guest(event, event.uuid)

    def _heard_of_guest(self, event: HostEvent, uuid: str) -> None:
        fact = self._facts.get(uuid)
        power = _POWER_BY_EVENT[event.kind]
        if fact is None or fact.guest is None:
            self.look_now()  # not known yet: who is it?
            return
        self._sequence += 1
        known = fact.guest
        guest = SeenGuest(known.name, known.uuid, known.owner, power) if power else None
        self._learn(uuid, guest, self._sequence, event.detail or event.kind.value)

    def made(self, spec: GuestSpec) -> None:
        """Our own action made this guest run."""
        self._sequence += 1
        guest = SeenGuest(spec.name, spec.owner.vm_uuid, spec.owner, Power.RUNNING)
        self._learn(guest.uuid, guest, self._sequence, "made")

    def changed(self, owner: Owner, power: Power | None) -> None:
        """Our own action changed this guest's power, or took it away (``None``)."""
        self._sequence += 1
        fact = self._facts.get(owner.vm_uuid)
        known = fact.guest if fact else None
        guest = SeenGuest(known.name, known.uuid, known.owner, power) if known and power else None
        self._learn(owner.vm_uuid, guest, self._sequence, "changed")
