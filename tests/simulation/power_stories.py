"""Stories of power and place: hibernation and redeploy."""

from __future__ import annotations

from orchestrator.model.guest import Power
from tests.simulation.stories import told
from tests.simulation.story import Story


@told
async def a_night_asleep(story: Story) -> None:
    """An instance hibernates: it is no death, nothing repairs it, and it goes on where it was."""
    uid = story.create()
    await story.settled(uid)
    began_at = story.guest(story.rows(uid)[0]).booted_at
    story.verb(uid, 0, "hibernate")
    await story.settled(uid)
    assert story.guest(story.rows(uid)[0]).power is Power.SAVED
    asleep = story.store.instance(uid, 0)
    assert asleep is not None and asleep.repairs == 0
    story.verb(uid, 0, "start")
    await story.settled(uid)
    assert story.guest(story.rows(uid)[0]).booted_at == began_at, "it booted instead of going on"
    assert [row.instance_id for row in story.counted(uid)] == [0, 1, 2]


@told
async def another_host(story: Story) -> None:
    """An instance is redeployed: another host has it then, with its disk, under its own id and address."""
    uid = story.create()
    await story.settled(uid)
    before = story.store.instance(uid, 1)
    assert before is not None
    story.verb(uid, 1, "redeploy")
    await story.settled(uid)
    after = story.store.instance(uid, 1)
    assert after is not None and after.host != before.host and after.moving_from is None
    assert (after.address, after.generation) == (before.address, before.generation)
    owner = after.owner(story.store.installation)
    holders = [name for name, each in story.world.hypervisors.items() if owner.disk_volume in each.volumes]
    assert holders == [after.host], "its disk is in one place"
