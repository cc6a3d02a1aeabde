"""What is sent to a deployment: its mode, its template, its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from orchestrator.api.requests import check_media, read_raw
from orchestrator.errors import BadInput
from orchestrator.model.arm.statuses import Json
from orchestrator.templates.jsonc import read_json

BODY_MAX_BYTES = 4 << 20  # Azure's limit for a template
_MODES = {"incremental": "Incremental", "complete": "Complete"}
_TOP = frozenset({"properties", "tags", "location", "id", "name", "type", "scope"})
_MEMBERS = frozenset({"mode", "template", "parameters", "debugsetting", "whatifsettings", "validationlevel"})
_INNER = frozenset({"expressionevaluationoptions"})  # said beside a nested template; already followed
_REFUSED = {
    "templatelink": "a template elsewhere cannot be read: send the template itself",
    "parameterslink": "parameters elsewhere cannot be read: send them",
    "onerrordeployment": "nothing is deployed again by itself",
    "externalinputs": "values from outside are not read",
    "extensionconfigs": "there are no extensions of templates",
}
_FORMATS = {"fullresourcepayloads", "resourceidonly"}


@dataclass(frozen=True, slots=True)
class DeploymentBody:
    """``tags`` are the deployment's own. ``is_ids_only`` is for a what-if."""

    template: Any
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "Incremental"
    tags: Mapping[str, str] = field(default_factory=dict)
    is_ids_only: bool = False


async def read_deployment(request: Request) -> DeploymentBody:
    """Raises ``BadInput`` for a body that is no deployment. What the template says is not looked at."""
    check_media(request)
    return parse_deployment(read_json(await read_raw(request, BODY_MAX_BYTES)))


def parse_deployment(body: Any) -> DeploymentBody:
    """From the body of a PUT, of a validation, or of a nested deployment."""
    members = _lower(body, "the body")
    _refuse_unknown(members, _TOP, "")
    properties = _lower(members.get("properties"), "properties")
    for name, why in _REFUSED.items():
        if properties.get(name) is not None:
            raise BadInput(
                f"'{name}' is not supported: {why}.", code="InvalidRequestContent", target=f"properties.{name}"
            )
    _refuse_unknown(properties, _MEMBERS | _INNER | _REFUSED.keys(), "properties.")
    mode = _MODES.get(str(properties.get("mode", "")).lower())
    if mode is None:
        words = "properties.mode must be Incremental or Complete."
        raise BadInput(words, code="InvalidRequestContent", target="properties.mode")
    if not isinstance(properties.get("template"), Mapping):
        words = "properties.template must be the template, an object."
        raise BadInput(words, code="InvalidRequestContent", target="properties.template")
    parameters = _lower_keys_kept(properties.get("parameters"), "properties.parameters")
    return DeploymentBody(
        properties["template"], parameters, mode, _tags(members.get("tags")), _is_ids_only(properties)
    )


def _is_ids_only(properties: Mapping[str, Any]) -> bool:
    settings = _lower(properties.get("whatifsettings") or {}, "properties.whatIfSettings")
    wanted = str(settings.get("resultformat") or "FullResourcePayloads").lower()
    if wanted not in _FORMATS:
        words = "resultFormat must be FullResourcePayloads or ResourceIdOnly."
        raise BadInput(words, target="properties.whatIfSettings.resultFormat")
    return wanted == "resourceidonly"


def _tags(value: Any) -> Mapping[str, str]:
    tags = _lower_keys_kept(value, "tags")
    if not all(isinstance(each, str) for each in tags.values()):
        raise BadInput("The values of tags must be text.", target="tags")
    return tags


def _lower_keys_kept(value: Any, what: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadInput(f"'{what}' must be an object.", code="InvalidRequestContent", target=what)
    # az sends the whole of a parameters file where it is given as text.
    if what.endswith("parameters") and "$schema" in value and isinstance(value.get("parameters"), Mapping):
        return dict(value["parameters"])
    return value


def _lower(value: Any, what: str) -> Json:
    if not isinstance(value, Mapping):
        raise BadInput(f"'{what}' must be an object.", code="InvalidRequestContent", target=what)
    made = {str(key).lower(): inner for key, inner in value.items()}
    if len(made) != len(value):
        raise BadInput(
            f"'{what}' has a member twice, in different case.", code="InvalidRequestContent", target=what
        )
    return made


def _refuse_unknown(members: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    unknown = [name for name in members if name not in known]
    if unknown:
        path = f"{where}{unknown[0][:80]}"
        raise BadInput(f"The member '{path}' is not known.", code="InvalidRequestContent", target=path)
