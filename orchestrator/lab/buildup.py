"""Making a lab's parts, each skipped where it is there already."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import psutil

from orchestrator.errors import LabError
from orchestrator.lab import definitions, host, network, processes, teardown
from orchestrator.lab.host import Say
from orchestrator.lab.layout import CONTROLLER_ADDRESS, FABRIC_PREFIX_LENGTH, MAX_HOSTS, HostLayout, LabLayout
from orchestrator.lab.record import LabRecord

_VCPUS_PER_CORE = 8  # guests of a test bench mostly wait
_MEMORY_SHARE = 0.75  # of the machine's memory, for all hosts' guests together
_MAX_POOL_GIB = 1024


def new_record(name: str, hosts: int | None, zones: int | None, pool_gib: int | None) -> LabRecord:
    """A new lab's record, with its share of this machine for each host; ``LabError`` on sizes that do not fit."""
    hosts, zones, pool_gib = _or(hosts, 3), _or(zones, 1), _or(pool_gib, 8)
    if not 1 <= hosts <= MAX_HOSTS:
        raise LabError(f"a lab has 1 to {MAX_HOSTS} hosts, not {hosts}")
    if not 1 <= zones <= hosts:
        raise LabError(f"{hosts} hosts can be spread over 1 to {hosts} zones, not {zones}")
    if not 1 <= pool_gib <= _MAX_POOL_GIB:
        raise LabError(f"a pool holds 1 to {_MAX_POOL_GIB} GiB, not {pool_gib}")
    memory_mib = int(psutil.virtual_memory().total * _MEMORY_SHARE) // 1024**2 // hosts
    vcpus = (os.cpu_count() or 1) * _VCPUS_PER_CORE
    return LabRecord(name, hosts, zones, pool_gib, memory_mib, vcpus)


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def check_listen(listen: str) -> None:
    """The daemon's API is for this machine alone: a port on 127.0.0.1."""
    found = re.fullmatch(r"127\.0\.0\.1:([0-9]{1,5})", listen)
    if not found or not 1 <= int(found[1]) <= 65535:
        raise LabError(f"'{listen}' is nothing to listen on; say 127.0.0.1:PORT")


def refuse_strangers(layout: LabLayout) -> None:
    """``LabError`` when a namespace of this lab's name belongs to someone else."""
    for name in network.names():
        is_named_so = name == layout.namespace or layout.host_of_namespace(name) is not None
        if is_named_so and not teardown.is_ours(name, layout.folder):
            raise LabError(f"the network namespace '{name}' is there and not this lab's: choose another name")


def make_controller(layout: LabLayout, say: Say) -> None:
    """The fabric: a bridge with an address, in a namespace without any way out."""
    _ensure_namespace(layout.namespace, layout.folder, say)
    network.add_bridge(layout.namespace, network.BRIDGE, CONTROLLER_ADDRESS, FABRIC_PREFIX_LENGTH)


def make_host(one: HostLayout, pool_gib: int, say: Say) -> None:
    """Bring one host up as far as it is not. The fabric must be there."""
    _ensure_namespace(one.namespace, one.lab.folder, say)
    network.add_bridge(one.namespace, network.HOST_BRIDGE)
    network.add_wire(one.lab.namespace, one.name, one.namespace)
    host.prepare_files(one, pool_gib, say)
    _share_capabilities(one)
    holder = host.start(one, say)
    for daemon in host.DAEMONS:
        processes.resume(processes.daemon_of(holder, daemon))
    definitions.define(one, say)
    if not _capabilities_of(one):
        say(f"{one.name}: what QEMU can do")
        definitions.learn_capabilities(one)


def _ensure_namespace(name: str, folder: Path, say: Say) -> None:
    if network.inode(name) is None:
        say(f"network namespace {name}")
        network.create(name)
    network.mark(name, folder)


def _share_capabilities(one: HostLayout) -> None:
    """Take over what a sister's libvirt learned of QEMU: same machine, same programs."""
    for number in range(1, one.number):
        for known in _capabilities_of(one.lab.host(number)):
            target = one.folder / "cache" / "qemu" / "capabilities" / known.name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(known, target)


def _capabilities_of(one: HostLayout) -> list[Path]:
    return list((one.folder / "cache" / "qemu" / "capabilities").glob("*.xml"))
