"""Taking a lab away, by what is found of it: its record may be damaged or lost."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from orchestrator.lab import leftovers, network, processes
from orchestrator.lab.host import Say
from orchestrator.lab.layout import LabLayout

_END_TIMEOUT_S = 10.0
_TERM_TIMEOUT_S = 3.0


def take_down(layout: LabLayout, say: Say) -> None:
    """Remove processes, namespaces, mounts, loop devices and files of this lab, and nothing else."""
    hosts, controllers = _namespaces(layout)
    _end_processes(layout, hosts, controllers, say)
    for name in [*hosts, *controllers]:
        say(f"network namespace {name}")
        network.remove(name)
    leftovers.free_loop_devices(layout.folder)
    leftovers.unload_profiles(layout.folder)
    if any(layout.folder.iterdir()):
        say(f"files in {layout.folder}")
    shutil.rmtree(layout.folder)
    with suppress(OSError):
        layout.root.rmdir()  # only when it is empty: another lab may be at home there


def is_ours(name: str, folder: Path) -> bool:
    """Whether a namespace is this lab's: it says so, or it was just made and nothing was done in it yet."""
    inode = network.inode(name)
    if inode is None:
        return True  # a mount point that a crash left without its namespace
    mark = network.owner(name)
    if mark is not None:
        return mark == str(folder)
    return network.is_pristine(name) and not processes.in_namespaces([inode])


def _namespaces(layout: LabLayout) -> tuple[list[str], list[str]]:
    """The hosts' and the controller's namespaces that are there and ours."""
    ours = [
        name
        for name in network.names()
        if (name == layout.namespace or layout.host_of_namespace(name)) and is_ours(name, layout.folder)
    ]
    return [name for name in ours if name != layout.namespace], [name for name in ours if name == layout.namespace]


def _end_processes(layout: LabLayout, hosts: list[str], controllers: list[str], say: Say) -> None:
    """First those by the fabric, with time to finish (a daemon saves its state), then the hosts by force."""
    guided = processes.in_namespaces(_inodes(controllers))
    if guided:
        say(f"processes by the fabric: {len(guided)}")
        processes.end(guided, _TERM_TIMEOUT_S, is_gentle=True)
    forced = {each.pid: each for each, _ in processes.marked(layout.folder)}
    forced |= {each.pid: each for each in processes.in_namespaces(_inodes(hosts))}
    if forced:
        say(f"processes of the hosts: {len(forced)}")
        processes.end(forced.values(), _END_TIMEOUT_S)


def _inodes(names: list[str]) -> list[int]:
    return [inode for inode in map(network.inode, names) if inode is not None]
