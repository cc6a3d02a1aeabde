"""What a scale set's network asks for that has no effect yet. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.model.arm.network import address_space_of, is_own_space
from orchestrator.model.arm.warnings import Notice

_CARD = "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations[0].properties"
_IP = f"{_CARD}.ipConfigurations[0].properties"


def network_notices(
    model: Mapping[str, Any],
    spaces: Sequence[str],
    carried: Collection[str] = (),
    *,
    has_public_addresses: bool = False,
) -> list[Notice]:
    """From a set's canonical model; ``spaces`` are the configured address spaces, ``carried`` the ids of subnets
    that are real (in small letters), and ``has_public_addresses``
    says whether a pool of those is configured."""
    network = model["properties"]["virtualMachineProfile"].get("networkProfile") or {}
    found: list[Notice] = []
    for card in network.get("networkInterfaceConfigurations", ()):
        found += _of_card(card["properties"])
        for each in card["properties"]["ipConfigurations"]:
            found += _of_address(each["properties"], spaces, carried)
            if each["properties"].get("publicIPAddressConfiguration") and not has_public_addresses:
                words = "No public addresses are configured: instances have the one of their network only."
                found.append(Notice("NoPublicAddress", words, f"{_IP}.publicIPAddressConfiguration"))
    return found


def _of_card(card: Mapping[str, Any]) -> Iterator[Notice]:
    if card.get("enableAcceleratedNetworking"):
        words = "Accelerated networking is multiqueue virtio here: no virtual function of a card is passed through."
        yield Notice("NoAcceleratedNetworking", words, f"{_CARD}.enableAcceleratedNetworking")


def _of_address(address: Mapping[str, Any], spaces: Sequence[str], carried: Collection[str]) -> Iterator[Notice]:
    subnet = address["subnet"]["id"]
    if subnet.lower() in carried:
        return
    space = address_space_of(subnet, spaces)
    if not is_own_space(subnet) and subnet.rpartition("/")[2].lower() != space.lower():
        words = f"The subnet's address prefix has no effect: instances are on the hosts' network '{space}'."
        yield Notice("SubnetPrefixHasNoEffect", words, f"{_IP}.subnet")
