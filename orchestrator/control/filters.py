"""The filters that guests' cards go through: made from security groups, told to all hosts when a group changes.

Level-triggered: any commit wakes it, and hosts are told what differs from what they were told last. A guest's own
filter comes with its spec, so that no guest ever runs without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from orchestrator.control.fleet import Fleet
from orchestrator.control.specs import AddressSpaces
from orchestrator.control.watch import Watch
from orchestrator.errors import VmssError
from orchestrator.hosts.port import Host
from orchestrator.model.addresses import Network
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.guest import GuestFilter
from orchestrator.model.network.cards import Card, configured_cards
from orchestrator.model.network.filtering import CardContext, filter_rules
from orchestrator.model.network.references import top_of
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.model.scale_set import ScaleSet
from orchestrator.store import Store

log = structlog.get_logger()

Json = Mapping[str, Any]


def address_towards(address: str) -> str | None:
    """From which address of this network namespace a packet would go there; nothing is sent."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        return str(probe.getsockname()[0])
    return None


class Filters:
    """Makes the filters of sets' cards. ``towards`` says from where the daemon reaches an address."""

    def __init__(
        self,
        store: Store,
        spaces: AddressSpaces,
        parse: Callable[[ScaleSet], ScaleSetResource],
        towards: Callable[[str], str | None] = address_towards,
    ) -> None:
        self._store = store
        self._spaces = spaces
        self._parse = parse
        self._towards = towards
        self._made: dict[str, tuple[tuple[int, int], dict[str, GuestFilter]]] = {}

    def of_set(self, set_uid: str) -> dict[str, GuestFilter]:
        """By the cards' names, by the newest model of the set: a group is asked by guests of older ones, too.
        Empty where there is no such set. Raises ``BadInput`` for groups that make too many rules."""
        record = self._store.scale_set(set_uid)
        if record is None:
            self._made.pop(set_uid, None)
            return {}
        key = record.version, self._store.resources_version
        if set_uid not in self._made or self._made[set_uid][0] != key:
            self._made[set_uid] = key, self._make(record)
        return self._made[set_uid][1]

    def _make(self, record: ScaleSet) -> dict[str, GuestFilter]:
        cards = {card.name: card for card in self._spaces.cards(self._parse(record))}
        return {
            name: GuestFilter(self._name(record, name), filter_rules(list(self._groups(card)), around))
            for card in configured_cards(record.model["properties"]["virtualMachineProfile"])
            if (name := card["name"]) in cards
            for around in [self._around(card, cards[name])]
        }

    def _name(self, record: ScaleSet, card: str) -> str:
        digest = hashlib.sha256(card.lower().encode()).hexdigest()[:8]
        return f"vmss-{self._store.installation}-{record.uid}-{digest}"

    def _groups(self, card: Json) -> Iterator[Json]:
        """That of the card and those of its subnets, each once."""
        references = [card["properties"].get("networkSecurityGroup")]
        references += [(self._subnet(each) or {}).get("networkSecurityGroup") for each in _subnets_of(card)]
        for key in dict.fromkeys(each["id"].lower() for each in references if each):
            if (group := self._store.resource(parse_resource_id(key))) is not None:
                yield group.body

    def _subnet(self, subnet_id: str) -> Json | None:
        network = self._network(subnet_id)
        name = subnet_id.rpartition("/")[2].lower()
        subnets = network["properties"]["subnets"] if network else ()
        return next((each["properties"] for each in subnets if each["name"].lower() == name), None)

    def _network(self, subnet_id: str) -> Json | None:
        with contextlib.suppress(VmssError):
            stored = self._store.resource(top_of(parse_resource_id(subnet_id)))
            return stored.body if stored else None
        return None

    def _around(self, card: Json, own: Card) -> CardContext:
        spaces = [each.space for each in own.configurations]
        inside = {ipaddress.ip_network(space.cidr) for space in spaces}
        for subnet in _subnets_of(card):
            network = self._network(subnet)
            for prefix in network["properties"]["addressSpace"]["addressPrefixes"] if network else ():
                inside.add(ipaddress.ip_network(prefix))
        inside |= {ipaddress.ip_network(each) for each in self._spaces.prefixes_with(spaces)}
        ends = {found for space in spaces if (found := self._towards(space.first)) is not None}
        ends |= {space.gateway for space in spaces if space.gateway}
        servers = dict.fromkeys(own.dns_servers or tuple(server for space in spaces for server in space.dns))
        ordered: Sequence[Network] = sorted(inside, key=ipaddress.get_mixed_type_key)
        return CardContext(tuple(ordered), tuple(sorted(ends)), tuple(servers))


def _subnets_of(card: Json) -> list[str]:
    found = [each["properties"].get("subnet") for each in card["properties"]["ipConfigurations"]]
    return list(dict.fromkeys(each["id"] for each in found if each))


class FilterWatch:
    """Keeps the hosts' filters as they are wanted. ``watch`` has its task.

    Each host is told those of all sets, and changes those that it has: none is dropped while a guest that is to go
    through it is being made.
    """

    def __init__(self, store: Store, fleet: Fleet, filters: Filters) -> None:
        self._store = store
        self._fleet = fleet
        self._filters = filters
        self._told: dict[str, frozenset[GuestFilter]] = {}
        self._stale: set[str] = set()
        self._problems: frozenset[tuple[str, str]] = frozenset()
        self.watch = Watch(self.look, "security groups")
        store.listen(lambda _has_resources: self.watch.wake())

    def forget(self, host: str) -> None:
        """It was away, or a guest was made there, perhaps with a filter that has changed meanwhile: it is told
        everything again."""
        self._stale.add(host)
        self.watch.wake()

    async def look(self) -> None:
        """Tell every host that is up what is wanted. Raises ``VmssError`` of one that did not take it; the others
        did."""
        wanted = self._wanted()
        stale, self._stale = self._stale, set()
        hosts = [(monitor.host, monitor.host.config.name) for monitor in self._fleet if monitor.is_up]
        changed = [host for host, name in hosts if name in stale or self._told.get(name) != wanted]
        results = await asyncio.gather(*(self._tell(host, wanted) for host in changed), return_exceptions=True)
        if (problem := next((each for each in results if each is not None), None)) is not None:
            raise problem

    def _wanted(self) -> frozenset[GuestFilter]:
        """Of all sets; one whose groups do not fit keeps what it has, and that is told once."""
        found: set[GuestFilter] = set()
        problems: set[tuple[str, str]] = set()
        for record in self._store.scale_sets():
            try:
                found.update(self._filters.of_set(record.uid).values())
            except VmssError as error:
                problems.add((record.name, error.message))
        for name, why in sorted(problems - self._problems):
            log.error("security groups cannot be followed", scale_set=name, why=why)
        self._problems = frozenset(problems)
        return frozenset(found)

    async def _tell(self, host: Host, filters: frozenset[GuestFilter]) -> None:
        name = host.config.name
        try:
            await host.change_filters(sorted(filters, key=lambda each: each.name))
        except VmssError:
            self._stale.add(name)
            raise
        self._told[name] = filters
