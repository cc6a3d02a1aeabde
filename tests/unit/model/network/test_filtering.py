"""Which packets pass, by the rules that security groups are made into. A small judge goes through them as a packet
filter does: the first that fits."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from orchestrator.errors import BadInput
from orchestrator.model.guest import FilterRule
from orchestrator.model.network.filtering import MOST_RULES, CardContext, filter_rules

Json = dict[str, Any]
GUEST, NEIGHBOUR, DAEMON, OUTSIDE = "10.1.0.4", "10.1.0.9", "10.1.0.1", "203.0.113.7"
AROUND = CardContext(
    (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd20::/48")), (DAEMON,), ("10.1.0.53",)
)


def rule(priority: int, access: str, **more: Any) -> Json:
    own = {
        "priority": priority,
        "access": access,
        "direction": "Inbound",
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "*",
        **more,
    }
    return {"name": f"r{priority}", "properties": own}


def group(*rules: Json) -> Json:
    return {"properties": {"securityRules": list(rules)}}


def _fits(each: FilterRule, way: str, protocol: str, source: str, target: str, port: int) -> bool:
    ends = ((each.source, source), (each.target, target))
    return (
        each.direction in (way, "inout")
        and each.version == ipaddress.ip_address(source).version
        and each.protocol in ("all", protocol)
        and each.state != "ESTABLISHED,RELATED"
        and each.icmp_type is None
        and all(net is None or ipaddress.ip_address(one) in ipaddress.ip_network(net) for net, one in ends)
        and (each.target_ports is None or each.target_ports[0] <= port <= each.target_ports[1])
        and each.source_ports is None
    )


def passes(
    rules: tuple[FilterRule, ...],
    source: str,
    port: int,
    protocol: str = "tcp",
    target: str = GUEST,
    way: str = "in",
) -> bool:
    """Whether a new connection does."""
    found = (each.action for each in rules if _fits(each, way, protocol, source, target, port))
    return next(found, "accept") == "accept"


def test_without_a_group_everything_passes() -> None:
    assert filter_rules([], AROUND) == ()


def test_with_an_empty_group_the_network_comes_in_and_nobody_else() -> None:
    rules = filter_rules([group()], AROUND)
    assert passes(rules, NEIGHBOUR, 80)
    assert passes(rules, "fd20::9", 80, target="fd20::4")
    assert not passes(rules, OUTSIDE, 80)
    assert not passes(rules, "2001:db8::1", 80, target="fd20::4")


def test_what_begins_inside_goes_anywhere_until_a_rule_forbids_it() -> None:
    assert passes(filter_rules([group()], AROUND), GUEST, 443, target=OUTSIDE, way="out")
    shut = rule(100, "Deny", direction="Outbound", destinationAddressPrefix="Internet", protocol="*")
    rules = filter_rules([group(shut)], AROUND)
    assert not passes(rules, GUEST, 443, target=OUTSIDE, way="out")
    assert passes(rules, GUEST, 443, target=NEIGHBOUR, way="out")


def test_the_first_rule_by_priority_decides_wherever_it_stands() -> None:
    both = [rule(300, "Allow", destinationPortRange="80"), rule(200, "Deny", destinationPortRange="70-90")]
    assert not passes(filter_rules([group(*both)], AROUND), OUTSIDE, 80)
    both[0]["properties"]["priority"] = 100
    assert passes(filter_rules([group(*both)], AROUND), OUTSIDE, 80)
    assert not passes(filter_rules([group(*both)], AROUND), OUTSIDE, 81)


def test_a_rule_with_several_ports_and_prefixes_means_each_with_each() -> None:
    many = rule(
        100,
        "Allow",
        destinationPortRange=None,
        destinationPortRanges=["22", "8000-8010"],
        sourceAddressPrefix=None,
        sourceAddressPrefixes=["203.0.113.0/24", "198.51.100.1"],
    )
    rules = filter_rules([group(many)], AROUND)
    assert [passes(rules, source, port) for source in (OUTSIDE, "198.51.100.1") for port in (22, 8005)] == [
        True
    ] * 4
    assert not passes(rules, "198.51.100.2", 22)
    assert not passes(rules, OUTSIDE, 8011)
    assert not passes(rules, OUTSIDE, 22, protocol="udp")


def test_with_two_groups_both_have_to_allow() -> None:
    subnet = group(
        rule(100, "Allow", destinationPortRange="80-90"), rule(110, "Deny", sourceAddressPrefix=NEIGHBOUR)
    )
    card = group(rule(100, "Allow", destinationPortRange="85-99"))
    rules = filter_rules([subnet, card], AROUND)
    assert [port for port in (80, 84, 85, 90, 91, 99) if passes(rules, OUTSIDE, port)] == [85, 90]
    assert not passes(rules, NEIGHBOUR, 22)
    assert passes(rules, "10.1.0.10", 22)


def test_requests_and_probes_of_the_balancer_come_in_until_a_rule_forbids_it() -> None:
    assert passes(filter_rules([group()], AROUND), DAEMON, 80)
    shut = rule(100, "Deny", destinationPortRange="80")
    assert not passes(filter_rules([group(shut)], AROUND), DAEMON, 80)
    shut["properties"]["sourceAddressPrefix"] = "Internet"
    assert not passes(filter_rules([group(shut)], AROUND), DAEMON, 80)
    shut["properties"]["sourceAddressPrefix"] = "VirtualNetwork"
    assert passes(filter_rules([group(shut)], AROUND), DAEMON, 80)


def test_the_daemons_login_and_the_guests_names_are_never_closed() -> None:
    ways = [rule(100, "Deny", protocol="*"), rule(101, "Deny", protocol="*", direction="Outbound")]
    rules = filter_rules([group(*ways)], AROUND)
    assert passes(rules, DAEMON, 22)
    assert not passes(rules, NEIGHBOUR, 22)
    assert passes(rules, GUEST, 53, protocol="udp", target="10.1.0.53", way="out")
    assert not passes(rules, GUEST, 53, protocol="udp", target="10.1.0.54", way="out")


def test_a_tag_of_a_service_of_azures_is_nobody_here() -> None:
    assert not passes(filter_rules([group(rule(100, "Allow", sourceAddressPrefix="Storage"))], AROUND), OUTSIDE, 80)


def test_the_internet_is_all_that_is_outside_of_the_network() -> None:
    rules = filter_rules([group(rule(100, "Deny", sourceAddressPrefix="Internet", protocol="*"))], AROUND)
    assert passes(rules, NEIGHBOUR, 80)
    assert not passes(rules, "9.255.255.255", 80)
    assert not passes(rules, "10.2.0.0", 80)


def test_more_rules_than_a_host_can_order_are_refused() -> None:
    ports = [str(port) for port in range(1, MOST_RULES)]
    many = rule(100, "Allow", destinationPortRange=None, destinationPortRanges=ports)
    with pytest.raises(BadInput) as refused:
        filter_rules([group(many)], AROUND)
    assert refused.value.code == "SecurityRulesTooMany"
