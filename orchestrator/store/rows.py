"""From records to rows and back. The only place that knows both shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from orchestrator.model.claim import Claim
from orchestrator.model.deployment import Deployment
from orchestrator.model.instance import Cause, ExtensionState, Failure, Instance, Protection, Stage, WantedPower
from orchestrator.model.own_extension import OwnExtension
from orchestrator.model.principal import Principal, Role
from orchestrator.model.resource import ResourceGroup, StoredResource, group_key
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.model.rolling_upgrade import RollingUpgrade
from orchestrator.model.run_command import RunCommand
from orchestrator.model.scale_set import (
    Event,
    EventPhase,
    HostRecord,
    Operation,
    OperationKind,
    OperationStatus,
    ScaleSet,
)
from orchestrator.store.seal import Seal

Row = Mapping[str, Any]
_ROLLING_UPGRADE = TypeAdapter(RollingUpgrade)
_RUN_COMMAND = TypeAdapter(RunCommand)
_DEPLOYMENT = TypeAdapter(Deployment)


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _failure_out(failure: Failure | None) -> dict[str, Any] | None:
    return None if failure is None else asdict(failure)


def _failure_in(value: Any) -> Failure | None:
    return None if value is None else Failure(**value)


def set_to_row(record: ScaleSet, seal: Seal) -> dict[str, Any]:
    row = _fields(record)
    row["model"] = dict(record.model)
    row["secrets"] = seal.close_values(record.secrets)
    row["extension_sequences"] = dict(record.extension_sequences)
    row["failure"] = _failure_out(record.failure)
    row["name_key"] = name_key(record.subscription_id, record.resource_group, record.name)
    return row


def name_key(subscription_id: str, resource_group: str, name: str) -> str:
    """Resource names are case-insensitive (reference 3.1)."""
    return f"{subscription_id}/{resource_group}/{name}".lower()


def row_to_set(row: Row, seal: Seal) -> ScaleSet:
    values = {name: row[name] for name in ScaleSet.__dataclass_fields__}
    values["secrets"] = seal.open_values(row["secrets"])
    values["failure"] = _failure_in(row["failure"])
    return ScaleSet(**values)


def instance_to_row(record: Instance, seal: Seal | None) -> dict[str, Any]:
    """Without ``seal`` the private host key is left out."""
    row = _fields(record)
    del row["host_key_private"]
    if seal:
        row["host_key_private"] = seal.close_text(record.host_key_private)
    row["failure"] = _failure_out(record.failure)
    row["protection"] = asdict(record.protection)
    row["extensions"] = {name: asdict(state) for name, state in record.extensions.items()}
    return row


def row_to_instance(row: Row) -> Instance:
    """The private host key stays sealed here: only ``Store.host_key`` opens it, for the seed."""
    values = {name: row[name] for name in Instance.__dataclass_fields__}
    values["host_key_private"] = ""
    values["stage"] = Stage(row["stage"])
    values["wanted_power"] = WantedPower(row["wanted_power"])
    values["cause"] = Cause(row["cause"])
    values["failure"] = _failure_in(row["failure"])
    values["protection"] = Protection(**row["protection"])
    values["extensions"] = {name: ExtensionState(**state) for name, state in row["extensions"].items()}
    return Instance(**values)


def operation_to_row(record: Operation) -> dict[str, Any]:
    row = _fields(record)
    row["instances"] = {str(key): value for key, value in record.instances.items()}
    row["failure"] = _failure_out(record.failure)
    return row


def row_to_operation(row: Row) -> Operation:
    values = {name: row[name] for name in Operation.__dataclass_fields__}
    values["kind"] = OperationKind(row["kind"])
    values["status"] = OperationStatus(row["status"])
    values["instances"] = {int(key): value for key, value in row["instances"].items()}
    values["failure"] = _failure_in(row["failure"])
    return Operation(**values)


def own_extension_to_row(record: OwnExtension, seal: Seal) -> dict[str, Any]:
    row = _fields(record)
    row |= {"name_key": record.name.lower(), "properties": dict(record.properties)}
    row["secrets"] = seal.close_values(record.secrets)
    return row


def row_to_own_extension(row: Row, seal: Seal) -> OwnExtension:
    values = {name: row[name] for name in OwnExtension.__dataclass_fields__}
    return OwnExtension(**{**values, "secrets": seal.open_values(row["secrets"])})


def run_command_to_row(record: RunCommand, seal: Seal) -> dict[str, Any]:
    """All but the secrets is one body: nothing of it is asked for by the database."""
    return {
        "set_uid": record.set_uid,
        "instance_id": record.instance_id,
        "name_key": record.name.lower(),
        "body": _RUN_COMMAND.dump_python(record, mode="json", exclude={"secrets"}),
        "secrets": seal.close_values(record.secrets),
    }


def row_to_run_command(row: Row, seal: Seal) -> RunCommand:
    return _RUN_COMMAND.validate_python({**row["body"], "secrets": seal.open_values(row["secrets"])})


def claim_to_row(record: Claim) -> dict[str, Any]:
    return _fields(record)


def row_to_claim(row: Row) -> Claim:
    return Claim(**{name: row[name] for name in Claim.__dataclass_fields__})


def rolling_upgrade_to_row(record: RollingUpgrade) -> dict[str, Any]:
    body = _ROLLING_UPGRADE.dump_python(record, mode="json")
    return {"id": record.id, "set_uid": record.set_uid, "started_at": record.started_at, "body": body}


def row_to_rolling_upgrade(row: Row) -> RollingUpgrade:
    return _ROLLING_UPGRADE.validate_python(row["body"])


def event_to_row(record: Event) -> dict[str, Any]:
    row = _fields(record)
    del row["seq"]
    return row


def row_to_event(row: Row) -> Event:
    values = {name: row[name] for name in Event.__dataclass_fields__}
    values["phase"] = EventPhase(row["phase"])
    return Event(**values)


def row_to_host(row: Row) -> HostRecord:
    return HostRecord(**{name: row[name] for name in HostRecord.__dataclass_fields__})


def group_to_row(record: ResourceGroup) -> dict[str, Any]:
    return _fields(record) | {"key": record.key, "tags": dict(record.tags)}


def row_to_group(row: Row) -> ResourceGroup:
    return ResourceGroup(**{name: row[name] for name in ResourceGroup.__dataclass_fields__})


def resource_to_row(record: StoredResource, seal: Seal) -> dict[str, Any]:
    row = _fields(record) | {"key": record.key, "id": str(record.id), "body": dict(record.body)}
    row["group_key"] = group_key(record.id.subscription_id, record.id.resource_group)
    row["type_key"] = record.id.type.lower()
    row["secrets"] = seal.close_values(record.secrets)
    return row


def row_to_resource(row: Row, seal: Seal) -> StoredResource:
    values = {name: row[name] for name in StoredResource.__dataclass_fields__}
    values["id"] = parse_resource_id(row["id"])
    values["secrets"] = seal.open_values(row["secrets"])
    return StoredResource(**values)


def deployment_to_row(record: Deployment, seal: Seal) -> dict[str, Any]:
    """All but the secrets is one body: only its group, its age and its end are asked for by the database."""
    return {
        "key": record.key,
        "group_key": group_key(record.subscription_id, record.resource_group),
        "started_at": record.started_at,
        "is_ended": record.state.is_ended,
        "body": _DEPLOYMENT.dump_python(record, mode="json", exclude={"secrets"}),
        "secrets": seal.close_values(record.secrets),
    }


def row_to_deployment(row: Row, seal: Seal) -> Deployment:
    return _DEPLOYMENT.validate_python({**row["body"], "secrets": seal.open_values(row["secrets"])})


def row_to_principal(row: Row) -> Principal:
    values = {name: row[name] for name in Principal.__dataclass_fields__}
    return Principal(**{**values, "role": Role(row["role"])})
