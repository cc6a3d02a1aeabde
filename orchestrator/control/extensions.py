"""Extensions of one instance, carried out: a script is run in its guest, or what runs of it is ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from orchestrator.control.wishes import Wishes
from orchestrator.guest.port import GuestAddress, Guests, ScriptKey, ScriptResult
from orchestrator.model.arm.extensions import Extension
from orchestrator.model.instance import ExtensionCode, ExtensionState, Instance
from orchestrator.plan import steps
from orchestrator.store import Store

NO_TIME = "It was not run: extensionsTimeBudget was used up by the extensions before it."


class Update(Protocol):
    """Writes what has become of a row, and the event that tells it."""

    def __call__(
        self,
        row: Instance,
        kind: str,
        told: str,
        outcome: str = "done",
        *,
        extensions: dict[str, ExtensionState],
        changed_at: float,
    ) -> None: ...


class ExtensionActions:
    """``update`` and ``address`` are the actor's own. What runs in a guest outlives the daemon: a run that the row
    tells of is found again there by its token, which is the moment it began."""

    def __init__(
        self,
        store: Store,
        guests: Guests,
        wishes: Wishes,
        now: Callable[[], float],
        update: Update,
        address: Callable[[Instance], GuestAddress],
    ) -> None:
        self._store = store
        self._guests = guests
        self._wishes = wishes
        self._now = now
        self._update = update
        self._address = address

    async def run(self, row: Instance, step: steps.RunExtension) -> None:
        """Begin it, or go on waiting for the run that has begun. Raises the guest's errors."""
        extension, request = self._wishes.script(row, step.name, step.sequence)
        begun = self._begun(row, extension, step.sequence)
        if request.timeout_s <= 0:
            self._end(row, begun, replace(begun, code="failed", message=NO_TIME), f"{step.name}: {NO_TIME}")
            return
        token = f"{begun.began_at:.6f}"
        result = await self._guests.run_script(self._address(row), replace(request, run=token))
        ended = _ended(begun, result, self._now())
        how = f": {result.message}" if result.exit_code is None else f", exit code {result.exit_code}"
        self._end(row, begun, ended, f"{step.name} {ended.code}{how}")

    def _begun(self, row: Instance, extension: Extension, sequence: int) -> ExtensionState:
        current = self._store.instance(row.set_uid, row.instance_id) or row
        state = current.extensions.get(extension.name)
        if state and state.is_running and state.sequence == sequence and state.began_at is not None:
            return state
        values, now = extension.properties, self._now()
        begun = ExtensionState(
            extension.name,
            f"{values.publisher}.{values.type}",
            values.type_handler_version,
            sequence,
            "transitioning",
            "running",
            now,
            began_at=now,
        )
        states = {**current.extensions, begun.name: begun}
        told = f"{begun.name} begins with configuration {sequence}"
        self._update(row, "extension", told, extensions=states, changed_at=now)
        return begun

    async def stop(self, row: Instance, step: steps.StopExtension) -> None:
        """End what runs of it. What was cancelled has failed; what was replaced or removed leaves no state."""
        current = self._store.instance(row.set_uid, row.instance_id) or row
        state = current.extensions.get(step.name)
        if state is None or not state.is_running or state.sequence != step.sequence:
            return
        why = (
            f"It was cancelled by {state.cancelled_by}." if step.is_cancelled else "Its configuration was replaced."
        )
        key = ScriptKey(step.name, step.sequence)
        result = await self._guests.stop_script(self._address(row), key, why)
        ended = _ended(state, result, self._now()) if step.is_cancelled else None
        how = why if result.exit_code is None else f"it had ended by itself, exit code {result.exit_code}"
        self._end(row, state, ended, f"{step.name}: {how}")

    def _end(self, row: Instance, begun: ExtensionState, ended: ExtensionState | None, told: str) -> None:
        """Only where the row still tells of this very run: it may have moved on meanwhile."""
        current = self._store.instance(row.set_uid, row.instance_id) or row
        state = current.extensions.get(begun.name)
        if state is None or (state.sequence, state.began_at) != (begun.sequence, begun.began_at):
            return
        states = {name: each for name, each in current.extensions.items() if name != begun.name}
        if ended is not None:
            states[begun.name] = ended
        outcome = "failed" if ended and ended.code == "failed" else "done"
        self._update(row, "extension", told, outcome, extensions=states, changed_at=self._now())


def _ended(begun: ExtensionState, result: ScriptResult, at: float) -> ExtensionState:
    head = "Command execution finished" if result.is_success else result.message or "Command execution failed"
    message = f"{head}\n[stdout]\n{result.stdout_tail}\n[stderr]\n{result.stderr_tail}"
    code: ExtensionCode = "succeeded" if result.is_success else "failed"
    return replace(begun, code=code, message=message, at=at, exit_code=result.exit_code)
