"""A server on loopback that says some bytes to whoever comes, for clients that must bear with anything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def talking(said: bytes, *, is_closing: bool) -> AsyncIterator[int]:
    """Its port. It hangs up when it has said all and heard something, or else waits until the client does."""
    handlers: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        handlers.add(task)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            writer.write(said)
            await reader.read(-1 if not is_closing else 4096)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for task in handlers:
        task.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)
