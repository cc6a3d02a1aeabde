"""Where instances go (reference 4.2)."""

from __future__ import annotations

from collections import Counter

import pytest

from orchestrator.plan.inputs import Room
from orchestrator.plan.placement import NoPlace, Place, Placer
from tests.unit.plan.tables import host, row, wish


def test_zones_are_balanced_before_fault_domains() -> None:
    hosts = {"h1": host("h1", zone="1"), "h2": host("h2", zone="1"), "h3": host("h3", zone="2")}
    placer = Placer(wish(4), hosts, 64)
    zones = Counter(place.zone for place in (placer.place() for _ in range(4)) if isinstance(place, Place))
    assert zones == {"1": 2, "2": 2}


def test_only_the_wanted_zones_are_used() -> None:
    hosts = {"h1": host("h1", zone="1"), "h2": host("h2", zone="2")}
    placer = Placer(wish(2, zones=("2",)), hosts, 64)
    assert {place.host for place in (placer.place(), placer.place()) if isinstance(place, Place)} == {"h2"}


def test_hosts_fold_into_the_wanted_number_of_fault_domains() -> None:
    placer = Placer(wish(4, fault_domain_count=2), {f"h{n}": host(f"h{n}") for n in range(1, 5)}, 64)
    counts = Counter(place.fault_domain for place in (placer.place() for _ in range(4)) if isinstance(place, Place))
    assert counts == {0: 2, 1: 2}


@pytest.mark.parametrize(
    ("room", "word"),
    [
        (Room(1, 95, 1000), "memory: 96 MiB needed, 95 MiB left"),
        (Room(0, 1000, 1000), "vCPU: 1 needed, 0 left"),
        (Room(1, 1000, 63), "disk: 64 MiB needed, 63 MiB left"),
        (Room(1, 1000, 1000, 0), "guests: the host's limit is reached"),
    ],
)
def test_what_ran_out_is_named_with_its_host(room: Room, word: str) -> None:
    place = Placer(wish(1), {"h1": host("h1", room=room)}, 64).place()
    assert isinstance(place, NoPlace)
    assert place.shortage == f"h1: {word}"


def test_a_full_host_is_passed_over_and_counted_down_as_it_fills() -> None:
    hosts = {"h1": host("h1", room=Room(8, 96, 1000)), "h2": host("h2", room=Room(8, 1000, 1000))}
    placer = Placer(wish(3), hosts, 64)
    assert [place.host for place in (placer.place() for _ in range(3)) if isinstance(place, Place)] == [
        "h2",
        "h1",
        "h2",
    ]


def test_neither_a_silent_nor_a_draining_host_is_chosen() -> None:
    hosts = {"h1": host("h1", silent_since=1.0), "h2": host("h2", is_draining=True)}
    place = Placer(wish(1), hosts, 64).place()
    assert place == NoPlace("h1: does not answer; h2: is draining")


def test_only_hosts_on_the_network_of_the_set_are_chosen() -> None:
    hosts = {"h1": host("h1", address_space="office"), "h2": host("h2", address_space="lab")}
    placer = Placer(wish(2, address_space="lab"), hosts, 64)
    assert {place.host for place in (placer.place(), placer.place()) if isinstance(place, Place)} == {"h2"}
    nowhere = Placer(wish(1, address_space="home"), {"h1": hosts["h1"]}, 64).place()
    assert nowhere == NoPlace("h1: is on network office, not on home")


def test_what_stands_already_is_counted() -> None:
    placer = Placer(wish(2), {"h1": host("h1"), "h2": host("h2")}, 64)
    placer.count([row(0, host="h1")])
    place = placer.place()
    assert isinstance(place, Place) and place.host == "h2"
