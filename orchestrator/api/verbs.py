"""The verbs on instances: what each writes into their rows, and what its operation then waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from orchestrator.api.context import Api
from orchestrator.api.long_running import new_operation
from orchestrator.api.manual_upgrade import with_size
from orchestrator.api.set_writes import with_capacity
from orchestrator.errors import NotPossible
from orchestrator.model import wishes
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.instance import Cause, Instance
from orchestrator.model.scale_set import Operation, OperationKind, ScaleSet

Change = Callable[[Instance], Instance]


def start(api: Api, record: ScaleSet, rows: Sequence[Instance]) -> Operation:
    now = api.now()
    changed = [wishes.started(row, now) for row in rows]
    return _write(api, record, OperationKind.START, changed, dict.fromkeys(_ids(changed), 0))


def power_off(api: Api, record: ScaleSet, rows: Sequence[Instance], *, is_hard: bool) -> Operation:
    now = api.now()
    changed = [wishes.powered_off(row, now, is_hard=is_hard) for row in rows]
    return _write(api, record, OperationKind.POWER_OFF, changed, dict.fromkeys(_ids(changed), 0))


def deallocate(api: Api, record: ScaleSet, rows: Sequence[Instance]) -> Operation:
    now = api.now()
    changed = [wishes.deallocated(row, now) for row in rows]
    return _write(api, record, OperationKind.DEALLOCATE, changed, dict.fromkeys(_ids(changed), 0))


def hibernate(api: Api, record: ScaleSet, rows: Sequence[Instance]) -> Operation:
    """Raises ``NotPossible`` unless the model allows it (``additionalCapabilities.hibernationEnabled``)."""
    capabilities = record.model["properties"].get("additionalCapabilities") or {}
    if not capabilities.get("hibernationEnabled"):
        path = "properties.additionalCapabilities.hibernationEnabled"
        raise NotPossible(f"Hibernation has to be allowed first: {path} is not true.", target=path)
    unready = [InstanceNames.of(record).id(row.instance_id) for row in rows if not wishes.can_hibernate(row)]
    if unready:
        words = f"Only a running instance that is provisioned can hibernate, unlike {', '.join(unready)}."
        raise NotPossible(words, target="instanceIds")
    now = api.now()
    changed = [wishes.hibernated(row, now) for row in rows]
    return _write(api, record, OperationKind.HIBERNATE, changed, dict.fromkeys(_ids(changed), 0))


def redeploy(api: Api, record: ScaleSet, rows: Sequence[Instance]) -> Operation:
    """Raises ``NotPossible`` for a set on dedicated hosts, whose place is not ours to choose (reference 4.11)."""
    if record.model["properties"].get("hostGroup"):
        raise NotPossible("A scale set on a dedicated host group is not redeployed.", target="properties.hostGroup")
    now = api.now()
    changed = [wishes.redeployed(row, now) for row in rows]
    goals = {row.instance_id: row.redeploys_wanted for row in changed}
    return _write(api, record, OperationKind.REDEPLOY, changed, goals)


def perform_maintenance(api: Api, record: ScaleSet, rows: Sequence[Instance]) -> Operation:
    """A redeploy off hosts that are draining. Raises ``NotPossible`` where nothing is to be maintained."""
    draining = {report.config.name for report in api.control.hosts() if report.condition == "draining"}
    affected = [row for row in rows if row.host in draining]
    if not affected:
        raise NotPossible("None of these instances stands on a host that is draining.", target="instanceIds")
    return redeploy(api, record, affected)


def reapply(api: Api, record: ScaleSet, rows: Sequence[Instance]) -> Operation:
    now = api.now()
    changed = [wishes.reapplied(row, now) for row in rows]
    return _write(api, record, OperationKind.REAPPLY, changed, dict.fromkeys(_ids(changed), 0))


def restart(api: Api, record: ScaleSet, rows: Sequence[Instance]) -> Operation:
    now = api.now()
    changed = [wishes.restarted(row, now) for row in rows]
    goals = {row.instance_id: row.restarts_wanted for row in changed}
    return _write(api, record, OperationKind.RESTART, changed, goals)


def reimage(api: Api, record: ScaleSet, rows: Sequence[Instance], *, image_version: str | None = None) -> Operation:
    """``image_version`` is the exact version to stand on; ``None`` takes what the model says now."""
    changed = [_reimaged(api, record, row).but(image_version=image_version) for row in rows]
    goals = {row.instance_id: row.generation for row in changed}
    return _write(api, record, OperationKind.REIMAGE, changed, goals, has_new_keys=True)


def delete(api: Api, record: ScaleSet, rows: Sequence[Instance], *, is_forced: bool) -> Operation:
    """Give instances up and lower the capacity by as many as counted (reference 4.3)."""
    now = api.now()
    changed = [wishes.given_up(row, now, cause=Cause.USER, is_forced=is_forced) for row in rows]
    fewer = sum(1 for row in rows if row.counts and not row.is_on_trial)
    operation = new_operation(api, record, OperationKind.DELETE_INSTANCES, dict.fromkeys(_ids(rows), 0))
    with api.store.write() as tx:
        for row in changed:
            tx.put_instance(row)
        if fewer:
            smaller = with_capacity(record, max(0, record.capacity - fewer), now)
            tx.put_scale_set(smaller, expected_version=record.version)
        tx.put_operation(operation)
        tx.add_events(api.note(record, "its deletion was asked for", number) for number in _ids(rows))
    api.wake(record.uid)
    return operation


def _ids(rows: Sequence[Instance]) -> list[int]:
    return [row.instance_id for row in rows]


def _write(
    api: Api,
    record: ScaleSet,
    kind: OperationKind,
    changed: Sequence[Instance],
    goals: Mapping[int, int],
    *,
    has_new_keys: bool = False,
) -> Operation:
    operation = new_operation(api, record, kind, goals)
    words = f"{kind.value.replace('_', ' ')} was asked for"
    with api.store.write() as tx:
        for row in changed:
            if has_new_keys:
                tx.put_instance_with_key(row)
            else:
                tx.put_instance(row)
        tx.put_operation(operation)
        tx.add_events(api.note(record, words, row.instance_id) for row in changed)
    api.wake(record.uid)
    return operation


def _reimaged(api: Api, record: ScaleSet, row: Instance) -> Instance:
    moved = wishes.reimaged(row, api.now(), model_version=record.model_version, host_key=api.make_host_key())
    return with_size(api, record, moved)
