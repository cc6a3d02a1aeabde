"""Which body each route reads: by the module and name of its function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from orchestrator.api.kinds import Kind
from orchestrator.api.local_hosts import HostBody
from orchestrator.api.manager.export import ExportBody
from orchestrator.api.openapi.schemas import UPDATE, Json, ref
from orchestrator.api.reimage_body import ReimageParameters
from orchestrator.model.arm.extensions import Extension, ExtensionProperties
from orchestrator.model.arm.instance_put import ProtectionPolicy
from orchestrator.model.arm.manager_bodies import GroupBody, TagsBody, TagsOnly
from orchestrator.model.arm.names import SCALE_SET_TYPE
from orchestrator.model.arm.run_command import ManagedRunCommand, RunCommandInput
from orchestrator.model.arm.scale_set import CAPACITY_MAX, ScaleSetResource
from orchestrator.model.arm.service_views import SERVICE_NAMES
from orchestrator.model.principal import Role

MODELS: tuple[type[BaseModel], ...] = (
    ScaleSetResource,
    Extension,
    ExtensionProperties,
    ProtectionPolicy,
    ReimageParameters,
    RunCommandInput,
    ManagedRunCommand,
    HostBody,
    GroupBody,
    TagsBody,
    TagsOnly,
    ExportBody,
)


def _object(required: tuple[str, ...] = (), **properties: Json) -> Json:
    made: Json = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": list(required)} if required else {})


_IDS: Json = {"type": "array", "items": {"type": "string"}, "minItems": 1, "examples": [["0", "1"], ["*"]]}
OWN_SCHEMAS: Json = {
    "InstanceIds": _object(instanceIds=_IDS),
    "RequiredInstanceIds": _object(("instanceIds",), instanceIds=_IDS),
    "NoBody": _object(),
    "ScaleOut": _object(("capacity",), capacity={"type": "integer", "minimum": 1, "maximum": CAPACITY_MAX}),
    "SinglePlacementGroup": _object(activePlacementGroupId={"type": "string"}),
    "ServiceAction": _object(
        ("serviceName", "action"),
        serviceName={"enum": list(SERVICE_NAMES)},
        action={"enum": ["Suspend", "Resume"]},
    ),
    "Instance": {
        "type": "object",
        "description": "Of an instance, its protection can be put; all else may be sent back as GET shows it.",
        "properties": {
            "properties": {"type": "object", "properties": {"protectionPolicy": ref("ProtectionPolicy")}}
        },
    },
    "ExtensionOfInstance": _object(
        ("properties",),
        name={"type": "string"},
        location={"type": "string"},
        properties=ref("ExtensionProperties"),
    ),
    "ExtensionOfSet": _object(("properties",), name={"type": "string"}, properties=ref("ExtensionProperties")),
    "PrincipalBody": _object(
        ("properties",), properties=_object(("role",), role={"enum": [role.value for role in Role]})
    ),
    "Generic": {"type": "object", "description": "As the type of resource has it."},
}

# A body of ``Update`` is that of a PATCH: see schemas.all_schemas.
_BODIES: dict[str, str] = {
    "compute_scale_sets.put_set": "ScaleSetResource",
    "compute_scale_sets.patch_set": f"ScaleSetResource{UPDATE}",
    "compute_set_verbs.start": "InstanceIds",
    "compute_set_verbs.restart": "InstanceIds",
    "compute_set_verbs.power_off": "InstanceIds",
    "compute_set_verbs.deallocate": "InstanceIds",
    "compute_set_verbs.redeploy": "InstanceIds",
    "compute_set_verbs.perform_maintenance": "InstanceIds",
    "compute_set_verbs.reimage": "ReimageParameters",
    "compute_set_verbs.scale_out": "ScaleOut",
    "compute_set_verbs.convert_to_single_placement_group": "SinglePlacementGroup",
    "compute_set_verbs.upgrade": "RequiredInstanceIds",
    "compute_set_verbs.delete_instances": "RequiredInstanceIds",
    "compute_set_verbs.set_orchestration_service_state": "ServiceAction",
    "compute_instances.put_instance": "Instance",
    "compute_instances.reimage": "ReimageParameters",
    "compute_extensions.put_extension": "ExtensionOfSet",
    "compute_extensions.patch_extension": f"ExtensionOfSet{UPDATE}",
    "compute_vm_extensions.put_own_extension": "ExtensionOfInstance",
    "compute_vm_extensions.patch_own_extension": f"ExtensionOfInstance{UPDATE}",
    "compute_run_commands.run_command": "RunCommandInput",
    "compute_run_commands.put_run_command": "ManagedRunCommand",
    "compute_run_commands.patch_run_command": f"ManagedRunCommand{UPDATE}",
    "compute_upgrades.start_os_upgrade": "NoBody",
    "compute_upgrades.start_extension_upgrade": "NoBody",
    "compute_upgrades.cancel": "NoBody",
    "local_hosts.put_host": "HostBody",
    "principals.put_principal": "PrincipalBody",
    "groups.put_group": "GroupBody",
    "groups.patch_group": f"GroupBody{UPDATE}",
    "tags.replace_tags": "TagsBody",
    "tags.change_tags": "TagsBody",
    "export.export_group": "ExportBody",
    "generic.put_any": "Generic",
    "generic.patch_any": "TagsOnly",
}
_OF_TYPE = {SCALE_SET_TYPE.lower(): "ScaleSetResource"}
_LOGIN: Json = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"enum": ["client_credentials"]},
        "client_id": {"type": "string"},
        "client_secret": {"type": "string"},
        "scope": {"type": "string"},
        "resource": {"type": "string"},
    },
}


def key_of(endpoint: Callable[..., Any]) -> str:
    return f"{endpoint.__module__.rpartition('.')[2]}.{endpoint.__name__}"


def body_name(endpoint: Callable[..., Any]) -> str:
    """The schema of the body that this route reads."""
    return _BODIES.get(key_of(endpoint), "Generic")


def body_of_type(kind: Kind, method: str) -> str:
    """Of the general routes, for one type of resource."""
    return "TagsOnly" if method == "patch" else _OF_TYPE.get(kind.type.lower(), "Generic")


def body_names() -> dict[str, str]:
    return dict(_BODIES)


def form_of(endpoint: Callable[..., Any]) -> Json | None:
    """The form of the one request that has one."""
    is_login = endpoint.__module__.endswith(".login") and key_of(endpoint).endswith("token")
    return _LOGIN if is_login else None
