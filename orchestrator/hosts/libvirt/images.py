"""An image's copies in one pool: uploaded once, whole or not at all.

libvirt can neither rename a volume nor tell a whole upload from half of one, and copying one under its final
name would double the time. So each copy has a tiny *marker* volume beside it (``….ok``), made only after the
last byte arrived and the bytes sent had the right sha256. A copy without a marker is a failed upload's rest
and is made anew.

Names carry the installation, so two daemons that share a host cannot spoil each other's uploads, and kernel
and initrd carry their disk's name, so an image's copies come and go together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import HostRefused, ImageError
from orchestrator.hosts.libvirt import volumes
from orchestrator.hosts.libvirt.links import Call
from orchestrator.hosts.libvirt.tags import parse
from orchestrator.model.guest import Boot, ImageFiles

_MARKER_SUFFIX = ".ok"
_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an image and the volume that holds its copy."""

    volume: str
    path: Path
    sha256: str

    @property
    def marker(self) -> str:
        return self.volume + _MARKER_SUFFIX


def disk_volume(installation: str, image: ImageFiles) -> str:
    return f"{_prefix(installation, image)}.qcow2"


def kernel_volume(installation: str, image: ImageFiles) -> str | None:
    return f"{_prefix(installation, image)}-{image.kernel_sha256[:16]}.kernel" if image.kernel_sha256 else None


def initrd_volume(installation: str, image: ImageFiles) -> str | None:
    return f"{_prefix(installation, image)}-{image.initrd_sha256[:16]}.initrd" if image.initrd_sha256 else None


def _prefix(installation: str, image: ImageFiles) -> str:
    return f"vmss-image-{installation}-{image.disk_sha256[:16]}"


def parts(installation: str, image: ImageFiles) -> list[Part]:
    """The files of an image that a host needs, by how it boots."""
    wanted = [(disk_volume(installation, image), image.disk_path, image.disk_sha256)]
    if image.boot is Boot.DIRECT_KERNEL:
        kernel, initrd = kernel_volume(installation, image), initrd_volume(installation, image)
        if not (kernel and image.kernel_path and image.kernel_sha256):
            raise ImageError(f"Image {image.disk_sha256[:16]} boots a kernel directly but names none")
        wanted.append((kernel, image.kernel_path, image.kernel_sha256))
        if initrd and image.initrd_path and image.initrd_sha256:
            wanted.append((initrd, image.initrd_path, image.initrd_sha256))
    return [Part(volume, Path(path), sha256) for volume, path, sha256 in wanted]


def is_held(present: set[str], wanted: list[Part]) -> bool:
    """Whether every part is there whole, going by the names in the pool."""
    return all(part.volume in present and part.marker in present for part in wanted)


def hold(call: Call, host: str, wanted: list[Part]) -> None:
    """Upload what is missing. Blocks for as long as that takes."""
    present = volumes.names(call)
    for part in wanted:
        if not is_held(present, [part]):
            _upload(call, host, part)


def _upload(call: Call, host: str, part: Part) -> None:
    size = _size_of(part)
    drop(call, [part])
    volumes.require_room(call, host, size)
    try:
        volumes.upload(call, volumes.make_empty(call, part.volume), _verified(part), size)
    except Exception:
        # Not on a lost connection: then this fails too, and the missing marker tells the next try.
        volumes.delete_quietly(call, part.volume)
        raise
    volumes.make_empty(call, part.marker)


def _size_of(part: Part) -> int:
    try:
        return part.path.stat().st_size
    except OSError as error:
        raise ImageError(f"Image file {part.path} cannot be read: {error.strerror}") from None


def _verified(part: Part) -> Iterator[bytes]:
    # The check comes after the last byte was sent and before the stream is finished: a damaged file never
    # gets its marker.
    digest = hashlib.sha256()
    with part.path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            digest.update(chunk)
            yield chunk
    if digest.hexdigest() != part.sha256.lower():
        raise ImageError(
            f"Image file {part.path} is damaged: its sha256 is {digest.hexdigest()}, not {part.sha256}",
            code="ImageDamaged",
        )


def upload_size_bytes(wanted: list[Part]) -> int:
    """How much ``hold`` may have to send at most; files that are missing are reported by ``hold`` itself."""
    return sum(part.path.stat().st_size for part in wanted if part.path.exists())


def drop(call: Call, wanted: list[Part]) -> None:
    """Delete these copies, markers first: a copy without its marker counts for nothing."""
    for part in wanted:
        volumes.delete(call, part.marker)
        volumes.delete(call, part.volume)


def require_unused(call: Call, host: str, image_disk: str) -> None:
    """Refuse when any overlay in the pool, running or not, ours or not, stands on ``image_disk``."""
    suffix = f"/{image_disk}"
    for volume in call.pool.listAllVolumes():
        backing = parse(volume.XMLDesc(0)).findtext("backingStore/path") or ""
        if backing.endswith(suffix):
            raise HostRefused(f"Image copy {image_disk} on host {host} is in use by {volume.name()}", target=host)
