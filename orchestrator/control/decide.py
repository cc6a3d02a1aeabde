"""Decisions, carried out: rows and events, all of one plan in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.control.specs import AddressSpaces, SpecMaker
from orchestrator.control.wishes import Wishes
from orchestrator.model.addresses import mac_of
from orchestrator.model.guest import Owner
from orchestrator.model.instance import Cause, Failure, Instance, Stage
from orchestrator.model.scale_set import Event, EventPhase, ScaleSet
from orchestrator.model.wishes import reimaged
from orchestrator.plan import steps
from orchestrator.plan.inputs import Sight, World
from orchestrator.plan.steps import Step
from orchestrator.store import Store, Transaction


class Decider:
    """Writes decisions down. What it has committed is intent: the actions follow from it, after a crash too."""

    def __init__(
        self,
        store: Store,
        wishes: Wishes,
        spaces: AddressSpaces,
        maker: SpecMaker,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._wishes = wishes
        self._spaces = spaces
        self._maker = maker
        self._now = now
        self._last_address: dict[str, str] = {}

    def commit(self, record: ScaleSet, world: World, decisions: Sequence[Step]) -> None:
        """One transaction for the whole plan's decisions. Raises ``NotPossible`` when no address is left."""
        rows = {row.instance_id: row for row in world.rows}
        added = [step for step in decisions if isinstance(step, steps.AddInstance)]
        new = self._new_rows(record, added)
        with self._store.write() as tx:
            if new:
                tx.add_instances(new)
                tx.update_set_fields(record.uid, next_instance_id=new[-1].instance_id + 1)
            for step in decisions:
                row = rows.get(step.instance_id)
                if row is not None:
                    self._apply(tx, record, step, row, world)
            tx.add_events(self._event(record, step) for step in decisions)

    def _event(self, record: ScaleSet, step: Step) -> Event:
        host = getattr(step, "host", None)
        return Event(
            self._now(), step.kind, EventPhase.AFTER, step.reason, record.uid, record.name, step.instance_id, host
        )

    def _new_rows(self, record: ScaleSet, added: Sequence[steps.AddInstance]) -> list[Instance]:
        if not added:
            return []
        resource = self._wishes.resource(record)
        space = self._spaces.of(resource)
        last = self._last_address.get(space.name)
        addresses = space.allocate(len(added), self._store.addresses(), last)
        self._last_address[space.name] = addresses[-1]
        return [self._new_row(record, step, address) for step, address in zip(added, addresses, strict=True)]

    def _new_row(self, record: ScaleSet, step: steps.AddInstance, address: str) -> Instance:
        now = self._now()
        wish = self._wishes.wish(record, [])
        private, public = self._maker.new_host_key()
        failure = Failure("AllocationFailed", step.shortage, now) if step.shortage else None
        return Instance(
            set_uid=record.uid,
            instance_id=step.instance_id,
            generation=1,
            model_version=record.model_version,
            stage=Stage.CREATING if step.host else Stage.WAITING,
            created_at=now,
            changed_at=now,
            address=address,
            mac=mac_of(Owner(self._store.installation, record.uid, step.instance_id, 1)),
            host_key_private=private,
            host_key_public=public,
            host=step.host,
            zone=step.zone,
            fault_domain=step.fault_domain,
            vcpus=wish.vcpus,
            memory_mib=wish.memory_mib,
            cause=step.cause,
            repairs=step.repairs,
            failure=failure,
        )

    def _apply(self, tx: Transaction, record: ScaleSet, step: Step, row: Instance, world: World) -> None:
        now = self._now()
        match step:
            case steps.PlaceInstance(host=host, zone=zone, fault_domain=domain):
                placed = row.but(host=host, zone=zone, fault_domain=domain, stage=Stage.CREATING, failure=None)
                tx.put_instance(placed.but(changed_at=now))
            case steps.GiveUpInstance(cause=cause):
                tx.put_instance(row.but(is_gone=True, gone_at=now, cause=cause))
            case steps.DeclareLost():
                tx.put_instance(row.but(is_gone=True, gone_at=now, lost_at=now, cause=Cause.HOST_LOST))
            case steps.ForgetInstance():
                tx.drop_instance(row.set_uid, row.instance_id)
            case steps.Advance(stage=stage):
                tx.put_instance(row.but(stage=stage, changed_at=now, failure=None))
            case steps.FailInstance(code=code, reason=reason):
                failed = row.but(stage=Stage.FAILED, changed_at=now, failure=Failure(code, reason, now))
                tx.put_instance(failed)
            case steps.RepairInPlace(is_reimage=True):
                self._reimage(tx, record, row)
            case steps.RepairInPlace():
                tx.put_instance(self._restarted(row, world))

    def _reimage(self, tx: Transaction, record: ScaleSet, row: Instance) -> None:
        key = self._maker.new_host_key()
        fresh = reimaged(row, self._now(), model_version=record.model_version, host_key=key)
        tx.put_instance_with_key(fresh.but(repairs=row.repairs + 1, cause=Cause.REPAIR))

    def _restarted(self, row: Instance, world: World) -> Instance:
        changed = row.but(repairs=row.repairs + 1, cause=Cause.REPAIR, changed_at=self._now())
        if world.of(row).sight is Sight.RUNNING:
            return changed.but(restarts_wanted=row.restarts_wanted + 1)
        return changed.but(stage=Stage.CREATING)
