"""Repairs of one slot remember each other, until it has been well for long enough."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.health import Health
from orchestrator.model.instance import Stage, WantedPower
from orchestrator.plan.backoff import due_at
from orchestrator.plan.inputs import Rules, Seen, Sight
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import ForgetRepairs
from tests.unit.plan.tables import DEAD, NOW, SILENT, row, sick, wish, world

SETTLE_S = Rules().repair_settle_s
WELL = Seen(Sight.RUNNING, Health.HEALTHY, NOW - SETTLE_S)


def _forgets(changes: dict[str, Any], seen: Seen, **wishes: Any) -> bool:
    plan = plan_set(wish(1, **wishes), world([row(0, repairs=2, **changes)], i0=seen))
    return any(isinstance(step, ForgetRepairs) for step in plan.decisions)


@pytest.mark.parametrize(
    ("changes", "seen", "is_forgotten"),
    [
        ({}, WELL, True),
        ({"changed_at": NOW - SETTLE_S + 1}, WELL, False),  # well for long, but repaired just now
        ({}, Seen(Sight.RUNNING, Health.HEALTHY, NOW - SETTLE_S + 1), False),
        ({}, Seen(Sight.RUNNING, Health.INITIALIZING, 1000.0), False),
        ({}, Seen(Sight.RUNNING, None), False),  # nobody has asked yet: the daemon has just begun
        ({}, sick(1000.0), False),
        ({}, DEAD, False),
        ({}, SILENT, False),
        ({"stage": Stage.BOOTING}, WELL, False),
        ({"wanted_power": WantedPower.STOPPED}, WELL, False),
    ],
)
def test_earlier_repairs_are_forgotten_only_by_health_that_lasts(
    changes: dict[str, Any], seen: Seen, is_forgotten: bool
) -> None:
    assert _forgets(changes, seen) is is_forgotten


def test_without_a_health_source_running_for_long_is_enough() -> None:
    running = Seen(Sight.RUNNING)
    assert _forgets({"changed_at": NOW - SETTLE_S}, running, health_interval_s=None)
    assert not _forgets({"changed_at": NOW - SETTLE_S + 1}, running, health_interval_s=None)


def test_the_moment_of_forgetting_is_a_time_to_look_again() -> None:
    seen = Seen(Sight.RUNNING, Health.HEALTHY, NOW - 100)
    plan = plan_set(wish(1), world([row(0, repairs=1)], i0=seen))
    assert not plan.decides
    assert plan.look_again_at == NOW - 100 + SETTLE_S


def test_waiting_grows_with_each_repair_and_stays_finite() -> None:
    waits = [due_at(row(0, repairs=n, changed_at=0.0), Rules()) for n in (0, 1, 2, 3, 6, 7, 5000)]
    assert waits == [0.0, 5.0, 10.0, 20.0, 160.0, 300.0, 300.0]
