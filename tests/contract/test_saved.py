"""Guests that sleep: their memory is saved on their host, and dropped wherever it would be too old."""

from __future__ import annotations

import pytest

from orchestrator.errors import HostRefused, InsufficientCapacity
from orchestrator.model.guest import HostEventKind, Power
from tests.contract.rig import Heard, Rig, guest_of, on_a_loop, power_of, says, volumes_of, was_stopped

MOST_STEPS = 40


@on_a_loop
async def test_a_hibernated_guest_is_off_without_its_room_and_goes_on_without_booting(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        awake = (await host.look()).capacity
        await host.hibernate(spec.owner)
        await host.hibernate(spec.owner)
        assert await power_of(host, spec.owner) is Power.SAVED
        asleep = (await host.look()).capacity
        assert awake.memory_mib_used - asleep.memory_mib_used == spec.memory_mib
        await host.start(spec.owner)
        assert await power_of(host, spec.owner) is Power.RUNNING
        await host.restart(spec.owner)
        await says(host, spec.owner, b"boot 2\n")


@on_a_loop
async def test_creating_a_hibernated_guest_resumes_it_too(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        await host.hibernate(spec.owner)
        await host.create(spec)
        assert await power_of(host, spec.owner) is Power.RUNNING
        await host.restart(spec.owner)
        await says(host, spec.owner, b"boot 2\n")


@pytest.mark.parametrize("way", ["power_off", "restart", "undefine"])
@on_a_loop
async def test_what_stops_a_hibernated_guest_drops_its_memory(rig: Rig, way: str) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        await host.hibernate(spec.owner)
        await getattr(host, way)(spec.owner)
        assert await power_of(host, spec.owner) is {"power_off": Power.SHUT_OFF, "restart": Power.RUNNING}.get(way)
        await host.create(spec)
        await says(host, spec.owner, b"boot 2\n")


@on_a_loop
async def test_a_removed_guest_leaves_no_memory_that_its_successor_would_wake_up_with(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        await host.restart(spec.owner)
        await says(host, spec.owner, b"boot 2\n")
        await host.hibernate(spec.owner)
        await host.remove(spec.owner)
        view = await host.look()
        assert guest_of(view, spec.owner) is None
        assert volumes_of(view, spec.owner) == set()
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")


@on_a_loop
async def test_only_a_guest_that_runs_can_be_hibernated(rig: Rig) -> None:
    spec = rig.spec(generation=2)
    async with rig.opened() as host:
        with pytest.raises(HostRefused):
            await host.hibernate(spec.owner)
        await host.create(spec)
        with pytest.raises(HostRefused):
            await host.hibernate(rig.spec(generation=1).owner)
        await host.power_off(spec.owner)
        with pytest.raises(HostRefused):
            await host.hibernate(spec.owner)
        assert await power_of(host, spec.owner) is Power.SHUT_OFF


@on_a_loop
async def test_a_guest_whose_memory_finds_no_room_runs_on(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        await says(host, spec.owner, b"boot 1\n")
        rig.fill_save_disk()
        with pytest.raises(InsufficientCapacity, match="disk"):
            await host.hibernate(spec.owner)
        assert await power_of(host, spec.owner) is Power.RUNNING
        rig.heal()
        await host.hibernate(spec.owner)
        assert await power_of(host, spec.owner) is Power.SAVED


@on_a_loop
async def test_hibernation_and_waking_are_told(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        heard = Heard(host)
        await host.hibernate(spec.owner)
        await heard.wait_for(HostEventKind.GUEST_SAVED, spec.owner.vm_uuid, 0.5)
        assert HostEventKind.GUEST_STOPPED not in heard.kinds(spec.owner.vm_uuid)
        await host.start(spec.owner)
        await heard.wait_for(HostEventKind.GUEST_STARTED, spec.owner.vm_uuid, 0.5)


@pytest.mark.timeout(240)
@on_a_loop
async def test_a_hibernation_that_died_at_any_step_is_completed_by_the_next(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        await host.create(spec)
        for step in range(1, MOST_STEPS):
            had_died = await was_stopped(rig, step, lambda: host.hibernate(spec.owner))
            assert await power_of(host, spec.owner) in {Power.RUNNING, Power.SAVED}, f"step {step}"
            await host.hibernate(spec.owner)
            assert await power_of(host, spec.owner) is Power.SAVED, f"step {step}"
            await host.start(spec.owner)
            assert await power_of(host, spec.owner) is Power.RUNNING, f"step {step}"
            if not had_died:
                break
        assert 2 < step < MOST_STEPS - 1
        await host.restart(spec.owner)
        await says(host, spec.owner, b"boot 2\n")
