"""Which port of a range leads to which instance."""

from __future__ import annotations

from typing import Any

from orchestrator.model.resource_id import parse_resource_id
from orchestrator.plan.nat_ports import NatRange, Ports, nat_ports, nat_ranges

LB = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/loadBalancers/LB"
POOL = NatRange("nat", "nat", 50000, 50002)
A, B, C, D = (("a", number) for number in range(4))


def shared(inside: list[Any], held: dict[Any, int] | None = None, newcomers: list[Any] | None = None) -> Ports:
    new = frozenset(inside if newcomers is None else newcomers)
    return nat_ports([POOL], {"nat": inside}, {"nat": held or {}}, new)


def test_each_gets_the_lowest_free_port_in_the_order_of_their_numbers() -> None:
    assert shared([C, A, B]).ports == {"nat": {A: 50000, B: 50001, C: 50002}}


def test_a_port_is_kept_when_others_go_and_the_freed_one_goes_to_the_next() -> None:
    held = {A: 50000, B: 50001, C: 50002}
    assert shared([B, C], held).ports["nat"] == {B: 50001, C: 50002}
    assert shared([B, C, D], held).ports["nat"] == {B: 50001, C: 50002, D: 50000}


def test_when_the_range_is_used_up_the_newest_has_none_and_is_named() -> None:
    found = shared([A, B, C, D])
    assert found.ports["nat"] == {A: 50000, B: 50001, C: 50002}
    assert found.short == (("nat", D),)


def test_a_port_outside_of_a_range_that_moved_is_given_up_for_one_inside() -> None:
    assert shared([A, B], {A: 40000, B: 50000}).ports["nat"] == {A: 50001, B: 50000}


def test_what_is_on_its_way_out_keeps_its_port_and_gets_no_new_one() -> None:
    assert shared([A, B], {A: 50001}, newcomers=[]).ports["nat"] == {A: 50001}


def test_one_that_left_the_pool_holds_nothing_of_it() -> None:
    assert shared([], {A: 50000}).ports == {"nat": {}}


def test_ranges_are_those_of_nat_pools_and_of_rules_that_are_for_a_pool() -> None:
    ports = {"frontendPortRangeStart": 1, "frontendPortRangeEnd": 9}
    body = {
        "properties": {
            "inboundNatPools": [{"name": "Nat", "properties": ports}],
            "inboundNatRules": [
                {
                    "name": "Many",
                    "properties": {**ports, "backendAddressPool": {"id": f"{LB}/backendAddressPools/P"}},
                },
                {"name": "one", "properties": {"frontendPort": 22}},
            ],
        }
    }
    own = f"{LB}/inboundNatPools/Nat".lower()
    many = f"{LB}/inboundNatRules/Many".lower()
    assert list(nat_ranges(parse_resource_id(LB), body)) == [
        NatRange(own, own, 1, 9),
        NatRange(many, f"{LB}/backendAddressPools/P".lower(), 1, 9),
    ]
