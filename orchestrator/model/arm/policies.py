"""The set-level policies of a scale set (reference 1.2). Changing one never touches an instance's disk."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.base import ArmEnum, ArmModel, Duration, Flag, Whole, Within, bad_value
from orchestrator.model.arm.problems import as_detail, error_of
from orchestrator.model.health import ProbeSettings
from orchestrator.model.health_extension import parse_health_extension

GRACE_MIN = timedelta(seconds=1)
GRACE_MAX = timedelta(minutes=90)
BUSY_MIN, BUSY_MAX = timedelta(seconds=1), timedelta(hours=24)
_BUSY_ANSWER_S = 3.0
PROBE_PATH = "properties.externalHealthProbe"


class RepairAction(ArmEnum):
    REPLACE = "Replace"
    RESTART = "Restart"
    REIMAGE = "Reimage"


class AutomaticRepairsPolicy(ArmModel):
    """Azure's grace period is at least 10 minutes; ours starts at one second (docs/azure-differences.md)."""

    enabled: Flag = False
    grace_period: Annotated[Duration, Within(GRACE_MIN, GRACE_MAX)] = timedelta(minutes=10)
    repair_action: RepairAction = RepairAction.REPLACE


class ScaleInRule(ArmEnum):
    DEFAULT = "Default"
    OLDEST_VM = "OldestVM"
    NEWEST_VM = "NewestVM"


class ScaleInPolicy(ArmModel):
    rules: tuple[ScaleInRule, ...] = (ScaleInRule.DEFAULT,)
    force_deletion: Flag = False
    prioritize_unhealthy_vms: Flag = Field(default=False, alias="prioritizeUnhealthyVMs")

    @field_validator("rules")
    @classmethod
    def _one_rule(cls, value: tuple[ScaleInRule, ...]) -> tuple[ScaleInRule, ...]:
        if len(value) != 1:
            raise bad_value("must have exactly one rule")
        return value

    @property
    def rule(self) -> ScaleInRule:
        return self.rules[0]


class ProbeProtocol(ArmEnum):
    TCP = "tcp"
    HTTP = "http"
    HTTPS = "https"


class ExternalHealthProbe(ArmModel):
    """Our own: asks each guest over the network, from outside, until load balancers bring their probes.

    Its members and rules are those of the Application Health extension 1.0 (reference 4.8)."""

    protocol: ProbeProtocol
    port: Whole | None = None
    request_path: str | None = None
    interval_in_seconds: Whole | None = None
    number_of_probes: Whole | None = None

    def settings(self) -> ProbeSettings:
        """As the prober takes it. Raises ``BadInput`` for members that do not fit together."""
        try:
            return parse_health_extension(self.to_json(), None, "1.0", PROBE_PATH)
        except BadInput as error:
            details = [_at_probe(each) for each in error.details or (as_detail(error),)]
        raise error_of(details)


class BusyProtocol(ArmEnum):
    HTTP = "http"
    HTTPS = "https"


class BusyProbe(ArmModel):
    """Our own: by it a guest asks to be left alone. It is busy while it answers with HTTP status 200, for at most
    ``deadline`` after it was to be touched."""

    protocol: BusyProtocol = BusyProtocol.HTTP
    port: Annotated[Whole, Field(ge=1, le=65535)]
    request_path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=2048)] = "/"
    deadline: Annotated[Duration, Within(BUSY_MIN, BUSY_MAX)] = timedelta(minutes=5)

    @property
    def settings(self) -> ProbeSettings:
        """As the prober takes it."""
        return ProbeSettings(self.protocol.value, self.port, self.request_path, timeout_s=_BUSY_ANSWER_S)


def _at_probe(detail: ErrorDetail) -> ErrorDetail:
    """The extension keeps its members below ``settings``, the probe has them itself."""
    below = f"{PROBE_PATH}.settings"
    target = (detail.target or PROBE_PATH).replace(below, PROBE_PATH)
    return ErrorDetail(detail.code, detail.message.replace(below, PROBE_PATH), target)
