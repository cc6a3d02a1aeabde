"""Guests that die and hosts that fall silent."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.errors import HostUnreachable
from orchestrator.model.guest import HostEventKind, Power
from tests.contract.rig import Heard, Rig, answered, guest_of, on_a_loop, power_of, until

NOTICED_WITHIN_S = 0.5


@on_a_loop
async def test_a_guest_that_dies_is_told_at_once_and_seen_as_crashed(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        heard = Heard(host)
        await host.create(spec)
        await heard.wait_for(HostEventKind.GUEST_STARTED, spec.owner.vm_uuid, NOTICED_WITHIN_S)
        killed_s = asyncio.get_running_loop().time()
        rig.kill_guest(spec.owner.vm_uuid)
        told_s = await heard.wait_for(HostEventKind.GUEST_CRASHED, spec.owner.vm_uuid, 5)
        assert told_s - killed_s <= NOTICED_WITHIN_S
        assert await power_of(host, spec.owner) is Power.CRASHED
        await host.create(spec)
        assert await power_of(host, spec.owner) is Power.RUNNING


@on_a_loop
async def test_stops_and_removals_are_told(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        heard = Heard(host)
        await host.create(spec)
        await host.power_off(spec.owner)
        await heard.wait_for(HostEventKind.GUEST_STOPPED, spec.owner.vm_uuid, NOTICED_WITHIN_S)
        await host.remove(spec.owner)
        await heard.wait_for(HostEventKind.GUEST_REMOVED, spec.owner.vm_uuid, NOTICED_WITHIN_S)


@on_a_loop
async def test_a_silent_host_is_unreachable_by_the_deadline_and_its_guests_are_still_there_after(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        heard = Heard(host)
        await host.create(spec)
        rig.silence()
        for call in (host.look, host.stats):
            began_s = asyncio.get_running_loop().time()
            with pytest.raises(HostUnreachable):
                await call()
            assert asyncio.get_running_loop().time() - began_s <= rig.silence_deadline_s
        await heard.wait_for(HostEventKind.CONNECTION_LOST, None, NOTICED_WITHIN_S)
        rig.heal()
        guest = guest_of(await answered(host), spec.owner)
        assert guest is not None
        assert guest.power is Power.RUNNING
        await heard.wait_for(HostEventKind.CONNECTION_BACK, None, NOTICED_WITHIN_S)


@on_a_loop
async def test_a_create_on_a_silent_host_ends_and_may_be_repeated_when_it_is_back(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        rig.silence()
        with pytest.raises(HostUnreachable):
            await asyncio.wait_for(host.look(), rig.silence_deadline_s)
        with pytest.raises(HostUnreachable):
            await asyncio.wait_for(host.create(spec), rig.silence_deadline_s)
        rig.heal()
        await answered(host)
        await host.create(spec)
        assert await power_of(host, spec.owner) is Power.RUNNING


@on_a_loop
async def test_events_are_told_again_after_a_silence(rig: Rig) -> None:
    spec = rig.spec()
    async with rig.opened() as host:
        heard = Heard(host)
        await host.create(spec)
        rig.silence()
        with pytest.raises(HostUnreachable):
            await host.look()
        rig.heal()
        await answered(host)
        heard.clear()
        rig.kill_guest(spec.owner.vm_uuid)
        await heard.wait_for(HostEventKind.GUEST_CRASHED, spec.owner.vm_uuid, NOTICED_WITHIN_S)

        async def is_seen() -> bool:
            return await power_of(host, spec.owner) is Power.CRASHED

        await until(is_seen, 2, "the look agrees with the event")
