"""The libvirt adapter of the Host port."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from orchestrator.errors import HostRefused, HostUnreachable
from orchestrator.hosts.doctor import Check
from orchestrator.hosts.libvirt import console, counters, doctor, domains, guests, images, volumes
from orchestrator.hosts.libvirt import filters as network_filters
from orchestrator.hosts.libvirt.acceleration import choose_accelerator
from orchestrator.hosts.libvirt.carrying import Carrier
from orchestrator.hosts.libvirt.connections import Connections, Deadlines
from orchestrator.hosts.libvirt.facts import FactsCache
from orchestrator.hosts.libvirt.guests import Surroundings
from orchestrator.hosts.libvirt.links import Call
from orchestrator.hosts.libvirt.listening import Listening
from orchestrator.hosts.libvirt.viewing import Viewer
from orchestrator.hosts.port import DiskContent, EventListener
from orchestrator.model.guest import GuestFilter, GuestSpec, GuestStats, HostView, ImageFiles, Owner
from orchestrator.model.host import HostConfig

T = TypeVar("T")

# libvirtd works on 20 requests at once for all its clients; what makes and what ends guests may each take a
# share, so that neither holds up the other, nor a look.
MAKING_AT_ONCE = 10
ENDING_AT_ONCE = 6


class LibvirtHost:
    """One hypervisor behind the Host port, over libvirt (``config.uri``)."""

    def __init__(self, config: HostConfig, installation: str, deadlines: Deadlines | None = None) -> None:
        self._config = config
        self._installation = installation
        self._deadlines = deadlines or Deadlines()
        self._facts = FactsCache()
        self._viewer = Viewer(config.limits, self._facts)
        self._listening = Listening(config.name, self._facts)
        self._connections = Connections(
            config.name,
            config.uri,
            config.pool,
            self._deadlines.open_s,
            self._listening.register,
            self._listening.lost,
        )
        self._carrier = Carrier(self._connections, self._deadlines.change_s)
        self._making = asyncio.Semaphore(MAKING_AT_ONCE)
        self._ending = asyncio.Semaphore(ENDING_AT_ONCE)
        self._surroundings: Surroundings | None = None
        self._guest_locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._uploads: dict[str, asyncio.Task[None]] = {}

    @property
    def config(self) -> HostConfig:
        return self._config

    def listen(self, listener: EventListener) -> None:
        self._listening.add(listener)

    async def open(self) -> None:
        self._listening.begin(asyncio.get_running_loop())
        await self._connections.open()
        if self._surroundings is None:
            self._surroundings = await self._query(self._survey, "show its pool and network")

    async def close(self) -> None:
        self._listening.end()
        self._surroundings = None
        await self._connections.close()

    async def look(self) -> HostView:
        await self._around()
        return await self._query(self._viewer.look, "list its guests")

    async def ensure_image(self, image: ImageFiles) -> None:
        wanted = images.parts(self._installation, image)
        await self._around()
        if images.is_held(await self._query(volumes.names, "list its volumes"), wanted):
            return
        # Everybody who wants this image waits for one upload, which nobody's cancellation stops.
        key = wanted[0].volume
        upload = self._uploads.get(key)
        if upload is None:
            upload = self._uploads[key] = asyncio.create_task(self._upload(wanted))
            upload.add_done_callback(lambda ended: self._uploaded(key, ended))
        await asyncio.shield(upload)

    async def _upload(self, wanted: list[images.Part]) -> None:
        hold = partial(images.hold, host=self._config.name, wanted=wanted)
        seconds = images.upload_size_bytes(wanted) / self._deadlines.upload_floor_bytes_per_s
        await self._connections.work(hold, "take an image", self._deadlines.change_s + seconds)

    def _uploaded(self, key: str, ended: asyncio.Task[None]) -> None:
        self._uploads.pop(key, None)
        if not ended.cancelled():
            ended.exception()  # told to those who wait; perhaps none is left

    async def create(self, spec: GuestSpec) -> None:
        around = await self._around()
        await self._change(
            spec.owner, self._making, partial(guests.create, spec=spec, around=around), f"create {spec.name}"
        )

    async def change_filters(self, filters: Sequence[GuestFilter]) -> None:
        await self._around()
        change = partial(network_filters.change, wanted=filters, installation=self._installation)
        await self._connections.work(change, "change its filters", self._deadlines.change_s)

    async def start(self, owner: Owner) -> None:
        around = await self._around()
        await self._change(owner, self._making, partial(guests.start, owner=owner, around=around), "start a guest")

    async def restart(self, owner: Owner) -> None:
        around = await self._around()
        await self._change(
            owner, self._making, partial(guests.restart, owner=owner, around=around), "restart a guest"
        )

    async def hibernate(self, owner: Owner) -> None:
        around = await self._around()
        measure = partial(domains.memory_bytes, owner=owner, host=around.host)
        seconds = await self._query(measure, "show a guest's memory") / self._deadlines.upload_floor_bytes_per_s
        save = partial(domains.save, owner=owner, host=around.host)
        await self._change(owner, self._ending, save, "save a guest's memory", seconds)

    async def shut_down(self, owner: Owner) -> None:
        await self._end(owner, guests.shut_down, "shut a guest down")

    async def power_off(self, owner: Owner) -> None:
        await self._end(owner, guests.power_off, "power a guest off")

    async def undefine(self, owner: Owner) -> None:
        await self._end(owner, guests.undefine, "forget a guest")

    async def remove(self, owner: Owner) -> None:
        await self._end(owner, guests.remove, "remove a guest")

    async def read_disk(self, owner: Owner) -> DiskContent:
        self._require_own(owner)
        await self._around()
        return await self._carrier.read(owner, self._config.name)

    async def write_disk(self, spec: GuestSpec, content: DiskContent) -> bool:
        self._require_own(spec.owner)
        around = await self._around()
        async with self._lock(spec.owner):
            return await self._carrier.write(spec, around, content)

    async def remove_image(self, image: ImageFiles) -> None:
        def drop(call: Call) -> None:
            images.require_unused(call, self._config.name, wanted[0].volume)
            images.drop(call, wanted)

        wanted = images.parts(self._installation, image)
        await self._around()
        await self._connections.work(drop, "delete an image", self._deadlines.change_s)

    async def stats(self) -> list[GuestStats]:
        await self._around()
        read = partial(counters.read, facts=self._facts, installation=self._installation)
        half_s = self._deadlines.query_s / 2
        try:
            return await self._connections.work(read, "count its guests' work", half_s)
        except HostUnreachable:
            # Perhaps one frozen guest held the answer up. The first question now waits for that guest, and
            # a second one leaves out who is busy.
            return await self._connections.work(read, "count its guests' work", half_s)

    async def console(self, owner: Owner, max_bytes: int = 65_536) -> bytes:
        await self._around()
        return await self._query(partial(console.tail, owner=owner, max_bytes=max_bytes), "show a serial log")

    async def examine(self) -> list[Check]:
        """What ``vmss doctor`` wants to know of this host."""
        return await doctor.examine(self._config, self._deadlines)

    async def _around(self) -> Surroundings:
        if self._surroundings is None:
            await self.open()
        if self._surroundings is None:
            raise HostRefused(f"Host {self._config.name} was closed meanwhile", target=self._config.name)
        return self._surroundings

    def _survey(self, call: Call) -> Surroundings:
        path = volumes.pool_path(call)
        doctor.require_network(call.connection, self._config)
        return Surroundings(
            host=self._config.name,
            installation=self._installation,
            pool_path=path,
            accelerator=choose_accelerator(call.connection, self._config.uri, self._config.acceleration),
            tb_cache_mib=self._config.tb_cache_mib,
        )

    async def _query(self, function: Callable[[Call], T], doing: str) -> T:
        return await self._connections.query(function, doing, self._deadlines.query_s)

    async def _end(self, owner: Owner, action: Callable[[Call, Owner], None], doing: str) -> None:
        await self._around()
        await self._change(owner, self._ending, lambda call: action(call, owner), doing)

    async def _change(
        self,
        owner: Owner,
        share: asyncio.Semaphore,
        function: Callable[[Call], None],
        doing: str,
        more_s: float = 0.0,
    ) -> None:
        self._require_own(owner)
        async with self._lock(owner), share:
            await self._connections.work(function, doing, self._deadlines.change_s + more_s)

    def _lock(self, owner: Owner) -> asyncio.Lock:
        """One change at a time to one guest."""
        return self._guest_locks.setdefault(owner.vm_uuid, asyncio.Lock())

    def _require_own(self, owner: Owner) -> None:
        if owner.installation != self._installation:
            raise HostRefused(
                f"Instance {owner.instance_id} belongs to installation {owner.installation}, not to us"
            )
