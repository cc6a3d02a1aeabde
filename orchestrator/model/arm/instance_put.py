"""PUT on one instance: only its protection policy can be set (reference 2, 4.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.errors import BadInput, Conflict, ErrorDetail
from orchestrator.model.arm.base import ArmModel, Flag
from orchestrator.model.arm.merge import member
from orchestrator.model.arm.mutability import CODE
from orchestrator.model.arm.problems import parsed
from orchestrator.model.instance import Protection

_PATH = "properties.protectionPolicy"
# Clients put back what they read: what moves by itself is never theirs to set, and is left aside.
_MOVING = frozenset({"etag", "resources", "systemdata"})
_MOVING_PROPERTIES = frozenset({"instanceview", "provisioningstate", "latestmodelapplied", "timecreated"})


class ProtectionPolicy(ArmModel):
    protect_from_scale_in: Flag | None = None
    protect_from_scale_set_actions: Flag | None = None


def parse_instance_put(body: Mapping[str, Any], current: Mapping[str, Any], name: str) -> Protection:
    """The protection that a body asks for. ``current`` is the instance's resource as GET shows it.

    Raises ``BadInput`` for a malformed policy, ``Conflict`` (PropertyChangeNotAllowed) naming all else that
    differs. A policy that is not named stays; null lifts it."""
    offences = list(_differences(body, current))
    if offences:
        details = [ErrorDetail(CODE, f"{path} of an instance cannot be changed.", path) for path in offences]
        words = f"Of {name} only {_PATH} can be changed, not {', '.join(offences)}."
        raise Conflict(words, code=CODE, target=offences[0], details=details)
    properties = member(body, "properties") or {}
    if not any(key.lower() == "protectionpolicy" for key in properties):
        now = current["properties"]["protectionPolicy"]
        return Protection(bool(now.get("protectFromScaleIn")), bool(now.get("protectFromScaleSetActions")))
    return _protection(member(properties, "protectionPolicy"))


def _protection(given: Any) -> Protection:
    if given is None:
        return Protection()
    policy = parsed(ProtectionPolicy, given, _PATH)
    from_actions = bool(policy.protect_from_scale_set_actions)
    if from_actions and policy.protect_from_scale_in is False:
        words = f"{_PATH}: protectFromScaleSetActions includes protection from scale-in, which stays on with it."
        raise BadInput(words, target=f"{_PATH}.protectFromScaleIn")
    return Protection(from_actions or bool(policy.protect_from_scale_in), from_actions)


def _differences(body: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[str]:
    for key, value in body.items():
        if key.lower() == "properties":
            if not isinstance(value, Mapping):
                raise BadInput("properties must be an object.", target="properties")
            rest = {k: v for k, v in value.items() if k.lower() not in _MOVING_PROPERTIES | {"protectionpolicy"}}
            yield from _unequal(rest, current["properties"], "properties")
        elif key.lower() not in _MOVING:
            yield from _unequal({key: value}, current, "")


def _unequal(given: Mapping[str, Any], current: Mapping[str, Any], path: str) -> Iterator[str]:
    """The members of ``given`` that say something else than ``current``; what it leaves out says nothing."""
    for key, value in given.items():
        inner = f"{path}.{key}" if path else key
        now = member(current, key)
        if isinstance(value, Mapping) and isinstance(now, Mapping):
            yield from _unequal(value, now, inner)
        elif isinstance(value, str) and isinstance(now, str):
            if value.lower() != now.lower():
                yield inner
        elif value is not None and value != now:
            yield inner
