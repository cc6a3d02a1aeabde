"""`up` is killed before each of its effects in turn; then the lab is completed, or taken away."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import libvirt
import pytest

from orchestrator.lab import Lab, network
from orchestrator.lab.layout import NETNS_FOLDER

pytestmark = pytest.mark.real

# Brings a lab up and dies by SIGKILL just before its Nth effect: a program run, a change of the network, a
# file written, a definition sent to libvirt.
CRASHING_UP = """
import os, signal, sys
from pathlib import Path
from orchestrator.lab import Lab, definitions, host, network, record

left = int(sys.argv[3])

def deadly(function):
    def wrapped(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

host.run = deadly(host.run)
for name in ("create", "mark", "add_bridge", "add_wire"):
    setattr(network, name, deadly(getattr(network, name)))
record.write_atomically = deadly(record.write_atomically)
definitions._ensure_pool = deadly(definitions._ensure_pool)
definitions._ensure_network = deadly(definitions._ensure_network)
Lab(sys.argv[1], Path(sys.argv[2])).up(1, pool_gib=1)
"""


def _up_that_dies(lab: Lab, effects: int) -> bool:
    """Whether it died before its end."""
    argv = [sys.executable, "-c", CRASHING_UP, lab.name, str(lab.layout.root), str(effects)]
    done = subprocess.run(argv, check=False, capture_output=True)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode == -9


@pytest.mark.timeout(300)
def test_a_lab_whose_making_was_killed_anywhere_is_completed_or_taken_away(
    absent_lab: Lab, traces: Callable[[Lab], list[str]]
) -> None:
    effects = 0
    while _up_that_dies(absent_lab, effects):
        if effects % 2:
            absent_lab.up()
            assert absent_lab.status().is_up, f"killed before effect {effects}"
            assert libvirt.open(absent_lab.uri("h1")).storagePoolLookupByName("vmss").isActive()
        absent_lab.down()
        assert traces(absent_lab) == [], f"killed before effect {effects}"
        effects += 1
    assert effects > 15, "the making of a lab has more effects than that"


def test_a_namespace_whose_making_was_killed_midway_is_made_anew(absent_lab: Lab) -> None:
    NETNS_FOLDER.mkdir(exist_ok=True)
    (NETNS_FOLDER / absent_lab.namespace).touch()  # the mount point is there, the namespace is not
    absent_lab.up(1)
    assert network.owner(absent_lab.namespace) == str(absent_lab.folder)


def test_a_host_whose_holder_was_killed_comes_up_with_its_files(absent_lab: Lab) -> None:
    absent_lab.up(1)
    kept = Path(f"/proc/{absent_lab.holder('h1').pid}/root/var/lib/libvirt/images/vmss/kept")
    kept.write_text("kept")
    absent_lab.holder("h1").kill()
    absent_lab.up()
    assert absent_lab.run("h1", ["cat", "/var/lib/libvirt/images/vmss/kept"]).stdout == b"kept"
