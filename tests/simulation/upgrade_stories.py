"""Stories of upgrades: in batches, all at once, by hand; stopped, taken back, cancelled, overtaken, cut off."""

from __future__ import annotations

import asyncio

from orchestrator.model.rolling_upgrade import RollingStatus
from orchestrator.model.scale_set import OperationStatus
from tests.simulation.rollouts import (
    cancel,
    command,
    ended,
    latest,
    models,
    new_image,
    obey_scripts,
    patch,
    script,
    web,
)
from tests.simulation.stories import told
from tests.simulation.story import Story

BREACH = "MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade"


async def _proven(story: Story, uid: str, version: int = 1) -> None:
    await story.until(lambda: story.record(uid).proven_model_version == version)


def _batch(story: Story, uid: str) -> int:
    """Which batch the upgrade is at; 0 before any."""
    upgrade = story.store.latest_rolling_upgrade(uid)
    return upgrade.batch_number if upgrade else 0


@told
async def a_rolling_upgrade(story: Story) -> None:
    """Four instances come to a new script one after the other, each well before the next begins."""
    obey_scripts(story)
    uid = story.create(content=web())
    await _proven(story, uid)
    operation = await ended(story, script(story, uid, "serve v2"))
    assert operation.status is OperationStatus.SUCCEEDED
    assert models(story, uid) == [2, 2, 2, 2]
    assert latest(story, uid).status is RollingStatus.COMPLETED
    assert [row.generation for row in story.counted(uid)] == [1, 1, 1, 1], "in place"
    await _proven(story, uid, 2)


@told
async def a_bad_model_stops_at_its_first_batch(story: Story) -> None:
    """A model that makes its guests sick reaches one instance, which goes back; the others never hear of it."""
    obey_scripts(story)
    uid = story.create(content=web(rollbackFailedInstancesOnPolicyBreach=True))
    await _proven(story, uid)
    operation = await ended(story, script(story, uid, "serve sick v2"))
    assert operation.status is OperationStatus.FAILED and operation.failure is not None
    assert operation.failure.code == BREACH and "web_0: it was Unhealthy" in operation.failure.message
    assert models(story, uid) == [1, 1, 1, 1]
    assert latest(story, uid).rolled_back == (0,)
    await story.settled(uid)
    await asyncio.sleep(120)
    assert models(story, uid) == [1, 1, 1, 1], "the same model is not tried again by itself"
    operation = await ended(story, script(story, uid, "serve v3"))
    assert operation.status is OperationStatus.SUCCEEDED and models(story, uid) == [3, 3, 3, 3]


@told
async def a_bad_model_is_taken_back(story: Story) -> None:
    """The set's own model goes back with the instances, as a new version: what is added later is well."""
    obey_scripts(story)
    uid = story.create(content=web(rollbackModelOnPolicyBreach=True))
    await _proven(story, uid)
    operation = await ended(story, script(story, uid, "serve fails v2"))
    assert operation.failure is not None and operation.failure.code == BREACH
    await story.until(lambda: models(story, uid) == [3, 3, 3, 3])
    await story.settled(uid)
    story.scale(uid, 5)
    await story.settled(uid)
    assert "serve v1" in str(story.record(uid).model)


@told
async def a_fix_mends_what_a_bad_model_broke(story: Story) -> None:
    """Without a way back the failed instance stays as it is; the fix begins with it, though it is unhealthy."""
    obey_scripts(story)
    uid = story.create(content=web())
    await _proven(story, uid)
    operation = await ended(story, script(story, uid, "serve sick v2"))
    assert operation.status is OperationStatus.FAILED and models(story, uid) == [2, 1, 1, 1]
    operation = await ended(story, script(story, uid, "serve v3"))
    assert operation.status is OperationStatus.SUCCEEDED and models(story, uid) == [3, 3, 3, 3]


@told
async def too_many_are_unhealthy_before_it_begins(story: Story) -> None:
    """An upgrade does not begin where more are unhealthy than may be, and names them all."""
    obey_scripts(story)
    uid = story.create(content=web(5))
    await _proven(story, uid)
    for number in (1, 3):
        story.world.sicken_guest(*story.uuid_of(uid, number))
    await asyncio.sleep(10)
    operation = await ended(story, script(story, uid, "serve v2"))
    assert operation.failure is not None
    assert operation.failure.code == "MaxUnhealthyInstancePercentExceededBeforeRollingUpgrade"
    assert "web_1: Unhealthy; web_3: Unhealthy" in operation.failure.message
    assert models(story, uid) == [1, 1, 1, 1, 1]


@told
async def a_canary(story: Story) -> None:
    """One instance first and a long look at it, then the other update domains with short pauses between them."""
    obey_scripts(story)
    policy = {"maxBatchInstancePercent": 50, "pauseTimeBetweenBatches": "PT5S"}
    uid = story.create(content=web(5, **policy, canaryInstanceCount=1, canaryPause="PT5M"))
    await _proven(story, uid)
    began = story.now()
    operation_id = script(story, uid, "serve v2")
    await story.until(lambda: _batch(story, uid) == 1)
    await story.until(lambda: latest(story, uid).paused_until is not None)
    assert models(story, uid) == [2, 1, 1, 1, 1]
    operation = await ended(story, operation_id)
    assert operation.status is OperationStatus.SUCCEEDED and models(story, uid) == [2] * 5
    assert latest(story, uid).batch_number == 5 and story.now() - began > 305


@told
async def a_surge(story: Story) -> None:
    """New instances come up beside the old ones, which leave when as many new ones are well: nobody is missed."""
    obey_scripts(story)
    uid = story.create(content=web(maxBatchInstancePercent=50, maxSurge=True))
    await _proven(story, uid)
    operation_id = script(story, uid, "serve v2")

    def is_over() -> bool:
        assert sum(story.is_well(row) for row in story.counted(uid)) >= 4, "one is missed"
        return len(latest(story, uid).upgraded) == 4

    await story.until(lambda: story.store.latest_rolling_upgrade(uid) is not None)
    await story.until(is_over)
    operation = await ended(story, operation_id)
    assert operation.status is OperationStatus.SUCCEEDED and models(story, uid) == [2, 2, 2, 2]
    assert [row.instance_id for row in story.counted(uid)] == [4, 5, 6, 7]


@told
async def a_surge_without_room(story: Story) -> None:
    """Where no host has room for another instance, the batch is changed in place."""
    obey_scripts(story)
    for host in story.hosts:
        story.world.hypervisor(host.name).memory_mib = 96
    await asyncio.sleep(11)
    uid = story.create(content=web(3, maxSurge=True))
    await _proven(story, uid)
    operation = await ended(story, script(story, uid, "serve v2"))
    assert operation.status is OperationStatus.SUCCEEDED
    assert [(row.instance_id, row.model_version) for row in story.counted(uid)] == [(0, 2), (1, 2), (2, 2)]


@told
async def an_upgrade_is_cancelled(story: Story) -> None:
    """The batch under way is finished, the rest stays as it is; a newer model begins again."""
    obey_scripts(story)
    uid = story.create(content=web())
    await _proven(story, uid)
    operation_id = script(story, uid, "serve v2")
    await story.until(lambda: _batch(story, uid) == 2)
    cancel(story, uid)
    operation = await ended(story, operation_id)
    assert operation.status is OperationStatus.CANCELED
    assert latest(story, uid).status is RollingStatus.CANCELLED and models(story, uid) == [2, 2, 1, 1]
    await asyncio.sleep(60)
    assert models(story, uid) == [2, 2, 1, 1]
    await ended(story, script(story, uid, "serve v3"))
    assert models(story, uid) == [3, 3, 3, 3]


@told
async def a_newer_model_overtakes(story: Story) -> None:
    """A model that comes in the middle of an upgrade ends it and begins its own."""
    obey_scripts(story)
    uid = story.create(content=web())
    await _proven(story, uid)
    first = script(story, uid, "serve v2")
    await story.until(lambda: _batch(story, uid) == 2)
    second = script(story, uid, "serve v3")
    assert (await ended(story, first)).status is OperationStatus.CANCELED
    assert (await ended(story, second)).status is OperationStatus.SUCCEEDED
    assert models(story, uid) == [3, 3, 3, 3]
    assert [each.status for each in story.store.rolling_upgrades(uid)] == [
        RollingStatus.COMPLETED,
        RollingStatus.CANCELLED,
    ]


@told
async def the_daemon_dies_in_the_middle_of_a_batch(story: Story) -> None:
    """Another daemon finds the batch in the store and goes on with it."""
    obey_scripts(story)
    uid = story.create(content=web())
    await _proven(story, uid)
    operation_id = script(story, uid, "serve v2")
    await story.until(lambda: _batch(story, uid) == 2)
    await asyncio.sleep(0.5)
    await story.crash()
    await asyncio.sleep(3)
    await story.start()
    assert (await ended(story, operation_id)).status is OperationStatus.SUCCEEDED
    assert models(story, uid) == [2, 2, 2, 2] and latest(story, uid).batch_number == 4


@told
async def the_stopped_are_brought_over_without_waking(story: Story) -> None:
    """What is off gets the new model and stays off: when it starts, it comes up on it."""
    obey_scripts(story)
    uid = story.create(content=web())
    await _proven(story, uid)
    story.verb(uid, 1, "stop")
    story.verb(uid, 2, "deallocate")
    await story.settled(uid)
    await ended(story, patch(story, uid, {"sku": {"name": "Lab_Small"}}))
    assert models(story, uid) == [2, 2, 2, 2]
    assert [story.is_well(row) for row in story.counted(uid)] == [True] * 4
    guest = story.guest(story.counted(uid)[2])
    assert guest is None, "it is still deallocated"
    story.verb(uid, 2, "start")
    await story.settled(uid)
    assert story.guest(story.counted(uid)[2]).spec.memory_mib == 512


@told
async def an_automatic_upgrade(story: Story) -> None:
    """A script runs everywhere at once; another size takes one down at a time, and a bad one stops by itself."""
    obey_scripts(story)
    uid = story.create(content=web(mode="Automatic"))
    await story.settled(uid)
    operation = await ended(story, script(story, uid, "serve v2"))
    assert operation.status is OperationStatus.SUCCEEDED and models(story, uid) == [2, 2, 2, 2]
    operation = await ended(story, patch(story, uid, {"sku": {"name": "Lab_Small"}}))
    assert operation.status is OperationStatus.SUCCEEDED and models(story, uid) == [3, 3, 3, 3]
    assert {story.guest(row).spec.memory_mib for row in story.counted(uid)} == {512}
    assert [row.generation for row in story.counted(uid)] == [1, 1, 1, 1], "on the disks that they had"
    patch(story, uid, {"sku": {"name": "Lab_Micro"}, **command(story, uid, "serve sick v4")})
    await asyncio.sleep(120)
    assert models(story, uid) == [4, 3, 3, 3], "the first one is not well, so the others wait"


@told
async def nothing_happens_by_itself_in_manual_mode(story: Story) -> None:
    """The newest model waits for people; what is added has it."""
    obey_scripts(story)
    uid = story.create(content=web(3, mode="Manual"))
    await story.settled(uid)
    await ended(story, script(story, uid, "serve v2"))
    story.scale(uid, 4)
    await story.settled(uid)
    await asyncio.sleep(60)
    assert models(story, uid) == [1, 1, 1, 2]


@told
async def a_newer_image(story: Story) -> None:
    """Each instance gets a new disk of the newer image in its turn; ids and addresses stay."""
    obey_scripts(story)
    uid = story.create(content=web())
    await _proven(story, uid)
    before = [(row.instance_id, row.address) for row in story.counted(uid)]
    operation = await ended(story, new_image(story, uid, "1.0.1"))
    assert operation.status is OperationStatus.SUCCEEDED
    assert [row.image_version for row in story.counted(uid)] == ["1.0.1"] * 4
    assert [(row.instance_id, row.address) for row in story.counted(uid)] == before


@told
async def a_newer_image_that_does_not_work(story: Story) -> None:
    """An upgrade that began by itself puts the image back that the instance had, and stops."""
    obey_scripts(story)
    uid = story.create(content=web())
    await _proven(story, uid)
    operation_id = new_image(story, uid, "1.0.1", started_by="Platform")

    def is_sick() -> bool:
        for row in story.counted(uid):
            if row.image_version == "1.0.1" and (guest := story.guest(row)):
                guest.is_sick = True
        return latest(story, uid).ended_at is not None

    await story.until(is_sick, within_s=900)
    assert (await ended(story, operation_id)).status is OperationStatus.FAILED
    assert [row.image_version for row in story.counted(uid)] == ["1.0.0"] * 4
    await story.settled(uid)
