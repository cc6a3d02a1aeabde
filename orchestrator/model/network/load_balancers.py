"""Microsoft.Network/loadBalancers. All collections are always shown as arrays: clients index them unasked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from orchestrator.errors import ErrorDetail
from orchestrator.model.arm.base import ArmModel, Refused
from orchestrator.model.arm.merge import member
from orchestrator.model.arm.references import BALANCER
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.network.common import ExtendedResource, NetworkSku
from orchestrator.model.network.load_balancer_rules import Frontend, NatPool, NatRule, Outbound, Pool, Probe, Rule
from orchestrator.model.network.references import top_of, uses_in
from orchestrator.model.network.shape import InUse, Json, Shape
from orchestrator.model.resource_id import ResourceId

COLLECTIONS = (
    "frontendIPConfigurations",
    "backendAddressPools",
    "loadBalancingRules",
    "probes",
    "inboundNatRules",
    "outboundRules",
    "inboundNatPools",
)


class BalancerProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"provisioningstate", "resourceguid", "warnings"})
    frontend_ip_configurations: tuple[Frontend, ...] = Field(default=(), alias="frontendIPConfigurations")
    backend_address_pools: tuple[Pool, ...] = ()
    load_balancing_rules: tuple[Rule, ...] = ()
    probes: tuple[Probe, ...] = ()
    inbound_nat_rules: tuple[NatRule, ...] = ()
    outbound_rules: tuple[Outbound, ...] = ()
    inbound_nat_pools: tuple[NatPool, ...] = ()
    scope: Annotated[Any, Refused("a balancer is for its own installation")] = None


class Balancer(ExtendedResource):
    sku: NetworkSku = NetworkSku()
    properties: BalancerProperties = BalancerProperties()


def refers_to_own(body: Json, identity: ResourceId) -> Iterator[ErrorDetail]:
    """Children refer to children of the same resource by ids; those must be of this one, and be there."""
    own = {
        f"{identity}/{collection}/{child['name']}".lower()
        for collection, children in body["properties"].items()
        if isinstance(children, list)
        for child in children
        if isinstance(child, Mapping) and "name" in child
    }
    for use in uses_in(body, str(identity)):
        if use.target.type.startswith(f"{identity.type}/") and use.target.key not in own:
            where = "" if top_of(use.target).key == identity.key else ": it is of another one"
            words = f"Resource {use.target} referenced by resource {use.holder} was not found{where}."
            yield ErrorDetail("InvalidResourceReference", words, use.path)


_Range = tuple[int, int, str]


def _ports_differ(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    """One port of one frontend and protocol leads to one place."""
    taken: dict[tuple[str, str], list[_Range]] = {}
    for name, properties, low, high in _claims(body["properties"]):
        frontend = properties["frontendIPConfiguration"]["id"].lower()
        protocols = ("Tcp", "Udp") if properties["protocol"] == "All" else (properties["protocol"],)
        for protocol in protocols:
            others = taken.setdefault((frontend, protocol), [])
            clash = next((each for each in others if each[0] <= high and low <= each[1]), None)
            if clash is not None:
                words = f"{name} and {clash[2]} use the same frontend port and protocol {protocol}."
                yield ErrorDetail("RulesUseSameFrontendPortProtocolAndVIP", words, "properties")
                break
            others.append((low, high, name))


def _claims(properties: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any], int, int]]:
    for each in properties["loadBalancingRules"]:
        port = each["properties"]["frontendPort"]
        low, high = (port, port) if port else (1, 65535)
        yield each["name"], each["properties"], low, high
    for each in (*properties["inboundNatRules"], *properties["inboundNatPools"]):
        own = each["properties"]
        port = own.get("frontendPort") or 0
        low, high = (port, port) if port else (own["frontendPortRangeStart"], own["frontendPortRangeEnd"])
        yield each["name"], own, low, high


def _basic_does_less(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    if body["sku"]["name"] == "Basic" and body["properties"]["outboundRules"]:
        words = "properties.outboundRules are for sku Standard."
        yield ErrorDetail("OutboundRuleNotSupportedForBasicSku", words, "properties.outboundRules")


def without_instances(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A client's body without what views show of instances: the NAT rules that were made for them, and their
    places in pools. So a body that was read can be sent back."""
    properties = member(body, "properties")
    if not isinstance(properties, Mapping):
        return body
    made = dict(properties)
    for name, value in properties.items():
        if not isinstance(value, list):
            continue
        if name.lower() == "inboundnatrules":
            made[name] = [each for each in value if not _is_of_instance(each, "backendIPConfiguration")]
        elif name.lower() == "backendaddresspools":
            made[name] = [_without_members(each) for each in value]
    return {**{key: value for key, value in body.items() if key.lower() != "properties"}, "properties": made}


def _without_members(pool: Any) -> Any:
    own = member(pool, "properties") if isinstance(pool, Mapping) else None
    held = member(own, "loadBalancerBackendAddresses") if isinstance(own, Mapping) else None
    if not isinstance(own, Mapping) or not isinstance(held, list):
        return pool
    left = [each for each in held if not _is_of_instance(each, "networkInterfaceIPConfiguration")]
    kept = {name: value for name, value in own.items() if name.lower() != "loadbalancerbackendaddresses"}
    others = {name: value for name, value in pool.items() if name.lower() != "properties"}
    return {**others, "properties": {**kept, **({"loadBalancerBackendAddresses": left} if left else {})}}


def _is_of_instance(child: Any, name: str) -> bool:
    own = member(child, "properties") if isinstance(child, Mapping) else None
    reference = member(own, name) if isinstance(own, Mapping) else None
    found = member(reference, "id") if isinstance(reference, Mapping) else None
    return isinstance(found, str) and "/virtualmachinescalesets/" in found.lower()


def _warnings(body: Mapping[str, Any]) -> Iterator[Notice]:
    """What of a balancer is kept and shown only."""
    own = body["properties"]
    for collection in ("loadBalancingRules", "inboundNatRules", "inboundNatPools"):
        for child in own[collection]:
            yield from _of_rule(collection, child)
    if own["outboundRules"]:
        words = "Outbound rules have no effect: instances go out by the gateway of their network."
        yield Notice("OutboundRulesHaveNoEffect", words, "properties.outboundRules")


def _of_rule(collection: str, child: Mapping[str, Any]) -> Iterator[Notice]:
    own, path = child["properties"], f"properties.{collection}"
    name = child["name"]
    if own["protocol"] != "Tcp":
        words = f"{name} has no effect: HAProxy carries TCP, and not {own['protocol']}."
        yield Notice("OnlyTcpIsCarried", words, path)
    if own["enableFloatingIP"]:
        words = f"{name}: enableFloatingIP has no effect: instances see the balancer's own connections."
        yield Notice("FloatingIPHasNoEffect", words, path)
    if collection == "loadBalancingRules" and not own.get("probe"):
        words = f"{name} has no probe: every instance that is ready is taken to be well."
        yield Notice("RuleWithoutProbe", words, path)
    if collection == "inboundNatRules" and not own.get("backendAddressPool"):
        words = f"{name} leads nowhere: rules for one machine are not joined to any; use a pool."
        yield Notice("NatRuleLeadsNowhere", words, path)


SHAPE = Shape(
    type=BALANCER,
    model=Balancer,
    collections=COLLECTIONS,
    addressable=COLLECTIONS,
    given=without_instances,
    rules=(refers_to_own, _ports_differ, _basic_does_less),
    in_use=InUse("LoadBalancerInUseByVirtualMachineScaleSet", "is in use by"),
    warnings=_warnings,
)
