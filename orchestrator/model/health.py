"""Application health as the Application Health extension defines it (reference 4.8). No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from orchestrator.model.custom_metrics import CustomMetrics


class Health(StrEnum):
    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    INITIALIZING = "Initializing"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """What to ask. ``is_rich`` is version 2.0 of the extension: the body names the state."""

    protocol: Literal["tcp", "http", "https"]
    port: int
    request_path: str = "/"
    interval_s: float = 5.0
    number_of_probes: int = 1
    grace_period_s: float = 5.0
    is_rich: bool = False
    timeout_s: float = 30.0

    @property
    def state_without_answer(self) -> Health:
        """What silence, a refusal or an unusable answer says of a guest.

        Binary knows no third state, so a guest that cannot be reached is unhealthy. In rich states http and
        https that say nothing leave it unknown; a tcp port that does not open is an answer: unhealthy."""
        return Health.UNKNOWN if self.is_rich and self.protocol != "tcp" else Health.UNHEALTHY


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One answer. ``health`` is what this answer alone says; ``detail`` is for people. ``metrics`` is ``None``
    unless the application itself answered in rich states."""

    health: Health
    detail: str = ""
    metrics: CustomMetrics | None = None
