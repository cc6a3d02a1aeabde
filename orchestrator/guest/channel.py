"""An SSH channel as an asynchronous stream of bytes, and TLS over any such stream.

paramiko offers blocking calls only. Waiting is what takes long, so waiting is done on the event loop: the
channel's buffer wakes it. Sending and closing may block for a moment (a full window, a new key exchange), so
they go to a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Protocol, TypeVar

import paramiko

T = TypeVar("T")
READ_BYTES = 16_384
_CLOSING_S = 5.0


class ByteStream(Protocol):
    """Both ways, in order. ``read`` gives ``b""`` at the end; ``write`` may raise ``OSError``."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


class _Wake(threading.Event):
    """What paramiko sets, on its own thread, when a buffer has data or is closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        super().__init__()
        self._loop = loop
        self._event = event

    def set(self) -> None:
        super().set()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._event.set)


class ChannelStream:
    """One open channel. Use from the event loop that made it; ``close`` when done."""

    def __init__(self, channel: paramiko.Channel, threads: Executor) -> None:
        self._channel = channel
        self._threads = threads
        self._loop = asyncio.get_running_loop()
        self._has_news = asyncio.Event()
        channel.in_buffer.set_event(_Wake(self._loop, self._has_news))

    async def read(self) -> bytes:
        """The next bytes, or ``b""`` when the other side has ended or the connection is gone."""
        while True:
            self._has_news.clear()
            if self._channel.recv_ready():
                return self._channel.recv(READ_BYTES)
            if self._channel.eof_received or self._channel.closed:
                # what came just before the end may have arrived between the two questions
                return self._channel.recv(READ_BYTES) if self._channel.recv_ready() else b""
            await self._has_news.wait()

    async def write(self, data: bytes) -> None:
        await self._loop.run_in_executor(self._threads, self._channel.sendall, data)

    async def write_eof(self) -> None:
        await self._loop.run_in_executor(self._threads, self._channel.shutdown_write)

    async def wait_closed(self) -> None:
        """Until the other side closes it, after all was read. (dropbear, if we close first, takes the end of
        this channel's process for that of the next channel's, and closes that.)"""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                while not self._channel.closed:
                    self._has_news.clear()
                    if not self._channel.closed:
                        await self._has_news.wait()

    def error_output(self) -> bytes:
        """What has come on standard error so far."""
        return self._channel.recv_stderr(READ_BYTES) if self._channel.recv_stderr_ready() else b""

    def close(self) -> None:
        """Close it soon; never waits."""
        with contextlib.suppress(RuntimeError):  # the threads are gone, and the connection with them
            self._threads.submit(self._channel.close)


class TlsStream:
    """TLS over another stream, as the client."""

    def __init__(self, below: ByteStream, context: ssl.SSLContext, server_name: str | None) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def shake_hands(self) -> None:
        await self._do(self._tls.do_handshake)

    async def read(self) -> bytes:
        with contextlib.suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return await self._do(lambda: self._tls.read(READ_BYTES))
        return b""

    async def write(self, data: bytes) -> None:
        await self._do(lambda: self._tls.write(data))

    async def _do(self, act: Callable[[], T]) -> T:
        """Act, carrying bytes between TLS and the stream below for as long as TLS asks for more."""
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                await self._flush()
                if data := await self._below.read():
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
                continue
            await self._flush()
            return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._below.write(self._outgoing.read())
