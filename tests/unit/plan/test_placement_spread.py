"""Spreading (reference 4.2), by worked examples: fault domains, groups, update domains, dedicated hosts."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.model.instance import Cause, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.inputs import HostFacts, Room
from orchestrator.plan.newcomers import Newcomers
from orchestrator.plan.placement import NoPlace, Place, Placer
from orchestrator.plan.planner import plan_set
from tests.unit.plan.tables import host, row, wish, world


def _hosts(count: int) -> dict[str, HostFacts]:
    return {f"h{n}": host(f"h{n}") for n in range(1, count + 1)}


def _domains(placer: Placer, count: int) -> list[int]:
    found = [placer.place() for _ in range(count)]
    return [place.fault_domain for place in found if isinstance(place, Place)]


# How many instances the five fault domains hold, for each number of instances.
OVER_FIVE = {
    1: [1, 0, 0, 0, 0],
    2: [1, 1, 0, 0, 0],
    3: [1, 1, 1, 0, 0],
    4: [1, 1, 1, 1, 0],
    5: [1, 1, 1, 1, 1],
    6: [2, 1, 1, 1, 1],
    7: [2, 2, 1, 1, 1],
    8: [2, 2, 2, 1, 1],
    9: [2, 2, 2, 2, 1],
    10: [2, 2, 2, 2, 2],
    11: [3, 2, 2, 2, 2],
    12: [3, 3, 2, 2, 2],
    13: [3, 3, 3, 2, 2],
    14: [3, 3, 3, 3, 2],
    15: [3, 3, 3, 3, 3],
    16: [4, 3, 3, 3, 3],
    17: [4, 4, 3, 3, 3],
    18: [4, 4, 4, 3, 3],
    19: [4, 4, 4, 4, 3],
    20: [4, 4, 4, 4, 4],
    21: [5, 4, 4, 4, 4],
    22: [5, 5, 4, 4, 4],
    23: [5, 5, 5, 4, 4],
    24: [5, 5, 5, 5, 4],
    25: [5, 5, 5, 5, 5],
}


@pytest.mark.parametrize(("count", "table"), OVER_FIVE.items())
@pytest.mark.parametrize("hosts", [5, 10])
def test_one_to_twenty_five_instances_over_five_fault_domains(count: int, table: list[int], hosts: int) -> None:
    counts = Counter(_domains(Placer(wish(count, fault_domain_count=5), _hosts(hosts), 64), count))
    assert sorted((counts[domain] for domain in range(5)), reverse=True) == table


@pytest.mark.parametrize(
    ("wanted", "count", "table"),
    [(2, 5, [3, 2]), (2, 6, [3, 3]), (3, 7, [3, 2, 2]), (3, 8, [3, 3, 2]), (3, 9, [3, 3, 3]), (4, 6, [2, 2, 1, 1])],
)
def test_fewer_fault_domains_are_made_by_folding_hosts(wanted: int, count: int, table: list[int]) -> None:
    counts = Counter(_domains(Placer(wish(count, fault_domain_count=wanted), _hosts(12), 64), count))
    assert sorted((counts[domain] for domain in range(wanted)), reverse=True) == table


def test_one_fault_domain_means_as_many_of_the_hosts_own_as_there_are() -> None:
    """Two hosts share a rack: the other rack takes as many as both together."""
    hosts = {
        "h1": host("h1", fault_domain=0),
        "h2": host("h2", fault_domain=0),
        "h3": host("h3", fault_domain=1),
    }
    placer = Placer(wish(4, fault_domain_count=1), hosts, 64)
    places = [placer.place() for _ in range(4)]
    assert {place.fault_domain for place in places if isinstance(place, Place)} == {0}
    assert Counter(place.host for place in places if isinstance(place, Place)) == {"h1": 1, "h2": 1, "h3": 2}


def test_too_few_fault_domains_hold_up_a_scale_out_and_say_so() -> None:
    hosts = {**_hosts(2), "h3": host("h3", silent_since=1.0)}
    found = Placer(wish(1, fault_domain_count=3), hosts, 64).place()
    assert found == NoPlace(
        "3 fault domains are wanted, and the hosts that answer make 2", "OverconstrainedAllocationRequest"
    )


def test_what_is_lost_is_replaced_on_the_fault_domains_that_are_left() -> None:
    hosts = {**_hosts(2), "h3": host("h3", silent_since=1.0)}
    assert isinstance(Placer(wish(1, fault_domain_count=3), hosts, 64).place(is_replacement=True), Place)


def test_fault_domains_are_counted_in_each_chosen_zone_and_a_thin_zone_is_passed_over() -> None:
    hosts = {
        "h1": host("h1", zone="1"),
        "h2": host("h2", zone="1"),
        "h3": host("h3", zone="2", fault_domain=0),
    }
    placer = Placer(wish(3, fault_domain_count=2, zones=("1", "2")), hosts, 64)
    places = [placer.place() for _ in range(3)]
    assert [place.zone for place in places if isinstance(place, Place)] == ["1", "1", "1"]


def test_the_refusal_names_azures_code_in_the_step() -> None:
    hosts = [host("h1"), host("h2", silent_since=1.0)]
    (step,) = plan_set(wish(1, fault_domain_count=2), world([], hosts)).decisions
    assert isinstance(step, steps.AddInstance)
    assert (step.host, step.shortage_code) == (None, "OverconstrainedAllocationRequest")


# Placement groups


def _newcomers(count: int, **changes: object) -> list[steps.AddInstance]:
    found = Newcomers.of(wish(count, **changes), world([], _hosts(5).values()))
    return [found.add(Cause.SCALE, "because") for _ in range(count)]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50]), (1000, [100] * 10)]
)
def test_a_placement_group_holds_a_hundred(count: int, sizes: list[int]) -> None:
    groups = Counter(step.placement_group for step in _newcomers(count))
    assert [groups[number] for number in range(len(sizes))] == sizes


def test_the_lowest_group_with_room_is_filled_first() -> None:
    rows = [row(n, placement_group=n // 100) for n in range(150) if n not in {3, 7}]
    found = Newcomers.of(wish(152), world(rows))
    assert [found.add(Cause.SCALE, "because").placement_group for _ in range(3)] == [0, 0, 1]


def test_a_group_has_five_update_domains_and_fills_the_emptiest() -> None:
    for group, domains in {0: [20] * 5, 1: [3, 3, 2, 2, 2]}.items():
        there = [step.update_domain for step in _newcomers(112) if step.placement_group == group]
        assert [there.count(number) for number in range(5)] == domains


def test_an_update_domain_that_lost_one_gets_the_next() -> None:
    rows = [row(n, update_domain=n % 5) for n in range(5) if n != 3]
    assert Newcomers.of(wish(5), world(rows)).add(Cause.SCALE, "because").update_domain == 3


def test_flexible_sets_have_neither_groups_nor_update_domains() -> None:
    assert {(step.placement_group, step.update_domain) for step in _newcomers(150, is_flexible=True)} == {(0, None)}


def test_a_single_group_takes_no_extras_beyond_its_hundred() -> None:
    most = wish(98, is_overprovisioned=True, has_single_placement_group=True)
    added = plan_set(most, world([], _hosts(5).values())).decisions
    assert len(added) == 100, "98 and two of the twenty extras"


# Dedicated hosts and proximity


def test_a_dedicated_host_takes_only_sets_of_its_group_and_those_stand_nowhere_else() -> None:
    hosts = {"h1": host("h1", host_group="gold"), "h2": host("h2")}
    gold = Placer(wish(1, host_group="gold"), hosts, 64)
    assert [place.host for place in (gold.place(), gold.place()) if isinstance(place, Place)] == ["h1", "h1"]
    others = Placer(wish(1), hosts, 64)
    assert [place.host for place in (others.place(), others.place()) if isinstance(place, Place)] == ["h2", "h2"]
    nowhere = Placer(wish(1, host_group="iron"), hosts, 64).place()
    assert nowhere == NoPlace(
        "h1: is in host group gold, not in host group iron; h2: is in no host group, not in host group iron"
    )


def test_a_proximity_placement_group_stays_in_the_zone_of_its_first_instance() -> None:
    hosts = {f"h{n}": host(f"h{n}", zone=str(n)) for n in (1, 2, 3)}
    free = Placer(wish(3, has_proximity_group=True), hosts, 64)
    assert {place.zone for place in (free.place(), free.place()) if isinstance(place, Place)} == {"1"}
    pinned = Placer(wish(3, has_proximity_group=True, proximity_zone="2"), hosts, 64)
    assert {place.zone for place in (pinned.place(), pinned.place()) if isinstance(place, Place)} == {"2"}


def test_a_full_proximity_zone_is_not_left_for_another() -> None:
    hosts = {"h1": host("h1", zone="1", room=Room(0, 0, 0)), "h2": host("h2", zone="2")}
    found = Placer(wish(1, has_proximity_group=True, proximity_zone="1"), hosts, 64).place()
    assert isinstance(found, NoPlace) and "its proximity placement group in 1" in found.shortage


def test_a_deallocated_instance_counts_in_its_zone_and_on_no_host() -> None:
    hosts = {"h1": host("h1", zone="1"), "h2": host("h2", zone="2"), "h3": host("h3", zone="2")}
    placer = Placer(wish(2), hosts, 64)
    placer.count([row(0, host="h2", zone="2", wanted_power=WantedPower.DEALLOCATED)])
    assert [place.host for place in (placer.place(), placer.place()) if isinstance(place, Place)] == ["h1", "h2"]


def test_what_waits_for_room_is_replaced_or_new_as_its_cause_says() -> None:
    """Of two that wait, the one that stands in for a lost instance does not wait for the third fault domain."""
    hosts = [host("h1"), host("h2"), host("h3", silent_since=1.0)]
    waiting = {"stage": Stage.WAITING, "host": None, "zone": None, "fault_domain": None, "booted_at": None}
    rows = [row(0, cause=Cause.SCALE, **waiting), row(1, cause=Cause.HOST_LOST, **waiting)]
    plan = plan_set(wish(2, fault_domain_count=3), world(rows, hosts))
    assert [step.instance_id for step in plan.decisions] == [1]
    assert plan.notes == ("0: waits for room: 3 fault domains are wanted, and the hosts that answer make 2",)
