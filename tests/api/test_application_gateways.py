"""Application gateways: certificates that nobody gets to see, and parts that have to fit each other."""

from __future__ import annotations

import asyncio
import base64
import copy
import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import pkcs7

from orchestrator.model.network.secret_members import secret_path
from orchestrator.model.resource_id import parse_resource_id
from tests.api.az_network import NET, PIP, VNET, pip_body, vnet_body
from tests.api.fake_world import GROUP, NOW, SUB, Json, World
from tests.network.certificate_files import Signed, authority, signed

GATEWAY = f"{NET}/applicationGateways/gate"
PASSWORD = "canary-Pa55word"
BEGIN = datetime.datetime.fromtimestamp(NOW, datetime.UTC) - datetime.timedelta(days=1)
DEPLOYMENTS = f"{GROUP}/providers/Microsoft.Resources/deployments"


def own(collection: str, name: str) -> Json:
    return {"id": f"{GATEWAY}/{collection}/{name}"}


def child(name: str, **properties: Any) -> Json:
    return {"name": name, "properties": properties}


def listener(name: str, port: str = "http", **more: Any) -> Json:
    front = own("frontendIPConfigurations", "front")
    return child(name, frontendIPConfiguration=front, frontendPort=own("frontendPorts", port), **more)


def https(name: str, **more: Any) -> Json:
    return listener(name, "https", protocol="Https", sslCertificate=own("sslCertificates", "web"), **more)


def rule(name: str, priority: int | None = None, **more: Any) -> Json:
    shared = {
        "httpListener": own("httpListeners", name),
        "backendAddressPool": own("backendAddressPools", "pool"),
        "backendHttpSettings": own("backendHttpSettingsCollection", "plain"),
    }
    ranked = {} if priority is None else {"priority": priority}
    return child(name, **{**shared, **ranked, **more})


def gateway(**more: Any) -> Json:
    properties = {
        "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 2},
        "gatewayIPConfigurations": [child("ip", subnet={"id": f"{VNET}/subnets/ss1Subnet"})],
        "frontendIPConfigurations": [child("front", publicIPAddress={"id": PIP})],
        "frontendPorts": [child("http", port=80), child("https", port=443), child("again", port=80)],
        "backendAddressPools": [{"name": "pool"}],
        "backendHttpSettingsCollection": [child("plain", port=80)],
        "httpListeners": [listener("all")],
        "requestRoutingRules": [rule("all", 10)],
        **more,
    }
    return {"location": "local", "properties": properties}


def certificate_of(it: Signed, password: str | None = PASSWORD, name: str = "web") -> Json:
    given = {"password": password} if password is not None else {}
    return child(name, data=it.pfx(password), **given)


def with_tls(*certificates: Json) -> Json:
    rules = [rule("safe", 10), rule("all", 20)]
    listeners = [https("safe"), listener("all")]
    return gateway(sslCertificates=list(certificates), httpListeners=listeners, requestRoutingRules=rules)


def a_site(name: str = "shop.example", days: int = 30) -> Signed:
    return signed(name, authority(), begins=BEGIN, days=days)


@pytest.fixture
def network(world: World) -> World:
    for path, body in [(VNET, vnet_body()), (PIP, pip_body())]:
        assert world.put(path, body).status_code == 201
    return world


def refused(world: World, body: Json) -> tuple[str, str]:
    answer = world.put(GATEWAY, body)
    assert answer.status_code in (400, 409), answer.text
    return answer.json()["error"]["code"], answer.json()["error"]["message"]


def secrets_of(world: World) -> dict[str, Any]:
    found = world.store.resource(parse_resource_id(GATEWAY))
    assert found is not None
    return dict(found.secrets)


def test_a_certificate_is_kept_for_the_balancer_and_its_public_part_is_shown(network: World) -> None:
    site = a_site()
    shown = network.put(GATEWAY, with_tls(certificate_of(site))).json()
    [found] = shown["properties"]["sslCertificates"]
    assert set(found["properties"]) == {"provisioningState", "publicCertData"}
    public = pkcs7.load_der_pkcs7_certificates(base64.b64decode(found["properties"]["publicCertData"]))
    assert public == [site.certificate, authority().certificate]
    pem = secrets_of(network)[secret_path("sslCertificates", "web", "pem")]
    assert pem == site.pem + authority().pem + site.key_pem


def needles(it: Signed) -> list[str]:
    """What of a certificate is secret, in every form that it may come in."""
    number = it.key.private_numbers().private_value.to_bytes(32, "big")
    first, second, _ = (line for line in it.key_pem.splitlines() if not line.startswith("-"))
    forms = [number.hex(), base64.b64encode(number).decode()[:40], first, second[:24]]  # what follows is public
    return [PASSWORD, it.pfx(PASSWORD)[:60], *forms]


def everything(world: World, deployed: str) -> Iterator[str]:
    yield repr(world.get(GATEWAY))
    yield repr(world.get(f"{NET}/applicationGateways"))
    yield repr(world.get(f"/subscriptions/{SUB}/resources"))
    yield world.send("POST", f"{GROUP}/exportTemplate", {"resources": ["*"]}).text
    for path in (deployed, f"{deployed}/operations", f"{DEPLOYMENTS}", "/providers/Vmss.Local/events"):
        yield repr(world.get(path))
    yield repr(world.store.events())
    yield repr(world.store.resources(subscription_id=SUB))
    with world.store._engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        found = driver.serialize().decode("latin-1")
        assert "appgw-canary" in found, "it is the database that is searched"
        yield found


def test_neither_password_nor_key_is_in_any_answer_or_log_or_the_database(network: World) -> None:
    one, other = a_site(), a_site("blog.example")
    given = with_tls(certificate_of(one))
    given["properties"]["sslCertificates"][0]["properties"]["password"] = "[parameters('word')]"
    resource = {
        "type": "Microsoft.Network/applicationGateways",
        "apiVersion": "2024-05-01",
        "name": "gate",
        **given,
    }
    what = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"word": {"type": "securestring"}},
        "resources": [resource],
        "outputs": {"it": {"type": "object", "value": "[reference('gate', '2024-05-01', 'Full')]"}},
    }
    parameters = {"word": {"value": PASSWORD}}
    body = {"properties": {"mode": "Incremental", "template": what, "parameters": parameters}}
    said = []
    with structlog.testing.capture_logs() as logged:
        said.append(network.send("POST", f"{DEPLOYMENTS}/d/whatIf", body).text)
        said.append(network.put(f"{DEPLOYMENTS}/d", body).text)
        api = network.app.state.api
        while asyncio.run(api.jobs.advance(api)):
            pass
        assert network.get(f"{DEPLOYMENTS}/d")["properties"]["provisioningState"] == "Succeeded"
        said.append(network.put(GATEWAY, with_tls(certificate_of(other))).text)
        wrong = with_tls(child("web", data=one.pfx(PASSWORD), password=f"not {PASSWORD}"))
        said.append(network.put(GATEWAY, wrong).text)
        said.append(network.put(GATEWAY, with_tls(child("web", data=one.pfx(PASSWORD), password=[PASSWORD]))).text)
        said.append(network.send("PATCH", GATEWAY, {"tags": {"a": "appgw-canary"}}).text)
    said += [*everything(network, f"{DEPLOYMENTS}/d"), repr(logged)]
    assert len(secrets_of(network)) == 3, "it is there all the same"
    for needle in (*needles(one), *needles(other)):
        found = [text[max(0, text.find(needle) - 200) : text.find(needle)] for text in said if needle in text]
        assert not found, f"after {found[0]!r}"


def test_what_was_read_can_be_put_back_and_a_certificate_without_data_stays(network: World) -> None:
    network.put(GATEWAY, with_tls(certificate_of(a_site())))
    before, kept = network.get(GATEWAY), secrets_of(network)
    assert network.put(GATEWAY, before).json() == before
    changed = copy.deepcopy(before)
    changed["properties"]["enableHttp2"] = True
    changed["properties"]["sslCertificates"][0]["name"] = "WEB"
    assert network.put(GATEWAY, changed).status_code == 200
    assert network.send("PATCH", GATEWAY, {"tags": {"a": "b"}}).status_code == 200
    del changed["properties"]["sslCertificates"]
    assert network.put(GATEWAY, changed).status_code == 200
    assert secrets_of(network) == kept
    assert len(network.get(GATEWAY)["properties"]["sslCertificates"]) == 1


def test_the_same_certificate_again_changes_nothing_and_another_one_all_three_parts(network: World) -> None:
    first = with_tls(certificate_of(a_site()))
    before, kept = network.put(GATEWAY, first).json(), secrets_of(network)
    assert network.put(GATEWAY, first).json()["etag"] == before["etag"]
    after = network.put(GATEWAY, with_tls(certificate_of(a_site(), None))).json()
    assert after["etag"] != before["etag"]
    assert secret_path("sslCertificates", "web", "password") not in secrets_of(network), "the new one has none"
    assert not set(secrets_of(network).values()) & set(kept.values())


def test_a_certificate_that_goes_takes_its_key_along(network: World) -> None:
    network.put(GATEWAY, with_tls(certificate_of(a_site())))
    assert (
        refused(network, gateway(sslCertificates=[], httpListeners=[https("all")]))[0] == "InvalidResourceReference"
    )
    assert network.put(GATEWAY, gateway(sslCertificates=[])).status_code == 200
    assert secrets_of(network) == {}


def test_one_that_has_expired_since_keeps_nobody_from_changing_something_else(network: World) -> None:
    body = with_tls(certificate_of(a_site(days=2)))
    network.put(GATEWAY, body)
    network.clock[0] += 30 * 86400
    assert network.put(GATEWAY, {**body, "tags": {"a": "b"}}).status_code == 200
    code, message = refused(network, with_tls(certificate_of(a_site(days=3))))
    assert (code, "valid until" in message) == ("ApplicationGatewaySslCertificateExpired", True)


OPEN = "ApplicationGatewaySslCertificateInvalidDataOrPassword"
DATA = "ApplicationGatewaySslCertificateInvalidData"


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"data": a_site().pfx(PASSWORD), "password": "another"}, OPEN),
        ({"data": a_site().pfx(PASSWORD)}, OPEN),
        ({"data": base64.b64encode(b"nonsense").decode(), "password": PASSWORD}, OPEN),
        ({"data": "no base64 at all!", "password": PASSWORD}, DATA),
        ({}, "ApplicationGatewaySslCertificateDataMustBeSpecified"),
        ({"password": PASSWORD}, "InvalidParameter"),
        ({"keyVaultSecretId": "https://vault.example/secrets/x"}, "OperationNotAllowed"),
    ],
)
def test_a_certificate_that_cannot_be_opened_is_refused_and_nothing_changes(
    network: World, properties: Json, code: str
) -> None:
    assert refused(network, with_tls(child("web", **properties)))[0] == code
    assert network.send("GET", GATEWAY).status_code == 404
    network.put(GATEWAY, with_tls(certificate_of(a_site(), name="kept")) | gateway())
    before = network.get(GATEWAY)
    assert refused(network, with_tls(child("web", **properties)))[0] == code
    assert network.get(GATEWAY) == before


def redirect(**more: Any) -> Json:
    return child("to", redirectType="Permanent", **more)


AWAY = {"backendAddressPool": None, "backendHttpSettings": None}
PREFIX = "ApplicationGateway"
SAME_PORT = f"{PREFIX}HttpListenersUsingSameFrontendPort"
PROBE = {"protocol": "Http", "path": "/"}


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ({"httpListeners": [listener("all"), listener("b")]}, f"{SAME_PORT}AndFrontendIpConfig"),
        ({"httpListeners": [listener("all"), listener("b", "again")]}, f"{SAME_PORT}AndFrontendIpConfig"),
        (
            {"httpListeners": [listener("all", hostName="A.x"), listener("b", hostNames=["b.x", "a.X"])]},
            f"{SAME_PORT}AndFrontendIpConfig",
        ),
        (
            {
                "frontendPorts": [child("http", port=80), child("https", port=80)],
                "httpListeners": [listener("all"), https("b", hostName="b.x")],
                "sslCertificates": [certificate_of(a_site())],
            },
            f"{SAME_PORT}WithDifferentProtocols",
        ),
        (
            {"requestRoutingRules": [rule("all", 1), {**rule("all", 2), "name": "b"}]},
            f"{PREFIX}RequestRoutingRulesUsingSameHttpListener",
        ),
        (
            {
                "httpListeners": [listener("all"), listener("b", hostName="b.x")],
                "requestRoutingRules": [rule("all", 1), rule("b", 1)],
            },
            f"{PREFIX}RequestRoutingRulePriorityMustBeUnique",
        ),
        ({"requestRoutingRules": [rule("all")]}, f"{PREFIX}RequestRoutingRulePriorityCannotBeEmpty"),
        (
            {
                "sku": {"name": "Standard_Medium", "tier": "Standard"},
                "httpListeners": [listener("all"), listener("b", hostName="b.x")],
                "requestRoutingRules": [rule("all", 1), rule("b")],
            },
            f"{PREFIX}RequestRoutingRulePartialPriorityDefined",
        ),
        ({"requestRoutingRules": [rule("gone", 1)]}, "InvalidResourceReference"),
        (
            {
                "requestRoutingRules": [
                    rule("all", 1, **AWAY, redirectConfiguration=own("redirectConfigurations", "to"))
                ]
            },
            "InvalidResourceReference",
        ),
        ({"httpListeners": [https("all")]}, "InvalidResourceReference"),
        ({"httpListeners": [listener("all", protocol="Https")]}, "InvalidParameter"),
        ({"httpListeners": [listener("all", sslCertificate=own("sslCertificates", "web"))]}, "InvalidParameter"),
        ({"httpListeners": [https("all", requireServerNameIndication=True)]}, "InvalidParameter"),
        ({"httpListeners": [https("all", hostNames=["a*.example"])]}, "OperationNotAllowed"),
        (
            {
                "redirectConfigurations": [redirect(targetListener=own("httpListeners", "all"))],
                "requestRoutingRules": [
                    rule("all", 1, **AWAY, redirectConfiguration=own("redirectConfigurations", "to"))
                ],
            },
            f"{PREFIX}RedirectConfigurationTargetsItsOwnListener",
        ),
        ({"redirectConfigurations": [redirect()]}, "InvalidParameter"),
        ({"redirectConfigurations": [redirect(targetUrl="javascript:x")]}, "InvalidParameter"),
        (
            {"redirectConfigurations": [redirect(targetUrl="http://x/?a", includeQueryString=True)]},
            "InvalidParameter",
        ),
        ({"requestRoutingRules": [rule("all", 1, **AWAY)]}, "InvalidParameter"),
        (
            {
                "probes": [child("p", **{**PROBE, "protocol": "Https"})],
                "backendHttpSettingsCollection": [child("plain", port=80, probe=own("probes", "p"))],
            },
            f"{PREFIX}ProbeProtocolMismatch",
        ),
        (
            {
                "probes": [child("p", **PROBE, pickHostNameFromBackendHttpSettings=True)],
                "backendHttpSettingsCollection": [child("plain", port=80, probe=own("probes", "p"))],
            },
            f"{PREFIX}ProbeHostIsNull",
        ),
        ({"probes": [child("p", **PROBE, match={"statusCodes": ["399-200"]})]}, "InvalidParameter"),
        ({"probes": [child("p", **PROBE, minServers=1)]}, "OperationNotAllowed"),
        (
            {"backendHttpSettingsCollection": [child("plain", port=80, pickHostNameFromBackendAddress=True)]},
            "OperationNotAllowed",
        ),
        ({"backendHttpSettingsCollection": [child("plain", port=443, protocol="Https")]}, "InvalidParameter"),
        ({"trustedRootCertificates": [child("r", data="bm8=")]}, "InvalidParameter"),
        (
            {"sslPolicy": {"policyType": "Predefined", "policyName": "AppGwSslPolicy20150501"}},
            "OperationNotAllowed",
        ),
        ({"sslPolicy": {"policyType": "Custom", "minProtocolVersion": "TLSv1_1"}}, "OperationNotAllowed"),
        (
            {"sslPolicy": {"policyType": "Custom", "cipherSuites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}},
            "OperationNotAllowed",
        ),
        ({"rewriteRuleSets": [child("r")]}, "OperationNotAllowed"),
        ({"firewallPolicy": {"id": f"{NET}/x/y"}}, "OperationNotAllowed"),
        ({"trustedClientCertificates": [child("c", data="x")]}, "OperationNotAllowed"),
        ({"autoscaleConfiguration": {"minCapacity": 1}}, "OperationNotAllowed"),
    ],
)
def test_parts_that_do_not_fit_or_cannot_be_done_are_refused_by_name(
    network: World, parts: Json, code: str
) -> None:
    found, message = refused(network, gateway(**parts))
    assert found == code, message
    assert network.send("GET", GATEWAY).status_code == 404


def test_a_gateway_that_sends_http_to_https_and_asks_its_instances_over_tls_is_shown_as_it_was_put(
    network: World,
) -> None:
    body = with_tls(certificate_of(a_site()))
    properties = body["properties"]
    to = own("redirectConfigurations", "to")
    properties |= {
        "redirectConfigurations": [
            redirect(targetListener=own("httpListeners", "safe"), includePath=True, includeQueryString=True)
        ],
        "requestRoutingRules": [rule("safe", 10), rule("all", 20, **AWAY, redirectConfiguration=to)],
        "trustedRootCertificates": [child("root", data=authority().cer)],
        "probes": [child("p", protocol="https", path="/", pickHostNameFromBackendHttpSettings=True, minServers=0)],
        "sslPolicy": {"policyType": "Predefined", "policyName": "appgwsslpolicy20220101"},
    }
    settings = {"port": 443, "protocol": "https", "hostName": "inner.example", "probe": own("probes", "p")}
    roots = [own("trustedRootCertificates", "root")]
    properties["backendHttpSettingsCollection"] = [child("plain", **settings, trustedRootCertificates=roots)]
    shown = network.put(GATEWAY, body).json()["properties"]
    [sent] = shown["redirectConfigurations"]
    assert sent["properties"]["targetListener"] == own("httpListeners", "safe")
    assert shown["sslPolicy"]["policyName"] == "AppGwSslPolicy20220101"
    assert shown["backendHttpSettingsCollection"][0]["properties"]["trustedRootCertificates"] == roots
    assert shown["trustedRootCertificates"][0]["properties"]["data"] == authority().cer


def test_what_az_sends_for_a_gateway_with_a_certificate_is_taken(network: World) -> None:
    """Its template of ``network application-gateway create``, with its own spelling and its nulls."""
    properties = {
        "backendAddressPools": [{"name": "appGatewayBackendPool"}],
        "backendHttpSettingsCollection": [
            {
                "name": "appGatewayBackendHttpSettings",
                "properties": {
                    "Port": 80,
                    "Protocol": "Http",
                    "CookieBasedAffinity": "disabled",
                    "connectionDraining": {"enabled": False, "drainTimeoutInSec": 1},
                },
            }
        ],
        "frontendIPConfigurations": [child("appGatewayFrontendIP", publicIPAddress={"id": PIP})],
        "frontendPorts": [{"name": "appGatewayFrontendPort", "properties": {"Port": 443}}],
        "gatewayIPConfigurations": [child("appGatewayFrontendIP", subnet={"id": f"{VNET}/subnets/ss1Subnet"})],
        "httpListeners": [
            {
                "name": "appGatewayHttpListener",
                "properties": {
                    "FrontendIpConfiguration": {
                        "Id": own("frontendIPConfigurations", "appGatewayFrontendIP")["id"]
                    },
                    "FrontendPort": {"Id": own("frontendPorts", "appGatewayFrontendPort")["id"]},
                    "Protocol": "https",
                    "SslCertificate": {"id": own("sslCertificates", "gateSslCert")["id"]},
                },
            }
        ],
        "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 2},
        "requestRoutingRules": [
            {
                "Name": "rule1",
                "properties": {
                    "RuleType": "Basic",
                    "httpListener": own("httpListeners", "appGatewayHttpListener"),
                    "backendAddressPool": own("backendAddressPools", "appGatewayBackendPool"),
                    "backendHttpSettings": own("backendHttpSettingsCollection", "appGatewayBackendHttpSettings"),
                    "priority": 1001,
                },
            }
        ],
        "privateLinkConfigurations": [],
        "sslCertificates": [certificate_of(a_site(), name="gateSslCert")],
        "enableHttp2": True,
    }
    answer = network.put(GATEWAY, {"location": "local", "tags": {}, "properties": properties, "zones": None})
    assert answer.status_code == 201, answer.text
    added = network.get(GATEWAY)
    added["properties"]["backendHttpSettingsCollection"].append(
        child("more", port=81, protocol="Http", validateCertChainAndExpiry=True, validateSNI=True)
    )
    added["properties"]["probes"].append(child("p", **PROBE, interval=30, timeout=120, unhealthyThreshold=8))
    assert network.put(GATEWAY, added).status_code == 200, "az adds a part by what it has read"
