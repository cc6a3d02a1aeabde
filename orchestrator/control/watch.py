"""Looking again whenever something moved, and after a while where a look failed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from orchestrator.errors import VmssError

log = structlog.get_logger()

RETRY_MIN_S, RETRY_MAX_S = 1.0, 30.0
COALESCE_S = 0.05  # commits come in bursts


class Watch:
    """``run`` is its task; ``wake`` says "look again". ``subject`` is what is told of in the log."""

    def __init__(self, look: Callable[[], Awaitable[None]], subject: str) -> None:
        self._look = look
        self._subject = subject
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. What fails is tried again; so nothing that was meant is forgotten."""
        failures = 0
        while True:
            pause = min(RETRY_MAX_S, RETRY_MIN_S * 2 ** (failures - 1)) if failures else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            await asyncio.sleep(COALESCE_S)
            self._wake.clear()
            try:
                await self._look()
                failures = 0
            except VmssError as error:
                failures += 1
                log.error(f"{self._subject}: not as wanted", code=error.code, why=error.message)
            except Exception:
                failures += 1
                log.exception(f"{self._subject}: a look broke; it is tried again")
