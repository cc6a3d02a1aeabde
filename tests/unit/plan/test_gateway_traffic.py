"""What the balancer is told of application gateways."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import BadInput
from orchestrator.model.network.application_gateways import SHAPE
from orchestrator.model.network.secret_members import secret_path
from orchestrator.model.network.traffic import (
    BackendTls,
    Check,
    Mode,
    Redirect,
    Route,
    Side,
    Stickiness,
    Tls,
    Traffic,
    certificate,
)
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


def https(name: str, of: str, **more: Any) -> Json:
    shared = {"protocol": "Https", "sslCertificate": own("sslCertificates", of)}
    return listener(name, **shared, **more)


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
    secrets = {secret_path("sslCertificates", name, "pem"): f"pem of {name}" for name in ("one", "two")}
    return gateway_traffic(IDENTITY, body, lambda _: [("10.91.0.4", Side.GUESTS)], {POOL: places}, secrets)


def test_listeners_of_one_port_share_it_and_host_names_come_before_the_rest() -> None:
    [found] = told(a_gateway()).listeners
    assert (found.address, found.port, found.mode) == ("10.91.0.4", 80, Mode.HTTP)
    assert found.routes == (Route(("shop.example",), backend="rg.gw.gateway.pool.sticky"),)
    assert found.backend == "rg.gw.gateway.pool.plain"


def test_each_pool_with_its_settings_is_a_backend_of_its_instances() -> None:
    backends = {each.name: each for each in told(a_gateway()).backends}
    assert set(backends) == {"rg.gw.gateway.pool.plain", "rg.gw.gateway.pool.sticky"}
    plain, sticky = backends["rg.gw.gateway.pool.plain"], backends["rg.gw.gateway.pool.sticky"]
    assert [(each.name, each.address, each.port) for each in plain.members] == [("web_0", "10.90.1.2", 8080)]
    assert (plain.stickiness, sticky.stickiness) == (Stickiness.NONE, Stickiness.COOKIE)
    assert plain.idle_timeout_s == 20


def test_a_pool_is_asked_by_its_settings_probe_or_by_azures_own() -> None:
    backends = {each.name: each.check for each in told(a_gateway()).backends}
    well = ((200, 399),)
    assert backends["rg.gw.gateway.pool.plain"] == Check(
        "http", 8080, 30.0, "/", None, fall=3, timeout_s=30.0, statuses=well
    )
    assert backends["rg.gw.gateway.pool.sticky"] == Check(
        "http", 9090, 5.0, "/h", "x", fall=2, timeout_s=2.0, statuses=well
    )


def test_a_client_may_be_silent_for_as_long_as_an_answer_may_take() -> None:
    [found] = with_settings(requestTimeout=900).listeners
    assert found.idle_timeout_s == 900
    [found] = with_settings(requestTimeout=20).listeners
    assert found.idle_timeout_s == 240


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
        Route(("shop.other",), (), "rg.gw.gateway.pool.plain"),
        Route(("shop.example",), (), "rg.gw.gateway.pool.sticky"),
        Route(("*.example",), (), "rg.gw.gateway.pool.plain"),
        Route((), ("/images/*", "/logo"), "rg.gw.gateway.pool.sticky"),
    )
    assert found.backend == "rg.gw.gateway.pool.plain"


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


CERTIFICATES = [child("one"), child("two")]


def over_tls(*listeners: Json, **more: Any) -> Json:
    rules = [rule(each["name"], each["name"], "plain", priority=10 + n) for n, each in enumerate(listeners)]
    shared = {"sslCertificates": CERTIFICATES, "requestRoutingRules": rules}
    return a_gateway(httpListeners=list(listeners), **shared, **more)


def test_https_listeners_of_one_port_show_each_host_its_certificate_and_all_else_that_of_the_one_without() -> None:
    [found] = told(over_tls(https("shop", "two", hostName="shop.example"), https("rest", "one"))).listeners
    assert found.tls == Tls((certificate("pem of two", ("shop.example",)),), certificate("pem of one"))


def test_where_every_listener_requires_a_name_nobody_else_gets_an_answer() -> None:
    strict = {"requireServerNameIndication": True}
    one = https("shop", "two", hostName="shop.example", **strict)
    other = https("wild", "one", hostNames=["*.example"])
    [found] = told(over_tls(one, other)).listeners
    assert found.tls is not None
    assert found.tls.default == certificate("pem of two"), "the first rule's, as one listener requires no name"
    [found] = told(over_tls(one)).listeners
    assert found.tls is not None
    assert found.tls.default is None


def test_the_policy_says_the_least_version_and_a_switch_whether_http_2_is_spoken() -> None:
    policy = {"policyType": "CustomV2", "minProtocolVersion": "TLSv1_3"}
    [found] = told(over_tls(https("rest", "one"), sslPolicy=policy, enableHttp2=True)).listeners
    assert found.tls is not None
    assert (found.tls.minimum, found.tls.speaks_h2) == ("TLSv1.3", True)
    [found] = told(over_tls(https("rest", "one"), sslPolicy={"policyName": "AppGwSslPolicy20170401S"})).listeners
    assert found.tls is not None
    assert (found.tls.minimum, found.tls.speaks_h2) == ("TLSv1.2", False)


def test_keys_are_in_no_text_that_traffic_is_shown_as() -> None:
    traffic = told(over_tls(https("rest", "one")))
    assert "pem of one" not in repr(traffic)
    assert repr(traffic) != repr(told(over_tls(https("rest", "two")))), "they can be told apart all the same"


def redirected(name: str, **more: Any) -> Json:
    return child(name, redirectType=more.pop("redirectType", "Permanent"), **more)


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ({"targetListener": own("httpListeners", "safe")}, "https://*:8443"),
        ({"targetListener": own("httpListeners", "shop")}, "http://shop.example"),
        ({"targetUrl": "https://new.example/here"}, "https://new.example/here"),
    ],
)
def test_a_redirect_leads_to_the_listener_or_url_that_it_names(target: Json, url: str) -> None:
    frontend = own("frontendIPConfigurations", "front")
    safe = {"protocol": "Https", "sslCertificate": own("sslCertificates", "one")}
    there = child("safe", frontendIPConfiguration=frontend, frontendPort=own("frontendPorts", "tls"), **safe)
    away = child("away", httpListener=own("httpListeners", "all"), redirectConfiguration=own(*TO), priority=1)
    body = a_gateway(
        frontendPorts=[child("http", port=80), child("tls", port=8443)],
        httpListeners=[listener("all"), listener("shop", hostName="shop.example"), there],
        sslCertificates=CERTIFICATES,
        redirectConfigurations=[redirected("to", redirectType="Temporary", includePath=True, **target)],
        requestRoutingRules=[away, rule("safe", "safe", "plain", priority=2)],
    )
    plain = next(each for each in told(body).listeners if each.port == 80)
    assert plain.routes == (Route(redirect=Redirect(url, 307, keeps_path=True)),)
    assert plain.backend is None


TO = ("redirectConfigurations", "to")


def test_paths_of_a_map_can_be_redirected_and_its_default_too() -> None:
    maps = child(
        "paths",
        defaultRedirectConfiguration=own(*TO),
        pathRules=[
            child("old", paths=["/old/*"], redirectConfiguration=own(*TO)),
            child(
                "new",
                paths=["/new/*"],
                backendAddressPool=own("backendAddressPools", "pool"),
                backendHttpSettings=own("backendHttpSettingsCollection", "plain"),
            ),
        ],
    )
    by_path = child("by", ruleType="PathBasedRouting", httpListener=own("httpListeners", "all"), priority=1)
    by_path["properties"]["urlPathMap"] = own("urlPathMaps", "paths")
    to = redirected("to", targetUrl="http://x.example/", includeQueryString=True)
    [found] = told(
        a_gateway(urlPathMaps=[maps], requestRoutingRules=[by_path], redirectConfigurations=[to])
    ).listeners
    elsewhere = Redirect("http://x.example/", 301, keeps_query=True)
    assert found.routes == (
        Route((), ("/old/*",), redirect=elsewhere),
        Route((), ("/new/*",), "rg.gw.gateway.pool.plain"),
        Route(redirect=elsewhere),
    )


def with_settings(*probes: Json, **more: Any) -> Traffic:
    settings = [child("plain", port=8080, **more)]
    rules = [rule("rest", "all", "plain", priority=20)]
    return told(a_gateway(backendHttpSettingsCollection=settings, requestRoutingRules=rules, probes=list(probes)))


def test_settings_say_by_what_name_and_path_and_cookie_instances_are_asked() -> None:
    found = with_settings(
        hostName="inner.example", path="/app/", cookieBasedAffinity="Enabled", affinityCookieName="Mine"
    )
    [backend], [front] = found.backends, found.listeners
    assert (backend.host_header, backend.cookie, backend.tls) == ("inner.example", "Mine", None)
    assert front.routes == (Route(backend="rg.gw.gateway.pool.plain", path_prefix="/app/"),)


def test_https_to_instances_is_verified_unless_the_settings_say_otherwise() -> None:
    [backend] = with_settings(protocol="Https", validateCertChainAndExpiry=False).backends
    assert backend.tls == BackendTls(None, is_verified=False)
    assert backend.check is not None
    assert backend.check.protocol == "https"
    [backend] = with_settings(protocol="Https", hostName="a.example", sniName="b.example").backends
    assert backend.tls == BackendTls("b.example", is_verified=True)


def test_a_probe_says_its_port_and_which_answers_are_good() -> None:
    match = {"statusCodes": ["200", "300-302"], "body": "fine"}
    probe = {"protocol": "Http", "path": "/h", "port": 9, "pickHostNameFromBackendHttpSettings": True}
    [backend] = with_settings(
        child("own", match=match, **probe), hostName="x.example", probe=own("probes", "own")
    ).backends
    assert backend.check is not None
    assert (backend.check.port, backend.check.host, backend.check.body) == (9, "x.example", "fine")
    assert backend.check.statuses == ((200, 200), (300, 302))
