"""One rolling upgrade: its durable record (reference 3.1 ``rollingUpgrades/latest``, 4.5, 4.6). No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from orchestrator.model.instance import Failure


class RollingStatus(StrEnum):
    """``runningStatus.code``."""

    ROLLING_FORWARD = "RollingForward"
    ROLLING_BACK = "RollingBack"
    CANCELLED = "Cancelled"
    COMPLETED = "Completed"
    FAULTED = "Faulted"


class UpgradeReason(StrEnum):
    """What it brings to the instances."""

    MODEL = "model"
    OS_IMAGE = "os_image"
    EXTENSIONS = "extensions"


@dataclass(frozen=True, slots=True)
class RollingUpgrade:
    """Where an upgrade stands. Pure values: the planner reads one and gives back the next.

    ``model_version`` is what instances are brought to. ``image_version`` is the exact image for an upgrade of the
    image. ``batch`` maps each instance of the batch under way to the model version it had before (to go back to),
    ``batch_images`` to the image version it stood on; ``surged`` holds new instances made for that batch.
    ``upgraded``, ``failed``, ``rolled_back`` are instance ids. ``phases`` is what the instances' health said of
    their order when it began (reference 4.5, custom ordering); ``skipped`` asked to be left alone. Times are epoch
    seconds.
    """

    id: str
    set_uid: str
    reason: UpgradeReason
    model_version: int
    started_at: float
    started_by: Literal["User", "Platform"] = "User"
    image_version: str | None = None
    previous_model_version: int | None = None
    status: RollingStatus = RollingStatus.ROLLING_FORWARD
    is_cancel_wanted: bool = False
    last_action: Literal["Start", "Cancel"] = "Start"
    last_action_at: float = 0.0
    ended_at: float | None = None
    batch_number: int = 0
    batch: Mapping[int, int] = field(default_factory=dict)
    batch_images: Mapping[int, str] = field(default_factory=dict)
    batch_began_at: float | None = None
    surged: tuple[int, ...] = ()
    paused_until: float | None = None
    upgraded: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    rolled_back: tuple[int, ...] = ()
    phases: Mapping[int, int] = field(default_factory=dict)
    skipped: tuple[int, ...] = ()
    failure: Failure | None = None

    @property
    def is_running(self) -> bool:
        return self.status in {RollingStatus.ROLLING_FORWARD, RollingStatus.ROLLING_BACK}

    def but(self, **changes: Any) -> RollingUpgrade:
        """A copy with these fields changed."""
        return replace(self, **changes)
