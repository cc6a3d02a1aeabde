"""One SSH connection per guest: made when first needed, kept, and dropped when it fails.

Note [What is cheap for an emulated guest]
    A key exchange costs a guest under emulation a good part of a second, so each has one connection for
    scripts and probes alike, with the cheapest algorithms that both dropbear and OpenSSH have: curve25519,
    ed25519, AES-128 in counter mode. Nothing polls: the connection's thread sleeps in ``recv`` (paramiko's own
    way wakes ten times a second), and the kernel notices a dead peer (TCP keepalive and user timeout).

Note [Threads]
    paramiko has one thread per connection. Blocking calls run in two pools of our own, so that many slow
    handshakes cannot hold up probes. Connecting and waiting for the SSH banner need no thread: a guest that is
    off or frozen costs none.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import paramiko
from paramiko.ssh_exception import ChannelException

from orchestrator.errors import GuestError, GuestUnreachable
from orchestrator.guest.channel import ChannelStream
from orchestrator.guest.login import connect_to_ssh, log_in, shut, wake, words_of
from orchestrator.guest.port import GuestAddress

T = TypeVar("T")

OPEN_TIMEOUT_S = 30.0
_HANDSHAKE_THREADS = 16
_CALL_THREADS = 256  # made on demand; more than a few are busy only while guests hang


class ChannelRefused(GuestError):
    """The guest's SSH server opened no channel. For one to a port: nothing listens there."""

    code = "ChannelRefused"


class Session:
    """A logged-in connection to one guest."""

    def __init__(
        self, guest: GuestAddress, transport: paramiko.Transport, sock: socket.socket, calls: Executor
    ) -> None:
        self.guest = guest
        self._transport = transport
        self._sock = sock
        self._calls = calls

    @property
    def is_alive(self) -> bool:
        return self._transport.is_active()

    async def open_port(self, port: int) -> ChannelStream:
        """A stream to a TCP port of the guest's own localhost. Raises ``ChannelRefused``, ``GuestUnreachable``."""
        open_it = functools.partial(
            self._transport.open_channel,
            "direct-tcpip",
            ("localhost", port),
            ("127.0.0.1", 0),
            timeout=OPEN_TIMEOUT_S,
        )
        return ChannelStream(await self._open(open_it), self._calls)

    async def open_command(self, command: str) -> ChannelStream:
        """A stream to a command run by the login user's shell."""

        def open_it() -> paramiko.Channel:
            channel = self._transport.open_session(timeout=OPEN_TIMEOUT_S)
            channel.settimeout(OPEN_TIMEOUT_S)
            channel.exec_command(command.encode())
            return channel

        return ChannelStream(await self._open(open_it), self._calls)

    async def _open(self, open_it: Callable[[], paramiko.Channel]) -> paramiko.Channel:
        try:
            return await run_blocking(self._calls, open_it, _close_channel)
        except asyncio.CancelledError:
            # The caller's deadline passed and the SSH server has not answered: it will not answer later.
            self.close()
            raise
        except ChannelException as error:
            raise ChannelRefused(f"{self.guest.key}: its SSH server refused the channel: {error.text}") from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise GuestUnreachable(f"{self.guest.key}: no channel over SSH: {words_of(error)}") from None

    def close(self) -> None:
        """Drop it at once."""
        shut(self._transport, self._sock)


def _close_channel(channel: paramiko.Channel | None) -> None:
    if channel:
        channel.close()


@dataclass(slots=True)
class _Slot:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    session: Session | None = None


class Sessions:
    """The cache of connections. ``login_key`` is the daemon's; ``port`` is the guests' SSH port."""

    def __init__(self, login_key: paramiko.PKey, port: int = 22) -> None:
        self._login_key = login_key
        self._port = port
        self._slots: dict[str, _Slot] = {}
        self._handshakes = ThreadPoolExecutor(_HANDSHAKE_THREADS, "guest-handshake")
        self._calls = ThreadPoolExecutor(_CALL_THREADS, "guest-call")

    async def use(self, guest: GuestAddress, act: Callable[[Session], Awaitable[T]]) -> T:
        """Do something with the guest's connection, on a new one if a kept one turns out to be dead.

        So ``act`` may be begun twice."""
        session, is_reused = await self._get(guest)
        try:
            return await act(session)
        except GuestUnreachable:
            is_stale = is_reused and not session.is_alive
            self._drop(session)
            if not is_stale:
                raise
        session, _ = await self._get(guest)
        return await act(session)

    def forget(self, key: str) -> None:
        slot = self._slots.pop(key, None)
        if slot and slot.session:
            slot.session.close()
            slot.session = None

    def close(self) -> None:
        for key in list(self._slots):
            self.forget(key)
        self._handshakes.shutdown(wait=False, cancel_futures=True)
        self._calls.shutdown(wait=False, cancel_futures=True)

    async def _get(self, guest: GuestAddress) -> tuple[Session, bool]:
        """The kept connection (True), or a new one (False). Callers of one guest wait for one handshake."""
        slot = self._slots.setdefault(guest.key, _Slot())
        async with slot.lock:
            self._demand_current(guest.key, slot)
            if slot.session and slot.session.is_alive and slot.session.guest == guest:
                return slot.session, True
            if slot.session:
                self._drop(slot.session)
            session = await self._connect(guest)
            try:
                self._demand_current(guest.key, slot)
            except GuestUnreachable:
                session.close()
                raise
            slot.session = session
            return session, False

    def _demand_current(self, key: str, slot: _Slot) -> None:
        if self._slots.get(key) is not slot:
            raise GuestUnreachable(f"{key}: forgotten while a connection to it was waited for")

    def _drop(self, session: Session) -> None:
        slot = self._slots.get(session.guest.key)
        if slot and slot.session is session:
            slot.session = None
        session.close()

    async def _connect(self, guest: GuestAddress) -> Session:
        sock = await connect_to_ssh(guest, self._port)
        act = functools.partial(log_in, sock, guest, self._login_key)
        try:
            transport = await run_blocking(
                self._handshakes, act, lambda made: shut(made, sock) if made else sock.close()
            )
        except BaseException:
            wake(sock)  # it is closed where the login ends
            raise
        return Session(guest, transport, sock, self._calls)


async def run_blocking(threads: Executor, act: Callable[[], T], dispose: Callable[[T | None], object]) -> T:
    """Run a blocking call in a thread. If nobody waits for it when it ends, ``dispose`` of its result, or of
    ``None`` when it had none."""
    try:
        future = threads.submit(act)
    except RuntimeError:  # shut down
        dispose(None)
        raise GuestUnreachable("the connections to the guests are closed") from None
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        future.add_done_callback(functools.partial(_dispose, dispose))
        raise


def _dispose(dispose: Callable[[T | None], object], future: Future[T]) -> None:
    has_result = not future.cancelled() and future.exception() is None
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        dispose(future.result() if has_result else None)
