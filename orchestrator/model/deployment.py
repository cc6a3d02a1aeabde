"""The durable record of one template deployment. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

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


class StepState(StrEnum):
    WAITING = "Waiting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class DeploymentStep:
    """One resource of a deployment, in the template's order. ``operation_id`` is what it waits for while it runs;
    ``is_existing``: it is only read. ``waits_for`` are indexes of steps that come before it."""

    resource_id: str
    type: str
    waits_for: tuple[int, ...] = ()
    is_existing: bool = False
    state: StepState = StepState.WAITING
    operation_id: str | None = None
    is_new: bool = True
    started_at: float | None = None
    ended_at: float | None = None
    error: Mapping[str, Any] | None = None

    @property
    def is_done(self) -> bool:
        return self.state in {StepState.SUCCEEDED, StepState.FAILED}

    def but(self, **changes: Any) -> DeploymentStep:
        """A copy with these fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Deployment:
    """``operation_id`` is the long-running operation of the PUT. ``secrets`` (sealed in the store) hold the
    ``template`` and the ``parameters`` as they were sent: either may hold a secret anywhere. The rest may be shown:
    ``shown_parameters`` and ``outputs`` are without secure values, ``error`` is an envelope's ``error``."""

    subscription_id: str
    resource_group: str
    name: str
    operation_id: str
    started_at: float
    changed_at: float
    state: DeploymentState = DeploymentState.ACCEPTED
    mode: str = "Incremental"
    correlation_id: str = ""
    template_hash: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    is_to_cancel: bool = False
    ended_at: float | None = None
    error: Mapping[str, Any] | None = None
    shown_parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[DeploymentStep, ...] | None = None
    secrets: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{group_key(self.subscription_id, self.resource_group)}/{self.name}".lower()

    @property
    def id(self) -> str:
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.Resources/deployments/{self.name}"

    def but(self, **changes: Any) -> Deployment:
        """A copy with these fields changed."""
        return replace(self, **changes)
