"""The kernel of a directly booted image, and the drivers its initramfs loads.

Note [why the kernel is unpacked]. A distribution's kernel is a bzImage: a small loader and the compressed
kernel. Under emulation unpacking it takes about half a second of every boot. A kernel with the PVH entry
(CONFIG_PVH, an ELF note of type 18) can be given to QEMU unpacked, so the builder unpacks it once. A kernel
without that note stays as it is.
"""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess
from pathlib import Path

from orchestrator.errors import ImageError

_MAGIC_AT, _MAGIC = 0x202, b"HdrS"
_PVH_NOTE = struct.pack("<III", 4, 4, 18) + b"Xen\0"
_PVH_NOTE_64 = struct.pack("<III", 4, 8, 18) + b"Xen\0"


def unpack_kernel(image: bytes) -> bytes:
    """The ELF kernel inside a bzImage when QEMU can boot it directly, else ``image`` unchanged.

    The header fields are those of Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
    """
    if image[_MAGIC_AT : _MAGIC_AT + 4] != _MAGIC:
        return image
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start : start + length]
    elf = _decompress(payload)
    is_pvh = elf[:4] == b"\x7fELF" and (_PVH_NOTE in elf or _PVH_NOTE_64 in elf)
    return elf if is_pvh else image


def _decompress(payload: bytes) -> bytes:
    """The payload ends in its unpacked size (4 bytes), which the command-line tools would take for damage."""
    body, size = payload[:-4], struct.unpack("<I", payload[-4:])[0]
    if payload[:2] == b"\x1f\x8b":
        unpacked = gzip.decompress(body)
    elif payload[:6] == b"\xfd7zXZ\0":
        unpacked = lzma.decompress(body)
    elif payload[:4] == b"\x02\x21\x4c\x18":
        unpacked = _filter(["lz4", "-d", "-c"], body)
    elif payload[:4] == b"\x28\xb5\x2f\xfd":
        unpacked = _filter(["zstd", "-d", "-c"], body)
    else:
        return b""
    if len(unpacked) != size:
        raise ImageError(f"The kernel unpacked to {len(unpacked)} bytes instead of {size}.", code="ImageDamaged")
    return unpacked


def _filter(command: list[str], data: bytes) -> bytes:
    done = subprocess.run(command, input=data, capture_output=True, timeout=120, check=False)
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()
        raise ImageError(f"'{command[0]}' could not unpack a part of the kernel: {reason}", code="ImageDamaged")
    return done.stdout


def module_order(tree: Path, wanted: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """The wanted drivers with all they depend on, each after its needs, as (name, unpacked file).

    Drivers built into the kernel are left out; one that is nowhere raises ``ImageError``.
    """
    files = {_module_name(path): path for path in tree.rglob("*.ko*") if path.is_file()}
    built_in = {
        _module_name(Path(line)) for path in tree.rglob("modules.builtin") for line in path.read_text().split()
    }
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in ordered or name in built_in:
            return
        if name not in files:
            raise ImageError(f"The kernel has no driver '{name}'.")
        content = _read_module(files[name])
        for need in _depends(content):
            add(need)
        ordered[name] = content

    for name in wanted:
        add(name.replace("-", "_"))
    return list(ordered.items())


def _module_name(path: Path) -> str:
    return path.name.split(".")[0].replace("-", "_")


def _read_module(path: Path) -> bytes:
    data = path.read_bytes()
    match path.suffix:
        case ".xz":
            return lzma.decompress(data)
        case ".gz":
            return gzip.decompress(data)
        case ".zst":
            return _filter(["zstd", "-d", "-c"], data)
        case _:
            return data


def _depends(module: bytes) -> list[str]:
    """``depends=a,b`` of the module's .modinfo section: strings that end in a zero byte."""
    start = module.find(b"\0depends=")
    if start < 0:
        return []
    text = module[start + 9 : module.index(b"\0", start + 9)].decode()
    return [name.replace("-", "_") for name in text.split(",") if name]
