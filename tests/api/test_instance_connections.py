"""Ports of NAT pools and rules, and public addresses: what instances hold, and where it is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.control.claims import Claims
from orchestrator.control.specs import AddressSpaces
from orchestrator.control.wishes import Wishes
from orchestrator.model.claim import PUBLIC_ADDRESSES
from orchestrator.model.network.public_pool import PublicPool, PublicRange
from orchestrator.model.sizes import SizeCatalogue
from tests.api.az_network import FRONTEND, LB, NETWORK, PIP, POOL, SUBNET
from tests.api.fake_world import NOW, SET, SUB, Json, World, a_set

RANGES = PublicPool((PublicRange("10.91.0.0/29"),))
NAT_POOL = f"{LB}/inboundNatPools/ssh"
NAT_RULE = f"{LB}/inboundNatRules/NatRule"
PORTS = {"frontendIPConfiguration": {"id": FRONTEND}, "protocol": "Tcp", "backendPort": 22}


@pytest.fixture
def site(world: World) -> World:
    """The default network of ``az vmss create``, with a NAT pool of three ports, and a pool of six addresses."""
    api = world.app.state.api
    own = replace(api.site(), public_pool=RANGES, dns_zone="zone.test")
    world.app.state.api = replace(api, site=lambda: own)
    for path, body in NETWORK:
        assert world.put(path, body).status_code == 201
    ports = {**PORTS, "frontendPortRangeStart": 50000, "frontendPortRangeEnd": 50002}
    body = world.get(LB)
    body["properties"]["inboundNatRules"] = []
    body["properties"]["inboundNatPools"] = [{"name": "ssh", "properties": ports}]
    assert world.put(LB, body).status_code == 200
    return world


def with_instances(world: World, count: int, **address: object) -> None:
    """A set whose instances are in the balancer's pools, as ``address`` says."""
    ip = {"name": "ip", "properties": {"subnet": {"id": SUBNET}, **address}}
    card = {"name": "nic", "properties": {"primary": True, "ipConfigurations": [ip]}}
    body = a_set(count)
    body["properties"]["virtualMachineProfile"]["networkProfile"] = {"networkInterfaceConfigurations": [card]}
    answer = world.put(SET, body)
    assert answer.status_code == 201, answer.text
    world.populate(count)


def claims_of(world: World, pool: PublicPool = RANGES) -> Claims:
    wishes = Wishes(world.store, SizeCatalogue(), AddressSpaces([]))
    return Claims(world.store, wishes, SUB, pool, lambda: NOW)


def nat_rules(world: World) -> dict[str, Json]:
    return {each["name"]: each["properties"] for each in world.get(LB)["properties"]["inboundNatRules"]}


def configuration(world: World, number: int) -> Json:
    found: Json = world.get(f"{SET}/virtualMachines/{number}/networkInterfaces/nic/ipConfigurations/ip")
    return found


def test_a_nat_pool_shows_as_a_rule_for_each_instance_at_the_balancer_and_at_the_card(site: World) -> None:
    with_instances(site, 2, loadBalancerInboundNatPools=[{"id": NAT_POOL}])
    held = claims_of(site).settle()
    assert sorted(held.ports[NAT_POOL.lower()].values()) == [50000, 50001]
    rules = nat_rules(site)
    assert {name: each["frontendPort"] for name, each in rules.items()} == {"ssh.0": 50000, "ssh.1": 50001}
    own = configuration(site, 1)
    assert rules["ssh.1"]["backendIPConfiguration"] == {"id": own["id"]}
    assert own["properties"]["loadBalancerInboundNatRules"] == [{"id": f"{LB}/inboundNatRules/ssh.1"}]
    assert site.get(f"{LB}/inboundNatRules/ssh.1")["properties"]["frontendPort"] == 50001


def test_a_balancer_with_rules_of_instances_can_be_put_back_as_it_was_read(site: World) -> None:
    with_instances(
        site, 2, loadBalancerInboundNatPools=[{"id": NAT_POOL}], loadBalancerBackendAddressPools=[{"id": POOL}]
    )
    claims_of(site).settle()
    shown = site.get(LB)
    again = site.put(LB, shown)
    assert (again.status_code, again.json()) == (200, shown), again.text
    child = site.get(f"{LB}/inboundNatRules/ssh.0")
    assert site.put(f"{LB}/inboundNatRules/ssh.0", child).json() == child
    assert site.get(LB) == shown


def test_a_rule_that_was_made_for_an_instance_cannot_be_deleted(site: World) -> None:
    with_instances(site, 1, loadBalancerInboundNatPools=[{"id": NAT_POOL}])
    claims_of(site).settle()
    answer = site.send("DELETE", f"{LB}/inboundNatRules/ssh.0")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "OperationNotAllowed")


def test_a_rule_for_a_pool_shows_its_ports_in_the_pool(site: World) -> None:
    pooled = {
        **PORTS,
        "backendAddressPool": {"id": POOL},
        "frontendPortRangeStart": 51000,
        "frontendPortRangeEnd": 51009,
    }
    assert site.put(NAT_RULE, {"properties": pooled}).status_code == 201
    with_instances(site, 2, loadBalancerBackendAddressPools=[{"id": POOL}])
    claims_of(site).settle()
    found = site.get(POOL)["properties"]["loadBalancerBackendAddresses"]
    places = {
        each["properties"]["networkInterfaceIPConfiguration"]["id"]: each["properties"][
            "inboundNatRulesPortMapping"
        ]
        for each in found
    }
    [port] = places[configuration(site, 1)["id"]]
    assert (port["inboundNatRuleName"], port["frontendPort"], port["backendPort"]) == ("NatRule", 51001, 22)
    assert configuration(site, 1)["properties"]["loadBalancerInboundNatRules"] == [{"id": NAT_RULE}]


def test_ports_stay_and_a_used_up_range_is_noted_once(site: World) -> None:
    with_instances(site, 4, loadBalancerInboundNatPools=[{"id": NAT_POOL}])
    claims = claims_of(site)
    first = claims.settle().ports
    assert claims.settle().ports == first == claims_of(site).settle().ports
    noted = [each for each in site.store.events() if "every port of" in each.reason]
    assert [each.instance_id for each in noted] == [3, 3]  # once by each that looks for the first time
    record = site.record
    with site.store.write() as tx:
        tx.drop_instance(record.uid, 0)
    after = claims.settle().ports[NAT_POOL.lower()]
    assert {port: name.split(".")[0] for name, port in after.items()} == {
        50000: "web_3",
        50001: "web_1",
        50002: "web_2",
    }


def test_each_instance_that_asks_for_one_has_a_public_address_of_its_own(site: World) -> None:
    taken = site.get(PIP)["properties"]["ipAddress"]
    settings = {"dnsSettings": {"domainNameLabel": "web"}, "idleTimeoutInMinutes": 9}
    with_instances(site, 2, publicIPAddressConfiguration={"name": "pub", "properties": settings})
    assert site.get(f"{SET}/publicIPAddresses")["value"] == []
    held = claims_of(site).settle().addresses
    assert len({*held.values(), taken}) == 3
    [first, second] = site.get(f"{SET}/publicIPAddresses")["value"]
    assert [each["properties"]["ipAddress"] for each in (first, second)] == list(held.values())
    own = second["properties"]
    assert own["dnsSettings"] == {"domainNameLabel": "vm1.web", "fqdn": "vm1.web.local.zone.test"}
    assert (own["idleTimeoutInMinutes"], own["ipConfiguration"]) == (9, {"id": configuration(site, 1)["id"]})
    assert configuration(site, 1)["properties"]["publicIPAddress"] == {"id": second["id"]}
    assert site.get(second["id"]) == second
    assert site.send("GET", f"{second['id']}x").status_code == 404


def test_addresses_of_instances_and_of_resources_are_never_the_same(site: World) -> None:
    with_instances(site, 5, publicIPAddressConfiguration={"name": "pub"})
    claims_of(site).settle()
    answer = site.put(f"{PIP}2", {"location": "local", "sku": {"name": "Basic"}})
    assert answer.json()["error"]["code"] == "PublicIPCountLimitReached"
    with site.store.write() as tx:
        tx.drop_instance(site.record.uid, 2)
    assert site.put(f"{PIP}2", {"location": "local", "sku": {"name": "Basic"}}).status_code == 201


def test_what_finds_no_address_has_none_and_gets_one_when_one_is_free(site: World) -> None:
    with_instances(site, 6, publicIPAddressConfiguration={"name": "pub"})
    claims = claims_of(site)
    assert len(claims.settle().addresses) == 5
    assert [each.instance_id for each in site.store.events() if "no public address is left" in each.reason] == [5]
    with site.store.write() as tx:
        tx.drop_instance(site.record.uid, 0)
    assert len(claims.settle().addresses) == 5
    assert {each.instance_id for each in site.store.claims(PUBLIC_ADDRESSES)} == {1, 2, 3, 4, 5}


def test_without_a_pool_no_instance_has_a_public_address(site: World) -> None:
    with_instances(site, 1, publicIPAddressConfiguration={"name": "pub"})
    assert not claims_of(site, PublicPool()).settle().addresses
    assert site.store.claims(PUBLIC_ADDRESSES) == []
