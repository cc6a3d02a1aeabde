"""libvirt's error codes in words of the one exception tree."""

from __future__ import annotations

import errno

import libvirt

from orchestrator.errors import HostError, HostRefused, HostUnreachable, InsufficientCapacity

_UNREACHABLE_CODES = frozenset(
    {
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_INVALID_CONN,
        libvirt.VIR_ERR_RPC,
        libvirt.VIR_ERR_GNUTLS_ERROR,
        libvirt.VIR_ERR_LIBSSH,
        libvirt.VIR_ERR_OPERATION_TIMEOUT,
    }
)
# What the transport itself reports (a closed socket, a missed keepalive, ssh that ended) comes with various
# codes; the part of libvirt that raised it is the same.
_TRANSPORT_DOMAINS = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})
# An answer of the far side about who may connect will be the same next time.
_LOGIN_CODES = frozenset(
    {libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE}
)
_NO_SPACE, _QUOTA = "no space left on device", "disk quota exceeded"
_DISK_SIGNS = (_NO_SPACE, _QUOTA, "enospc")
_MEMORY_SIGNS = ("cannot allocate memory", "cannot set up guest memory", "out of memory")

ABSENT_DOMAIN = libvirt.VIR_ERR_NO_DOMAIN
ABSENT_VOLUME = libvirt.VIR_ERR_NO_STORAGE_VOL
WRONG_STATE = libvirt.VIR_ERR_OPERATION_INVALID


def is_code(error: libvirt.libvirtError, code: int) -> bool:
    """Whether libvirt raised ``error`` with this ``VIR_ERR_*`` code."""
    return bool(error.get_error_code() == code)


def translate(error: libvirt.libvirtError, host: str, doing: str) -> HostError:
    """The exception to raise for ``error``, which ``host`` gave while ``doing`` something for us."""
    said = str(error).strip() or "no message"
    sentence = f"Host {host} could not {doing}: {said}"
    if _is_transport(error):
        return HostUnreachable(f"Host {host} went away while asked to {doing}: {said}", target=host)
    if _ran_out_of_disk(error, said.lower()):
        # libvirt's own words carry a helper's whole command line.
        why = _QUOTA if _QUOTA in said.lower() else _NO_SPACE
        return InsufficientCapacity(f"Host {host} ran out of disk while asked to {doing}: {why}", target=host)
    if error.get_error_code() == libvirt.VIR_ERR_NO_MEMORY or any(sign in said.lower() for sign in _MEMORY_SIGNS):
        return InsufficientCapacity(f"Host {host} ran out of memory while asked to {doing}: {said}", target=host)
    return HostRefused(sentence, target=host)


def _is_transport(error: libvirt.libvirtError) -> bool:
    if error.get_error_code() in _LOGIN_CODES:
        return False
    return error.get_error_code() in _UNREACHABLE_CODES or error.get_error_domain() in _TRANSPORT_DOMAINS


def _ran_out_of_disk(error: libvirt.libvirtError, said: str) -> bool:
    is_system_error = error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR
    if is_system_error and error.get_int1() in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(sign in said for sign in _DISK_SIGNS)
