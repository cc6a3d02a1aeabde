"""Microsoft.Compute/virtualMachineScaleSets as a type of resource."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.api.context import Api, SetAddress
from orchestrator.api.kinds import Put
from orchestrator.api.long_running import new_operation
from orchestrator.api.set_writes import create_set, notices_of, update_set
from orchestrator.model.arm import views
from orchestrator.model.arm.names import SCALE_SET_TYPE, check_set_name
from orchestrator.model.arm.statuses import Json
from orchestrator.model.arm.warnings import with_warnings
from orchestrator.model.resource_id import ResourceId
from orchestrator.model.scale_set import Operation, OperationKind, ScaleSet


def provisioning_state(api: Api, record: ScaleSet) -> str:
    return views.set_provisioning_state(record, api.store.operations(record.uid))


def show(api: Api, record: ScaleSet) -> Json:
    """The set as GET gives it, with what of it has no effect yet."""
    return _warned(api, record, views.public_view(record, provisioning_state(api, record)))


def _warned(api: Api, record: ScaleSet, view: Json) -> Json:
    return with_warnings(view, notices_of(api, record))


def begin_deletion(api: Api, record: ScaleSet, *, is_forced: bool) -> Operation:
    """The loop deletes every instance, and the set with the last of them."""
    leaving = record.but(
        is_deleting=True,
        is_force_deleting=record.is_force_deleting or is_forced,
        version=record.version + 1,
        changed_at=api.now(),
    )
    operation = new_operation(api, leaving, OperationKind.DELETE_SET)
    with api.store.write() as tx:
        tx.put_scale_set(leaving, expected_version=record.version)
        tx.put_operation(operation)
        tx.add_events([api.note(leaving, "the deletion of the scale set was asked for")])
    api.wake(leaving.uid)
    return operation


class ScaleSetKind:
    type = SCALE_SET_TYPE

    def view(self, api: Api, identity: ResourceId) -> Json | None:
        record = _address(identity).find_if_any(api)
        return show(api, record) if record else None

    def views(self, api: Api, group: str | None) -> Iterable[Json]:
        for record in api.store.scale_sets():
            if group is None or record.resource_group.lower() == group.lower():
                yield show(api, record)

    def put(self, api: Api, identity: ResourceId, body: Mapping[str, Any]) -> Put:
        address = _address(identity)
        record = address.find_if_any(api)
        written = update_set(api, record, body) if record else create_set(api, address, body)
        return Put(show(api, written.record), record is None, written.operation)

    def delete(self, api: Api, identity: ResourceId, *, is_forced: bool = False) -> Operation | None:
        record = _address(identity).find_if_any(api)
        return None if record is None else begin_deletion(api, record, is_forced=is_forced)


def _address(identity: ResourceId) -> SetAddress:
    return SetAddress(identity.subscription_id, identity.resource_group, check_set_name(identity.name))
