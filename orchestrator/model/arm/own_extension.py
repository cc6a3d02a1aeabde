"""Extensions of one instance as bodies and as resources (reference 3.1: VM/extensions)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.errors import BadInput, ErrorDetail, NotPossible
from orchestrator.model.arm.extension_views import extension_view
from orchestrator.model.arm.extensions import Extension, ExtensionProfile
from orchestrator.model.arm.instance_resources import extension_state
from orchestrator.model.arm.instance_views import Subject
from orchestrator.model.arm.merge import merge_body
from orchestrator.model.arm.problems import as_detail, parsed, raise_problems
from orchestrator.model.arm.statuses import Json
from orchestrator.model.custom_script import parse_custom_script
from orchestrator.model.instance import Instance
from orchestrator.model.own_extension import PROTECTED, OwnExtension

OWN_EXTENSION_TYPE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/extensions"
_OWN = "own"
_PLACE = ("location", "name")


def parse_own_extension(body: Mapping[str, Any], name: str, others: Sequence[Mapping[str, Any]]) -> Extension:
    """The extension that a body describes, beside the ``others`` of its instance. Raises ``BadInput`` that names
    every offence, or ``NotPossible``."""
    given = {key: value for key, value in body.items() if key.lower() not in _PLACE}
    extension = parsed(Extension, {**given, "name": name})
    if extension.is_application_health:
        words = "The Application Health extension is for the whole scale set: put it into the model."
        raise NotPossible(words, target="properties.type")
    raise_problems(_script_problems(extension))
    whole = [*others, extension.to_json()]
    profile = parsed(ExtensionProfile, {"extensions": whole})
    return profile.find(name) or extension


def _script_problems(extension: Extension) -> list[ErrorDetail]:
    given = extension.properties
    try:
        parse_custom_script(given.settings, given.protected_settings, given.type_handler_version, "properties")
    except BadInput as error:
        return list(error.details) or [as_detail(error)]
    return []


def as_own(extension: Extension, row: Instance, old: OwnExtension | None) -> OwnExtension:
    """The record. Its number rises when it has to run (again), and is above that of a run under the same name."""
    properties = extension.to_json()["properties"]
    hidden = {PROTECTED: properties.pop(PROTECTED)} if PROTECTED in properties else {}
    ran = row.extensions.get(extension.name)
    sequence = old.sequence if old else 1 + (ran.sequence if ran else 0)
    if old and Extension.model_validate(old.whole_body).fingerprint != extension.fingerprint:
        sequence += 1
    return OwnExtension(row.set_uid, row.instance_id, extension.name, properties, hidden, sequence)


def merged_own(old: OwnExtension, body: Mapping[str, Any], *, is_patch: bool) -> dict[str, Any]:
    """The body to parse anew: a PATCH changes what it names, a PUT replaces all. Both keep ``protectedSettings``
    that they do not name: no client can read them, so none could send them back."""
    if is_patch:
        return merge_body(old.whole_body, body)
    properties = next((value for key, value in body.items() if key.lower() == "properties"), None)
    if not isinstance(properties, Mapping) or any(key.lower() == PROTECTED.lower() for key in properties):
        return dict(body)
    rest = {key: value for key, value in body.items() if key.lower() != "properties"}
    return {**rest, "properties": {**properties, **old.secrets}}


def with_own(model: Mapping[str, Any], own: Iterable[OwnExtension]) -> Mapping[str, Any]:
    """A model as it is on an instance that has extensions of its own. Those are marked, where nothing shows it."""
    extra = [{**each.body, _OWN: True} for each in own]
    if not extra:
        return model
    profile = model["properties"]["virtualMachineProfile"]
    extensions = {
        **profile["extensionProfile"],
        "extensions": [*profile["extensionProfile"]["extensions"], *extra],
    }
    profile = {**profile, "extensionProfile": extensions}
    return {**model, "properties": {**model["properties"], "virtualMachineProfile": profile}}


def own_extension_resource(it: Subject, extension: Mapping[str, Any], *, is_expanded: bool) -> Json:
    """One extension of an instance, of its model or its own."""
    state = extension_state(extension, it.row)
    properties = {**extension["properties"], "provisioningState": state}
    if is_expanded:
        properties["instanceView"] = extension_view(extension, it.row, it.look)
    return {
        "name": extension["name"],
        "id": f"{it.resource_id}/extensions/{extension['name']}",
        "type": OWN_EXTENSION_TYPE,
        "location": it.record.location,
        "properties": properties,
    }
