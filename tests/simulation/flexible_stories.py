"""Stories of Flexible orchestration: the same loop, with instances that are called by name."""

from __future__ import annotations

import re

from tests.simulation.stories import told
from tests.simulation.story import REPAIRING, Story, body


def _domains(story: Story) -> set[str]:
    """The names that guests have on their hosts, without what makes them the only ones there."""
    hypervisors = story.world.hypervisors.values()
    return {guest.spec.name.partition(".")[0] for each in hypervisors for guest in each.guests.values()}


def _names(story: Story, uid: str) -> set[str]:
    return {story.names[uid].name(row.instance_id) for row in story.counted(uid)}


@told
async def a_flexible_set(story: Story) -> None:
    """Two VMs with names of their own come up; one is restarted, one killed and replaced, one deleted for good."""
    uid = story.create("app", body(2, **REPAIRING, orchestrationMode="Flexible", platformFaultDomainCount=1))
    await story.settled(uid)
    first = _names(story, uid)
    assert all(re.fullmatch(r"app_[0-9a-f]{8}", name) for name in first)
    assert _domains(story) == first
    assert all(row.update_domain is None for row in story.rows(uid))
    story.verb(uid, 0, "restart")
    await story.until(lambda: story.rows(uid)[0].restarts_done == 1)
    await story.settled(uid)
    assert _names(story, uid) == first
    story.kill(uid, 1)
    await story.until(lambda: story.store.instance(uid, 1) is None)
    await story.settled(uid)
    assert len(_names(story, uid) & first) == 1
    story.verb(uid, 0, "delete")
    await story.settled(uid)
    assert _domains(story) == _names(story, uid)
    assert not _names(story, uid) & first
    assert story.record(uid).capacity == 1
