"""New instances, and the addresses that are left for them."""

from __future__ import annotations

import pytest

from orchestrator.plan.addresses import within_addresses
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import AddInstance, GiveUpInstance, Plan
from tests.unit.plan.tables import row, wish, world


def added(plan: Plan) -> list[int]:
    return [step.instance_id for step in plan.decisions if isinstance(step, AddInstance)]


@pytest.mark.parametrize(("room", "made"), [(5, [7, 8, 9]), (3, [7, 8, 9]), (2, [7, 8]), (0, []), (-1, [])])
def test_the_newest_are_left_out_as_many_as_have_no_address(room: int, made: list[int]) -> None:
    plan = within_addresses(plan_set(wish(3, next_instance_id=7), world([])), room, "net/web")
    assert added(plan) == made


def test_a_note_says_how_many_wait_and_where_nothing_is_left() -> None:
    plan = within_addresses(plan_set(wish(3), world([])), 1, "net/web")
    assert plan.notes[-1] == "2 more wait for an address: none is left in net/web"
    whole = plan_set(wish(3), world([]))
    assert within_addresses(whole, 3, "net/web") is whole


def test_what_makes_room_goes_on() -> None:
    """The one that goes frees the address of the one that comes."""
    leaving = GiveUpInstance(0, "it is sick", cause=next(iter(type(row(0).cause))))
    coming = plan_set(wish(2), world([row(0)])).decisions
    plan = within_addresses(Plan(decisions=(leaving, *coming)), 0, "net/web")
    assert plan.decisions == (leaving,)
    assert plan.decides
