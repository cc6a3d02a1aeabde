"""Automatic repair (reference 4.7) and its brake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.model.health import Health
from orchestrator.model.instance import Protection, Stage, WantedPower
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.plan.inputs import RepairWish, Rules, Seen, Sight
from orchestrator.plan.planner import plan_set
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
        {"wanted_power": WantedPower.HIBERNATED},
        {"is_gone": True},
        {"quarantined_at": NOW - 500},
        {"moving_from": "h2"},
        {"is_on_trial": True},
    ],
)
def test_what_repairs_may_not_touch_is_skipped(changes: dict[str, object]) -> None:
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
        assert not plan_repairs(wish(1), world(early, i0=DEAD)).repairs
        late = [row(0, repairs=repairs, changed_at=NOW - backoff)]
        assert _ids(plan_repairs(wish(1), world(late, i0=DEAD))) == [0]


@pytest.mark.parametrize(
    ("capacity", "most"), [(1, 1), (19, 1), (20, 1), (39, 1), (40, 2), (60, 3), (100, 5), (340, 17), (1000, 50)]
)
def test_the_share_of_five_percent_is_rounded_down_and_at_least_one(capacity: int, most: int) -> None:
    rows = [row(n) for n in range(capacity)]
    dead = {f"i{n}": DEAD for n in range(min(capacity, most + 1))}
    assert len(plan_repairs(wish(capacity, repair=REPAIR), world(rows, **dead)).repairs) == most


def test_a_change_of_the_set_begins_the_grace_of_all_anew() -> None:
    rows = [row(0), row(1), row(2)]
    found = plan_repairs(wish(3, repair=REPAIR, changed_at=NOW - 10), world(rows, i1=sick(NOW - 60)))
    assert not found.repairs
    assert found.look_again_at == NOW + 590


@pytest.mark.parametrize("status", [RollingStatus.ROLLING_FORWARD, RollingStatus.COMPLETED])
@pytest.mark.parametrize("where", [{"batch": {1: 1}}, {"surged": (1,)}])
def test_the_batch_of_a_running_upgrade_is_left_to_the_upgrade(
    status: RollingStatus, where: dict[str, object]
) -> None:
    upgrade = RollingUpgrade("u", "a" * 12, UpgradeReason.MODEL, 2, NOW - 900, status=status).but(**where)
    seen = replace(world([row(0), row(1), row(2)], i1=sick(NOW - 60)), upgrade=upgrade)
    assert _ids(plan_repairs(wish(3, repair=REPAIR), seen)) == ([] if upgrade.is_running else [1])
    dead = replace(world([row(0), row(1), row(2)], i1=DEAD), upgrade=upgrade)
    [healed] = plan_repairs(wish(3, repair=REPAIR), dead).repairs
    assert healed.action == ("Restart" if upgrade.is_running else "Replace")


def test_a_dead_guest_of_a_protected_instance_is_started_in_place() -> None:
    rows = [row(0, protection=Protection(from_scale_in=True))]
    [healed] = plan_repairs(wish(1, repair=REPAIR), world(rows, i0=DEAD)).repairs
    assert healed.action == "Restart"


def test_after_the_hold_the_next_of_an_outage_waits_for_the_one_before() -> None:
    rows = [row(n, host=f"h{n % 3 + 1}") for n in range(60)]
    ill = {f"i{n}": sick(NOW - 400) for n in range(30)}
    mending = [each.but(repairs=1, stage=Stage.BOOTING) if each.instance_id == 40 else each for each in rows]
    mending[40] = mending[40].but(changed_at=NOW - 10)
    found = plan_repairs(wish(60, repair=REPAIR), world(mending, **ill))
    assert not found.repairs
    assert found.notes == ("repairs go on one at a time: 30 of 60 instances are unhealthy at once",)


def test_one_that_flaps_beyond_the_share_does_not_prolong_the_hold() -> None:
    rows = [row(n, host=f"h{n % 3 + 1}") for n in range(6)]
    ill = {f"i{n}": sick(NOW - 400) for n in range(4)} | {"i4": sick(NOW - 20)}
    assert len(plan_repairs(wish(6, repair=REPAIR), world(rows, **ill)).repairs) == 1


def test_repairs_that_do_not_help_suspend_themselves_and_repair_nothing_more() -> None:
    rows = [row(0, repairs=6), row(1), row(2)]
    there = world(rows, i0=sick(NOW - 400))
    found = plan_repairs(wish(3, repair=REPAIR), there)
    assert not found.repairs
    assert found.suspension is not None and "6 repairs of web_0" in found.suspension
    plan = plan_set(wish(3, repair=REPAIR), there)
    assert [step.kind for step in plan.set_decisions] == ["suspend_repairs"]
    assert not plan.decisions


def test_repairs_never_suspend_themselves_where_that_is_turned_off() -> None:
    there = replace(world([row(0, repairs=50), row(1)], i0=sick(NOW - 400)), rules=Rules(suspend_after=0))
    found = plan_repairs(wish(2, repair=REPAIR), there)
    assert found.suspension is None
    assert _ids(found) == [0]


def test_a_guest_that_dies_again_and_again_in_place_is_told_of_once_it_is_hopeless() -> None:
    patient = [row(0, repairs=5, changed_at=NOW - 100)]
    assert not plan_repairs(wish(1), world(patient, i0=DEAD)).notes
    hopeless = [row(0, repairs=6, changed_at=NOW - 1)]
    [note] = plan_repairs(wish(1), world(hopeless, i0=DEAD)).notes
    assert "web_0: started again 6 times or more" in note


@pytest.mark.parametrize(("action", "is_reimage"), [("Restart", False), ("Reimage", True)])
def test_a_repair_in_place_keeps_the_id_and_says_whether_the_disk_is_new(action: str, is_reimage: bool) -> None:
    repairing = wish(3, repair=RepairWish(action, 600.0))  # type: ignore[arg-type]
    plan = plan_set(repairing, world([row(0), row(1), row(2)], i1=sick(NOW - 60)))
    [step] = plan.decisions
    assert (step.kind, step.instance_id, getattr(step, "is_reimage", None)) == ("repair", 1, is_reimage)
