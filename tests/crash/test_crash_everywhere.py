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
from orchestrator.hosts.simulated.world import Telling
from orchestrator.model import wishes
from orchestrator.model.guest import Owner
from orchestrator.model.instance import ExtensionState
from orchestrator.model.run_command import ExecutionState
from tests.simulation.extension_stories import command, put_command, put_own
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
    """From a settled set of three: perhaps something before, one verb, and what must be true in the end."""

    verb: Verb
    end: End
    before: Verb | None = None


def _ids(story: Story, uid: str) -> list[int]:
    return [row.instance_id for row in story.counted(uid)]


def _boots(story: Story, uid: str, number: int) -> int:
    """How often the disk of an instance was booted: a disk that was lost on the way counts anew."""
    guest = story.guest(story.rows(uid)[number])
    return guest.disk.boots if guest else 0


def _cancel(story: Story, uid: str) -> None:
    """A script that began just now and lasts for ever is to be ended."""
    story.world.tell_script = lambda spec, request: Telling(lasts_s=3600.0 if request.name == "own" else None)
    put_own(story, uid, 1, is_suppressed=True)
    row, now = story.rows(uid)[1], story.now()
    state = ExtensionState("own", "T", "2.1", 1, "transitioning", "", now, began_at=now, cancelled_by="a request")
    with story.store.write() as tx:
        tx.put_instance(row.but(extensions={**row.extensions, "own": state}))


def _command(story: Story, uid: str) -> None:
    put_command(story, uid, "job", 1)


def _has_run(story: Story, uid: str) -> bool:
    is_over = command(story, uid, "job", 1).state is ExecutionState.SUCCEEDED
    return is_over and not story.store.operations(uid, in_progress=True)


def _redefine(story: Story, uid: str) -> None:
    row = story.rows(uid)[1]
    with story.store.write() as tx:
        tx.put_instance(wishes.redefined(row, story.now(), model_version=row.model_version))


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
    "hibernate": Scenario(lambda s, u: s.verb(u, 1, "hibernate"), lambda s, u: _boots(s, u, 1) == 1),
    "wake": Scenario(
        lambda s, u: s.verb(u, 1, "start"),
        lambda s, u: _boots(s, u, 1) == 1,
        before=lambda s, u: s.verb(u, 1, "hibernate"),
    ),
    "redeploy": Scenario(
        lambda s, u: s.verb(u, 1, "redeploy"),
        lambda s, u: s.rows(u)[1].host != "h2" and s.rows(u)[1].moving_from is None and _boots(s, u, 1) >= 2,
    ),
    "own_extension": Scenario(
        lambda s, u: put_own(s, u, 1),
        lambda s, u: [list(row.extensions) for row in s.counted(u)] == [["page"], ["page", "own"], ["page"]],
    ),
    "cancel": Scenario(_cancel, lambda s, u: "cancelled" in s.rows(u)[1].extensions["own"].message),
    "run_command": Scenario(_command, _has_run),
    "another_size": Scenario(_redefine, lambda s, u: not s.rows(u)[1].is_to_redefine and _boots(s, u, 1) >= 2),
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
    if scenario.before:
        scenario.before(story, uid)
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


@pytest.mark.parametrize("name", ["scale_out", "repair", "reimage", "redeploy"])
@pytest.mark.timeout(300)
def test_a_second_kill_while_the_first_is_mended_changes_nothing(name: str) -> None:
    for at in range(0, 24, 2):
        for again in range(0, 12, 3):
            try:
                run_virtually(_play(SCENARIOS[name], Killer(at), Killer(again)))
            except BaseException as error:
                error.add_note(f"killed at point {at}, then at {again}")
                raise
