"""Addresses that the machine answers for without having each of them: one ``local`` route for a whole range
(ip-route(8)), so that a balancer binds to any of it."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from orchestrator.errors import BalancerError

_LOCAL_TABLE = 255
_HOST_SCOPE = 254


def hold_locally(prefixes: Iterable[str]) -> None:
    """In the caller's own network namespace. Idempotent. Raises ``BalancerError``."""
    with IPRoute() as ip:
        [loopback] = ip.link_lookup(ifname="lo")
        for prefix in prefixes:
            is_v6 = ipaddress.ip_network(prefix).version == 6
            route = {"dst": prefix, "oif": loopback, "type": "local", "table": _LOCAL_TABLE}
            route |= {"family": socket.AF_INET6} if is_v6 else {"scope": _HOST_SCOPE}
            try:
                ip.route("replace", **route)
            except NetlinkError as error:
                words = f"The public addresses {prefix} cannot be held on this machine: {error}"
                raise BalancerError(words, target="public_addresses") from error
