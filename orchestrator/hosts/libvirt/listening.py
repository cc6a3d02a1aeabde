"""From libvirt's event thread to the listeners on asyncio's thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import libvirt

from orchestrator.hosts.libvirt.events import REDEFINING, lifecycle_meaning
from orchestrator.hosts.libvirt.facts import FactsCache
from orchestrator.hosts.libvirt.threads import post
from orchestrator.hosts.port import EventListener
from orchestrator.model.guest import HostEvent, HostEventKind


class Listening:
    """One host's events. The connection's own are told once per change: lost, back, lost…"""

    def __init__(self, host: str, facts: FactsCache) -> None:
        self._host = host
        self._facts = facts
        self._listeners: list[EventListener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_lost = False

    def add(self, listener: EventListener) -> None:
        self._listeners.append(listener)

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Listeners are called on this loop from now on."""
        self._loop = loop

    def end(self) -> None:
        """Say no more: the connections are closed on purpose."""
        self._loop = None
        self._is_lost = False

    def register(self, connection: libvirt.virConnect) -> Sequence[int]:
        """Ask a new connection for its lifecycle events. Runs in the opening thread."""
        lifecycle = libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE
        ids = (connection.domainEventRegisterAny(None, lifecycle, self._heard, None),)
        self._facts.forget_all()  # what was redefined while nobody listened
        self._on_loop(self._back)
        return ids

    def lost(self) -> None:
        """The watching connection is gone. Runs on the loop's thread."""
        if not self._is_lost and self._loop is not None:
            self._is_lost = True
            self._tell(HostEvent(self._host, HostEventKind.CONNECTION_LOST, None, "the connection was lost"))

    def _back(self) -> None:
        if self._is_lost:
            self._is_lost = False
            self._tell(HostEvent(self._host, HostEventKind.CONNECTION_BACK))

    def _heard(self, _connection: Any, domain: libvirt.virDomain, event: int, detail: int, _opaque: Any) -> None:
        # On libvirt's event thread: be brief, ask libvirt nothing.
        uuid = domain.UUIDString()
        if event in REDEFINING:
            self._facts.forget(uuid)
        meaning = lifecycle_meaning(event, detail)
        if meaning is not None:
            kind, why = meaning
            self._on_loop(lambda: self._tell(HostEvent(self._host, kind, uuid, why)))

    def _on_loop(self, function: Any) -> None:
        loop = self._loop
        if loop is not None:
            post(loop, function)

    def _tell(self, event: HostEvent) -> None:
        for listener in list(self._listeners):
            listener(event)
