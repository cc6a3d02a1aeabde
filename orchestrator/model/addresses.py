"""Addresses for guests: which one is next, and the MAC that goes with an owner. No I/O."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.errors import NotPossible
from orchestrator.model.guest import Owner

IPv4 = ipaddress.IPv4Address


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """A segment that guests share. ``first`` to ``last`` are ours to give; the rest is somebody else's."""

    name: str
    cidr: str
    first: str
    last: str
    gateway: str | None = None
    dns: tuple[str, ...] = ()

    @property
    def prefix_length(self) -> int:
        return ipaddress.ip_network(self.cidr).prefixlen

    def allocate(self, count: int, taken: Collection[str], after: str | None = None) -> list[str]:
        """``count`` free addresses, looking onward from ``after`` so that one given back rests a while.

        Raises ``NotPossible`` (SubnetIsFull) when there are not that many.
        """
        low, high = int(IPv4(self.first)), int(IPv4(self.last))
        size = high - low + 1
        start = (int(IPv4(after)) - low + 1) % size if after else 0
        found: list[str] = []
        for step in range(size):
            if len(found) == count:
                break
            candidate = str(IPv4(low + (start + step) % size))
            if candidate not in taken:
                found.append(candidate)
        if len(found) < count:
            message = f"Network {self.name} has {len(found)} free addresses, {count} are needed."
            raise NotPossible(message, code="SubnetIsFull", target=self.name)
        return found


def mac_of(owner: Owner) -> str:
    """A locally administered unicast MAC (IEEE 802, second-least bit of the first octet): a function of the
    instance, the same for every generation."""
    text = f"{owner.installation}/{owner.set_uid}/{owner.instance_id}"
    digest = hashlib.sha256(text.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
