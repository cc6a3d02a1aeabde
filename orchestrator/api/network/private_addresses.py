"""Frontends in subnets: where the subnet is real, each has an IPv4 address of it as long as it is there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.network.subnets import carried
from orchestrator.errors import BadInput
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.statuses import Json
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.network.subnets import CarriedSubnet, frontends_in
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import ResourceId

_PATH = "properties.frontendIPConfigurations"


def with_private_addresses(api: Api, own: ResourceId, before: StoredResource | None, made: Json) -> Json:
    """The canonical body with the addresses of its frontends. One that is ``Dynamic`` keeps what it has. Nothing is
    awaited between this and the write, so no two get the same. Raises ``BadInput``."""
    subnets = carried(api)
    kept = {(name, key): address for name, key, address in frontends_in(before.body)} if before else {}
    taken = _taken(api, subnets) - set(kept.values())
    frontends = []
    for each in made["properties"]["frontendIPConfigurations"]:
        properties = dict(each["properties"])
        reference = properties.get("subnet")
        subnet = subnets.get(reference["id"].lower()) if reference else None
        if subnet is not None:
            held = kept.get((each["name"].lower(), subnet.key))
            address = _address(each["name"], properties, subnet, held, taken)
            taken.add(address)
            properties["privateIPAddress"] = address
        frontends.append({**each, "properties": properties})
    return {**made, "properties": {**made["properties"], "frontendIPConfigurations": frontends}}


def _address(
    name: str, properties: Mapping[str, Any], subnet: CarriedSubnet, held: str | None, taken: set[str]
) -> str:
    space = subnet.spaces.get("IPv4")
    if space is None:
        raise BadInput(f"Frontend {name} wants an IPv4 address, of which {subnet.name} has none.", target=_PATH)
    if properties["privateIPAllocationMethod"] != "Static":
        return held if held is not None and space.has(held) else space.allocate(1, taken)[0]
    wanted: str = properties["privateIPAddress"]
    if not _is_given(space, wanted):
        words = f"Frontend {name}: {wanted} is not an address that {subnet.name} ({space.cidr}) gives."
        raise BadInput(words, code="PrivateIPAddressNotInSubnet", target=_PATH)
    if wanted in taken:
        words = f"Frontend {name}: {wanted} is allocated already."
        raise BadInput(words, code="PrivateIPAddressIsAllocated", target=_PATH)
    return wanted


def _is_given(space: AddressSpace, address: str) -> bool:
    first, last, own = (int(ipaddress.ip_address(each)) for each in (space.first, space.last, address))
    return first <= own <= last


def _taken(api: Api, subnets: Mapping[str, CarriedSubnet]) -> set[str]:
    return api.store.addresses() | {address for subnet in subnets.values() for address, _ in subnet.held}


def frontend_notices(api: Api, body: Mapping[str, Any]) -> Iterator[Notice]:
    """Says which frontends listen nowhere."""
    subnets = carried(api)
    for each in body["properties"]["frontendIPConfigurations"]:
        reference = each["properties"].get("subnet")
        if reference and reference["id"].lower() not in subnets:
            words = f"Frontend {each['name']} listens nowhere: its subnet is on no network that carries it."
            yield Notice("FrontendListensNowhere", words, _PATH)
