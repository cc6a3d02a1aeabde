"""One libvirt connection, opened when needed, given up when it breaks, and what a call may do over it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import libvirt

from orchestrator.errors import HostUnreachable
from orchestrator.hosts.libvirt.errors import is_code, translate
from orchestrator.hosts.libvirt.events import ensure_event_loop
from orchestrator.hosts.libvirt.threads import in_thread, post

KEEPALIVE_INTERVAL_S = 3
KEEPALIVE_COUNT = 4  # a silent host's connection ends after about (count + 1) intervals: 15 s

# Registers what it wants to hear on a new connection, in the opening thread; gives the callbacks' ids.
OnOpen = Callable[[libvirt.virConnect], Sequence[int]]


class Abandoned(Exception):
    """Nobody waits for this call any more: stop before the next step."""


class Link:
    """One open connection, how many calls are in flight on it, and the pools looked up over it."""

    def __init__(self, connection: libvirt.virConnect, callback_ids: Sequence[int]) -> None:
        self.connection = connection
        self.in_flight = 0
        self.is_retired = False
        self._callback_ids = callback_ids
        self._pools: dict[str, libvirt.virStoragePool] = {}

    @property
    def is_usable(self) -> bool:
        """Not retired and its socket still open (a local check, no round trip)."""
        return not self.is_retired and self.connection.isAlive() == 1

    def pool(self, name: str) -> libvirt.virStoragePool:
        if name not in self._pools:
            self._pools[name] = self.connection.storagePoolLookupByName(name)
        return self._pools[name]

    def retire(self) -> None:
        self.is_retired = True
        self._close_when_idle()

    def release(self) -> None:
        """A call has really ended, in time or long after its deadline."""
        self.in_flight -= 1
        self._close_when_idle()

    def _close_when_idle(self) -> None:
        # libvirt's objects do not hold their connection for the length of a call: closing it under a running
        # call would free memory in use. And closing may itself wait for a frozen host: hence the thread.
        if self.is_retired and self.in_flight == 0:
            threading.Thread(target=self._close, name="libvirt-close", daemon=True).start()

    def _close(self) -> None:
        connection = self.connection
        forget_events = [lambda id=id: connection.domainEventDeregisterAny(id) for id in self._callback_ids]
        for farewell in (*forget_events, connection.unregisterCloseCallback, connection.close):
            try:
                farewell()
            except libvirt.libvirtError:
                continue  # it was broken already


class Call:
    """What a blocking function may use: the connection, as long as someone waits for its answer.

    A function takes ``connection`` and ``pool`` afresh before each step, so a call given up at its deadline
    cannot go on changing a host that comes back a minute later.
    """

    def __init__(self, link: Link, pool_name: str) -> None:
        self._link = link
        self._pool_name = pool_name
        self._is_abandoned = threading.Event()

    def abandon(self) -> None:
        self._is_abandoned.set()

    def check(self) -> None:
        if self._is_abandoned.is_set():
            raise Abandoned

    @property
    def connection(self) -> libvirt.virConnect:
        self.check()
        return self._link.connection

    @property
    def pool(self) -> libvirt.virStoragePool:
        self.check()
        return self._link.pool(self._pool_name)


class Slot:
    """A place for one connection."""

    def __init__(
        self,
        host: str,
        uri: str,
        open_s: float,
        on_open: OnOpen = lambda _: (),
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._uri = uri
        self._open_s = open_s
        self._on_open = on_open
        self._on_close = on_close
        self._link: Link | None = None
        self._opening: asyncio.Future[Link] | None = None
        self._opening_since_s = 0.0
        self._waiting = 0

    @property
    def load(self) -> int:
        """How many calls are in flight on the connection or wait for it to open."""
        return self._waiting + (self._link.in_flight if self._link else 0)

    async def link(self) -> Link:
        """The open connection; opens one if there is none.

        Callers share one attempt. When it hangs for longer than its deadline, later callers are told so at
        once instead of each waiting anew: on a dead host a queue of calls ends after one deadline, not many.
        """
        if self._link is not None and self._link.is_usable:
            return self._link
        self.retire()
        opening = self._opening or self._start_opening()
        left_s = self._opening_since_s + self._open_s - asyncio.get_running_loop().time()
        self._waiting += 1
        try:
            done, _ = await asyncio.wait({opening}, timeout=max(left_s, 0.0))
        finally:
            self._waiting -= 1
        if not done:
            message = f"Host {self._host} did not accept a connection within {self._open_s:g} s"
            raise HostUnreachable(message, target=self._host)
        return opening.result()

    def _start_opening(self) -> asyncio.Future[Link]:
        self._opening_since_s = asyncio.get_running_loop().time()
        self._opening = in_thread(self._open)
        self._opening.add_done_callback(self._opened)
        return self._opening

    def _open(self) -> Link:
        ensure_event_loop()
        try:
            connection = libvirt.open(self._uri)
            _keep_alive(connection)
            return Link(connection, self._on_open(connection))
        except libvirt.libvirtError as error:
            raise translate(error, self._host, "accept a connection") from None

    def _opened(self, opening: asyncio.Future[Link]) -> None:
        self._opening = None
        if opening.cancelled() or opening.exception() is not None:
            return
        link = self._link = opening.result()
        loop = asyncio.get_running_loop()

        def closed(_connection: Any, _reason: int, _opaque: Any) -> None:
            post(loop, lambda: self._lost(link))

        try:
            link.connection.registerCloseCallback(closed, None)
        except libvirt.libvirtError:
            self._lost(link)  # it ended between opening and here

    def _lost(self, link: Link) -> None:
        if self._link is link:
            self.retire()

    def retire(self) -> None:
        """Give the connection up; the next call opens another."""
        link, self._link = self._link, None
        if link is not None:
            link.retire()
            self._on_close()


def _keep_alive(connection: libvirt.virConnect) -> None:
    try:
        connection.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        # A driver inside this process (libvirt's test driver) has no peer that could fall silent.
        if not is_code(error, libvirt.VIR_ERR_NO_SUPPORT):
            raise
