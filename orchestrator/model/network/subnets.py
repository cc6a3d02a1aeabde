"""Subnets of virtual networks whose prefixes are real: on which configured network, with which addresses. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.addresses import AddressSpace, Network
from orchestrator.model.arm.network import NetworkProfile, address_space_of
from orchestrator.model.arm.references import BALANCER, GATEWAY, VIRTUAL_NETWORK
from orchestrator.model.network.cards import by_rank
from orchestrator.model.network.virtual_networks import is_inside, prefixes_of
from orchestrator.model.resource import StoredResource

_BALANCING = (BALANCER.lower(), GATEWAY.lower())
_KEPT_BACK = 4  # the network's own, the gateway's, and two that Azure keeps for its name servers


@dataclass(frozen=True, slots=True)
class Carriers:
    """The configured networks on which subnets are made real. ``avoided`` are prefixes that somebody has already:
    of the configured networks themselves, and of public addresses."""

    spaces: tuple[AddressSpace, ...] = ()
    avoided: tuple[str, ...] = ()

    def of(self, prefixes: Sequence[str]) -> AddressSpace | None:
        """The network that carries all of these prefixes, if there is one."""
        networks = [ipaddress.ip_network(each) for each in prefixes]
        if any(_overlap(each, ipaddress.ip_network(other)) for each in networks for other in self.avoided):
            return None
        return next((space for space in self.spaces if _are_in(prefixes, space.carries)), None)


@dataclass(frozen=True, slots=True)
class CarriedSubnet:
    """A subnet whose addresses guests have. ``spaces`` by the version as Azure writes it; ``dns`` are the servers
    of its virtual network, or those of the network that carries it."""

    key: str
    name: str
    carrier: AddressSpace
    spaces: Mapping[str, AddressSpace] = field(default_factory=dict)
    frontends: tuple[str, ...] = ()

    @property
    def held(self) -> Iterator[tuple[str, int]]:
        """The addresses that the daemon holds there, with their lengths: for its guests' way out, and those of
        balancers' frontends."""
        for space in self.spaces.values():
            if space.gateway:
                yield space.gateway, space.prefix_length
            yield from ((each, space.prefix_length) for each in self.frontends if space.has(each))


def carried_subnets(
    resources: Sequence[StoredResource], carriers: Carriers, names: Sequence[str] = ()
) -> dict[str, CarriedSubnet]:
    """By the subnets' ids in small letters, with the frontends of balancers and gateways in them. A subnet whose
    name is among ``names``, those of configured networks, stands for that network and is not carried."""
    found: dict[str, CarriedSubnet] = {}
    taken = {each.lower() for each in names}
    frontends: dict[str, list[str]] = {}
    for each in resources:
        if each.id.type.lower() in _BALANCING:
            for _, subnet_key, address in frontends_in(each.body):
                frontends.setdefault(subnet_key, []).append(address)
    for network in (each for each in resources if each.id.type.lower() == VIRTUAL_NETWORK.lower()):
        servers = (network.body["properties"].get("dhcpOptions") or {}).get("dnsServers")
        for subnet in network.body["properties"].get("subnets") or ():
            carrier = carriers.of(prefixes_of(subnet))
            if carrier is None or subnet["name"].lower() in taken:
                continue
            key = str(network.id.child("subnets", subnet["name"])).lower()
            name = f"{network.id.name}/{subnet['name']}"
            spaces = _spaces(subnet, name, tuple(servers or carrier.dns))
            found[key] = CarriedSubnet(key, name, carrier, spaces, tuple(frontends.get(key, ())))
    return found


def frontends_in(balancer: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Of a balancer's or a gateway's body: the names of its frontends in subnets, the subnets' ids (both in small
    letters), and their addresses, as far as they have one."""
    for each in balancer["properties"].get("frontendIPConfigurations") or ():
        own = each["properties"]
        if own.get("subnet") and own.get("privateIPAddress"):
            yield each["name"].lower(), own["subnet"]["id"].lower(), own["privateIPAddress"]


def _spaces(subnet: Mapping[str, Any], name: str, dns: tuple[str, ...]) -> dict[str, AddressSpace]:
    """One of each version: the first prefix."""
    spaces: dict[str, AddressSpace] = {}
    for prefix in prefixes_of(subnet):
        network = ipaddress.ip_network(prefix)
        first, last = network.network_address + _KEPT_BACK, network.broadcast_address - 1
        gateway = str(network.network_address + 1)
        space = AddressSpace(name, prefix, str(first), str(last), gateway, dns)
        spaces.setdefault(f"IPv{network.version}", space)
    return spaces


def _are_in(prefixes: Sequence[str], outer: Sequence[str]) -> bool:
    return all(any(is_inside(each, other) for other in outer) for each in prefixes)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def segment_of(subnet_id: str, subnets: Mapping[str, CarriedSubnet], spaces: Sequence[str]) -> str:
    """What decides the addresses on a subnet: itself where it is carried, else a configured network's name."""
    carried = subnets.get(subnet_id.lower())
    return carried.key if carried else address_space_of(subnet_id, spaces)


def network_of(subnet_id: str, subnets: Mapping[str, CarriedSubnet], spaces: Sequence[str]) -> str:
    """The configured network that a card on a subnet is on."""
    carried = subnets.get(subnet_id.lower())
    return carried.carrier.name if carried else address_space_of(subnet_id, spaces)


def card_problems(
    profile: NetworkProfile, subnets: Mapping[str, CarriedSubnet], spaces: Sequence[str]
) -> Iterator[ErrorDetail]:
    """What of the cards cannot be on these networks. ``spaces`` are the names of the configured ones."""
    path = "properties.virtualMachineProfile.networkProfile"
    networks: dict[str, str] = {}
    for card, each, _ in by_rank(profile):
        own = each.properties
        networks.setdefault(network_of(own.subnet.id, subnets, spaces), f"{card.name}/{each.name}")
        carried, version = subnets.get(own.subnet.id.lower()), own.private_ip_address_version.value
        if version not in (carried.spaces if carried else ("IPv4",)):
            words = f"{path}: '{each.name}' of '{card.name}' asks for {version}, which its subnet has no prefix of"
            more = "." if carried else " here: it is not on a network that carries subnets."
            yield ErrorDetail(BadInput.code, words + more, path)
    if len(networks) > 1:
        told = ", ".join(f"{where} on '{name}'" for name, where in networks.items())
        words = f"{path}: the cards of an instance are on one network of its host, not {told}."
        yield ErrorDetail(BadInput.code, words, path)
