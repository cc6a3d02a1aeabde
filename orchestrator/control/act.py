"""Actions, carried out: one step on one guest, then its row, then the event. Each is safe to repeat.

Note [Rows are read again]: an action takes time, and a user may write meanwhile. So its outcome is applied
to the row as it is *then*, and dropped when the row moved on to another generation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from orchestrator.control.extensions import ExtensionActions
from orchestrator.control.fleet import Fleet
from orchestrator.control.host_monitor import HostMonitor
from orchestrator.control.specs import SpecMaker
from orchestrator.control.wishes import Wishes
from orchestrator.errors import (
    GuestError,
    HostError,
    HostRefused,
    ImageError,
    InsufficientCapacity,
    NotFound,
    VmssError,
)
from orchestrator.guest.port import GuestAddress, Guests
from orchestrator.model.guest import GuestSpec, Owner, Power
from orchestrator.model.instance import Failure, Instance, Stage, WantedPower
from orchestrator.model.scale_set import Event, EventPhase
from orchestrator.plan import steps
from orchestrator.plan.steps import Step
from orchestrator.store import Store

log = structlog.get_logger()

AWAIT_EVERY_S = 0.5  # how often a booting guest is asked
OS_PROVISIONING_TIMEOUT_S = 600.0
POLITE_STOP_S = 30.0  # a guest that does not power off when asked is stopped hard after this
POLITE_DELETE_S = 10.0  # and one that is deleted, after this
STOP_LOOK_EVERY_S = 0.25

Leave = Callable[[Instance, bool], Awaitable[None]]
"""Waits until an instance serves nobody any more, for a short time only when the second word is true."""


class Actor:
    """Carries out one action at a time for one instance; the loop runs many actors' tasks side by side."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        guests: Guests,
        wishes: Wishes,
        maker: SpecMaker,
        now: Callable[[], float],
        leave: Leave,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._guests = guests
        self._wishes = wishes
        self._maker = maker
        self._now = now
        self._leave = leave
        self._extensions = ExtensionActions(store, guests, wishes, now, self._update, self.address)

    async def do(self, step: Step, row: Instance) -> None:
        """Carry out one action. Raises the retryable errors; what will not get better fails the instance."""
        try:
            if disturbs(step):
                await self._leave(row, getattr(step, "is_hard", False))
            await self._dispatch(step, row)
        except InsufficientCapacity as error:
            await self._give_back(row, error)
            raise
        except (HostRefused, ImageError, NotFound, GuestError) as error:
            if error.is_retryable or row.is_gone:
                raise
            self._fail(row, error)

    def _dispatch(self, step: Step, row: Instance) -> Awaitable[None]:
        match step:
            case steps.CreateGuest():
                return self._create(row)
            case steps.RemoveGuest(is_hard=is_hard):
                return self._remove(row, is_hard=is_hard)
            case steps.RestartGuest():
                return self._restart(row)
            case steps.StopGuest(is_hard=is_hard):
                return self._stop(row, is_hard=is_hard)
            case steps.DeallocateGuest(is_hard=is_hard):
                return self._deallocate(row, is_hard=is_hard)
            case steps.HibernateGuest():
                return self._hibernate(row)
            case steps.AwaitGuest():
                return self._await(row)
            case steps.RunExtension():
                return self._extensions.run(row, step)
            case steps.StopExtension():
                return self._extensions.stop(row, step)
            case _:
                raise TypeError(f"{step.kind} is not an action")

    # The row afterwards

    def owner(self, row: Instance) -> Owner:
        return row.owner(self._store.installation)

    def address(self, row: Instance) -> GuestAddress:
        """How to reach this instance's guest, and which key it must show."""
        key = f"{row.set_uid}/{row.instance_id}/{row.generation}"
        return GuestAddress(key, row.address, "root", row.host_key_public, self.owner(row).vm_uuid)

    def _update(self, row: Instance, kind: str, told: str, outcome: str = "done", **changes: Any) -> None:
        """See Note [Rows are read again]."""
        current = self._store.instance(row.set_uid, row.instance_id)
        event = self._event(row, kind, told, "failed" if changes.get("failure") else outcome)
        with self._store.write() as tx:
            if current and current.generation == row.generation and changes:
                tx.put_instance(current.but(**changes))
            tx.add_events([event])

    def _event(self, row: Instance, kind: str, told: str, outcome: str = "done") -> Event:
        record = self._store.scale_set(row.set_uid)
        name = record.name if record else None
        return Event(
            self._now(), kind, EventPhase.AFTER, told, row.set_uid, name, row.instance_id, row.host, outcome
        )

    def _fail(self, row: Instance, error: VmssError) -> None:
        failure = Failure(error.code, error.message, self._now())
        self._update(row, "fail", error.message, stage=Stage.FAILED, failure=failure, changed_at=self._now())

    async def _give_back(self, row: Instance, error: InsufficientCapacity) -> None:
        """The host had no room after all. What never ran leaves nothing there and looks for another place;
        what has a disk keeps it, and is tried again."""
        monitor = self._monitor(row)
        failure = Failure(error.code, error.message, self._now())
        if row.booted_at is None:
            await monitor.host.remove(self.owner(row))
        if row.booted_at is None and row.generation == 1:
            outcome = f"no room: {error.message}"
            self._update(row, "create", outcome, host=None, stage=Stage.WAITING, failure=failure)
        monitor.look_now()

    def _monitor(self, row: Instance) -> HostMonitor:
        return self._fleet.monitor(row.host or "")

    # The actions

    async def _create(self, row: Instance) -> None:
        monitor = self._monitor(row)
        record, resource = self._wishes.made_from(row)
        if row.image_version is None:
            row = row.but(image_version=self._maker.image_version(resource))
            self._update(
                row,
                "image",
                f"its disk stands on image version {row.image_version}",
                image_version=row.image_version,
            )
        spec = await self._maker.make(record, resource, row, monitor.host.config.network)
        behind = await self._vacated(row, monitor)
        async with self._fleet.limit(monitor.name):
            for owner in self._earlier(row, monitor):
                await monitor.host.remove(owner)
            await self._guests.forget(self.address(row).key)
            await monitor.host.ensure_image(spec.image)
            if behind is not None:
                is_made = await self._move_in(row, spec, behind, monitor)
            else:
                is_made = await self._make(row, spec, monitor)
        self._tell_made(row, monitor, is_made=is_made)
        if row.moving_from is not None:
            await self._sweep(row)

    async def _make(self, row: Instance, spec: GuestSpec, monitor: HostMonitor) -> bool:
        """Its domain, by the newest spec. One that is wanted off by now has only had its disk brought here."""
        if row.is_to_redefine:
            await self._undefine(row, monitor)
        current = self._store.instance(row.set_uid, row.instance_id) or row
        if row.moving_from is not None and current.wanted_power is not WantedPower.RUNNING:
            return False
        await monitor.host.create(spec)
        monitor.made(spec)
        return True

    def _tell_made(self, row: Instance, monitor: HostMonitor, *, is_made: bool) -> None:
        """See Note [Rows are read again]: a model that came meanwhile may ask for yet another domain."""
        current = self._store.instance(row.set_uid, row.instance_id) or row
        is_to_redefine = current.is_to_redefine and current.model_version != row.model_version
        moved: dict[str, Any] = {"moving_from": None} if current.moving_from == row.moving_from else {}
        now = self._now()
        if not is_made:
            self._update(row, "create", f"its disk is on {monitor.name}", changed_at=now, **moved)
            return
        self._update(
            row,
            "create",
            f"runs on {monitor.name}",
            stage=Stage.CREATING if is_to_redefine else Stage.BOOTING,
            booted_at=now,
            changed_at=now,
            failure=None,
            is_to_redefine=is_to_redefine,
            **moved,
        )

    # Note [One disk]: a row's disk is on ``moving_from`` until the row says that it moved. So nothing runs on that
    # host any more before the disk is copied; it is copied anew as long as the other host has no domain of it; and
    # what is left behind has no row as soon as the row says so: the census takes what _sweep could not.

    async def _vacated(self, row: Instance, monitor: HostMonitor) -> HostMonitor | None:
        """The host that has its disk, where it runs no more; ``None`` when no disk is to be fetched. Raises
        ``HostUnreachable`` while it may still run there."""
        if row.moving_from is None or monitor.power_of(self.owner(row)) is not None:
            return None
        behind = self._fleet.find(row.moving_from)
        if row.booted_at is None:  # reimaged meanwhile: it has a new disk coming
            await self._leave_host(row, behind)
            return None
        if behind is None:
            message = f"Its disk was on host {row.moving_from}, which was taken out for good."
            raise HostRefused(message, target=row.moving_from)
        await self._undefine(row, behind)
        return behind

    async def _move_in(self, row: Instance, spec: GuestSpec, behind: HostMonitor, monitor: HostMonitor) -> bool:
        """Where it does not fit, it looks for another host, and its disk is still where it was."""
        has_newer = False
        try:
            content = await behind.host.read_disk(self.owner(row))
            has_newer = not await monitor.host.write_disk(spec, content)
            return await self._make(row, spec, monitor)
        except InsufficientCapacity as error:
            if not has_newer:
                await monitor.host.remove(self.owner(row))
                failure = Failure(error.code, error.message, self._now())
                told = f"no room: {error.message}"
                self._update(row, "create", told, host=None, stage=Stage.WAITING, failure=failure)
            raise

    async def _sweep(self, row: Instance) -> None:
        """Remove what it left on the host it came from; see Note [One disk] for when that fails."""
        behind = self._fleet.find(row.moving_from)
        try:
            await self._leave_host(row, behind)
        except HostError as error:
            log.info("what it left is removed later", host=row.moving_from, why=error.message)

    async def _leave_host(self, row: Instance, monitor: HostMonitor | None) -> None:
        """Nothing of it is left there afterwards. A host that was taken out has nothing of ours to remove."""
        if monitor is None:
            return
        for owner in (*self._earlier(row, monitor), self.owner(row)):
            await monitor.host.remove(owner)
        monitor.changed(self.owner(row), None)
        monitor.look_now()  # there is room now: somebody may wait for it

    async def _undefine(self, row: Instance, monitor: HostMonitor, *, is_hard: bool = False) -> None:
        """Off, asked first unless ``is_hard``, and its domain forgotten; its disk stays."""
        await self._guests.forget(self.address(row).key)
        if not is_hard and monitor.power_of(self.owner(row)) is Power.RUNNING:
            await self._stopped_politely(row, monitor, POLITE_STOP_S)
        await monitor.host.undefine(self.owner(row))
        monitor.changed(self.owner(row), None)

    def _earlier(self, row: Instance, monitor: HostMonitor) -> list[Owner]:
        """Earlier generations of this instance that may still be on the host."""
        mine = self.owner(row)
        view = monitor.view()
        owners = (
            {guest.owner for guest in view.guests} | {volume.owner for volume in view.volumes} if view else set()
        )
        if row.generation > 1:
            owners.add(Owner(mine.installation, mine.set_uid, mine.instance_id, row.generation - 1))
        return sorted(
            owner
            for owner in owners
            if owner is not None
            and (owner.installation, owner.set_uid, owner.instance_id)
            == (mine.installation, mine.set_uid, mine.instance_id)
            and owner.generation < row.generation
        )

    async def _remove(self, row: Instance, *, is_hard: bool) -> None:
        monitor = self._monitor(row)
        await self._guests.forget(self.address(row).key)
        for place in filter(None, (self._fleet.find(row.moving_from), monitor)):
            if not is_hard and place.power_of(self.owner(row)) is Power.RUNNING:
                await self._stopped_politely(row, place, POLITE_DELETE_S)
            async with self._fleet.limit(place.name):
                await self._leave_host(row, place)
        with self._store.write() as tx:
            tx.drop_instance(row.set_uid, row.instance_id)
            tx.add_events([self._event(row, "remove", f"nothing of it is left on {monitor.name}")])

    async def _restart(self, row: Instance) -> None:
        monitor = self._monitor(row)
        await self._guests.forget(self.address(row).key)
        await monitor.host.restart(self.owner(row))
        monitor.changed(self.owner(row), Power.RUNNING)
        now = self._now()
        self._update(
            row,
            "restart",
            "done",
            restarts_done=row.restarts_wanted,
            stage=Stage.BOOTING,
            booted_at=now,
            changed_at=now,
        )

    async def _stop(self, row: Instance, *, is_hard: bool) -> None:
        monitor = self._monitor(row)
        await self._guests.forget(self.address(row).key)
        was_polite = not is_hard and await self._stopped_politely(row, monitor, POLITE_STOP_S)
        if not was_polite:
            await monitor.host.power_off(self.owner(row))
        monitor.changed(self.owner(row), Power.SHUT_OFF)
        outcome = "powered off when asked" if was_polite else "power cut"
        self._update(row, "stop", outcome, changed_at=self._now())

    async def _stopped_politely(self, row: Instance, monitor: HostMonitor, within_s: float) -> bool:
        await monitor.host.shut_down(self.owner(row))
        until = self._now() + within_s
        while self._now() < until and monitor.is_up:
            if monitor.power_of(self.owner(row)) is not Power.RUNNING:
                return True
            await asyncio.sleep(STOP_LOOK_EVERY_S)
        return False

    async def _deallocate(self, row: Instance, *, is_hard: bool) -> None:
        await self._undefine(row, self._monitor(row), is_hard=is_hard)
        self._update(row, "deallocate", "its disk is kept", changed_at=self._now())

    async def _hibernate(self, row: Instance) -> None:
        """Where its memory cannot be saved it goes on running, and is wanted so again."""
        monitor = self._monitor(row)
        await self._guests.forget(self.address(row).key)
        try:
            await monitor.host.hibernate(self.owner(row))
        except (HostRefused, InsufficientCapacity) as error:
            self._stay_awake(row, Failure(error.code, error.message, self._now()))
            return
        monitor.changed(self.owner(row), Power.SAVED)
        told = f"its memory is saved on {monitor.name}"
        self._update(row, "hibernate", told, changed_at=self._now(), failure=None)

    def _stay_awake(self, row: Instance, failure: Failure) -> None:
        current = self._store.instance(row.set_uid, row.instance_id)
        still = current is not None and current.wanted_power is WantedPower.HIBERNATED
        again: dict[str, Any] = {"wanted_power": WantedPower.RUNNING} if still else {}
        self._update(row, "hibernate", failure.message, failure=failure, **again)

    async def _await(self, row: Instance) -> None:
        deadline = (row.booted_at or row.changed_at) + OS_PROVISIONING_TIMEOUT_S
        while not await self._guests.is_answering(self.address(row)):
            if self._now() >= deadline:
                message = f"The operating system did not answer within {OS_PROVISIONING_TIMEOUT_S:.0f} s."
                self._fail(row, VmssError(message, code="OSProvisioningTimedOut"))
                return
            await asyncio.sleep(AWAIT_EVERY_S)
        self._update(row, "await", "its operating system answers", stage=Stage.CONFIGURING)


def disturbs(step: Step) -> bool:
    """Whether an action may interrupt what the guest serves. So does a creation, of one that had another guest."""
    return not isinstance(step, steps.AwaitGuest | steps.StopExtension)


def is_interruptible(step: Step) -> bool:
    """Waiting and scripts may be broken off when the guest is gone; work on hosts runs to its end."""
    return isinstance(step, steps.AwaitGuest | steps.RunExtension | steps.StopExtension)


def still_makes_sense(step: Step, row: Instance | None, power: Power | None) -> bool:
    """Whether an interruptible action is still about something that runs and is wanted."""
    wanted = row is not None and not row.is_gone and row.wanted_power is WantedPower.RUNNING
    return not is_interruptible(step) or (wanted and power is Power.RUNNING)
