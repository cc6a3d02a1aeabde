"""The loop of one scale set: observe, plan, act, for as long as the set exists.

Level-triggered: a wake-up only says "look again", and many coalesce into one look. What a pass decides is
committed before anything is touched; what it starts runs beside the loop, one action per instance.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import structlog

from orchestrator.control.act import Actor, still_makes_sense
from orchestrator.control.decide import Decider
from orchestrator.control.fleet import Fleet
from orchestrator.control.health_watch import HealthWatch, Target
from orchestrator.control.image_watch import ImageWatch
from orchestrator.control.wishes import Wishes
from orchestrator.errors import VmssError
from orchestrator.model.custom_metrics import CustomMetrics
from orchestrator.model.guest import Power
from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage
from orchestrator.model.scale_set import Event, EventPhase, OperationStatus, ScaleSet
from orchestrator.plan.addresses import within_addresses
from orchestrator.plan.health import HealthTrack
from orchestrator.plan.inputs import Rules, Seen, SetWish, Sight, World
from orchestrator.plan.operations import judge_operation
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import AddInstance, Plan, RunExtension, Step
from orchestrator.store import Store

log = structlog.get_logger()

SLOW_LOOK_S = 30.0
_SECONDS = re.compile(r"[0-9.]+ s\b")
RETRY_MIN_S = 1.0
RETRY_MAX_S = 60.0
FAILED_PASS_S = 5.0
UPGRADES_KNOWN = 20  # how many of the latest an operation may be waiting for
DECIDING_PASSES_MAX = 50  # a plan that still decides after so many passes would decide for ever


@dataclass(slots=True)
class _Running:
    step: Step
    row: Instance
    task: asyncio.Task[None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What every set's loop shares."""

    store: Store
    fleet: Fleet
    wishes: Wishes
    decider: Decider
    actor: Actor
    health: HealthWatch
    images: ImageWatch
    rules: Rules
    now: Callable[[], float]


class SetLoop:
    """One scale set's task."""

    def __init__(self, uid: str, parts: Parts) -> None:
        self.uid = uid
        self._parts = parts
        self._wake = asyncio.Event()
        self._running: dict[int, _Running] = {}
        self._retries: dict[int, tuple[int, float]] = {}
        self._notes: frozenset[str] = frozenset()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Until the set is deleted and nothing of it is left."""
        pause = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            try:
                plan = self.look()
            except VmssError as error:
                log.error("pass failed", set=self.uid, code=error.code, why=error.message)
                pause = FAILED_PASS_S
                continue
            except Exception:
                log.exception("pass broke; it is tried again", set=self.uid)
                pause = FAILED_PASS_S
                continue
            if plan is None:
                return
            pause = self._pause(plan)

    def _pause(self, plan: Plan) -> float:
        longest = self._parts.images.longest_pause_s(self.uid, SLOW_LOOK_S)
        if plan.look_again_at is None:
            return longest
        return min(longest, max(0.01, plan.look_again_at - self._parts.now()))

    def cancel(self) -> None:
        for running in self._running.values():
            running.task.cancel()

    # Observe

    def world(self, record: ScaleSet) -> tuple[SetWish, World]:
        """All that one pass looks at, as values."""
        rows = tuple(self._parts.store.instances(self.uid))
        upgrade = self._parts.store.latest_rolling_upgrade(self.uid)
        wish = self._parts.wishes.placed(record, self._parts.wishes.wish(record, list(rows), upgrade))
        seen = {row.instance_id: self._see_in(record, row) for row in rows}
        return wish, World(rows, seen, self._parts.fleet.facts(), self._parts.now(), self._parts.rules, upgrade)

    def see(self, row: Instance) -> Seen:
        """What is known of one instance now."""
        retry_at = self._retries.get(row.instance_id, (0, 0.0))[1]
        track = self._parts.health.track(self.uid, row.instance_id)
        seen = Seen(self._sight(row), is_busy=row.instance_id in self._running, retry_at=retry_at)
        return seen if track is None else _with_health(seen, track)

    def _see_in(self, record: ScaleSet, row: Instance) -> Seen:
        """Its health is not known while its source has not been asked; none at all means that it has no source."""
        seen = self.see(row)
        is_asked = row.stage is Stage.READY and not row.is_gone and seen.sight is Sight.RUNNING
        if seen.health is None and is_asked and self._parts.wishes.health(record, row):
            return replace(seen, health=Health.INITIALIZING, health_since=self._parts.now())
        return seen

    def _sight(self, row: Instance) -> Sight:
        monitor = self._parts.fleet.find(row.host)
        if monitor is None:
            return Sight.ABSENT if row.host is None else Sight.UNKNOWN
        if not monitor.is_up:
            return Sight.UNKNOWN
        power = monitor.power_of(self._parts.actor.owner(row))
        if power is None:
            return Sight.ABSENT
        return Sight.RUNNING if power in {Power.RUNNING, Power.PAUSED} else Sight.DEAD

    # One pass

    def look(self) -> Plan | None:
        """Observe, plan and begin to act. ``None`` when the set is gone for good."""
        self._parts.images.look(self.uid)
        for _ in range(DECIDING_PASSES_MAX):
            record = self._parts.store.scale_set(self.uid)
            if record is None:
                return None
            self._break_off(record)
            wish, world = self.world(record)
            plan = self._planned(record, wish, world)
            if not plan.decides:
                self._begin(record, world, plan)
                self._note(record, plan)
                self._watch_health(record, world)
                self._judge(wish, world)
                return self._end_of(record, world, plan)
            self._parts.decider.commit(record, world, plan)
        raise VmssError(f"Set {self.uid} goes on deciding without end.", code="Livelock")

    def plan(self, record: ScaleSet) -> Plan:
        """What the next pass would do. Changes nothing."""
        return self._planned(record, *self.world(record))

    def _planned(self, record: ScaleSet, wish: SetWish, world: World) -> Plan:
        """Addresses are counted only where some are asked for."""
        plan = plan_set(wish, world)
        if not any(isinstance(step, AddInstance) for step in plan.decisions):
            return plan
        return within_addresses(plan, *self._parts.wishes.addresses_left(record))

    def _break_off(self, record: ScaleSet) -> None:
        """Stop waiting for guests that are gone or wanted no more."""
        rows = {row.instance_id: row for row in self._parts.store.instances(self.uid)}
        for instance_id, running in list(self._running.items()):
            monitor = self._parts.fleet.find(running.row.host)
            power = monitor.power_of(self._parts.actor.owner(running.row)) if monitor and monitor.is_up else None
            row = rows.get(instance_id)
            if not still_makes_sense(running.step, row, power) or self._is_to_end(running.step, row):
                running.task.cancel()
                del self._running[instance_id]

    def _is_to_end(self, step: Step, row: Instance | None) -> bool:
        """Whether this is an extension's run that was cancelled, or whose configuration nobody wants any more."""
        if not isinstance(step, RunExtension) or row is None:
            return False
        state = row.extensions.get(step.name)
        is_cancelled = state is not None and state.cancelled_by is not None and state.is_running
        return is_cancelled or not self._parts.wishes.wants_extension(row, step.name, step.sequence)

    def _begin(self, record: ScaleSet, world: World, plan: Plan) -> None:
        """Mark every action in the store, then start them all."""
        if not plan.actions:
            return
        rows = {row.instance_id: row for row in world.rows}
        with self._parts.store.write() as tx:
            tx.add_events(self._before(record, step, rows[step.instance_id]) for step in plan.actions)
        for step in plan.actions:
            row = rows[step.instance_id]
            task = asyncio.create_task(self._parts.actor.do(step, row), name=f"{step.kind} {record.name}")
            self._running[step.instance_id] = _Running(step, row, task)
            task.add_done_callback(partial(self._ended, step.instance_id))

    def _before(self, record: ScaleSet, step: Step, row: Instance) -> Event:
        now = self._parts.now()
        return Event(
            now, step.kind, EventPhase.BEFORE, step.reason, self.uid, record.name, step.instance_id, row.host
        )

    def _ended(self, instance_id: int, task: asyncio.Task[None]) -> None:
        running = self._running.get(instance_id)
        if running is None or running.task is not task:
            return  # broken off
        del self._running[instance_id]
        self.wake()
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._retries.pop(instance_id, None)
        else:
            self._retry_later(running, error)

    def _retry_later(self, running: _Running, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        tries = self._retries.get(running.row.instance_id, (0, 0.0))[0] + 1
        pause = min(RETRY_MAX_S, RETRY_MIN_S * 2 ** (tries - 1))
        self._retries[running.row.instance_id] = (tries, self._parts.now() + pause)
        message = error.message if isinstance(error, VmssError) else repr(error)
        if not isinstance(error, VmssError):
            log.exception("action broke", step=running.step.kind, set=self.uid, exc_info=error)
        row, kind = running.row, running.step.kind
        record = self._parts.store.scale_set(self.uid)
        text = f"{kind} failed and is tried again in {pause:g} s: {message}"
        event = Event(
            self._parts.now(),
            kind,
            EventPhase.AFTER,
            text,
            self.uid,
            record.name if record else None,
            row.instance_id,
            row.host,
            "failed",
        )
        with self._parts.store.write() as tx:
            tx.add_events([event])

    def _note(self, record: ScaleSet, plan: Plan) -> None:
        """Why something is not done is told once, when it begins to be so."""
        new = [note for note in plan.notes if _gist(note) not in self._notes]
        self._notes = frozenset(_gist(note) for note in plan.notes)
        if new:
            now = self._parts.now()
            events = [Event(now, "note", EventPhase.NOTE, note, self.uid, record.name) for note in new]
            with self._parts.store.write() as tx:
                tx.add_events(events)

    def _watch_health(self, record: ScaleSet, world: World) -> None:
        targets: dict[int, Target] = {}
        for row in world.rows:
            if row.is_gone or row.stage is not Stage.READY or world.of(row).sight is not Sight.RUNNING:
                continue
            health = self._parts.wishes.health(record, row)
            if health:
                settings, source = health
                since = row.booted_at or row.created_at
                targets[row.instance_id] = Target(self._parts.actor.address(row), settings, source, since)
        self._parts.health.watch(self.uid, targets)

    def _judge(self, wish: SetWish | None, world: World) -> None:
        """End the operations that have reached what they were asked for."""
        ended = []
        operations = self._parts.store.operations(self.uid, in_progress=True)
        upgrades = self._parts.store.rolling_upgrades(self.uid, UPGRADES_KNOWN) if operations else []
        for operation in operations:
            verdict = judge_operation(operation, wish, world, upgrades)
            if verdict.status is not OperationStatus.IN_PROGRESS:
                ended.append(
                    operation.but(status=verdict.status, failure=verdict.failure, ended_at=self._parts.now())
                )
        if ended:
            with self._parts.store.write() as tx:
                for operation in ended:
                    tx.put_operation(operation)

    def _end_of(self, record: ScaleSet, world: World, plan: Plan) -> Plan | None:
        """Drop a deleted set when its last row is gone."""
        if not record.is_deleting or world.rows or self._running:
            return plan
        reason = "nothing of it is left"
        event = Event(self._parts.now(), "delete_set", EventPhase.AFTER, reason, self.uid, record.name)
        with self._parts.store.write() as tx:
            tx.drop_scale_set(self.uid)
            tx.add_events([event])
        self._judge(None, world)
        return None


def _with_health(seen: Seen, track: HealthTrack) -> Seen:
    metrics = track.metrics or CustomMetrics()
    return replace(
        seen,
        health=Health.INITIALIZING if track.last_probe_at is None else track.health,
        health_since=track.changed_at,
        health_detail=track.detail,
        phase=metrics.phase,
        is_upgrade_skipped=metrics.is_upgrade_skipped,
        metrics=track.metrics,
    )


def _gist(note: str) -> str:
    """A note without its numbers of seconds, so that a countdown is one note."""
    return _SECONDS.sub("", note)
