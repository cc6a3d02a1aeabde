"""The life of a guest, as the port's contract has it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from orchestrator.errors import HostRefused
from orchestrator.model.guest import FilterRule, GuestFilter, Owner, Power
from tests.contract.rig import Rig, guest_of, on_a_loop, power_of, until, volumes_of


@on_a_loop
async def test_a_created_guest_runs_and_carries_its_owner(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        view = await host.look()
        guest = guest_of(view, spec.owner)
        assert guest is not None
        assert (guest.name, guest.uuid, guest.power) == (spec.name, spec.owner.vm_uuid, Power.RUNNING)
        assert {spec.owner.disk_volume, spec.owner.seed_volume} <= volumes_of(view, spec.owner)


@on_a_loop
async def test_creating_twice_leaves_one_guest_running(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        before = volumes_of(await host.look(), spec.owner)
        await host.create(spec)
        view = await host.look()
        assert guest_of(view, spec.owner) is not None
        assert volumes_of(view, spec.owner) == before


@on_a_loop
async def test_creating_at_the_same_time_twice_leaves_one_guest_running(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await asyncio.gather(host.create(spec), host.create(spec))
        assert await power_of(host, spec.owner) is Power.RUNNING


@on_a_loop
async def test_several_guests_are_created_at_once(rig: Rig) -> None:
    specs = [rig.spec(number) for number in range(3)]
    async with rig.opened() as host:
        await asyncio.gather(*(host.create(spec) for spec in specs))
        view = await host.look()
        assert all(guest_of(view, spec.owner) for spec in specs)
        await asyncio.gather(*(host.remove(spec.owner) for spec in specs))
        view = await host.look()
        assert not any(guest_of(view, spec.owner) or volumes_of(view, spec.owner) for spec in specs)


@on_a_loop
async def test_a_removed_guest_leaves_nothing_and_may_be_removed_again(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await host.remove(spec.owner)
        view = await host.look()
        assert guest_of(view, spec.owner) is None
        assert volumes_of(view, spec.owner) == set()
        await host.remove(spec.owner)


@on_a_loop
async def test_power_off_start_and_restart_keep_the_guest_and_its_disk(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await host.power_off(spec.owner)
        assert await power_of(host, spec.owner) is Power.SHUT_OFF
        await host.power_off(spec.owner)
        await host.start(spec.owner)
        await host.start(spec.owner)
        assert await power_of(host, spec.owner) is Power.RUNNING
        await host.restart(spec.owner)
        view = await host.look()
        assert guest_of(view, spec.owner) is not None
        assert spec.owner.disk_volume in volumes_of(view, spec.owner)


@on_a_loop
async def test_creating_a_guest_that_is_shut_off_starts_it(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await host.power_off(spec.owner)
        await host.create(spec)
        assert await power_of(host, spec.owner) is Power.RUNNING


@on_a_loop
async def test_an_undefined_guest_keeps_its_volumes_and_create_brings_it_back(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await host.undefine(spec.owner)
        view = await host.look()
        assert guest_of(view, spec.owner) is None
        assert spec.owner.disk_volume in volumes_of(view, spec.owner)
        await host.undefine(spec.owner)
        await host.create(spec)
        assert await power_of(host, spec.owner) is Power.RUNNING


@on_a_loop
async def test_what_is_absent_cannot_be_started_but_may_be_stopped(rig: Rig) -> None:
    owner = rig.spec().owner
    async with rig.opened() as host:
        with pytest.raises(HostRefused):
            await host.start(owner)
        with pytest.raises(HostRefused):
            await host.restart(owner)
        await host.power_off(owner)
        await host.shut_down(owner)
        await host.undefine(owner)
        assert await host.console(owner) == b""


@on_a_loop
async def test_another_generation_must_be_removed_before_the_next_is_created(rig: Rig) -> None:
    first, second = rig.spec(generation=1), rig.spec(generation=2)
    async with rig.opened() as host:
        await host.create(first)
        with pytest.raises(HostRefused):
            await host.create(second)
        view = await host.look()
        assert guest_of(view, first.owner) is not None
        assert volumes_of(view, second.owner) == set()
        await host.remove(first.owner)
        await host.create(second)
        assert await power_of(host, second.owner) is Power.RUNNING


@on_a_loop
async def test_orders_for_an_old_generation_do_not_touch_the_new_one(rig: Rig) -> None:
    old, new = rig.spec(generation=1), rig.spec(generation=2)
    async with rig.opened() as host:
        await host.create(new)
        before = volumes_of(await host.look(), new.owner)
        for order in (host.power_off, host.shut_down, host.undefine, host.remove):
            await order(old.owner)
        for order in (host.start, host.restart):
            with pytest.raises(HostRefused):
                await order(old.owner)
        view = await host.look()
        guest = guest_of(view, new.owner)
        assert guest is not None
        assert guest.power is Power.RUNNING
        assert volumes_of(view, new.owner) == before


@on_a_loop
async def test_what_is_not_ours_is_shown_without_an_owner_and_left_alone(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        with rig.foreign() as (domain, volume):
            await host.create(spec)
            await host.remove(spec.owner)
            view = await host.look()
            assert [(guest.owner, guest.power) for guest in view.guests if guest.name == domain] == [
                (None, Power.RUNNING)
            ]
            assert [each.owner for each in view.volumes if each.name == volume] == [None]


@on_a_loop
async def test_another_installations_guest_is_shown_with_its_owner(rig: Rig) -> None:
    theirs = Owner("0" * 8, "b" * 12, 7, 1)
    spec = rig.spec()
    async with rig.opened() as host:
        other = rig.host(theirs.installation)
        await other.open()
        await other.ensure_image(rig.image)
        stranger = rig.spec(7, owner=theirs, name=f"stranger-{rig.installation}")
        try:
            await other.create(stranger)
            await host.create(spec)
            view = await host.look()
            assert guest_of(view, theirs) is not None
            assert spec.owner.vm_uuid in {guest.uuid for guest in view.guests}
            assert theirs.vm_uuid not in {each.uuid for each in await host.stats()}
        finally:
            await other.remove(theirs)
            with suppress(HostRefused):
                await other.remove_image(rig.image)  # where images are shared, ours still stands on it
            await other.close()


@on_a_loop
async def test_running_guests_have_counters(rig: Rig) -> None:
    running, stopped = rig.spec(0), rig.spec(1)
    async with rig.opened() as host:
        await asyncio.gather(host.create(running), host.create(stopped))
        await host.power_off(stopped.owner)

        async def counted() -> bool:
            found = {each.uuid: each for each in await host.stats()}
            assert stopped.owner.vm_uuid not in found
            mine = found.get(running.owner.vm_uuid)
            return mine is not None and mine.cpu_time_s > 0 and mine.memory_rss_mib > 1

        await until(counted, 10, "the guest has used the processor and memory")


@on_a_loop
async def test_the_console_gives_the_tail_of_what_the_guest_said_even_after_its_end(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)

        async def said() -> bytes:
            return await host.console(spec.owner)

        whole = await until(said, 20, "the guest said something")
        await host.power_off(spec.owner)
        assert (await host.console(spec.owner)).startswith(whole)
        assert await host.console(spec.owner, max_bytes=4) == (await host.console(spec.owner))[-4:]


@on_a_loop
async def test_room_is_counted_while_a_guest_runs_and_given_back_after(rig: Rig) -> None:
    spec = rig.spec(vcpus=1, memory_mib=48)
    async with rig.opened() as host:
        before = (await host.look()).capacity
        await host.create(spec)
        during = (await host.look()).capacity
        assert during.memory_mib_used - before.memory_mib_used == spec.memory_mib
        assert during.vcpus_used - before.vcpus_used == spec.vcpus
        assert 0 < during.pool_bytes_free <= during.pool_bytes
        await host.power_off(spec.owner)
        assert (await host.look()).capacity.memory_mib_used == before.memory_mib_used


@on_a_loop
async def test_an_image_is_held_once_and_is_not_removed_while_a_guest_stands_on_it(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        before = {volume.name for volume in (await host.look()).volumes}
        await asyncio.gather(*(host.ensure_image(rig.image) for _ in range(4)))
        assert {volume.name for volume in (await host.look()).volumes} == before
        await host.create(spec)
        with pytest.raises(HostRefused):
            await host.remove_image(rig.image)
        await host.remove(spec.owner)
        await host.remove_image(rig.image)
        assert not [volume for volume in (await host.look()).volumes if volume.name in before]
        await host.remove_image(rig.image)


@on_a_loop
async def test_opening_again_is_harmless(rig: Rig) -> None:
    async with rig.opened() as host:
        await asyncio.gather(host.open(), host.open())
        await host.look()


@on_a_loop
async def test_a_guests_filter_is_there_before_it_runs_is_changed_and_goes_after_it(rig: Rig) -> None:
    """What is told of a filter that no guest here goes through makes none."""
    own, other = (GuestFilter(f"vmss-{rig.installation}-{name}") for name in ("own", "other"))
    closed = replace(own, rules=(FilterRule("inout", "drop", "all", 4),))
    spec = rig.spec()
    spec = replace(spec, nics=tuple(replace(nic, filter=own, addresses=("10.90.14.7",)) for nic in spec.nics))
    async with rig.opened() as host:
        await host.create(spec)
        assert rig.filter_names() == {own.name}
        await host.change_filters([closed, other])
        await host.change_filters([])
        assert rig.filter_names() == {own.name}
        await host.remove(spec.owner)
        await host.change_filters([])
        assert rig.filter_names() == set()
