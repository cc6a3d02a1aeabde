"""GET VM/difference and GET SET/differences, ours: model against applied, and what would apply it (reference 6)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter

from orchestrator.api.compute_instances import VM
from orchestrator.api.compute_scale_sets import SET
from orchestrator.api.context import Api, ApiDep, SetAddressDep
from orchestrator.api.targets import find_instance
from orchestrator.model.arm.model_diff import PropertyDifference, model_differences
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.statuses import Json
from orchestrator.model.arm.write_only import join_secrets
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import ScaleSet
from orchestrator.plan.inputs import Cost
from orchestrator.plan.upgrade_cost import difference

router = APIRouter()
_DEFAULT_GROUP = "default"


@dataclass(frozen=True, slots=True)
class _Behind:
    """How one model version differs from the newest. ``properties`` is ``None`` when it is not kept any more."""

    cost: Cost
    properties: list[PropertyDifference] | None


@router.get(f"{VM}/difference")
async def get_difference(address: SetAddressDep, instance_id: str, api: ApiDep) -> Json:
    record = address.find(api)
    row = find_instance(api.store, record, instance_id)
    return _shown(record, row, _behind(api, record, [row]))


@router.get(f"{SET}/differences")
async def list_differences(address: SetAddressDep, api: ApiDep) -> Json:
    record = address.find(api)
    rows = api.store.instances(record.uid)
    behind = _behind(api, record, rows)
    return {"value": [_shown(record, row, behind) for row in rows]}


def _behind(api: Api, record: ScaleSet, rows: list[Instance]) -> Mapping[int, _Behind]:
    """By model version, each compared once."""
    found: dict[int, _Behind] = {}
    newest = join_secrets(record.model, record.secrets)
    for version in {row.model_version for row in rows} - {record.model_version}:
        profile = api.store.profile(record.uid, version)
        before = join_secrets(profile.model, profile.secrets) if profile else None
        properties = model_differences(profile, record) if profile else None
        found[version] = _Behind(difference(before, newest).cost, properties)
    return found


def _shown(record: ScaleSet, row: Instance, behind: Mapping[int, _Behind]) -> Json:
    """``differences`` is null where the older model is not kept any more: all of it may differ."""
    instance_id = InstanceNames.of(record).id(row.instance_id)
    shown: Json = {
        "instanceId": instance_id,
        "latestModelApplied": row.model_version == record.model_version,
        "modelVersion": row.model_version,
        "latestModelVersion": record.model_version,
        "differences": [],
    }
    if (found := behind.get(row.model_version)) is None:
        return shown
    properties = found.properties
    shown["differences"] = None if properties is None else [_property(each) for each in properties]
    return {**shown, "appliedBy": found.cost.value, "command": _command(record, instance_id, found.cost)}


def _property(each: PropertyDifference) -> Json:
    return {"property": each.path, "applied": each.applied, "wanted": each.wanted}


def _command(record: ScaleSet, instance_id: str, cost: Cost) -> str:
    """What a person would type. Another instance is made by deleting this one and scaling out again."""
    verb = "delete-instances" if cost is Cost.REPLACE else "update-instances"
    words = ["vmss", verb, record.name, "--instance-ids", instance_id]
    if record.resource_group.lower() != _DEFAULT_GROUP:
        words += ["--resource-group", record.resource_group]
    return shlex.join(words)
