"""What the suite needs beside the port itself: one hypervisor, faults on it, and adapters to it."""

from __future__ import annotations

import asyncio
import functools
import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from orchestrator.errors import HostError
from orchestrator.hosts.port import Host
from orchestrator.model.guest import (
    GuestSpec,
    HostEvent,
    HostEventKind,
    HostView,
    ImageFiles,
    Nic,
    Owner,
    Power,
    SeenGuest,
)

SET_UID = "0123456789ab"


class Rig(ABC):
    """One hypervisor under test. Each rig has an installation of its own, so tests do not meet."""

    network = "fabric"
    # By when a call to a host that does not answer has to end, in seconds.
    silence_deadline_s = 6.0

    def __init__(self, image: ImageFiles) -> None:
        self.image = image
        self.installation = secrets.token_hex(4)

    @abstractmethod
    def host(self, installation: str | None = None) -> Host: ...

    @abstractmethod
    def kill_guest(self, uuid: str) -> None:
        """Its QEMU dies at once."""

    @abstractmethod
    def silence(self) -> None:
        """The host's management stops answering; what runs there runs on."""

    @abstractmethod
    def heal(self) -> None:
        """Undo every fault."""

    @abstractmethod
    def fill_pool(self) -> None: ...

    @abstractmethod
    def fill_save_disk(self) -> None:
        """Where guests' memory is saved there is hardly any room left."""

    @abstractmethod
    def filter_names(self) -> set[str]:
        """Of the filters of this rig's installation that the hypervisor has."""

    @abstractmethod
    def beside(self) -> Rig:
        """Another hypervisor, for the same installation."""

    @abstractmethod
    def foreign(self) -> Any:
        """A context manager: a domain and a volume that are not ours are there; gives both names."""

    @abstractmethod
    def stop_at(self, step: int) -> Any:
        """A context manager: the adapter's owner dies before its ``step``-th side effect; gives ``Stop``."""

    def spec(self, instance_id: int = 0, generation: int = 1, **changes: Any) -> GuestSpec:
        owner = Owner(self.installation, SET_UID, instance_id, generation)
        made = GuestSpec(
            owner=owner,
            name=f"ct-{self.installation}-{instance_id}",
            vcpus=1,
            memory_mib=32,
            image=self.image,
            seed_iso=bytes([instance_id % 256]) * 70_000,
            nics=(Nic(self.mac(instance_id), self.network),),
        )
        return replace(made, **changes)

    def mac(self, instance_id: int) -> str:
        return f"52:54:00:{self.installation[0:2]}:{self.installation[2:4]}:{instance_id % 256:02x}"

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Host]:
        """An open host with the image; what this rig's installation made is removed at the end."""
        host = self.host()
        await host.open()
        try:
            await host.ensure_image(self.image)
            yield host
        finally:
            self.heal()
            await self._clean(host)
            await host.close()

    async def _clean(self, host: Host) -> None:
        await answered(host)
        view = await host.look()
        owners = {each.owner for each in (*view.guests, *view.volumes) if each.owner}
        for owner in sorted(each for each in owners if each.installation == self.installation):
            await host.remove(owner)
        await host.remove_image(self.image)


class Stopped(BaseException):
    """The death of a daemon, for tests: nothing catches it on the way."""


class Stop:
    """Counts steps down to the one that is not taken."""

    def __init__(self, step: int) -> None:
        self.left = step
        self.was_hit = False

    def is_now(self) -> bool:
        self.left -= 1
        self.was_hit = self.was_hit or self.left <= 0
        return self.was_hit


async def was_stopped(rig: Rig, step: int, act: Callable[[], Awaitable[None]]) -> bool:
    """Do ``act`` and die before its ``step``-th side effect; false when it has fewer."""
    with rig.stop_at(step) as stop, suppress(Stopped):
        await act()
    return bool(stop.was_hit)


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an asynchronous test on an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def until(is_so: Callable[[], Awaitable[Any]], deadline_s: float, what: str) -> Any:
    """Ask again and again until the answer is true; the answer."""
    end_s = asyncio.get_running_loop().time() + deadline_s
    while not (answer := await is_so()):
        assert asyncio.get_running_loop().time() < end_s, f"not within {deadline_s:g} s: {what}"
        await asyncio.sleep(0.05)
    return answer


async def answered(host: Host) -> HostView:
    """The host's view, once it answers again."""

    async def try_to_look() -> HostView | None:
        try:
            await host.open()
            return await host.look()
        except HostError:
            return None

    view: HostView = await until(try_to_look, 30, "the host answers")
    return view


class Heard:
    """A listener that keeps what it was told, with the loop's time of each event."""

    def __init__(self, host: Host) -> None:
        self.events: list[tuple[float, HostEvent]] = []
        self._news = asyncio.Event()
        host.listen(self._hear)

    def _hear(self, event: HostEvent) -> None:
        self.events.append((asyncio.get_running_loop().time(), event))
        self._news.set()

    def clear(self) -> None:
        self.events.clear()

    def kinds(self, uuid: str | None = None) -> list[HostEventKind]:
        return [event.kind for _, event in self.events if event.uuid == uuid]

    async def wait_for(self, kind: HostEventKind, uuid: str | None, deadline_s: float) -> float:
        """The loop's time at which this was told."""
        async with asyncio.timeout(deadline_s):
            while True:
                for at_s, event in self.events:
                    if event.kind is kind and event.uuid == uuid:
                        return at_s
                self._news.clear()
                await self._news.wait()


def guest_of(view: HostView, owner: Owner) -> SeenGuest | None:
    """The one domain of this owner; more than one is a failure."""
    found = [guest for guest in view.guests if guest.owner == owner]
    assert len(found) <= 1, f"{owner} is there {len(found)} times"
    return found[0] if found else None


def volumes_of(view: HostView, owner: Owner) -> set[str]:
    return {volume.name for volume in view.volumes if volume.owner == owner}


async def says(host: Host, owner: Owner, text: bytes) -> None:
    """Wait until the guest's serial log has this. Guests count their boots on their disk and say ``boot N``."""

    async def is_said() -> bool:
        return text in await host.console(owner)

    await until(is_said, 20, f"the guest says {text!r}")


async def power_of(host: Host, owner: Owner) -> Power | None:
    guest = guest_of(await host.look(), owner)
    return guest.power if guest else None
