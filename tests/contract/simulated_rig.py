"""The suite's rig on the simulated adapter: faults change facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.hosts.port import Host
from orchestrator.hosts.simulated import SimulatedHost, SimulatedWorld, Timing
from orchestrator.model.guest import ImageFiles, Power
from orchestrator.model.host import HostConfig
from tests.contract.rig import Rig, Stop, Stopped

HOST, OTHER_HOST = "s1", "s2"
TIMING = Timing(
    create_s=0.01,
    boot_s=0.01,
    script_s=0.01,
    stop_s=0.01,
    call_s=0.001,
    save_s=0.01,
    resume_s=0.01,
    copy_s=0.01,
)


class SimulatedRig(Rig):
    def __init__(self, image: ImageFiles, name: str = HOST, world: SimulatedWorld | None = None) -> None:
        super().__init__(image)
        self.name = name
        self.world = world or SimulatedWorld(timing=TIMING)
        self._facts = self.world.hypervisor(name)
        self._pool_bytes = self._facts.pool_bytes

    def host(self, installation: str | None = None) -> Host:
        config = HostConfig(self.name, "simulated:///", network=self.network)
        return SimulatedHost(config, installation or self.installation, self.world)

    def kill_guest(self, uuid: str) -> None:
        self.world.kill_guest(self.name, uuid)

    def silence(self) -> None:
        self.world.silence_host(self.name)

    def heal(self) -> None:
        self._facts.pool_bytes = self._pool_bytes
        self._facts.save_bytes_free = 1 << 40
        if self._facts.is_silent:
            self.world.heal_host(self.name)

    def fill_pool(self) -> None:
        self._facts.pool_bytes = sum(self._facts.volumes.values())

    def fill_save_disk(self) -> None:
        self._facts.save_bytes_free = 300 << 10

    def filter_names(self) -> set[str]:
        return {name for name in self._facts.filters if name.startswith(f"vmss-{self.installation}-")}

    def beside(self) -> SimulatedRig:
        other = SimulatedRig(self.image, OTHER_HOST, self.world)
        other.installation = self.installation
        return other

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
