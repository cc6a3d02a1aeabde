"""Kills at every point of what counting and placement do over several commits: trials, a rebalance of zones, and a
start on another host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from orchestrator.plan.inputs import Rules
from tests.crash.test_crash_everywhere import (
    Killer,
    _arm,
    _come_back,
    _every_point,
    _ids,
    _is_clean,
    _until_dead_or,
)
from tests.simulation.placement_stories import EVENED_OUT, zonal
from tests.simulation.story import REPAIRING, Story, body


@dataclass(frozen=True)
class Case:
    """A site and a set; what is done to it once it stands (nothing: its creation is broken off), and the end."""

    content: dict[str, Any]
    end: Callable[[Story, str], bool]
    verb: Callable[[Story, str], None] | None = None
    site: dict[str, Any] = field(default_factory=dict)


def _zones(story: Story, uid: str) -> list[int]:
    return sorted(Counter(row.zone for row in story.counted(uid)).values())


def _nobody_on_trial(story: Story, uid: str) -> bool:
    return not any(row.is_on_trial for row in story.rows(uid))


def _make_uneven(story: Story, uid: str) -> None:
    """As if a zone had come back empty: what stood there is deleted, and as many are wanted as before."""
    for row in story.rows(uid):
        if row.zone == "2":
            story.verb(uid, row.instance_id, "delete")
    story.scale(uid, 2)


def _start_elsewhere(story: Story, uid: str) -> None:
    """Its host drains while it is deallocated and starts."""
    assert story.controller is not None
    row = story.rows(uid)[1]
    story.controller.fleet.drain(row.host or "", is_draining=True)
    story.verb(uid, 1, "start")


CASES = {
    "overprovisioned": Case(
        body(3, **REPAIRING, overprovision=True),
        lambda s, u: len(_ids(s, u)) == 3 and _nobody_on_trial(s, u),
    ),
    "overprovisioned, extensions on the kept": Case(
        body(2, **REPAIRING, overprovision=True, doNotRunExtensionsOnOverprovisionedVMs=True),
        lambda s, u: len(_ids(s, u)) == 2 and _nobody_on_trial(s, u),
    ),
    "rebalance": Case(
        zonal(4, "12", **EVENED_OUT),
        lambda s, u: _zones(s, u) == [1, 1] and _nobody_on_trial(s, u),
        _make_uneven,
        {
            "host_count": 4,
            "zone_count": 2,
            "rules": Rules(host_lease_s=15.0, rebalance_quiet_s=5.0, rebalance_every_s=5.0),
        },
    ),
}


async def _play(case: Case, killer: Killer) -> str:
    story = Story(**case.site)
    await story.start()
    uid = story.create(content=case.content)
    if case.verb:
        await story.settled(uid)
        case.verb(story, uid)
    _arm(story, killer)
    killer.is_armed = True
    done = lambda: story.is_settled(uid) and case.end(story, uid)  # noqa: E731
    await _until_dead_or(done, killer)
    if not killer.is_dead:
        return ""
    await _come_back(story)
    await story.until(lambda: done() and _is_clean(story), within_s=900.0)
    return killer.where


@pytest.mark.parametrize("name", CASES)
@pytest.mark.timeout(300)
def test_a_kill_at_any_point_leads_to_as_many_as_wanted_and_none_on_trial(name: str) -> None:
    places = _every_point(lambda at: _play(CASES[name], Killer(at)))
    assert len(places) >= 10, f"only {places}"


@pytest.mark.timeout(300)
def test_a_kill_at_any_point_of_a_start_elsewhere_leaves_one_disk_in_one_place() -> None:
    async def play(at: int) -> str:
        story, killer = Story(), Killer(at)
        await story.start()
        uid = story.create()
        await story.settled(uid)
        story.verb(uid, 1, "deallocate")
        await story.settled(uid)
        old = story.rows(uid)[1].host
        _start_elsewhere(story, uid)
        _arm(story, killer)
        killer.is_armed = True

        def done() -> bool:
            row = story.rows(uid)[1]
            return story.is_settled(uid) and row.host != old and row.moving_from is None

        await _until_dead_or(done, killer)
        if not killer.is_dead:
            return ""
        await _come_back(story)
        story.controller.fleet.drain(old or "", is_draining=True)  # type: ignore[union-attr]
        await story.until(lambda: story.is_settled(uid) and _is_clean(story), within_s=900.0)
        row = story.rows(uid)[1]
        disk = row.owner(story.store.installation).disk_volume
        holders = [name for name, host in story.world.hypervisors.items() if disk in host.volumes]
        assert holders == [row.host] and row.generation == 1
        return killer.where

    places = _every_point(play)
    assert len(places) >= 4
