"""Reading and writing whole disks as a sequence of calls, each in its own thread and with its own deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

from orchestrator.errors import HostError, HostRefused
from orchestrator.hosts.libvirt import disks
from orchestrator.hosts.libvirt.connections import Connections
from orchestrator.hosts.libvirt.guests import Surroundings
from orchestrator.hosts.port import DiskContent
from orchestrator.model.guest import GuestSpec, Owner


class Carrier:
    """One host's disks, out and in. ``piece_s`` is how long the host may take for one piece, in seconds."""

    def __init__(self, connections: Connections, piece_s: float) -> None:
        self._connections = connections
        self._piece_s = piece_s

    async def read(self, owner: Owner, host: str) -> DiskContent:
        """Check that the disk may be read; its pieces are fetched as they are asked for."""
        measure = partial(disks.size_to_read, owner=owner, host=host)
        size = await self._connections.work(measure, "show a guest's disk", self._piece_s)
        return DiskContent(size, self._pieces(owner, host, size))

    async def _pieces(self, owner: Owner, host: str, size: int) -> AsyncIterator[bytes]:
        for offset in range(0, size, disks.CHUNK_BYTES):
            length = min(disks.CHUNK_BYTES, size - offset)
            read = partial(disks.read, owner=owner, host=host, offset=offset, length=length)
            yield await self._connections.work(read, "read a guest's disk", self._piece_s)

    async def write(self, spec: GuestSpec, around: Surroundings, content: DiskContent) -> bool:
        """Write all pieces, or leave a disk that no guest is made on. False: it has its disk here already."""
        begin = partial(disks.begin, spec=spec, around=around, length=content.size_bytes)
        if not await self._connections.work(begin, f"make room for the disk of {spec.name}", self._piece_s):
            return False
        try:
            written = await self._write_pieces(spec, around, content.chunks)
            if written != content.size_bytes:
                message = f"The disk of {spec.name} came as {written} bytes instead of {content.size_bytes}"
                raise HostRefused(message, target=around.host)
            finish = partial(disks.finish, spec=spec, around=around, length=written)
            await self._connections.work(finish, f"complete the disk of {spec.name}", self._piece_s)
        except Exception:
            with suppress(HostError):  # the first error is the one to report, and the marker tells the rest
                discard = partial(disks.discard, owner=spec.owner)
                await self._connections.work(discard, "delete half a disk", self._piece_s)
            raise
        return True

    async def _write_pieces(self, spec: GuestSpec, around: Surroundings, pieces: AsyncIterator[bytes]) -> int:
        offset = 0
        async for piece in pieces:
            write = partial(disks.write, spec=spec, around=around, offset=offset, piece=piece)
            await self._connections.work(write, f"take the disk of {spec.name}", self._piece_s)
            offset += len(piece)
        return offset
