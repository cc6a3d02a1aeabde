"""Saved memory and carried disks where only a real libvirt can show what becomes of them."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import HostRefused, HostUnreachable
from orchestrator.hosts.libvirt import LibvirtHost
from orchestrator.lab import host as lab_host
from orchestrator.model.guest import GuestSpec, Power
from tests.contract.libvirt_rig import DEADLINES, OTHER_HOST, POOL, SAVE_FOLDER, LibvirtRig
from tests.contract.rig import answered, on_a_loop, power_of, says, until

pytestmark = pytest.mark.real

ELSEWHERE = "/var/lib/libvirt/images/a-pool-with-a-longer-name/elsewhere"
# A page of the guest's memory in a saved image lies well behind the header and its XML.
_IN_THE_MEMORY = 300_000


def _image_of(rig: LibvirtRig, spec: GuestSpec) -> Path:
    """The saved memory as a path of this machine."""
    return lab_host.inside_path(rig.lab.holder(rig.name), Path(SAVE_FOLDER, f"{spec.name}.save"))


@on_a_loop
async def test_a_save_that_libvirtd_does_not_survive_leaves_a_guest_of_use(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec(memory_mib=256)
    async with libvirt_rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        image = _image_of(libvirt_rig, spec)
        saving = asyncio.create_task(host.hibernate(spec.owner))

        async def has_begun() -> bool:
            return image.exists()

        await until(has_begun, 10, "the image is begun")
        libvirt_rig.kill_libvirtd()
        with suppress(HostUnreachable):  # it may just have come through
            await saving
        libvirt_rig.heal()
        await answered(host)
        await host.create(spec)
        assert await power_of(host, spec.owner) is Power.RUNNING
        await host.hibernate(spec.owner)
        await host.start(spec.owner)
        await host.restart(spec.owner)
        await says(host, spec.owner, b"boot 2\n")


@on_a_loop
async def test_old_memory_beside_a_running_guest_is_never_used_again(libvirt_rig: LibvirtRig) -> None:
    """A libvirtd that dies right after a guest was resumed leaves its image behind."""
    spec = libvirt_rig.spec()
    async with libvirt_rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        await host.hibernate(spec.owner)
        image = _image_of(libvirt_rig, spec)
        old_memory = image.read_bytes()
        await host.start(spec.owner)
        libvirt_rig.kill_libvirtd()
        image.write_bytes(old_memory)
        libvirt_rig.heal()
        await answered(host)
        await host.start(spec.owner)
        assert not image.exists()
        await host.power_off(spec.owner)
        assert await power_of(host, spec.owner) is Power.SHUT_OFF
        await host.start(spec.owner)
        await says(host, spec.owner, b"boot 2\n")


@on_a_loop
async def test_memory_that_cannot_be_resumed_is_told_and_is_dropped_by_power_off(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec()
    async with libvirt_rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        await host.hibernate(spec.owner)
        with _image_of(libvirt_rig, spec).open("r+b") as image:
            image.seek(_IN_THE_MEMORY)
            image.write(b"\xff" * 65_536)
        with pytest.raises(HostRefused):
            await host.start(spec.owner)
        assert await power_of(host, spec.owner) is Power.SAVED
        await host.power_off(spec.owner)
        await host.start(spec.owner)
        await says(host, spec.owner, b"boot 2\n")


@on_a_loop
async def test_a_kept_disk_grows_where_more_is_asked_and_is_never_cut(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec()
    async with libvirt_rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        for asked_gib, boots in ((2, b"boot 2\n"), (1, b"boot 3\n")):
            await host.undefine(spec.owner)
            await host.create(replace(spec, disk_gib=asked_gib))
            await says(host, spec.owner, boots)
            assert _capacity(libvirt_rig, spec) == 2 << 30


@on_a_loop
async def test_a_carried_disk_keeps_its_size_and_grows_like_one_that_was_made_here(libvirt_rig: LibvirtRig) -> None:
    spec, other = libvirt_rig.spec(disk_gib=2), libvirt_rig.beside()
    async with libvirt_rig.opened() as old, other.opened() as new:
        await old.create(spec)
        await says(old, spec.owner, b"boot 1\n")
        await old.undefine(spec.owner)
        await new.write_disk(replace(spec, disk_gib=None), await old.read_disk(spec.owner))
        await new.create(replace(spec, disk_gib=1))
        await says(new, spec.owner, b"boot 2\n")
        assert _capacity(other, spec) == 2 << 30
        await new.undefine(spec.owner)
        await new.create(replace(spec, disk_gib=3))
        await says(new, spec.owner, b"boot 3\n")
        assert _capacity(other, spec) == 3 << 30


def _capacity(rig: LibvirtRig, spec: GuestSpec) -> int:
    with rig.connection() as connection:
        pool = connection.storagePoolLookupByName(POOL)
        return int(pool.storageVolLookupByName(spec.owner.disk_volume).info()[1])


@contextmanager
def _pool_elsewhere(rig: LibvirtRig, name: str) -> Iterator[None]:
    definition = ET.Element("pool", type="dir")
    ET.SubElement(definition, "name").text = name
    ET.SubElement(ET.SubElement(definition, "target"), "path").text = ELSEWHERE
    with rig.connection() as connection:
        pool = connection.storagePoolDefineXML(ET.tostring(definition, encoding="unicode"), 0)
        pool.build(0)
        pool.create(0)
        try:
            yield
        finally:
            pool.destroy()
            pool.undefine()


@on_a_loop
async def test_a_disk_stands_on_the_image_of_its_new_host_wherever_the_pool_is(libvirt_rig: LibvirtRig) -> None:
    spec, other = libvirt_rig.spec(), libvirt_rig.beside()
    other.config = replace(other.config, pool="elsewhere")
    async with libvirt_rig.opened() as old:
        with _pool_elsewhere(other, "elsewhere"):
            async with other.opened() as new:
                assert isinstance(new, LibvirtHost)
                await old.create(spec)
                await says(old, spec.owner, b"boot 1\n")
                await old.undefine(spec.owner)
                await new.write_disk(spec, await old.read_disk(spec.owner))
                argv = [
                    "qemu-img",
                    "info",
                    "--backing-chain",
                    "--output=json",
                    f"{ELSEWHERE}/{spec.owner.disk_volume}",
                ]
                chain = json.loads(other.lab.run(OTHER_HOST, argv).stdout)
                assert [link["format"] for link in chain] == ["qcow2", "qcow2"]
                assert chain[0]["backing-filename-format"] == "qcow2"
                assert Path(chain[0]["full-backing-filename"]).parent == Path(ELSEWHERE)
                await new.create(spec)
                await says(new, spec.owner, b"boot 2\n")
                with pytest.raises(HostRefused, match="in use"):
                    await new.remove_image(spec.image)


@on_a_loop
async def test_a_host_that_falls_silent_during_a_copy_ends_it_in_time(libvirt_rig: LibvirtRig) -> None:
    spec, other = libvirt_rig.spec(), libvirt_rig.beside()
    deadlines = replace(DEADLINES, change_s=3.0)
    async with libvirt_rig.opened() as old, other.opened() as new:
        await old.create(spec)
        await says(old, spec.owner, b"boot 1\n")
        await old.undefine(spec.owner)
        hasty = LibvirtHost(libvirt_rig.config, libvirt_rig.installation, deadlines)
        await hasty.open()
        content = await hasty.read_disk(spec.owner)
        libvirt_rig.silence()
        with pytest.raises(HostUnreachable):
            await asyncio.wait_for(new.write_disk(spec, content), 20)
        libvirt_rig.heal()
        await hasty.close()
        await answered(old)
        await new.write_disk(spec, await old.read_disk(spec.owner))
        await new.create(spec)
        await says(new, spec.owner, b"boot 2\n")
