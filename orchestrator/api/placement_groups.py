"""Bodies of the verbs about count and placement groups (reference 3.1): scaleOut, convertToSinglePlacementGroup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.errors import BadInput, NotPossible
from orchestrator.model.arm.instance_views import placement_group_id
from orchestrator.model.arm.placement_rules import PLACEMENT_GROUP_MAX
from orchestrator.model.arm.problems import UNKNOWN_MEMBER
from orchestrator.model.arm.scale_set import CAPACITY_MAX
from orchestrator.model.scale_set import ScaleSet


def read_scale_out(body: Mapping[str, Any]) -> int:
    """How many more. Raises ``BadInput``, or ``NotPossible`` for a zone."""
    given = {key.lower(): value for key, value in body.items()}
    if unknown := [key for key in body if key.lower() not in {"capacity", "properties"}]:
        words = f"Not supported by this version: {', '.join(unknown)}."
        raise BadInput(words, code=UNKNOWN_MEMBER, target=unknown[0])
    if given.get("properties"):
        raise NotPossible("properties.zone: zones are kept in balance, so none can be named.", target="properties")
    more = given.get("capacity")
    if isinstance(more, bool) or not isinstance(more, int) or not 1 <= more <= CAPACITY_MAX:
        raise BadInput(f"capacity must be a whole number from 1 to {CAPACITY_MAX}.", target="capacity")
    return more


def convert_to_single(api: Api, record: ScaleSet, body: Mapping[str, Any] | None) -> None:
    """``activePlacementGroupId``, when given, has to name the one group that there is.

    Raises ``NotPossible`` for a set that does not fit into one placement group, or is Flexible."""
    if unknown := [key for key in body or {} if key.lower() != "activeplacementgroupid"]:
        words = f"Not supported by this version: {', '.join(unknown)}."
        raise BadInput(words, code=UNKNOWN_MEMBER, target=unknown[0])
    if record.model["properties"].get("orchestrationMode") == "Flexible":
        raise NotPossible("A Flexible set has no single placement group.", target="properties.orchestrationMode")
    rows = [row for row in api.store.instances(record.uid) if not row.is_gone]
    count = len({row.placement_group for row in rows})
    if record.capacity > PLACEMENT_GROUP_MAX or count > 1:
        words = f"{record.name} needs {max(count, 2)} placement groups: one holds {PLACEMENT_GROUP_MAX} instances."
        raise NotPossible(words, target="properties.singlePlacementGroup")
    wanted = next(iter((body or {}).values()), None)
    if wanted is not None and str(wanted).lower() not in {placement_group_id(row).lower() for row in rows}:
        words = f"{record.name} has no placement group {str(wanted)[:80]}."
        raise BadInput(words, target="activePlacementGroupId")
    properties = {**record.model["properties"], "singlePlacementGroup": True}
    single = record.but(model={**record.model, "properties": properties}, version=record.version + 1)
    with api.store.write() as tx:
        tx.put_scale_set(single.but(changed_at=api.now()), expected_version=record.version)
        tx.add_events([api.note(single, "it was held to one placement group")])
    api.wake(record.uid)
