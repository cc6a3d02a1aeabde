"""What the parts of an application gateway must be to each other. Pure.

References that lead nowhere are told by the rule for all resources; here they are passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from orchestrator.errors import ErrorDetail
from orchestrator.model.network.shape import Json
from orchestrator.model.resource_id import ResourceId

_PRIORITISED = ("Standard_v2", "Basic")
_START = "ApplicationGateway"


def _found(body: Json, reference: Mapping[str, Any] | None) -> Json | None:
    """The child that is referred to, by the two last words of its id."""
    if reference is None:
        return None
    *_, collection, name = reference["id"].split("/")
    children = body["properties"].get(collection) or ()
    return next((each for each in children if each["name"].lower() == name.lower()), None)


def hosts_of(listener: Mapping[str, Any]) -> tuple[str, ...]:
    """The host names of a listener's properties, in small letters; none for any."""
    own = (listener["hostName"],) if listener.get("hostName") else listener.get("hostNames") or ()
    return tuple(each.lower() for each in own)


def listeners_differ(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    """One port of one frontend speaks one protocol, and each host name of it has one listener."""
    path = "properties.httpListeners"
    placed: dict[tuple[str, int], list[Json]] = {}
    for each in body["properties"]["httpListeners"]:
        port = _found(body, each["properties"]["frontendPort"])
        if port is not None:
            frontend = each["properties"]["frontendIPConfiguration"]["id"].lower()
            placed.setdefault((frontend, port["properties"]["port"]), []).append(each)
    for one, other in (pair for each in placed.values() for pair in combinations(each, 2)):
        names = f"Two Http Listeners of Application Gateway {one['name']} and {other['name']}"
        if one["properties"]["protocol"] != other["properties"]["protocol"]:
            words = f"{names} use the same port of one frontend with different protocols."
            yield ErrorDetail(f"{_START}HttpListenersUsingSameFrontendPortWithDifferentProtocols", words, path)
        elif {*(hosts_of(one["properties"]) or ("",))} & {*(hosts_of(other["properties"]) or ("",))}:
            words = f"{names} use the same port of one frontend for the same host names."
            yield ErrorDetail(f"{_START}HttpListenersUsingSameFrontendPortAndFrontendIpConfig", words, path)


def rules_differ(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    """One listener has one rule; priorities are for all rules or for none, and differ."""
    path = "properties.requestRoutingRules"
    rules = body["properties"]["requestRoutingRules"]
    for one, other in combinations(rules, 2):
        names = f"Two Request Routing Rules {one['name']} and {other['name']}"
        if (held := _listener(one)) == _listener(other):
            words = f"{names} are using the same Http Listener {held}."
            yield ErrorDetail(f"{_START}RequestRoutingRulesUsingSameHttpListener", words, path)
        if (given := one["properties"].get("priority")) and given == other["properties"].get("priority"):
            words = f"{names} have the same priority {given}."
            yield ErrorDetail(f"{_START}RequestRoutingRulePriorityMustBeUnique", words, path)
    without = [each["name"] for each in rules if not each["properties"].get("priority")]
    if without and body["properties"]["sku"]["name"] in _PRIORITISED:
        words = f"Priority for the request routing rule {without[0]} cannot be empty."
        yield ErrorDetail(f"{_START}RequestRoutingRulePriorityCannotBeEmpty", words, path)
    elif 0 < len(without) < len(rules):
        words = "Either all or no rule should have the priority specified."
        yield ErrorDetail(f"{_START}RequestRoutingRulePartialPriorityDefined", words, path)


def _listener(rule: Json) -> str:
    return str(rule["properties"]["httpListener"]["id"]).lower()


def backends_fit(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    """Settings are asked by the protocol that they speak, and by a host name that is there."""
    for number, each in enumerate(body["properties"]["backendHttpSettingsCollection"]):
        own, path = each["properties"], f"properties.backendHttpSettingsCollection[{number}].properties.probe"
        probe = _found(body, own.get("probe"))
        if probe is None:
            continue
        asked = probe["properties"]
        if asked["protocol"] != own["protocol"]:
            words = f"{each['name']} speaks {own['protocol']}, and its probe {probe['name']} {asked['protocol']}."
            yield ErrorDetail(f"{_START}ProbeProtocolMismatch", words, path)
        if asked["pickHostNameFromBackendHttpSettings"] and not own.get("hostName"):
            words = f"Probe {probe['name']} picks its host name from {each['name']}, which has no hostName."
            yield ErrorDetail(f"{_START}ProbeHostIsNull", words, path)


def redirects_lead_on(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    """No listener sends to itself."""
    for number, rule in enumerate(body["properties"]["requestRoutingRules"]):
        for reference in _redirects(body, rule):
            redirect = _found(body, reference)
            target = (redirect or {"properties": {}})["properties"].get("targetListener")
            if redirect is not None and target is not None and target["id"].lower() == _listener(rule):
                words = (
                    f"Redirect {redirect['name']} sends requests of rule {rule['name']} back to its own listener."
                )
                path = f"properties.requestRoutingRules[{number}]"
                yield ErrorDetail(f"{_START}RedirectConfigurationTargetsItsOwnListener", words, path)


def _redirects(body: Json, rule: Json) -> Iterator[Mapping[str, Any]]:
    own = rule["properties"]
    paths = _found(body, own.get("urlPathMap"))
    inner = paths["properties"] if paths else {"pathRules": ()}
    held = [own.get("redirectConfiguration"), inner.get("defaultRedirectConfiguration")]
    held += [each["properties"].get("redirectConfiguration") for each in inner["pathRules"]]
    yield from (each for each in held if each is not None)


CHECKS = (listeners_differ, rules_differ, backends_fit, redirects_lead_on)
