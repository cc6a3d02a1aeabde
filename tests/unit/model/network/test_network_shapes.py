"""Microsoft.Network: what a body may say, refused by path and code where it may not."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import BadInput, NotPossible
from orchestrator.model.network import (
    application_gateways,
    load_balancers,
    public_addresses,
    security_groups,
    virtual_networks,
)
from orchestrator.model.network.shape import Shape, replaced
from orchestrator.model.resource_id import ResourceId, named

Json = dict[str, Any]
GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network"
LB = f"{GROUP}/loadBalancers/x"
FRONTEND, POOL, PROBE = (
    f"{LB}/{each}" for each in ("frontendIPConfigurations/f", "backendAddressPools/p", "probes/h")
)


def parse(shape: Shape, body: Json) -> Json:
    return shape.parse({"location": "local", **body}, named("s", "g", shape.type, "x"))


def refused(shape: Shape, body: Json) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse(shape, body)
    return caught.value


def network(*prefixes: str, space: str = "10.0.0.0/16", **more: Any) -> Json:
    subnets = [{"name": f"s{n}", "properties": {"addressPrefix": each}} for n, each in enumerate(prefixes)]
    return {"properties": {"addressSpace": {"addressPrefixes": [space]}, "subnets": subnets, **more}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (network("10.0.0.0/24", "10.0.0.128/25"), "NetcfgSubnetRangesOverlap"),
        (network("10.0.0.0/20", "10.0.1.0/24", "10.0.4.0/24"), "NetcfgSubnetRangesOverlap"),
        (network("10.1.0.0/24"), "NetcfgInvalidSubnet"),
        (network("10.0.0.0/8"), "NetcfgInvalidSubnet"),
        (network("10.0.0.1/24"), "InvalidParameter"),
        (network("10.0.0.0/30"), "InvalidParameter"),
        (network("fd00::/64"), "NetcfgInvalidSubnet"),
        (network("fd00::/80", space="fd00::/48"), "InvalidParameter"),
        (network("fd00::/64", "fd00::/64", space="fd00::/48"), "NetcfgSubnetRangesOverlap"),
        (network(space="10.0.0.0"), "InvalidParameter"),
        ({"properties": {"addressSpace": {"addressPrefixes": []}}}, "InvalidParameter"),
        (
            {"properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8", "10.1.0.0/16"]}}},
            "InvalidAddressSpaceOverlap",
        ),
        (network(virtualNetworkPeerings=[{"name": "p"}]), "OperationNotAllowed"),
        (network(enableDdosProtection=True), "OperationNotAllowed"),
        (network(subnetz=[]), "BadRequest"),
    ],
)
def test_a_network_that_cannot_be_is_refused(body: Json, code: str) -> None:
    assert refused(virtual_networks.SHAPE, body).code == code


def test_two_subnets_of_one_name_are_refused() -> None:
    body = network("10.0.0.0/24", "10.0.1.0/24")
    body["properties"]["subnets"][1]["name"] = "S0"
    assert refused(virtual_networks.SHAPE, body).code == "DuplicateResourceName"


def test_neighbouring_subnets_do_not_overlap() -> None:
    made = parse(virtual_networks.SHAPE, network("10.0.0.0/25", "10.0.0.128/25", "10.0.1.0/24"))
    assert len(made["properties"]["subnets"]) == 3


def rule(name: str = "r", **more: Any) -> Json:
    properties = {
        "protocol": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "80-90",
        "sourceAddressPrefix": "Internet",
        "destinationAddressPrefixes": ["10.0.0.0/8", "10.0.0.7"],
        "access": "allow",
        "priority": "100",
        "direction": "inbound",
        **more,
    }
    return {"name": name, "properties": {key: value for key, value in properties.items() if value is not None}}


def group(*rules: Json) -> Json:
    return {"properties": {"securityRules": list(rules)}}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([rule(priority=99)], "InvalidParameter"),
        ([rule(priority=4097)], "InvalidParameter"),
        ([rule(protocol="Sctp")], "InvalidParameter"),
        ([rule(destinationPortRange="90-80")], "InvalidParameter"),
        ([rule(destinationPortRange="65536")], "InvalidParameter"),
        ([rule(destinationPortRange=None)], "InvalidParameter"),
        ([rule(sourcePortRanges=["1"])], "InvalidParameter"),
        ([rule(sourceAddressPrefix="10.0.0.0/33")], "InvalidParameter"),
        ([rule(sourceApplicationSecurityGroups=[{"id": "x"}])], "OperationNotAllowed"),
        ([rule("a"), rule("b")], "SecurityRuleConflict"),
    ],
)
def test_a_security_rule_that_cannot_be_is_refused(rules: list[Json], code: str) -> None:
    assert refused(security_groups.SHAPE, group(*rules)).code == code


def test_rules_of_both_directions_may_have_one_priority() -> None:
    made = parse(security_groups.SHAPE, group(rule("a"), rule("b", direction="Outbound")))
    first = made["properties"]["securityRules"][0]["properties"]
    assert (first["access"], first["priority"], first["direction"]) == ("Allow", 100, "Inbound")


def balancer(**collections: Any) -> Json:
    properties: Json = {
        "frontendIPConfigurations": child("f", subnet={"id": f"{GROUP}/virtualNetworks/v/subnets/s"}),
        "backendAddressPools": [{"name": "p"}],
    }
    return {"sku": {"name": "Standard"}, "properties": {**properties, **collections}}


def child(name: str = "c", **properties: Any) -> list[Json]:
    return [{"name": name, "properties": properties}]


def balancing(**more: Any) -> Json:
    given = {
        "frontendIPConfiguration": {"id": FRONTEND},
        "protocol": "tcp",
        "frontendPort": "80",
        "backendPort": 80,
    }
    return balancer(loadBalancingRules=child(**{**given, **more}))


def nat(**more: Any) -> Json:
    given = {"frontendIPConfiguration": {"id": FRONTEND}, "protocol": "tcp", "backendPort": 22}
    return balancer(inboundNatRules=child(**{**given, **more}))


IN_POOL = {"backendAddressPool": {"id": POOL}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (balancing(probe={"id": PROBE}), "InvalidResourceReference"),
        (balancing(backendAddressPool={"id": POOL.replace("/x/", "/other/")}), "InvalidResourceReference"),
        (balancing(backendAddressPool={"id": FRONTEND}), "InvalidParameter"),
        (balancing(frontendPort=65536), "InvalidParameter"),
        (balancing(frontendPort=0), "InvalidParameter"),
        (balancing(protocol="All"), "InvalidParameter"),
        (balancing(idleTimeoutInMinutes=3), "InvalidParameter"),
        (nat(), "InvalidParameter"),
        (nat(frontendPort=22, frontendPortRangeStart=1, frontendPortRangeEnd=2), "InvalidParameter"),
        (
            nat(backendAddressPool={"id": POOL}, frontendPortRangeStart=9, frontendPortRangeEnd=8),
            "InvalidParameter",
        ),
        (balancer(probes=child(protocol="Http", port=80)), "InvalidParameter"),
        (balancer(probes=child(protocol="Tcp", port=80, requestPath="/")), "InvalidParameter"),
        (balancer(probes=child(protocol="Tcp", port=25)), "InvalidParameter"),
        (balancer(probes=child(protocol="Tcp", port=80, intervalInSeconds=4)), "InvalidParameter"),
        (balancer(frontendIPConfigurations=child()), "InvalidParameter"),
        ({**balancer(), "sku": {"name": "Gateway"}}, "OperationNotAllowed"),
        ({**balancer(), "sku": {"name": "Standard", "tier": "Global"}}, "OperationNotAllowed"),
    ],
)
def test_a_balancer_that_cannot_be_is_refused(body: Json, code: str) -> None:
    assert refused(load_balancers.SHAPE, body).code == code


def test_one_frontend_port_leads_to_one_place() -> None:
    body = balancing()
    body["properties"]["inboundNatRules"] = nat(frontendPort=80)["properties"]["inboundNatRules"]
    assert refused(load_balancers.SHAPE, body).code == "RulesUseSameFrontendPortProtocolAndVIP"
    body["properties"]["inboundNatRules"][0]["properties"]["protocol"] = "Udp"
    assert parse(load_balancers.SHAPE, body)["properties"]["probes"] == []


def test_a_standard_address_is_static() -> None:
    body = {"sku": {"name": "Standard"}, "properties": {"publicIPAllocationMethod": "dynamic"}}
    assert refused(public_addresses.SHAPE, body).code == "PublicIPAddressSkuMustBeStatic"
    body["properties"] = {"publicIPAllocationMethod": "STATIC", "ipAddress": "192.0.2.1"}
    assert "ipAddress" not in parse(public_addresses.SHAPE, body)["properties"]


def test_a_gateway_with_certificates_of_a_key_vault_is_not_possible() -> None:
    body = {
        "properties": {
            "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
            "gatewayIPConfigurations": child(subnet={"id": f"{GROUP}/virtualNetworks/v/subnets/s"}),
            "sslCertificates": child(keyVaultSecretId="https://vault.example/secrets/x"),
        }
    }
    assert isinstance(refused(application_gateways.SHAPE, body), NotPossible)


def test_a_put_replaces_what_it_names_but_keeps_children_that_it_does_not() -> None:
    shape = virtual_networks.SHAPE
    before = parse(shape, network("10.0.0.0/24", dhcpOptions={"dnsServers": ["10.0.0.4"]}))
    space = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}
    kept = replaced(shape, before, {"PROPERTIES": space})
    assert [each["name"] for each in kept["properties"]["subnets"]] == ["s0"]
    assert "dhcpOptions" not in kept["properties"]
    assert replaced(shape, before, {"properties": {**space, "SUBNETS": []}})["properties"]["SUBNETS"] == []
    assert replaced(shape, before, {"tags": {"a": "b"}})["properties"] == before["properties"]


@pytest.mark.parametrize("name", ["_x", "x.", "x y", "x" * 81, ""])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    identity = ResourceId("s", "g", "Microsoft.Network", ("publicIPAddresses",), (name,))
    with pytest.raises(BadInput) as caught:
        public_addresses.SHAPE.parse({"location": "local"}, identity)
    assert caught.value.code == "InvalidResourceName"
