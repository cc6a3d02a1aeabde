"""The whole loop: a task per scale set, a monitor per host, one health watch. Made by the daemon, woken by
the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from orchestrator.control.act import Actor
from orchestrator.control.busy import BusyGuests
from orchestrator.control.commands import Commands
from orchestrator.control.decide import Decider
from orchestrator.control.edge import Edge
from orchestrator.control.filters import FilterWatch
from orchestrator.control.fleet import Fleet, HostMaker
from orchestrator.control.front import Front
from orchestrator.control.health_watch import HealthWatch
from orchestrator.control.host_monitor import Change
from orchestrator.control.image_watch import ImageWatch
from orchestrator.control.set_loop import Parts, SetLoop
from orchestrator.control.specs import AddressSpaces, SpecMaker
from orchestrator.control.wishes import Wishes
from orchestrator.errors import StoreUnavailable
from orchestrator.guest.port import Guests
from orchestrator.model.guest import Power
from orchestrator.model.host import HostConfig
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.model.scale_set import Event, EventPhase, ScaleSet
from orchestrator.model.sizes import SizeCatalogue
from orchestrator.plan.health import HealthTrack
from orchestrator.plan.inputs import Rules
from orchestrator.store import Store

log = structlog.get_logger()

FIRST_LOOK_S = 5.0  # at the start, sets wait this long for the hosts to answer


class Controller:
    """Runs everything that is stored. ``wake`` after a write; the rest follows by itself."""

    def __init__(
        self,
        store: Store,
        make_host: HostMaker,
        guests: Guests,
        maker: SpecMaker,
        sizes: SizeCatalogue,
        spaces: AddressSpaces,
        rules: Rules,
        now: Callable[[], float],
    ) -> None:
        self.store = store
        self.now = now
        self.guests = guests
        self.wishes = Wishes(store, sizes, spaces)
        self.fleet = Fleet(store, make_host, now, self._host_changed)
        self.health = HealthWatch(guests, now, self._health_flipped)
        self.front: Front | None = None  # given before the start, where there is one
        self.edge: Edge | None = None
        self.filters: FilterWatch | None = None
        self._busy = BusyGuests(store, guests, self.wishes, now)
        actor = Actor(store, self.fleet, guests, self.wishes, maker, now, self._leave)
        decider = Decider(store, self.wishes, spaces, maker, now)
        images = ImageWatch(store, self.wishes, maker, now)
        self.parts = Parts(store, self.fleet, self.wishes, decider, actor, self.health, images, rules, now)
        self.commands = Commands(store, self.fleet, guests, actor.address, now)
        self._maker = maker
        self.is_stopped = False
        self._loops: dict[str, SetLoop] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, hosts: list[tuple[HostConfig, bool]]) -> None:
        """Watch these hosts (configuration, is_draining) and go on with every set in the store."""
        for config, is_draining in hosts:
            self.fleet.add(config, is_draining=is_draining)
        await self.fleet.first_look(FIRST_LOOK_S)
        self._tasks["health"] = asyncio.create_task(self.health.run(), name="health watch")
        self._tasks["commands"] = asyncio.create_task(self.commands.run(), name="run commands")
        if self.front is not None:
            self._tasks["front"] = asyncio.create_task(self.front.run(), name="front")
            self.front.wake()
        if self.edge is not None:
            self._tasks["edge"] = asyncio.create_task(self.edge.watch.run(), name="public addresses and names")
            self.edge.watch.wake()
        if self.filters is not None:
            self._tasks["filters"] = asyncio.create_task(self.filters.watch.run(), name="security groups")
            self.filters.watch.wake()
        for record in self.store.scale_sets():
            self.wake(record.uid)

    async def _leave(self, row: Instance, is_hard: bool) -> None:
        """Out of rotation first: whoever is busy gets no more to do."""
        if self.front is not None:
            await self.front.leave(row, is_hard=is_hard)
        if not is_hard:
            await self._busy.until_free(row)

    async def stop(self) -> None:
        """Stop looking. Guests, and what the store says of them, stay as they are."""
        self.is_stopped = True
        for loop in self._loops.values():
            loop.cancel()
        self.commands.cancel()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self.front is not None:
            await self.front.close()
        await self.fleet.close()
        await self.guests.close()

    def wake(self, uid: str) -> None:
        """Something about this set moved: look again."""
        if self.is_stopped:
            return
        self.commands.wake()
        loop = self._loops.get(uid)
        if loop is None:
            loop = self._loops[uid] = SetLoop(uid, self.parts)
            task = asyncio.create_task(loop.run(), name=f"set {uid}")
            self._tasks[uid] = task
            task.add_done_callback(lambda task: self._loop_ended(uid, task))
        loop.wake()

    def wake_all(self) -> None:
        for loop in list(self._loops.values()):
            loop.wake()

    def newest_image(self, record: ScaleSet) -> str:
        """The exact image version that a new disk of this set's model would stand on. Raises ``ImageError``."""
        return self._maker.image_version(self.wishes.resource(record))

    def loop(self, uid: str) -> SetLoop | None:
        return self._loops.get(uid)

    def _loop_ended(self, uid: str, task: asyncio.Task[None]) -> None:
        self._loops.pop(uid, None)
        self._tasks.pop(uid, None)
        self.health.watch(uid, {})
        if not task.cancelled() and task.exception():
            log.error("a set's loop broke; it starts again", set=uid, exc_info=task.exception())
            asyncio.get_running_loop().call_later(1.0, self.wake, uid)

    # What is noticed

    def _host_changed(self, change: Change) -> None:
        self.commands.wake()
        self._tell_front(change)
        if self.filters is not None and (change.owner is None or change.power is Power.RUNNING):
            self.filters.forget(change.host)
        if change.owner is None:
            self._note("host", f"host {change.host} {change.what}", host=change.host)
            self.wake_all()
            return
        if change.owner.installation != self.store.installation:
            return
        if change.what == "stray":
            reason = f"what is left of {change.owner.set_uid}_{change.owner.instance_id} has no row: it is removed"
            self._note("stray", reason, host=change.host)
        elif change.power is not Power.RUNNING and change.what not in {"changed", "made"}:
            self._note_death(change)
        if change.owner.set_uid in self._loops:
            self._loops[change.owner.set_uid].wake()

    def _tell_front(self, change: Change) -> None:
        if self.edge is not None:
            self.edge.watch.wake()
        if self.front is None:
            return
        owner = change.owner
        if (
            owner is not None
            and owner.installation == self.store.installation
            and change.power is not Power.RUNNING
        ):
            self.front.died(owner)
        else:
            self.front.wake()

    def _note_death(self, change: Change) -> None:
        owner = change.owner
        assert owner is not None
        row = self.store.instance(owner.set_uid, owner.instance_id)
        if row is None or row.is_gone or row.wanted_power is not WantedPower.RUNNING:
            return
        if row.restarts_wanted > row.restarts_done:
            return  # we restart it ourselves
        if row.generation == owner.generation and row.stage is not Stage.CREATING:
            reason = f"its guest on host {change.host} stopped running ({change.what})"
            self._note("guest_died", reason, set_uid=owner.set_uid, instance_id=owner.instance_id, host=change.host)

    def _health_flipped(self, set_uid: str, instance_id: int, track: HealthTrack) -> None:
        detail = f": {track.detail}" if track.detail else ""
        self._note("health", f"is {track.health.value}{detail}", set_uid=set_uid, instance_id=instance_id)
        if set_uid in self._loops:
            self._loops[set_uid].wake()

    def _note(
        self,
        kind: str,
        reason: str,
        *,
        set_uid: str | None = None,
        instance_id: int | None = None,
        host: str | None = None,
    ) -> None:
        record = self.store.scale_set(set_uid) if set_uid else None
        name = record.name if record else None
        event = Event(self.now(), kind, EventPhase.NOTE, reason, set_uid, name, instance_id, host)
        try:
            with self.store.write() as tx:
                tx.add_events([event])
        except StoreUnavailable as error:  # a note is not worth more than what it tells of
            log.error("an event could not be kept", what=reason, why=error.message)
