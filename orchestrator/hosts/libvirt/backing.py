"""The name of the base image inside an overlay's header, for a host that keeps its images elsewhere. Pure.

Fields are those of QEMU's docs/interop/qcow2.txt. QEMU puts the name last into the first cluster, so a longer one
finds room after it.
"""

from __future__ import annotations

import struct

from orchestrator.errors import ImageError
from orchestrator.images.qcow2 import read_header

_NAME_SIZE_AT = 16  # backing_file_size, 4 bytes
_CLUSTER_BITS_AT = 20
_MAX_NAME_BYTES = 1023
_EXTERNAL_DATA = 1 << 2


def rebased(start: bytes, base_path: str) -> bytes:
    """The beginning of an overlay (its first cluster at least), standing on ``base_path`` now. The format of the
    base stays named as it was. ``ImageError`` when these are not the bytes of an overlay."""
    header = read_header(start)
    if not header.backing_file_offset or header.incompatible_features & _EXTERNAL_DATA:
        raise ImageError("The copied disk is no overlay on a base image.", code="ImageDamaged")
    at, end = header.backing_file_offset, 1 << struct.unpack_from(">I", start, _CLUSTER_BITS_AT)[0]
    old_size, name = struct.unpack_from(">I", start, _NAME_SIZE_AT)[0], base_path.encode()
    after = at + max(old_size, len(name))
    if len(name) > _MAX_NAME_BYTES or after > end or end > len(start) or any(start[at + old_size : after]):
        raise ImageError(
            "The copied disk's header has no room for the name of its base image.", code="ImageDamaged"
        )
    return b"".join(
        (
            start[:_NAME_SIZE_AT],
            struct.pack(">I", len(name)),
            start[_CLUSTER_BITS_AT:at],
            name.ljust(after - at, b"\0"),
            start[after:],
        )
    )
