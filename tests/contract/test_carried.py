"""Disks that are kept, and disks that go to another host: whole, or not taken for a disk at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from orchestrator.errors import HostRefused, HostUnreachable, InsufficientCapacity
from orchestrator.hosts.port import DiskContent, Host
from orchestrator.model.guest import GuestSpec, Power
from tests.contract.rig import Rig, guest_of, on_a_loop, power_of, says, volumes_of, was_stopped

MOST_STEPS = 60


async def _leave(host: Host, spec: GuestSpec) -> None:
    """A guest that ran there once; its disk is left."""
    await host.create(spec)
    await says(host, spec.owner, b"boot 1\n")
    await host.undefine(spec.owner)


async def _cut_short(content: DiskContent, error: Exception | None = None) -> AsyncIterator[bytes]:
    async for piece in content.chunks:
        yield piece[: len(piece) // 2]
        break
    if error:
        raise error


@on_a_loop
async def test_a_disk_goes_to_another_host_with_all_that_was_written_on_it(rig: Rig) -> None:
    spec, other = rig.spec(), rig.beside()
    async with rig.opened() as old, other.opened() as new:
        await _leave(old, spec)
        assert await new.write_disk(spec, await old.read_disk(spec.owner))
        view = await new.look()
        assert guest_of(view, spec.owner) is None
        assert volumes_of(view, spec.owner) == {spec.owner.disk_volume}
        await new.create(spec)
        await says(new, spec.owner, b"boot 2\n")
        await old.remove(spec.owner)
        assert volumes_of(await old.look(), spec.owner) == set()
        assert await power_of(new, spec.owner) is Power.RUNNING


@on_a_loop
async def test_a_disk_in_use_or_absent_is_not_handed_out(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        with pytest.raises(HostRefused):
            await host.read_disk(spec.owner)
        await host.create(spec)
        with pytest.raises(HostRefused):
            await host.read_disk(spec.owner)
        await host.hibernate(spec.owner)
        with pytest.raises(HostRefused):
            await host.read_disk(spec.owner)
        await host.power_off(spec.owner)
        assert (await host.read_disk(spec.owner)).size_bytes > 0


@on_a_loop
async def test_a_disk_that_comes_again_replaces_the_one_that_never_ran(rig: Rig) -> None:
    spec, other = rig.spec(), rig.beside()
    async with rig.opened() as old, other.opened() as new:
        await _leave(old, spec)
        assert await new.write_disk(spec, await old.read_disk(spec.owner))
        await old.create(spec)
        await says(old, spec.owner, b"boot 2\n")
        await old.undefine(spec.owner)
        assert await new.write_disk(spec, await old.read_disk(spec.owner))
        await new.create(spec)
        await says(new, spec.owner, b"boot 3\n")


@on_a_loop
async def test_the_disk_of_a_guest_that_is_defined_is_never_overwritten(rig: Rig) -> None:
    spec, other = rig.spec(), rig.beside()
    async with rig.opened() as old, other.opened() as new:
        await _leave(old, spec)
        await new.write_disk(spec, await old.read_disk(spec.owner))
        await new.create(spec)
        await says(new, spec.owner, b"boot 2\n")
        for _ in range(2):
            assert not await new.write_disk(spec, await old.read_disk(spec.owner))
            await new.power_off(spec.owner)
        await new.create(spec)
        await says(new, spec.owner, b"boot 3\n")


@pytest.mark.timeout(240)
@on_a_loop
async def test_a_copy_that_died_at_any_step_is_no_disk_and_is_made_whole_by_the_next(rig: Rig) -> None:
    spec, other = rig.spec(), rig.beside()
    async with rig.opened() as old, other.opened() as new:
        await _leave(old, spec)
        for step in range(1, MOST_STEPS):
            content = await old.read_disk(spec.owner)
            had_died = await was_stopped(other, step, lambda content=content: new.write_disk(spec, content))
            present = volumes_of(await new.look(), spec.owner)
            if spec.owner.copying_volume in present:
                with pytest.raises(HostRefused):
                    await new.create(spec)
                with pytest.raises(HostRefused):
                    await new.read_disk(spec.owner)
            if spec.owner.disk_volume not in present or spec.owner.copying_volume in present:
                await new.write_disk(spec, await old.read_disk(spec.owner))
            await new.create(spec)
            await says(new, spec.owner, b"boot 2\n")
            await new.remove(spec.owner)
            assert volumes_of(await new.look(), spec.owner) == set(), f"step {step}"
            if not had_died:
                break
        assert 4 < step < MOST_STEPS - 1


@on_a_loop
async def test_a_copy_that_breaks_off_is_told_and_no_guest_is_made_on_it(rig: Rig) -> None:
    spec, other = rig.spec(), rig.beside()
    async with rig.opened() as old, other.opened() as new:
        await _leave(old, spec)
        gone = HostUnreachable("The other host went away.")
        for error, told in ((gone, HostUnreachable), (None, HostRefused)):
            content = await old.read_disk(spec.owner)
            with pytest.raises(told):
                await new.write_disk(spec, replace(content, chunks=_cut_short(content, error)))
            with pytest.raises(HostRefused):
                await new.create(spec)
        await new.write_disk(spec, await old.read_disk(spec.owner))
        await new.create(spec)
        await says(new, spec.owner, b"boot 2\n")


@on_a_loop
async def test_a_disk_without_room_is_told_as_such_and_stays_where_it_was(rig: Rig) -> None:
    spec, other = rig.spec(), rig.beside()
    async with rig.opened() as old, other.opened() as new:
        await _leave(old, spec)
        other.fill_pool()
        with pytest.raises(InsufficientCapacity, match="disk"):
            await new.write_disk(spec, await old.read_disk(spec.owner))
        await new.remove(spec.owner)
        assert volumes_of(await new.look(), spec.owner) == set()
        await old.create(spec)
        await says(old, spec.owner, b"boot 2\n")


@on_a_loop
async def test_several_disks_come_at_once(rig: Rig) -> None:
    specs, other = [rig.spec(number) for number in range(3)], rig.beside()
    async with rig.opened() as old, other.opened() as new:

        async def carry(spec: GuestSpec) -> None:
            await _leave(old, spec)
            await new.write_disk(spec, await old.read_disk(spec.owner))
            await new.create(spec)
            await says(new, spec.owner, b"boot 2\n")

        await asyncio.gather(*map(carry, specs))


@on_a_loop
async def test_a_kept_disk_serves_a_guest_of_another_size(rig: Rig) -> None:
    spec = rig.spec(vcpus=1, memory_mib=32)
    async with rig.opened() as host:
        before = (await host.look()).capacity
        await _leave(host, spec)
        await host.create(replace(spec, vcpus=2, memory_mib=64))
        await says(host, spec.owner, b"boot 2\n")
        during = (await host.look()).capacity
        assert during.memory_mib_used - before.memory_mib_used == 64
        assert during.vcpus_used - before.vcpus_used == 2


@on_a_loop
async def test_the_console_outlives_the_domain_and_ends_with_the_disk(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await _leave(host, spec)
        assert b"boot 1\n" in await host.console(spec.owner)
        await host.create(spec)
        await says(host, spec.owner, b"boot 2\n")
        assert b"boot 1\n" in await host.console(spec.owner)
        await host.remove(spec.owner)
        assert await host.console(spec.owner) == b""
