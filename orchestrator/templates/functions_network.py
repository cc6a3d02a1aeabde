"""Functions of ranges of addresses (Azure: "CIDR functions for ARM templates")."""

from __future__ import annotations

import ipaddress
from typing import Any

from orchestrator.templates.library import plain
from orchestrator.templates.values import WrongValue, text, whole

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(value: Any) -> Network:
    """An address inside the range stands for the range."""
    try:
        return ipaddress.ip_network(text(value), strict=False)
    except ValueError:
        raise WrongValue("that is no range of addresses, such as 10.0.0.0/16") from None


@plain("parseCidr", 1)
def _parse_cidr(value: Any) -> dict[str, Any]:
    network = _network(value)
    made: dict[str, Any] = {
        "network": str(network.network_address),
        "netmask": str(network.netmask),
        "firstUsable": _usable(network, is_first=True),
        "lastUsable": _usable(network, is_first=False),
        "cidr": network.prefixlen,
    }
    return made | ({"broadcast": str(network.broadcast_address)} if network.version == 4 else {})


def _usable(network: Network, *, is_first: bool) -> str:
    """Of IPv4 neither the address of the network nor that for everybody, unless there is nothing else."""
    is_spared = network.version == 4 and network.num_addresses > 2
    return str(network[1 if is_spared else 0] if is_first else network[-2 if is_spared else -1])


@plain("cidrSubnet", 3)
def _cidr_subnet(value: Any, length: Any, index: Any) -> str:
    network, prefix = _network(value), whole(length)
    if not network.prefixlen <= prefix <= network.max_prefixlen:
        raise WrongValue(f"a part of it cannot have the length /{prefix}")
    if not 0 <= whole(index) < 1 << (prefix - network.prefixlen):
        raise WrongValue(f"there is no part {whole(index)} of the length /{prefix}")
    first = int(network.network_address) + (whole(index) << (network.max_prefixlen - prefix))
    return f"{type(network.network_address)(first)}/{prefix}"


@plain("cidrHost", 2)
def _cidr_host(value: Any, index: Any) -> str:
    """The first usable one is 0."""
    network = _network(value)
    first, last = (ipaddress.ip_address(_usable(network, is_first=each)) for each in (True, False))
    if not 0 <= whole(index) <= int(last) - int(first):
        raise WrongValue(f"there is no usable address {whole(index)} in it")
    return str(type(network.network_address)(int(first) + whole(index)))
