"""Virtual networks beside what this site makes real of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.errors import BadInput, Conflict
from orchestrator.model.arm.problems import raise_problems
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.arm.statuses import Json
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.network.cards import by_rank
from orchestrator.model.network.subnets import CarriedSubnet, card_problems, carried_subnets, segment_of
from orchestrator.model.network.virtual_networks import prefixes_of
from orchestrator.model.resource_id import ResourceId


def carried(api: Api) -> Mapping[str, CarriedSubnet]:
    """The subnets that are real here, by their ids in small letters; of what is only tried, too."""
    site = api.site()
    if not site.carriers.spaces:
        return {}
    resources = api.store.resources(subscription_id=site.subscription_id)
    return carried_subnets(resources, site.carriers, site.address_spaces)


def segments(api: Api) -> Callable[[str], str]:
    """From a subnet's id to what decides the addresses there."""
    subnets, spaces = carried(api), api.site().address_spaces
    return lambda subnet_id: segment_of(subnet_id, subnets, spaces)


def check_cards(api: Api, resource: ScaleSetResource) -> None:
    """Raises ``BadInput`` for cards that cannot be as the model has them."""
    if (network := resource.profile.network_profile) is not None:
        raise_problems(list(card_problems(network, carried(api), api.site().address_spaces)))


def check_room(api: Api, resource: ScaleSetResource, there: int) -> None:
    """Raises ``BadInput`` (``SubnetIsFull``) where a subnet has no addresses for as many instances as are wanted
    beside those that are ``there``."""
    network, more = resource.profile.network_profile, resource.sku.capacity - there
    subnets = carried(api) if network is not None and more > 0 else {}
    spaces = [
        subnets[key].spaces[each.properties.private_ip_address_version.value]
        for _, each, _ in (by_rank(network) if network else ())
        if (key := each.properties.subnet.id.lower()) in subnets
    ]
    taken = api.store.addresses() if spaces else set()
    kept_back = {address for subnet in subnets.values() for address, _ in subnet.held}
    for space in spaces:
        room, needed = space.room(taken | kept_back), more * spaces.count(space)
        if needed > room:
            words = (
                f"Subnet {space.name} with the prefix {space.cidr} has {room} free addresses, {needed} are needed."
            )
            raise BadInput(words, code="SubnetIsFull", target="sku.capacity")


def check_prefixes(api: Api, own: ResourceId, made: Json) -> None:
    """No address that an instance or a frontend has may drop out of its subnet. Raises ``Conflict``."""
    before = api.store.resource(own)
    if before is None:
        return
    real = carried(api)
    after = {each["name"].lower(): prefixes_of(each) for each in made["properties"]["subnets"]}
    for subnet in before.body["properties"]["subnets"]:
        was = real.get(str(own.child("subnets", subnet["name"])).lower())
        now = after.get(subnet["name"].lower())
        if was is None or now is None or now == prefixes_of(subnet):
            continue
        spaces = {f"IPv{ipaddress.ip_network(each).version}": each for each in reversed(now)}
        held = {*api.store.addresses(), *was.frontends}
        gone = [space for version, space in was.spaces.items() if spaces.get(version) != space.cidr]
        if any(space.has(each) for space in gone for each in held):
            words = f"The prefix of subnet '{subnet['name']}' is in use: addresses of it are taken."
            raise Conflict(words, code="InUsePrefixCannotBeDeleted", target="properties.subnets")


def notices(api: Api, body: Mapping[str, Any]) -> Iterator[Notice]:
    """Says which subnets are kept and shown only."""
    site = api.site()
    taken = {each.lower() for each in site.address_spaces}
    for subnet in body["properties"]["subnets"]:
        if subnet["name"].lower() not in taken and site.carriers.of(prefixes_of(subnet)) is None:
            words = f"Subnet '{subnet['name']}' is kept and shown only: no configured network carries its prefix."
            yield Notice("SubnetHasNoEffect", words, "properties.subnets")
