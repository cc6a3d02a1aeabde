"""Instance protection, as the table of reference 4.4: who may touch what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.api.targets import find_targets
from orchestrator.model.instance import Instance, Protection
from orchestrator.model.scale_set import ScaleSet
from orchestrator.plan.inputs import RepairWish
from orchestrator.plan.planner import plan_set
from tests.unit.plan.tables import DEAD, host, row, sick, wish, world

FREE = Protection()
FROM_SCALE_IN = Protection(from_scale_in=True)
FROM_ACTIONS = Protection(from_scale_in=True, from_scale_set_actions=True)
IMPLIED = Protection(from_scale_set_actions=True)


def _rows(protection: Protection) -> list[Instance]:
    """The protected one would be the first to go: it is the newest, in the fullest fault domain."""
    return [row(0), row(1, host="h2", fault_domain=1), row(2, protection=protection)]


def _scale_in(protection: Protection) -> bool:
    plan = plan_set(wish(2), world(_rows(protection)))
    return 2 in {step.instance_id for step in plan.decisions}


def _is_meant(body: dict[str, Any] | None, protection: Protection) -> bool:
    model = {"sku": {"capacity": 3}, "properties": {"orchestrationMode": "Uniform"}}
    record = ScaleSet("a" * 12, "s", "g", "web", "local", model)
    return 2 in {each.instance_id for each in find_targets(record, body, _rows(protection)).unprotected}


def _set_action(protection: Protection) -> bool:
    return _is_meant(None, protection)


def _star(protection: Protection) -> bool:
    return _is_meant({"instanceIds": ["*"]}, protection)


def _repair(protection: Protection) -> bool:
    plan = plan_set(wish(3, repair=RepairWish("Replace", 10.0)), world(_rows(protection), i2=sick()))
    return 2 in {step.instance_id for step in plan.decisions}


def _drain(protection: Protection) -> bool:
    hosts = [host("h1", is_draining=True), host("h2"), host("h3")]
    rows = [row(0, host="h2"), row(2, protection=protection)]
    return 2 in {step.instance_id for step in plan_set(wish(2), world(rows, hosts)).decisions}


def _named(protection: Protection) -> bool:
    return _is_meant({"instanceIds": ["2"]}, protection)


def _delete_set(protection: Protection) -> bool:
    plan = plan_set(wish(0, is_deleting=True), world(_rows(protection)))
    return 2 in {step.instance_id for step in plan.decisions}


@pytest.mark.parametrize(
    ("act", "free", "from_scale_in", "from_actions"),
    [
        pytest.param(_scale_in, True, False, False, id="scale-in"),
        pytest.param(_set_action, True, True, False, id="an action on the set"),
        pytest.param(_star, True, True, False, id="an action on all by star"),
        pytest.param(_repair, True, False, False, id="repair"),
        pytest.param(_drain, True, False, False, id="draining"),
        pytest.param(_named, True, True, True, id="a call that names it"),
        pytest.param(_delete_set, True, True, True, id="deletion of the set"),
    ],
)
def test_the_table_of_protection(
    act: Callable[[Protection], bool], free: bool, from_scale_in: bool, from_actions: bool
) -> None:
    assert act(FREE) is free
    assert act(FROM_SCALE_IN) is from_scale_in
    assert act(FROM_ACTIONS) is from_actions
    assert act(IMPLIED) is from_actions, "the second flag implies the first"


def test_a_dead_guest_of_a_protected_instance_is_started_again_in_place() -> None:
    plan = plan_set(wish(3, repair=RepairWish("Replace", 10.0)), world(_rows(FROM_ACTIONS), i2=DEAD))
    assert [(step.kind, step.instance_id) for step in plan.decisions] == [("repair", 2)]


def test_the_protected_above_the_wish_stay_and_a_note_says_so() -> None:
    rows = [each.but(protection=FROM_SCALE_IN) for each in _rows(FREE)]
    plan = plan_set(wish(1), world(rows))
    assert plan.steps == ()
    assert plan.notes == ("2 above the wanted capacity stay: they are protected from scale-in",)
