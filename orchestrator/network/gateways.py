"""The gateways of subnets: addresses that the daemon's machine holds on the segment of their guests.

What was added is written down first, so that what is wanted no more is taken away, and never what somebody else
put there. While the daemon is down the addresses stay.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from orchestrator.errors import BalancerError

Held = frozenset[tuple[str, str, int]]
"""Interface, address, length of its prefix."""

_NO_DAD = 0x02  # IFA_F_NODAD of linux/if_addr.h: it is ours at once
_FORWARDING = "/proc/sys/net/ipv4/conf/{}/forwarding"


class Gateways:
    """In the network namespace of the caller. ``record`` is the file in which is written what was added."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self.held = frozenset(address for _, address, _ in self._read())
        """What is there now, as far as was seen; what an earlier daemon added stays."""

    async def apply(self, wanted: Held) -> None:
        """Hold these, and of those that were added before no others. Packets that come in by such an interface are
        passed on, so that guests reach other subnets. Raises ``BalancerError``."""
        addresses = frozenset(address for _, address, _ in wanted)
        self.held &= addresses
        await asyncio.to_thread(self._apply, wanted)
        self.held = addresses

    def _apply(self, wanted: Held) -> None:
        mine = self._read()
        if not wanted and not mine:
            return
        with IPRoute() as ip:
            indices = {name: _index(ip, name) for name, _, _ in wanted}
            there = _present(ip)
            new = wanted - there
            self._write((mine & there) | new)
            for name, address, length in sorted(new):
                _change(ip, "add", indices[name], address, length)
            for name, address, length in sorted((mine & there) - wanted):
                _change(ip, "del", _index(ip, name), address, length)
        self._write((mine | new) & wanted)
        for name in indices:
            Path(_FORWARDING.format(name)).write_text("1")

    def _read(self) -> Held:
        if not self._record.exists():
            return frozenset()
        return frozenset((name, address, length) for name, address, length in json.loads(self._record.read_text()))

    def _write(self, held: Held) -> None:
        fresh = self._record.with_suffix(".new")
        fresh.write_text(json.dumps(sorted(held)))
        fresh.replace(self._record)


def _index(ip: IPRoute, name: str) -> int:
    found = ip.link_lookup(ifname=name)
    if not found:
        words = f"There is no interface {name}, on which the gateways of subnets are to be."
        raise BalancerError(words, target="networks")
    return int(found[0])


def _present(ip: IPRoute) -> Held:
    names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in ip.get_links()}
    return frozenset(
        (names[each["index"]], each.get_attr("IFA_ADDRESS"), each["prefixlen"])
        for each in ip.get_addr()
        if each["index"] in names
    )


def _change(ip: IPRoute, verb: str, index: int, address: str, length: int) -> None:
    more = {"flags": _NO_DAD} if ":" in address and verb == "add" else {}
    try:
        ip.addr(verb, index=index, address=address, prefixlen=length, **more)
    except NetlinkError as error:
        words = f"The gateway {address}/{length} cannot be held ({verb}): {error}"
        raise BalancerError(words, target="networks") from error
