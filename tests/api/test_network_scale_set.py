"""A scale set on the default network of ``az vmss create``: its references, its warnings, its cards."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.instance import Instance, Stage
from tests.api.az_network import LB, NET, NETWORK, NSG, PIP, POOL, SS1, SUBNET, VNET, set_body, vnet_body
from tests.api.fake_world import NOW, SUB, Json, World


@pytest.fixture
def made(world: World) -> World:
    """The set ``ss1`` with all of its network."""
    for path, body in NETWORK:
        assert world.put(path, body).status_code == 201
    answer = world.put(SS1, set_body())
    assert answer.status_code == 201, answer.text
    return world


def card_of(body: Json) -> Any:
    [card] = body["properties"]["virtualMachineProfile"]["networkProfile"]["networkInterfaceConfigurations"]
    return card["properties"]


def address_of(body: Json) -> Any:
    return card_of(body)["ipConfigurations"][0]["properties"]


def add_instance(world: World, number: int = 0) -> None:
    record = world.store.find_scale_set(SUB, "rg", "ss1")
    with world.store.write() as tx:
        tx.add_instances(
            [
                Instance(
                    set_uid=record.uid,
                    instance_id=number,
                    generation=1,
                    model_version=record.model_version,
                    stage=Stage.READY,
                    created_at=NOW,
                    changed_at=NOW,
                    address="10.90.0.7",
                    mac="02:00:00:00:00:0a",
                    host_key_private="secret key",
                    host_key_public="ssh-ed25519 AAAA",
                )
            ]
        )


def test_the_answer_says_what_has_no_effect_in_body_header_and_events(world: World) -> None:
    for path, body in NETWORK:
        world.put(path, body)
    answer = world.put(SS1, set_body())
    warnings = answer.json()["properties"]["warnings"]
    assert [each["code"] for each in warnings] == ["SubnetPrefixHasNoEffect"]
    assert answer.headers["warning"].count("299 vmss ") == 1
    told = [event.reason for event in world.store.events() if event.set_name == "ss1"]
    assert all(each["message"] in told for each in warnings)
    assert world.get(SS1)["properties"]["warnings"] == warnings


def test_a_set_without_references_has_no_warnings(world: World) -> None:
    answer = world.put()
    assert "warnings" not in answer.json()["properties"]
    assert "warning" not in answer.headers


def test_the_set_put_back_as_it_was_read_changes_nothing(made: World) -> None:
    before = made.store.find_scale_set(SUB, "rg", "ss1")
    shown = made.get(SS1)
    assert made.put(SS1, shown).status_code == 200
    after = made.store.find_scale_set(SUB, "rg", "ss1")
    assert (after.version, after.model) == (before.version, before.model)


def test_references_come_back_in_the_spelling_of_what_they_name(made: World) -> None:
    body = set_body()
    card_of(body)["networkSecurityGroup"]["id"] = NSG.lower()
    address_of(body)["loadBalancerBackendAddressPools"][0]["id"] = POOL.upper()
    assert made.put(SS1, body).status_code == 200
    shown = made.get(SS1)
    assert card_of(shown)["networkSecurityGroup"]["id"] == NSG
    assert address_of(shown)["loadBalancerBackendAddressPools"] == [{"id": POOL}]


@pytest.mark.parametrize("missing", [VNET, LB, NSG])
def test_what_a_set_refers_to_must_be_there(world: World, missing: str) -> None:
    kept = [(path, body) for path, body in NETWORK if not path.startswith(missing)]
    for path, body in kept:
        world.put(path, body)
    answer = world.put(SS1, set_body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidResourceReference")
    assert missing in answer.json()["error"]["message"]
    assert world.send("GET", SS1).status_code == 404


def test_a_reference_to_something_of_another_type_is_refused_by_its_path(made: World) -> None:
    body = set_body()
    card_of(body)["networkSecurityGroup"]["id"] = LB
    error = made.put(SS1, body).json()["error"]
    assert error["target"].endswith("networkSecurityGroup.id")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (VNET, "InUseSubnetCannotBeDeleted"),
        (SUBNET, "InUseSubnetCannotBeDeleted"),
        (LB, "LoadBalancerInUseByVirtualMachineScaleSet"),
        (POOL, "LoadBalancerInUseByVirtualMachineScaleSet"),
        (NSG, "InUseNetworkSecurityGroupCannotBeDeleted"),
    ],
)
def test_what_a_set_uses_cannot_be_deleted_and_the_answer_names_the_set(made: World, path: str, code: str) -> None:
    answer = made.send("DELETE", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
    assert SS1 in answer.json()["error"]["message"]
    assert made.send("GET", path).status_code == 200


def test_a_network_put_without_the_subnet_of_a_set_is_refused(made: World) -> None:
    answer = made.put(VNET, vnet_body(("other", "10.0.9.0/24")))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "InUseSubnetCannotBeDeleted")
    assert [each["name"] for each in made.get(VNET)["properties"]["subnets"]] == ["ss1Subnet"]


def test_a_set_may_move_to_another_subnet_of_the_same_address_space_and_the_old_one_is_free(made: World) -> None:
    made.put(f"{VNET}/subnets/second", {"properties": {"addressPrefix": "10.0.1.0/24"}})
    body = set_body()
    address_of(body)["subnet"]["id"] = f"{VNET}/subnets/second"
    assert made.put(SS1, body).status_code == 200
    assert made.send("DELETE", SUBNET).status_code == 200


def test_a_subnet_with_the_name_of_an_address_space_need_not_be_there(world: World) -> None:
    for path, body in NETWORK:
        world.put(path, body)
    body = set_body()
    address_of(body)["subnet"]["id"] = f"{NET}/virtualNetworks/any/subnets/fabric"
    answer = world.put(SS1, body)
    assert answer.status_code == 201
    assert "SubnetPrefixHasNoEffect" not in str(answer.json()["properties"].get("warnings"))


def test_all_else_that_az_asks_of_a_card_is_kept_with_a_warning(made: World) -> None:
    body = set_body()
    card_of(body)["enableAcceleratedNetworking"] = "true"
    card_of(body)["dnsSettings"] = {"dnsServers": ["10.0.0.4"]}
    public = {"name": "instancepublicip", "properties": {"idleTimeoutInMinutes": 10}}
    address_of(body)["publicIPAddressConfiguration"] = public
    answer = made.put(SS1, body)
    codes = {each["code"] for each in answer.json()["properties"]["warnings"]}
    assert codes >= {"NoAcceleratedNetworking", "NoPublicAddress"}
    assert address_of(answer.json())["publicIPAddressConfiguration"] == public
    assert card_of(answer.json())["enableAcceleratedNetworking"] is True


def probed(name: str, **properties: Any) -> Json:
    body = set_body()
    body["properties"] |= properties
    profile = body["properties"]["virtualMachineProfile"]["networkProfile"]
    profile["healthProbe"] = {"id": f"{LB}/probes/{name}"}
    return body


def with_probes(world: World) -> None:
    """A rule uses ``p``, none uses ``idle``."""
    balancer = {key: value for key, value in world.get(LB).items() if key in {"location", "sku", "properties"}}
    own = {"protocol": "Http", "port": 80, "requestPath": "/", "intervalInSeconds": 7, "probeThreshold": 2}
    balancer["properties"]["probes"] = [{"name": name, "properties": own} for name in ("p", "idle")]
    frontend = balancer["properties"]["frontendIPConfigurations"][0]["id"]
    rule = {"protocol": "Tcp", "frontendPort": 80, "backendPort": 80, "probe": {"id": f"{LB}/probes/p"}}
    rule |= {"frontendIPConfiguration": {"id": frontend}}
    balancer["properties"]["loadBalancingRules"] = [{"name": "web", "properties": rule}]
    assert world.put(LB, balancer).status_code == 200


def test_a_probe_that_a_rule_uses_is_a_health_source(made: World) -> None:
    with_probes(made)
    repairs = {"enabled": True, "gracePeriod": "PT10M"}
    answer = made.put(SS1, probed("p", automaticRepairsPolicy=repairs))
    assert answer.status_code in {200, 201}, answer.text
    network = answer.json()["properties"]["virtualMachineProfile"]["networkProfile"]
    assert network["healthProbe"] == {"id": f"{LB}/probes/p"}
    add_instance(made)
    shown = made.get(LB)
    again = made.put(LB, shown)
    assert (again.status_code, again.json()) == (200, shown), "what is shown can be put back"
    refused = made.send("DELETE", f"{LB}/probes/p")
    assert refused.status_code in {400, 409}, "it is in use"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (probed("idle"), "CannotUseInactiveHealthProbe"),
        (probed("nobody"), "InvalidResourceReference"),
        (probed("p", externalHealthProbe={"protocol": "tcp", "port": 80}), "InvalidParameter"),
    ],
)
def test_a_probe_that_asks_nobody_and_a_second_source_are_refused(made: World, body: Json, code: str) -> None:
    with_probes(made)
    before = made.get(SS1) if made.send("GET", SS1).status_code == 200 else None
    answer = made.put(SS1, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert (made.get(SS1) if before else before) == before


def test_cards_are_shown_in_the_shape_of_network_interfaces(made: World) -> None:
    add_instance(made)
    [card] = made.get(f"{SS1}/networkInterfaces")["value"]
    own = f"{SS1}/virtualMachines/0/networkInterfaces/ss1e5bd92Nic"
    assert card["id"] == own
    assert card["properties"]["networkSecurityGroup"] == {"id": NSG}
    assert card["properties"]["macAddress"] == "02-00-00-00-00-0A"
    assert made.get(own) == card
    assert made.get(f"{SS1}/virtualMachines/0/networkInterfaces")["value"] == [card]
    [address] = card["properties"]["ipConfigurations"]
    assert address["properties"]["privateIPAddress"] == "10.90.0.7"
    assert address["properties"]["subnet"] == {"id": SUBNET}
    assert address["properties"]["loadBalancerBackendAddressPools"] == [{"id": POOL}]
    assert made.get(address["id"]) == address
    assert made.get(f"{address['id']}/publicipaddresses") == {"value": []}
    assert made.get(f"{SS1}/publicipaddresses") == {"value": []}
    assert made.send("GET", f"{SS1}/virtualMachines/0/networkInterfaces/other").status_code == 404
    assert made.send("GET", f"{address['id']}/publicipaddresses/x").status_code == 404
    machine = made.get(f"{SS1}/virtualMachines/0")
    assert machine["properties"]["networkProfile"]["networkInterfaces"][0]["id"] == own


def test_instances_show_in_the_pool_the_subnet_and_the_security_group(made: World) -> None:
    add_instance(made)
    card = f"{SS1}/virtualMachines/0/networkInterfaces/ss1e5bd92Nic"
    address = f"{card}/ipConfigurations/ss1e5bd92IPConfig"
    assert made.get(POOL)["properties"]["backendIPConfigurations"] == [{"id": address}]
    assert made.get(SUBNET)["properties"]["ipConfigurations"] == [{"id": address}]
    assert made.get(NSG)["properties"]["networkInterfaces"] == [{"id": card}]
    for path in (LB, VNET, NSG, PIP):
        shown = made.get(path)
        assert made.put(path, shown).json() == shown
