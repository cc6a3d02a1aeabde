"""The stories. Each begins with a sentence, plays verbs and faults, and ends in a state that it asserts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import OperationalError

from orchestrator.model.guest import Power
from orchestrator.model.instance import Stage, WantedPower
from orchestrator.model.scale_set import OperationStatus
from tests.simulation.invariants import check_skew
from tests.simulation.story import REPAIRING, Story, Telling, body

ALL: dict[str, Telling] = {}
SITES: dict[str, dict[str, Any]] = {}  # what a story's site has that others have not
ORDERS: dict[str, int] = {}  # of a large story fewer than the usual hundred are played


def told(telling: Telling) -> Telling:
    ALL[telling.__name__] = telling
    return telling


def told_on(*, orders: int = 100, **site: Any) -> Callable[[Telling], Telling]:
    """A story on a site of its own: hosts, zones, rules."""

    def decorate(telling: Telling) -> Telling:
        SITES[telling.__name__], ORDERS[telling.__name__] = site, orders
        return told(telling)

    return decorate


@told
async def a_first_set(story: Story) -> None:
    """Three instances come up on three hosts; one is killed and replaced; the set grows, shrinks and goes."""
    uid = story.create()
    await story.settled(uid)
    check_skew(story, uid)
    story.kill(uid, 1)
    await story.until(lambda: story.store.instance(uid, 1) is None)
    await story.settled(uid)
    assert [row.instance_id for row in story.counted(uid)] == [0, 2, 3]
    story.scale(uid, 5)
    await story.settled(uid)
    check_skew(story, uid)
    story.scale(uid, 2)
    await story.settled(uid)
    story.delete_set(uid)
    await story.until(lambda: story.store.scale_set(uid) is None)
    assert not story.world.running()


@told
async def a_lost_host(story: Story) -> None:
    """A host falls silent past its lease: its guests are replaced elsewhere, and the stale ones fenced."""
    uid = story.create()
    await story.settled(uid)
    host, stale = story.uuid_of(uid, 0)
    story.world.silence_host(host)
    await story.until(lambda: any(row.is_lost for row in story.rows(uid)))
    await story.settled(uid)
    guest = story.world.guest(stale)
    assert guest is not None and guest.power is Power.RUNNING, "nobody can stop it while the host is silent"
    story.world.heal_host(host)
    await story.until(lambda: story.world.guest(stale) is None)
    await story.settled(uid)
    assert 0 not in {row.instance_id for row in story.rows(uid)}


@told
async def a_short_silence(story: Story) -> None:
    """A host that is back within its lease loses nothing: silence is not death."""
    uid = story.create()
    await story.settled(uid)
    host, _ = story.uuid_of(uid, 2)
    story.world.silence_host(host)
    await asyncio.sleep(8)
    story.world.heal_host(host)
    await story.settled(uid)
    await asyncio.sleep(30)
    assert [row.instance_id for row in story.counted(uid)] == [0, 1, 2]


@told
async def every_host_is_silent(story: Story) -> None:
    """When no host at all answers, it is the network: nothing is given up, however long it lasts."""
    uid = story.create()
    await story.settled(uid)
    for host in story.hosts:
        story.world.silence_host(host.name)
    await asyncio.sleep(300)
    for host in story.hosts:
        story.world.heal_host(host.name)
    await story.settled(uid)
    assert [row.instance_id for row in story.counted(uid)] == [0, 1, 2]


@told
async def a_sick_guest(story: Story) -> None:
    """One instance answers badly past its grace period and is replaced, after it is gone."""
    uid = story.create()
    await story.settled(uid)
    story.world.sicken_guest(*story.uuid_of(uid, 1))
    await story.until(lambda: story.store.instance(uid, 1) is None)
    await story.settled(uid)
    assert [row.instance_id for row in story.counted(uid)] == [0, 2, 3]


@told
async def an_outage_of_the_application(story: Story) -> None:
    """All answer badly at once: that is an outage, and nothing is replaced while the brake holds."""
    uid = story.create(content=body(5, **REPAIRING))
    await story.settled(uid)
    await asyncio.sleep(60)
    for row in story.counted(uid):
        story.world.sicken_guest(*story.uuid_of(uid, row.instance_id))
    await asyncio.sleep(120)
    assert [row.instance_id for row in story.counted(uid)] == [0, 1, 2, 3, 4]
    for row in story.counted(uid):
        story.world.sicken_guest(*story.uuid_of(uid, row.instance_id), is_sick=False)
    await story.settled(uid)
    assert [row.instance_id for row in story.counted(uid)] == [0, 1, 2, 3, 4]


@told
async def no_room(story: Story) -> None:
    """More is wanted than fits: what is missing says what ran out where, and comes when room appears."""
    story.world.hypervisor("h1").memory_mib = story.world.hypervisor("h2").memory_mib = 96
    story.world.hypervisor("h3").memory_mib = 96
    await asyncio.sleep(11)
    uid = story.create(content=body(4, **REPAIRING))
    await story.until(lambda: sum(row.stage is Stage.READY for row in story.rows(uid)) == 3)
    waiting = [row for row in story.rows(uid) if row.stage is Stage.WAITING]
    assert len(waiting) == 1 and waiting[0].failure is not None
    assert (
        waiting[0].failure.code == "AllocationFailed" and "h2: memory: 96 MiB needed" in waiting[0].failure.message
    )
    assert story.store.operations(uid)[0].status is OperationStatus.FAILED
    story.world.hypervisor("h2").memory_mib = 192
    await story.settled(uid)


@told
async def the_power_verbs(story: Story) -> None:
    """Stop keeps the place, deallocate keeps the disk, restart and reimage come back under the same id."""
    uid = story.create()
    await story.settled(uid)
    story.verb(uid, 0, "stop")
    story.verb(uid, 1, "deallocate")
    await story.settled(uid)
    owner = story.rows(uid)[1].owner(story.store.installation)
    volumes = story.world.hypervisor(story.rows(uid)[1].host or "").volumes
    assert owner.disk_volume in volumes, "deallocation keeps the disk"
    story.verb(uid, 0, "start")
    story.verb(uid, 1, "start")
    story.verb(uid, 2, "restart")
    await asyncio.sleep(0.1)
    await story.settled(uid)
    story.verb(uid, 2, "reimage")
    await story.settled(uid)
    rows = story.counted(uid)
    assert [(row.instance_id, row.generation) for row in rows] == [(0, 1), (1, 1), (2, 2)]
    assert all(row.wanted_power is WantedPower.RUNNING for row in rows)


@told
async def a_script_that_fails(story: Story) -> None:
    """The script fails on one instance: that one fails, the operation says so, the others serve."""
    story.world.script_exit_code = lambda spec: 3 if spec.owner.instance_id == 1 else 0
    uid = story.create()
    await story.until(lambda: story.store.operations(uid)[0].status is not OperationStatus.IN_PROGRESS)
    failed = story.store.operations(uid)[0].failure
    assert failed is not None and failed.code == "VMExtensionProvisioningError" and "web_1" in failed.message
    assert [row.stage for row in story.rows(uid)] == [Stage.READY, Stage.FAILED, Stage.READY]
    story.world.script_exit_code = lambda spec: 0
    story.verb(uid, 1, "reimage")
    await story.settled(uid)


@told
async def a_guest_that_dies_again_and_again(story: Story) -> None:
    """Each replacement of one slot that dies at once waits longer than the last: no runaway. The third goes into
    quarantine, and so does the fourth: what it left is kept for a look."""
    uid = story.create()
    await story.settled(uid)
    for _ in range(4):
        newest = max(row.instance_id for row in story.counted(uid))
        story.kill(uid, newest)
        await story.until(lambda old=newest: old not in {row.instance_id for row in story.counted(uid)})
        await story.settled(uid)
    assert max(row.instance_id for row in story.counted(uid)) == 6
    assert [row.instance_id for row in story.rows(uid) if row.is_quarantined] == [4, 5]


@told
async def a_host_is_drained(story: Story) -> None:
    """A draining host gives up its instances one at a time, while all others are well."""
    assert story.controller is not None
    uid = story.create()
    await story.settled(uid)
    story.controller.fleet.drain("h1", is_draining=True)
    story.controller.wake_all()
    await story.until(lambda: not any(row.host == "h1" for row in story.rows(uid)))
    await story.settled(uid)
    assert len(story.counted(uid)) == 3


@told
async def the_protected_stay(story: Story) -> None:
    """Scale-in passes over a protected instance, however old it is."""
    uid = story.create(content=body(3, scaleInPolicy={"rules": ["OldestVM"]}))
    await story.settled(uid)
    story.verb(uid, 0, "protect")
    story.scale(uid, 1)
    await story.settled(uid)
    assert [row.instance_id for row in story.counted(uid)] == [0]
    story.scale(uid, 0)
    await asyncio.sleep(60)
    assert [row.instance_id for row in story.counted(uid)] == [0], "capacity 0 cannot be reached"


@told
async def a_full_disk_under_the_store(story: Story) -> None:
    """For a minute nothing can be written down: nothing is begun that is not written, and then all goes on."""
    uid = story.create()
    await story.settled(uid)
    story.scale(uid, 5)

    def full(when: str) -> None:
        if when == "before":
            raise OperationalError("COMMIT", {}, Exception("database or disk is full"))

    await asyncio.sleep(0.05)
    story.commit_hook = full
    story.kill(uid, 1)
    await asyncio.sleep(60)
    story.commit_hook = None
    await story.settled(uid)
    assert len(story.counted(uid)) == 5
    assert 1 not in {row.instance_id for row in story.rows(uid)}


@told
async def strangers_are_left_alone(story: Story) -> None:
    """What carries no tag of ours is never touched, while what a crash left behind is removed."""
    story.world.hypervisor("h1").foreign_guests["router"] = Power.RUNNING
    story.world.hypervisor("h1").volumes["router.qcow2"] = 1
    installation = story.store.installation
    story.world.hypervisor("h2").volumes[f"vmss-{installation}-00000000dead-7-g1-disk.qcow2"] = 1
    uid = story.create()
    await story.settled(uid)
    await asyncio.sleep(15)
    assert "router.qcow2" in story.world.hypervisor("h1").volumes
    assert not any("dead" in name for name in story.world.hypervisor("h2").volumes)
