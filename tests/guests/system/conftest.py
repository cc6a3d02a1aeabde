"""One lab of three hosts and one daemon on it for the whole folder; sets and further daemons as tests want them.

At the end of every test nothing of its sets is left, and at the end of all nothing of the lab.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from system import Daemon, TestedSet, wait_for

from orchestrator.errors import VmssError
from orchestrator.images.build import DEFAULT_FOLDER, build
from orchestrator.images.catalogue import Catalogue
from orchestrator.lab import Lab, network
from orchestrator.lab.layout import LABS_FOLDER

_NAME = "prom"
HOST_LEASE_S = 6.0
_DAEMONS: list[Daemon] = []
_LOG_TAIL = 12_000
_NUMBERS = itertools.count(2)  # of daemons; 1 is the one that all tests share

MakeDaemon = Callable[..., Daemon]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show what the daemons logged and did beside a test that failed."""
    outcome: Any = yield
    report = outcome.get_result()
    if (report.failed or os.environ.get("VMSS_SHOW_EVENTS")) and item.get_closest_marker("real"):
        for daemon in _DAEMONS:
            report.sections.append((f"log of {daemon.folder.name}", daemon.log()[-_LOG_TAIL:]))
            with suppress(VmssError):
                report.sections.append((f"events of {daemon.folder.name}", _told(daemon)[-_LOG_TAIL:]))


def _told(daemon: Daemon) -> str:
    return "\n".join(
        f"{each['time'][11:23]} {each['set']}_{each['instanceId']} {each['host']} {each['kind']} {each['phase']}: "
        f"{each['reason']} {each['outcome'] or ''}"
        for each in daemon.events()
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Three hosts, each a fault domain and a zone of its own."""
    _clear_labs_of_the_dead()
    build("micro", Catalogue(DEFAULT_FOLDER))
    lab = Lab(f"{_NAME}{os.getpid()}")
    try:
        lab.up(3, zones=3, pool_gib=4)
        yield lab
    finally:
        lab.down()
    assert not lab.folder.exists()
    assert [name for name in network.names() if name.startswith(lab.namespace)] == []
    assert [each.pid for each in psutil.process_iter(["environ"]) if _is_of(each, lab)] == []


def _is_of(process: psutil.Process, lab: Lab) -> bool:
    environment = process.info["environ"] or {}
    is_dead = process.status() == psutil.STATUS_ZOMBIE
    return environment.get("VMSS_LAB") == str(lab.folder) and not is_dead


def _clear_labs_of_the_dead() -> None:
    """A session that was killed could not take its lab down."""
    for folder in LABS_FOLDER.glob(f"{_NAME}*"):
        pid = folder.name.removeprefix(_NAME)
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            Lab(folder.name).down()


@pytest.fixture(scope="session")
def daemon(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(lab, tmp_path_factory.mktemp("main"), 1, host_lease_s=HOST_LEASE_S)
    _DAEMONS.append(daemon)
    daemon.start()
    try:
        yield daemon
        wait_for(lambda: not daemon.strays() and not daemon.owned(), "nothing is left of any guest", 30)
    finally:
        daemon.stop()
        _DAEMONS.remove(daemon)


@pytest.fixture(scope="module")
def make_daemon(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeDaemon]:
    """A further daemon on the same hosts, not started."""
    made: list[Daemon] = []

    def make(name: str, **changes: Any) -> Daemon:
        changes = {"host_lease_s": HOST_LEASE_S, **changes}
        daemon = Daemon(lab, tmp_path_factory.mktemp(name), next(_NUMBERS), **changes)
        made.append(daemon)
        _DAEMONS.append(daemon)
        return daemon

    yield make
    for each in made:
        each.stop()
        _DAEMONS.remove(each)
        shutil.rmtree(each.folder, ignore_errors=True)


class MakeSet:
    """Makes sets for one module, on the shared daemon unless another is named."""

    def __init__(self, daemon: Daemon) -> None:
        self.made: list[TestedSet] = []
        self._daemon = daemon

    def __call__(self, name: str, body: dict[str, Any], on: Daemon | None = None) -> TestedSet:
        one = self.adopt(TestedSet(on or self._daemon, name))
        one.creation = one.create(body)
        return one

    def adopt(self, one: TestedSet) -> TestedSet:
        """Take care of a set that was made in another way."""
        self.made.append(one)
        return one


@pytest.fixture(scope="module")
def make_set(daemon: Daemon, lab: Lab, make_daemon: MakeDaemon) -> Iterator[MakeSet]:
    """At the end faults are healed, the sets are deleted, and nothing of them may stay."""
    maker = MakeSet(daemon)
    yield maker
    if not lab.status().is_up:
        lab.heal()
    owners = {each.daemon for each in maker.made}
    for owner in owners:
        if owner.process is None or owner.process.poll() is not None:
            owner.start()
        wait_for(owner.is_answering, "the daemon's answer", 30)
    _delete_all(maker.made)
    for owner in owners:
        wait_for(lambda owner=owner: not owner.strays() and not owner.owned(), "no guest is left", 30)


def _delete_all(sets: list[TestedSet]) -> None:
    """All at once: waiting for one after the other would take as many times as long."""
    begun = []
    for each in sets:
        with suppress(VmssError):
            begun.append((each, each.client.send("DELETE", each.path())))
    for each, reply in begun:
        if reply.operation_url:
            each.wait(reply)


@pytest.fixture
def healed(lab: Lab) -> Iterator[Lab]:
    """The lab, for a test that breaks something: whole before and after it."""
    if not lab.status().is_up:
        lab.heal()
    yield lab
    lab.heal()
