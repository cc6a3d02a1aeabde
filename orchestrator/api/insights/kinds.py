"""The types of Microsoft.Insights that are stored."""

from __future__ import annotations

from typing import Any

from orchestrator.api.context import Api, SetAddress
from orchestrator.api.kinds import Kind
from orchestrator.api.references import set_identity
from orchestrator.api.stored_kind import kinds_of
from orchestrator.errors import BadInput, Conflict
from orchestrator.model.arm.names import SCALE_SET_TYPE
from orchestrator.model.arm.statuses import Json
from orchestrator.model.insights import autoscale
from orchestrator.model.resource_id import ResourceId, parse_resource_id

_TARGET = "properties.targetResourceUri"


def check_target(api: Api, own: ResourceId, body: Json) -> None:
    """A setting is for a scale set that is there and has no other one. The set is spelt as it is named itself, and
    the setting's name filled in.

    Raises ``BadInput`` (``InvalidResourceReference``) or ``Conflict``."""
    properties = body["properties"]
    properties.setdefault("name", own.name)
    target = _scale_set(api, properties["targetResourceUri"])
    properties["targetResourceUri"] = str(target)
    subscription = api.site().subscription_id
    for other in api.store.resources(subscription_id=subscription, resource_type=autoscale.AUTOSCALE):
        if other.key != own.key and _target_of(other.body).lower() == target.key:
            words = f"{target} has the autoscale setting '{other.id.name}' already; one is possible."
            raise Conflict(words, target=_TARGET)


def _target_of(body: Any) -> str:
    return str(body["properties"]["targetResourceUri"])


def _scale_set(api: Api, text: str) -> ResourceId:
    given = parse_resource_id(text)
    if given.type.lower() != SCALE_SET_TYPE.lower():
        words = f"{_TARGET} must be the id of a scale set ({SCALE_SET_TYPE}), not of {given.type[:100]}."
        raise BadInput(words, target=_TARGET)
    found = SetAddress(given.subscription_id, given.resource_group, given.name).find_if_any(api)
    if found is None:
        words = f"Resource {text} referenced by {_TARGET} was not found."
        raise BadInput(words, code="InvalidResourceReference", target=_TARGET)
    return set_identity(found)


KINDS: tuple[Kind, ...] = tuple(kinds_of(autoscale.SHAPE, (check_target,)))
