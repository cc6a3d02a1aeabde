"""``properties.upgradePolicy`` (reference 1.2, 4.5, 4.6): how instances come to a newer model."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Duration, Flag, Only, Whole, Within

CANARIES_MAX = 1000
Pause = Annotated[Duration, Within(timedelta(0), timedelta(hours=24))]


class UpgradeMode(ArmEnum):
    AUTOMATIC = "Automatic"
    MANUAL = "Manual"
    ROLLING = "Rolling"


class RollingUpgradePolicy(ArmModel):
    """The batches of a rolling upgrade. The last three are ours (docs/azure-differences.md):
    ``rollback_model_on_policy_breach`` puts the set's own model back to the last one proven healthy,
    ``canary_instance_count`` makes the first batch that big, and ``canary_pause`` follows it."""

    quiet: ClassVar[frozenset[str]] = frozenset(
        {"rollback_model_on_policy_breach", "canary_instance_count", "canary_pause"}
    )
    max_batch_instance_percent: Annotated[Whole, Field(ge=5, le=100)] = 20
    max_unhealthy_instance_percent: Annotated[Whole, Field(ge=5, le=100)] = 20
    max_unhealthy_upgraded_instance_percent: Annotated[Whole, Field(ge=0, le=100)] = 20
    pause_time_between_batches: Pause = timedelta(0)
    enable_cross_zone_upgrade: Flag = False
    prioritize_unhealthy_instances: Flag = False
    max_surge: Flag = False
    rollback_failed_instances_on_policy_breach: Flag = False
    rollback_model_on_policy_breach: Flag = False
    canary_instance_count: Annotated[Whole, Field(ge=0, le=CANARIES_MAX)] = 0
    canary_pause: Pause = timedelta(0)


class AutomaticOsUpgradePolicy(ArmModel):
    """Whether instances follow a newer version of their image by themselves (reference 4.6)."""

    enable_automatic_os_upgrade: Flag = Field(default=False, alias="enableAutomaticOSUpgrade")
    disable_automatic_rollback: Flag = False
    use_rolling_upgrade_policy: Flag = False
    os_rolling_upgrade_deferral: Annotated[
        Flag, Only((False,), "guests cannot be asked for their approval: there is no metadata service yet")
    ] = False


class UpgradePolicy(ArmModel):
    """The rolling policy is shown once the mode is Rolling; its defaults are there in every mode."""

    quiet: ClassVar[frozenset[str]] = frozenset({"rolling_upgrade_policy", "automatic_os_upgrade_policy"})
    mode: UpgradeMode = UpgradeMode.MANUAL
    rolling_upgrade_policy: RollingUpgradePolicy = RollingUpgradePolicy()
    automatic_os_upgrade_policy: AutomaticOsUpgradePolicy = Field(
        default=AutomaticOsUpgradePolicy(), alias="automaticOSUpgradePolicy"
    )

    @model_validator(mode="after")
    def _show_the_rolling_policy(self) -> Self:
        if self.mode is not UpgradeMode.ROLLING or "rolling_upgrade_policy" in self.model_fields_set:
            return self
        return self.model_copy(update={"rolling_upgrade_policy": self.rolling_upgrade_policy})
