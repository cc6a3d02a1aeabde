"""A lab: several libvirt hosts on one machine, joined by a fabric that leads nowhere else.

Everything made can be named from the lab's name, and what is to be made is written down first (``lab.json``). So
``up`` may be repeated after a crash at any point: each step is skipped when it is done. ``down`` goes by what it
finds, not by what was written, so it needs no record at all.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil

from orchestrator.errors import LabError
from orchestrator.lab import buildup, config, healing, host, processes, record, status, teardown
from orchestrator.lab import https as https_port
from orchestrator.lab.host import Say
from orchestrator.lab.layout import CONTROLLER, LABS_FOLDER, NETNS_FOLDER, HostLayout, LabLayout
from orchestrator.lab.record import Fault, LabRecord
from orchestrator.lab.shell import PATH, check_programs, check_root
from orchestrator.lab.status import LabStatus

_LOCK_TIMEOUT_S = 60.0


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
        https: str | None = None,
        say: Say = _silent,
    ) -> None:
        """Bring the lab up, or complete a half-made one; every fault in force is healed.

        ``None`` means: as it was, or the default for a new lab; ``https`` may be ``off``. ``say`` hears of each
        step before it is taken. Raises ``LabError``; then the same call may be repeated, or ``down`` called.
        """
        check_programs()
        if listen is not None:
            buildup.check_listen(listen)
        if https is not None:
            https_port.check(https)
        with self.locked():
            wanted = self._wanted(hosts, zones, pool_gib)
            is_new = not self.layout.record.exists()
            buildup.refuse_strangers(self.layout)
            wanted = replace(
                wanted,
                images_dir=str(images_dir) if images_dir else wanted.images_dir,
                listen=listen or wanted.listen,
                https=self._https(https, wanted.https, is_new=is_new, say=say),
            )
            self.save(wanted)
            buildup.make_controller(self.layout, say)
            for each in self.hosts():
                self._heal_host(each, say)
            record.write_atomically(self.config_path, config.as_yaml(self.layout, wanted))

    def down(self, say: Say = _silent) -> None:
        """Take away everything that is this lab's; a lab that is not there is fine. Needs no record."""
        with self.locked():
            teardown.take_down(self.layout, say)

    def status(self) -> LabStatus:
        """What there is of the lab; one that was never brought up raises ``LabError``."""
        return status.status_of(self.layout, self.load())

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

    def heal(self, name: str | None = None, say: Say = _silent) -> list[Fault]:
        """Undo all faults of a host, or of every host when ``None``, and bring it up where it is not.

        Returns the faults that were in force. May be repeated.
        """
        check_programs()
        hosts = self.hosts() if name is None else [self.host(name)]
        with self.locked():
            buildup.make_controller(self.layout, say)
            return [fault for one in hosts for fault in self._heal_host(one, say)]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time may change a lab. The lock is the folder's own and ends with its process."""
        check_root()
        descriptor = self._lock()
        try:
            yield
        finally:
            os.close(descriptor)
            with suppress(OSError):
                self.folder.rmdir()  # succeeds only when nothing came of it
                self.layout.root.rmdir()

    def _lock(self) -> int:
        found: list[int] = []

        def is_mine() -> bool:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o711)
            descriptor = _try_lock(self.folder)
            if descriptor is not None:
                found.append(descriptor)
            return bool(found)

        what = f"another command is at work on lab '{self.name}' and does not finish"
        processes.wait_until(is_mine, _LOCK_TIMEOUT_S, what)
        return found[0]

    def _wanted(self, hosts: int | None, zones: int | None, pool_gib: int | None) -> LabRecord:
        known = record.load(self.layout.record)
        if known is None:
            return buildup.new_record(self.name, hosts, zones, pool_gib)
        asked = {"hosts": hosts, "zones": zones, "pool_gib": pool_gib}
        for what, value in asked.items():
            was = getattr(known, what)
            if value not in (None, was):
                raise LabError(f"lab '{self.name}' is there with {what} {was}, not {value}: take it down first")
        return known

    def _https(self, asked: str | None, was: str | None, *, is_new: bool, say: Say) -> str | None:
        if asked is not None:
            return https_port.check(asked)
        return https_port.choose(self.layout.root, self.name, say) if is_new else was

    def _heal_host(self, one: HostLayout, say: Say) -> list[Fault]:
        known = self.load()
        buildup.make_host(one, known.pool_gib, say)
        healed = [fault for fault in known.faults if fault.host == one.name]
        for fault in healed:
            say(f"{one.name}: heal {fault.kind}")
            healing.undo(one, fault)
            self.save(self.load().without_fault(fault))
        return healed


def _try_lock(folder: Path) -> int | None:
    """Lock a folder and return the open descriptor that holds the lock, or ``None`` when another has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another's ``down`` may have removed the folder since we opened it.
        if os.fstat(descriptor).st_ino == folder.stat().st_ino:
            return descriptor
    os.close(descriptor)
    return None
