from __future__ import annotations

from dataclasses import replace

from orchestrator.model.instance import Instance, Stage
from orchestrator.plan import steps
from orchestrator.plan.apply import applied
from orchestrator.plan.inputs import HostFacts, Seen, Sight, World
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import Step
from tests.unit.plan.tables import NOW, host, row, wish, world


def owed(instance_id: int = 0) -> Instance:
    return row(instance_id, redeploys_wanted=1)


def decisions(seen: World, capacity: int = 1) -> list[Step]:
    return list(plan_set(wish(capacity), seen).decisions)


def test_an_instance_moves_to_the_emptiest_other_host() -> None:
    rows = [owed(), row(1, host="h2", fault_domain=1)]
    [step] = decisions(world(rows), 2)
    assert isinstance(step, steps.MoveInstance)
    assert (step.instance_id, step.host, step.fault_domain) == (0, "h3", 2)
    assert "from host h1" in step.reason


def test_without_room_elsewhere_it_stays_and_the_request_fails() -> None:
    full = replace(host("h2"), room=None, silent_since=NOW - 5)
    [step] = decisions(world([owed()], [host("h1"), full]))
    assert isinstance(step, steps.RefuseRedeploy)
    after = applied(step, owed(), wish(1), Sight.RUNNING, NOW, lambda: ("", ""))
    assert after is not None and after.host == "h1" and after.redeploys_wanted == 0
    assert after.failure is not None and after.failure.code == "AllocationFailed"


def test_a_silent_host_has_the_disk_so_nothing_moves() -> None:
    silent = replace(host("h1"), silent_since=NOW - 5)
    seen = world([owed()], [silent, host("h2")], i0=Seen(Sight.UNKNOWN))
    plan = plan_set(wish(1), seen)
    assert not plan.decisions
    assert any("h1 answers" in note for note in plan.notes)


def test_what_is_busy_moves_when_it_is_done() -> None:
    assert not decisions(world([owed()], i0=Seen(Sight.RUNNING, is_busy=True)))


def moved(before: Instance, target: HostFacts) -> Instance:
    step = steps.MoveInstance(before.instance_id, "why", target.name, target.zone, target.fault_domain)
    after = applied(step, before, wish(1), Sight.RUNNING, NOW, lambda: ("", ""))
    assert after is not None
    return after


def test_a_moved_instance_keeps_its_identity_and_remembers_where_its_disk_is() -> None:
    after = moved(owed(), host("h2"))
    assert (after.host, after.moving_from, after.stage) == ("h2", "h1", Stage.CREATING)
    assert (after.address, after.generation, after.redeploys_done) == ("10.0.0.0", 1, 1)


def test_what_never_ran_has_no_disk_to_take_along() -> None:
    assert moved(row(0, booted_at=None), host("h2")).moving_from is None


def test_one_that_moves_back_before_it_has_left_stays() -> None:
    there = moved(owed(), host("h2"))
    assert moved(there, host("h1")).moving_from is None
    assert moved(there, host("h3")).moving_from == "h1"
