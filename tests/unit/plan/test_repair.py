"""Automatic repair (reference 4.7) and its brake."""

from __future__ import annotations

import pytest

from orchestrator.model.health import Health
from orchestrator.model.instance import Protection, Stage, WantedPower
from orchestrator.plan.inputs import RepairWish, Seen, Sight
from orchestrator.plan.repair import RepairPlan, plan_repairs
from tests.unit.plan.tables import DEAD, NOW, SILENT, row, sick, wish, world

REPAIR = RepairWish("Replace", 600.0)


def _ids(plan: RepairPlan) -> list[int]:
    return [each.row.instance_id for each in plan.repairs]


def test_a_dead_guest_is_repaired_at_once_without_any_grace() -> None:
    rows = [row(0), row(1, changed_at=NOW), row(2)]
    assert _ids(plan_repairs(wish(3, repair=REPAIR), world(rows, i1=DEAD))) == [1]


@pytest.mark.parametrize("health", [Health.UNHEALTHY, Health.UNKNOWN])
def test_the_unhealthy_and_the_unknown_are_repaired_after_their_grace(health: Health) -> None:
    rows = [row(0), row(1), row(2)]
    found = plan_repairs(wish(3, repair=REPAIR), world(rows, i1=sick(NOW - 60, health)))
    assert _ids(found) == [1]
    assert health.value in found.repairs[0].reason


def test_the_initializing_are_left_alone() -> None:
    seen = Seen(Sight.RUNNING, Health.INITIALIZING, 1000.0)
    assert not plan_repairs(wish(1, repair=REPAIR), world([row(0)], i0=seen)).repairs


def test_within_its_grace_nothing_is_repaired_and_the_end_of_grace_is_a_time_to_look_again() -> None:
    rows = [row(0), row(1, changed_at=NOW - 100), row(2)]
    found = plan_repairs(wish(3, repair=REPAIR), world(rows, i1=sick(NOW - 60)))
    assert not found.repairs
    assert found.look_again_at == NOW + 500


def test_at_most_five_percent_and_at_least_one_are_repaired_at_once() -> None:
    few = [row(n) for n in range(10)]
    assert len(plan_repairs(wish(10, repair=REPAIR), world(few, i1=DEAD, i2=DEAD)).repairs) == 1
    many = [row(n) for n in range(60)]
    dead = {f"i{n}": DEAD for n in range(5)}
    assert len(plan_repairs(wish(60, repair=REPAIR), world(many, **dead)).repairs) == 3


def test_a_repair_that_is_still_under_way_counts_against_the_share() -> None:
    rows = [row(0), row(1, repairs=1, stage=Stage.BOOTING, changed_at=NOW - 10), row(2)]
    found = plan_repairs(wish(3, repair=REPAIR), world(rows, i2=DEAD))
    assert not found.repairs
    assert found.notes == ("repair of web_2 waits: at most 1 at once",)


@pytest.mark.parametrize(
    "changes",
    [
        {"protection": Protection(from_scale_in=True)},
        {"stage": Stage.FAILED},
        {"wanted_power": WantedPower.STOPPED},
        {"wanted_power": WantedPower.DEALLOCATED},
        {"is_gone": True},
    ],
)
def test_protected_failed_stopped_and_leaving_instances_are_skipped(changes: dict[str, object]) -> None:
    rows = [row(0), row(1), row(2, **changes)]
    assert not plan_repairs(wish(3, repair=REPAIR), world(rows, i2=sick(NOW - 60))).repairs


def test_a_guest_on_a_silent_host_is_not_dead() -> None:
    assert not plan_repairs(wish(1, repair=REPAIR), world([row(0)], i0=SILENT)).repairs


@pytest.mark.parametrize("changes", [{"repair": None}, {"repair": REPAIR, "is_repair_suspended": True}])
def test_where_repair_is_off_or_suspended_a_dead_guest_is_started_in_place(
    changes: dict[str, object],
) -> None:
    found = plan_repairs(wish(1, **changes), world([row(0)], i0=DEAD))
    assert [(each.action, each.repairs) for each in found.repairs] == [("Restart", 1)]


def test_suspended_repairs_say_so() -> None:
    found = plan_repairs(wish(1, repair=REPAIR, is_repair_suspended=True), world([row(0)], i0=sick(NOW - 60)))
    assert found.notes == ("automatic repairs are suspended",)


def test_too_many_sick_at_once_are_an_outage_and_held() -> None:
    rows = [row(n, host=f"h{n % 3 + 1}") for n in range(6)]
    found = plan_repairs(wish(6, repair=REPAIR), world(rows, i0=sick(NOW - 60), i1=sick(NOW - 60)))
    assert not found.repairs
    assert "2 of 6 instances are unhealthy at once" in found.notes[0]


def test_a_whole_host_of_sick_guests_is_an_outage() -> None:
    rows = [row(n, host=f"h{n % 6 + 1}") for n in range(12)]
    found = plan_repairs(wish(12, repair=REPAIR), world(rows, i0=sick(NOW - 60), i6=sick(NOW - 60)))
    assert not found.repairs
    assert "all 2 instances on host h1" in found.notes[0]


def test_after_the_hold_an_outage_is_repaired_one_at_a_time() -> None:
    rows = [row(n, host=f"h{n % 3 + 1}") for n in range(60)]
    ill = {f"i{n}": sick(NOW - 400) for n in range(30)}
    assert len(plan_repairs(wish(60, repair=REPAIR), world(rows, **ill)).repairs) == 1


def test_while_another_instance_just_turned_the_picture_is_not_taken_for_true() -> None:
    rows = [row(0), row(1), row(2)]
    turned = Seen(Sight.RUNNING, Health.HEALTHY, NOW - 2)
    found = plan_repairs(wish(3, repair=REPAIR), world(rows, i0=turned, i1=sick(NOW - 60)))
    assert not found.repairs
    assert found.look_again_at == NOW + 8


def test_a_slot_that_was_repaired_before_waits_longer_each_time() -> None:
    for repairs, backoff in [(1, 5), (2, 10), (3, 20), (10, 300)]:
        early = [row(0, repairs=repairs, changed_at=NOW - backoff + 1)]
        assert not plan_repairs(wish(1, repair=REPAIR), world(early, i0=DEAD)).repairs
        late = [row(0, repairs=repairs, changed_at=NOW - backoff)]
        assert _ids(plan_repairs(wish(1, repair=REPAIR), world(late, i0=DEAD))) == [0]
