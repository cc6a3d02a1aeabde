"""A simulated disk survives its journey as bytes."""

from __future__ import annotations

import pytest

from orchestrator.hosts.simulated.disks import packed, unpacked
from orchestrator.hosts.simulated.world import SimulatedDisk


def test_a_disk_arrives_as_it_was_sent() -> None:
    disk = SimulatedDisk(boots=3, scripts={("page", 1): 0, ("page", 2): 7})
    assert unpacked(packed(disk)) == disk


def test_half_a_disk_is_none() -> None:
    content = packed(SimulatedDisk(boots=3))
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        unpacked(content[: len(content) // 2])
