"""Addresses for guests: which one is next, and the MAC that goes with an owner. No I/O."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from orchestrator.errors import NotPossible
from orchestrator.model.guest import Owner

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class AddressSpace:
    """A segment that guests share. ``first`` to ``last`` are ours to give; the rest is somebody else's.

    ``carries`` are prefixes in which subnets of virtual networks are made real on the same segment; the daemon
    holds their gateways' addresses on its own ``interface``.
    """

    name: str
    cidr: str
    first: str
    last: str
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    carries: tuple[str, ...] = ()
    interface: str | None = None

    @property
    def prefix_length(self) -> int:
        return ipaddress.ip_network(self.cidr).prefixlen

    def has(self, address: str) -> bool:
        """Whether an address is of this segment."""
        return ipaddress.ip_address(address) in ipaddress.ip_network(self.cidr)

    def room(self, taken: Collection[str]) -> int:
        """How many addresses can still be given."""
        first, last = ipaddress.ip_address(self.first), ipaddress.ip_address(self.last)
        given = (ipaddress.ip_address(each) for each in taken)
        ours = sum(1 for each in given if each.version == first.version and int(first) <= int(each) <= int(last))
        return int(last) - int(first) + 1 - ours

    def allocate(self, count: int, taken: Collection[str], after: str | None = None) -> list[str]:
        """``count`` free addresses, looking onward from ``after`` so that one given back rests a while.

        Raises ``NotPossible`` (SubnetIsFull) when there are not that many.
        """
        first, last = ipaddress.ip_address(self.first), ipaddress.ip_address(self.last)
        size = int(last) - int(first) + 1
        start = (int(ipaddress.ip_address(after)) - int(first) + 1) % size if after else 0
        found: list[str] = []
        for step in range(size):
            if len(found) == count:
                break
            candidate = str(first + (start + step) % size)
            if candidate not in taken:
                found.append(candidate)
        if len(found) < count:
            message = f"Network {self.name} has {len(found)} free addresses, {count} are needed."
            raise NotPossible(message, code="SubnetIsFull", target=self.name)
        return found


def room_for(spaces: Sequence[AddressSpace], taken: Collection[str]) -> int:
    """For how many instances there is room that have an address of each of these; a space may stand there twice."""
    return min(space.room(taken) // spaces.count(space) for space in spaces)


def mac_of(owner: Owner, card: str | None = None) -> str:
    """A locally administered unicast MAC (IEEE 802, second-least bit of the first octet): a function of the
    instance, the same for every generation; and of the name of the ``card`` where it is not the primary one."""
    text = f"{owner.installation}/{owner.set_uid}/{owner.instance_id}"
    if card is not None:
        text += f"/{card.lower()}"
    digest = hashlib.sha256(text.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
