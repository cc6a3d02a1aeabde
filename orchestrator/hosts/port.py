"""The Host port: all that the loop may ask of a hypervisor.

Contract, held by one suite against the simulated and the libvirt adapter (tests/contract):

* Every call ends by its deadline. A host that does not answer raises ``HostUnreachable``; then nothing is
  known of what runs there, and the caller must not take silence for absence.
* ``create`` is idempotent by owner: with the same spec, after a crash at any point, it ends with exactly one
  running domain on one overlay. A half-made earlier try is completed or made anew, never doubled.
* A guest that is off with its memory saved is ``Power.SAVED``. Only what starts it uses that memory up; whatever
  stops, forgets or removes it drops it, so that old memory never meets a newer disk.
* A disk on its way from another host is not whole until ``write_disk`` returned: no guest is made on it.
* ``remove`` is repeated until the domain and every volume of that owner *generation* are absent; removing
  what is not there succeeds.
* No method touches a domain or volume that does not carry an owner's tag of this installation.
* ``InsufficientCapacity`` says which of memory, vCPU or disk ran out, and on which host.
* Event listeners are called on the event loop's thread, soon after the fact, and may be called twice.
  Events are hints: only ``look`` is the truth.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.model.guest import GuestFilter, GuestSpec, GuestStats, HostEvent, HostView, ImageFiles, Owner
from orchestrator.model.host import HostConfig

EventListener = Callable[[HostEvent], None]


@dataclass(frozen=True, slots=True)
class DiskContent:
    """A guest's disk on its way: ``chunks`` make up ``size_bytes`` of its overlay, and are read as they are asked
    for. The base image is no part of it."""

    size_bytes: int
    chunks: AsyncIterator[bytes]


class Host(Protocol):
    """One hypervisor. Adapters: ``hosts.libvirt`` and ``hosts.simulated``."""

    @property
    def config(self) -> HostConfig: ...

    def listen(self, listener: EventListener) -> None:
        """Be told of domain lifecycle and connection events from now on."""

    async def open(self) -> None:
        """Connect, find the pool and the network, start listening. Idempotent; may be repeated after a loss."""

    async def close(self) -> None:
        """Drop connections and threads. Guests keep running."""

    async def look(self) -> HostView:
        """Every domain and volume there (ours tagged with their owner, others without) and the room left."""

    async def ensure_image(self, image: ImageFiles) -> None:
        """Hold this image (disk, and kernel and initrd if it boots directly) in the pool: uploaded once, by
        sha256, whole or not at all."""

    async def create(self, spec: GuestSpec) -> None:
        """Make overlay, seed and domain, and start it. ``ensure_image`` must have been called for the image.

        A disk that ``undefine`` or ``write_disk`` left is kept, and grown where ``disk_gib`` asks for more; it is
        never cut. A domain that is defined is started as it is, whatever size the spec names: ``undefine`` it to
        give it another. An earlier *generation* of the same instance must have been removed first, and a disk
        that was copied only in part is not taken (both ``HostRefused``)."""

    async def change_filters(self, filters: Sequence[GuestFilter]) -> None:
        """Those of these filters that are here are so from now on, for guests that run, too; others of this
        installation that no guest goes through are dropped. ``create`` brings the filters of its guest itself."""

    async def start(self, owner: Owner) -> None:
        """Start a shut-off domain; one that runs already is left alone. Absent: ``HostRefused``.

        A saved one goes on where it was. When its host cannot resume it that is an error, and its memory is kept
        until ``power_off`` drops it."""

    async def hibernate(self, owner: Owner) -> None:
        """Save its memory on the host and power it off. Saved already: nothing to do. Otherwise not running:
        ``HostRefused``. A save that fails leaves the guest running, with ``InsufficientCapacity`` when the host
        has no disk left for its memory."""

    async def shut_down(self, owner: Owner) -> None:
        """Ask the guest to power off (ACPI) and return at once; whether it does is seen by ``look``."""

    async def power_off(self, owner: Owner) -> None:
        """Stop it now, like pulling the plug (virDomainDestroy). Stopped or absent: nothing to do but to drop its
        saved memory."""

    async def restart(self, owner: Owner) -> None:
        """Hard stop and start again on the same disk, without the memory it may have saved."""

    async def undefine(self, owner: Owner) -> None:
        """Stop and forget the domain, keep its volumes and with them its serial log (deallocate). ``create`` brings
        it back on them."""

    async def remove(self, owner: Owner) -> None:
        """Stop and forget the domain if it is of this generation, then delete this generation's volumes."""

    async def read_disk(self, owner: Owner) -> DiskContent:
        """The disk of a guest that is off, for another host's ``write_disk``. No disk, a half-copied one, or a
        guest that runs or has its memory saved: ``HostRefused``. Reading is slow and may end in any of the errors;
        each chunk has a deadline, the whole has none."""

    async def write_disk(self, spec: GuestSpec, content: DiskContent) -> bool:
        """Hold this guest's disk as it was read on another host, ready for ``create``.

        Made anew each time, because only the host it comes from knows the newest one; but where the domain is
        defined here, its disk was whole and may have been written since: then nothing is done, and the answer is
        false. ``ensure_image`` comes first. It ends with the whole disk or with none that ``create`` would take;
        no room for it: ``InsufficientCapacity``."""

    async def remove_image(self, image: ImageFiles) -> None:
        """Delete the pool's copies of an image that no overlay here stands on; in use: ``HostRefused``."""

    async def stats(self) -> list[GuestStats]:
        """Counters of all running guests of this installation, in one bulk call."""

    async def console(self, owner: Owner, max_bytes: int = 65_536) -> bytes:
        """The tail of the guest's serial log, as far as the host kept it."""
