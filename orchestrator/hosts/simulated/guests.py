"""The simulated adapter of the Guest port: scripts and probes answered from the simulated facts."""

from __future__ import annotations

import asyncio
from typing import Literal

from orchestrator.errors import GuestUnreachable
from orchestrator.guest.port import GuestAddress, ScriptKey, ScriptRequest, ScriptResult
from orchestrator.hosts.simulated.world import SimulatedGuest, SimulatedRun, SimulatedWorld, Telling
from orchestrator.model.guest import Power
from orchestrator.model.health import Health, ProbeResult, ProbeSettings

# What a disk keeps of a script that gave no exit code of its own.
INTERRUPTED, LATE, STOPPED = -1, -2, -3
_WORDS = {
    INTERRUPTED: "It was interrupted: the guest stopped while it ran.",
    LATE: "It was stopped at its time limit.",
    STOPPED: "It was ended.",
}
Key = tuple[str, int]


class SimulatedGuests:
    """Every simulated guest, reached by its ``vm_uuid``."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._world = world

    def _answering(self, guest: GuestAddress) -> SimulatedGuest | None:
        found = self._world.guest(guest.vm_uuid)
        if found is None or found.power is not Power.RUNNING or found.is_frozen:
            return None
        up_for = asyncio.get_running_loop().time() - found.started_at
        return found if up_for >= self._world.timing.boot_s else None

    async def is_answering(self, guest: GuestAddress) -> bool:
        await asyncio.sleep(self._world.timing.call_s)
        return self._answering(guest) is not None

    async def _reach(self, guest: GuestAddress) -> SimulatedGuest:
        await asyncio.sleep(self._world.timing.call_s)
        return self._demand(guest)

    def _demand(self, guest: GuestAddress) -> SimulatedGuest:
        found = self._answering(guest)
        if found is None:
            raise GuestUnreachable(f"{guest.address} does not answer.")
        return found

    async def run_script(self, guest: GuestAddress, request: ScriptRequest) -> ScriptResult:
        found = await self._reach(guest)
        key = (f"{request.area}/{request.name}/{request.run}", request.sequence)
        if key in found.disk.scripts:
            return _result(found.disk.scripts[key], "", was_run_before=True)
        run = found.runs.get(key) or self._begin(found, key, request)
        await asyncio.sleep(max(0.0, run.ends_at - asyncio.get_running_loop().time()))
        found = self._demand(guest)
        code = run.exit_code if run.boot == found.disk.boots else INTERRUPTED
        return _result(found.disk.scripts.setdefault(key, code), run.stdout)

    def _begin(self, found: SimulatedGuest, key: Key, request: ScriptRequest) -> SimulatedRun:
        """Its processes live in the guest, so they outlive the daemon that began them."""
        self._world.effect(f"run script on {found.spec.name}")
        told = self._told(found, request)
        lasts_s = self._world.timing.script_s if told.lasts_s is None else told.lasts_s
        is_late = lasts_s > request.timeout_s
        ends_at = asyncio.get_running_loop().time() + min(lasts_s, request.timeout_s)
        code = LATE if is_late else told.exit_code
        run = found.runs[key] = SimulatedRun(ends_at, found.disk.boots, code, told.stdout)
        self._world.effect(f"ran script on {found.spec.name}")
        return run

    def _told(self, found: SimulatedGuest, request: ScriptRequest) -> Telling:
        if self._world.tell_script:
            return self._world.tell_script(found.spec, request)
        return Telling(self._world.script_exit_code(found.spec))

    async def stop_script(self, guest: GuestAddress, script: ScriptKey, reason: str) -> ScriptResult:
        found = await self._reach(guest)
        for key, run in found.runs.items():
            if key[1] == script.sequence and key[0].startswith(f"{script.area}/{script.name}/"):
                self._world.effect(f"stop script on {found.spec.name}")
                code = found.disk.scripts.setdefault(key, STOPPED)
                self._world.effect(f"stopped script on {found.spec.name}")
                return _result(code, run.stdout, reason, was_run_before=code != STOPPED)
        return _result(STOPPED, "", reason)

    async def probe(
        self, guest: GuestAddress, settings: ProbeSettings, source: Literal["inside", "outside"]
    ) -> ProbeResult:
        found = self._answering(guest)
        if found is None:
            return ProbeResult(settings.state_without_answer, f"no answer from {source}")
        return ProbeResult(Health.UNHEALTHY, "503") if found.is_sick else ProbeResult(Health.HEALTHY, "200")

    async def is_busy(self, guest: GuestAddress, settings: ProbeSettings) -> bool:
        found = self._answering(guest)
        return found is not None and found.is_busy

    async def forget(self, key: str) -> None:
        return None

    async def close(self) -> None:
        return None


def _result(code: int, stdout: str, reason: str = "", *, was_run_before: bool = False) -> ScriptResult:
    if code >= 0:
        return ScriptResult(code, stdout, "", was_run_before=was_run_before)
    words = (code == STOPPED and reason) or _WORDS[code]
    return ScriptResult(None, stdout, "", words, was_run_before=was_run_before)
