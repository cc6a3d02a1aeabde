"""What the balancer is told of application gateways."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import BadInput
from orchestrator.model.network.application_gateways import SHAPE
from orchestrator.model.network.traffic import Check, Mode, Route, Side, Stickiness, Traffic
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.plan.gateway_traffic import gateway_drain_times, gateway_traffic
from orchestrator.plan.traffic import Place, Rotation

Json = dict[str, Any]
NETWORK = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network"
GATEWAY = f"{NETWORK}/applicationGateways/gw"
IDENTITY = parse_resource_id(GATEWAY)
POOL = f"{GATEWAY}/backendAddressPools/pool".lower()
SUBNET = f"{NETWORK}/virtualNetworks/v/subnets/s"


def own(collection: str, name: str) -> Json:
    return {"id": f"{GATEWAY}/{collection}/{name}"}


def child(name: str, **properties: Any) -> Json:
    return {"name": name, "properties": properties}


def listener(name: str, **more: Any) -> Json:
    frontend = own("frontendIPConfigurations", "front")
    return child(name, frontendIPConfiguration=frontend, frontendPort=own("frontendPorts", "http"), **more)


def rule(name: str, listener_name: str, settings: str, **more: Any) -> Json:
    return child(
        name,
        httpListener=own("httpListeners", listener_name),
        backendAddressPool=own("backendAddressPools", "pool"),
        backendHttpSettings=own("backendHttpSettingsCollection", settings),
        **more,
    )


def a_gateway(**more: Any) -> Json:
    draining = {"enabled": True, "drainTimeoutInSec": 20}
    properties = {
        "sku": {"name": "Standard_v2"},
        "gatewayIPConfigurations": [child("ip", subnet={"id": SUBNET})],
        "frontendIPConfigurations": [child("front", publicIPAddress={"id": f"{NETWORK}/publicIPAddresses/ip"})],
        "frontendPorts": [child("http", port=80)],
        "backendAddressPools": [child("pool")],
        "backendHttpSettingsCollection": [
            child("plain", port=8080, requestTimeout=20, connectionDraining=draining),
            child("sticky", port=9090, cookieBasedAffinity="Enabled", probe=own("probes", "own")),
        ],
        "probes": [
            child("own", protocol="Http", host="x", path="/h", interval=5, timeout=2, unhealthyThreshold=2),
        ],
        "httpListeners": [listener("all"), listener("shop", hostName="shop.example")],
        "requestRoutingRules": [
            rule("rest", "all", "plain", priority=20),
            rule("shop", "shop", "sticky", priority=10),
        ],
        **more,
    }
    return SHAPE.parse({"location": "local", "properties": properties}, IDENTITY)


def told(body: Json) -> Traffic:
    places = [Place("web_0", "10.90.1.2", Rotation.SERVES), Place("web_1", "10.90.1.3", Rotation.OUT)]
    return gateway_traffic(IDENTITY, body, lambda _: [("10.91.0.4", Side.GUESTS)], {POOL: places})


def test_listeners_of_one_port_share_it_and_host_names_come_before_the_rest() -> None:
    [found] = told(a_gateway()).listeners
    assert (found.address, found.port, found.mode) == ("10.91.0.4", 80, Mode.HTTP)
    assert found.routes == (Route(("shop.example",), backend="rg.gw.pool.sticky"),)
    assert found.backend == "rg.gw.pool.plain"


def test_each_pool_with_its_settings_is_a_backend_of_its_instances() -> None:
    backends = {each.name: each for each in told(a_gateway()).backends}
    assert set(backends) == {"rg.gw.pool.plain", "rg.gw.pool.sticky"}
    plain, sticky = backends["rg.gw.pool.plain"], backends["rg.gw.pool.sticky"]
    assert [(each.name, each.address, each.port) for each in plain.members] == [("web_0", "10.90.1.2", 8080)]
    assert (plain.stickiness, sticky.stickiness) == (Stickiness.NONE, Stickiness.COOKIE)
    assert plain.idle_timeout_s == 20


def test_a_pool_is_asked_by_its_settings_probe_or_by_azures_own() -> None:
    backends = {each.name: each.check for each in told(a_gateway()).backends}
    well = ((200, 399),)
    assert backends["rg.gw.pool.plain"] == Check(
        "http", 8080, 30.0, "/", None, fall=3, timeout_s=30.0, statuses=well
    )
    assert backends["rg.gw.pool.sticky"] == Check(
        "http", 9090, 5.0, "/h", "x", fall=2, timeout_s=2.0, statuses=well
    )


def test_the_settings_say_how_long_instances_may_take_to_finish() -> None:
    assert gateway_drain_times(IDENTITY, a_gateway()) == {POOL: 20.0}


def test_paths_of_a_map_come_before_its_default_and_patterns_of_hosts_after_names() -> None:
    maps = [
        child(
            "paths",
            defaultBackendAddressPool=own("backendAddressPools", "pool"),
            defaultBackendHttpSettings=own("backendHttpSettingsCollection", "plain"),
            pathRules=[
                child(
                    "images",
                    paths=["/images/*", "/logo"],
                    backendAddressPool=own("backendAddressPools", "pool"),
                    backendHttpSettings=own("backendHttpSettingsCollection", "sticky"),
                )
            ],
        )
    ]
    by_path = child(
        "rest",
        ruleType="PathBasedRouting",
        httpListener=own("httpListeners", "all"),
        urlPathMap=own("urlPathMaps", "paths"),
        priority=1,
    )
    listeners = [
        listener("all"),
        listener("any", hostNames=["*.example", "shop.other"]),
        listener("shop", hostName="shop.example"),
    ]
    rules = [by_path, rule("any", "any", "plain", priority=2), rule("shop", "shop", "sticky", priority=3)]
    [found] = told(a_gateway(urlPathMaps=maps, httpListeners=listeners, requestRoutingRules=rules)).listeners
    assert found.routes == (
        Route(("shop.example",), (), "rg.gw.pool.sticky"),
        Route(("*.example", "shop.other"), (), "rg.gw.pool.plain"),
        Route((), ("/images/*", "/logo"), "rg.gw.pool.sticky"),
    )
    assert found.backend == "rg.gw.pool.plain"


@pytest.mark.parametrize(
    "rule_change",
    [
        {"ruleType": "PathBasedRouting"},
        {"ruleType": "Basic", "urlPathMap": own("urlPathMaps", "paths")},
    ],
)
def test_a_rule_has_what_its_type_needs_and_nothing_else(rule_change: Json) -> None:
    with pytest.raises(BadInput):
        a_gateway(requestRoutingRules=[rule("rest", "all", "plain", **rule_change)])


def test_a_map_that_is_not_there_is_named() -> None:
    lost = child(
        "rest",
        ruleType="PathBasedRouting",
        httpListener=own("httpListeners", "all"),
        urlPathMap=own("urlPathMaps", "nobody"),
    )
    with pytest.raises(BadInput, match="nobody"):
        a_gateway(requestRoutingRules=[lost])
