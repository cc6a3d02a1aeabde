"""The public addresses of an installation: which are next, and what stands for one on the machine. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from orchestrator.errors import BadInput
from orchestrator.model.addresses import Network


@dataclass(frozen=True, slots=True)
class PublicRange:
    """Addresses that are ours alone. ``publish_on`` is a loopback prefix of the same length, whose addresses stand
    for them on the machine that the daemon was started on."""

    cidr: str
    publish_on: str | None = None

    @property
    def network(self) -> Network:
        return ipaddress.ip_network(self.cidr)

    @property
    def version(self) -> str:
        """As Azure writes it."""
        return f"IPv{self.network.version}"

    def published(self, address: str) -> str | None:
        """The machine's own address for one of this range."""
        own = ipaddress.ip_address(address)
        if self.publish_on is None or own not in self.network:
            return None
        offset = int(own) - int(self.network.network_address)
        return str(ipaddress.IPv4Network(self.publish_on).network_address + offset)


@dataclass(frozen=True, slots=True)
class PublicPool:
    """All ranges, in their order. Without any, nothing has a public address."""

    ranges: tuple[PublicRange, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def take(self, count: int, version: str, taken: Collection[str]) -> list[str]:
        """The lowest free addresses of a version (``IPv4``, ``IPv6``); fewer than ``count`` where there are no
        more."""
        found: list[str] = []
        for address in self._addresses(version):
            if len(found) == count:
                break
            if address not in taken:
                found.append(address)
        return found

    def take_one(self, version: str, taken: Collection[str]) -> str:
        """Raises ``BadInput`` (``PublicIPCountLimitReached``) when none is left."""
        found = self.take(1, version, taken)
        if not found:
            there = ", ".join(each.cidr for each in self.ranges if each.version == version) or "none is configured"
            words = f"No public {version} address is left (public_addresses: {there})."
            raise BadInput(words, code="PublicIPCountLimitReached", target="properties.ipAddress")
        return found[0]

    def machine_address(self, address: str) -> str | None:
        """By which address the machine itself is listening for a public one, where it is."""
        return next((own for each in self.ranges if (own := each.published(address))), None)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What has to be local to the daemon's network namespace."""
        return tuple(each.cidr for each in self.ranges)

    def _addresses(self, version: str) -> Iterator[str]:
        for each in self.ranges:
            if each.version == version:
                yield from (str(address) for address in each.network.hosts())
