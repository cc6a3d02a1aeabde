"""libvirt's event loop, one thread for the whole process, and what its lifecycle events mean to us.

libvirt needs its loop registered before the first connection opens; otherwise keepalive closes the
connection and no event ever comes (https://libvirt.org/html/libvirt-libvirt-event.html).
"""

from __future__ import annotations

import threading

import libvirt

from orchestrator.model.guest import HostEventKind

_CRASHED_DETAILS = frozenset({libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED, libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED})
_KINDS = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: HostEventKind.GUEST_STARTED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: HostEventKind.GUEST_STARTED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: HostEventKind.GUEST_STOPPED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: HostEventKind.GUEST_CRASHED,
    libvirt.VIR_DOMAIN_EVENT_UNDEFINED: HostEventKind.GUEST_REMOVED,
}
_STOP_DETAILS = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "the guest shut down",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: "the host was told to stop it",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED: "its memory was saved",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "the guest crashed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "its QEMU process ended or failed",
}
# The definition of a domain may have changed: what was read from it before is no longer sure.
REDEFINING = frozenset({libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_UNDEFINED})


_starting = threading.Lock()
_is_started = threading.Event()


def ensure_event_loop() -> None:
    """Start libvirt's event loop once for this process, and keep its errors off standard error.

    Call it before opening any connection. The thread is a daemon thread: it ends with the process.
    """
    with _starting:
        if _is_started.is_set():
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run_forever, name="libvirt-events", daemon=True).start()
        _is_started.set()


def _run_forever() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()


def lifecycle_meaning(event: int, detail: int) -> tuple[HostEventKind, str] | None:
    """What a ``VIR_DOMAIN_EVENT_*`` with its detail means; ``None`` for one that changes nothing for us."""
    kind = _KINDS.get(event)
    if kind is None:
        return None
    if event != libvirt.VIR_DOMAIN_EVENT_STOPPED:
        return kind, ""
    if detail in _CRASHED_DETAILS:
        kind = HostEventKind.GUEST_CRASHED
    elif detail == libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED:
        kind = HostEventKind.GUEST_SAVED
    return kind, _STOP_DETAILS.get(detail, "it stopped")
