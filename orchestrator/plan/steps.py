"""Steps: frozen values with ids and one plain sentence of reason.

A *decision* changes rows only and is committed at once; an *action* touches a host or a guest and is
carried out afterwards. So the store always knows first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from orchestrator.model.instance import Cause, Stage


@dataclass(frozen=True, slots=True)
class Step:
    """What every step has. ``kind`` is its name in events, plans and golden logs."""

    kind: ClassVar[str] = "step"
    instance_id: int
    reason: str


# Decisions


@dataclass(frozen=True, slots=True)
class AddInstance(Step):
    """A new row, on ``host``, or waiting for room when ``host`` is ``None``."""

    kind: ClassVar[str] = "add"
    host: str | None
    zone: str | None
    fault_domain: int | None
    cause: Cause
    repairs: int = 0
    shortage: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceInstance(Step):
    """A waiting row gets its place."""

    kind: ClassVar[str] = "place"
    host: str
    zone: str
    fault_domain: int


@dataclass(frozen=True, slots=True)
class GiveUpInstance(Step):
    """Wanted no more: the row stays until nothing of it is left."""

    kind: ClassVar[str] = "delete"
    cause: Cause


@dataclass(frozen=True, slots=True)
class DeclareLost(Step):
    """Its host was silent past the lease; it is fenced when the host returns."""

    kind: ClassVar[str] = "declare_lost"


@dataclass(frozen=True, slots=True)
class ForgetInstance(Step):
    """Nothing of it can be left anywhere: drop the row."""

    kind: ClassVar[str] = "forget"


@dataclass(frozen=True, slots=True)
class Advance(Step):
    """On to the next stage."""

    kind: ClassVar[str] = "advance"
    stage: Stage


@dataclass(frozen=True, slots=True)
class FailInstance(Step):
    """Provisioning ended badly."""

    kind: ClassVar[str] = "fail"
    code: str


@dataclass(frozen=True, slots=True)
class RepairInPlace(Step):
    """Restart or reimage the instance under its own id."""

    kind: ClassVar[str] = "repair"
    is_reimage: bool


# Actions


@dataclass(frozen=True, slots=True)
class CreateGuest(Step):
    kind: ClassVar[str] = "create"
    host: str


@dataclass(frozen=True, slots=True)
class RemoveGuest(Step):
    """Take it away with its disk: shut down politely first unless ``is_hard``."""

    kind: ClassVar[str] = "remove"
    host: str
    is_hard: bool


@dataclass(frozen=True, slots=True)
class RestartGuest(Step):
    kind: ClassVar[str] = "restart"
    host: str


@dataclass(frozen=True, slots=True)
class StopGuest(Step):
    """Power off: asked politely first unless ``is_hard``."""

    kind: ClassVar[str] = "stop"
    host: str
    is_hard: bool


@dataclass(frozen=True, slots=True)
class DeallocateGuest(Step):
    kind: ClassVar[str] = "deallocate"
    host: str
    is_hard: bool


@dataclass(frozen=True, slots=True)
class AwaitGuest(Step):
    """Wait until the operating system answers."""

    kind: ClassVar[str] = "await"


@dataclass(frozen=True, slots=True)
class RunExtension(Step):
    kind: ClassVar[str] = "extension"
    name: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered steps. ``notes`` say why something is *not* done; ``look_again_at`` is when time alone may
    change the answer."""

    decisions: tuple[Step, ...] = ()
    actions: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    look_again_at: float | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.decisions + self.actions


@dataclass(slots=True)
class Draft:
    """A plan in the making; local to one call of the planner."""

    decisions: list[Step] = field(default_factory=list)
    actions: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wake_times: list[float] = field(default_factory=list)

    def done(self) -> Plan:
        return Plan(
            tuple(self.decisions),
            tuple(self.actions),
            tuple(self.notes),
            min(self.wake_times) if self.wake_times else None,
        )
