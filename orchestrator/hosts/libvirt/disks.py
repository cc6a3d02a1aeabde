"""A guest's disk, carried from one host to another in pieces: each is one call with a deadline of its own.

The overlay's file is read as it is; qcow2 keeps it about as small as what the guest wrote, so there are no holes
worth skipping. On the other host a marker (``Owner.copying_volume``) is made before the first byte and deleted
after the last: a disk beside which it lies is not whole, whatever its header says.

These functions block; they run in a call's thread.
"""

from __future__ import annotations

import libvirt

from orchestrator.errors import HostRefused
from orchestrator.hosts.libvirt import domains, guests, volumes
from orchestrator.hosts.libvirt.backing import rebased
from orchestrator.hosts.libvirt.guests import Surroundings
from orchestrator.hosts.libvirt.links import Call
from orchestrator.model.guest import GuestSpec, Owner

CHUNK_BYTES = 16 * 1024 * 1024


def size_to_read(call: Call, owner: Owner, host: str) -> int:
    """The length of a disk that may be copied now; ``HostRefused`` where it may not."""
    domain = domains.find_own(call, owner)
    if domain is not None and (domain.isActive() or domain.hasManagedSaveImage(0)):
        message = (
            f"Instance {owner.instance_id} runs on host {host} or has its memory saved there: its disk is in use"
        )
        raise HostRefused(message, target=host)
    if volumes.find(call, owner.copying_volume) is not None:
        raise HostRefused(f"Host {host} has only a part of the disk of instance {owner.instance_id}", target=host)
    return volumes.size_bytes(_require(call, owner, host))


def read(call: Call, owner: Owner, host: str, offset: int, length: int) -> bytes:
    """One piece of a disk, whole."""
    piece = volumes.download(call, _require(call, owner, host), offset, length)
    if len(piece) != length:
        raise HostRefused(f"The disk of instance {owner.instance_id} on host {host} ended early", target=host)
    return piece


def begin(call: Call, spec: GuestSpec, around: Surroundings, length: int) -> bool:
    """Make room for a disk of this length and an empty one to write it into. False: the guest is defined here, and
    its disk was whole before that."""
    owner = spec.owner
    if domains.find_to_make(call, owner, around.host) is not None:
        return False
    present = volumes.names(call)
    guests.require_ground(spec, around, present)
    if owner.copying_volume not in present:
        volumes.make_empty(call, owner.copying_volume)
    volumes.delete(call, owner.disk_volume)
    volumes.require_room(call, around.host, length)
    base = guests.paths_of(spec, around).base
    volumes.make_overlay(call, owner.disk_volume, base, guests.disk_bytes(spec))
    return True


def write(call: Call, spec: GuestSpec, around: Surroundings, offset: int, piece: bytes) -> None:
    """One piece of a disk. The first one names the base image: it may be elsewhere on this host."""
    if offset == 0:
        piece = rebased(piece, guests.paths_of(spec, around).base)
    volume = _require(call, spec.owner, around.host)
    volumes.upload(call, volume, [piece], len(piece), offset)


def finish(call: Call, spec: GuestSpec, around: Surroundings, length: int) -> None:
    """The disk is whole: from now on a guest may be made on it."""
    volume = _require(call, spec.owner, around.host)
    if volumes.size_bytes(volume) < length or not volumes.is_whole_overlay(volume):
        raise HostRefused(f"Host {around.host} did not keep all of the disk of {spec.name}", target=around.host)
    volumes.delete(call, spec.owner.copying_volume)


def discard(call: Call, owner: Owner) -> None:
    """Give the room of a half-copied disk back; its marker stays, so that nothing is made in its place."""
    volumes.delete_quietly(call, owner.disk_volume)


def _require(call: Call, owner: Owner, host: str) -> libvirt.virStorageVol:
    volume = volumes.find(call, owner.disk_volume)
    if volume is None:
        message = f"Host {host} has no disk of instance {owner.instance_id}, generation {owner.generation}"
        raise HostRefused(message, target=host)
    return volume
