"""Azure's own clients against one vmssd with real guests: three hosts in three zones, HTTPS on a free port."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/guests/system"))

from az_client import Az  # noqa: E402
from system import Daemon, wait_for  # noqa: E402

from orchestrator.images.build import DEFAULT_FOLDER, build  # noqa: E402
from orchestrator.images.catalogue import Catalogue  # noqa: E402
from orchestrator.lab import Lab  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.clients)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    build("micro", Catalogue(DEFAULT_FOLDER))
    lab = Lab(f"azure{os.getpid()}")
    try:
        lab.up(3, zones=3, pool_gib=4, https=None)
        yield lab
    finally:
        lab.down()


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@pytest.fixture(scope="session")
def daemon(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("azure")
    # The network that az makes by default is real.
    carried = {"carries": ["10.0.0.0/16"]}
    https = f"127.0.0.1:{_free_port()}"
    daemon = Daemon(lab, folder, 1, host_lease_s=6.0, https_listen=https, network=carried)
    daemon.start()
    try:
        yield daemon
        wait_for(lambda: not daemon.strays() and not daemon.owned(), "nothing is left of any guest", 60)
    finally:
        daemon.stop()


@pytest.fixture(scope="session")
def az(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    """az as a person sets it up: the cloud is registered, and they are logged in."""
    az = Az.of(daemon, tmp_path_factory.mktemp("az"))
    az("cloud", "register", "-n", "AzLocal", "--endpoint-resource-manager", az.endpoint)
    az("cloud", "set", "-n", "AzLocal")
    owner = az.owner
    az(
        "login",
        "--service-principal",
        "-u",
        owner["clientId"],
        "-p",
        owner["clientSecret"],
        "--tenant",
        owner["tenantId"],
    )
    yield az
    for group in az("group", "list"):
        az("group", "delete", "-n", group["name"], "--yes")
