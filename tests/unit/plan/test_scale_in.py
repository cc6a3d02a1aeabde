"""Scale-in order (reference 4.3), its worked example included."""

from __future__ import annotations

import pytest

from orchestrator.model.health import Health
from orchestrator.model.instance import Cause, Instance, Protection, Stage, WantedPower
from orchestrator.plan.inputs import Seen, Sight
from orchestrator.plan.planner import plan_set
from orchestrator.plan.scale_in import choose_leaving
from orchestrator.plan.steps import GiveUpInstance
from tests.unit.plan.tables import DEAD, SILENT, host, row, sick, wish, world

ZONES = {"1": [3, 4, 5, 10], "2": [2, 6, 9, 11], "3": [1, 7, 8]}


def _example() -> list[Instance]:
    return [row(number, zone=zone, fault_domain=number % 3) for zone, ids in ZONES.items() for number in ids]


@pytest.mark.parametrize(("rule", "order"), [("OldestVM", [2, 3, 1, 4, 6, 5]), ("NewestVM", [11, 10, 9, 8, 5, 7])])
def test_the_worked_example_leaves_in_the_order_of_its_rule(rule: str, order: list[int]) -> None:
    chosen = choose_leaving(_example(), 6, rule)  # type: ignore[arg-type]
    assert [each.row.instance_id for each in chosen] == order


@pytest.mark.parametrize(
    ("domains", "count", "order"),
    [
        ({0: [0, 3], 1: [1], 2: [2]}, 1, [3]),
        ({0: [0, 3], 1: [1, 4], 2: [2]}, 3, [4, 3, 2]),
        ({0: [0], 1: [5, 1, 2]}, 2, [5, 2]),
        ({0: [0, 1, 2]}, 2, [2, 1]),
    ],
)
def test_the_default_rule_balances_fault_domains_and_then_takes_the_highest_id(
    domains: dict[int, list[int]], count: int, order: list[int]
) -> None:
    rows = [row(number, fault_domain=domain) for domain, ids in domains.items() for number in ids]
    assert [each.row.instance_id for each in choose_leaving(rows, count, "Default")] == order


def test_the_oldest_rule_does_not_look_at_fault_domains() -> None:
    rows = [row(0, fault_domain=0), row(1, fault_domain=1), row(2, fault_domain=1)]
    assert choose_leaving(rows, 1, "OldestVM")[0].row.instance_id == 0


@pytest.mark.parametrize("protection", [Protection(from_scale_in=True), Protection(from_scale_set_actions=True)])
def test_the_protected_are_never_chosen_even_when_nobody_else_is_left(protection: Protection) -> None:
    rows = [row(0), row(1, protection=protection)]
    assert [each.row.instance_id for each in choose_leaving(rows, 2, "Default")] == [0]


def test_what_never_came_up_leaves_before_what_serves() -> None:
    rows = [row(0, stage=Stage.FAILED), row(1), row(2, stage=Stage.WAITING, host=None)]
    assert [each.row.instance_id for each in choose_leaving(rows, 2, "NewestVM")] == [2, 0]


def test_the_unwell_leave_first_where_the_policy_says_so() -> None:
    rows = [row(0), row(1), row(2)]
    chosen = choose_leaving(rows, 1, "NewestVM", lambda each: each.instance_id == 0)
    assert chosen[0].row.instance_id == 0


def test_the_reason_names_the_fuller_fault_domain() -> None:
    rows = [row(0, fault_domain=0), row(1, fault_domain=1), row(2, fault_domain=1)]
    reason = choose_leaving(rows, 1, "Default")[0].reason
    assert reason == "highest id in fault domain 1, which has 2 while others have 1"


def test_the_default_rule_on_the_worked_example_goes_by_zone_then_fault_domain_then_highest_id() -> None:
    """By hand. 11: three fault domains of the fullest zones hold two, and it is the highest id in them. 10: zone 1
    has four, its fault domain 1 holds 4 and 10. 9 and 7: the zones have three each, and two fault domains hold two.
    5: zone 1 is the fullest. 8: all are even, it is the highest id."""
    assert [each.row.instance_id for each in choose_leaving(_example(), 6, "Default")] == [11, 10, 9, 7, 5, 8]


def test_the_default_rule_without_fault_domains_is_the_highest_id_of_the_fullest_zone() -> None:
    rows = [each.but(fault_domain=0) for each in _example()]
    assert [each.row.instance_id for each in choose_leaving(rows, 6, "Default")] == [11, 10, 9, 8, 5, 7]


@pytest.mark.parametrize(
    ("rule", "order"), [("Default", [4, 3, 5, 2]), ("OldestVM", [3, 4, 1, 2]), ("NewestVM", [4, 3, 5, 2])]
)
def test_what_stands_outside_the_wanted_zones_leaves_first(rule: str, order: list[int]) -> None:
    rows = [row(1), row(2, zone="2"), row(5), row(3, zone="3"), row(4, zone="3")]
    chosen = choose_leaving(rows, 4, rule, zones=("1", "2"))  # type: ignore[arg-type]
    assert [each.row.instance_id for each in chosen] == order


def test_among_the_unwell_the_rule_decides_and_zones_are_balanced() -> None:
    rows = [row(0), row(1), row(2), row(3, zone="2"), row(4, zone="2")]
    chosen = choose_leaving(rows, 3, "OldestVM", lambda each: each.instance_id in {1, 3, 4})
    assert [each.row.instance_id for each in chosen] == [1, 3, 4]


def test_what_is_deallocated_may_be_chosen() -> None:
    rows = [row(0), row(1, wanted_power=WantedPower.DEALLOCATED)]
    assert [each.row.instance_id for each in choose_leaving(rows, 1, "NewestVM")] == [1]


@pytest.mark.parametrize(
    ("changes", "seen", "goes"),
    [
        ({}, sick(), True),
        ({}, DEAD, True),
        ({"wanted_power": WantedPower.STOPPED}, DEAD, True),
        ({}, Seen(Sight.RUNNING, Health.HEALTHY), False),
        ({}, SILENT, False),
    ],
)
def test_prioritising_the_unhealthy_takes_what_is_unhealthy_or_does_not_run(
    changes: dict[str, object], seen: Seen, goes: bool
) -> None:
    rows = [row(0, **changes), row(1), row(2)]
    hosts = [host("h1"), host("h2")]
    plan = plan_set(wish(2, is_unhealthy_first=True), world(rows, hosts, i0=seen))
    gone = [step.instance_id for step in plan.decisions if isinstance(step, GiveUpInstance)]
    assert gone == [0 if goes else 2]


def test_what_is_in_quarantine_or_on_trial_is_never_chosen_by_the_rule() -> None:
    rows = [row(0), row(1), row(2, quarantined_at=1.0), row(3, is_on_trial=True, stage=Stage.BOOTING)]
    plan = plan_set(wish(1, is_overprovisioned=True), world(rows))
    gone = {step.instance_id: step.cause for step in plan.decisions if isinstance(step, GiveUpInstance)}
    assert gone == {1: Cause.SCALE, 3: Cause.SURPLUS}
