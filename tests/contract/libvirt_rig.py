"""The suite's rig on a real libvirt in a lab host: faults are real."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import libvirt

from orchestrator.hosts.libvirt import Deadlines, LibvirtHost
from orchestrator.hosts.libvirt.links import Abandoned, Call
from orchestrator.hosts.port import Host
from orchestrator.lab import Lab, fill_pool, freeze_guest, kill_guest
from orchestrator.lab import processes as lab_processes
from orchestrator.model.guest import ImageFiles
from orchestrator.model.host import HostConfig
from tests.contract.rig import Rig, Stop, Stopped

HOST, OTHER_HOST = "h1", "h2"
SAVE_FOLDER = "/var/lib/libvirt/qemu/save"
POOL = "vmss"
DEADLINES = Deadlines(open_s=4.0, query_s=4.0, change_s=40.0)


class LibvirtRig(Rig):
    silence_deadline_s = DEADLINES.open_s + DEADLINES.query_s + 1.0

    def __init__(self, image: ImageFiles, lab: Lab, name: str = HOST) -> None:
        super().__init__(image)
        self.lab = lab
        self.name = name
        self._is_save_disk_small = False
        self.config = HostConfig(name, lab.uri(name), pool=POOL, network=self.network, acceleration="tcg")

    def host(self, installation: str | None = None) -> Host:
        return LibvirtHost(self.config, installation or self.installation, DEADLINES)

    def kill_guest(self, uuid: str) -> None:
        kill_guest(self.lab, uuid)

    def freeze_guest(self, uuid: str) -> None:
        freeze_guest(self.lab, uuid)

    def silence(self) -> None:
        self._libvirtd().suspend()

    def heal(self) -> None:
        libvirtd = lab_processes.daemon_of(self.lab.holder(self.name), "libvirtd")
        if libvirtd is not None:
            libvirtd.resume()
        self.lab.heal(self.name)
        if self._is_save_disk_small:
            self.lab.run(self.name, ["umount", SAVE_FOLDER])
            self._is_save_disk_small = False

    def kill_libvirtd(self) -> None:
        libvirtd = self._libvirtd()
        libvirtd.kill()
        libvirtd.wait(10)

    def _libvirtd(self) -> lab_processes.psutil.Process:
        found = lab_processes.daemon_of(self.lab.holder(self.name), "libvirtd")
        assert found is not None, "no libvirtd runs in the lab host"
        return found

    def fill_pool(self) -> None:
        fill_pool(self.lab, self.name)

    def fill_save_disk(self) -> None:
        # The smallest guest's memory takes some 900 KiB.
        self.lab.run(self.name, ["mount", "-t", "tmpfs", "-o", "size=300k", "none", SAVE_FOLDER])
        self._is_save_disk_small = True

    def filter_names(self) -> set[str]:
        connection = libvirt.open(self.config.uri)
        try:
            names = {each.name() for each in connection.listAllNWFilters()}
        finally:
            connection.close()
        return {name for name in names if name.startswith(f"vmss-{self.installation}-")}

    def beside(self) -> LibvirtRig:
        other = LibvirtRig(self.image, self.lab, OTHER_HOST)
        other.installation = self.installation
        return other

    @contextmanager
    def foreign(self) -> Iterator[tuple[str, str]]:
        name = f"foreign-{self.installation}"
        with self.connection() as connection:
            pool = connection.storagePoolLookupByName(POOL)
            volume = pool.createXML(_foreign_volume(f"{name}.raw"), 0)
            domain = connection.createXML(_foreign_domain(name), 0)
            try:
                yield name, volume.name()
            finally:
                domain.destroy()
                volume.delete(0)

    @contextmanager
    def connection(self) -> Iterator[libvirt.virConnect]:
        """A connection beside the adapter's own."""
        connection = libvirt.open(self.config.uri)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def stop_at(self, step: int) -> Iterator[Stop]:
        # The adapter asks this before each step; from the fatal one on it does nothing more, not even undo.
        stop = Stop(step)

        def check(call: Call) -> None:
            if stop.is_now():
                call.abandon()
                raise Stopped from Abandoned()

        with patch.object(Call, "check", check):
            yield stop


def _foreign_volume(name: str) -> str:
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    ET.SubElement(volume, "capacity").text = "4096"
    return ET.tostring(volume, encoding="unicode")


def _foreign_domain(name: str) -> str:
    domain = ET.Element("domain", type="qemu")
    ET.SubElement(domain, "name").text = name
    ET.SubElement(domain, "memory", unit="MiB").text = "32"
    ET.SubElement(ET.SubElement(domain, "os"), "type", arch="x86_64", machine="pc").text = "hvm"
    return ET.tostring(domain, encoding="unicode")
