"""The daemon is killed before and after every side effect and every commit of a verb, one kill per run.

From the moment of the kill nothing of it has any effect. A new daemon then starts on what is left, and must
come to the same end: settled, with nothing orphaned, doubled or lost. The last test does not spare the second
daemon either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from orchestrator.hosts.simulated.virtual_time import run_virtually
from orchestrator.model.guest import Owner
from tests.simulation.story import Story

POINTS_MAX = 400  # a scenario that never runs out of points would loop for ever


class Killed(BaseException):
    """Raised where the daemon dies; nothing in the daemon may catch it."""


@dataclass
class Killer:
    """Counts the places where the daemon could die, and dies at one."""

    at: int
    seen: int = 0
    is_armed: bool = False
    is_dead: bool = False
    where: str = ""

    def here(self, where: str) -> None:
        if self.is_dead:
            raise Killed(where)
        if not self.is_armed:
            return
        if self.seen == self.at:
            self.is_dead, self.where = True, where
            raise Killed(where)
        self.seen += 1


Verb = Callable[[Story, str], None]
End = Callable[[Story, str], bool]


@dataclass(frozen=True)
class Scenario:
    """From a settled set of three: one verb, and what must be true in the end."""

    verb: Verb
    end: End


def _ids(story: Story, uid: str) -> list[int]:
    return [row.instance_id for row in story.counted(uid)]


SCENARIOS = {
    "scale_out": Scenario(lambda s, u: _scale(s, u, 5), lambda s, u: _ids(s, u) == [0, 1, 2, 3, 4]),
    "scale_in": Scenario(lambda s, u: _scale(s, u, 1), lambda s, u: _ids(s, u) == [0]),
    "delete_one": Scenario(lambda s, u: s.verb(u, 1, "delete"), lambda s, u: _ids(s, u) == [0, 2]),
    "delete_set": Scenario(lambda s, u: s.delete_set(u), lambda s, u: s.store.scale_set(u) is None),
    "reimage": Scenario(
        lambda s, u: s.verb(u, 1, "reimage"), lambda s, u: [r.generation for r in s.counted(u)] == [1, 2, 1]
    ),
    "repair": Scenario(lambda s, u: s.kill(u, 1), lambda s, u: 1 not in _ids(s, u) and len(_ids(s, u)) == 3),
    "restart": Scenario(
        lambda s, u: s.verb(u, 1, "restart"), lambda s, u: [r.restarts_done for r in s.counted(u)] == [0, 1, 0]
    ),
    "deallocate": Scenario(lambda s, u: s.verb(u, 1, "deallocate"), lambda s, u: _ids(s, u) == [0, 1, 2]),
}


def _scale(story: Story, uid: str, capacity: int) -> None:
    story.scale(uid, capacity)


def _is_clean(story: Story) -> bool:
    """On the hosts is what the rows say, and nothing else."""
    installation = story.store.installation
    rows = {(row.host, row.owner(installation)) for row in story.store.instances()}
    for name, host in story.world.hypervisors.items():
        found = {guest.spec.owner for guest in host.guests.values()}
        found |= {owner for owner in map(Owner.of_volume, host.volumes) if owner}
        if any((name, owner) not in rows for owner in found):
            return False
    return True


def _arm(story: Story, killer: Killer) -> None:
    story.world.hook = killer.here
    story.commit_hook = lambda when: killer.here(f"{when} a commit")


async def _until_dead_or(done: Callable[[], bool], killer: Killer, within_s: float = 900.0) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not killer.is_dead and not done():
        assert loop.time() < deadline, "neither dead nor done"
        await asyncio.sleep(0.1)


async def _come_back(story: Story) -> None:
    await story.crash()
    story.world.hook = None
    story.commit_hook = None
    await story.start()


async def _play(scenario: Scenario, killer: Killer, second: Killer | None = None) -> str:
    """Returns where it died, or nothing when there was no such point any more."""
    story = Story()
    await story.start()
    uid = story.create()
    await story.settled(uid)
    scenario.verb(story, uid)
    _arm(story, killer)
    killer.is_armed = True
    done: Callable[[], bool] = lambda: story.is_settled(uid) and scenario.end(story, uid)  # noqa: E731
    await _until_dead_or(done, killer)
    if not killer.is_dead:
        return ""
    await _come_back(story)
    if second:
        second.is_armed = True
        _arm(story, second)
        await _until_dead_or(done, second)
        await _come_back(story)
    await story.until(lambda: done() and _is_clean(story), within_s=900.0)
    return killer.where


def _every_point(play: Callable[[int], Awaitable[str]]) -> list[str]:
    places = []
    for at in range(POINTS_MAX):
        try:
            where = run_virtually(play(at))  # type: ignore[arg-type]
        except BaseException as error:
            error.add_note(f"killed at point {at}")
            raise
        if not where:
            return places
        places.append(where)
    raise AssertionError(f"more than {POINTS_MAX} points")


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.timeout(300)
def test_a_kill_at_any_point_of_a_verb_leads_to_the_same_end(name: str) -> None:
    places = _every_point(lambda at: _play(SCENARIOS[name], Killer(at)))
    assert len(places) >= 4, f"only {places}"
    assert any("commit" in place for place in places)


@pytest.mark.timeout(300)
def test_a_kill_at_any_point_of_the_creation_of_a_set_leads_to_the_same_end() -> None:
    async def play(at: int) -> str:
        story, killer = Story(), Killer(at)
        await story.start()
        uid = story.create()
        _arm(story, killer)
        killer.is_armed = True
        await _until_dead_or(lambda: story.is_settled(uid), killer)
        if not killer.is_dead:
            return ""
        await _come_back(story)
        await story.until(lambda: story.is_settled(uid) and _is_clean(story), within_s=900.0)
        assert _ids(story, uid) == [0, 1, 2]
        return killer.where

    places = _every_point(play)
    assert len(places) >= 20


@pytest.mark.parametrize("name", ["scale_out", "repair", "reimage"])
@pytest.mark.timeout(300)
def test_a_second_kill_while_the_first_is_mended_changes_nothing(name: str) -> None:
    for at in range(0, 24, 2):
        for again in range(0, 12, 3):
            try:
                run_virtually(_play(SCENARIOS[name], Killer(at), Killer(again)))
            except BaseException as error:
                error.add_note(f"killed at point {at}, then at {again}")
                raise
