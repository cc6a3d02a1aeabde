"""The lab's processes, found by what they are: their namespace and the mark in their environment.

Nothing is taken from a recorded process id, so a reused id or a lost record harms no one. What a lab starts bears
``VMSS_LAB`` (the lab's folder) and ``VMSS_LAB_HOST`` in its environment and is in one of the lab's network
namespaces; either is enough.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.errors import LabError
from orchestrator.lab import network

LAB_MARK = "VMSS_LAB"
HOST_MARK = "VMSS_LAB_HOST"

_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class GuestProcess:
    """A guest's QEMU. ``pid`` is that of the machine's own process table."""

    host: str
    domain: str
    uuid: str
    pid: int
    is_frozen: bool


def marked(folder: Path) -> Iterator[tuple[psutil.Process, str]]:
    """Processes that a lab started itself, each with its host's name ("" for none)."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            environment = process.environ()
            if environment.get(LAB_MARK) == str(folder):
                yield process, environment.get(HOST_MARK, "")


def find_holder(folder: Path, host: str) -> psutil.Process | None:
    """The process that is pid 1 of a host's own process namespace; with it everything of the host dies."""
    for process, its_host in marked(folder):
        if its_host == host and _is_first_of_its_namespace(process.pid):
            return process
    return None


def in_namespaces(inodes: Iterable[int]) -> list[psutil.Process]:
    """Processes inside these network namespaces; never the caller's own or its parents'."""
    wanted = set(inodes)
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in spared and network.inode_of_process(process.pid) in wanted
    ]


def daemon_of(holder: psutil.Process, name: str) -> psutil.Process | None:
    """The daemon of that name on a host, stopped or not."""
    with suppress(psutil.NoSuchProcess):
        for process in holder.children():
            with suppress(psutil.NoSuchProcess):
                if process.name() == name and process.status() != psutil.STATUS_ZOMBIE:
                    return process
    return None


def guests_of(host: str, holder: psutil.Process) -> list[GuestProcess]:
    """The guests that run on a host, by what QEMU was started with."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for process in holder.children(recursive=True):
            with suppress(psutil.Error):
                guest = _as_guest(host, process)
                if guest is not None:
                    found.append(guest)
    return sorted(found, key=lambda guest: guest.domain)


def is_stopped(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() == psutil.STATUS_STOPPED)
    return False


def resume(process: psutil.Process | None) -> None:
    """Let a stopped process run on; one that is gone or runs anyway is fine."""
    if process is not None:
        _signal([process], signal.SIGCONT)


def end(processes: Iterable[psutil.Process], timeout_s: float, *, is_gentle: bool = False) -> None:
    """Kill processes and wait until they have ended; ``LabError`` names those that stay.

    Gently: asked first, and killed when the time is up. A zombie has ended: it only waits to be reaped by a
    parent that is not ours (some machines' pid 1 takes its time).
    """
    living = list(processes)
    if is_gentle:
        _signal(living, signal.SIGTERM)
        with suppress(LabError):
            wait_until(lambda: not _living(living), timeout_s, "they did not end")
    _signal(_living(living), signal.SIGKILL)
    pids = ", ".join(str(each.pid) for each in living)
    wait_until(lambda: not _living(living), timeout_s, f"not all of these processes ended: {pids}")


def wait_until(is_so: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Poll a condition; ``LabError`` with ``what`` when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise LabError(f"{what} within {timeout_s:g} s")
        time.sleep(_POLL_S)


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if not _has_ended(each)]


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _is_first_of_its_namespace(pid: int) -> bool:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("NSpid:"):
                pids = line.split()[1:]
                return len(pids) > 1 and pids[-1] == "1"
    return False


def _as_guest(host: str, process: psutil.Process) -> GuestProcess | None:
    arguments = process.cmdline()
    name = _argument(arguments, "-name")
    uuid = _argument(arguments, "-uuid")
    if name is None or uuid is None or not name.startswith("guest="):
        return None
    domain = _domain_of(name)
    return GuestProcess(host, domain, uuid, process.pid, process.status() == psutil.STATUS_STOPPED)


def _domain_of(name_option: str) -> str:
    """Read ``guest=NAME,debug-threads=on``; QEMU writes a comma within a name twice."""
    value = name_option.removeprefix("guest=").removesuffix(",debug-threads=on")
    return value.replace(",,", ",")


def _argument(arguments: list[str], option: str) -> str | None:
    with suppress(ValueError, IndexError):
        return arguments[arguments.index(option) + 1]
    return None
