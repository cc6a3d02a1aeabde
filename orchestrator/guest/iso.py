"""An ISO 9660 image with Rock Ridge names, whose bytes depend on its contents alone."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import pycdlib

_SECTOR = 2048
_FIRST_DESCRIPTOR = 16
_END_OF_DESCRIPTORS = 255


def make_iso(volume_id: str, files: Mapping[str, bytes]) -> bytes:
    """Files of the root folder, by name."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09", vol_ident=volume_id)
    for number, (name, content) in enumerate(files.items()):
        iso.add_fp(io.BytesIO(content), len(content), f"/F{number}.;1", rr_name=name)
    written = io.BytesIO()
    iso.write_fp(written)
    iso.close()
    return _without_clock(bytearray(written.getvalue()))


def _without_clock(image: bytearray) -> bytes:
    """Blank every time stamp: pycdlib takes them all from the clock (ECMA-119 8.4.26 to 8.4.29 and 9.1.5)."""
    sector = _FIRST_DESCRIPTOR
    while (kind := image[sector * _SECTOR]) != _END_OF_DESCRIPTORS:
        start = sector * _SECTOR
        if kind == 1:
            for field in range(4):
                image[start + 813 + 17 * field : start + 830 + 17 * field] = b"0" * 16 + b"\0"
            image[start + 156 + 18 : start + 156 + 25] = bytes(7)
            extent, length = (struct.unpack_from("<I", image, start + 156 + at)[0] for at in (2, 10))
            _blank_records(image, extent * _SECTOR, length)
        sector += 1
    return bytes(image)


def _blank_records(image: bytearray, start: int, length: int) -> None:
    """The date of each directory record, and of each ``TF`` field of Rock Ridge behind its name."""
    at = start
    while at < start + length:
        size = image[at]
        if size == 0:
            at = (at // _SECTOR + 1) * _SECTOR
            continue
        image[at + 18 : at + 25] = bytes(7)
        name_length = image[at + 32]
        field = at + 33 + name_length + (1 - name_length % 2)
        while field + 4 <= at + size and (field_size := image[field + 2]) >= 4:
            if image[field : field + 2] == b"TF":
                image[field + 5 : field + field_size] = bytes(field_size - 5)
            field += field_size
        at += size
