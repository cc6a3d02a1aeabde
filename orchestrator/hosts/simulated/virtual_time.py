"""A loop whose clock jumps: hours of waiting pass at once, and the same seed gives the same order.

With ``shuffle`` what is ready at the same moment runs in a random but repeatable order, so a story can be
told in many orders and must end the same.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
LIMIT_S = 1_000_000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` is virtual: when nothing is ready, it jumps to the next timer."""

    def __init__(self, start: float = 0.0, shuffle: random.Random | None = None) -> None:
        super().__init__(selectors.SelectSelector())
        self._virtual_now = start
        self._start = start
        self._shuffle = shuffle

    def time(self) -> float:
        return self._virtual_now

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        if not ready and self._scheduled:  # type: ignore[attr-defined]
            next_timer = self._scheduled[0]._when  # type: ignore[attr-defined]
            self._virtual_now = max(self._virtual_now, next_timer)
            if self._virtual_now - self._start > LIMIT_S:
                raise RuntimeError("the story does not end")
        if self._shuffle and len(ready) > 1:
            order = list(ready)
            self._shuffle.shuffle(order)
            ready.clear()
            ready.extend(order)
        super()._run_once()  # type: ignore[misc]


def run_virtually(main: Coroutine[Any, Any, T], start: float = 0.0, shuffle: random.Random | None = None) -> T:
    """Run to the end on virtual time; leftover tasks are cancelled."""
    loop = VirtualLoop(start, shuffle)
    try:
        return loop.run_until_complete(main)
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()
