"""The cards of a set's instances, as its model asks for them, and the addresses that an instance has on them. Pure.

An instance's first address, IPv4, is its row's ``address``; the others are its ``further_addresses``, by the name
of the card and of the IP configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.model.addresses import AddressSpace, mac_of
from orchestrator.model.arm.network import IpConfiguration, NetworkProfile, NicConfiguration
from orchestrator.model.guest import Owner
from orchestrator.model.instance import Instance

_MOST_QUEUES = 8
_ONLY = "primary"  # the names of the card and its configuration where a model has no network profile


@dataclass(frozen=True, slots=True)
class Configuration:
    """One IP configuration of a card, with the address space that its address is of."""

    key: str
    is_first: bool
    space: AddressSpace

    def address_of(self, row: Instance) -> str | None:
        return address_at(row, self.key, is_first=self.is_first)


@dataclass(frozen=True, slots=True)
class Card:
    """``dns_servers`` are its own, and none where it asks those of its network. ``is_accelerated``: asks for more
    than one queue."""

    name: str
    is_primary: bool
    configurations: tuple[Configuration, ...]
    dns_servers: tuple[str, ...] = ()
    is_accelerated: bool = False

    def mac_of(self, row: Instance, owner: Owner) -> str:
        return card_mac(row, owner, self.name, is_primary=self.is_primary)


def only_card(space: AddressSpace) -> tuple[Card, ...]:
    """Those of a model without a network profile."""
    return (Card(_ONLY, True, (Configuration(key_of(_ONLY, _ONLY), True, space),)),)


def card_mac(row: Instance, owner: Owner, name: str, *, is_primary: bool) -> str:
    """The primary card has the row's."""
    return row.mac if is_primary else mac_of(owner, name)


def key_of(card: str, configuration: str) -> str:
    """By which an address is kept: names are the same in any case."""
    return f"{card}/{configuration}".lower()


def address_at(row: Instance, key: str, *, is_first: bool) -> str | None:
    """The address that an instance has there, if it has one."""
    return row.address or None if is_first else row.further_addresses.get(key)


def by_rank(profile: NetworkProfile) -> Iterator[tuple[NicConfiguration, IpConfiguration, bool]]:
    """Every IP configuration with its card, the primary ones first; and whether it is the first of all."""
    is_first = True
    for card in sorted(profile.network_interface_configurations, key=lambda each: not each.properties.primary):
        for each in sorted(card.properties.ip_configurations, key=lambda each: not each.properties.primary):
            yield card, each, is_first
            is_first = False


def addresses_by_pool(profile: NetworkProfile | None, row: Instance) -> dict[str, str]:
    """With which of its addresses an instance is in each pool that its model names (ids in small letters)."""
    found: dict[str, str] = {}
    for card, each, is_first in by_rank(profile) if profile else ():
        own = each.properties
        references = (
            *(own.load_balancer_backend_address_pools or ()),
            *(own.load_balancer_inbound_nat_pools or ()),
            *(own.application_gateway_backend_address_pools or ()),
        )
        if address := address_at(row, key_of(card.name, each.name), is_first=is_first):
            for reference in references:
                found.setdefault(reference.id.lower(), address)
    return found


def published_address(profile: NetworkProfile | None, row: Instance) -> str | None:
    """The own address of an instance that its model gives a public one, if it gives one."""
    for card, each, is_first in by_rank(profile) if profile else ():
        if each.properties.public_ip_address_configuration is not None:
            return address_at(row, key_of(card.name, each.name), is_first=is_first)
    return None


def queues_of(is_accelerated: bool, vcpus: int) -> int:
    """Of a virtio card: one for each processor where it is to be fast."""
    return min(vcpus, _MOST_QUEUES) if is_accelerated else 1


# Canonical bodies, for views


def configured_cards(profile: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The cards of a canonical ``virtualMachineProfile``, in its order."""
    network = profile.get("networkProfile") or {}
    only = {"name": _ONLY, "properties": {"ipConfigurations": [{"name": _ONLY, "properties": {"primary": True}}]}}
    return list(network.get("networkInterfaceConfigurations") or (only,))


def is_primary(part: Mapping[str, Any]) -> bool:
    """Whether a card or a configuration is the primary one: said so, or not said at all."""
    return bool(part["properties"].get("primary", True))
