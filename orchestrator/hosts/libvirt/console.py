"""The tail of a guest's serial log.

QEMU gives its serial output to virtlogd, which writes it into a volume of the pool and rotates it at 2 MiB. So the
log is read through the storage API like any volume, from a remote host too, and outlives the guest's process.
"""

from __future__ import annotations

from orchestrator.hosts.libvirt import volumes
from orchestrator.hosts.libvirt.links import Call
from orchestrator.model.guest import Owner


def tail(call: Call, owner: Owner, max_bytes: int) -> bytes:
    """The last ``max_bytes`` of output, reaching back into one rotated log; nothing where there is no log."""
    newest = _tail_of(call, owner.log_volume, max_bytes)
    if len(newest) == max_bytes:
        return newest
    return _tail_of(call, f"{owner.log_volume}.0", max_bytes - len(newest)) + newest


def _tail_of(call: Call, name: str, max_bytes: int) -> bytes:
    volume = volumes.find(call, name)
    size = volumes.size_bytes(volume) if volume is not None else 0
    length = min(size, max_bytes)
    if volume is None or length == 0:
        return b""
    return volumes.download(call, volume, size - length, length)
