"""Stories of slots that fail again and again: back-off, quarantine, and repairs that give up by themselves."""

from __future__ import annotations

import asyncio

from orchestrator.model.guest import Power
from tests.simulation.stories import told
from tests.simulation.story import Story, body


def _newest(story: Story, uid: str) -> int:
    return max(row.instance_id for row in story.counted(uid))


async def _sicken_the_newest(story: Story, uid: str) -> None:
    """Until its slot has been repaired once more, or repairs were suspended."""
    ill = _newest(story, uid)
    story.world.sicken_guest(*story.uuid_of(uid, ill))

    def is_over() -> bool:
        return story.record(uid).is_repair_suspended or ill not in {row.instance_id for row in story.counted(uid)}

    await story.until(is_over, within_s=1800)


def _kept(story: Story, uid: str) -> list[int]:
    return [row.instance_id for row in story.rows(uid) if row.is_quarantined and not row.is_gone]


@told
async def a_slot_that_never_gets_well(story: Story) -> None:
    """One slot is sick whatever is done: two of its instances are kept for a look, and repairs suspend themselves.
    When they are resumed its failures count from the beginning."""
    uid = story.create()
    await story.settled(uid)
    while not story.record(uid).is_repair_suspended:
        await _sicken_the_newest(story, uid)
        if not story.record(uid).is_repair_suspended:
            await story.settled(uid)
    assert _kept(story, uid) == [6, 7]
    assert [row.instance_id for row in story.counted(uid)] == [0, 1, 8]
    await asyncio.sleep(600)
    assert _newest(story, uid) == 8, "suspended repairs leave the sick alone"
    story.resume_repairs(uid)
    await story.settled(uid)
    assert [row.instance_id for row in story.counted(uid)] == [0, 1, 9]
    assert _kept(story, uid) == [6, 7], "its failures count from the beginning, so this one is not kept"


@told
async def a_look_at_what_failed(story: Story) -> None:
    """What is in quarantine is off and has its disk; deleting it takes all of it and leaves the capacity alone."""
    uid = story.create()
    await story.settled(uid)
    for _ in range(3):
        await _sicken_the_newest(story, uid)
        await story.settled(uid)
    [kept] = [row for row in story.rows(uid) if row.is_quarantined]
    guest = story.guest(kept)
    assert guest is not None and guest.power is Power.SHUT_OFF
    owner = kept.owner(story.store.installation)
    assert kept.host is not None and owner.disk_volume in story.world.hypervisor(kept.host).volumes
    await story.crash()
    await story.start()
    await asyncio.sleep(60)
    assert story.guest(kept) is guest, "another daemon leaves it alone, too"
    story.verb(uid, kept.instance_id, "delete")
    await story.until(lambda: story.store.instance(uid, kept.instance_id) is None)
    assert owner.disk_volume not in story.world.hypervisor(kept.host).volumes
    await story.settled(uid)
    assert story.record(uid).capacity == len(story.counted(uid)) == 3


@told
async def a_set_goes_with_what_it_kept(story: Story) -> None:
    """Scale-in does not choose what is in quarantine; deleting the set takes it along."""
    uid = story.create()
    await story.settled(uid)
    for _ in range(3):
        await _sicken_the_newest(story, uid)
        await story.settled(uid)
    kept = _kept(story, uid)
    story.scale(uid, 1)
    await story.settled(uid)
    assert _kept(story, uid) == kept and len(story.counted(uid)) == 1
    story.delete_set(uid)
    await story.until(lambda: story.store.scale_set(uid) is None)
    assert not any(host.guests or host.disks for host in story.world.hypervisors.values())


@told
async def a_slot_that_got_well_again(story: Story) -> None:
    """Two failures, then a quarter of an hour of health: the third is repaired at once, as if it were the first."""
    uid = story.create()
    await story.settled(uid)
    for _ in range(2):
        story.kill(uid, _newest(story, uid))
        await asyncio.sleep(1)
        await story.settled(uid)
    await asyncio.sleep(story.rules.repair_settle_s + 30)
    assert all(row.repairs == 0 for row in story.counted(uid))
    before = _newest(story, uid)
    story.kill(uid, before)
    await story.until(lambda: _newest(story, uid) > before, within_s=2)
    await story.settled(uid)
    assert not _kept(story, uid)


@told
async def a_guest_that_dies_where_nobody_repairs(story: Story) -> None:
    """Without a repairs policy it is started again in place, ever more rarely, and after six times that is said."""
    uid = story.create(content=body(1))
    await story.settled(uid)
    for _ in range(8):
        story.kill(uid, 0)
        await asyncio.sleep(1)
        await story.settled(uid)
    [row] = story.rows(uid)
    assert (row.instance_id, row.generation, row.repairs) == (0, 1, 8)
    told_of = [event for event in story.store.events(limit=100_000) if "its console may say why" in event.reason]
    assert len(told_of) == 1
