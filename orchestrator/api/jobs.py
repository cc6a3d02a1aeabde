"""What the Resource Manager itself does over time: deployments, and groups that are being deleted.

Level-triggered like the loops of the sets: a job looks at the store and at the operations it waits for, takes the
next step, and writes it down. So a daemon that was killed goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from orchestrator.api.context import Api

log = structlog.get_logger()

Worker = Callable[["Api"], Awaitable[bool]]
"""One look at everything of its sort; whether something is still under way afterwards."""

TICK_S = 0.2  # how soon the end of an operation is noticed
_AFTER_A_FAULT_S = 1.0


class Jobs:
    """All workers, one pass after another. ``wake`` after a write; while nothing is under way it sleeps."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self._workers = workers
        self._something_new = asyncio.Event()

    def wake(self) -> None:
        self._something_new.set()

    async def advance(self, api: Api) -> bool:
        """One pass. Whether something is still under way."""
        self._something_new.clear()
        return any([await worker(api) for worker in self._workers])

    async def run(self, api: Api) -> None:
        """Until it is cancelled. A fault of one pass is logged, and the next one tries again."""
        while True:
            try:
                pause = TICK_S if await self.advance(api) else None
            except Exception:
                log.exception("a job of the Resource Manager failed; it is tried again")
                pause = _AFTER_A_FAULT_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._something_new.wait(), pause)
