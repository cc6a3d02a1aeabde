"""What failed again and again is kept for a look: who, how many, and for how long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.model.guest import HostCapacity, HostView
from orchestrator.model.host import HostLimits
from orchestrator.model.instance import Cause, Failure, Instance, Stage, WantedPower
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from orchestrator.plan.apply import applied
from orchestrator.plan.inputs import RepairWish, Rules, Seen, Sight
from orchestrator.plan.operations import judge_operation
from orchestrator.plan.planner import plan_set
from orchestrator.plan.rooms import room_left
from orchestrator.plan.steps import GiveUpInstance, Plan, QuarantineInstance
from tests.unit.plan.tables import DEAD, NOW, SILENT, host, row, sick, wish, world

REPLACING = wish(3, repair=RepairWish("Replace", 600.0))
OFF = Seen(Sight.DEAD)


def kept(number: int, **changes: Any) -> Instance:
    off = {"wanted_power": WantedPower.STOPPED, "is_hard_stop": True}
    return row(number, **{"quarantined_at": NOW - 500 + number, **off, **changes})


def _kinds(plan: Plan) -> list[tuple[str, int]]:
    return [(step.kind, step.instance_id) for step in plan.steps]


@pytest.mark.parametrize("seen", [DEAD, sick(NOW - 400)])
@pytest.mark.parametrize(("repairs", "kind"), [(0, "delete"), (1, "delete"), (2, "quarantine"), (5, "quarantine")])
def test_from_the_third_failure_of_a_slot_on_what_is_replaced_is_kept(repairs: int, kind: str, seen: Seen) -> None:
    rows = [row(0), row(1, repairs=repairs), row(2)]
    plan = plan_set(REPLACING, world(rows, i1=seen))
    assert [(step.kind, step.instance_id) for step in plan.decisions] == [(kind, 1), ("add", 100)]
    assert getattr(plan.decisions[1], "repairs", None) == repairs + 1


@pytest.mark.parametrize("rules", [Rules(quarantine_after=0), Rules(quarantine_most=0)])
def test_quarantine_can_be_turned_off(rules: Rules) -> None:
    there = replace(world([row(0), row(1, repairs=4), row(2)], i1=sick(NOW - 400)), rules=rules)
    assert plan_set(REPLACING, there).decisions[0].kind == "delete"


@pytest.mark.parametrize("action", ["Restart", "Reimage"])
def test_what_is_repaired_in_place_is_not_kept(action: Any) -> None:
    repairing = replace(REPLACING, repair=RepairWish(action, 600.0))
    plan = plan_set(repairing, world([row(0), row(1, repairs=4), row(2)], i1=sick(NOW - 400)))
    assert [step.kind for step in plan.decisions] == ["repair"]


def test_a_sick_one_too_many_is_given_up_without_a_look_at_it() -> None:
    rows = [row(0), row(1, repairs=4), row(2), row(3)]
    plan = plan_set(REPLACING, world(rows, i1=sick(NOW - 400)))
    assert plan.decisions == (GiveUpInstance(1, plan.decisions[0].reason, Cause.REPAIR),)


def test_in_quarantine_it_counts_no_longer_is_to_be_off_and_says_why() -> None:
    step = QuarantineInstance(1, "because")
    after = applied(step, row(1, repairs=2), REPLACING, Sight.RUNNING, NOW, lambda: ("", ""))
    assert after is not None and not after.counts
    assert (after.wanted_power, after.is_hard_stop, after.quarantined_at) == (WantedPower.STOPPED, True, NOW)
    assert after.failure == Failure("RepeatedFailures", "because", NOW)


def test_its_guest_is_switched_off_and_then_nothing_more_happens() -> None:
    rows = [row(0), row(1), row(2), kept(3)]
    plan = plan_set(REPLACING, world(rows))
    assert [(step.kind, step.instance_id, getattr(step, "is_hard", None)) for step in plan.steps] == [
        ("stop", 3, True)
    ]
    assert not plan_set(REPLACING, world(rows, i3=OFF)).steps


def test_its_host_may_be_silent_for_as_long_as_it_likes() -> None:
    hosts = [host("h1"), host("h2", silent_since=NOW - 9999), host("h3")]
    rows = [row(0), row(1), row(2), kept(3, host="h2")]
    assert not plan_set(REPLACING, world(rows, hosts, i3=SILENT)).steps


def test_its_successor_waits_until_it_is_off_but_not_for_a_host_that_is_silent() -> None:
    others = [row(0), row(1, host="h2", fault_domain=1), row(4, host="h3", fault_domain=2, stage=Stage.CREATING)]
    rows = [*others, kept(3, quarantined_at=NOW - 5)]
    absent = Seen(Sight.ABSENT)
    assert _kinds(plan_set(REPLACING, world(rows, i4=absent))) == [("stop", 3)]
    assert _kinds(plan_set(REPLACING, world(rows, i3=OFF, i4=absent))) == [("create", 4)]
    rows[3] = kept(3, quarantined_at=NOW - Rules().stuck_delete_s - 1)
    assert ("create", 4) in _kinds(plan_set(REPLACING, world(rows, i3=SILENT, i4=absent)))


def test_of_more_than_two_the_oldest_is_given_up() -> None:
    rows = [row(0), row(1), row(2), kept(5), kept(3), kept(4)]
    plan = plan_set(REPLACING, world(rows, i3=OFF, i4=OFF, i5=OFF))
    assert _kinds(plan) == [("delete", 3)]


def test_a_deleted_set_takes_them_along() -> None:
    plan = plan_set(replace(REPLACING, capacity=0, is_deleting=True), world([row(0), kept(3)], i3=OFF))
    assert sorted(_kinds(plan)) == [("delete", 0), ("delete", 3)]


def test_scale_in_and_repairs_do_not_see_them() -> None:
    rows = [row(0), row(1), kept(3)]
    plan = plan_set(wish(1, repair=REPLACING.repair), world(rows, i3=OFF))
    assert [(step.kind, step.instance_id) for step in plan.decisions] == [("delete", 1)]


def test_it_claims_no_memory_of_its_host() -> None:
    view = HostView((), (), HostCapacity(8, 1000, 0, 0, 1 << 40, 1 << 40))
    room = room_left(view, HostLimits(), [kept(3)], "i" * 8, (), vcpu_overcommit=1, disk_reserve_mib=64)
    assert (room.memory_mib, room.vcpus) == (1000, 8)


def test_an_operation_that_waits_for_it_ends_and_says_so() -> None:
    restart = Operation("1", OperationKind.RESTART, "a" * 12, NOW - 60, NOW + 60, {3: 1})
    verdict = judge_operation(restart, REPLACING, world([kept(3)], i3=OFF))
    assert verdict.status is OperationStatus.FAILED
    assert verdict.failure is not None and "taken out of service" in verdict.failure.message
