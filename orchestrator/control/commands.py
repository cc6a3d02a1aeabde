"""Run commands, carried out beside the loops: they never hold up repair or deletion (reference 3.1).

Level-triggered like the loops: a look compares what the store says is to be run or ended with what is at work here,
and with what is known of the instances. What runs in a guest outlives the daemon, and is found again there by its
token, the moment it began.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import structlog

from orchestrator.control.command_log import CommandLog
from orchestrator.control.fleet import Fleet
from orchestrator.errors import GuestError, GuestUnreachable, VmssError
from orchestrator.guest.port import GuestAddress, Guests, ScriptKey, ScriptRequest, ScriptResult
from orchestrator.model.arm.run_command import preamble_of
from orchestrator.model.guest import Power
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.model.run_command import ExecutionState, RunCommand
from orchestrator.store import Store

log = structlog.get_logger()

LOOK_EVERY_S = 1.0  # while anything is to be run or ended
RETRY_MIN_S, RETRY_MAX_S = 1.0, 30.0
SILENCE_SLACK_S = 300.0  # past its time limit, a run of which nothing is heard has ended
AT_ONCE_MAX = 64
AT_ONCE_PER_INSTANCE = 4
_UP_STAGES = {Stage.CONFIGURING, Stage.READY, Stage.FAILED}
Key = tuple[str, int, str]


class Readiness(Enum):
    """Whether a command can run on its instance."""

    YES = "its guest runs"
    NOT_NOW = "it may run, or will"  # its host is silent, it boots
    OFF = "it does not run"


@dataclass(frozen=True, slots=True)
class _Work:
    """What is at work for a command: ``sequence`` runs, or (``is_stop``) is ended."""

    sequence: int
    is_stop: bool
    task: asyncio.Task[None]


class Commands:
    """All run commands of all sets. ``wake`` after a write and whenever an instance changes."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        guests: Guests,
        address: Callable[[Instance], GuestAddress],
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._guests = guests
        self._address = address
        self._now = now
        self._log = CommandLog(store, now)
        self._wake = asyncio.Event()
        self._work: dict[Key, _Work] = {}

    def wake(self) -> None:
        self._log.note_operations()
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        self._log.note_operations_in_progress()
        while True:
            self._wake.clear()
            try:
                is_idle = self.look()
            except VmssError as error:
                log.error("a look at run commands failed", code=error.code, why=error.message)
                is_idle = False
            except Exception:
                log.exception("a look at run commands broke; it is tried again")
                is_idle = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if is_idle else LOOK_EVERY_S):
                    await self._wake.wait()

    def cancel(self) -> None:
        """Stop waiting. What runs in guests runs on."""
        for work in self._work.values():
            work.task.cancel()

    def look(self) -> bool:
        """One look. Whether nothing is left to be done."""
        self._log.end_orphans()
        unsettled = {_key(each): each for each in self._store.run_commands() if not each.is_settled}
        for key in self._work.keys() - unsettled.keys():
            self._work.pop(key).task.cancel()
        for key, command in unsettled.items():
            self._tend(key, command)
        return not unsettled

    # One command

    def _tend(self, key: Key, command: RunCommand) -> None:
        work = self._work.get(key)
        is_stop = command.stop_sequence is not None
        wanted = command.sequence if command.stop_sequence is None else command.stop_sequence
        if work and (work.is_stop, work.sequence) != (is_stop, wanted):
            self._work.pop(key).task.cancel()
            work = None
        row = self._store.instance(command.set_uid, command.instance_id)
        readiness = self._readiness(row)
        if self._settled_without_guest(key, command, row, readiness) or work is not None:
            return
        if row is not None and readiness is Readiness.YES and self._has_room(key):
            doing = self._stop(command, row) if is_stop else self._run(command, row)
            task = asyncio.create_task(doing, name=f"run command {command.name}")
            self._work[key] = _Work(wanted, is_stop, task)
            task.add_done_callback(lambda task: self._ended(key, task))

    def _settled_without_guest(
        self, key: Key, command: RunCommand, row: Instance | None, readiness: Readiness
    ) -> bool:
        """What ends though nobody asks the guest: its instance went, or there is nothing to end there."""
        is_off = row is None or row.is_gone or readiness is Readiness.OFF
        if command.stop_sequence is not None:
            if not is_off:
                return False
            self._log.stopped(command)
        elif command.is_gone:
            self._log.stopped(command)
        elif why := self._why_over(command, row, is_off=is_off):
            state = ExecutionState.TIMED_OUT if "time limit" in why else ExecutionState.FAILED
            self._log.ended(command, state, why, is_lost=True)
        else:
            return False
        if work := self._work.pop(key, None):
            work.task.cancel()
        return True

    def _why_over(self, command: RunCommand, row: Instance | None, *, is_off: bool) -> str | None:
        if command.state is ExecutionState.PENDING:
            return "Its instance does not run." if is_off and command.is_action else None
        if row is not None and row.generation != command.generation:
            return "Its instance was given a new disk while it ran."
        if is_off:
            return "Its instance stopped while it ran."
        limit = float(command.properties.get("timeoutInSeconds", _ACTION_TIMEOUT_S))
        if self._now() > (command.began_at or 0.0) + limit + SILENCE_SLACK_S:
            return "Nothing was heard of it at its time limit."
        return None

    def _readiness(self, row: Instance | None) -> Readiness:
        if row is None or row.is_gone or row.wanted_power is not WantedPower.RUNNING:
            return Readiness.OFF
        monitor = self._fleet.find(row.host)
        if monitor is None or not monitor.is_up or row.stage not in _UP_STAGES:
            is_made = row.booted_at is not None and row.stage is not Stage.CREATING
            return Readiness.NOT_NOW if monitor is None or not monitor.is_up or is_made else Readiness.OFF
        power = monitor.power_of(row.owner(self._store.installation))
        return Readiness.YES if power is Power.RUNNING else Readiness.OFF

    def _has_room(self, key: Key) -> bool:
        here = sum(1 for each in self._work if each[:2] == key[:2])
        return len(self._work) < AT_ONCE_MAX and here < AT_ONCE_PER_INSTANCE

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        work = self._work.get(key)
        if work is not None and work.task is task:
            del self._work[key]
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._wake.set()
        else:  # at the next look, not at once: what broke it may last
            log.error("a run command broke; it is tried again", command=key[2], exc_info=error)

    async def _run(self, command: RunCommand, row: Instance) -> None:
        if not self._log.is_current(command):
            return  # a newer request came before it began
        if command.state is ExecutionState.PENDING:
            command = self._log.begun(command, row)
        request, pause_s = request_of(command), RETRY_MIN_S
        while True:
            try:
                result = await self._guests.run_script(self._address(row), request)
            except GuestUnreachable:
                await asyncio.sleep(pause_s)
                pause_s = min(RETRY_MAX_S, pause_s * 2)
            except GuestError as error:
                self._log.ended(command, ExecutionState.FAILED, error.message, is_lost=True)
                return
            else:
                self._log.ended(command, _state_of(result), result.message, result)
                return

    async def _stop(self, command: RunCommand, row: Instance) -> None:
        script = ScriptKey(run_name(command), command.stop_sequence or 0, "run-command")
        pause_s = RETRY_MIN_S
        while True:
            try:
                await self._guests.stop_script(self._address(row), script, "It was cancelled by a request.")
            except GuestUnreachable:
                await asyncio.sleep(pause_s)
                pause_s = min(RETRY_MAX_S, pause_s * 2)
            else:
                self._log.stopped(command)
                return


_ACTION_TIMEOUT_S = 5400.0


def _key(command: RunCommand) -> Key:
    return (command.set_uid, *command.key)


def run_name(command: RunCommand) -> str:
    """Under which the guest keeps its run. Names of actions are tidied up there by themselves."""
    return f"invoke-{command.name}" if command.is_action else command.name


def request_of(command: RunCommand) -> ScriptRequest:
    """What is sent to the guest."""
    properties = {**command.properties, **command.secrets}
    source = properties["source"]
    script = str(source.get("script", ""))
    return ScriptRequest(
        run_name(command),
        command.sequence,
        file_uris=(source["scriptUri"],) if "scriptUri" in source else (),
        script=script.encode(),
        timeout_s=float(properties.get("timeoutInSeconds", _ACTION_TIMEOUT_S)),
        area="run-command",
        run=f"{command.began_at:.6f}",
        user=properties.get("runAsUser"),
        preamble=preamble_of(properties).encode(),
        is_file_appended="scriptUri" in source,
    )


def _state_of(result: ScriptResult) -> ExecutionState:
    if result.is_success:
        return ExecutionState.SUCCEEDED
    return ExecutionState.TIMED_OUT if result.is_late else ExecutionState.FAILED
