"""The durable record of one scale set, and of the operations and events around it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from orchestrator.model.instance import Failure


@dataclass(frozen=True, slots=True)
class ScaleSet:
    """What is wanted. ``model`` is the canonical Resource Manager body without read-only and without
    write-only members; ``secrets`` maps the path of each write-only member to its value.

    ``version`` rises with every write (the ETag); ``model_version`` only when the virtual machine profile or
    the size changes: it is what ``latestModelApplied`` compares. ``proven_model_version`` is the newest model that
    an instance was seen healthy on (0: none yet). ``rebalanced_at`` is when an instance last moved to even out
    zones. ``uid`` is 12 hex digits.
    """

    uid: str
    subscription_id: str
    resource_group: str
    name: str
    location: str
    model: Mapping[str, Any]
    secrets: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    model_version: int = 1
    next_instance_id: int = 0
    created_at: float = 0.0
    changed_at: float = 0.0
    is_deleting: bool = False
    is_force_deleting: bool = False
    is_repair_suspended: bool = False
    is_rebalance_suspended: bool = False
    proven_model_version: int = 0
    rebalanced_at: float | None = None
    extension_sequences: Mapping[str, int] = field(default_factory=dict)
    failure: Failure | None = None

    @property
    def capacity(self) -> int:
        return 0 if self.is_deleting else int(self.model["sku"]["capacity"])

    @property
    def is_flexible(self) -> bool:
        """Whether its instances are VMs by themselves, too (``orchestrationMode``; it never changes)."""
        return bool(self.model["properties"].get("orchestrationMode") == "Flexible")

    @property
    def etag(self) -> str:
        return f'"{self.uid}-{self.version}"'

    @property
    def resource_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Compute/virtualMachineScaleSets/{self.name}"
        )

    def but(self, **changes: Any) -> ScaleSet:
        """A copy with these fields changed."""
        return replace(self, **changes)


class OperationKind(StrEnum):
    """What a long-running operation waits for."""

    CREATE_OR_UPDATE = "create_or_update"
    DELETE_SET = "delete_set"
    DELETE_INSTANCES = "delete_instances"
    START = "start"
    RESTART = "restart"
    POWER_OFF = "power_off"
    DEALLOCATE = "deallocate"
    REIMAGE = "reimage"
    UPGRADE = "upgrade"
    HIBERNATE = "hibernate"
    REDEPLOY = "redeploy"
    REAPPLY = "reapply"
    ROLLING_UPGRADE = "rolling_upgrade"  # of the same id as the upgrade
    CANCEL_UPGRADE = "cancel_upgrade"
    EXTENSION = "extension"
    CANCEL_EXTENSION = "cancel_extension"
    RUN_COMMAND = "run_command"
    DELETE_GROUP = "delete_group"  # of no set; ``target`` is the group's id
    DEPLOYMENT = "deployment"  # of no set; ``target`` is the deployment's id


class OperationStatus(StrEnum):
    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True)
class Operation:
    """A long-running operation (reference 3.2). It has an owner (the set's loop, or the Resource Manager's jobs
    where ``set_uid`` is empty) and a deadline. ``target`` is the id of what it works on, where that is not a set.

    ``instances`` maps instance id to what it must have reached: the generation for a reimage, the restart
    count for a restart, 0 where the id alone says it. ``output`` is what ``properties.output`` of the finished
    operation shows, where the operation has an answer.
    """

    id: str
    kind: OperationKind
    set_uid: str
    started_at: float
    deadline_at: float
    instances: Mapping[int, int] = field(default_factory=dict)
    status: OperationStatus = OperationStatus.IN_PROGRESS
    ended_at: float | None = None
    failure: Failure | None = None
    output: Any = None
    target: str = ""

    def but(self, **changes: Any) -> Operation:
        """A copy with these fields changed."""
        return replace(self, **changes)


class EventPhase(StrEnum):
    BEFORE = "before"
    AFTER = "after"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Event:
    """One step taken or fact noticed, with its reason in one sentence. ``seq`` is given by the store."""

    at: float
    kind: str
    phase: EventPhase
    reason: str
    set_uid: str | None = None
    set_name: str | None = None
    instance_id: int | None = None
    host: str | None = None
    outcome: str | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class HostRecord:
    """What the store keeps of a host besides its configuration. ``is_from_config`` hosts follow the file."""

    name: str
    config: Mapping[str, Any]
    is_from_config: bool = False
    is_draining: bool = False
    last_seen_at: float | None = None
