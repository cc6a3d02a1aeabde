"""Several libvirt connections to one host, each call with a deadline.

libvirt serves five requests at a time on a connection (``max_client_requests``), so work is spread over a few
and one is kept for looking, events and the console. A blocking call cannot be taken back: when its deadline
passes, its connection is *retired* (new calls get a fresh one) and closed once nothing is in flight on it.
On a host that is really gone, keepalive ends the calls in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import libvirt

from orchestrator.errors import HostRefused, HostUnreachable
from orchestrator.hosts.libvirt.errors import translate
from orchestrator.hosts.libvirt.links import Call, OnOpen, Slot
from orchestrator.hosts.libvirt.threads import in_thread

T = TypeVar("T")

WORK_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a host may take to answer, in seconds.

    A change's limit leaves room for a stop that libvirt must force (15 s) and for starts on a busy host.
    Uploads get their size over ``upload_floor_bytes_per_s`` in addition.
    """

    open_s: float = 10.0
    query_s: float = 10.0
    change_s: float = 60.0
    upload_floor_bytes_per_s: float = 4 * 1024 * 1024


class Connections:
    """All connections to one host: ``watch`` and a few for work."""

    def __init__(
        self,
        host: str,
        uri: str,
        pool_name: str,
        open_s: float,
        on_watch_open: OnOpen,
        on_watch_close: Callable[[], None],
    ) -> None:
        self._host = host
        self._pool_name = pool_name
        address = without_questions(uri)
        self._watch = Slot(host, address, open_s, on_watch_open, on_watch_close)
        self._work = [Slot(host, address, open_s) for _ in range(WORK_CONNECTIONS)]

    async def open(self) -> None:
        """Have every connection open, all at once."""
        await asyncio.gather(*(slot.link() for slot in (self._watch, *self._work)))

    async def query(self, function: Callable[[Call], T], doing: str, deadline_s: float) -> T:
        """Run a short blocking function over the watch connection."""
        return await self._run(self._watch, function, doing, deadline_s)

    async def work(self, function: Callable[[Call], T], doing: str, deadline_s: float) -> T:
        """Run a blocking function over the least busy work connection.

        The watch connection is opened first: who changes a host wants to hear its events."""
        await self._watch.link()
        slot = min(self._work, key=lambda slot: slot.load)
        return await self._run(slot, function, doing, deadline_s)

    async def _run(self, slot: Slot, function: Callable[[Call], T], doing: str, deadline_s: float) -> T:
        link = await slot.link()
        call = Call(link, self._pool_name)
        link.in_flight += 1
        running = in_thread(lambda: self._guarded(function, call, doing))
        running.add_done_callback(lambda _: link.release())
        running.add_done_callback(_hear_out)
        try:
            done, _ = await asyncio.wait({running}, timeout=deadline_s)
        finally:
            call.abandon()
        if done:
            return running.result()
        if not link.is_retired:
            slot.retire()
        raise HostUnreachable(f"Host {self._host} did not {doing} within {deadline_s:g} s", target=self._host)

    def _guarded(self, function: Callable[[Call], T], call: Call, doing: str) -> T:
        # Translated here, in the thread: libvirt's objects in a traceback must not outlive the call.
        try:
            return function(call)
        except libvirt.libvirtError as error:
            raise translate(error, self._host, doing) from None
        except ValueError as error:
            message = f"Host {self._host} answered with something unreadable when asked to {doing}: {error}"
            raise HostRefused(message, target=self._host) from None

    async def close(self) -> None:
        """Give all connections up; calls in flight end by themselves."""
        for slot in (self._watch, *self._work):
            slot.retire()


def _hear_out(ended: asyncio.Future[T]) -> None:
    # After a deadline nobody waits for the outcome; asyncio would complain about an error never looked at.
    if not ended.cancelled():
        ended.exception()


def without_questions(uri: str) -> str:
    """The URI with ``no_tty=1`` where ssh is the transport: a daemon has no one to ask for a password."""
    parts = urlsplit(uri)
    if not parts.scheme.endswith(("+ssh", "+libssh", "+libssh2")):
        return uri
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    options.setdefault("no_tty", "1")
    return urlunsplit(parts._replace(query=urlencode(options)))
