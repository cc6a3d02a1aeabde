"""Guests with several cards and addresses, on subnets of virtual networks that the lab's fabric carries."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from bodies import micro_set, script
from conftest import MakeDaemon, MakeSet
from system import Daemon, Json, TestedSet, fetch, wait_for
from test_system_balancer import are_up, asking, make_balancer, paths

from orchestrator.errors import VmssError

NETWORK = "providers/Microsoft.Network"
NAMES = "10.120.1.1"  # the gateway of the first subnet
CARRIES = ["10.120.0.0/16", "fd20::/48"]
PAGE = """#!/bin/sh
cp /etc/hostname /var/www/index.html; echo well >/var/www/healthz
"""


def subnet(name: str, *prefixes: str) -> Json:
    return {"name": name, "properties": {"addressPrefixes": list(prefixes)}}


def network_path(daemon: Daemon) -> str:
    return f"{daemon.client.path_of_group('tests')}/{NETWORK}/virtualNetworks/net"


def put_network(daemon: Daemon, *subnets: Json) -> None:
    properties = {
        "addressSpace": {"addressPrefixes": ["10.120.0.0/16", "fd20::/48"]},
        "dhcpOptions": {"dnsServers": [NAMES]},
        "subnets": list(subnets),
    }
    body = {"location": "local", "properties": properties}
    daemon.client.send("PUT", network_path(daemon), body=body)


def configuration(daemon: Daemon, name: str, of: str, version: str = "IPv4", **more: object) -> Json:
    own = {"subnet": {"id": f"{network_path(daemon)}/subnets/{of}"}, "privateIPAddressVersion": version, **more}
    return {"name": name, "properties": own}


def two_cards(daemon: Daemon, capacity: int) -> Json:
    """The first with two addresses of the front, one of each version, the second with one of the back."""
    pool = [{"id": f"{paths(daemon, 'cards')[0]}/backendAddressPools/pool"}]
    public = {"name": "own", "properties": {"dnsSettings": {"domainNameLabel": "cards"}}}
    first = configuration(
        daemon,
        "four",
        "front",
        primary=True,
        loadBalancerBackendAddressPools=pool,
        publicIPAddressConfiguration=public,
    )
    six = configuration(daemon, "six", "front", "IPv6", primary=False)
    cards = [
        {"name": "back", "properties": {"ipConfigurations": [configuration(daemon, "only", "back")]}},
        {
            "name": "front",
            "properties": {
                "primary": True,
                "enableAcceleratedNetworking": True,
                "ipConfigurations": [six, first],
            },
        },
    ]
    cards[0]["properties"] |= {"primary": False}
    body = micro_set(capacity, script(PAGE))
    profile = body["properties"]["virtualMachineProfile"]
    profile["networkProfile"] = {"networkInterfaceConfigurations": cards}
    return body


@pytest.fixture(scope="module")
def carrying(make_daemon: MakeDaemon) -> Daemon:
    found: Daemon = make_daemon("cards", network={"carries": CARRIES}, dns_listen=[NAMES])
    found.start()
    found.client.ensure_group("tests")
    put_network(found, subnet("front", "10.120.1.0/24", "fd20::/64"), subnet("back", "10.120.2.0/24"))
    make_balancer(found, "cards")
    return found


@pytest.fixture(scope="module")
def one(make_set: MakeSet, carrying: Daemon) -> Iterator[TestedSet]:
    made = make_set("cards", two_cards(carrying, 2), on=carrying)
    made.wait_ready(0, 1)
    yield made


def held(one: TestedSet, number: int) -> dict[str, str]:
    """Its addresses as the API shows them, by card and configuration."""
    cards = one.client.get(one.path("virtualMachines", str(number), "networkInterfaces"))["value"]
    return {
        f"{card['name']}/{each['name']}": each["properties"]["privateIPAddress"]
        for card in cards
        for each in card["properties"]["ipConfigurations"]
    }


def test_a_guest_has_every_address_that_the_api_shows(one: TestedSet) -> None:
    for number in one.ids():
        shown = held(one, number)
        assert set(shown) == {"front/four", "front/six", "back/only"}
        inside = one.run(number, "ip -o addr show scope global | awk '{ print $4 }'").split()
        assert {ipaddress.ip_interface(each).ip for each in inside} == {
            ipaddress.ip_address(each) for each in shown.values()
        }
        assert shown["front/four"].startswith("10.120.1.")
        assert shown["back/only"].startswith("10.120.2.")
        assert len(one.run(number, "ls -d /sys/class/net/eth*").split()) == 2
    assert not set(held(one, 0).values()) & set(held(one, 1).values())


@pytest.mark.parametrize("name", ["front/four", "front/six", "back/only"])
def test_every_address_is_reached(carrying: Daemon, one: TestedSet, name: str) -> None:
    address = held(one, 0)[name]
    host = f"[{address}]" if ":" in address else address
    assert fetch(carrying.lab, f"http://{host}/").strip() == one.view(0)["computerName"]


def test_one_guest_reaches_the_other_by_both_networks_and_by_its_own_public_address(
    carrying: Daemon, one: TestedSet
) -> None:
    other, name = held(one, 1), one.view(1)["computerName"]
    public = one.client.get(one.path("publicIPAddresses"))["value"]
    own = next(each["properties"]["ipAddress"] for each in public if "/virtualMachines/1/" in each["id"])
    for address in (other["front/four"], other["back/only"], own):
        assert one.run(0, f"timeout 20 wget -q -O - http://{address}/").strip() == name


def test_guests_find_each_other_by_name(carrying: Daemon, one: TestedSet) -> None:
    name = one.view(1)["computerName"]
    assert f"nameserver {NAMES}" in one.run(0, "cat /etc/resolv.conf")
    answer = one.run(0, f"nslookup {name}.internal.vmss.internal")
    assert held(one, 1)["front/four"] in answer


def test_the_balancer_reaches_them_at_the_configuration_that_names_its_pool(
    carrying: Daemon, one: TestedSet
) -> None:
    address = carrying.client.get(paths(carrying, "cards")[1])["properties"]["ipAddress"]
    wait_for(lambda: are_up(carrying, "cards_0", "cards_1"), "both get requests")
    with asking(carrying.lab, f"http://{address}/") as client:
        wait_for(lambda: len(client.pages) == 2, "pages of both")
    assert not client.failures


def test_guests_reach_a_balancer_inside_their_subnet(carrying: Daemon, one: TestedSet) -> None:
    own = paths(carrying, "inside")[0]
    body = carrying.client.get(paths(carrying, "cards")[0])
    inside = {"subnet": {"id": f"{network_path(carrying)}/subnets/front"}}
    pool = {"id": f"{paths(carrying, 'cards')[0]}/backendAddressPools/pool"}
    rule = {"protocol": "Tcp", "frontendPort": 8080, "backendPort": 80}
    rule |= {"frontendIPConfiguration": {"id": f"{own}/frontendIPConfigurations/in"}}
    rule |= {"backendAddressPool": {"id": f"{own}/backendAddressPools/mine"}}
    properties = {
        "frontendIPConfigurations": [{"name": "in", "properties": inside}],
        "backendAddressPools": [{"name": "mine"}],
        "loadBalancingRules": [{"name": "web", "properties": rule}],
    }
    carrying.client.send("PUT", own, body={"location": "local", "sku": body["sku"], "properties": properties})
    address = carrying.client.get(own)["properties"]["frontendIPConfigurations"][0]["properties"][
        "privateIPAddress"
    ]
    assert address.startswith("10.120.1.")
    assert address not in {each for number in one.ids() for each in held(one, number).values()}
    both = two_cards(carrying, 2)
    [_, front] = both["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    [_, first] = front["properties"]["ipConfigurations"]
    first["properties"]["loadBalancerBackendAddressPools"] = [pool, rule["backendAddressPool"]]
    one.wait(one.create(both))
    one.do("manualUpgrade", 0, 1)
    names = {one.view(number)["computerName"] for number in one.ids()}

    def page() -> str:
        return one.run(0, f"timeout 10 wget -q -O - http://{address}:8080/ || true").strip()

    wait_for(lambda: page() in names, "the page by the balancer inside")


def test_addresses_stay_over_a_reimage(one: TestedSet) -> None:
    before = held(one, 1)
    one.do("reimage", 1)
    one.wait_ready(0, 1)
    assert held(one, 1) == before
    assert before["back/only"] in one.run(1, "ip -o addr show scope global")


def test_what_is_in_use_of_a_network_stays(carrying: Daemon, one: TestedSet) -> None:
    front = subnet("front", "10.120.1.0/24", "fd20::/64")
    for subnets, code in (
        ((front, subnet("back", "10.120.3.0/24")), "InUsePrefixCannotBeDeleted"),
        ((front,), "InUseSubnetCannotBeDeleted"),
    ):
        with pytest.raises(VmssError) as refused:
            put_network(carrying, *subnets)
        assert refused.value.code == code
    assert [each["name"] for each in carrying.client.get(network_path(carrying))["properties"]["subnets"]] == [
        "front",
        "back",
    ]


def test_a_gateway_is_held_as_long_as_its_subnet_is_there(carrying: Daemon, one: TestedSet) -> None:
    own = (subnet("front", "10.120.1.0/24", "fd20::/64"), subnet("back", "10.120.2.0/24"))
    put_network(carrying, *own, subnet("small", "10.120.9.0/29"))
    wait_for(lambda: "10.120.9.1/29" in carrying.lab_addresses("fabric"), "the gateway")
    put_network(carrying, *own)
    wait_for(lambda: "10.120.9.1/29" not in carrying.lab_addresses("fabric"), "the gateway to go")


def test_more_instances_than_a_subnet_has_addresses_for_are_refused(
    make_set: MakeSet, carrying: Daemon, one: TestedSet
) -> None:
    """Three addresses of a /29 are left for guests."""
    own = (subnet("front", "10.120.1.0/24", "fd20::/64"), subnet("back", "10.120.2.0/24"))
    put_network(carrying, *own, subnet("small", "10.120.9.0/29"))
    body = micro_set(0)
    profile = body["properties"]["virtualMachineProfile"]
    card = {"name": "card", "properties": {"ipConfigurations": [configuration(carrying, "only", "small")]}}
    profile["networkProfile"] = {"networkInterfaceConfigurations": [card]}
    small = make_set("small", body, on=carrying)
    before = carrying.last_event()
    with pytest.raises(VmssError) as refused:
        small.scale(4)
    assert refused.value.code == "SubnetIsFull"
    assert "net/small" in refused.value.message
    assert small.client.get(small.path())["sku"]["capacity"] == 0
    assert not [each for each in small.events(before) if each["kind"] == "add"]
