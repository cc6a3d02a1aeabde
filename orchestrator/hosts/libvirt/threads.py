"""Blocking calls beside the event loop, one thread each.

Not an executor: a call that hangs on a dead host keeps its own thread and no other's, and these threads are
daemon threads, so a hung call does not hold up the end of the process.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")
_numbers = itertools.count(1)


def in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run ``function`` in a thread of its own. Its end is reported even when nobody waits any more."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            settle = partial(future.set_result, function())
        except BaseException as error:
            settle = partial(future.set_exception, error)  # whatever it was belongs to the one who waits
        post(loop, lambda: None if future.done() else settle())

    threading.Thread(target=run, name=f"libvirt-call-{next(_numbers)}", daemon=True).start()
    return future


def post(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    """Run ``function`` on ``loop``'s thread soon; a loop that has ended needs to hear nothing."""
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        if not loop.is_closed():
            raise
