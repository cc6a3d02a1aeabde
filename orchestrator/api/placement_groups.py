"""Bodies of the verbs about count and placement groups (reference 3.1): scaleOut, convertToSinglePlacementGroup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.errors import BadInput, NotPossible
from orchestrator.model.arm.problems import UNKNOWN_MEMBER
from orchestrator.model.scale_set import ScaleSet

GROUP_MAX = 100
_CAPACITY_MAX = 1000


def read_scale_out(body: Mapping[str, Any]) -> int:
    """How many more. Raises ``BadInput``, or ``NotPossible`` for a zone."""
    given = {key.lower(): value for key, value in body.items()}
    if unknown := [key for key in body if key.lower() not in {"capacity", "properties"}]:
        words = f"Not supported by this version: {', '.join(unknown)}."
        raise BadInput(words, code=UNKNOWN_MEMBER, target=unknown[0])
    if given.get("properties"):
        raise NotPossible("properties.zone: zones are kept in balance, so none can be named.", target="properties")
    more = given.get("capacity")
    if isinstance(more, bool) or not isinstance(more, int) or not 1 <= more <= _CAPACITY_MAX:
        raise BadInput(f"capacity must be a whole number from 1 to {_CAPACITY_MAX}.", target="capacity")
    return more


def check_active_group(body: Mapping[str, Any] | None) -> None:
    """``activePlacementGroupId`` says which group stays; with one group there is nothing to choose."""
    if unknown := [key for key in body or {} if key.lower() != "activeplacementgroupid"]:
        words = f"Not supported by this version: {', '.join(unknown)}."
        raise BadInput(words, code=UNKNOWN_MEMBER, target=unknown[0])


def convert_to_single(api: Api, record: ScaleSet) -> None:
    """Raises ``NotPossible`` for a set that does not fit into one placement group."""
    groups = {row.placement_group for row in api.store.instances(record.uid) if not row.is_gone}
    if record.capacity > GROUP_MAX or len(groups) > 1:
        words = f"{record.name} needs {max(len(groups), 2)} placement groups: one holds {GROUP_MAX} instances."
        raise NotPossible(words, target="properties.singlePlacementGroup")
    properties = {**record.model["properties"], "singlePlacementGroup": True}
    single = record.but(model={**record.model, "properties": properties}, version=record.version + 1)
    with api.store.write() as tx:
        tx.put_scale_set(single.but(changed_at=api.now()), expected_version=record.version)
        tx.add_events([api.note(single, "it was held to one placement group")])
    api.wake(record.uid)
