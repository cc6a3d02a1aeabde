"""Public addresses of instances, one to one: the packet filter (nft(8), libnftables-json(5)) of the daemon's own
network namespace writes the one for the other.

What comes to the public address goes to the instance, from outside and from the namespace itself; what an instance
begins to elsewhere comes from its public address. Between instances nothing is changed, though a bridge may show
the packet filter what it passes on (bridge-nf-call-iptables). The table is ours alone and is written whole, in one
step.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.errors import BalancerError

Json = dict[str, Any]
_WITHIN_S = 10.0
_FAMILY = "inet"
_INWARD, _OUTWARD, _INSIDE = "public_to_own", "own_to_public", "inside"
_WAS_TRANSLATED: Json = {"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}}
_DNAT_PRIORITY, _SNAT_PRIORITY = -100, 100  # dstnat and srcnat of nft(8)


def table_of(installation: str) -> str:
    """The name of an installation's table."""
    return f"vmss_{installation}"


def ruleset(table: str, addresses: Mapping[str, str], inside: Sequence[str] = ()) -> Json:
    """The commands that leave exactly this: ``addresses`` are the instances' own by their public ones, ``inside``
    the prefixes of their networks. An empty mapping leaves no table."""
    own = {"family": _FAMILY, "name": table}
    commands: list[Json] = [{"add": {"table": own}}, {"delete": {"table": own}}]
    if addresses:
        where = {"family": _FAMILY, "table": table}
        inward = sorted(addresses.items())
        outward = sorted((private, public) for public, private in addresses.items())
        commands += [
            {"add": {"table": own}},
            _map(where, _INWARD, inward),
            _map(where, _OUTWARD, outward),
            _chain(where, "prerouting", _DNAT_PRIORITY),
            _chain(where, "output", _DNAT_PRIORITY),
            _chain(where, "postrouting", _SNAT_PRIORITY),
            _rule(where, "prerouting", "dnat", "daddr", _INWARD),
            _rule(where, "output", "dnat", "daddr", _INWARD),
            # By a public address and back to the same network: the answer has to come this way, too.
            _rule(where, "postrouting", "snat", "saddr", _OUTWARD, _WAS_TRANSLATED),
            *_neighbours(where, inside),
            _rule(where, "postrouting", "snat", "saddr", _OUTWARD),
        ]
    return {"nftables": commands}


def _map(where: Json, name: str, pairs: list[tuple[str, str]]) -> Json:
    elements = [[key, value] for key, value in pairs]
    return {"add": {"map": {**where, "name": name, "type": "ipv4_addr", "map": "ipv4_addr", "elem": elements}}}


def _chain(where: Json, hook: str, priority: int) -> Json:
    return {
        "add": {"chain": {**where, "name": hook, "type": "nat", "hook": hook, "prio": priority, "policy": "accept"}}
    }


def _neighbours(where: Json, prefixes: Sequence[str]) -> list[Json]:
    """What goes to the instances' networks is left as it is."""
    networks = ipaddress.collapse_addresses(ipaddress.IPv4Network(each) for each in prefixes)
    elements = [{"prefix": {"addr": str(each.network_address), "len": each.prefixlen}} for each in networks]
    if not elements:
        return []
    held = {**where, "name": _INSIDE, "type": "ipv4_addr", "flags": ["interval"], "elem": elements}
    goes_there = {"payload": {"protocol": "ip", "field": "daddr"}}
    match = {"match": {"op": "==", "left": goes_there, "right": f"@{_INSIDE}"}}
    rule = {**where, "chain": "postrouting", "expr": [match, {"return": None}]}
    return [{"add": {"set": held}}, {"add": {"rule": rule}}]


def _rule(where: Json, chain: str, verb: str, field: str, name: str, *conditions: Json) -> Json:
    key = {"payload": {"protocol": "ip", "field": field}}
    change = {verb: {"family": "ip", "addr": {"map": {"key": key, "data": f"@{name}"}}}}
    return {"add": {"rule": {**where, "chain": chain, "expr": [*conditions, change]}}}


class OneToOne:
    """The table of one installation. ``inside`` tells the prefixes (IPv4) of the instances' networks."""

    def __init__(self, installation: str, inside: Callable[[], Sequence[str]] = tuple) -> None:
        self._table = table_of(installation)
        self._inside = inside
        self._applied: tuple[dict[str, str], tuple[str, ...]] | None = None

    async def apply(self, addresses: Mapping[str, str]) -> None:
        """This from now on: instances' own addresses by their public ones. Raises ``BalancerError``
        (``AddressTranslationFailed``); then what was there still is."""
        wanted = dict(addresses), tuple(self._inside())
        if self._applied == wanted:
            return
        program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            words = "There is no nft on this machine: install nftables, and instances get their public addresses."
            raise BalancerError(words, code="AddressTranslationFailed")
        await _run([program, "-j", "-f", "-"], json.dumps(ruleset(self._table, *wanted)))
        self._applied = wanted


async def _run(argv: list[str], text: str) -> None:
    started = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(_WITHIN_S):
            _, said = await started.communicate(text.encode())
    except TimeoutError:
        started.kill()
        said = b"no answer in time"
    if started.returncode != 0:
        words = said.decode(errors="replace").strip()[:300]
        raise BalancerError(f"The packet filter refused: {words}", code="AddressTranslationFailed")
