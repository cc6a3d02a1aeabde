"""Automatic and Manual upgrades, and when a model counts as proven (reference 4.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.model.health import Health
from orchestrator.model.instance import Failure, Protection, Stage, WantedPower
from orchestrator.model.rolling_upgrade import RollingStatus
from orchestrator.plan import steps
from orchestrator.plan.inputs import Cost, Difference, Seen, SetWish, Sight
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import Plan
from tests.unit.plan.tables import NOW, row, sick, wish, world
from tests.unit.plan.test_rolling import SCRIPT, applied, rolling, rows_on, upgrade

RESTART = Difference(Cost.RESTART, ("sku.name",))
REIMAGE = Difference(Cost.REIMAGE, ("properties.virtualMachineProfile.osProfile.customData",))


def automatic(capacity: int, cost: Difference) -> SetWish:
    return wish(capacity, model_version=2, upgrade_mode="Automatic", differences={1: cost})


@pytest.mark.parametrize(
    ("cost", "count", "at_once"),
    [(SCRIPT, 10, 10), (RESTART, 4, 1), (RESTART, 10, 2), (REIMAGE, 9, 1), (REIMAGE, 25, 5)],
)
def test_what_takes_an_instance_down_is_done_to_a_fifth_at_a_time(
    cost: Difference, count: int, at_once: int
) -> None:
    found = plan_set(automatic(count, cost), world(rows_on(*[1] * count)))
    assert applied(found) == dict.fromkeys(range(at_once), (2, cost.cost))
    assert all(cost.properties[0].split(".")[-1] in step.reason for step in found.decisions)


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"stage": Stage.BOOTING}, Seen(Sight.RUNNING)),
        ({"stage": Stage.FAILED, "failure": Failure("X", "x", NOW)}, Seen(Sight.RUNNING)),
        ({}, sick()),
        ({}, Seen(Sight.RUNNING, Health.INITIALIZING, NOW)),
    ],
)
def test_the_next_follow_when_those_before_are_ready_and_not_unhealthy(changes: dict[str, Any], seen: Seen) -> None:
    rows = [row(0, model_version=2, **changes), row(1), row(2)]
    found = plan_set(automatic(3, REIMAGE), world(rows, i0=seen))
    assert not applied(found)
    assert any("2 are behind model 2; first to be ready and well on it: web_0" in note for note in found.notes)
    rows[0] = row(0, model_version=2)
    assert list(applied(plan_set(automatic(3, REIMAGE), world(rows)))) == [1]


def test_what_is_off_is_brought_over_at_once_and_the_protected_are_not() -> None:
    rows = [row(0, wanted_power=WantedPower.DEALLOCATED), row(1, protection=Protection(True, True))]
    found = plan_set(automatic(2, REIMAGE), world(rows, i0=Seen(Sight.ABSENT)))
    assert list(applied(found)) == [0]


def test_manual_mode_says_how_many_are_behind_and_does_nothing() -> None:
    found = plan_set(wish(2, model_version=2, differences={1: SCRIPT}), world(rows_on(1, 1)))
    assert not found.decides
    assert any("2 instances are behind the model" in note for note in found.notes)


# Proof


def _proofs(found: Plan) -> list[int]:
    return [step.model_version for step in found.set_decisions if isinstance(step, steps.ProveModel)]


@pytest.mark.parametrize(
    ("seen", "is_proven"),
    [
        (Seen(Sight.RUNNING, Health.HEALTHY, NOW - 10), True),
        (Seen(Sight.RUNNING, Health.HEALTHY, NOW - 9), False),
        (Seen(Sight.RUNNING, Health.INITIALIZING, 1000.0), False),
        (sick(), False),
        (Seen(Sight.UNKNOWN), False),
    ],
)
def test_a_model_is_proven_by_all_at_once_for_two_intervals(seen: Seen, is_proven: bool) -> None:
    found = plan_set(rolling(3), world(rows_on(2, 2, 2), i1=seen))
    assert _proofs(found) == ([2] if is_proven else [])


def test_one_healthy_instance_of_many_proves_nothing() -> None:
    there = world(rows_on(2, 1))
    protected = replace(there, rows=(there.rows[0], there.rows[1].but(protection=Protection(True, True))))
    assert not _proofs(plan_set(rolling(2), protected))
    ended = replace(protected, upgrade=upgrade(status=RollingStatus.COMPLETED))
    assert _proofs(plan_set(rolling(2), ended)) == [2], "the other was passed over by an upgrade that completed"


def test_a_proven_model_is_proven_once_and_only_where_upgrades_roll() -> None:
    assert not _proofs(plan_set(rolling(1, proven_model_version=2), world(rows_on(2))))
    assert not _proofs(plan_set(wish(1, model_version=2), world(rows_on(2))))
