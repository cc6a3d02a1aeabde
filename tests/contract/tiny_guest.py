"""A guest of one boot sector: it counts its boots on its own disk, says the number on the serial port, and halts.

Enough to see a disk kept or replaced and a console read, at the price of a BIOS start and no idle load.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from orchestrator.model.guest import Boot, ImageFiles

_SECTOR = 512
_DISK_BYTES = 1024 * 1024

# xor ax,ax; mov ds,es,ss,ax; mov sp,7c00h              a flat start
# mov ax,0201h; mov bx,7e00h; mov cx,2; xor dh,dh; int 13h   read the second sector to 7e00h
# inc byte [7e00h]                                      one more boot
# mov ax,0301h; ...; int 13h                            write it back
# mov si,message; mov dx,3f8h; lodsb; out dx,al; ...    say it on COM1, then the digit and a line end
# cli; hlt                                              for ever
_PROGRAM = bytes.fromhex(
    "31c08ed88ec08ed0bc007cb80102bb007eb9020030f6cd13fe06007eb80103bb007eb9020030f6cd13"
    "be447cbaf803ac84c07403eeebf8a0007e0430eeb00aeefaf4ebfc"
)
_MESSAGE = b"boot \0"
_SIGNATURE = b"\x55\xaa"


def make_image(folder: Path) -> ImageFiles:
    """Write the guest's qcow2 into ``folder``."""
    raw, disk = folder / "tiny.raw", folder / "tiny.qcow2"
    sector = (_PROGRAM + _MESSAGE).ljust(_SECTOR - len(_SIGNATURE), b"\0") + _SIGNATURE
    raw.write_bytes(sector.ljust(_DISK_BYTES, b"\0"))
    argv = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(disk)]
    subprocess.run(argv, check=True, timeout=30)
    return ImageFiles(str(disk), hashlib.sha256(disk.read_bytes()).hexdigest(), _DISK_BYTES, Boot.BIOS)
