"""The simulated adapter of the Host port: the same contract, on the facts of a ``SimulatedWorld``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from orchestrator.errors import HostRefused, HostUnreachable, InsufficientCapacity
from orchestrator.hosts.port import DiskContent, EventListener
from orchestrator.hosts.simulated.disks import packed, unpacked
from orchestrator.hosts.simulated.world import SimulatedDisk, SimulatedGuest, SimulatedHypervisor, SimulatedWorld
from orchestrator.model.guest import (
    GuestFilter,
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
_LOG_BYTES = 4 << 10
_MARKER_BYTES = 0
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

    async def change_filters(self, filters: Sequence[GuestFilter]) -> None:
        await self._call()
        used = {nic.filter.name for guest in self._facts.guests.values() for nic in guest.spec.nics if nic.filter}
        wanted = {each.name: each for each in filters}
        there = {name: wanted.get(name, before) for name, before in self._facts.filters.items()}
        self._facts.filters = {name: each for name, each in there.items() if name in wanted or name in used}

    async def create(self, spec: GuestSpec) -> None:
        await self._call()
        uuid = spec.owner.vm_uuid
        there = self._require_no_other(spec)
        if there is None and spec.owner.copying_volume in self._facts.volumes:
            raise HostRefused(f"The disk of {spec.name} was copied to {self._config.name} only in part.")
        self._make_volumes(spec)
        if there is None:
            self._facts.filters |= {nic.filter.name: nic.filter for nic in spec.nics if nic.filter}
            self._effect(f"define {spec.name}")
            there = self._facts.guests[uuid] = SimulatedGuest(spec, self._facts.disks[spec.owner.disk_volume])
            self._effect(f"defined {spec.name}")
        await self._call(self._world.timing.create_s)
        self._run(there)

    def _require_no_other(self, spec: GuestSpec) -> SimulatedGuest | None:
        there = self._facts.guests.get(spec.owner.vm_uuid)
        if there and there.spec.owner != spec.owner:
            raise HostRefused(f"An earlier generation of {spec.name} is still on {self._config.name}.")
        return there

    def _make_volumes(self, spec: GuestSpec) -> None:
        owner = spec.owner
        sizes = {owner.disk_volume: _OVERLAY_BYTES, owner.seed_volume: _SEED_BYTES, owner.log_volume: _LOG_BYTES}
        for name, size in sizes.items():
            if name not in self._facts.volumes:
                self._make_volume(spec, name, size)
        self._facts.disks.setdefault(owner.disk_volume, SimulatedDisk())

    def _make_volume(self, spec: GuestSpec, name: str, size: int) -> None:
        if sum(self._facts.volumes.values()) + size > self._facts.pool_bytes:
            message = f"Host {self._config.name} has no disk left for {spec.name}."
            raise InsufficientCapacity(message, target=self._config.name)
        self._effect(f"create volume {name}")
        self._facts.volumes[name] = size
        self._effect(f"created volume {name}")

    def _delete_volume(self, name: str) -> None:
        if name in self._facts.volumes:
            self._effect(f"delete volume {name}")
            del self._facts.volumes[name]
            self._facts.disks.pop(name, None)
            self._facts.logs.pop(name, None)
            self._effect(f"deleted volume {name}")

    def _run(self, guest: SimulatedGuest) -> None:
        """Boot it, or let it go on where its memory was saved."""
        if guest.power is Power.RUNNING:
            return
        self._effect(f"start {guest.spec.name}")
        now = asyncio.get_running_loop().time()
        if guest.power is Power.SAVED:
            guest.started_at = now - guest.saved_after_s
        else:
            guest.booted_at = guest.started_at = now
            guest.is_frozen = guest.is_sick = False
            self._boot(guest)
        guest.power = Power.RUNNING
        self._facts.tell(HostEventKind.GUEST_STARTED, guest.spec.owner.vm_uuid)
        self._effect(f"started {guest.spec.name}")

    def _boot(self, guest: SimulatedGuest) -> None:
        guest.disk.boots += 1
        name = guest.spec.owner.log_volume
        self._facts.logs[name] = self._facts.logs.get(name, b"") + b"[simulated] boot %d\n" % guest.disk.boots

    def _find(self, owner: Owner) -> SimulatedGuest | None:
        guest = self._facts.guests.get(owner.vm_uuid)
        return guest if guest and guest.spec.owner == owner else None

    def _require(self, owner: Owner) -> SimulatedGuest:
        guest = self._find(owner)
        if guest is None:
            raise HostRefused(f"Instance {owner.instance_id} is not on host {self._config.name}.")
        return guest

    def _stop(self, guest: SimulatedGuest) -> None:
        """Off, and what it saved of its memory dropped."""
        if guest.power is Power.SAVED:
            self._effect(f"drop the memory of {guest.spec.name}")
            guest.power = Power.SHUT_OFF
            self._effect(f"dropped the memory of {guest.spec.name}")
        if guest.power is not Power.RUNNING:
            return
        self._effect(f"stop {guest.spec.name}")
        guest.power = Power.SHUT_OFF
        self._facts.tell(HostEventKind.GUEST_STOPPED, guest.spec.owner.vm_uuid)
        self._effect(f"stopped {guest.spec.name}")

    async def start(self, owner: Owner) -> None:
        await self._call()
        if self._require(owner).power is Power.SAVED:
            await self._call(self._world.timing.resume_s)
        self._run(self._require(owner))

    async def hibernate(self, owner: Owner) -> None:
        await self._call()
        if self._require(owner).power is Power.SAVED:
            return
        if self._require(owner).power is Power.RUNNING:
            await self._call(self._world.timing.save_s)
        guest = self._require(owner)
        if guest.power is not Power.RUNNING:
            raise HostRefused(f"{guest.spec.name} does not run on {self._config.name}: it has no memory to save.")
        if guest.spec.memory_mib << 20 > self._facts.save_bytes_free:
            message = f"Host {self._config.name} has no disk left for the memory of {guest.spec.name}."
            raise InsufficientCapacity(message, target=self._config.name)
        self._save(guest)

    def _save(self, guest: SimulatedGuest) -> None:
        self._effect(f"save the memory of {guest.spec.name}")
        guest.saved_after_s = asyncio.get_running_loop().time() - guest.started_at
        guest.power = Power.SAVED
        self._facts.tell(HostEventKind.GUEST_SAVED, guest.spec.owner.vm_uuid)
        self._effect(f"saved the memory of {guest.spec.name}")

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
        for name in (owner.disk_volume, owner.copying_volume, owner.seed_volume, owner.log_volume):
            self._delete_volume(name)

    async def read_disk(self, owner: Owner) -> DiskContent:
        await self._call()
        guest, name = self._find(owner), owner.disk_volume
        if guest and guest.power in {Power.RUNNING, Power.SAVED}:
            raise HostRefused(f"The disk of {guest.spec.name} is in use on {self._config.name}.")
        if name not in self._facts.disks or owner.copying_volume in self._facts.volumes:
            raise HostRefused(f"Host {self._config.name} has no whole disk of instance {owner.instance_id}.")
        content = packed(self._facts.disks[name])
        return DiskContent(len(content), self._pieces(content))

    async def _pieces(self, content: bytes) -> AsyncIterator[bytes]:
        middle = len(content) // 2
        for piece in (content[:middle], content[middle:]):
            await self._call(self._world.timing.copy_s / 2)
            yield piece

    async def write_disk(self, spec: GuestSpec, content: DiskContent) -> bool:
        await self._call()
        owner = spec.owner
        if self._require_no_other(spec):
            return False
        if owner.copying_volume not in self._facts.volumes:
            self._make_volume(spec, owner.copying_volume, _MARKER_BYTES)
        self._delete_volume(owner.disk_volume)
        self._make_volume(spec, owner.disk_volume, _OVERLAY_BYTES)
        try:
            written = b"".join([await self._taken(piece) async for piece in content.chunks])
            if len(written) != content.size_bytes:
                raise HostRefused(f"The disk of {spec.name} came as {len(written)} bytes.")
            disk = unpacked(written)
        except Exception:
            self._delete_volume(owner.disk_volume)
            raise
        self._facts.disks[owner.disk_volume] = disk
        self._delete_volume(owner.copying_volume)
        return True

    async def _taken(self, piece: bytes) -> bytes:
        await self._call()
        return piece

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
        return self._facts.logs.get(owner.log_volume, b"")[-max_bytes:]
