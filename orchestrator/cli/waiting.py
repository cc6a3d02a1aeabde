"""Waiting for what the daemon has begun: operations by their status URL, and conditions by asking again.

Note [quick at first]. Azure's services ask for seconds between polls and take minutes. The daemon is next
door, so the first polls come after fractions of a second; only what takes longer than that is asked at the
pace which ``Retry-After`` names.
Note [daemons restart]. An operation lives in the daemon's store, not in its process: a daemon that goes away
in the middle of a wait is given time to come back before the wait gives up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.cli.client import Client, Reply, error_from_envelope
from orchestrator.cli.faults import DaemonUnreachable, WaitTimedOut

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 1.0
_GROWTH = 1.3
_PATIENCE_WITH_DAEMON_S = 30.0
DEFAULT_TIMEOUT_S = 5400.0

Tick = Callable[[float], None]
"""Called between polls with the seconds waited so far."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as a wait sees it; tests hand in their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Pace:
    """The pauses between polls; see Note [quick at first]."""

    def __init__(self) -> None:
        self._pause_s = FIRST_PAUSE_S

    def next_s(self, retry_after_s: float | None = None) -> float:
        pause_s = self._pause_s
        self._pause_s = min(pause_s * _GROWTH, LONGEST_PAUSE_S)
        if pause_s >= LONGEST_PAUSE_S and retry_after_s is not None:
            return max(pause_s, retry_after_s)
        return pause_s


def wait_for_operation(
    client: Client,
    url: str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    on_tick: Tick = lambda _: None,
    clock: Clock | None = None,
) -> dict[str, Any]:
    """Poll until the operation ended, and return its status document.

    Raises its error when it failed, ``ApiError`` with code ``OperationCanceled`` when it was cancelled,
    ``WaitTimedOut`` after ``timeout_s``."""

    def ended(reply: Reply) -> bool:
        return str(reply.body.get("status", "")).lower() in ("succeeded", "failed", "canceled")

    status = poll_until(
        lambda: client.send("GET", url),
        ended,
        what="the operation",
        timeout_s=timeout_s,
        on_tick=on_tick,
        clock=clock,
    ).body
    if str(status["status"]).lower() == "succeeded":
        return dict(status)
    missing = {"code": f"Operation{status['status']}", "message": f"the operation ended as {status['status']}"}
    raise error_from_envelope(status.get("error") or missing)


def poll_until(
    ask: Callable[[], Reply],
    is_done: Callable[[Reply], bool],
    *,
    what: str,
    timeout_s: float,
    on_tick: Tick = lambda _: None,
    clock: Clock | None = None,
    longest_pause_s: float | None = None,
) -> Reply:
    """Ask until ``is_done``; see the notes above for pace and patience. ``longest_pause_s`` replaces the
    daemon's own wish. Raises ``WaitTimedOut``."""
    clock = clock or Clock()
    pace = Pace()
    started = last_answer = clock.now()
    while True:
        retry_after_s = longest_pause_s
        try:
            reply = ask()
        except DaemonUnreachable:
            if clock.now() - last_answer > _PATIENCE_WITH_DAEMON_S:
                raise
        else:
            last_answer = clock.now()
            if is_done(reply):
                return reply
            retry_after_s = longest_pause_s or reply.retry_after_s
        waited_s = clock.now() - started
        if waited_s >= timeout_s:
            raise WaitTimedOut(f"{what} did not end within {timeout_s:.0f} s; it goes on by itself")
        on_tick(waited_s)
        clock.sleep(min(pace.next_s(retry_after_s), max(timeout_s - waited_s, 0.01)))
