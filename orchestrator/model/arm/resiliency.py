"""``properties.resiliencyPolicy`` (reference 1.2, 4.2, 4.11): what is tried again, and zones evened out."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Refused


class RebalanceStrategy(ArmEnum):
    RECREATE = "Recreate"


class RebalanceBehavior(ArmEnum):
    CREATE_BEFORE_DELETE = "CreateBeforeDelete"


class AutomaticZoneRebalancingPolicy(ArmModel):
    """Moves one instance at a time from the fullest zone to the emptiest."""

    enabled: Flag = False
    rebalance_strategy: RebalanceStrategy = RebalanceStrategy.RECREATE
    rebalance_behavior: RebalanceBehavior = RebalanceBehavior.CREATE_BEFORE_DELETE


class Switch(ArmModel):
    enabled: Flag = False


class OperationRecoverySettings(ArmModel):
    """Kept only: here an operation that failed is always tried again."""

    restart_recovery_policy: Switch | None = None
    start_recovery_policy: Switch | None = None
    reimage_recovery_policy: Switch | None = None


class ResiliencyPolicy(ArmModel):
    """The resilient policies and the recovery settings are kept only: the loop always tries again."""

    quiet: ClassVar[frozenset[str]] = frozenset({"automatic_zone_rebalancing_policy"})
    resilient_vm_creation_policy: Switch | None = Field(default=None, alias="resilientVMCreationPolicy")
    resilient_vm_deletion_policy: Switch | None = Field(default=None, alias="resilientVMDeletionPolicy")
    automatic_zone_rebalancing_policy: AutomaticZoneRebalancingPolicy = AutomaticZoneRebalancingPolicy()
    zone_allocation_policy: Annotated[
        Any, Refused("instances are spread over all zones that 'zones' names, and zoneBalance keeps them even")
    ] = None
    operation_recovery_settings: OperationRecoverySettings | None = None
