"""The simulated adapter of the Host port: the same contract, on the facts of a ``SimulatedWorld``."""

from __future__ import annotations

import asyncio

from orchestrator.errors import HostRefused, HostUnreachable, InsufficientCapacity
from orchestrator.hosts.port import EventListener
from orchestrator.hosts.simulated.world import SimulatedGuest, SimulatedHypervisor, SimulatedWorld
from orchestrator.model.guest import (
    GuestSpec,
    GuestStats,
    HostCapacity,
    HostEventKind,
    HostView,
    ImageFiles,
    Owner,
    Power,
    SeenGuest,
    SeenVolume,
)
from orchestrator.model.host import HostConfig

_OVERLAY_BYTES = 10 << 20
_SEED_BYTES = 400 << 10
CALL_DEADLINE_S = 5.0


class SimulatedHost:
    """One simulated hypervisor behind the Host port."""

    def __init__(self, config: HostConfig, installation: str, world: SimulatedWorld) -> None:
        self._config = config
        self._installation = installation
        self._world = world
        self._facts = world.hypervisor(config.name)
        if config.limits.memory_mib:
            self._facts.memory_mib = config.limits.memory_mib

    @property
    def config(self) -> HostConfig:
        return self._config

    @property
    def facts(self) -> SimulatedHypervisor:
        return self._facts

    def listen(self, listener: EventListener) -> None:
        self._facts.listeners.append(listener)

    async def open(self) -> None:
        await self._call()

    async def close(self) -> None:
        self._facts.listeners.clear()

    async def _call(self, seconds: float = 0.0) -> None:
        """One call to the host: takes time, and fails after its deadline when nobody answers."""
        await asyncio.sleep(seconds or self._world.timing.call_s)
        if self._facts.is_silent:
            await asyncio.sleep(CALL_DEADLINE_S)
            raise HostUnreachable(f"Host {self._config.name} does not answer.", target=self._config.name)
        if self._facts.next_errors:
            raise self._facts.next_errors.pop(0)

    def _effect(self, name: str) -> None:
        self._world.effect(name)

    async def look(self) -> HostView:
        await self._call()
        guests = [self._seen(guest) for guest in self._facts.guests.values()]
        guests += [SeenGuest(name, name, None, power) for name, power in self._facts.foreign_guests.items()]
        volumes = [SeenVolume(name, Owner.of_volume(name), size) for name, size in self._facts.volumes.items()]
        return HostView(tuple(guests), tuple(volumes), self._capacity())

    @staticmethod
    def _seen(guest: SimulatedGuest) -> SeenGuest:
        spec = guest.spec
        return SeenGuest(spec.name, spec.owner.vm_uuid, spec.owner, guest.power)

    def _capacity(self) -> HostCapacity:
        running = [guest for guest in self._facts.guests.values() if guest.power is Power.RUNNING]
        used = sum(self._facts.volumes.values())
        return HostCapacity(
            vcpus=self._facts.vcpus,
            memory_mib=self._facts.memory_mib,
            memory_mib_used=sum(guest.spec.memory_mib for guest in running),
            vcpus_used=sum(guest.spec.vcpus for guest in running),
            pool_bytes=self._facts.pool_bytes,
            pool_bytes_free=max(0, self._facts.pool_bytes - used),
        )

    async def ensure_image(self, image: ImageFiles) -> None:
        name = f"vmss-image-{image.disk_sha256[:16]}.qcow2"
        if name not in self._facts.volumes:
            await self._call()
            self._facts.volumes[name] = image.virtual_size_bytes

    async def create(self, spec: GuestSpec) -> None:
        await self._call()
        uuid = spec.owner.vm_uuid
        there = self._facts.guests.get(uuid)
        if there and there.spec.owner != spec.owner:
            raise HostRefused(f"An earlier generation of {spec.name} is still on {self._config.name}.")
        self._make_volumes(spec)
        if there is None:
            self._effect(f"define {spec.name}")
            there = self._facts.guests[uuid] = SimulatedGuest(spec)
            self._effect(f"defined {spec.name}")
        await self._call(self._world.timing.create_s)
        self._run(there)

    def _make_volumes(self, spec: GuestSpec) -> None:
        for name, size in ((spec.owner.disk_volume, _OVERLAY_BYTES), (spec.owner.seed_volume, _SEED_BYTES)):
            if name in self._facts.volumes:
                continue
            if sum(self._facts.volumes.values()) + size > self._facts.pool_bytes:
                message = f"Host {self._config.name} has no disk left for {spec.name}."
                raise InsufficientCapacity(message, target="disk")
            self._effect(f"create volume {name}")
            self._facts.volumes[name] = size
            self._effect(f"created volume {name}")

    def _run(self, guest: SimulatedGuest) -> None:
        if guest.power is Power.RUNNING:
            return
        self._effect(f"start {guest.spec.name}")
        guest.power = Power.RUNNING
        guest.started_at = asyncio.get_running_loop().time()
        guest.starts += 1
        guest.is_frozen = guest.is_sick = False
        self._facts.tell(HostEventKind.GUEST_STARTED, guest.spec.owner.vm_uuid)
        self._effect(f"started {guest.spec.name}")

    def _find(self, owner: Owner) -> SimulatedGuest | None:
        guest = self._facts.guests.get(owner.vm_uuid)
        return guest if guest and guest.spec.owner == owner else None

    def _stop(self, guest: SimulatedGuest) -> None:
        if guest.power is not Power.RUNNING:
            return
        self._effect(f"stop {guest.spec.name}")
        guest.power = Power.SHUT_OFF
        self._facts.tell(HostEventKind.GUEST_STOPPED, guest.spec.owner.vm_uuid)
        self._effect(f"stopped {guest.spec.name}")

    async def start(self, owner: Owner) -> None:
        await self._call()
        guest = self._find(owner)
        if guest is None:
            raise HostRefused(f"Instance {owner.instance_id} is not on host {self._config.name}.")
        self._run(guest)

    async def shut_down(self, owner: Owner) -> None:
        await self._call()
        guest = self._find(owner)
        if guest and not guest.is_frozen:
            asyncio.get_running_loop().call_later(self._world.timing.stop_s, self._stop, guest)

    async def power_off(self, owner: Owner) -> None:
        await self._call()
        guest = self._find(owner)
        if guest:
            self._stop(guest)

    async def restart(self, owner: Owner) -> None:
        await self.power_off(owner)
        await self.start(owner)

    async def undefine(self, owner: Owner) -> None:
        await self._call()
        guest = self._find(owner)
        if guest:
            self._stop(guest)
            self._effect(f"undefine {guest.spec.name}")
            del self._facts.guests[owner.vm_uuid]
            self._facts.tell(HostEventKind.GUEST_REMOVED, owner.vm_uuid)
            self._effect(f"undefined {guest.spec.name}")

    async def remove(self, owner: Owner) -> None:
        await self.undefine(owner)
        for name in (owner.disk_volume, owner.seed_volume):
            if name in self._facts.volumes:
                self._effect(f"delete volume {name}")
                del self._facts.volumes[name]
                self._effect(f"deleted volume {name}")

    async def remove_image(self, image: ImageFiles) -> None:
        await self._call()
        if any(guest.spec.image == image for guest in self._facts.guests.values()):
            raise HostRefused("The image is in use.")
        self._facts.volumes.pop(f"vmss-image-{image.disk_sha256[:16]}.qcow2", None)

    async def stats(self) -> list[GuestStats]:
        await self._call()
        now = asyncio.get_running_loop().time()
        return [
            GuestStats(uuid, now - guest.started_at, float(guest.spec.memory_mib), 0, 0, 0, 0)
            for uuid, guest in self._facts.guests.items()
            if guest.power is Power.RUNNING and guest.spec.owner.installation == self._installation
        ]

    async def console(self, owner: Owner, max_bytes: int = 65_536) -> bytes:
        await self._call()
        guest = self._find(owner)
        if guest is None:
            return b""
        lines = "".join(f"[simulated] start {number + 1}\n" for number in range(guest.starts))
        return lines.encode()[-max_bytes:]
