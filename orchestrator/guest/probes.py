"""Health probes: the same question asked inside a guest, over SSH, or from outside, over the network.

Every outcome is a result. A guest that cannot be reached, says nothing in time or refuses gets the state that
its settings give to silence (``ProbeSettings.state_without_answer``), with the reason in ``detail``.
TLS certificates are not verified: applications ask for their health on localhost, where no name fits.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import h11

from orchestrator.errors import GuestUnreachable
from orchestrator.guest.channel import READ_BYTES, ByteStream, TlsStream
from orchestrator.guest.http_question import ask, judge_answer
from orchestrator.guest.login import connect, words_of
from orchestrator.guest.port import GuestAddress
from orchestrator.guest.sessions import ChannelRefused, Session, Sessions
from orchestrator.model.health import Health, ProbeResult, ProbeSettings

Opener = Callable[[], AbstractAsyncContextManager[ByteStream]]


def _unverified_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_TLS = _unverified_tls()


class SocketStream:
    """A connected, non-blocking socket as a stream."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        return await self._loop.sock_recv(self._sock, READ_BYTES)

    async def write(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._sock, data)


async def probe_inside(sessions: Sessions, guest: GuestAddress, settings: ProbeSettings) -> ProbeResult:
    """Through an SSH channel to the guest's own localhost. Raises ``HostKeyMismatch``."""

    async def act(session: Session) -> ProbeResult:
        try:
            return await _question(lambda: _inside(session, settings.port), settings, "localhost")
        except (h11.RemoteProtocolError, OSError):
            if session.is_alive:
                raise
            raise GuestUnreachable(f"{guest.key}: the SSH connection broke during the probe") from None

    return await _in_time(settings, functools.partial(sessions.use, guest, act))


async def probe_outside(guest: GuestAddress, settings: ProbeSettings) -> ProbeResult:
    """Over the network to the guest's address."""

    async def act() -> ProbeResult:
        return await _question(lambda: _outside(guest.address, settings), settings, guest.address)

    return await _in_time(settings, act)


async def _in_time(settings: ProbeSettings, act: Callable[[], Awaitable[ProbeResult]]) -> ProbeResult:
    try:
        async with asyncio.timeout(settings.timeout_s):
            return await act()
    except TimeoutError:
        why = f"no answer within {settings.timeout_s:g} s"
    except (GuestUnreachable, ChannelRefused) as error:
        why = error.message
    except ssl.SSLError as error:
        why = f"no TLS: {error.reason or error}"
    except OSError as error:
        why = f"the connection broke: {words_of(error)}"
    except h11.RemoteProtocolError as error:
        why = f"not an HTTP answer: {error}"
    return ProbeResult(settings.state_without_answer, why)


async def _question(open_stream: Opener, settings: ProbeSettings, host: str) -> ProbeResult:
    async with open_stream() as stream:
        if settings.protocol == "tcp":
            return ProbeResult(Health.HEALTHY, f"port {settings.port} opens")
        if settings.protocol == "https":
            tls = TlsStream(stream, _TLS, server_name=None)
            await tls.shake_hands()
            return judge_answer(settings, await ask(tls, settings, host))
        return judge_answer(settings, await ask(stream, settings, host))


@asynccontextmanager
async def _inside(session: Session, port: int) -> AsyncIterator[ByteStream]:
    stream = await session.open_port(port)
    try:
        yield stream
    finally:
        stream.close()


@asynccontextmanager
async def _outside(address: str, settings: ProbeSettings) -> AsyncIterator[ByteStream]:
    sock = await connect(address, settings.port, settings.timeout_s)
    try:
        yield SocketStream(sock)
    finally:
        sock.close()
