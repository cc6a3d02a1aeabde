"""Microsoft.Network: stored whole, with their children both ways, and shown as Azure shows them."""

from __future__ import annotations

import asyncio
import copy

import pytest

from orchestrator.api.context import Api
from tests.api.az_network import (
    FRONTEND,
    LB,
    NAT_RULE,
    NET,
    NETWORK,
    NSG,
    PIP,
    POOL,
    SUBNET,
    VNET,
    lb_body,
    nsg_body,
    pip_body,
    vnet_body,
)
from tests.api.fake_world import GROUP, SUB, Json, World

COLLECTIONS = (
    "frontendIPConfigurations",
    "backendAddressPools",
    "loadBalancingRules",
    "probes",
    "inboundNatRules",
    "outboundRules",
    "inboundNatPools",
)


@pytest.fixture
def network(world: World) -> World:
    """The default network of ``az vmss create``, without a set."""
    for path, body in NETWORK:
        answer = world.put(path, body)
        assert answer.status_code == 201, answer.text
    return world


def refusal(world: World, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
    answer = world.send(method, path, body)
    return answer.status_code, answer.json()["error"]["code"]


def test_a_get_put_back_whole_changes_nothing(network: World) -> None:
    for path, _ in NETWORK:
        shown = network.get(path)
        again = network.put(path, shown)
        assert (again.status_code, again.json()) == (200, shown), path


def test_every_resource_says_in_its_answer_what_of_it_has_no_effect(world: World) -> None:
    codes = {
        VNET: "SubnetHasNoEffect",
        PIP: "NoPublicAddress",
        LB: "RuleWithoutProbe",
    }
    for path, body in NETWORK:
        answer = world.put(path, body)
        if path in codes:
            [warning] = answer.json()["properties"]["warnings"]
            assert warning["code"] == codes[path]
            assert answer.headers["warning"] == f'299 vmss "{warning["message"]}"'
            assert any(warning["message"] in event.reason for event in world.store.events())


def test_a_new_balancer_shows_all_collections_as_arrays(world: World) -> None:
    shown = world.put(LB, {"location": "local"}).json()
    assert {name: shown["properties"][name] for name in COLLECTIONS} == {name: [] for name in COLLECTIONS}


def test_a_child_put_by_its_own_address_shows_up_in_its_parent_and_the_other_way_round(network: World) -> None:
    [rule] = network.get(LB)["properties"]["inboundNatRules"]
    assert rule == network.get(NAT_RULE)
    assert (rule["properties"]["frontendPortRangeStart"], rule["properties"]["protocol"]) == (50000, "Tcp")
    assert rule["etag"] == network.get(LB)["etag"]
    assert network.get(SUBNET)["properties"]["addressPrefix"] == "10.0.0.0/24"
    assert [each["name"] for each in network.get(f"{VNET}/subnets")["value"]] == ["ss1Subnet"]


def test_children_show_which_rules_refer_to_them(network: World) -> None:
    rule = {"id": f"{LB}/loadBalancingRules/LBRule"}
    for path in (FRONTEND, POOL):
        shown = network.get(path)["properties"]
        assert (shown["loadBalancingRules"], shown["inboundNatRules"]) == ([rule], [{"id": NAT_RULE}])
    assert network.get(PIP)["properties"]["ipConfiguration"] == {"id": FRONTEND}


def test_a_changed_child_replaces_the_old_one_in_its_place(network: World) -> None:
    network.put(f"{VNET}/subnets/second", {"properties": {"addressPrefix": "10.0.1.0/24"}})
    answer = network.put(SUBNET.upper(), {"properties": {"addressPrefix": "10.0.0.0/25"}})
    assert (answer.status_code, answer.json()["name"]) == (200, "ss1Subnet")
    names = [each["name"] for each in network.get(VNET)["properties"]["subnets"]]
    assert names == ["ss1Subnet", "second"]
    assert refusal(network, "PUT", SUBNET, {"properties": {"addressPrefix": "10.0.1.0/24"}}) == (
        400,
        "NetcfgSubnetRangesOverlap",
    )


def test_a_deleted_child_is_gone_from_its_parent(network: World) -> None:
    assert network.send("DELETE", NAT_RULE).status_code == 200
    assert network.get(LB)["properties"]["inboundNatRules"] == []
    assert network.send("DELETE", NAT_RULE).status_code == 204
    assert refusal(network, "DELETE", POOL) == (400, "InvalidResourceReference")


def test_a_child_of_nothing_is_told_so(world: World) -> None:
    assert refusal(world, "PUT", SUBNET, {"properties": {"addressPrefix": "10.0.0.0/24"}}) == (
        404,
        "ParentResourceNotFound",
    )


def test_a_balancer_put_again_keeps_the_rules_that_were_put_by_their_own_addresses(network: World) -> None:
    """So a template that was deployed can be deployed again."""
    network.put(LB, lb_body())
    assert [each["name"] for each in network.get(LB)["properties"]["inboundNatRules"]] == ["NatRule"]
    body = lb_body()
    body["properties"]["inboundNatRules"] = []
    network.put(LB, body)
    assert network.get(LB)["properties"]["inboundNatRules"] == []


def test_default_security_rules_are_shown_and_cannot_be_written(network: World) -> None:
    shown = network.get(NSG)["properties"]["defaultSecurityRules"]
    assert [each["properties"]["priority"] for each in shown] == [65000, 65001, 65500] * 2
    path = f"{NSG}/defaultSecurityRules/DenyAllInBound"
    assert network.get(path) == shown[2]
    assert refusal(network, "DELETE", path)[1] == "OperationNotAllowed"
    assert refusal(network, "PUT", path, shown[2])[1] == "OperationNotAllowed"


def test_a_frontend_of_a_missing_address_or_subnet_is_refused_and_nothing_is_made(world: World) -> None:
    assert refusal(world, "PUT", LB, lb_body()) == (400, "InvalidResourceReference")
    assert world.send("GET", LB).status_code == 404


def test_references_are_shown_as_what_they_name_is_spelt(network: World) -> None:
    body = copy.deepcopy(lb_body())
    [frontend] = body["properties"]["frontendIPConfigurations"]
    frontend["properties"]["publicIPAddress"]["id"] = PIP.upper().replace("/SUBSCRIPTIONS", "/subscriptions")
    network.put(LB, body)
    assert network.get(FRONTEND)["properties"]["publicIPAddress"] == {"id": PIP}


@pytest.mark.parametrize(
    ("path", "code"),
    [(PIP, "PublicIPAddressCannotBeDeleted"), (NSG, "InUseNetworkSecurityGroupCannotBeDeleted")],
)
def test_what_another_resource_uses_cannot_be_deleted(network: World, path: str, code: str) -> None:
    body = vnet_body()
    body["properties"]["subnets"][0]["properties"]["networkSecurityGroup"] = {"id": NSG}
    assert network.put(VNET, body).status_code == 200
    assert network.get(NSG)["properties"]["subnets"] == [{"id": SUBNET}]
    assert refusal(network, "DELETE", path) == (409, code)
    for user in (LB, VNET):
        assert network.send("DELETE", user).status_code == 200
    assert network.send("DELETE", path).status_code == 200


def test_one_address_is_for_one_frontend_of_its_own_sku(network: World) -> None:
    second = lb_body()
    second["properties"]["loadBalancingRules"] = []
    assert refusal(network, "PUT", f"{NET}/loadBalancers/other", second) == (
        400,
        "PublicIPReferencedByMultipleIPConfigs",
    )
    network.put(f"{NET}/publicIPAddresses/basic", {"location": "local"})
    [frontend] = second["properties"]["frontendIPConfigurations"]
    frontend["properties"]["publicIPAddress"]["id"] = f"{NET}/publicIPAddresses/basic"
    assert refusal(network, "PUT", f"{NET}/loadBalancers/other", second) == (400, "PublicIPAndLBSkuDoNotMatch")


@pytest.mark.parametrize("kind", ["natGateways", "applicationSecurityGroups", "publicIPPrefixes", "routeTables"])
def test_types_that_are_not_done_are_refused_by_name(world: World, kind: str) -> None:
    answer = world.put(f"{NET}/{kind}/x", {"location": "local"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "InvalidResourceType")
    assert kind.lower() in answer.json()["error"]["message"]


def test_another_location_is_refused(world: World) -> None:
    assert refusal(world, "PUT", PIP, {**pip_body(), "location": "moon"}) == (
        400,
        "LocationNotAvailableForResourceType",
    )
    assert world.put(PIP, {**pip_body(), "location": "LOCAL"}).status_code == 201


def test_tags_alone_can_be_patched(network: World) -> None:
    for path in (VNET, PIP, LB, NSG):
        before = network.get(path)
        patched = network.send("PATCH", path, {"tags": {"a": "b"}}).json()
        assert patched["tags"] == {"a": "b"}
        expected = str(before["properties"]).replace(before["etag"], patched["etag"])
        assert str(patched["properties"]) == expected


def test_lists_are_of_the_group_and_of_the_subscription(network: World) -> None:
    for where in (NET, f"/subscriptions/{SUB}/providers/Microsoft.Network"):
        assert [each["id"] for each in network.get(f"{where}/networkSecurityGroups")["value"]] == [NSG]
    ids = {each["id"] for each in network.get(f"{GROUP}/resources")["value"]}
    assert {VNET, PIP, LB, NSG} <= ids


def test_a_group_with_a_network_is_deleted_in_order(network: World) -> None:
    network.put(NSG, nsg_body())
    assert network.send("DELETE", GROUP).status_code == 202
    api: Api = network.app.state.api
    assert asyncio.run(api.jobs.advance(api)) is False
    assert network.send("GET", GROUP).status_code == 404
    assert list(network.store.resources(subscription_id=SUB)) == []
