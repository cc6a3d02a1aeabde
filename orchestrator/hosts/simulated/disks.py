"""A simulated disk as the bytes that are carried from one host to another."""

from __future__ import annotations

import json

from orchestrator.hosts.simulated.world import SimulatedDisk


def packed(disk: SimulatedDisk) -> bytes:
    scripts = [[name, sequence, code] for (name, sequence), code in disk.scripts.items()]
    return json.dumps({"boots": disk.boots, "scripts": scripts}).encode()


def unpacked(content: bytes) -> SimulatedDisk:
    """``ValueError`` for anything but the whole of a packed disk."""
    found = json.loads(content)
    return SimulatedDisk(found["boots"], {(name, sequence): code for name, sequence, code in found["scripts"]})
