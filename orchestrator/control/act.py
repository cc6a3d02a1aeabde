"""Actions, carried out: one step on one guest, then its row, then the event. Each is safe to repeat.

Note [Rows are read again]: an action takes time, and a user may write meanwhile. So its outcome is applied
to the row as it is *then*, and dropped when the row moved on to another generation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from orchestrator.control.fleet import Fleet
from orchestrator.control.host_monitor import HostMonitor
from orchestrator.control.specs import SpecMaker
from orchestrator.control.wishes import Wishes
from orchestrator.errors import GuestError, HostRefused, ImageError, InsufficientCapacity, NotFound, VmssError
from orchestrator.guest.port import GuestAddress, Guests, ScriptResult
from orchestrator.model.guest import Owner, Power
from orchestrator.model.instance import ExtensionState, Failure, Instance, Stage, WantedPower
from orchestrator.model.scale_set import Event, EventPhase
from orchestrator.plan import steps
from orchestrator.plan.steps import Step
from orchestrator.store import Store

AWAIT_EVERY_S = 0.5  # how often a booting guest is asked
OS_PROVISIONING_TIMEOUT_S = 600.0
POLITE_STOP_S = 30.0  # a guest that does not power off when asked is stopped hard after this
POLITE_DELETE_S = 10.0  # and one that is deleted, after this
STOP_LOOK_EVERY_S = 0.25


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
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._guests = guests
        self._wishes = wishes
        self._maker = maker
        self._now = now

    async def do(self, step: Step, row: Instance) -> None:
        """Carry out one action. Raises the retryable errors; what will not get better fails the instance."""
        try:
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
            case steps.AwaitGuest():
                return self._await(row)
            case steps.RunExtension(name=name, sequence=sequence):
                return self._run_extension(row, name, sequence)
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
        async with self._fleet.limit(monitor.name):
            for owner in self._earlier(row, monitor):
                await monitor.host.remove(owner)
            await self._guests.forget(self.address(row).key)
            await monitor.host.ensure_image(spec.image)
            await monitor.host.create(spec)
        monitor.made(spec)
        now = self._now()
        outcome = f"runs on {monitor.name}"
        self._update(row, "create", outcome, stage=Stage.BOOTING, booted_at=now, changed_at=now, failure=None)

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
        if not is_hard and monitor.power_of(self.owner(row)) is Power.RUNNING:
            await self._stopped_politely(row, monitor, POLITE_DELETE_S)
        async with self._fleet.limit(monitor.name):
            for owner in (*self._earlier(row, monitor), self.owner(row)):
                await monitor.host.remove(owner)
        monitor.changed(self.owner(row), None)
        monitor.look_now()  # there is room now: somebody may wait for it
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
        while self._now() < until:
            if monitor.power_of(self.owner(row)) is not Power.RUNNING:
                return True
            await asyncio.sleep(STOP_LOOK_EVERY_S)
        return False

    async def _deallocate(self, row: Instance, *, is_hard: bool) -> None:
        monitor = self._monitor(row)
        await self._guests.forget(self.address(row).key)
        if not is_hard and monitor.power_of(self.owner(row)) is Power.RUNNING:
            await self._stopped_politely(row, monitor, POLITE_STOP_S)
        await monitor.host.undefine(self.owner(row))
        monitor.changed(self.owner(row), None)
        self._update(row, "deallocate", "its disk is kept", changed_at=self._now())

    async def _await(self, row: Instance) -> None:
        deadline = (row.booted_at or row.changed_at) + OS_PROVISIONING_TIMEOUT_S
        while not await self._guests.is_answering(self.address(row)):
            if self._now() >= deadline:
                message = f"The operating system did not answer within {OS_PROVISIONING_TIMEOUT_S:.0f} s."
                self._fail(row, VmssError(message, code="OSProvisioningTimedOut"))
                return
            await asyncio.sleep(AWAIT_EVERY_S)
        self._update(row, "await", "its operating system answers", stage=Stage.CONFIGURING)

    async def _run_extension(self, row: Instance, name: str, sequence: int) -> None:
        extension, request = self._wishes.script(row, name, sequence)
        values = extension.properties
        begun = ExtensionState(
            extension.name,
            f"{values.publisher}.{values.type}",
            values.type_handler_version,
            sequence,
            "transitioning",
            "running",
            self._now(),
        )
        self._put_extension(row, begun, f"{name} begins with configuration {sequence}")
        result = await self._guests.run_script(self.address(row), request)
        ended = _ended(begun, result, self._now())
        how = f": {result.message}" if result.exit_code is None else f", exit code {result.exit_code}"
        self._put_extension(row, ended, f"{name} {ended.code}{how}")

    def _put_extension(self, row: Instance, state: ExtensionState, told: str) -> None:
        current = self._store.instance(row.set_uid, row.instance_id) or row
        extensions = {**current.extensions, state.name: state}
        outcome = "failed" if state.code == "failed" else "done"
        self._update(row, "extension", told, outcome, extensions=extensions, changed_at=self._now())


def _ended(begun: ExtensionState, result: ScriptResult, at: float) -> ExtensionState:
    head = "Command execution finished" if result.is_success else result.message or "Command execution failed"
    message = f"{head}\n[stdout]\n{result.stdout_tail}\n[stderr]\n{result.stderr_tail}"
    code = "succeeded" if result.is_success else "failed"
    return ExtensionState(
        begun.name,
        begun.type,
        begun.type_handler_version,
        begun.sequence,
        code,  # type: ignore[arg-type]
        message,
        at,
        result.exit_code,
    )


def is_interruptible(step: Step) -> bool:
    """Waiting and scripts may be broken off when the guest is gone; work on hosts runs to its end."""
    return isinstance(step, steps.AwaitGuest | steps.RunExtension)


def still_makes_sense(step: Step, row: Instance | None, power: Power | None) -> bool:
    """Whether an interruptible action is still about something that runs and is wanted."""
    wanted = row is not None and not row.is_gone and row.wanted_power is WantedPower.RUNNING
    return not is_interruptible(step) or (wanted and power is Power.RUNNING)
