"""Faults that really happen. ``Lab.heal`` undoes them.

A fault is written down before it is made, so ``heal`` knows of it after any crash; and every undoing may be
repeated. Killing a guest is no fault in force: there is nothing to take back.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.errors import LabError
from orchestrator.lab import healing, host, network, processes
from orchestrator.lab.lab import Lab
from orchestrator.lab.layout import FILL_FILE, POOL_MOUNT, HostLayout
from orchestrator.lab.processes import GuestProcess
from orchestrator.lab.record import Fault

_STOP_TIMEOUT_S = 5.0
_DAEMON_TIMEOUT_S = 5.0
_BLOCK = 4096


@dataclass(frozen=True, slots=True)
class GuestKill:
    """A guest that was killed, and the moment (seconds since the epoch, just before the signal)."""

    guest: GuestProcess
    at: float


def find_guest(lab: Lab, guest: str) -> GuestProcess:
    """The one running guest of this instance name, domain name or UUID; ``LabError`` names those that run.

    An instance's domain is called by its name and a few digits of its set: ``web_1`` runs as ``web_1.5c70c9``."""
    running = [each for one in lab.hosts() for each in _guests(lab, one)]
    found = [each for each in running if guest in (each.domain, each.uuid, _instance_of(each.domain))]
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(f"{each.host} (UUID {each.uuid})" for each in found)
        raise LabError(f"'{guest}' runs more than once: {places}; name it by its UUID")
    names = ", ".join(sorted(each.domain for each in running)) or "none at all"
    raise LabError(f"no guest '{guest}' runs in lab '{lab.name}'; running: {names}")


def _instance_of(domain: str) -> str:
    return domain.rpartition(".")[0] or domain


def kill_guest(lab: Lab, guest: str) -> GuestKill:
    """End a guest's QEMU at once (SIGKILL), as a crash of QEMU would."""
    found = find_guest(lab, guest)
    at = time.time()
    _send(found, signal.SIGKILL)
    return GuestKill(found, at)


def freeze_guest(lab: Lab, guest: str) -> Fault:
    """Stop a guest's QEMU (SIGSTOP): the guest hangs, and libvirt still takes it for running."""
    with lab.locked():
        found = find_guest(lab, guest)
        detail = f"the QEMU of {found.domain} is stopped"
        fault = _record(lab, "freeze-guest", found.host, detail, target=found.uuid)
        qemu = _send(found, signal.SIGSTOP)
        what = f"the QEMU of {found.domain} did not stop"  # its many threads take a moment on a busy machine
        processes.wait_until(lambda: processes.is_stopped(qemu), _STOP_TIMEOUT_S, what)
    return fault


def stop_host(lab: Lab, name: str) -> Fault:
    """Let a host's management die: libvirtd ends, the wire is cut. Its guests run on inside, out of reach.

    virtlogd stays, as it does on a real host when libvirtd dies: it holds the guests' serial logs, which
    could not be taken up again.
    """
    with lab.locked():
        one, holder = lab.host(name), lab.holder(name)
        fault = _record(lab, "stop-host", name, "libvirtd is stopped and the wire is cut; guests run on inside")
        network.set_wire(lab.namespace, one.name, is_up=False)
        libvirtd = processes.daemon_of(holder, "libvirtd")
        if libvirtd is not None:
            processes.resume(libvirtd)  # a stopped process would not hear that it is to end
            processes.end([libvirtd], _DAEMON_TIMEOUT_S, is_gentle=True)
    return fault


def cut_host(lab: Lab, name: str) -> Fault:
    """Cut a host's wire: guests and management fall silent, and nothing refuses a connection.

    The lab reaches libvirtd by a Unix socket that no wire carries, while a real host's management would
    come by the same wire. So libvirtd is held as well (SIGSTOP): requests are taken and never answered.
    """
    with lab.locked():
        one, holder = lab.host(name), lab.holder(name)
        fault = _record(lab, "cut-host", name, "the wire is cut and libvirtd does not answer")
        network.set_wire(lab.namespace, one.name, is_up=False)
        libvirtd = processes.daemon_of(holder, "libvirtd")
        if libvirtd is not None:
            libvirtd.suspend()
            what = f"the libvirtd of {name} did not stop"
            processes.wait_until(lambda: processes.is_stopped(libvirtd), _STOP_TIMEOUT_S, what)
    return fault


def slow_host(lab: Lab, name: str, *, kbit: int | None = None, delay_ms: int | None = None) -> Fault:
    """Limit a host's wire to ``kbit`` per second each way, or hold each frame back for ``delay_ms`` each way."""
    if (kbit is None) == (delay_ms is None):
        raise LabError("say either how many kbit/s the wire may carry or how many ms it shall delay")
    for value, what in ((kbit, "rate"), (delay_ms, "delay")):
        if value is not None and not 1 <= value <= 10_000_000:
            raise LabError(f"a {what} of {value} makes no sense")
    with lab.locked():
        one = lab.host(name)
        detail = f"the wire carries {kbit} kbit/s each way" if kbit else f"the wire delays {delay_ms} ms each way"
        ends = healing.ends_of_wire(one)
        if delay_ms is not None:
            for namespace, interface in ends:  # before it is written down: not every kernel can
                network.delay(namespace, interface, delay_ms)
        fault = _record(lab, "slow-host", name, detail)
        if kbit is not None:
            for namespace, interface in ends:
                network.limit_rate(namespace, interface, kbit)
    return fault


def fill_pool(lab: Lab, name: str, *, leave_mib: int = 0) -> Fault:
    """Take all room of a host's pool but ``leave_mib``, by a file beside the pool in its file system."""
    if leave_mib < 0:
        raise LabError(f"a pool cannot be left with {leave_mib} MiB")
    with lab.locked():
        holder = lab.holder(lab.host(name).name)
        fault = _record(lab, "fill-pool", name, f"the pool is filled up to its last {leave_mib} MiB")
        _fill(host.inside_path(holder, FILL_FILE), host.inside_path(holder, POOL_MOUNT), leave_mib * 1024**2)
    return fault


def power_off_host(lab: Lab, name: str) -> Fault:
    """Pull a host's plug: libvirtd and every guest end at once. ``heal`` starts it again.

    Its files stay as on a real host: domains, pool and network remain defined, guests are shut off.
    """
    with lab.locked():
        one = lab.host(name)
        fault = _record(lab, "power-off-host", name, "everything on it has ended; its files remain")
        network.set_wire(lab.namespace, one.name, is_up=False)
        host.stop(one)
    return fault


def _record(lab: Lab, kind: str, name: str, detail: str, target: str | None = None) -> Fault:
    fault = Fault(kind, name, detail, time.time(), target)
    lab.save(lab.load().with_fault(fault))
    return fault


def _guests(lab: Lab, one: HostLayout) -> list[GuestProcess]:
    holder = processes.find_holder(lab.folder, one.name)
    return processes.guests_of(one.name, holder) if holder else []


def _send(guest: GuestProcess, number: signal.Signals) -> psutil.Process:
    try:
        qemu = psutil.Process(guest.pid)
        qemu.send_signal(number)
    except psutil.NoSuchProcess as error:
        raise LabError(f"the guest '{guest.domain}' has just ended by itself") from error
    return qemu


def _fill(path: Path, mount: Path, leave_bytes: int) -> None:
    """Allocate room without writing it. The file system needs some for itself, so the last steps get small."""
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        size, step = 0, _room(mount)
        while step >= _BLOCK:
            step = min(step, _room(mount) - leave_bytes)
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError:
                step //= 2


def _room(mount: Path) -> int:
    room = os.statvfs(mount)
    return room.f_bavail * room.f_frsize
