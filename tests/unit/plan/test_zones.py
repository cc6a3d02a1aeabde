"""Zones (reference 4.2) as tables: when they are balanced, what is placed while zones are down, what is refused."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.model.instance import Instance, Protection, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.inputs import HostFacts, Room
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import Plan
from orchestrator.plan.zones import is_balanced, zone_counts, zones_down
from tests.unit.plan.tables import host, row, wish, world

ZONES = ("1", "2", "3")


def _site(down: str = "", full: str = "") -> list[HostFacts]:
    """Two hosts in each of three zones."""
    return [
        host(
            f"h{n}",
            zone=str((n - 1) % 3 + 1),
            silent_since=9_999.0 if str((n - 1) % 3 + 1) in down else None,
            room=Room(0, 0, 0) if str((n - 1) % 3 + 1) in full else Room(64, 65_536, 100_000),
        )
        for n in range(1, 7)
    ]


def _rows(counts: tuple[int, int, int], **changes: object) -> list[Instance]:
    """Instances in zones 1, 2 and 3, ids in turn."""
    rows = []
    for zone, count in zip(ZONES, counts, strict=True):
        for n in range(count):
            number = len(rows)
            rows.append(row(number, zone=zone, host=f"h{int(zone) + 3 * (n % 2)}", **changes))
    return rows


def _added(plan: Plan) -> list[str | None]:
    return [step.zone for step in plan.decisions if isinstance(step, steps.AddInstance)]


@pytest.mark.parametrize(
    ("counts", "balanced"),
    [
        ((0, 0, 0), True),
        ((1, 0, 0), True),
        ((1, 1, 0), True),
        ((2, 0, 0), False),
        ((2, 1, 1), True),
        ((2, 2, 1), True),
        ((3, 1, 2), False),
        ((5, 5, 5), True),
        ((5, 4, 6), False),
        ((10, 11, 10), True),
        ((10, 12, 11), False),
    ],
)
def test_zones_are_balanced_within_one_of_each_other(counts: tuple[int, int, int], balanced: bool) -> None:
    assert is_balanced(zone_counts(_rows(counts), ZONES)) is balanced


def test_failed_and_deallocated_instances_count_in_the_balance() -> None:
    rows = [row(0, zone="1"), row(1, zone="2", stage=Stage.FAILED)]
    rows.append(row(2, zone="3", wanted_power=WantedPower.DEALLOCATED))
    assert zone_counts(rows, ZONES) == {"1": 1, "2": 1, "3": 1}


@pytest.mark.parametrize(
    ("before", "capacity", "after"),
    [
        ((0, 0, 0), 1, (1, 0, 0)),
        ((0, 0, 0), 7, (3, 2, 2)),
        ((2, 2, 2), 8, (3, 3, 2)),
        ((4, 0, 0), 5, (4, 1, 0)),
        ((4, 0, 0), 8, (4, 2, 2)),
        ((4, 1, 2), 10, (4, 3, 3)),
        ((1, 3, 3), 9, (3, 3, 3)),
    ],
)
def test_a_scale_out_feeds_the_emptiest_zones_and_moves_nothing(
    before: tuple[int, int, int], capacity: int, after: tuple[int, int, int]
) -> None:
    rows = _rows(before)
    plan = plan_set(wish(capacity, zones=ZONES), world(rows, _site()))
    found = Counter([*(each.zone for each in rows), *_added(plan)])
    assert tuple(found[zone] for zone in ZONES) == after
    assert all(isinstance(step, steps.AddInstance) for step in plan.decisions)


@pytest.mark.parametrize(
    ("before", "capacity", "after"),
    [
        ((3, 2, 2), 6, (2, 2, 2)),
        ((3, 2, 2), 4, (2, 1, 1)),
        ((5, 2, 2), 6, (2, 2, 2)),
        ((4, 4, 1), 6, (3, 2, 1)),
        ((1, 1, 4), 3, (1, 1, 1)),
    ],
)
@pytest.mark.parametrize("rule", ["Default", "OldestVM", "NewestVM"])
def test_a_scale_in_takes_from_the_fullest_zones(
    before: tuple[int, int, int], capacity: int, after: tuple[int, int, int], rule: str
) -> None:
    rows = _rows(before)
    plan = plan_set(wish(capacity, zones=ZONES, scale_in_rule=rule), world(rows, _site()))
    gone = {step.instance_id for step in plan.decisions}
    left = Counter(each.zone for each in rows if each.instance_id not in gone)
    assert sorted(left[zone] for zone in ZONES) == sorted(after)


# What is placed while zones are down; two new instances are wanted.
@pytest.mark.parametrize(
    ("down", "is_strict", "zones", "codes"),
    [
        ("", False, ["1", "2"], set()),
        ("3", False, ["1", "2"], set()),
        ("1", False, ["2", "3"], set()),
        ("23", False, [None, None], {"ZonalAllocationFailed"}),
        ("123", False, [None, None], {"ZonalAllocationFailed"}),
        ("3", True, ["1", "2"], set()),
        ("23", True, [None, None], {"ZonalAllocationFailed"}),
    ],
)
def test_one_zone_down_is_borne_and_two_are_waited_for(
    down: str, is_strict: bool, zones: list[str | None], codes: set[str]
) -> None:
    rows = _rows((1, 1, 1))
    plan = plan_set(wish(5, zones=ZONES, is_zone_balance_strict=is_strict), world(rows, _site(down)))
    added = [step for step in plan.decisions if isinstance(step, steps.AddInstance)]
    assert [step.zone for step in added] == zones
    assert {step.shortage_code for step in added if step.shortage} == codes


def test_the_shortage_names_the_zones_that_are_down() -> None:
    (step,) = plan_set(wish(1, zones=ZONES), world([], _site("23"))).decisions
    assert isinstance(step, steps.AddInstance) and step.shortage is not None
    assert step.shortage == "zones 2 and 3 of 3 are down, and with one at most it would go on"


def test_a_zone_whose_hosts_are_all_silent_or_serve_others_is_down() -> None:
    hosts = [host("h1", zone="1"), host("h2", zone="2", silent_since=1.0), host("h3", zone="3", host_group="gold")]
    assert zones_down(wish(1, zones=ZONES), hosts) == ["2", "3"]


@pytest.mark.parametrize("full", ["3", "13"])
def test_best_effort_passes_over_a_full_zone_and_strict_waits_for_it(full: str) -> None:
    rows = _rows((2, 2, 1))
    loose = plan_set(wish(6, zones=ZONES), world(rows, _site(full=full)))
    assert _added(loose) == ["1" if full == "3" else "2"]
    (step,) = plan_set(wish(6, zones=ZONES, is_zone_balance_strict=True), world(rows, _site(full=full))).decisions
    assert isinstance(step, steps.AddInstance) and step.shortage is not None
    assert step.host is None and step.shortage_code == "ZonalAllocationFailed"
    assert step.shortage.startswith("zone balance is strict, and the emptiest zone 3 takes none: h1: ")


def _guarded(rows: list[Instance], zone: str) -> list[Instance]:
    return [each.but(protection=Protection(from_scale_in=True)) if each.zone == zone else each for each in rows]


def test_strict_balance_ends_a_scale_in_that_protection_would_make_uneven() -> None:
    rows = _guarded(_rows((2, 2, 2)), "1")
    loose = plan_set(wish(2, zones=ZONES), world(rows, _site()))
    assert len(loose.decisions) == 4
    strict = plan_set(wish(2, zones=ZONES, is_zone_balance_strict=True), world(rows, _site()))
    assert len(strict.decisions) == 2, "one of zone 2 and one of zone 3"
    assert strict.notes == ("2 above the wanted capacity stay: zone balance is strict and would be lost",)


def test_after_zones_were_chosen_what_stands_outside_them_leaves_first() -> None:
    rows = _rows((2, 2, 1))
    plan = plan_set(wish(4, zones=("1", "2"), scale_in_rule="OldestVM"), world(rows, _site()))
    (step,) = plan.decisions
    assert step.instance_id == 4 and "zone 3 is not one of the set's" in step.reason


def test_zones_added_later_move_nothing() -> None:
    plan = plan_set(wish(3, zones=("1", "2")), world(_rows((3, 0, 0)), _site()))
    assert plan.steps == ()
