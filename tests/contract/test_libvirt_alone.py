"""What only a real libvirt can show: disks, memory, frozen guests, restarts of libvirtd, uploads."""

from __future__ import annotations

import asyncio
import hashlib
import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import HostRefused, HostUnreachable, ImageError, InsufficientCapacity
from orchestrator.hosts.doctor import examine
from orchestrator.hosts.libvirt import LibvirtHost, links, volumes
from orchestrator.model.guest import HostEventKind, Power
from tests.contract.libvirt_rig import DEADLINES, POOL, LibvirtRig
from tests.contract.rig import Heard, answered, on_a_loop, power_of, says, volumes_of, was_stopped

pytestmark = pytest.mark.real


@on_a_loop
async def test_a_disk_lives_through_stop_and_undefine_and_is_new_in_the_next_generation(
    libvirt_rig: LibvirtRig,
) -> None:
    spec = libvirt_rig.spec()
    async with libvirt_rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        await host.restart(spec.owner)
        await says(host, spec.owner, b"boot 2\n")
        await host.undefine(spec.owner)
        await host.create(spec)
        await says(host, spec.owner, b"boot 3\n")
        await host.remove(spec.owner)
        reimaged = libvirt_rig.spec(generation=2)
        await host.create(reimaged)
        await says(host, reimaged.owner, b"boot 1\n")


@on_a_loop
async def test_a_disk_that_is_only_half_made_is_made_anew(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec()
    async with libvirt_rig.opened() as host:
        with libvirt_rig.connection() as connection:
            _make_volume(connection, spec.owner.disk_volume)
            _make_volume(connection, spec.owner.seed_volume)
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")


def _make_volume(connection: object, name: str) -> None:
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    ET.SubElement(volume, "capacity").text = "0"
    connection.storagePoolLookupByName(POOL).createXML(ET.tostring(volume, encoding="unicode"), 0)


@on_a_loop
async def test_the_seed_reaches_the_guest_byte_for_byte(libvirt_rig: LibvirtRig) -> None:
    seed = bytes(range(256)) * 3001
    spec = libvirt_rig.spec(seed_iso=seed)
    async with libvirt_rig.opened() as host:
        await host.create(spec)
        path = f"/var/lib/libvirt/images/vmss/{spec.owner.seed_volume}"
        assert libvirt_rig.lab.run("h1", ["cat", path]).stdout == seed


@on_a_loop
async def test_memory_that_the_host_cannot_give_is_told_as_such_and_nothing_stays(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec(memory_mib=1 << 25)
    async with libvirt_rig.opened() as host:
        with pytest.raises(InsufficientCapacity, match="memory"):
            await host.create(spec)
        view = await host.look()
        assert volumes_of(view, spec.owner) == set()
        assert spec.owner not in {guest.owner for guest in view.guests}


@on_a_loop
async def test_a_pool_that_fills_up_while_a_guest_is_made_is_told_as_such_and_nothing_stays(
    libvirt_rig: LibvirtRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure asked beforehand is older than the last gap: writing the seed itself fails."""
    spec = libvirt_rig.spec(seed_iso=bytes(8 << 20))
    async with libvirt_rig.opened() as host:
        libvirt_rig.fill_pool()
        monkeypatch.setattr(volumes, "_available_bytes", lambda _: 1 << 40)
        with pytest.raises(InsufficientCapacity, match="disk"):
            await host.create(spec)
        view = await host.look()
        assert volumes_of(view, spec.owner) == set()
        assert spec.owner not in {guest.owner for guest in view.guests}


@on_a_loop
async def test_an_image_that_does_not_fit_is_told_as_such_and_nothing_of_it_stays(
    libvirt_rig: LibvirtRig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = os.urandom(1 << 20) * 64
    disk = tmp_path / "large.qcow2"
    disk.write_bytes(content)
    large = replace(libvirt_rig.image, disk_path=str(disk), disk_sha256=hashlib.sha256(content).hexdigest())
    async with libvirt_rig.opened() as host:
        libvirt_rig.fill_pool()
        for _ in range(2):
            with pytest.raises(InsufficientCapacity, match="disk"):
                await host.ensure_image(large)
            monkeypatch.setattr(volumes, "_available_bytes", lambda _: 1 << 40)
        assert not [each for each in (await host.look()).volumes if large.disk_sha256[:16] in each.name]


@on_a_loop
async def test_a_host_that_falls_silent_is_noticed_without_asking(
    libvirt_rig: LibvirtRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "KEEPALIVE_INTERVAL_S", 1)
    monkeypatch.setattr(links, "KEEPALIVE_COUNT", 1)
    async with libvirt_rig.opened() as host:
        heard = Heard(host)
        libvirt_rig.silence()
        await heard.wait_for(HostEventKind.CONNECTION_LOST, None, 5)
        libvirt_rig.heal()
        await answered(host)
        await heard.wait_for(HostEventKind.CONNECTION_BACK, None, 2)


@on_a_loop
async def test_a_guest_without_its_image_is_refused(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec()
    stranger = replace(spec, image=replace(spec.image, disk_sha256="f" * 64))
    async with libvirt_rig.opened() as host:
        with pytest.raises(HostRefused, match="does not hold image"):
            await host.create(stranger)
        with pytest.raises(HostRefused, match="smaller"):
            await host.create(replace(spec, disk_gib=1, image=replace(spec.image, virtual_size_bytes=2 << 30)))
        assert volumes_of(await host.look(), spec.owner) == set()


@on_a_loop
async def test_a_larger_disk_is_as_large_as_asked(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec(disk_gib=3)
    async with libvirt_rig.opened() as host:
        await host.create(spec)
        with libvirt_rig.connection() as connection:
            pool = connection.storagePoolLookupByName(POOL)
            assert pool.storageVolLookupByName(spec.owner.disk_volume).info()[1] == 3 << 30


@on_a_loop
async def test_orders_for_another_installations_guest_are_refused(libvirt_rig: LibvirtRig) -> None:
    owner = replace(libvirt_rig.spec().owner, installation="0" * 8)
    async with libvirt_rig.opened() as host:
        for order in (host.start, host.restart, host.power_off, host.shut_down, host.undefine, host.remove):
            with pytest.raises(HostRefused):
                await order(owner)


@on_a_loop
async def test_a_damaged_or_missing_image_is_refused_and_nothing_of_it_stays(libvirt_rig: LibvirtRig) -> None:
    damaged = replace(libvirt_rig.image, disk_sha256="e" * 64)
    missing = replace(libvirt_rig.image, disk_sha256="d" * 64, disk_path="/nowhere/disk.qcow2")
    async with libvirt_rig.opened() as host:
        before = {volume.name for volume in (await host.look()).volumes}
        with pytest.raises(ImageError, match="damaged"):
            await host.ensure_image(damaged)
        with pytest.raises(ImageError, match="cannot be read"):
            await host.ensure_image(missing)
        assert {volume.name for volume in (await host.look()).volumes} == before


@on_a_loop
async def test_an_upload_that_died_at_any_step_is_made_whole_by_the_next(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec()
    async with libvirt_rig.opened() as host:
        for step in range(1, 40):
            await host.remove_image(libvirt_rig.image)
            had_died = await was_stopped(libvirt_rig, step, lambda: host.ensure_image(libvirt_rig.image))
            await host.ensure_image(libvirt_rig.image)
            disk = Path(libvirt_rig.image.disk_path).read_bytes()
            assert _copy_on_host(libvirt_rig) == disk, f"step {step}"
            if not had_died:
                break
        assert 4 < step < 39
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")


def _copy_on_host(rig: LibvirtRig) -> bytes:
    name = f"vmss-image-{rig.installation}-{rig.image.disk_sha256[:16]}.qcow2"
    return rig.lab.run("h1", ["cat", f"/var/lib/libvirt/images/vmss/{name}"]).stdout


@on_a_loop
async def test_a_frozen_guest_hides_neither_the_host_nor_the_other_guests(libvirt_rig: LibvirtRig) -> None:
    frozen, lively = libvirt_rig.spec(0), libvirt_rig.spec(1)
    async with libvirt_rig.opened() as host:
        await asyncio.gather(host.create(frozen), host.create(lively))
        libvirt_rig.freeze_guest(frozen.owner.vm_uuid)
        async with asyncio.timeout(DEADLINES.query_s + 1):
            counted = {each.uuid for each in await host.stats()}
        assert lively.owner.vm_uuid in counted
        assert frozen.owner.vm_uuid not in counted
        async with asyncio.timeout(2):
            assert await power_of(host, frozen.owner) is Power.RUNNING
            await host.power_off(lively.owner)


@on_a_loop
async def test_a_frozen_guest_can_be_removed(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec()
    async with libvirt_rig.opened() as host:
        await host.create(spec)
        libvirt_rig.freeze_guest(spec.owner.vm_uuid)
        await host.remove(spec.owner)
        view = await host.look()
        assert volumes_of(view, spec.owner) == set()
        assert spec.owner not in {guest.owner for guest in view.guests}


@on_a_loop
async def test_a_libvirtd_that_was_killed_and_restarted_is_found_again_with_its_guests(
    libvirt_rig: LibvirtRig,
) -> None:
    spec, later = libvirt_rig.spec(0), libvirt_rig.spec(1)
    async with libvirt_rig.opened() as host:
        heard = Heard(host)
        await host.create(spec)
        libvirt_rig.kill_libvirtd()
        await heard.wait_for(HostEventKind.CONNECTION_LOST, None, 2)
        with pytest.raises(HostUnreachable):
            await host.look()
        libvirt_rig.heal()
        await answered(host)
        await heard.wait_for(HostEventKind.CONNECTION_BACK, None, 2)
        assert await power_of(host, spec.owner) is Power.RUNNING
        await host.create(later)
        libvirt_rig.kill_guest(spec.owner.vm_uuid)
        await heard.wait_for(HostEventKind.GUEST_CRASHED, spec.owner.vm_uuid, 2)


@on_a_loop
async def test_work_needs_no_look_to_reconnect_first(libvirt_rig: LibvirtRig) -> None:
    spec = libvirt_rig.spec()
    async with libvirt_rig.opened() as host:
        heard = Heard(host)
        libvirt_rig.kill_libvirtd()
        libvirt_rig.heal()
        await heard.wait_for(HostEventKind.CONNECTION_LOST, None, 2)
        await host.create(spec)
        libvirt_rig.kill_guest(spec.owner.vm_uuid)
        await heard.wait_for(HostEventKind.GUEST_CRASHED, spec.owner.vm_uuid, 2)


@on_a_loop
async def test_the_doctor_finds_a_healthy_host_healthy(libvirt_rig: LibvirtRig) -> None:
    async with libvirt_rig.opened() as host:
        checks = {check.name: check for check in await examine(host)}
        assert {"connection", "acceleration", "pool", "permissions", "clock", "network"} <= set(checks)
        assert all(check.is_ok for check in checks.values() if check.name != "probing"), checks


@on_a_loop
async def test_the_doctor_names_what_is_missing_and_how_to_mend_it(libvirt_rig: LibvirtRig) -> None:
    config = replace(libvirt_rig.config, pool="nowhere", network="nothing")
    checks = {
        check.name: check for check in await examine(LibvirtHost(config, libvirt_rig.installation, DEADLINES))
    }
    assert checks["connection"].is_ok
    assert not checks["pool"].is_ok
    assert "nowhere" in checks["pool"].mend
    assert not checks["network"].is_ok
    assert "nothing" in checks["network"].mend


@on_a_loop
async def test_the_doctor_says_when_nobody_answers(libvirt_rig: LibvirtRig) -> None:
    config = replace(libvirt_rig.config, uri="qemu+unix:///system?socket=/nowhere/libvirt-sock")
    checks = await examine(LibvirtHost(config, libvirt_rig.installation, DEADLINES))
    assert [(check.name, check.is_ok) for check in checks] == [("connection", False)]
    assert "virsh" in checks[0].mend


@on_a_loop
async def test_a_full_pool_is_the_doctors_finding_too(libvirt_rig: LibvirtRig) -> None:
    async with libvirt_rig.opened() as host:
        libvirt_rig.fill_pool()
        checks = {check.name: check for check in await examine(host)}
        assert not (checks["pool"].is_ok and checks["permissions"].is_ok)
