"""Labs for tests: of names and folders of their own, gone at the end whatever happens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import libvirt
import psutil
import pytest

from orchestrator.lab import Lab, network


@pytest.fixture(scope="module")
def labs_folder() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets, which pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="labs-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lab_name() -> str:
    """A name that no lab of someone else's on this machine bears."""
    return f"t{os.getpid()}"


@pytest.fixture
def absent_lab(labs_folder: Path, lab_name: str) -> Iterator[Lab]:
    """A lab that is not up; taken down at the end."""
    lab = Lab(lab_name, labs_folder)
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def lab(labs_folder: Path) -> Iterator[Lab]:
    """A running lab of two hosts, for a module's tests; each is to heal what it breaks."""
    lab = Lab(f"m{os.getpid()}", labs_folder)
    lab.up(2, pool_gib=1)
    yield lab
    lab.down()


@pytest.fixture
def traces() -> Callable[[Lab], list[str]]:
    """All that this machine shows of a lab, in words. Other labs may come and go meanwhile."""
    return _traces


@pytest.fixture
def start_guest() -> Callable[[Lab, str, str], libvirt.virDomain]:
    """Start a guest without disk, as small as QEMU starts, on a host's fabric. It ends with its host."""
    return _start_guest


def _traces(lab: Lab) -> list[str]:
    found = [f"namespace {name}" for name in network.names() if name.startswith(lab.namespace)]
    inodes = {network.inode(name) for name in network.names() if name.startswith(lab.namespace)}
    folder = str(lab.folder)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get("VMSS_LAB") == folder or network.inode_of_process(process.pid) in inodes:
                found.append(f"process {process.pid} {process.name()}")
            if folder in Path(f"/proc/{process.pid}/mountinfo").read_text():
                found.append(f"mount seen by {process.pid} {process.name()}")
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):
            if backing.read_text().startswith(folder):
                found.append(f"loop device {backing.parent.parent.name}")
    found += [f"cgroup {each}" for each in Path("/sys/fs/cgroup").glob("**/*libvirt*")]
    return found + ([f"folder {folder}"] if lab.folder.exists() else [])


def _start_guest(lab: Lab, host: str, name: str) -> libvirt.virDomain:
    domain = Element("domain", type="qemu")
    SubElement(domain, "name").text = name
    SubElement(domain, "memory", unit="MiB").text = "32"
    os_element = SubElement(domain, "os")
    SubElement(os_element, "type", arch="x86_64", machine="pc").text = "hvm"
    SubElement(os_element, "boot", dev="hd")
    devices = SubElement(domain, "devices")
    interface = SubElement(devices, "interface", type="network")
    SubElement(interface, "source", network="fabric")
    SubElement(interface, "model", type="virtio")
    SubElement(interface, "rom", enabled="no")
    # Kept open by the domain object: libvirt-python counts references.
    connection = libvirt.open(lab.uri(host))
    defined = connection.defineXML(tostring(domain, encoding="unicode"))
    defined.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)  # its CPU has nothing to do but cost ours time
    return defined
