"""Automatic zone rebalance (reference 4.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.model.health import Health
from orchestrator.model.instance import Cause, Instance, Protection, Stage, WantedPower
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from orchestrator.plan import steps
from orchestrator.plan.inputs import RepairWish, Room, Seen, SetWish, Sight
from orchestrator.plan.operations import judge_operation
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import Plan
from tests.unit.plan.tables import NOW, host, row, wish, world

ZONES = ("1", "2")
HOSTS = [host(f"h{n}", zone=str((n - 1) % 2 + 1)) for n in range(1, 5)]


def _wish(capacity: int = 4, **changes: Any) -> SetWish:
    values = {"zones": ZONES, "rebalances_zones": True, "repair": RepairWish(), "next_instance_id": 50}
    return wish(capacity, **{**values, **changes})


def _uneven(first: int = 3, second: int = 1, **changes: Any) -> list[Instance]:
    rows = [row(n, host="h1", zone="1", **changes) for n in range(first)]
    return [*rows, *(row(first + n, host="h2", zone="2", **changes) for n in range(second))]


def _newcomer(**changes: Any) -> Instance:
    values = {"host": "h4", "zone": "2", "is_on_trial": True, "cause": Cause.REBALANCE, "created_at": NOW - 60}
    return row(9, **{**values, **changes})


def _plan(wanted: SetWish, rows: list[Instance], **seen: Any) -> Plan:
    return plan_set(wanted, world(rows, HOSTS, **seen))


def _decided(plan: Plan) -> list[tuple[str, int]]:
    return [(step.kind, step.instance_id) for step in plan.decisions]


def test_one_is_made_in_the_emptiest_zone_before_one_is_deleted() -> None:
    plan = _plan(_wish(), _uneven())
    (added,) = plan.decisions
    assert isinstance(added, steps.AddInstance)
    assert (added.zone, added.cause, added.is_on_trial) == ("2", Cause.REBALANCE, True)
    assert [step.kind for step in plan.set_decisions] == ["rebalance"]
    assert added.reason.startswith("zones are uneven: 1 has 3, 2 has 1; on host h4")


@pytest.mark.parametrize(
    ("changes", "rows"),
    [
        ({"rebalances_zones": False}, _uneven()),
        ({"capacity": 3}, _uneven(2, 1)),
        ({"zones": ("1",)}, _uneven()),
        ({"changed_at": NOW - 3599}, _uneven()),
        ({"rebalanced_at": NOW - 43_199}, _uneven()),
        ({}, [*_uneven()[:-1], _uneven()[-1].but(changed_at=NOW - 3599)]),
        ({}, [*_uneven(), row(8, host="h1", is_gone=True, gone_at=NOW)]),
    ],
)
def test_it_does_not_begin_where_it_is_off_even_too_soon_or_while_something_goes_on(
    changes: dict[str, Any], rows: list[Instance]
) -> None:
    plan = _plan(_wish(**changes), rows)
    assert not any(isinstance(step, steps.AddInstance) for step in plan.decisions)
    assert not plan.set_decisions


@pytest.mark.parametrize(
    ("changes", "due_at"),
    [
        ({"changed_at": NOW - 100}, NOW + 3500),
        ({"rebalanced_at": NOW - 100}, NOW + 43_100),
    ],
)
def test_it_looks_again_when_it_may_begin(changes: dict[str, float], due_at: float) -> None:
    assert _plan(_wish(**changes), _uneven()).look_again_at == due_at


@pytest.mark.parametrize(
    "kept",
    [
        {"protection": Protection(from_scale_in=True)},
        {"wanted_power": WantedPower.DEALLOCATED},
        {"wanted_power": WantedPower.STOPPED},
    ],
)
def test_the_protected_and_those_that_are_off_stay_where_they_are(kept: dict[str, Any]) -> None:
    rows = [each.but(**kept) if each.zone == "1" else each for each in _uneven()]
    plan = _plan(_wish(), rows)
    assert plan.decisions == ()
    assert "zones are uneven (1 has 3, 2 has 1), and all in the fullest are protected or off" in plan.notes


def test_without_room_in_the_emptiest_zone_it_says_so() -> None:
    hosts = [replace(each, room=Room(0, 0, 0)) if each.zone == "2" else each for each in HOSTS]
    plan = plan_set(_wish(), world(_uneven(), hosts))
    assert plan.decisions == ()
    assert plan.notes[0].startswith("zones are uneven (1 has 3, 2 has 1), and the emptiest takes none: ")


def test_once_the_newcomer_is_healthy_it_is_kept_and_one_of_the_fullest_zone_goes() -> None:
    plan = _plan(_wish(scale_in_rule="OldestVM"), [*_uneven(), _newcomer()])
    assert _decided(plan) == [("keep", 9), ("delete", 0)]
    gone = plan.decisions[1]
    assert isinstance(gone, steps.GiveUpInstance) and gone.cause is Cause.REBALANCE
    assert gone.reason == "zone 1 has 3, and 9 in zone 2 is healthy"


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({}, Seen(Sight.RUNNING, Health.UNHEALTHY, NOW)),
        ({}, Seen(Sight.RUNNING, Health.INITIALIZING, NOW)),
        ({}, Seen(Sight.RUNNING, None, NOW)),
        ({"stage": Stage.BOOTING}, Seen(Sight.RUNNING, None, NOW, is_busy=True)),
    ],
)
def test_a_newcomer_that_is_not_healthy_yet_is_waited_for(changes: dict[str, Any], seen: Seen) -> None:
    newcomer = _newcomer(**changes)
    plan = _plan(_wish(), [*_uneven(), newcomer], i9=seen)
    assert plan.decisions == ()
    assert plan.look_again_at == newcomer.created_at + 5400


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"stage": Stage.FAILED}, {}),
        ({"stage": Stage.WAITING, "host": None, "zone": None}, {}),
        ({"created_at": NOW - 5400}, {}),
        ({}, {"rebalances_zones": False}),
        ({}, {"capacity": 3}),
    ],
)
def test_a_newcomer_that_fails_or_is_late_or_is_wanted_no_more_goes_again(
    changes: dict[str, Any], wanted: dict[str, Any]
) -> None:
    seen = Seen(Sight.RUNNING, Health.UNHEALTHY, NOW)
    plan = _plan(_wish(**wanted), [*_uneven(), _newcomer(**changes)], i9=seen)
    assert ("delete", 9) in _decided(plan)
    assert ("keep", 9) not in _decided(plan)


def test_a_scale_out_ends_it_and_the_newcomer_counts_towards_it() -> None:
    plan = _plan(_wish(6), [*_uneven(), _newcomer()])
    assert _decided(plan) == [("keep", 9), ("add", 50)]


def test_where_the_zones_became_even_meanwhile_the_newcomer_is_not_needed() -> None:
    assert _decided(_plan(_wish(), [*_uneven(2, 2), _newcomer()])) == [("delete", 9)]


def test_a_newcomer_that_somebody_protects_is_kept_and_the_fullest_zone_gives_one_up() -> None:
    plan = _plan(_wish(), [*_uneven(), _newcomer(protection=Protection(from_scale_in=True))])
    assert _decided(plan) == [("keep", 9), ("delete", 2)]


def test_its_extensions_run_even_where_those_of_extras_wait() -> None:
    newcomer = _newcomer(stage=Stage.CONFIGURING)
    plan = _plan(_wish(runs_extensions_on_trial=False), [*_uneven(), newcomer])
    assert _decided(plan) == [("advance", 9)]


def test_nobody_who_writes_meanwhile_waits_for_the_newcomer() -> None:
    operation = Operation("o", OperationKind.CREATE_OR_UPDATE, "a" * 12, NOW, NOW + 60)
    rows = [*_uneven(), _newcomer(stage=Stage.BOOTING)]
    assert judge_operation(operation, _wish(), world(rows, HOSTS)).status is OperationStatus.SUCCEEDED
