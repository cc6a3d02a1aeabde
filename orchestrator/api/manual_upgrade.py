"""``manualupgrade``: instances brought to the newest model, each by the least that does it (reference 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.api.context import Api
from orchestrator.api.long_running import new_operation
from orchestrator.api.rolling_upgrades import check_not_in_batch
from orchestrator.model import wishes
from orchestrator.model.arm.write_only import join_secrets
from orchestrator.model.instance import Instance, WantedPower
from orchestrator.model.scale_set import Operation, OperationKind, ScaleSet
from orchestrator.plan.inputs import Cost, Difference
from orchestrator.plan.upgrade_cost import difference, short_names

_HOW = {
    Cost.NOTHING: "it costs nothing",
    Cost.IN_PLACE: "in place",
    Cost.RESTART: "by a restart",
    Cost.REIMAGE: "by a reimage",
}


@dataclass(frozen=True, slots=True)
class _Step:
    """What becomes of one row, and why so."""

    row: Instance
    found: Difference


def upgrade(api: Api, record: ScaleSet, rows: Sequence[Instance]) -> Operation:
    """Raises ``Conflict`` for instances that a rolling upgrade has in its hands.

    One that is off stays off unless its disk has to be made anew; its extensions run when it starts."""
    behind = [row for row in rows if row.model_version != record.model_version]
    check_not_in_batch(api, record, [row.instance_id for row in behind])
    versions = {row.model_version for row in behind}
    found = {version: _difference(api, record, version) for version in versions}
    steps = [
        _Step(_upgraded(api, record, row, found[row.model_version]), found[row.model_version]) for row in behind
    ]
    operation = new_operation(api, record, OperationKind.UPGRADE, _goals(record, steps))
    with api.store.write() as tx:
        for step in steps:
            if step.found.cost is Cost.REIMAGE:
                tx.put_instance_with_key(step.row)
            else:
                tx.put_instance(step.row)
        tx.put_operation(operation)
        tx.add_events(api.note(record, _told(record, step), step.row.instance_id) for step in steps)
    api.wake(record.uid)
    return operation


def _step(api: Api, record: ScaleSet, row: Instance, found: Difference) -> _Step:
    return _Step(_upgraded(api, record, row, found), found)


def _difference(api: Api, record: ScaleSet, version: int) -> Difference:
    profile = api.store.profile(record.uid, version)
    before = join_secrets(profile.model, profile.secrets) if profile else None
    return difference(before, join_secrets(record.model, record.secrets))


def _upgraded(api: Api, record: ScaleSet, row: Instance, found: Difference) -> Instance:
    now, version = api.now(), record.model_version
    match found.cost:
        case Cost.NOTHING:
            profile = api.store.profile(record.uid, row.model_version)
            before = profile.extension_sequences if profile else {}
            after = record.extension_sequences
            return wishes.renumbered(row, model_version=version, before=before, after=after)
        case Cost.IN_PLACE:
            return wishes.reconfigured(row, now, model_version=version)
        case Cost.RESTART:
            return with_size(api, record, wishes.redefined(row, now, model_version=version))
        case _:
            fresh = wishes.reimaged(row, now, model_version=version, host_key=api.make_host_key())
            return with_size(api, record, fresh)


def with_size(api: Api, record: ScaleSet, row: Instance) -> Instance:
    """The row with the figures of the set's size, for where its domain is made anew."""
    size = api.site().sizes.get(record.model["sku"]["name"])
    return row.but(vcpus=size.vcpus, memory_mib=size.memory_mib)


def _goals(record: ScaleSet, steps: Sequence[_Step]) -> dict[int, int]:
    """What is off, or has nothing to do, is not waited for."""
    return {
        step.row.instance_id: record.model_version
        for step in steps
        if step.row.wanted_power is WantedPower.RUNNING and step.found.cost is not Cost.NOTHING
    }


def _told(record: ScaleSet, step: _Step) -> str:
    how = _HOW.get(step.found.cost, "by a reimage")
    words = f"upgrade to model {record.model_version} was asked for, {how}"
    return f"{words}: {short_names(step.found)} differs"
