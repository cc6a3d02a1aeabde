"""Cards and addresses of instances on subnets that a configured network carries."""

from __future__ import annotations

import pytest

from orchestrator.control.specs import AddressSpaces
from orchestrator.errors import NotPossible
from orchestrator.model.addresses import AddressSpace, mac_of
from orchestrator.model.arm.scale_set import ScaleSetResource, parse_scale_set
from orchestrator.model.guest import Owner
from orchestrator.model.network.subnets import CarriedSubnet, Carriers, card_problems, carried_subnets
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import parse_resource_id

FABRIC = AddressSpace(
    "fabric", "10.90.0.0/16", "10.90.1.0", "10.90.1.9", carries=("10.0.0.0/8", "fd00::/8"), interface="br0"
)
PLAIN = AddressSpace("plain", "192.168.7.0/24", "192.168.7.10", "192.168.7.20")
CARRIERS = Carriers((FABRIC,), ("10.90.0.0/16", "10.91.0.0/24"))
NET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/net"


def network(**prefixes: list[str]) -> StoredResource:
    subnets = [{"name": name, "properties": {"addressPrefixes": each}} for name, each in prefixes.items()]
    body = {"properties": {"subnets": subnets, "dhcpOptions": {"dnsServers": ["10.0.0.53"]}}}
    return StoredResource(parse_resource_id(NET), "local", body, created_at=0, changed_at=0)


def carried(**prefixes: list[str]) -> dict[str, CarriedSubnet]:
    return carried_subnets([network(**prefixes)], CARRIERS, ["fabric", "plain"])


CardAsked = tuple[str, list[tuple[str, str, str]]]


def model(*cards: CardAsked) -> ScaleSetResource:
    """Cards by name, each with configurations (name, subnet, version); the first of each is the primary one."""
    made = []
    for number, (name, configurations) in enumerate(cards):
        addresses = [
            {
                "name": each,
                "properties": {
                    "subnet": {"id": f"{NET}/subnets/{subnet}"},
                    "privateIPAddressVersion": version,
                    "primary": place == 0,
                },
            }
            for place, (each, subnet, version) in enumerate(configurations)
        ]
        made.append({"name": name, "properties": {"primary": number == 0, "ipConfigurations": addresses}})
    profile = {
        "storageProfile": {"imageReference": {"id": "/providers/Vmss.Local/images/micro"}},
        "networkProfile": {"networkInterfaceConfigurations": made},
    }
    body = {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 1},
        "properties": {"virtualMachineProfile": profile},
    }
    return parse_scale_set(body, name="web")


def test_a_carried_subnet_keeps_the_first_four_addresses_and_the_last_back() -> None:
    [subnet] = carried(web=["10.1.0.0/29", "fd20::/64"]).values()
    four, six = subnet.spaces["IPv4"], subnet.spaces["IPv6"]
    assert (four.first, four.last, four.gateway) == ("10.1.0.4", "10.1.0.6", "10.1.0.1")
    assert (six.first, six.gateway, six.prefix_length) == ("fd20::4", "fd20::1", 64)
    assert four.allocate(3, set()) == ["10.1.0.4", "10.1.0.5", "10.1.0.6"]
    assert six.allocate(2, {"fd20::4"}) == ["fd20::5", "fd20::6"]
    assert four.dns == ("10.0.0.53",)


def test_a_full_subnet_is_named() -> None:
    [subnet] = carried(web=["10.1.0.0/29"]).values()
    with pytest.raises(NotPossible) as refused:
        subnet.spaces["IPv4"].allocate(4, set())
    assert (refused.value.code, refused.value.target) == ("SubnetIsFull", "net/web")


@pytest.mark.parametrize("prefix", ["10.90.3.0/24", "10.91.0.0/28", "10.0.0.0/8", "172.16.0.0/24", "11.0.0.0/24"])
def test_a_prefix_that_is_not_given_away_or_that_somebody_has_is_not_carried(prefix: str) -> None:
    assert carried(web=[prefix]) == {}


def test_a_subnet_called_as_a_configured_network_stands_for_that() -> None:
    assert carried(plain=["10.1.0.0/24"]) == {}


def test_the_primary_card_comes_first_and_each_address_has_its_own_space() -> None:
    real = carried(web=["10.1.0.0/24", "fd20::/64"], back=["10.2.0.0/24"])
    spaces = AddressSpaces([PLAIN, FABRIC], lambda: real)
    asked = model(("a", [("four", "web", "IPv4"), ("six", "web", "IPv6")]), ("b", [("only", "back", "IPv4")]))
    assert spaces.name_of(asked) == "fabric"
    first, second = spaces.cards(asked)
    assert [
        (each.key, each.space.cidr, each.is_first) for each in (*first.configurations, *second.configurations)
    ] == [
        ("a/four", "10.1.0.0/24", True),
        ("a/six", "fd20::/64", False),
        ("b/only", "10.2.0.0/24", False),
    ]
    assert spaces.kept_back == {"10.1.0.1", "fd20::1", "10.2.0.1"}


def test_a_guest_from_before_its_subnet_was_carried_keeps_the_way_of_its_address() -> None:
    spaces = AddressSpaces([PLAIN, FABRIC])
    [subnet] = carried(web=["10.1.0.0/24"]).values()
    assert spaces.holding("10.90.1.3", subnet.spaces["IPv4"]) is FABRIC
    assert spaces.holding("10.1.0.7", subnet.spaces["IPv4"]) is subnet.spaces["IPv4"]


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ((("a", [("four", "web", "IPv4"), ("six", "back", "IPv6")]),), "asks for IPv6"),
        ((("a", [("four", "web", "IPv4")]), ("b", [("only", "other", "IPv4")])), "one network of its host"),
        ((("a", [("four", "other", "IPv4"), ("six", "other", "IPv6")]),), "not on a network that carries"),
    ],
)
def test_cards_that_cannot_be_are_said(
    cards: tuple[tuple[str, list[tuple[str, str, str]]], ...], words: str
) -> None:
    real = carried(web=["10.1.0.0/24"], back=["10.2.0.0/24"])
    profile = model(*cards).profile.network_profile
    assert profile is not None
    [problem] = card_problems(profile, real, ["plain", "fabric"])
    assert words in problem.message


def test_every_card_has_a_mac_of_its_own_and_the_first_that_of_old() -> None:
    owner = Owner("0a0b0c0d", "0123456789ab", 3, 1)
    assert len({mac_of(owner), mac_of(owner, "a"), mac_of(owner, "b")}) == 3
    assert mac_of(owner, "a") == mac_of(Owner("0a0b0c0d", "0123456789ab", 3, 2), "A")
