"""A daemon that dies at any step of its work leaves nothing that its next try does not put right."""

from __future__ import annotations

import pytest

from orchestrator.errors import InsufficientCapacity
from orchestrator.model.guest import Owner, Power
from tests.contract.rig import Rig, guest_of, on_a_loop, power_of, volumes_of, was_stopped

MOST_STEPS = 60


@pytest.mark.timeout(240)
@on_a_loop
async def test_a_create_that_died_at_any_step_is_completed_by_the_next(rig: Rig) -> None:
    async with rig.opened() as host:
        for step in range(1, MOST_STEPS):
            spec = rig.spec(step)
            had_died = await was_stopped(rig, step, lambda spec=spec: host.create(spec))
            await host.create(spec)
            view = await host.look()
            guest = guest_of(view, spec.owner)
            assert guest is not None, f"step {step}"
            assert guest.power is Power.RUNNING, f"step {step}"
            assert {spec.owner.disk_volume, spec.owner.seed_volume} <= volumes_of(view, spec.owner)
            await host.remove(spec.owner)
            assert await _is_absent(rig, spec.owner), f"step {step}"
            if not had_died:
                break
        assert 5 < step < MOST_STEPS - 1


@pytest.mark.timeout(240)
@on_a_loop
async def test_a_create_that_died_at_any_step_is_removed_whole(rig: Rig) -> None:
    async with rig.opened() as host:
        for step in range(1, MOST_STEPS):
            spec = rig.spec(step)
            had_died = await was_stopped(rig, step, lambda spec=spec: host.create(spec))
            await host.remove(spec.owner)
            assert await _is_absent(rig, spec.owner), f"step {step}"
            if not had_died:
                break
        assert 5 < step < MOST_STEPS - 1


@pytest.mark.timeout(240)
@on_a_loop
async def test_a_remove_that_died_at_any_step_is_completed_by_the_next(rig: Rig) -> None:
    async with rig.opened() as host:
        for step in range(1, MOST_STEPS):
            spec = rig.spec(step)
            await host.create(spec)
            had_died = await was_stopped(rig, step, lambda spec=spec: host.remove(spec.owner))
            await host.remove(spec.owner)
            assert await _is_absent(rig, spec.owner), f"step {step}"
            if not had_died:
                break
        assert 4 < step < MOST_STEPS - 1


async def _is_absent(rig: Rig, owner: Owner) -> bool:
    """By the eyes of a fresh adapter: nothing remembered helps it."""
    host = rig.host()
    await host.open()
    view = await host.look()
    await host.close()
    return guest_of(view, owner) is None and not volumes_of(view, owner)


@on_a_loop
async def test_a_full_pool_is_told_as_such_and_nothing_half_made_stays(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        rig.fill_pool()
        with pytest.raises(InsufficientCapacity) as told:
            await host.create(spec)
        assert "disk" in told.value.message
        assert host.config.name in told.value.message
        assert await _is_absent(rig, spec.owner)
        rig.heal()
        await host.create(spec)
        assert await power_of(host, spec.owner) is Power.RUNNING
