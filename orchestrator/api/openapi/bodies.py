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
from orchestrator.api.stored_kind import ChildKind, StoredKind
from orchestrator.model.arm.extensions import Extension, ExtensionProperties
from orchestrator.model.arm.instance_put import ProtectionPolicy
from orchestrator.model.arm.manager_bodies import GroupBody, TagsBody, TagsOnly
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
    "Deployment": _object(
        ("properties",),
        location={"type": "string"},
        tags={"type": "object", "additionalProperties": {"type": "string"}},
        properties={
            "type": "object",
            "required": ["mode", "template"],
            "properties": {
                "mode": {"enum": ["Incremental", "Complete"]},
                "template": {"type": "object"},
                "parameters": {"type": "object"},
                "whatIfSettings": _object(resultFormat={"enum": ["FullResourcePayloads", "ResourceIdOnly"]}),
            },
            "additionalProperties": False,
        },
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
    "identity.principals.put_principal": "PrincipalBody",
    "manager.groups.put_group": "GroupBody",
    "manager.groups.patch_group": f"GroupBody{UPDATE}",
    "manager.tags.replace_tags": "TagsBody",
    "manager.tags.change_tags": "TagsBody",
    "manager.export.export_group": "ExportBody",
    "manager.generic.patch_any": "TagsOnly",
    "deployments.routes.put_deployment": "Deployment",
    "deployments.routes.validate_deployment": "Deployment",
    "deployments.routes.ask_what_if": "Deployment",
}
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
    """Its module, below that of the whole API, and its name."""
    return f"{endpoint.__module__.removeprefix('orchestrator.api.')}.{endpoint.__name__}"


def body_name(endpoint: Callable[..., Any]) -> str | None:
    """The schema of the body that this route reads, whatever its resource."""
    return _BODIES.get(key_of(endpoint))


def model_of(kind: Kind) -> type[BaseModel] | None:
    """What a type of resource is read by, where the general routes serve it; ``None`` for what is only shown."""
    if isinstance(kind, StoredKind):
        return kind.shape.model
    if isinstance(kind, ChildKind):
        properties = _model_in(kind.parent.shape.model, "properties")
        names = {it.alias: name for name, it in properties.model_fields.items()}
        return _model_in(properties, names[kind.collection]) if kind.collection in names else None
    return None


def _model_in(model: type[BaseModel], member: str) -> type[BaseModel]:
    """That of a member, or of its elements."""
    waiting: list[Any] = [model.model_fields[member].annotation]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
        waiting += getattr(found, "__args__", ())
    raise TypeError(f"{model.__name__}.{member} holds no model")


def form_of(endpoint: Callable[..., Any]) -> Json | None:
    """The form of the one request that has one."""
    is_login = endpoint.__module__.endswith(".login") and endpoint.__name__.endswith("token")
    return _LOGIN if is_login else None
