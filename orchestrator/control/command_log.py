"""What becomes of run commands, written down: their rows, their operations, the events."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.guest.port import ScriptResult
from orchestrator.model.arm.run_command import action_output, command_provisioning_state
from orchestrator.model.instance import Failure, Instance
from orchestrator.model.run_command import ExecutionState, RunCommand
from orchestrator.model.scale_set import Event, EventPhase, Operation, OperationKind, OperationStatus
from orchestrator.store import Store, Transaction

FAILED_CODE = "VMRunCommandExecutionError"


class CommandLog:
    """Each method is one transaction, and changes only a command that is still as it was read: a newer request may
    have come meanwhile."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._awaited: set[str] = set()

    # Operations whose command may vanish with its instance

    def note_operations(self) -> None:
        self._awaited |= self._operations_of_commands()

    def note_operations_in_progress(self) -> None:
        """After a start: also those whose command vanished while nobody looked."""
        waiting = self._store.operations(in_progress=True)
        self._awaited |= {each.id for each in waiting if each.kind is OperationKind.RUN_COMMAND}

    def _operations_of_commands(self) -> set[str]:
        return {each.operation_id for each in self._store.run_commands() if each.operation_id is not None}

    def end_orphans(self) -> None:
        """Fail what waits for a command that went with its instance."""
        current = self._operations_of_commands()
        for operation_id in self._awaited - current:
            message = "The instance was deleted before the command ended."
            self._end_operation(operation_id, Failure("OperationPreempted", message, self._now()))
        self._awaited = current

    def _end_operation(self, operation_id: str, failure: Failure) -> None:
        operation = self._store.operation(operation_id)
        if operation is not None and operation.status is OperationStatus.IN_PROGRESS:
            with self._store.write() as tx:
                tx.put_operation(
                    operation.but(status=OperationStatus.FAILED, failure=failure, ended_at=self._now())
                )

    # One command

    def begun(self, command: RunCommand, row: Instance) -> RunCommand:
        now = self._now()
        running = command.but(state=ExecutionState.RUNNING, began_at=now, generation=row.generation)
        is_async = bool(command.properties.get("asyncExecution"))
        if is_async:
            running = running.but(operation_id=None)
        with self._store.write() as tx:
            tx.put_run_command(running)
            tx.add_events([self._event(command, EventPhase.BEFORE, f"run command {command.name} begins")])
            if is_async:
                self._succeed(tx, command.operation_id, None)
        return running

    def ended(
        self,
        command: RunCommand,
        state: ExecutionState,
        message: str,
        result: ScriptResult | None = None,
        *,
        is_lost: bool = False,
    ) -> None:
        """``is_lost``: not the script ended it, so the request that waits for it fails."""
        if not self.is_current(command):
            return
        done = command.ended(state, self._now(), message, operation_id=None)
        if result is not None:
            done = done.but(exit_code=result.exit_code, output=result.stdout_tail, error=result.stderr_tail)
        code = "" if done.exit_code is None else f", exit code {done.exit_code}"
        why = f": {message}" if message else ""
        told = f"run command {command.name} ended: {state.value}{code}{why}"
        outcome = "done" if state is ExecutionState.SUCCEEDED else "failed"
        with self._store.write() as tx:
            if command.is_action:
                tx.drop_run_command(command.set_uid, command.instance_id, command.name)
            else:
                tx.put_run_command(done)
            tx.add_events([self._event(command, EventPhase.AFTER, told, outcome)])
            self._answer(tx, command, done, is_lost=is_lost)

    def _answer(self, tx: Transaction, command: RunCommand, done: RunCommand, *, is_lost: bool) -> None:
        is_failed = is_lost or command_provisioning_state(done) == "Failed"
        if not is_failed:
            self._succeed(tx, command.operation_id, action_output(done) if command.is_action else None)
            return
        operation = self._in_progress(command.operation_id)
        if operation is not None:
            words = done.message or f"The script ended with exit code {done.exit_code}."
            failure = Failure(FAILED_CODE, f"Run command {command.name}: {words}", self._now())
            ended = operation.but(status=OperationStatus.FAILED, failure=failure, ended_at=self._now())
            tx.put_operation(ended)

    def stopped(self, command: RunCommand) -> None:
        """Nothing of its earlier run is left in the guest: it is dropped, or runs anew."""
        if not self.is_current(command):
            return
        with self._store.write() as tx:
            if command.is_gone:
                tx.drop_run_command(command.set_uid, command.instance_id, command.name)
                self._succeed(tx, command.operation_id, None)
            else:
                tx.put_run_command(command.but(stop_sequence=None))
            told = f"what ran of run command {command.name} was ended"
            if command.stop_sequence is not None:
                tx.add_events([self._event(command, EventPhase.AFTER, told)])

    def is_current(self, command: RunCommand) -> bool:
        current = self._store.run_command(command.set_uid, command.instance_id, command.name)
        return current == command

    def _in_progress(self, operation_id: str | None) -> Operation | None:
        operation = self._store.operation(operation_id) if operation_id else None
        return operation if operation and operation.status is OperationStatus.IN_PROGRESS else None

    def _succeed(self, tx: Transaction, operation_id: str | None, output: object) -> None:
        if operation := self._in_progress(operation_id):
            now = self._now()
            tx.put_operation(operation.but(status=OperationStatus.SUCCEEDED, ended_at=now, output=output))

    def _event(self, command: RunCommand, phase: EventPhase, told: str, outcome: str | None = None) -> Event:
        record = self._store.scale_set(command.set_uid)
        row = self._store.instance(command.set_uid, command.instance_id)
        return Event(
            self._now(),
            "run_command",
            phase,
            told,
            command.set_uid,
            record.name if record else None,
            command.instance_id,
            row.host if row else None,
            outcome,
        )
