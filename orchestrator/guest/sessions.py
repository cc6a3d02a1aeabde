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
import base64
import binascii
import contextlib
import functools
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import paramiko
from paramiko.ssh_exception import ChannelException, IncompatiblePeer

from orchestrator.errors import GuestError, GuestUnreachable, HostKeyMismatch
from orchestrator.guest.channel import ChannelStream
from orchestrator.guest.port import GuestAddress

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0
LOGIN_TIMEOUT_S = 30.0
OPEN_TIMEOUT_S = 30.0
_HANDSHAKE_THREADS = 16
_CALL_THREADS = 256  # made on demand; more than a few are busy only while guests hang
_LOG_CHANNEL = "vmss.paramiko"
_KEX = ("curve25519-sha256@libssh.org",)
_CIPHERS = ("aes128-ctr", "aes256-ctr")
_DIGESTS = ("hmac-sha2-256",)
_KEY_TYPES = ("ssh-ed25519",)
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)

# paramiko tells its logger of every lost connection; we tell our callers, once, as an error.
logging.getLogger(_LOG_CHANNEL).setLevel(logging.CRITICAL + 1)


class PortRefused(GuestError):
    """The guest's SSH server could not connect to the port asked for: nothing listens there."""

    code = "PortRefused"


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
        """A stream to a TCP port of the guest's own localhost. Raises ``PortRefused``, ``GuestUnreachable``."""
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
            return await run_blocking(self._calls, open_it, lambda channel: channel.close())
        except asyncio.CancelledError:
            # The caller's deadline passed and the SSH server has not answered: it will not answer later.
            self.close()
            raise
        except ChannelException as error:
            raise PortRefused(f"{self.guest.key}: its SSH server refused the channel: {error.text}") from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise GuestUnreachable(f"{self.guest.key}: no channel over SSH: {_words(error)}") from None

    def close(self) -> None:
        """Drop it at once. Shutting down first wakes paramiko's thread, which sleeps in ``recv``."""
        _shut(self._transport, self._sock)


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
        sock = await connect(guest.address, self._port, CONNECT_TIMEOUT_S)
        try:
            for level, option, value in _KEEPALIVE:
                sock.setsockopt(level, option, value)
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await _wait_readable(sock)
            log_in = functools.partial(_log_in, sock, guest, self._login_key)
            transport = await run_blocking(self._handshakes, log_in, lambda made: _shut(made, sock))
        except TimeoutError:
            sock.close()
            raise GuestUnreachable(f"{guest.key}: connected, but its SSH server says nothing") from None
        except BaseException:
            sock.close()
            raise
        return Session(guest, transport, sock, self._calls)


async def connect(address: str, port: int, timeout_s: float) -> socket.socket:
    """A TCP connection to an IP address (never a name: nothing is looked up). Raises ``GuestUnreachable``."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except OSError as error:  # TimeoutError is one
        sock.close()
        raise GuestUnreachable(f"no connection to {address} port {port}: {_words(error)}") from None
    except BaseException:
        sock.close()
        raise
    return sock


async def run_blocking(threads: Executor, act: Callable[[], T], dispose: Callable[[T], object]) -> T:
    """Run a blocking call in a thread. If nobody waits any more when it ends, ``dispose`` of its result."""
    try:
        future = threads.submit(act)
    except RuntimeError:  # shut down
        raise GuestUnreachable("the connections to the guests are closed") from None
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        future.add_done_callback(functools.partial(_dispose, dispose))
        raise


def _dispose(dispose: Callable[[T], object], future: Future[T]) -> None:
    if not future.cancelled() and future.exception() is None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            dispose(future.result())


async def _wait_readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    loop.add_reader(sock, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(sock)


def _log_in(sock: socket.socket, guest: GuestAddress, key: paramiko.PKey) -> paramiko.Transport:
    """Key exchange, host key check, login. Blocks."""
    pinned = _key_blob(guest)
    transport = paramiko.Transport(sock)
    transport.set_log_channel(_LOG_CHANNEL)
    options = transport.get_security_options()
    options.kex, options.ciphers, options.digests, options.key_types = _KEX, _CIPHERS, _DIGESTS, _KEY_TYPES
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = LOGIN_TIMEOUT_S
    try:
        transport.start_client(timeout=LOGIN_TIMEOUT_S)
        if transport.get_remote_server_key().asbytes() != pinned:
            raise HostKeyMismatch(
                f"{guest.key}: the SSH server at {guest.address} shows a host key that is not its own"
            )
        transport.auth_publickey(guest.login_user, key)
    except BaseException as error:
        _shut(transport, sock)
        raise _login_error(guest, error) from None
    sock.settimeout(None)  # see [What is cheap for an emulated guest]
    return transport


def _login_error(guest: GuestAddress, error: BaseException) -> BaseException:
    match error:
        case IncompatiblePeer():
            return HostKeyMismatch(f"{guest.key}: the SSH server at {guest.address} has no ed25519 key: {error}")
        case paramiko.AuthenticationException():
            # Worth another try: while a guest boots, its server may be up before the user's keys are.
            return GuestUnreachable(f"{guest.key}: does not accept the daemon's key for {guest.login_user}")
        case paramiko.SSHException() | OSError() | EOFError():
            return GuestUnreachable(f"{guest.key}: no SSH login: {_words(error)}")
    return error


def _key_blob(guest: GuestAddress) -> bytes:
    try:
        return base64.b64decode(guest.host_key_public.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise HostKeyMismatch(f"{guest.key}: its pinned host key is not one in OpenSSH's format") from None


def _shut(transport: paramiko.Transport, sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    transport.close()


def _words(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
