"""Public addresses of instances, one to one: the packet filter (nft(8), libnftables-json(5)) of the daemon's own
network namespace writes the one for the other.

What comes to the public address goes to the instance, from outside and from the namespace itself; what an instance
begins to elsewhere comes from its public address. The table is ours alone and is written whole, in one step.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from orchestrator.errors import BalancerError

Json = dict[str, Any]
_WITHIN_S = 10.0
_FAMILY = "inet"
_INWARD, _OUTWARD = "public_to_own", "own_to_public"
_DNAT_PRIORITY, _SNAT_PRIORITY = -100, 100  # dstnat and srcnat of nft(8)


def table_of(installation: str) -> str:
    """The name of an installation's table."""
    return f"vmss_{installation}"


def ruleset(table: str, addresses: Mapping[str, str]) -> Json:
    """The commands that leave exactly this: ``addresses`` are the instances' own by their public ones. An empty
    mapping leaves no table."""
    own = {"family": _FAMILY, "name": table}
    commands: list[Json] = [{"add": {"table": own}}, {"delete": {"table": own}}]
    if addresses:
        inside = {"family": _FAMILY, "table": table}
        inward = sorted(addresses.items())
        outward = sorted((private, public) for public, private in addresses.items())
        commands += [
            {"add": {"table": own}},
            _map(inside, _INWARD, inward),
            _map(inside, _OUTWARD, outward),
            _chain(inside, "prerouting", _DNAT_PRIORITY),
            _chain(inside, "output", _DNAT_PRIORITY),
            _chain(inside, "postrouting", _SNAT_PRIORITY),
            _rule(inside, "prerouting", "dnat", "daddr", _INWARD),
            _rule(inside, "output", "dnat", "daddr", _INWARD),
            _rule(inside, "postrouting", "snat", "saddr", _OUTWARD),
        ]
    return {"nftables": commands}


def _map(inside: Json, name: str, pairs: list[tuple[str, str]]) -> Json:
    elements = [[key, value] for key, value in pairs]
    return {"add": {"map": {**inside, "name": name, "type": "ipv4_addr", "map": "ipv4_addr", "elem": elements}}}


def _chain(inside: Json, hook: str, priority: int) -> Json:
    return {
        "add": {
            "chain": {**inside, "name": hook, "type": "nat", "hook": hook, "prio": priority, "policy": "accept"}
        }
    }


def _rule(inside: Json, chain: str, verb: str, field: str, name: str) -> Json:
    key = {"payload": {"protocol": "ip", "field": field}}
    change = {verb: {"family": "ip", "addr": {"map": {"key": key, "data": f"@{name}"}}}}
    return {"add": {"rule": {**inside, "chain": chain, "expr": [change]}}}


class OneToOne:
    """The table of one installation."""

    def __init__(self, installation: str) -> None:
        self._table = table_of(installation)
        self._applied: dict[str, str] | None = None

    async def apply(self, addresses: Mapping[str, str]) -> None:
        """This from now on: instances' own addresses by their public ones. Raises ``BalancerError``
        (``AddressTranslationFailed``); then what was there still is."""
        if self._applied == addresses:
            return
        program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            words = "There is no nft on this machine: install nftables, and instances get their public addresses."
            raise BalancerError(words, code="AddressTranslationFailed")
        await _run([program, "-j", "-f", "-"], json.dumps(ruleset(self._table, addresses)))
        self._applied = dict(addresses)


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
