"""Stories of count and place: overprovisioning, placement groups, zones, and starting elsewhere."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from orchestrator.model.instance import Stage
from orchestrator.plan.inputs import Rules
from tests.simulation.stories import told, told_on
from tests.simulation.story import REPAIRING, Story, body

EVENED_OUT = {"resiliencyPolicy": {"automaticZoneRebalancingPolicy": {"enabled": True}}}


def zonal(capacity: int, zones: str, **properties: Any) -> dict[str, Any]:
    return {**body(capacity, **REPAIRING, **properties), "zones": list(zones)}


def _zones(story: Story, uid: str) -> dict[str | None, int]:
    return dict(Counter(row.zone for row in story.counted(uid)))


def _lose_zone(story: Story, zone: str, is_lost: bool = True) -> None:
    for host in story.hosts:
        if host.zone == zone:
            (story.world.silence_host if is_lost else story.world.heal_host)(host.name)


def _ids(story: Story, uid: str) -> list[int]:
    return [row.instance_id for row in story.counted(uid)]


@told
async def more_than_wanted(story: Story) -> None:
    """Six are started for five, one of them fails: the five others are kept, and the ids have a gap."""
    story.world.script_exit_code = lambda spec: 3 if spec.owner.instance_id == 2 else 0
    uid = story.create(content=body(5, **REPAIRING, overprovision=True))
    await story.until(lambda: len(story.rows(uid)) == 6)
    await story.settled(uid)
    assert _ids(story, uid) == [0, 1, 3, 4, 5]
    assert not any(row.is_on_trial for row in story.rows(uid))


@told
async def more_than_wanted_through_a_crash(story: Story) -> None:
    """The daemon dies between start and choice: the next one chooses. Extensions run on the chosen only."""
    content = body(4, **REPAIRING, overprovision=True, doNotRunExtensionsOnOverprovisionedVMs=True)
    uid = story.create(content=content)
    await story.until(lambda: any(row.stage is Stage.BOOTING for row in story.rows(uid)))
    await story.crash()
    await story.start()
    story.scale(uid, 6)
    await story.until(lambda: len(_ids(story, uid)) > 6)
    await story.settled(uid)
    ran = {event.instance_id for event in story.store.events(limit=100_000) if event.kind == "extension"}
    assert ran == set(_ids(story, uid)), "a script ran where nothing stays"


@told
async def all_that_are_started_fail(story: Story) -> None:
    """A script that fails everywhere: as many failed instances as wanted stay, and no more are started."""
    story.world.script_exit_code = lambda spec: 1
    uid = story.create(content=body(3, **REPAIRING, overprovision=True))
    await story.until(lambda: len(story.rows(uid)) == 4)
    await story.until(lambda: len(story.rows(uid)) == 3)
    await asyncio.sleep(120)
    assert [row.stage for row in story.rows(uid)] == [Stage.FAILED] * 3
    assert _ids(story, uid) == [0, 1, 2]


@told_on(orders=10, host_count=10, told_kinds={"add", "note"})
async def placement_groups(story: Story) -> None:
    """Two hundred and fifty instances are in three placement groups, each with five update domains."""
    uid = story.create(content=body(250))
    await story.settled(uid)
    rows = story.counted(uid)
    assert Counter(row.placement_group for row in rows) == {0: 100, 1: 100, 2: 50}
    domains = Counter((row.placement_group, row.update_domain) for row in rows)
    assert sorted(domains.values()) == [10] * 5 + [20] * 10
    assert set(Counter(row.fault_domain for row in rows).values()) == {25}


@told_on(host_count=6, zone_count=3)
async def zones_are_lost(story: Story) -> None:
    """With one zone down the set goes on, with two it waits and says so; later it grows where it is empty."""
    uid = story.create(content=zonal(6, "123"))
    await story.settled(uid)
    assert _zones(story, uid) == {"1": 2, "2": 2, "3": 2}
    _lose_zone(story, "3")
    await story.until(lambda: _zones(story, uid) == {"1": 3, "2": 3})
    await story.settled(uid)
    _lose_zone(story, "2")
    story.scale(uid, 7)
    await story.until(lambda: any(row.stage is Stage.WAITING for row in story.counted(uid)))
    waiting = next(row for row in story.counted(uid) if row.stage is Stage.WAITING)
    assert waiting.failure is not None and waiting.failure.code == "ZonalAllocationFailed"
    _lose_zone(story, "3", is_lost=False)
    await story.until(lambda: _zones(story, uid) == {"1": 4, "3": 3})
    await story.settled(uid)
    _lose_zone(story, "2", is_lost=False)
    await asyncio.sleep(2)
    story.scale(uid, 9)
    await story.settled(uid)
    assert _zones(story, uid) == {"1": 4, "2": 2, "3": 3}, "the emptiest zone is fed, and nothing is moved"


@told_on(host_count=6, zone_count=3)
async def strict_zones(story: Story) -> None:
    """Strict balance: what would make the zones uneven waits for the emptiest zone, and is made when it is back."""
    uid = story.create(content=zonal(6, "123", zoneBalance=True))
    await story.settled(uid)
    _lose_zone(story, "3")
    await asyncio.sleep(2)
    story.scale(uid, 9)
    await story.until(lambda: sum(row.stage is Stage.WAITING for row in story.counted(uid)) >= 1)
    await asyncio.sleep(8)
    waiting = [row for row in story.counted(uid) if row.stage is Stage.WAITING]
    assert {row.failure.code for row in waiting if row.failure} == {"ZonalAllocationFailed"}
    _lose_zone(story, "3", is_lost=False)
    await story.settled(uid)
    assert _zones(story, uid) == {"1": 3, "2": 3, "3": 3}


@told_on(
    orders=40,
    host_count=4,
    zone_count=2,
    rules=Rules(host_lease_s=15.0, rebalance_quiet_s=60.0, rebalance_every_s=300.0),
)
async def zones_are_evened_out(story: Story) -> None:
    """A zone comes back empty: one instance at a time moves there, created before the other is deleted."""
    uid = story.create(content=zonal(4, "12", **EVENED_OUT))
    await story.settled(uid)
    _lose_zone(story, "2")
    await story.until(lambda: _zones(story, uid) == {"1": 4})
    await story.settled(uid)
    _lose_zone(story, "2", is_lost=False)
    await story.until(lambda: any(row.is_on_trial for row in story.rows(uid)))
    first_at = story.now()
    assert len(story.counted(uid)) == 5, "created before one is deleted"
    await story.until(lambda: _zones(story, uid) == {"1": 3, "2": 1})
    await story.settled(uid)
    await story.until(lambda: _zones(story, uid) == {"1": 2, "2": 2}, within_s=900.0)
    assert story.now() - first_at >= 300.0, "the second moved too early"
    await story.settled(uid)
    await asyncio.sleep(400)
    assert _zones(story, uid) == {"1": 2, "2": 2}, "even zones are left alone"


@told_on(host_count=2)
async def starting_where_there_is_room(story: Story) -> None:
    """What was deallocated starts on the emptier host, and its disk follows it."""
    uid = story.create(content=body(4, **REPAIRING))
    await story.settled(uid)
    sleepers = [row.instance_id for row in story.counted(uid) if row.host == "h1"]
    for number in sleepers:
        story.verb(uid, number, "deallocate")
    await story.settled(uid)
    story.scale(uid, 7)
    await story.settled(uid)
    assert Counter(row.host for row in story.counted(uid) if row.instance_id >= 4) == {"h1": 3}
    for number in sleepers:
        story.verb(uid, number, "start")
    await story.settled(uid)
    rows = {row.instance_id: row for row in story.counted(uid)}
    assert Counter(row.host for row in rows.values()) == {"h1": 4, "h2": 3}
    moved = next(rows[number] for number in sleepers if rows[number].host == "h2")
    disk = moved.owner(story.store.installation).disk_volume
    holders = [name for name, each in story.world.hypervisors.items() if disk in each.volumes]
    assert holders == ["h2"] and moved.generation == 1, "the disk went with it"


@told_on(zone_count=3)
async def close_together(story: Story) -> None:
    """Two sets name one proximity placement group: the second follows the first into its zone."""
    group = {"id": "/providers/Microsoft.Compute/proximityPlacementGroups/Near"}
    lower = {"id": group["id"].lower().replace("microsoft.compute", "Microsoft.Compute")}
    first = story.create("one", body(2, **REPAIRING, proximityPlacementGroup=group))
    await story.settled(first)
    second = story.create("two", body(3, **REPAIRING, proximityPlacementGroup=lower))
    third = story.create("far", body(3, **REPAIRING))
    for uid in (second, third):
        await story.settled(uid)
    assert _zones(story, first) == {"1": 2} and _zones(story, second) == {"1": 3}
    assert len(_zones(story, third)) == 3, "others are spread as ever"


@told_on(last_address="10.90.1.3", orders=30)
async def a_network_that_runs_out_of_addresses(story: Story) -> None:
    """Four addresses for six instances: four are made, the rest wait; the dead are replaced all the same."""
    uid = story.create(content=body(3, **REPAIRING))
    await story.settled(uid)
    story.scale(uid, 6)
    await story.until(lambda: len(story.counted(uid)) == 4 and all(map(story.is_well, story.counted(uid))))
    oldest = min(row.instance_id for row in story.counted(uid))
    story.kill(uid, oldest)
    await story.until(lambda: oldest not in {row.instance_id for row in story.rows(uid)})
    await story.until(lambda: len(story.counted(uid)) == 4 and all(map(story.is_well, story.counted(uid))))
    assert len({row.address for row in story.rows(uid)}) == 4
    waiting = [each for each in story.store.events(limit=100_000) if "wait for an address" in each.reason]
    assert waiting and len(waiting) < 10, "said when it changes, and not with every look"
    story.scale(uid, 4)
    await story.settled(uid)
