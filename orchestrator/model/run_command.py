"""A run command of one instance: what is to be run, and what has come of it (reference 3.1). No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class ExecutionState(StrEnum):
    """In Azure's words."""

    PENDING = "Pending"  # waits for its instance to run
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    CANCELED = "Canceled"


_ENDED = {ExecutionState.SUCCEEDED, ExecutionState.FAILED, ExecutionState.TIMED_OUT, ExecutionState.CANCELED}


@dataclass(frozen=True, slots=True)
class RunCommand:
    """The row. It is committed before anything runs, and says after a restart what to go on with.

    ``properties`` is the canonical body without what is write-only, which is kept sealed in ``secrets``.
    ``sequence`` rises with every configuration that has to run. ``stop_sequence`` names an earlier run that may
    still be at work in the guest and has to be ended first. ``began_at`` is the token of the run, too;
    ``generation`` the disk that it runs on. ``operation_id`` waits for its end; an action (``is_action``) has no
    other name, and is dropped when it has ended. ``is_gone``: it is deleted as soon as nothing of it runs. Times
    are epoch seconds.
    """

    set_uid: str
    instance_id: int
    name: str
    properties: Mapping[str, Any]
    secrets: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    sequence: int = 1
    created_at: float = 0.0
    state: ExecutionState = ExecutionState.PENDING
    stop_sequence: int | None = None
    generation: int | None = None
    began_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    output: str = ""
    error: str = ""
    message: str = ""
    operation_id: str | None = None
    is_action: bool = False
    is_gone: bool = False

    @property
    def key(self) -> tuple[int, str]:
        """Within its set."""
        return self.instance_id, self.name.lower()

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED

    @property
    def is_settled(self) -> bool:
        """Nothing is left to do about it."""
        return self.has_ended and self.stop_sequence is None and not self.is_gone

    def but(self, **changes: Any) -> RunCommand:
        """A copy with these fields changed."""
        return replace(self, **changes)

    def again(self, now: float, **changes: Any) -> RunCommand:
        """To be run (anew) with these fields changed; what still runs of it is ended first."""
        is_at_work = self.state is ExecutionState.RUNNING
        return RunCommand(
            self.set_uid,
            self.instance_id,
            self.name,
            self.properties,
            self.secrets,
            self.tags,
            self.sequence + 1,
            now,
            stop_sequence=self.sequence if is_at_work else self.stop_sequence,
        ).but(**changes)

    def ended(self, state: ExecutionState, now: float, message: str = "", **changes: Any) -> RunCommand:
        return self.but(state=state, ended_at=now, message=message, **changes)
