"""What a deployment would do to the instances of a scale set, as our own planner decides it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.api.context import Api, SetAddress
from orchestrator.model.arm.instance_views import set_id_of
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.statuses import Json
from orchestrator.model.resource_id import ResourceId
from orchestrator.model.scale_set import ScaleSet
from orchestrator.plan.steps import AddInstance, ApplyModel, GiveUpInstance, Step


def instance_changes(api: Api, identity: ResourceId) -> Iterator[Json]:
    """Changes in Azure's shape, one for each instance that the first pass over the set decides about. Call inside
    the rehearsal in which the set was put."""
    record = SetAddress(identity.subscription_id, identity.resource_group, identity.name).find(api)
    for step in api.control.rehearsed_plan(record).decisions:
        change = _change(record, step)
        if change is not None:
            yield change


def _change(record: ScaleSet, step: Step) -> Json | None:
    number = InstanceNames.of(record).id(step.instance_id)
    shown: Json = {"resourceId": set_id_of(record).instance(number)}
    about: Json = {"id": shown["resourceId"], "instanceId": number, "reason": step.reason}
    match step:
        case AddInstance():
            after = {**about, "sku": record.model["sku"]["name"]} | ({"zones": [step.zone]} if step.zone else {})
            return {**shown, "changeType": "Create", "before": None, "after": after}
        case GiveUpInstance():
            return {**shown, "changeType": "Delete", "before": about, "after": None}
        case ApplyModel():
            applied = {"path": "properties.latestModelApplied", "propertyChangeType": "Modify", "children": None}
            delta = [{**applied, "before": False, "after": True}]
            return {**shown, "changeType": "Modify", "before": about, "after": about, "delta": delta}
    return None
