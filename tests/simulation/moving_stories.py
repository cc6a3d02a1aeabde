"""Stories of disks that go from host to host, of domains made anew on them, and of memory that finds no room."""

from __future__ import annotations

import asyncio

from orchestrator.model import wishes
from orchestrator.model.guest import Power
from orchestrator.model.instance import Instance, WantedPower
from tests.simulation.stories import told
from tests.simulation.story import Story


def _row(story: Story, uid: str, number: int) -> Instance:
    found = story.store.instance(uid, number)
    assert found is not None
    return found


def _holders(story: Story, row: Instance) -> list[str]:
    volume = row.owner(story.store.installation).disk_volume
    return [name for name, each in story.world.hypervisors.items() if volume in each.volumes]


async def _sets_out(story: Story, uid: str) -> str:
    """Number 1 is redeployed and has been placed elsewhere; the host that it leaves."""
    await story.settled(uid)
    old = _row(story, uid, 1).host or ""
    story.verb(uid, 1, "redeploy")
    await story.until(lambda: _row(story, uid, 1).moving_from == old)
    return old


async def _arrives(story: Story, uid: str, old: str) -> None:
    """It booted a second time, on its own disk, which is in one place."""
    await story.settled(uid)
    row = _row(story, uid, 1)
    await story.until(lambda: _holders(story, row) == [row.host])
    assert row.host != old
    assert story.guest(row).disk.boots == 2


@told
async def a_move_from_a_host_that_falls_silent(story: Story) -> None:
    """Its old host falls silent before it let go of the disk: the move waits for it, and nothing runs twice."""
    uid = story.create()
    old = await _sets_out(story, uid)
    story.world.silence_host(old)
    await asyncio.sleep(10)
    assert story.guest(_row(story, uid, 1)) is None, "it must not run while its old guest may"
    story.world.heal_host(old)
    await _arrives(story, uid, old)


@told
async def a_move_from_a_host_that_is_lost(story: Story) -> None:
    """The host with its disk never answers again: its lease ends and another instance takes its place."""
    uid = story.create()
    old = await _sets_out(story, uid)
    story.world.silence_host(old)
    await story.until(lambda: _row(story, uid, 1).is_lost)
    await story.settled(uid)
    assert [row.instance_id for row in story.counted(uid)] == [0, 2, 3]
    story.world.heal_host(old)
    await story.until(lambda: story.store.instance(uid, 1) is None)


@told
async def a_move_without_room(story: Story) -> None:
    """Its new host has no room for the disk after all: it looks for another place, and has lost nothing."""
    uid = story.create()
    old = await _sets_out(story, uid)
    new = _row(story, uid, 1).host or ""
    story.world.hypervisor(new).pool_bytes = 0
    await story.until(lambda: _row(story, uid, 1).host != new)
    assert _holders(story, _row(story, uid, 1)) == [old]
    await story.settled(uid)
    row = _row(story, uid, 1)
    assert row.host != new
    assert _holders(story, row) == [row.host]
    assert story.guest(row).disk.boots == 2


@told
async def a_move_that_fails_at_its_last_step(story: Story) -> None:
    """The whole disk has arrived when its new host turns out to be full: it starts elsewhere, from where it was."""
    uid = story.create()
    old = await _sets_out(story, uid)
    row = _row(story, uid, 1)
    new = story.world.hypervisor(row.host or "")
    marker = row.owner(story.store.installation).copying_volume

    def fill_up(effect: str) -> None:
        if effect == f"deleted volume {marker}":
            new.pool_bytes = sum(new.volumes.values())

    story.world.hook = fill_up
    await story.until(lambda: _row(story, uid, 1).host != new.name)
    assert _holders(story, row) == [old]
    await story.settled(uid)
    row = _row(story, uid, 1)
    await story.until(lambda: _holders(story, row) == [row.host])
    assert row.host != new.name
    assert story.guest(row).disk.boots == 2


@told
async def a_deallocation_in_the_middle_of_a_move(story: Story) -> None:
    """It is deallocated while its disk is on its way: the disk arrives, and boots only when it is started."""
    uid = story.create()
    old = await _sets_out(story, uid)
    story.verb(uid, 1, "deallocate")
    await story.until(lambda: _row(story, uid, 1).moving_from is None)
    await story.settled(uid)
    row = _row(story, uid, 1)
    assert row.host is not None and row.host != old
    disk = story.world.hypervisor(row.host).disks[row.owner(story.store.installation).disk_volume]
    assert disk.boots == 1
    story.verb(uid, 1, "start")
    await story.settled(uid)
    row = _row(story, uid, 1)
    await story.until(lambda: _holders(story, row) == [row.host])
    assert story.guest(row).disk.boots == 2


@told
async def a_reimage_in_the_middle_of_a_move(story: Story) -> None:
    """It is reimaged while its old host is silent: a new disk where it goes, and the old one nowhere."""
    uid = story.create()
    old = await _sets_out(story, uid)
    story.world.silence_host(old)
    before = _row(story, uid, 1)
    story.verb(uid, 1, "reimage")
    await asyncio.sleep(10)
    story.world.heal_host(old)
    await story.settled(uid)
    row = _row(story, uid, 1)
    await story.until(lambda: _holders(story, before) == [] and _holders(story, row) == [row.host])
    assert row.generation == 2
    assert story.guest(row).disk.boots == 1


@told
async def a_delete_in_the_middle_of_a_move(story: Story) -> None:
    """It is deleted while its disk is on its way: nothing of it is left on either host."""
    uid = story.create()
    await _sets_out(story, uid)
    before = _row(story, uid, 1)
    story.verb(uid, 1, "delete")
    await story.until(lambda: story.store.instance(uid, 1) is None)
    await story.settled(uid)
    assert _holders(story, before) == []


@told
async def another_size(story: Story) -> None:
    """A model with another size reaches an instance: its domain is made anew, on the disk it has."""
    uid = story.create()
    await story.settled(uid)
    row = _row(story, uid, 1)
    began_at = story.guest(row).booted_at
    with story.store.write() as tx:
        tx.put_instance(wishes.redefined(row, story.now(), model_version=row.model_version))
    story._wake(uid)
    await story.until(lambda: not _row(story, uid, 1).is_to_redefine)
    await story.settled(uid)
    guest = story.guest(_row(story, uid, 1))
    assert guest.disk.boots == 2
    assert guest.booted_at > began_at


@told
async def a_night_without_room(story: Story) -> None:
    """There is no room for its memory: it stays awake, and its row says why."""
    uid = story.create()
    await story.settled(uid)
    row = _row(story, uid, 0)
    story.world.hypervisor(row.host or "").save_bytes_free = 0
    story.verb(uid, 0, "hibernate")
    await story.until(lambda: _row(story, uid, 0).failure is not None)
    await story.settled(uid)
    row = _row(story, uid, 0)
    assert row.wanted_power is WantedPower.RUNNING
    assert row.failure is not None and row.failure.code == "AllocationFailed"
    assert story.guest(row).power is Power.RUNNING
    assert story.guest(row).disk.boots == 1
