"""Starting what was deallocated (reference 2): where its disk goes before it runs again."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.instance import Instance, Stage
from orchestrator.plan import steps
from orchestrator.plan.inputs import HostFacts, Room, Seen, Sight
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import MoveInstance, Plan
from tests.unit.plan.tables import host, row, wish, world

ABSENT = Seen(Sight.ABSENT)


def _starting(**changes: Any) -> Instance:
    return row(9, **{"stage": Stage.CREATING, **changes})


def _others(*hosts: str, **changes: Any) -> list[Instance]:
    return [row(n, host=name, fault_domain=int(name[1:]) - 1, **changes) for n, name in enumerate(hosts)]


def _plan(rows: list[Instance], hosts: list[HostFacts] | None = None, **changes: Any) -> Plan:
    return plan_set(wish(len(rows), **changes), world(rows, hosts or [host("h1"), host("h2")], i9=ABSENT))


def _moved_to(plan: Plan) -> str | None:
    return next((step.host for step in plan.decisions if isinstance(step, MoveInstance)), None)


@pytest.mark.parametrize(
    ("others", "host_name"),
    [
        ([], None),
        (["h1"], "h2"),
        (["h1", "h2"], None),
        (["h1", "h1", "h2"], "h2"),
        (["h1", "h2", "h2"], None),
    ],
)
def test_it_moves_where_its_fault_domain_would_hold_two_more(others: list[str], host_name: str | None) -> None:
    assert _moved_to(_plan([*_others(*others), _starting()])) == host_name


def test_the_reason_names_both_places() -> None:
    (step,) = _plan([*_others("h1", "h1", "h2"), _starting()]).decisions
    assert step.reason == (
        "it starts anew: fault domain 0 has 2 others; on host h2: fault domain 1 of zone 1 has 1"
    )


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"is_draining": True}, "host h1 is draining"),
        ({"room": Room(-1, -96, 1000)}, "host h1 has no room left"),
        ({"room": Room(64, 65_536, 1000, guests=-1)}, "host h1 has no room left"),
        ({"host_group": "gold"}, "host h1 is in host group gold, which is dedicated"),
    ],
)
def test_it_moves_away_from_a_host_that_cannot_take_it(changes: dict[str, Any], why: str) -> None:
    """The room a host reports has its own claim taken off already."""
    hosts = [host("h1", **changes), host("h2")]
    (step,) = _plan([*_others("h2", "h2"), _starting()], hosts).decisions
    assert isinstance(step, MoveInstance) and step.host == "h2"
    assert step.reason.startswith(f"it starts anew: {why}; on host h2")


def test_a_host_with_just_the_room_of_its_claim_keeps_it() -> None:
    hosts = [host("h1", room=Room(0, 0, 1000, guests=0)), host("h2")]
    assert _moved_to(_plan([*_others("h2"), _starting()], hosts)) is None


def test_where_no_other_host_takes_it_it_waits_for_its_own() -> None:
    hosts = [host("h1", is_draining=True), host("h2", room=Room(0, 0, 0))]
    plan = _plan([_starting()], hosts)
    assert plan.decisions == ()
    assert [step.kind for step in plan.actions] == ["create"]
    assert plan.notes == ("9: starts on host h1: host h1 is draining, and no other takes it",)


@pytest.mark.parametrize(
    "changes",
    [
        {"stage": Stage.READY},
        {"booted_at": None},
        {"moving_from": "h3"},
    ],
)
def test_only_what_starts_on_a_disk_of_its_own_moves_and_only_once(changes: dict[str, Any]) -> None:
    plan = _plan([*_others("h1", "h1", "h1"), _starting(**changes)], repair=None)
    assert _moved_to(plan) is None


def test_one_that_was_seen_there_is_not_moved() -> None:
    rows = [*_others("h1", "h1", "h1"), _starting()]
    plan = plan_set(wish(4), world(rows, [host("h1"), host("h2")], i9=Seen(Sight.DEAD)))
    assert _moved_to(plan) is None


def test_where_zones_were_chosen_it_stays_in_its_zone() -> None:
    hosts = [host("h1"), host("h2", zone="2"), host("h3")]
    rows = [*_others("h1", "h1"), _starting()]
    assert _moved_to(_plan(rows, hosts, zones=("1", "2"))) == "h3"
    assert _moved_to(_plan(rows, hosts)) == "h2", "without chosen zones the emptier zone is taken"


def test_of_many_that_start_at_once_only_as_many_move_as_even_it_out() -> None:
    rows = [_starting().but(instance_id=n) for n in range(4)]
    plan = plan_set(wish(4), world(rows, [host("h1"), host("h2")], **{f"i{n}": ABSENT for n in range(4)}))
    moves = [step for step in plan.decisions if isinstance(step, steps.MoveInstance)]
    assert len(moves) == 2
