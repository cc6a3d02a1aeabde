"""publicIPAddresses get an address of the configured pool, and keep it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.model.addresses import AddressSpace
from orchestrator.model.network.public_pool import PublicPool, PublicRange
from orchestrator.model.network.subnets import Carriers
from tests.api.az_network import LB, NET, PIP, SS1, lb_body, pip_body, set_body
from tests.api.fake_world import SUB, Json, World

POOL = PublicPool((PublicRange("10.91.0.0/30", "127.91.0.0/30"), PublicRange("fd91::/126")))


@pytest.fixture
def pooled(world: World) -> World:
    """A pool of two IPv4 addresses and three IPv6 ones."""
    api = world.app.state.api
    site = replace(api.site(), public_pool=POOL, dns_zone="zone.test")
    world.app.state.api = replace(api, site=lambda: site)
    return world


def of(name: str) -> str:
    return f"{NET}/publicIPAddresses/{name}"


def an_address(**properties: object) -> Json:
    body = pip_body()
    body["properties"] |= properties
    return body


def made(world: World, name: str, **properties: object) -> Json:
    answer = world.put(of(name), an_address(**properties))
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()["properties"]
    return found


def code_of(world: World, method: str, path: str, body: Json | None = None) -> str:
    answer = world.send(method, path, body)
    assert answer.status_code >= 400, answer.text
    found: str = answer.json()["error"]["code"]
    return found


def test_each_gets_an_address_of_its_version_and_says_no_more_that_it_has_none(pooled: World) -> None:
    first, second = made(pooled, "a"), made(pooled, "b", publicIPAddressVersion="IPv4")
    third = made(pooled, "c", publicIPAddressVersion="IPv6")
    assert [each["ipAddress"] for each in (first, second, third)] == ["10.91.0.1", "10.91.0.2", "fd91::1"]
    assert "warnings" not in first


def test_it_is_kept_over_every_put_whatever_the_body_says(pooled: World) -> None:
    made(pooled, "a")
    shown = pooled.get(of("a"))
    assert pooled.put(of("a"), shown).json() == shown
    changed = pooled.put(of("a"), an_address(ipAddress="10.91.0.2", idleTimeoutInMinutes=9)).json()
    assert (changed["properties"]["ipAddress"], changed["properties"]["idleTimeoutInMinutes"]) == ("10.91.0.1", 9)


def test_one_that_was_deleted_can_be_given_again_and_none_left_is_said(pooled: World) -> None:
    made(pooled, "a")
    made(pooled, "b")
    assert code_of(pooled, "PUT", of("c"), an_address()) == "PublicIPCountLimitReached"
    assert pooled.send("GET", of("c")).status_code == 404
    assert pooled.send("DELETE", of("a")).status_code in {200, 202, 204}
    assert made(pooled, "c")["ipAddress"] == "10.91.0.1"


def test_a_rehearsal_gives_nothing_away(pooled: World) -> None:
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [
            {"type": "Microsoft.Network/publicIPAddresses", "apiVersion": "2022-01-01", "name": "a", **pip_body()}
        ],
    }
    body = {"properties": {"mode": "Incremental", "template": template}}
    path = f"/subscriptions/{SUB}/resourcegroups/rg/providers/Microsoft.Resources/deployments/d/whatIf"
    answer = pooled.send("POST", f"{path}?api-version=2022-09-01", body)
    assert answer.status_code in {200, 202}, answer.text
    assert pooled.send("GET", of("a")).status_code == 404
    assert made(pooled, "b")["ipAddress"] == "10.91.0.1"


def test_the_version_of_an_address_cannot_be_changed(pooled: World) -> None:
    made(pooled, "a")
    changed = an_address(publicIPAddressVersion="IPv6")
    assert code_of(pooled, "PUT", of("a"), changed) == "PropertyChangeNotAllowed"


def test_without_a_pool_it_is_kept_with_a_warning_and_gets_one_once_there_is(world: World) -> None:
    before = made(world, "a", dnsSettings={"domainNameLabel": "site"})
    assert "ipAddress" not in before
    assert [each["code"] for each in before["warnings"]] == ["NoPublicAddress", "DnsLabelHasNoEffect"]
    api = world.app.state.api
    site = replace(api.site(), public_pool=POOL)
    world.app.state.api = replace(api, site=lambda: site)
    assert world.put(of("a"), an_address()).json()["properties"]["ipAddress"] == "10.91.0.1"


def test_a_label_makes_a_name_and_is_for_one_address(pooled: World) -> None:
    settings = made(pooled, "a", dnsSettings={"domainNameLabel": "site"})["dnsSettings"]
    assert settings == {"domainNameLabel": "site", "fqdn": "site.local.zone.test"}
    assert pooled.put(of("a"), pooled.get(of("a"))).status_code == 200
    twice = an_address(dnsSettings={"domainNameLabel": "site"})
    assert code_of(pooled, "PUT", of("b"), twice) == "DnsRecordInUse"


def test_one_in_use_cannot_be_deleted(pooled: World) -> None:
    pooled.put(PIP, pip_body())
    assert pooled.put(LB, lb_body()).status_code == 201
    assert code_of(pooled, "DELETE", PIP) == "PublicIPAddressCannotBeDeleted"
    assert pooled.get(PIP)["properties"]["ipAddress"] == "10.91.0.1"


def test_a_frontend_is_of_the_version_of_its_address(pooled: World) -> None:
    pooled.put(PIP, an_address(publicIPAddressVersion="IPv6"))
    body = lb_body()
    frontend = body["properties"]["frontendIPConfigurations"][0]["properties"]
    frontend["privateIPAddressVersion"] = "IPv4"
    assert code_of(pooled, "PUT", LB, body) == "FrontendIPConfigurationVersionMismatch"
    frontend["privateIPAddressVersion"] = "IPv6"
    assert pooled.put(LB, body).status_code == 201


def test_a_port_that_another_program_has_is_refused_and_nothing_changes(pooled: World) -> None:
    made(pooled, PIP.rpartition("/")[2])
    address = pooled.get(PIP)["properties"]["ipAddress"]
    assert pooled.put(LB, lb_body()).status_code == 201
    before = pooled.get(LB)
    body = lb_body()
    frontend = f"{LB}/frontendIPConfigurations/{body['properties']['frontendIPConfigurations'][0]['name']}"
    rule = {"protocol": "Tcp", "frontendPort": 8080, "backendPort": 80, "frontendIPConfiguration": {"id": frontend}}
    body["properties"]["loadBalancingRules"] = [{"name": "more", "properties": rule}]
    pooled.control.taken.add((address, 8080))
    assert code_of(pooled, "PUT", LB, body) == "PortIsTaken"
    assert pooled.get(LB) == before
    pooled.control.taken.clear()
    assert pooled.put(LB, body).status_code == 200


def inside(world: World, method: str = "Dynamic", **properties: str) -> Json:
    """A balancer whose frontend is in a subnet."""
    subnet = {"id": f"{NET}/virtualNetworks/net/subnets/web"}
    own = {"subnet": subnet, "privateIPAllocationMethod": method, **properties}
    return {
        "location": "local",
        "sku": {"name": "Standard"},
        "properties": {"frontendIPConfigurations": [{"name": "in", "properties": own}]},
    }


@pytest.fixture
def carrying(world: World) -> World:
    """A network that carries 10.7.0.0/16, and a subnet of it with three addresses."""
    space = AddressSpace(
        "fabric", "10.90.0.0/16", "10.90.1.0", "10.90.1.9", carries=("10.7.0.0/16",), interface="fabric"
    )
    api = world.app.state.api
    site = replace(api.site(), carriers=Carriers((space,), ("10.90.0.0/16",)))
    world.app.state.api = replace(api, site=lambda: site)
    subnets = [{"name": "web", "properties": {"addressPrefix": "10.7.0.0/29"}}]
    network = {"addressSpace": {"addressPrefixes": ["10.7.0.0/16"]}, "subnets": subnets}
    answer = world.put(f"{NET}/virtualNetworks/net", {"location": "local", "properties": network})
    assert answer.status_code == 201, answer.text
    assert "warnings" not in answer.json()["properties"]
    return world


def private_address(answer: Json) -> str:
    [frontend] = answer["properties"]["frontendIPConfigurations"]
    found: str = frontend["properties"]["privateIPAddress"]
    return found


def test_a_frontend_in_a_real_subnet_has_an_address_of_it_and_keeps_it(carrying: World) -> None:
    made = carrying.put(LB, inside(carrying))
    assert made.status_code == 201, made.text
    assert private_address(made.json()) == "10.7.0.4"
    assert "FrontendListensNowhere" not in str(made.json()["properties"].get("warnings"))
    again = carrying.put(LB, inside(carrying))
    assert (private_address(again.json()), again.json()["etag"]) == ("10.7.0.4", made.json()["etag"])
    other = carrying.put(f"{NET}/loadBalancers/other", inside(carrying))
    assert private_address(other.json()) == "10.7.0.5"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("10.7.0.1", "PrivateIPAddressNotInSubnet"),
        ("10.7.0.7", "PrivateIPAddressNotInSubnet"),
        ("10.8.0.4", "PrivateIPAddressNotInSubnet"),
        ("10.7.0.4", "PrivateIPAddressIsAllocated"),
    ],
)
def test_a_private_address_that_cannot_be_had_is_refused(carrying: World, address: str, code: str) -> None:
    assert private_address(carrying.put(f"{NET}/loadBalancers/other", inside(carrying)).json()) == "10.7.0.4"
    assert code_of(carrying, "PUT", LB, inside(carrying, "Static", privateIPAddress=address)) == code
    assert carrying.send("GET", LB).status_code == 404


def test_instances_and_frontends_share_what_a_subnet_has(carrying: World) -> None:
    for number in range(2):
        assert carrying.put(f"{NET}/loadBalancers/lb{number}", inside(carrying)).status_code == 201
    body = set_body()
    body["sku"]["capacity"] = 2
    [card] = body["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    card["properties"] = {
        "ipConfigurations": [
            {"name": "ip", "properties": {"subnet": {"id": f"{NET}/virtualNetworks/net/subnets/web"}}}
        ]
    }
    assert code_of(carrying, "PUT", SS1, body) == "SubnetIsFull"
    body["sku"]["capacity"] = 1
    assert carrying.put(SS1, body).status_code == 201
