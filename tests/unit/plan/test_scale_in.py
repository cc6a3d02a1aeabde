"""Scale-in order (reference 4.3), its worked example included."""

from __future__ import annotations

import pytest

from orchestrator.model.instance import Instance, Protection, Stage
from orchestrator.plan.scale_in import choose_leaving
from tests.unit.plan.tables import row

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
