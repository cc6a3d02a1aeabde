"""Looking into a stranger's qcow2 file before anything opens it.

A qcow2 file can name other files (a backing file, an external data file), and QEMU would open them: with the
daemon's rights, any file of the machine. So its header is read here first, and only a file that stands alone is
shown to ``qemu-img``. Fields are those of QEMU's docs/interop/qcow2.txt.
"""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.errors import ImageError

MAX_VIRTUAL_SIZE_BYTES = 2 * 1024**4

_MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(">4sIQIIQI")
_EXTERNAL_DATA, _CORRUPT = 1 << 2, 1 << 1
#: dirty, corrupt, compression type, extended L2: what this code knows; anything else it must not open.
_KNOWN_FEATURES = 0b11111
_END, _EXTERNAL_DATA_NAME = 0, 0x44415441
_MAX_EXTENSIONS = 64

_INFO_TIMEOUT_S, _INFO_CPU_S, _INFO_MEMORY_BYTES = 30, 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Qcow2Header:
    """What the first bytes say."""

    version: int
    backing_file_offset: int
    virtual_size_bytes: int
    is_encrypted: bool
    incompatible_features: int
    extensions: tuple[int, ...]


def read_header(start: bytes) -> Qcow2Header:
    """Read the header from a file's first 64 KiB; raises ``ImageError`` when it is no qcow2 file."""
    if len(start) < 72 or start[:4] != _MAGIC:
        raise ImageError("The file is not in qcow2 format, the only one that is taken in.", code="ImageNotAllowed")
    _, version, backing_offset, _, cluster_bits, size, crypt = _HEADER.unpack_from(start)
    if version not in (2, 3) or not 9 <= cluster_bits <= 21:
        raise ImageError(f"The qcow2 file is of an unknown kind (version {version}).", code="ImageNotAllowed")
    features, header_length = 0, 72
    if version == 3:
        if len(start) < 104:
            raise ImageError("The qcow2 file ends within its header.", code="ImageDamaged")
        features, header_length = struct.unpack_from(">Q", start, 72)[0], struct.unpack_from(">I", start, 100)[0]
    return Qcow2Header(version, backing_offset, size, crypt != 0, features, _extensions(start, header_length))


def _extensions(start: bytes, at: int) -> tuple[int, ...]:
    """The types of the header extensions: each is a type, a length, and data padded to 8 bytes."""
    found: list[int] = []
    while at + 8 <= len(start) and len(found) < _MAX_EXTENSIONS:
        kind, length = struct.unpack_from(">II", start, at)
        if kind == _END:
            break
        found.append(kind)
        at += 8 + (length + 7) // 8 * 8
    return tuple(found)


def refuse_unsafe(header: Qcow2Header) -> None:
    """Raise ``ImageError`` for a file that leans on others or cannot be an operating system's disk."""
    reason = _reason_against(header)
    if reason:
        raise ImageError(f"The image is refused: {reason}.", code="ImageNotAllowed")


def _reason_against(header: Qcow2Header) -> str | None:
    if header.backing_file_offset:
        return "it has a backing file, so it is not whole"
    if header.incompatible_features & _EXTERNAL_DATA or _EXTERNAL_DATA_NAME in header.extensions:
        return "it keeps its data in another file"
    if header.is_encrypted:
        return "it is encrypted"
    if header.incompatible_features & ~_KNOWN_FEATURES:
        return "it uses features of qcow2 that are not known here"
    if header.incompatible_features & _CORRUPT:
        return "it is marked as corrupt"
    if not 0 < header.virtual_size_bytes <= MAX_VIRTUAL_SIZE_BYTES:
        return f"its virtual size of {header.virtual_size_bytes} bytes is not between 1 byte and 2 TiB"
    return None


def inspect(path: Path) -> int:
    """Check a file wholly and return its virtual size in bytes; raises ``ImageError``."""
    with path.open("rb") as file:
        header = read_header(file.read(65_536))
    refuse_unsafe(header)
    info = _qemu_info(path)
    if info.get("format") != "qcow2" or "backing-filename" in info or _has_data_file(info):
        raise ImageError(
            "The image is refused: qemu-img finds that it leans on another file.", code="ImageNotAllowed"
        )
    return int(info["virtual-size"])


def _has_data_file(info: dict[str, Any]) -> bool:
    data: dict[str, Any] = info.get("format-specific", {}).get("data", {})
    return "data-file" in data


def _qemu_info(path: Path) -> dict[str, Any]:
    """``qemu-img info`` with the format given, bounded in time and memory: the file is a stranger's."""
    command = [
        "prlimit", f"--cpu={_INFO_CPU_S}", f"--as={_INFO_MEMORY_BYTES}", "--",
        "qemu-img", "info", "-f", "qcow2", "--output=json", str(path.resolve()),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=_INFO_TIMEOUT_S, check=True)
        info: dict[str, Any] = json.loads(done.stdout)
    except FileNotFoundError as error:
        raise ImageError("'prlimit' is not installed, so images cannot be looked into safely.") from error
    except (subprocess.SubprocessError, ValueError) as error:
        words = getattr(error, "stderr", None) or str(error).encode()
        raise ImageError(
            f"The image is refused: qemu-img cannot read it ({words.decode(errors='replace').strip()}).",
            code="ImageDamaged",
        ) from error
    return info
