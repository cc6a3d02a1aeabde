"""The front of all scale sets: what the balancer is told, and who has to leave it before anything is done to them.

Level-triggered, as the sets' loops: any commit and any news of a host wakes it, and it tells the balancer the whole
of what is wanted (plan/traffic.py). The balancer runs on by itself while the daemon is down.

Note [Leave first]: whatever is decided about an instance is in its row before its guest is touched, so the next
look takes it out of rotation. What acts on the guest waits here for that look, and then until the connections it
had have ended, or for as long as its pool allows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from orchestrator.control.claims import Claims, Held
from orchestrator.control.front_view import FrontView
from orchestrator.control.specs import domain_name
from orchestrator.errors import StoreUnavailable, VmssError
from orchestrator.model.guest import Owner
from orchestrator.model.instance import Instance
from orchestrator.model.network.traffic import Traffic
from orchestrator.model.reports import FrontReport
from orchestrator.model.scale_set import Event, EventPhase
from orchestrator.network.port import Balancer
from orchestrator.plan.traffic import DRAIN_S, backends_of, without_twins
from orchestrator.store import Store

log = structlog.get_logger()

RETRY_MIN_S, RETRY_MAX_S = 1.0, 30.0
SLOW_LOOK_S = 30.0
COALESCE_S = 0.02  # commits come in bursts
DRAIN_LOOK_EVERY_S = 0.2
HARD_DRAIN_S = 2.0  # for what is dead or sick: its connections are not worth more


@dataclass(slots=True)
class _Told:
    """What the balancer was told last, and which pools' members that were."""

    traffic: Traffic
    problems: tuple[str, ...] = ()


class Front:
    """One for the installation. ``run`` is its task; ``wake`` says "look again"."""

    def __init__(
        self, store: Store, view: FrontView, claims: Claims, balancer: Balancer, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._claims = claims
        self._view = view
        self._balancer = balancer
        self._now = now
        self._wake = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._told = _Told(Traffic())
        self._telling = Traffic()
        self._has_told = False  # what an earlier daemon told is there, until something else is
        self._refusal = ""
        self._shutting: set[asyncio.Task[None]] = set()
        store.listen(self._written)

    def wake(self) -> None:
        self._wake.set()

    def _written(self, has_resources: bool) -> None:
        if has_resources:
            self._view.forget_resources()
        if has_resources or self._view.is_needed:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            pause = min(RETRY_MAX_S, RETRY_MIN_S * 2 ** (failures - 1)) if failures else SLOW_LOOK_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause if failures or self._told.traffic.listeners else None):
                    await self._wake.wait()
            await asyncio.sleep(COALESCE_S)
            self._wake.clear()
            failures = 0 if await self._look() else failures + 1

    async def _look(self) -> bool:
        """One look. Whether the balancer took it."""
        waiting, self._waiting = self._waiting, []
        try:
            await self.apply()
        except VmssError as error:
            log.error("the balancer does not take what it is told", code=error.code, why=error.message)
            self._tell_refusal(error.message)
            return False
        except Exception:
            log.exception("a look at the balancers broke; it is tried again")
            return False
        finally:
            for each in waiting:
                if not each.done():
                    each.set_result(None)
        self._refusal = ""
        return True

    def _tell_refusal(self, why: str) -> None:
        """Once for each reason: a port that somebody else has, most often."""
        if why == self._refusal:
            return
        self._refusal = why
        words = f"the balancer goes on as before, since it does not take what is wanted: {why}"
        with contextlib.suppress(StoreUnavailable), self._store.write() as tx:  # the log has it, too
            tx.add_events([Event(self._now(), "front", EventPhase.NOTE, words, outcome="failed")])

    async def apply(self) -> None:
        """Tell the balancer what is wanted now. Raises ``BalancerError``."""
        held = self._claims.settle() if self._view.is_needed else Held()
        traffic, problems = without_twins(self._view.traffic(held.ports))
        self._telling = traffic
        if traffic != self._told.traffic or traffic.listeners or not self._has_told:
            await self._balancer.apply(traffic)
            self._has_told = True
        if new := [each for each in problems if each not in self._told.problems]:
            with self._store.write() as tx:
                tx.add_events([Event(self._now(), "front", EventPhase.NOTE, each) for each in new])
        self._told = _Told(traffic, problems)

    async def close(self) -> None:
        """The balancer runs on."""
        for task in self._shutting:
            task.cancel()
        await self._balancer.close()

    # One instance

    async def leave(self, row: Instance, *, is_hard: bool = False) -> None:
        """See Note [Leave first]. Returns at once for one that is in no pool. Never raises for what the balancer
        does not do: after its time the instance is dealt with all the same."""
        if not self._is_told_of(row):
            return
        limit_s = HARD_DRAIN_S if is_hard else self._view.drain_s(row, DRAIN_S)
        try:
            async with asyncio.timeout(limit_s):
                await self._looked()
                await self._is_idle(row)
        except TimeoutError:
            words = f"its connections did not end within {limit_s:g} s; they are cut"
            self._note(row, words)
        except VmssError as error:
            log.warning("the balancer cannot tell who has connections", why=error.message)

    async def _looked(self) -> None:
        """Until a look has ended that began after this call."""
        looked = asyncio.get_running_loop().create_future()
        self._waiting.append(looked)
        self._wake.set()
        await looked

    def _is_told_of(self, row: Instance) -> bool:
        name = self._name(row)
        told = (*self._told.traffic.backends, *self._telling.backends)
        return any(member.name == name for each in told for member in each.members)

    async def _is_idle(self, row: Instance) -> None:
        """Until it has no connections."""
        name = self._name(row)
        while True:
            if not any(each.sessions for each in await self._balancer.look() if each.name == name):
                return
            await asyncio.sleep(DRAIN_LOOK_EVERY_S)

    def _name(self, row: Instance) -> str:
        record = self._store.scale_set(row.set_uid)
        return domain_name(record, row) if record else ""

    def died(self, owner: Owner) -> None:
        """Its guest stopped: it is out at once, without waiting for a probe."""
        row = self._store.instance(owner.set_uid, owner.instance_id)
        if row is None or owner != row.owner(self._store.installation) or not self._is_told_of(row):
            return
        task = asyncio.create_task(self._shut(self._name(row)), name="balancer: a member died")
        self._shutting.add(task)
        task.add_done_callback(self._shutting.discard)

    async def _shut(self, name: str) -> None:
        for backend in self._told.traffic.backends:
            if any(member.name == name for member in backend.members):
                try:
                    await self._balancer.shut(backend.name, name)
                except VmssError as error:
                    log.warning("a dead member is left to its probe", member=name, why=error.message)

    def is_port_taken(self, address: str, port: int) -> bool:
        """Whether another program than the balancer listens at a port of a public address, or of the machine's that
        stands for it."""
        own = {(each.address, each.port, each.side) for each in self._told.traffic.listeners}
        wanted = {(each, port, side) for each, side in self._view.sides_of(address)}
        return any(self._balancer.is_taken(*each) for each in wanted - own)

    async def reports(self) -> list[FrontReport]:
        """Every port, with its members as the balancer sees them. Raises ``BalancerError``."""
        listeners = self._told.traffic.listeners
        sights = await self._balancer.look() if listeners else ()
        return [
            FrontReport(each, tuple(sight for sight in sights if sight.backend in backends_of(each)))
            for each in listeners
        ]

    def _note(self, row: Instance, words: str) -> None:
        record = self._store.scale_set(row.set_uid)
        name = record.name if record else None
        event = Event(self._now(), "drain", EventPhase.NOTE, words, row.set_uid, name, row.instance_id, row.host)
        with self._store.write() as tx:
            tx.add_events([event])
