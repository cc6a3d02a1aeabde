"""The types of Microsoft.Network that are stored."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from orchestrator.api.context import Api
from orchestrator.api.kinds import Kind
from orchestrator.api.network import subnets
from orchestrator.api.network.gateway_certificates import with_certificates
from orchestrator.api.network.private_addresses import frontend_notices, with_private_addresses
from orchestrator.api.network.public_addresses import check_label, with_address
from orchestrator.api.references import all_uses
from orchestrator.api.stored_kind import kinds_of
from orchestrator.errors import BadInput, Conflict
from orchestrator.model.arm.statuses import Json
from orchestrator.model.network import (
    application_gateways,
    load_balancers,
    public_addresses,
    security_groups,
    virtual_networks,
)
from orchestrator.model.network.filtering import CardContext, filter_rules
from orchestrator.model.network.references import is_of, uses_in
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import ResourceId, parse_resource_id


def check_public_addresses(api: Api, own: ResourceId, body: Json) -> None:
    """A public address is for one frontend, of a balancer of its own sku. Raises ``BadInput``."""
    wanted = [use for use in uses_in(body, str(own)) if use.member == "publicIPAddress"]
    if not wanted:
        return
    holders = {use.target.key: use.holder for use in all_uses(api) if not is_of(use.holder, own)}
    for number, use in enumerate(wanted):
        earlier = next((each.holder for each in wanted[:number] if each.target.key == use.target.key), None)
        other = earlier or holders.get(use.target.key)
        if other is not None:
            words = f"{use.target} is used by {other} already; {use.holder} cannot have it too."
            raise BadInput(words, code="PublicIPReferencedByMultipleIPConfigs", target=use.path)
        stored = api.store.resource(use.target)
        if stored and "sku" in body and stored.body["sku"]["name"] != body["sku"]["name"]:
            words = f"{own} is of sku {body['sku']['name']}, {use.target} of {stored.body['sku']['name']}."
            raise BadInput(words, code="PublicIPAndLBSkuDoNotMatch", target=use.path)
    _check_versions(api, own, body)


def _check_versions(api: Api, own: ResourceId, body: Json) -> None:
    """A frontend that says its version has an address of that version. Raises ``BadInput``."""
    for number, each in enumerate(body["properties"].get("frontendIPConfigurations") or ()):
        wanted, reference = (
            each["properties"].get(name) for name in ("privateIPAddressVersion", "publicIPAddress")
        )
        stored = api.store.resource(parse_resource_id(reference["id"])) if reference else None
        if wanted is None or stored is None:
            continue
        version = stored.body["properties"]["publicIPAddressVersion"]
        if version != wanted:
            path = f"properties.frontendIPConfigurations[{number}].properties.privateIPAddressVersion"
            words = f"{path} of {own} is {wanted}, and its {stored.id} is {version}."
            raise BadInput(words, code="FrontendIPConfigurationVersionMismatch", target=path)


def check_ports(api: Api, own: ResourceId, body: Json) -> None:
    """No other program of the machine listens where a rule or a listener would. Raises ``Conflict``. The ports of a
    NAT pool are looked at when they are given."""
    for path, frontend, port in _ports_wanted(body):
        address = _public_of(api, body, frontend)
        if address is not None and api.control.is_port_taken(address, port):
            words = f"Port {port} of {address} is taken by another program of this machine; {own} cannot have it."
            raise Conflict(words, code="PortIsTaken", target=path)


def _ports_wanted(body: Json) -> Iterator[tuple[str, str, int]]:
    """Each with its path, and the id of its frontend."""
    properties = body["properties"]
    for number, rule in enumerate(properties.get("loadBalancingRules") or ()):
        own = rule["properties"]
        if own["protocol"] == "Tcp":
            path = f"properties.loadBalancingRules[{number}].properties.frontendPort"
            yield path, own["frontendIPConfiguration"]["id"], own["frontendPort"]
    ports = {each["name"].lower(): each["properties"]["port"] for each in properties.get("frontendPorts") or ()}
    for number, listener in enumerate(properties.get("httpListeners") or ()):
        own = listener["properties"]
        name = own["frontendPort"]["id"].rpartition("/")[2].lower()
        if name in ports:
            path = f"properties.httpListeners[{number}].properties.frontendPort"
            yield path, own["frontendIPConfiguration"]["id"], ports[name]


def _public_of(api: Api, body: Json, frontend_id: str) -> str | None:
    name = frontend_id.rpartition("/")[2].lower()
    for each in body["properties"].get("frontendIPConfigurations") or ():
        reference = each["properties"].get("publicIPAddress")
        if each["name"].lower() == name and reference is not None:
            stored = api.store.resource(parse_resource_id(reference["id"]))
            address: str | None = stored.body["properties"].get("ipAddress") if stored else None
            return address
    return None


def check_size(_api: Api, _own: ResourceId, made: Json) -> None:
    """A group has to fit into a filter of a host. Raises ``BadInput``."""
    filter_rules([made], CardContext((ipaddress.ip_network("10.0.0.0/8"),), ("10.0.0.1",)))


def _kinds() -> Iterator[Kind]:
    yield from kinds_of(virtual_networks.SHAPE, (subnets.check_prefixes,), notices=subnets.notices)
    yield from kinds_of(public_addresses.SHAPE, (check_label,), with_address)
    yield from kinds_of(
        load_balancers.SHAPE, (check_public_addresses, check_ports), with_private_addresses, frontend_notices
    )
    yield from kinds_of(security_groups.SHAPE, (check_size,))
    yield from kinds_of(
        application_gateways.SHAPE, (check_public_addresses, check_ports), _gateway_completed, frontend_notices
    )


def _gateway_completed(api: Api, own: ResourceId, before: StoredResource | None, made: Json) -> Json:
    return with_certificates(api, own, before, with_private_addresses(api, own, before, made))


KINDS: tuple[Kind, ...] = tuple(_kinds())
