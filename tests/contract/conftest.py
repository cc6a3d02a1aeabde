"""Fixtures: a rig for each adapter; the lab host is brought up once for all."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from orchestrator.lab import Lab
from orchestrator.model.guest import Boot, ImageFiles
from tests.contract.libvirt_rig import LibvirtRig
from tests.contract.rig import Rig
from tests.contract.simulated_rig import SimulatedRig
from tests.contract.tiny_guest import make_image

POOL_GIB = 1


@pytest.fixture(scope="session")
def contract_lab() -> Iterator[Lab]:
    lab = Lab(f"ct{os.getpid()}")
    try:
        lab.up(hosts=2, pool_gib=POOL_GIB)
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="session")
def tiny_image(tmp_path_factory: pytest.TempPathFactory) -> ImageFiles:
    return make_image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def libvirt_rig(contract_lab: Lab, tiny_image: ImageFiles) -> LibvirtRig:
    return LibvirtRig(tiny_image, contract_lab)


@pytest.fixture
def simulated_rig(monkeypatch: pytest.MonkeyPatch) -> SimulatedRig:
    monkeypatch.setattr("orchestrator.hosts.simulated.host.CALL_DEADLINE_S", 0.2)
    return SimulatedRig(ImageFiles("/nowhere/disk.qcow2", "a" * 64, 64 << 20, Boot.BIOS))


@pytest.fixture(params=["simulated", pytest.param("libvirt", marks=pytest.mark.real)])
def rig(request: pytest.FixtureRequest) -> Rig:
    found: Rig = request.getfixturevalue(f"{request.param}_rig")
    return found
