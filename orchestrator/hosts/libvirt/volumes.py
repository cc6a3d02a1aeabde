"""Volumes of one storage pool: their definitions, making, filling, reading and deleting.

Everything goes through libvirt's storage API, so a remote pool needs no shared file system. These functions
block; they run in a call's thread.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable

import libvirt

from orchestrator.errors import HostRefused, InsufficientCapacity
from orchestrator.hosts.libvirt.errors import ABSENT_VOLUME, WRONG_STATE, is_code
from orchestrator.hosts.libvirt.links import Abandoned, Call
from orchestrator.hosts.libvirt.tags import parse

# libvirt's streams carry at most this much in one message (VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX).
CHUNK_BYTES = 262_120
# Room left for what running guests write into their overlays between two looks.
RESERVE_BYTES = 32 * 1024 * 1024
# A volume still being made by an earlier call cannot be deleted; qemu-img takes some 20 ms.
_BUILD_WAIT_S = 10.0
_BUILD_POLL_S = 0.05
_FILE_POOLS = frozenset({"dir", "fs", "netfs"})


def pool_path(call: Call) -> str:
    """The directory of the pool on its host; a pool that is not a directory is refused."""
    pool = call.pool
    definition = parse(pool.XMLDesc(0))
    kind = definition.get("type", "")
    if kind not in _FILE_POOLS:
        raise HostRefused(f"Storage pool '{pool.name()}' is of type {kind}; qcow2 overlays need a directory pool")
    if not pool.isActive():
        raise HostRefused(f"Storage pool '{pool.name()}' is not active: virsh pool-start {pool.name()}")
    return (definition.findtext("target/path") or "").rstrip("/")


def names(call: Call) -> set[str]:
    """The names of all volumes that libvirt knows in the pool: one round trip."""
    # Not listVolumes(): it counts first and lists then, and cuts the list where volumes came in between.
    return {volume.name() for volume in call.pool.listAllVolumes(0)}


def find(call: Call, name: str) -> libvirt.virStorageVol | None:
    try:
        return call.pool.storageVolLookupByName(name)
    except libvirt.libvirtError as error:
        if is_code(error, ABSENT_VOLUME):
            return None
        raise


def make_overlay(call: Call, name: str, base_path: str, capacity_bytes: int) -> None:
    """A qcow2 overlay on a qcow2 base. libvirt runs qemu-img for it (some 15 ms)."""
    definition = _definition(name, capacity_bytes, "qcow2")
    backing = ET.SubElement(definition, "backingStore")
    ET.SubElement(backing, "path").text = base_path
    ET.SubElement(backing, "format", type="qcow2")
    call.pool.createXML(ET.tostring(definition, encoding="unicode"), 0)


def make_empty(call: Call, name: str) -> libvirt.virStorageVol:
    """A raw volume without content, to be filled by ``upload`` or written by the host itself."""
    return call.pool.createXML(ET.tostring(_definition(name, 0, "raw"), encoding="unicode"), 0)


def _definition(name: str, capacity_bytes: int, kind: str) -> ET.Element:
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    ET.SubElement(volume, "capacity", unit="bytes").text = str(capacity_bytes)
    ET.SubElement(volume, "allocation", unit="bytes").text = "0"
    ET.SubElement(ET.SubElement(volume, "target"), "format", type=kind)
    return volume


def upload(
    call: Call, volume: libvirt.virStorageVol, chunks: Iterable[bytes], length: int, offset: int = 0
) -> None:
    """Write ``length`` bytes into ``volume`` from ``offset`` on; returns when the host has taken them all."""
    stream = call.connection.newStream(0)
    try:
        volume.upload(stream, offset, length, 0)
        for chunk in chunks:
            call.check()
            _send(stream, chunk)
        stream.finish()
    except BaseException:
        _abort(stream)
        raise


def _send(stream: libvirt.virStream, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        sent = stream.send(bytes(view[:CHUNK_BYTES]))
        view = view[sent:]


def download(call: Call, volume: libvirt.virStorageVol, offset: int, length: int) -> bytes:
    """Read ``length`` bytes at ``offset``; fewer where the volume ends."""
    stream = call.connection.newStream(0)
    parts: list[bytes] = []
    try:
        volume.download(stream, offset, length, 0)
        while part := stream.recv(CHUNK_BYTES):
            parts.append(part)
        stream.finish()
    except BaseException:
        _abort(stream)
        raise
    return b"".join(parts)


def _abort(stream: libvirt.virStream) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        return  # it never began, or its connection is gone


def size_bytes(volume: libvirt.virStorageVol) -> int:
    """The length of the volume's file (not its virtual size), read afresh by the host."""
    return int(volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])


def is_whole_overlay(volume: libvirt.virStorageVol) -> bool:
    """Whether its header is complete: a host that died while making it leaves an empty or headless file."""
    definition = parse(volume.XMLDesc(0))
    kind = definition.find("target/format")
    has_size = int(definition.findtext("capacity") or 0) > 0
    has_base = bool(definition.findtext("backingStore/path"))
    return kind is not None and kind.get("type") == "qcow2" and has_size and has_base


def grow(volume: libvirt.virStorageVol, capacity_bytes: int) -> None:
    """Make a disk at least this large for its guest; a larger one stays as it is."""
    if int(volume.info()[1]) < capacity_bytes:
        volume.resize(capacity_bytes, 0)


def delete(call: Call, name: str) -> None:
    """Delete a volume; one that is not there is no error. Waits for one still being made."""
    give_up_s = time.monotonic() + _BUILD_WAIT_S
    while (volume := find(call, name)) is not None:
        try:
            volume.delete(0)
        except libvirt.libvirtError as error:
            if is_code(error, ABSENT_VOLUME):
                return
            if not is_code(error, WRONG_STATE) or time.monotonic() > give_up_s:
                raise
            time.sleep(_BUILD_POLL_S)


def require_room(call: Call, host: str, needed_bytes: int) -> None:
    """Refuse before making anything when the pool has no room."""
    wanted = needed_bytes + RESERVE_BYTES
    if _available_bytes(call) >= wanted:
        return
    refresh(call)  # libvirt's figure is as old as its last count; ask for a new one before saying no
    available = _available_bytes(call)
    if available < wanted:
        raise InsufficientCapacity(
            f"Host {host} has too little disk in its pool '{call.pool.name()}': "
            f"{available // 1024**2} MiB left, {wanted // 1024**2} MiB needed",
            target=host,
        )


def _available_bytes(call: Call) -> int:
    return int(call.pool.info()[3])


def refresh(call: Call) -> bool:
    """Let the host count the pool anew; false when it cannot just now, because it is making a volume."""
    try:
        call.pool.refresh(0)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_INTERNAL_ERROR):  # "has asynchronous jobs running"
            return False
        raise
    return True


def delete_quietly(call: Call, name: str) -> None:
    """Delete while handling another error: that one is the one to report."""
    try:
        delete(call, name)
    except (libvirt.libvirtError, Abandoned):
        return
