"""Decisions, carried out: rows and events, all of one plan in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.control.reverting import reverted
from orchestrator.control.specs import AddressSpaces, SpecMaker
from orchestrator.control.wishes import Wishes
from orchestrator.errors import NotFound
from orchestrator.model.addresses import mac_of
from orchestrator.model.guest import Owner
from orchestrator.model.instance import Failure, Instance, Stage
from orchestrator.model.network.cards import Card
from orchestrator.model.scale_set import Event, EventPhase, ScaleSet
from orchestrator.plan import steps
from orchestrator.plan.apply import applied
from orchestrator.plan.inputs import World
from orchestrator.plan.steps import Plan, SetStep, Step
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

    def commit(self, record: ScaleSet, world: World, plan: Plan) -> None:
        """One transaction for the whole plan's decisions. Raises ``NotPossible`` when no address is left."""
        decisions = plan.decisions
        rows: dict[int, Instance | None] = {row.instance_id: row for row in world.rows}
        wish = self._wishes.wish(record, list(world.rows), world.upgrade)
        added = [step for step in decisions if isinstance(step, steps.AddInstance)]
        new = self._new_rows(record, added)
        with self._store.write() as tx:
            if new:
                tx.add_instances(new)
                tx.update_set_fields(record.uid, next_instance_id=new[-1].instance_id + 1)
            for step in decisions:
                row = rows.get(step.instance_id)
                if row is not None:
                    changed = applied(step, row, wish, world.of(row).sight, self._now(), self._maker.new_host_key)
                    self._put(tx, row, changed)
                    rows[step.instance_id] = changed  # the next step about it goes on from here
            for set_step in plan.set_decisions:
                self._apply_to_set(tx, record, set_step)
            tx.add_events(self._set_event(record, step) for step in plan.set_decisions)
            tx.add_events(self._event(record, step) for step in decisions)

    def _event(self, record: ScaleSet, step: Step) -> Event:
        host = getattr(step, "host", None)
        return Event(
            self._now(), step.kind, EventPhase.AFTER, step.reason, record.uid, record.name, step.instance_id, host
        )

    def _set_event(self, record: ScaleSet, step: SetStep) -> Event:
        return Event(self._now(), step.kind, EventPhase.AFTER, step.reason, record.uid, record.name)

    def _new_rows(self, record: ScaleSet, added: Sequence[steps.AddInstance]) -> list[Instance]:
        if not added:
            return []
        resource = self._wishes.resource(record)
        first, *further = self._addresses(self._spaces.cards(resource), len(added))
        rows = [self._new_row(record, step, address) for step, address in zip(added, first[1], strict=True)]
        return [
            row.but(further_addresses={key: addresses[number] for key, addresses in further})
            for number, row in enumerate(rows)
        ]

    def _addresses(self, cards: Sequence[Card], count: int) -> list[tuple[str, list[str]]]:
        """As many for each IP configuration, that of the first one first."""
        taken = self._store.addresses() | self._spaces.kept_back
        found: list[tuple[str, list[str]]] = []
        for each in (configuration for card in cards for configuration in card.configurations):
            segment = f"{each.space.name} {each.space.cidr}"
            addresses = each.space.allocate(count, taken, self._last_address.get(segment))
            self._last_address[segment] = addresses[-1]
            taken |= set(addresses)
            found.append((each.key, addresses))
        return found

    def _new_row(self, record: ScaleSet, step: steps.AddInstance, address: str) -> Instance:
        now = self._now()
        wish = self._wishes.wish(record, [])
        private, public = self._maker.new_host_key()
        failure = Failure(step.shortage_code, step.shortage, now) if step.shortage else None
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
            placement_group=step.placement_group,
            update_domain=step.update_domain,
            is_on_trial=step.is_on_trial,
            failure=failure,
        )

    @staticmethod
    def _put(tx: Transaction, row: Instance, changed: Instance | None) -> None:
        if changed is None:
            tx.drop_instance(row.set_uid, row.instance_id)
        elif changed.host_key_public != row.host_key_public:
            tx.put_instance_with_key(changed)
        else:
            tx.put_instance(changed)

    def _apply_to_set(self, tx: Transaction, record: ScaleSet, step: SetStep) -> None:
        match step:
            case steps.PutUpgrade(upgrade=upgrade):
                tx.put_rolling_upgrade(upgrade)
            case steps.RevertSet(model_version=version):
                self._revert(tx, record, version)
            case steps.ProveModel(model_version=version):
                tx.update_set_fields(record.uid, proven_model_version=version)
            case steps.SuspendRepairs():
                tx.update_set_fields(record.uid, is_repair_suspended=True)
            case steps.NoteRebalance():
                tx.update_set_fields(record.uid, rebalanced_at=self._now())
            case _:
                raise TypeError(f"{step.kind} is not a decision about a set")

    def _revert(self, tx: Transaction, record: ScaleSet, version: int) -> None:
        """From the set as this transaction has it: instances may have got ids in it."""
        current, older = self._store.scale_set(record.uid), self._store.profile(record.uid, version)
        if current is None or older is None:
            raise NotFound(f"Model {version} of scale set {record.name} is not kept.")
        back = reverted(current, older, self._now())
        tx.put_scale_set(back, expected_version=current.version)
        tx.put_profile(back)
