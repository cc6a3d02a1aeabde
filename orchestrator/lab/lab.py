"""A lab: several libvirt hosts on one machine, joined by a fabric that leads nowhere else.

Everything made can be named from the lab's name, and what is to be made is written down first (``lab.json``). So
``up`` may be repeated after a crash at any point: each step is skipped when it is done. ``down`` goes by what it
finds, not by what was written, so it needs no record at all.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from orchestrator.errors import LabError
from orchestrator.lab import config, definitions, host, network, processes, record, teardown
from orchestrator.lab.host import Say
from orchestrator.lab.layout import (
    CONTROLLER,
    CONTROLLER_ADDRESS,
    FABRIC_PREFIX_LENGTH,
    LABS_FOLDER,
    MAX_HOSTS,
    NETNS_FOLDER,
    HostLayout,
    LabLayout,
)
from orchestrator.lab.record import LabRecord
from orchestrator.lab.shell import PATH, check_environment

_LOCK_TIMEOUT_S = 60.0
_VCPUS_PER_CORE = 8  # guests of a test bench mostly wait
_MEMORY_SHARE = 0.75  # of the machine's memory, for all hosts' guests together


def _silent(_: str) -> None:
    return


class Lab:
    """One lab by its name. Making the object makes nothing; ``up`` does."""

    def __init__(self, name: str = "lab", root: Path = LABS_FOLDER) -> None:
        self.layout = LabLayout(name, root)

    @property
    def name(self) -> str:
        return self.layout.name

    @property
    def folder(self) -> Path:
        return self.layout.folder

    @property
    def namespace(self) -> str:
        """The controller's network namespace, in which the daemon and its probes run."""
        return self.layout.namespace

    @property
    def config_path(self) -> Path:
        """The daemon's configuration; written by ``up``."""
        return self.layout.config

    def up(
        self,
        hosts: int | None = None,
        zones: int | None = None,
        pool_gib: int | None = None,
        *,
        images_dir: Path | None = None,
        listen: str | None = None,
        say: Say = _silent,
    ) -> None:
        """Bring the lab up, or complete a half-made one; every fault in force is healed.

        ``None`` means: as it was, or the default for a new lab. ``say`` hears of each step before it is taken.
        Raises ``LabError``; then the same call may be repeated, or ``down`` called.
        """
        check_environment()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        with self.locked():
            wanted = self._wanted(hosts, zones, pool_gib)
            wanted = replace(
                wanted,
                images_dir=str(images_dir) if images_dir else wanted.images_dir,
                listen=listen or wanted.listen,
            )
            record.save(self.layout.record, wanted)
            self._make_controller(say)
            for number in range(1, wanted.hosts + 1):
                self.make_host(number, say)
            self._heal_all(say)
            record.write_atomically(self.config_path, config.as_yaml(self.layout, wanted))

    def down(self, say: Say = _silent) -> None:
        """Take away everything that is this lab's; a lab that is not there is fine. Needs no record."""
        check_environment()
        if not self.folder.exists():
            teardown.take_down(self.layout, say)
            return
        with self.locked():
            teardown.take_down(self.layout, say)

    def hosts(self) -> list[HostLayout]:
        """The hosts of a lab that was brought up; ``LabError`` when it was not."""
        return [self.layout.host(number) for number in range(1, self.load().hosts + 1)]

    def host(self, name: str) -> HostLayout:
        """One host by its name; ``LabError`` names those that there are."""
        hosts = {each.name: each for each in self.hosts()}
        if name not in hosts:
            raise LabError(f"lab '{self.name}' has no host '{name}'; it has {', '.join(hosts)}")
        return hosts[name]

    def uri(self, name: str) -> str:
        """The libvirt URI of a host, usable from anywhere on this machine."""
        return self.host(name).uri

    def holder(self, name: str) -> psutil.Process:
        """Pid 1 of a host; ``LabError`` when the host is off."""
        found = processes.find_holder(self.folder, self.host(name).name)
        if found is None:
            raise LabError(f"host '{name}' of lab '{self.name}' is off; 'vmss lab up' or 'heal' starts it")
        return found

    def entering(self, name: str, argv: Sequence[str]) -> list[str]:
        """The command that runs ``argv`` on a host, or by the fabric when the name is ``controller``."""
        if name != CONTROLLER:
            return host.entering(self.holder(name), argv)
        self.load()
        return ["nsenter", f"--net={NETNS_FOLDER / self.namespace}", "--", *argv]

    def run(self, name: str, argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
        """Run a command on a host (or ``controller``) and return what it printed and its exit code."""
        environment = {**os.environ, "PATH": PATH}
        return subprocess.run(self.entering(name, argv), env=environment, capture_output=True, check=False)

    def load(self) -> LabRecord:
        """The lab's record; ``LabError`` when there is no such lab."""
        found = record.load(self.layout.record)
        if found is None:
            raise LabError(f"there is no lab '{self.name}'; 'vmss lab up --name {self.name}' makes it")
        return found

    def save(self, changed: LabRecord) -> None:
        record.save(self.layout.record, changed)

    def make_host(self, number: int, say: Say) -> None:
        """Bring one host up as far as it is not. The controller must be there."""
        one = self.layout.host(number)
        _ensure_namespace(one.namespace, self.folder, say)
        network.add_bridge(one.namespace, network.HOST_BRIDGE)
        network.add_wire(self.namespace, one.name, one.namespace)
        host.prepare_files(one, self.load().pool_gib, say)
        self._share_capabilities(one)
        holder = host.start(one, say)
        for daemon in host.DAEMONS:
            processes.resume(processes.daemon_of(holder, daemon))
        definitions.define(one, say)
        if not _capabilities_of(one):
            say(f"{one.name}: what QEMU can do")
            definitions.learn_capabilities(one)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time may change a lab. The lock is the folder's own and ends with its process."""
        descriptor = self._lock()
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock(self) -> int:
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o711)
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another's ``down`` may have removed the folder while we waited.
                if self.folder.exists() and os.fstat(descriptor).st_ino == self.folder.stat().st_ino:
                    return descriptor
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(descriptor)
                    raise LabError(f"another command has been at work on lab '{self.name}' for a minute") from None
            os.close(descriptor)
            time.sleep(0.05)

    def _wanted(self, hosts: int | None, zones: int | None, pool_gib: int | None) -> LabRecord:
        known = record.load(self.layout.record)
        if known is None:
            self._refuse_strangers()
            return _new_record(self.name, hosts or 3, zones or 1, pool_gib or 8)
        asked = {"hosts": hosts, "zones": zones, "pool_gib": pool_gib}
        for what, value in asked.items():
            if value is not None and value != getattr(known, what):
                was = getattr(known, what)
                raise LabError(f"lab '{self.name}' is there with {what} {was}, not {value}: take it down first")
        return known

    def _refuse_strangers(self) -> None:
        taken = [
            name
            for name in network.names()
            if name == self.namespace or self.layout.host_of_namespace(name) is not None
        ]
        for name in taken:
            if not teardown.is_ours(name, self.folder):
                shutil.rmtree(self.folder, ignore_errors=True)
                raise LabError(f"the network namespace '{name}' is there and not this lab's: choose another name")

    def _make_controller(self, say: Say) -> None:
        _ensure_namespace(self.namespace, self.folder, say)
        network.add_bridge(self.namespace, network.BRIDGE, CONTROLLER_ADDRESS, FABRIC_PREFIX_LENGTH)

    def _share_capabilities(self, one: HostLayout) -> None:
        """Take over what a sister's libvirt learned of QEMU: same machine, same programs."""
        for number in range(1, one.number):
            sister = self.layout.host(number)
            for known in _capabilities_of(sister):
                target = one.folder / "cache" / "qemu" / "capabilities" / known.name
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(known, target)

    def _heal_all(self, say: Say) -> None:
        pass


def _capabilities_of(one: HostLayout) -> list[Path]:
    return list((one.folder / "cache" / "qemu" / "capabilities").glob("*.xml"))


def _ensure_namespace(name: str, folder: Path, say: Say) -> None:
    if network.inode(name) is None:
        say(f"network namespace {name}")
        network.create(name)
    network.mark(name, folder)


def _new_record(name: str, hosts: int, zones: int, pool_gib: int) -> LabRecord:
    if not 1 <= hosts <= MAX_HOSTS:
        raise LabError(f"a lab has 1 to {MAX_HOSTS} hosts, not {hosts}")
    if not 1 <= zones <= hosts:
        raise LabError(f"{hosts} hosts can be spread over 1 to {hosts} zones, not {zones}")
    if not 1 <= pool_gib <= 1024:
        raise LabError(f"a pool holds 1 to 1024 GiB, not {pool_gib}")
    memory_mib = int(psutil.virtual_memory().total * _MEMORY_SHARE) // 1024**2 // hosts
    vcpus = (os.cpu_count() or 1) * _VCPUS_PER_CORE
    return LabRecord(name, hosts, zones, pool_gib, memory_mib, vcpus)
