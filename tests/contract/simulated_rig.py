"""The suite's rig on the simulated adapter: faults change facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.hosts.port import Host
from orchestrator.hosts.simulated import SimulatedHost, SimulatedWorld, Timing
from orchestrator.model.guest import ImageFiles, Power
from orchestrator.model.host import HostConfig
from tests.contract.rig import Rig, Stop, Stopped

HOST = "s1"


class SimulatedRig(Rig):
    def __init__(self, image: ImageFiles) -> None:
        super().__init__(image)
        timing = Timing(create_s=0.01, boot_s=0.01, script_s=0.01, stop_s=0.01, call_s=0.001)
        self.world = SimulatedWorld(timing=timing)
        self._facts = self.world.hypervisor(HOST)
        self._pool_bytes = self._facts.pool_bytes

    def host(self, installation: str | None = None) -> Host:
        config = HostConfig(HOST, "simulated:///", network=self.network)
        return SimulatedHost(config, installation or self.installation, self.world)

    def kill_guest(self, uuid: str) -> None:
        self.world.kill_guest(HOST, uuid)

    def silence(self) -> None:
        self.world.silence_host(HOST)

    def heal(self) -> None:
        self._facts.pool_bytes = self._pool_bytes
        if self._facts.is_silent:
            self.world.heal_host(HOST)

    def fill_pool(self) -> None:
        self._facts.pool_bytes = sum(self._facts.volumes.values())

    @contextmanager
    def foreign(self) -> Iterator[tuple[str, str]]:
        domain, volume = "foreign", "foreign.raw"
        self._facts.foreign_guests[domain] = Power.RUNNING
        self._facts.volumes[volume] = 1
        yield domain, volume
        del self._facts.foreign_guests[domain]
        del self._facts.volumes[volume]

    @contextmanager
    def stop_at(self, step: int) -> Iterator[Stop]:
        stop = Stop(step)

        def hook(name: str) -> None:
            if stop.is_now():
                raise Stopped(name)

        self.world.hook = hook
        try:
            yield stop
        finally:
            self.world.hook = None
