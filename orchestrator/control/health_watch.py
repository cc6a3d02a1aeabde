"""Asks every instance its health in its interval, keeps the tracks, and says so when one flips.

One task and one queue for all sets: a thousand instances cost one timer, not a thousand.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from orchestrator.errors import VmssError
from orchestrator.guest.port import GuestAddress, Guests
from orchestrator.model.arm.scale_set import HealthSource
from orchestrator.model.health import Health, ProbeResult, ProbeSettings
from orchestrator.plan.health import HealthTrack, judge

log = structlog.get_logger()

EAGER_EVERY_S = 0.5  # until the first healthy answer, whatever the interval: nobody wants to wait for news
EAGER_FOR_S = 300.0
PROBES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask and what. ``since`` is when this boot began: another boot is another track."""

    guest: GuestAddress
    settings: ProbeSettings
    source: HealthSource
    since: float


Key = tuple[str, int]


class HealthWatch:
    """``on_flip`` is called with the set's uid, the instance id and the new track."""

    def __init__(
        self, guests: Guests, now: Callable[[], float], on_flip: Callable[[str, int, HealthTrack], None]
    ) -> None:
        self._guests = guests
        self._now = now
        self._on_flip = on_flip
        self._targets: dict[Key, Target] = {}
        self._tracks: dict[Key, HealthTrack] = {}
        self._queue: list[tuple[float, int, Key, Target]] = []
        self._pushes = 0
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(PROBES_AT_ONCE)
        self._probes: set[asyncio.Task[None]] = set()

    def track(self, set_uid: str, instance_id: int) -> HealthTrack | None:
        """``None`` while nobody asks; its health is Unknown or Initializing before the first answer."""
        return self._tracks.get((set_uid, instance_id))

    def watch(self, set_uid: str, targets: dict[int, Target]) -> None:
        """From now on ask just these instances of the set."""
        for key in [key for key in self._targets if key[0] == set_uid and key[1] not in targets]:
            del self._targets[key], self._tracks[key]
        for instance_id, target in targets.items():
            key = (set_uid, instance_id)
            if self._targets.get(key) != target:
                self._targets[key] = target
                self._tracks[key] = HealthTrack.begin(target.settings, self._now())
                self._push(self._now(), key, target)

    def _push(self, due: float, key: Key, target: Target) -> None:
        self._pushes += 1
        heapq.heappush(self._queue, (due, self._pushes, key, target))
        if self._queue[0][1] == self._pushes:
            self._wake.set()

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            self._wake.clear()
            now = self._now()
            while self._queue and self._queue[0][0] <= now:
                _, _, key, target = heapq.heappop(self._queue)
                if self._targets.get(key) is target:
                    self._begin(key, target)
            pause = self._queue[0][0] - now if self._queue else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    def _begin(self, key: Key, target: Target) -> None:
        probe = asyncio.create_task(self._probe(key, target))
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)

    async def _probe(self, key: Key, target: Target) -> None:
        async with self._slots:
            try:
                result = await self._guests.probe(target.guest, target.settings, target.source)
            except VmssError as error:
                result = ProbeResult(target.settings.state_without_answer, error.message)
            except Exception as error:
                log.exception("probe broke", instance=key)
                result = ProbeResult(target.settings.state_without_answer, f"the probe broke: {error!r}")
        if self._targets.get(key) is not target:
            return  # it was rebooted, replaced or dropped while we asked
        before = self._tracks[key]
        after = judge(target.settings, before, result, self._now())
        self._tracks[key] = after
        self._push(self._next(key, target, after), key, target)
        if after.health is not before.health:
            self._on_flip(*key, after)

    def _next(self, key: Key, target: Target, track: HealthTrack) -> float:
        now = self._now()
        if track.health is not Health.HEALTHY and now - target.since < EAGER_FOR_S:
            return now + min(EAGER_EVERY_S, target.settings.interval_s)
        jitter = zlib.crc32(repr(key).encode()) % 1000 / 1000  # spreads the sweep, the same every time
        aligned = now + target.settings.interval_s
        return aligned + (jitter - 0.5) * 0.1 * target.settings.interval_s
