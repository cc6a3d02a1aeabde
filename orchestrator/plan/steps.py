"""Steps: frozen values with ids and one plain sentence of reason.

A *decision* changes rows only and is committed at once; an *action* touches a host or a guest and is
carried out afterwards. So the store always knows first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from orchestrator.model.instance import Cause, Stage
from orchestrator.model.rolling_upgrade import RollingUpgrade
from orchestrator.plan.inputs import Cost


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
    shortage_code: str = "AllocationFailed"
    placement_group: int = 0
    update_domain: int | None = None
    is_on_trial: bool = False


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


@dataclass(frozen=True, slots=True)
class ForgetRepairs(Step):
    """It has been well for long: its slot's earlier repairs count no longer."""

    kind: ClassVar[str] = "settle"


@dataclass(frozen=True, slots=True)
class KeepInstance(Step):
    """One of an overprovisioned many is kept: it was among the first to come up."""

    kind: ClassVar[str] = "keep"


@dataclass(frozen=True, slots=True)
class ApplyModel(Step):
    """Bring the instance to a model version, by the least that does it (never ``REPLACE``: that is another
    instance). Going back to an older version is the same step. ``image_version`` names the exact image for a new
    disk; without one it is what the model stands for then. What is off stays off."""

    kind: ClassVar[str] = "upgrade"
    model_version: int
    how: Cost
    image_version: str | None = None


@dataclass(frozen=True, slots=True)
class MoveInstance(Step):
    """To another host, with its disk, under its own id."""

    kind: ClassVar[str] = "move"
    host: str
    zone: str
    fault_domain: int


@dataclass(frozen=True, slots=True)
class RefuseRedeploy(Step):
    """No other host can take it: it stays where it is, and the request fails."""

    kind: ClassVar[str] = "refuse_redeploy"


@dataclass(frozen=True, slots=True)
class QuarantineInstance(Step):
    """Out of service for good, but its disk and log stay for a look."""

    kind: ClassVar[str] = "quarantine"


# Decisions about the set itself


@dataclass(frozen=True, slots=True)
class SetStep:
    """A decision about the whole set, committed with those about its instances."""

    kind: ClassVar[str] = "set"
    reason: str


@dataclass(frozen=True, slots=True)
class PutUpgrade(SetStep):
    """The rolling upgrade as it is from now on."""

    kind: ClassVar[str] = "rolling_upgrade"
    upgrade: RollingUpgrade


@dataclass(frozen=True, slots=True)
class RevertSet(SetStep):
    """The set's own model goes back to that of an older version, as a new version."""

    kind: ClassVar[str] = "revert_model"
    model_version: int


@dataclass(frozen=True, slots=True)
class ProveModel(SetStep):
    """An instance on this model version was seen healthy."""

    kind: ClassVar[str] = "prove_model"
    model_version: int


@dataclass(frozen=True, slots=True)
class SuspendRepairs(SetStep):
    """Repairs do not help: a person has to look."""

    kind: ClassVar[str] = "suspend_repairs"


@dataclass(frozen=True, slots=True)
class NoteRebalance(SetStep):
    """An instance moves to even out zones; the next one waits."""

    kind: ClassVar[str] = "rebalance"


# Actions


@dataclass(frozen=True, slots=True)
class StopExtension(Step):
    """End what runs of an extension in the guest: it was cancelled, or nobody wants that configuration any more."""

    kind: ClassVar[str] = "stop_extension"
    name: str
    sequence: int
    is_cancelled: bool


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
class HibernateGuest(Step):
    """Save its memory on its host and power it off."""

    kind: ClassVar[str] = "hibernate"
    host: str


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
    set_decisions: tuple[SetStep, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.decisions + self.actions

    @property
    def decides(self) -> bool:
        """Whether anything is to be written down before anything is done."""
        return bool(self.decisions or self.set_decisions)


@dataclass(slots=True)
class Draft:
    """A plan in the making; local to one call of the planner."""

    decisions: list[Step] = field(default_factory=list)
    actions: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wake_times: list[float] = field(default_factory=list)
    set_decisions: list[SetStep] = field(default_factory=list)

    def done(self) -> Plan:
        return Plan(
            tuple(self.decisions),
            tuple(self.actions),
            tuple(self.notes),
            min(self.wake_times) if self.wake_times else None,
            tuple(self.set_decisions),
        )
