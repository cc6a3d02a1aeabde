"""The durable record of one template deployment. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from orchestrator.model.instance import Failure
from orchestrator.model.resource import group_key


class DeploymentState(StrEnum):
    ACCEPTED = "Accepted"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_ended(self) -> bool:
        return self not in {DeploymentState.ACCEPTED, DeploymentState.RUNNING}


@dataclass(frozen=True, slots=True)
class Deployment:
    """``operation_id`` is the long-running operation of the PUT. ``secrets`` (sealed in the store) hold the
    template and the parameters as they were sent: either may hold a secret anywhere. The rest may be shown."""

    subscription_id: str
    resource_group: str
    name: str
    operation_id: str
    started_at: float
    changed_at: float
    state: DeploymentState = DeploymentState.ACCEPTED
    mode: str = "Incremental"
    correlation_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    is_to_cancel: bool = False
    ended_at: float | None = None
    failure: Failure | None = None
    secrets: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{group_key(self.subscription_id, self.resource_group)}/{self.name}".lower()

    def but(self, **changes: Any) -> Deployment:
        """A copy with these fields changed."""
        return replace(self, **changes)
