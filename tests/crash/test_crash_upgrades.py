"""The daemon is killed before and after every side effect and every commit of an upgrade; see
``test_crash_everywhere.py``. The record of the upgrade is all that the next daemon knows of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.model.rolling_upgrade import RollingStatus
from tests.crash.test_crash_everywhere import (
    Killer,
    _arm,
    _come_back,
    _every_point,
    _is_clean,
    _until_dead_or,
)
from tests.simulation.rollouts import latest, models, new_image, obey_scripts, script, web
from tests.simulation.story import Story


@dataclass(frozen=True)
class Rollout:
    """A set, what is asked of it, and how its upgrade ends."""

    content: dict[str, Any]
    ask: Callable[[Story, str], object]
    status: RollingStatus
    end: Callable[[Story, str], bool]


ROLLOUTS = {
    "in_place": Rollout(
        web(3),
        lambda s, u: script(s, u, "serve v2"),
        RollingStatus.COMPLETED,
        lambda s, u: models(s, u) == [2, 2, 2] and [row.instance_id for row in s.counted(u)] == [0, 1, 2],
    ),
    "image": Rollout(
        web(3),
        lambda s, u: new_image(s, u, "1.0.1"),
        RollingStatus.COMPLETED,
        lambda s, u: (
            [(row.instance_id, row.image_version) for row in s.counted(u)]
            == [(number, "1.0.1") for number in range(3)]
        ),
    ),
    "surge": Rollout(
        web(3, maxSurge=True),
        lambda s, u: script(s, u, "serve v2"),
        RollingStatus.COMPLETED,
        lambda s, u: models(s, u) == [2, 2, 2] and [row.instance_id for row in s.counted(u)] == [3, 4, 5],
    ),
    "back": Rollout(
        web(3, rollbackFailedInstancesOnPolicyBreach=True),
        lambda s, u: script(s, u, "serve fails v2"),
        RollingStatus.FAULTED,
        lambda s, u: models(s, u) == [1, 1, 1] and latest(s, u).rolled_back == (0,),
    ),
}


async def _play(rollout: Rollout, killer: Killer) -> str:
    story = Story()
    obey_scripts(story)
    await story.start()
    uid = story.create(content=rollout.content)
    await story.until(lambda: story.record(uid).proven_model_version == 1)

    def is_over() -> bool:
        upgrade = story.store.latest_rolling_upgrade(uid)
        is_ended = upgrade is not None and upgrade.status is rollout.status
        return is_ended and story.is_settled(uid) and rollout.end(story, uid)

    rollout.ask(story, uid)
    _arm(story, killer)
    killer.is_armed = True
    await _until_dead_or(is_over, killer)
    if not killer.is_dead:
        return ""
    await _come_back(story)
    await story.until(lambda: is_over() and _is_clean(story), within_s=900.0)
    assert len(story.store.rolling_upgrades(uid)) == 1, "it went on with the one that was there"
    return killer.where


@pytest.mark.parametrize("name", ROLLOUTS)
@pytest.mark.timeout(300)
def test_a_kill_at_any_point_of_an_upgrade_leads_to_the_same_end(name: str) -> None:
    places = _every_point(lambda at: _play(ROLLOUTS[name], Killer(at)))
    assert len(places) >= 20, f"only {places}"
    assert any("commit" in place for place in places)
