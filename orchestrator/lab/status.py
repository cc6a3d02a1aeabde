"""What there is of a lab, read from the kernel alone: it answers at once even where libvirt does not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import psutil

from orchestrator.errors import LabError
from orchestrator.lab import config, host, network, processes
from orchestrator.lab.layout import POOL_MOUNT, HostLayout, LabLayout
from orchestrator.lab.processes import GuestProcess
from orchestrator.lab.record import Fault, LabRecord

HostState = Literal["up", "silent", "off"]


@dataclass(frozen=True, slots=True)
class LabHostStatus:
    """One host. *off*: nothing runs there. *silent*: it runs, but its libvirt cannot answer or its wire is cut."""

    name: str
    state: HostState
    uri: str
    zone: str
    fault_domain: int
    holder_pid: int | None
    is_wired: bool
    is_libvirt_running: bool
    guests: tuple[GuestProcess, ...]
    pool_bytes: int
    pool_free_bytes: int


@dataclass(frozen=True, slots=True)
class LabStatus:
    """A lab at a glance. ``is_up`` when every host is up and no fault is in force."""

    name: str
    folder: str
    config_path: str
    hosts: tuple[LabHostStatus, ...]
    faults: tuple[Fault, ...]

    @property
    def is_up(self) -> bool:
        return bool(self.hosts) and not self.faults and all(each.state == "up" for each in self.hosts)


def status_of(layout: LabLayout, record: LabRecord) -> LabStatus:
    """Look at a lab that was brought up."""
    hosts = tuple(_host_status(layout.host(number), record) for number in range(1, record.hosts + 1))
    return LabStatus(layout.name, str(layout.folder), str(layout.config), hosts, record.faults)


def _host_status(one: HostLayout, record: LabRecord) -> LabHostStatus:
    holder = processes.find_holder(one.lab.folder, one.name)
    libvirtd = processes.daemon_of(holder, "libvirtd") if holder else None
    is_running = libvirtd is not None and not processes.is_stopped(libvirtd)
    is_wired = _is_wired(one)
    pool_bytes, pool_free_bytes = _pool_room(holder)
    return LabHostStatus(
        name=one.name,
        state=_state(holder, is_running and is_wired),
        uri=one.uri,
        zone=config.zone_of(one.number, record.zones),
        fault_domain=config.fault_domain_of(one.number),
        holder_pid=holder.pid if holder else None,
        is_wired=is_wired,
        is_libvirt_running=is_running,
        guests=tuple(processes.guests_of(one.name, holder)) if holder else (),
        pool_bytes=pool_bytes,
        pool_free_bytes=pool_free_bytes,
    )


def _state(holder: psutil.Process | None, can_answer: bool) -> HostState:
    if holder is None:
        return "off"
    return "up" if can_answer else "silent"


def _is_wired(one: HostLayout) -> bool:
    try:
        return network.is_wired(one.lab.namespace, one.name)
    except LabError:  # the namespace is gone, after a restart of the machine
        return False


def _pool_room(holder: psutil.Process | None) -> tuple[int, int]:
    if holder is None:
        return 0, 0
    try:
        room = os.statvfs(host.inside_path(holder, POOL_MOUNT))
    except OSError:
        return 0, 0
    return room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
