"""Overprovisioning (reference 4.1): tables of what is kept and what goes, and a property over whole runs."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.instance import Cause, Failure, Instance, Protection, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.inputs import Room, Seen, SetWish, Sight, World
from orchestrator.plan.overprovision import extras, judge_trials
from orchestrator.plan.planner import plan_set
from tests.unit.plan.tables import DEAD, host, row, wish, world

HOSTS = [host(f"h{n}") for n in range(1, 6)]


def _over(capacity: int, **changes: object) -> SetWish:
    return wish(capacity, is_overprovisioned=True, **changes)


def _trial(number: int, stage: Stage = Stage.BOOTING, **changes: object) -> Instance:
    return row(number, stage=stage, is_on_trial=True, **changes)


@pytest.mark.parametrize(("count", "more"), [(0, 0), (1, 1), (2, 1), (5, 1), (6, 2), (10, 2), (11, 3), (1000, 200)])
def test_one_more_is_started_for_each_five(count: int, more: int) -> None:
    assert extras(_over(count), count) == more
    assert extras(wish(count), count) == 0


def test_all_that_a_scale_out_makes_is_on_trial_and_the_extras_say_why_they_are_there() -> None:
    added = plan_set(_over(6), world([], HOSTS)).decisions
    assert [step.is_on_trial for step in added if isinstance(step, steps.AddInstance)] == [True] * 8
    assert "one more than wanted" in added[-1].reason and "capacity is 6" in added[0].reason


def test_without_overprovisioning_nobody_is_on_trial() -> None:
    added = plan_set(wish(3), world([], HOSTS)).decisions
    assert [step.is_on_trial for step in added if isinstance(step, steps.AddInstance)] == [False] * 3


READY, UP, BOOTING, FAILED = Stage.READY, Stage.CONFIGURING, Stage.BOOTING, Stage.FAILED


@pytest.mark.parametrize(
    ("capacity", "stages", "kept", "surplus", "missing"),
    [
        (2, [BOOTING, BOOTING, BOOTING], [], [], 0),
        (2, [BOOTING, READY, BOOTING], [1], [], 0),
        (2, [READY, BOOTING, READY], [0, 2], [1], 0),
        (2, [READY, READY, READY], [0, 1], [2], 0),
        (2, [FAILED, READY, BOOTING], [1], [], 0),
        (2, [FAILED, READY, READY], [1, 2], [0], 0),
        (2, [FAILED, FAILED, READY], [2, 0], [1], 0),
        (2, [FAILED, FAILED, FAILED], [0, 1], [2], 0),
        (2, [FAILED, FAILED, BOOTING], [0], [], 0),
        (2, [BOOTING], [], [], 1),
        (2, [FAILED], [], [], 1),
        (0, [BOOTING, READY], [], [1, 0], 0),
        (1, [BOOTING, BOOTING, BOOTING], [], [2], 0),
        (2, [UP, UP, UP], [], [], 0),
    ],
)
def test_the_first_to_come_up_are_kept_and_the_failed_only_where_they_are_needed(
    capacity: int, stages: list[Stage], kept: list[int], surplus: list[int], missing: int
) -> None:
    rows = [_trial(number, stage) for number, stage in enumerate(stages)]
    found = judge_trials(_over(capacity), world(rows), rows, 0)
    assert [each.instance_id for each, _ in found.kept] == kept
    assert [each.instance_id for each, _ in found.surplus] == surplus
    assert found.missing == missing


def test_whoever_came_up_earlier_is_kept_before_a_lower_id() -> None:
    rows = [_trial(0, READY, changed_at=5000.0), _trial(1, READY, changed_at=4000.0)]
    found = judge_trials(_over(1), world(rows), rows, 0)
    assert [each.instance_id for each, _ in found.kept] == [1]


def test_where_extensions_wait_the_operating_system_decides_who_came_up() -> None:
    rows = [_trial(0, BOOTING), _trial(1, UP)]
    found = judge_trials(_over(1, runs_extensions_on_trial=False), world(rows), rows, 0)
    assert [each.instance_id for each, _ in found.kept] == [1]


def test_extensions_wait_for_the_end_of_the_trial_where_that_is_wanted() -> None:
    rows = [_trial(number, UP) for number in range(2)]
    held = plan_set(_over(4, runs_extensions_on_trial=False), world(rows, HOSTS))
    assert [step.kind for step in held.decisions][:2] == ["keep", "keep"]
    asked = plan_set(_over(3), world([*rows, _trial(2)], HOSTS))
    assert [step.kind for step in asked.decisions] == ["advance", "advance"]


def test_a_dead_trial_is_a_failed_one_and_is_not_repaired() -> None:
    rows = [_trial(0), _trial(1, READY)]
    plan = plan_set(_over(1), world(rows, HOSTS, i0=DEAD))
    assert [(step.kind, step.instance_id) for step in plan.decisions] == [("keep", 1), ("delete", 0)]


@pytest.mark.parametrize(
    "changes",
    [
        {"protection": Protection(from_scale_in=True)},
        {"wanted_power": WantedPower.STOPPED},
        {"wanted_power": WantedPower.DEALLOCATED},
    ],
)
def test_one_that_somebody_took_in_hand_is_kept_at_once(changes: dict[str, object]) -> None:
    rows = [_trial(0), _trial(1, **changes)]
    found = judge_trials(_over(1), world(rows), rows, 0)
    assert [each.instance_id for each, _ in found.kept] == [1]
    assert [each.instance_id for each, _ in found.surplus] == [0]


def test_a_scale_out_while_trials_run_starts_only_what_is_missing() -> None:
    rows = [row(0), row(1), *(_trial(number) for number in range(2, 6))]
    added = [step for step in plan_set(_over(8), world(rows, HOSTS)).decisions]
    assert len(added) == 3, "six are missing, four come up, two and one extra are started"


def test_surplus_instances_leave_with_their_own_cause() -> None:
    rows = [_trial(0, READY), _trial(1)]
    gone = [s for s in plan_set(_over(1), world(rows, HOSTS)).decisions if isinstance(s, steps.GiveUpInstance)]
    assert [(step.instance_id, step.cause) for step in gone] == [(1, Cause.SURPLUS)]


def test_extras_do_not_wait_for_room() -> None:
    hosts = [host("h1", room=Room(64, 96 * 2, 100_000))]
    added = plan_set(_over(3), world([], hosts)).decisions
    assert [getattr(step, "host", None) for step in added] == ["h1", "h1", None]


OUTCOMES = st.sampled_from([READY, FAILED])


@given(
    wanted=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9)), min_size=1, max_size=5),
    outcomes=st.lists(OUTCOMES, min_size=80, max_size=80),
    order=st.randoms(use_true_random=False),
)
def test_any_run_ends_with_as_many_as_wanted_and_never_has_more_than_the_extras(
    wanted: list[tuple[int, int]], outcomes: Sequence[Stage], order: random.Random
) -> None:
    """Capacity changes while trials come up or fail in any order; in the end nobody is on trial any more."""
    rows: dict[int, Instance] = {}
    next_id = 0
    for capacity, turns in [*wanted, (wanted[-1][0], 200)]:
        for turn in range(turns):
            now = 10_000.0 + turn
            wish_now = _over(capacity, next_instance_id=next_id)
            next_id = _apply(plan_set(wish_now, _world(rows, now)).decisions, rows, next_id, now)
            _hold(wish_now, rows)
            if coming := [number for number, each in rows.items() if each.stage not in {READY, FAILED}]:
                number = order.choice(coming)
                rows[number] = _ended(rows[number], outcomes[number % len(outcomes)], now)
    assert len(rows) == wanted[-1][0]
    assert not any(each.is_on_trial for each in rows.values())


def _ended(each: Instance, stage: Stage, now: float) -> Instance:
    failure = Failure("VMExtensionProvisioningError", "it failed", now) if stage is FAILED else None
    return each.but(stage=stage, changed_at=now, failure=failure)


def _world(rows: dict[int, Instance], now: float) -> World:
    found = world(rows.values(), HOSTS)
    seen = {number: Seen(Sight.RUNNING) for number in rows}
    return World(found.rows, seen, found.hosts, now, found.rules)


def _apply(decisions: Sequence[steps.Step], rows: dict[int, Instance], next_id: int, now: float) -> int:
    for step in decisions:
        match step:
            case steps.AddInstance(instance_id=number):
                assert number == next_id, "ids count up"
                rows[number] = _trial(number, host=step.host, changed_at=now)
                next_id = number + 1
            case steps.KeepInstance(instance_id=number):
                assert rows[number].is_on_trial
                rows[number] = rows[number].but(is_on_trial=False)
            case steps.GiveUpInstance(instance_id=number):
                del rows[number]
            case steps.Advance(instance_id=number, stage=stage):
                rows[number] = rows[number].but(stage=stage)
            case _:
                raise AssertionError(f"{step.kind} was not expected")
    return next_id


def _hold(wanted: SetWish, rows: dict[int, Instance]) -> None:
    kept = sum(1 for each in rows.values() if not each.is_on_trial)
    assert kept <= wanted.capacity
    assert len(rows) <= wanted.capacity + extras(wanted, wanted.capacity)
