"""The simulated adapter of the Guest port: scripts and probes answered from the simulated facts."""

from __future__ import annotations

import asyncio
from typing import Literal

from orchestrator.errors import GuestUnreachable
from orchestrator.guest.port import GuestAddress, ScriptRequest, ScriptResult
from orchestrator.hosts.simulated.world import SimulatedGuest, SimulatedWorld
from orchestrator.model.guest import Power
from orchestrator.model.health import Health, ProbeResult, ProbeSettings


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

    async def run_script(self, guest: GuestAddress, request: ScriptRequest) -> ScriptResult:
        await asyncio.sleep(self._world.timing.call_s)
        found = self._answering(guest)
        if found is None:
            raise GuestUnreachable(f"{guest.address} does not answer.")
        key = (request.name, request.sequence)
        if key in found.disk.scripts:
            return ScriptResult(found.disk.scripts[key], "", "", was_run_before=True)
        self._world.effect(f"run script on {found.spec.name}")
        found.disk.scripts[key] = self._world.script_exit_code(found.spec)
        self._world.effect(f"ran script on {found.spec.name}")
        await asyncio.sleep(self._world.timing.script_s)
        return ScriptResult(found.disk.scripts[key], "", "")

    async def probe(
        self, guest: GuestAddress, settings: ProbeSettings, source: Literal["inside", "outside"]
    ) -> ProbeResult:
        found = self._answering(guest)
        if found is None:
            return ProbeResult(Health.UNHEALTHY, f"no answer from {source}")
        return ProbeResult(Health.UNHEALTHY, "503") if found.is_sick else ProbeResult(Health.HEALTHY, "200")

    async def forget(self, key: str) -> None:
        return None

    async def close(self) -> None:
        return None
