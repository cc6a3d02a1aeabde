"""From security groups to the rules of a packet filter: which packets of a card pass. Pure.

The first rule that fits decides, in the order of priority; of a card with several groups (its own and its subnet's)
each has to allow a packet. What was begun with leave goes on (docs/decisions/0016).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.errors import BadInput
from orchestrator.model.addresses import Network
from orchestrator.model.guest import FilterRule
from orchestrator.model.network.security_groups import default_rules

Json = Mapping[str, Any]
Ports = tuple[int, int]
MOST_RULES = 800  # libvirt's priorities go from -1000 to 1000
_ALL_PORTS: Ports = (0, 65535)
_EVERYWHERE: tuple[Network, ...] = (ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0"))
_HAS_PORTS = ("tcp", "udp")
_NEIGHBOURS = tuple(range(133, 138))  # router and neighbour discovery, RFC 4861; what a guest may not say of it
# is dropped before


@dataclass(frozen=True, slots=True)
class CardContext:
    """What a card's rules speak of. ``inside`` are the prefixes that ``VirtualNetwork`` stands for, ``controller``
    the addresses from which the daemon and its balancer reach the guest, ``dns_servers`` those that it asks."""

    inside: tuple[Network, ...]
    controller: tuple[str, ...] = ()
    dns_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Clause:
    """Of one direction. ``peer`` is the other end, ``own`` the guest's."""

    allows: bool
    protocol: str
    peer: Network
    own: Network
    peer_ports: Ports = _ALL_PORTS
    own_ports: Ports = _ALL_PORTS


def filter_rules(groups: Sequence[Json], around: CardContext) -> tuple[FilterRule, ...]:
    """The rules of a card that goes through all of these groups (canonical bodies), in their order; none where
    there is no group: everything passes. Raises ``BadInput`` when they are too many."""
    if not groups:
        return ()
    inward = [clause for address in around.controller for clause in _from_controller(groups, around, address)]
    inward += _all_allow([list(_clauses(group, "Inbound", around)) for group in groups])
    outward = _all_allow([list(_clauses(group, "Outbound", around)) for group in groups])
    found = (
        *_always(around),
        *(_rule("in", clause) for clause in _until_the_last(inward)),
        *(_rule("out", clause) for clause in _until_the_last(outward)),
        *(FilterRule("inout", "drop", "all", version) for version in (4, 6)),
    )
    if len(found) > MOST_RULES:
        words = (
            f"The security groups of one card make {len(found)} rules of the packet filter; {MOST_RULES} can be."
        )
        raise BadInput(words, code="SecurityRulesTooMany", target="properties.securityRules")
    return found


def _always(around: CardContext) -> Iterator[FilterRule]:
    """What goes on, and what no group can close: the neighbours' addresses, names, and the daemon's own SSH."""
    for version in (4, 6):
        yield FilterRule("in", "accept", "all", version, state="ESTABLISHED,RELATED")
        yield FilterRule("out", "accept", "all", version, state="ESTABLISHED,RELATED")
    for kind in _NEIGHBOURS:
        yield FilterRule("in", "accept", "icmp", 6, icmp_type=kind)
        yield FilterRule("out", "accept", "icmp", 6, icmp_type=kind)
    for address in around.controller:
        peer = ipaddress.ip_network(address)
        yield FilterRule("in", "accept", "tcp", peer.version, source=str(peer), target_ports=(22, 22), state="NEW")
    for server in around.dns_servers:
        peer = ipaddress.ip_network(server)
        for protocol in _HAS_PORTS:
            yield FilterRule(
                "out", "accept", protocol, peer.version, target=str(peer), target_ports=(53, 53), state="NEW"
            )


def _rules_of(group: Json, direction: str) -> list[Json]:
    rules = [*group["properties"]["securityRules"], *default_rules()]
    own = [each["properties"] for each in rules if each["properties"]["direction"] == direction]
    return sorted(own, key=lambda each: int(each["priority"]))


def _clauses(group: Json, direction: str, around: CardContext) -> Iterator[_Clause]:
    """For everybody but the controller, whose packets come before."""
    has_decided_inside = False
    for rule in _rules_of(group, direction):
        peers = [
            network
            for text in _texts(rule, _peer_end(direction), "Address", "Prefix")
            for network in _peers(text, around.inside, has_decided_inside=has_decided_inside)
        ]
        made = list(_expanded(rule, direction, peers))
        yield from made
        has_decided_inside = has_decided_inside or _covers(made, around.inside)


def _from_controller(groups: Sequence[Json], around: CardContext, address: str) -> list[_Clause]:
    """What comes from there is probes, and requests that the balancer passes on for clients elsewhere."""
    peer = ipaddress.ip_network(address)
    lists = []
    for group in groups:
        mine: list[_Clause] = []
        for rule in _rules_of(group, "Inbound"):
            texts = _texts(rule, "source", "Address", "Prefix")
            if any(_is_anybody(text) or _has(text, peer) for text in texts):
                mine += _expanded(rule, "Inbound", [peer])
        lists.append(mine)
    return _all_allow(lists)


def _is_anybody(text: str) -> bool:
    return text.lower() in ("*", "internet", "azureloadbalancer")


def _has(text: str, network: Network) -> bool:
    return not _is_tag(text) and _common(ipaddress.ip_network(text, strict=False), network) == network


def _is_tag(text: str) -> bool:
    return text == "*" or (text[0].isalpha() and ":" not in text)


def _peers(text: str, inside: Sequence[Network], *, has_decided_inside: bool) -> Sequence[Network]:
    """What a prefix, a tag or a star stands for at the other end. Tags of Azure's services stand for nothing."""
    tag = text.lower()
    if text == "*":
        return _EVERYWHERE
    if tag == "virtualnetwork":
        return inside
    if tag == "internet":
        return _EVERYWHERE if has_decided_inside else tuple(_outside(inside))
    return () if _is_tag(text) else (ipaddress.ip_network(text, strict=False),)


def _outside(inside: Sequence[Network]) -> Iterator[Network]:
    for whole in _EVERYWHERE:
        left: list[Any] = [whole]
        for network in (each for each in inside if each.version == whole.version):
            left = [part for each in left for part in _without(each, network)]
        yield from left


def _without(whole: Any, network: Any) -> Iterator[Any]:
    if not whole.overlaps(network):
        yield whole
    elif network.subnet_of(whole) and network != whole:
        yield from whole.address_exclude(network)


def _own(text: str) -> Sequence[Network]:
    """At the guest's end: its own addresses are in its network."""
    if text == "*" or text.lower() == "virtualnetwork":
        return _EVERYWHERE
    return () if _is_tag(text) else (ipaddress.ip_network(text, strict=False),)


def _expanded(rule: Json, direction: str, peers: Sequence[Network]) -> Iterator[_Clause]:
    """One for each combination of what the rule lists."""
    own_end = "destination" if direction == "Inbound" else "source"
    owns = [network for text in _texts(rule, own_end, "Address", "Prefix") for network in _own(text)]
    peer_ports = [_ports(text) for text in _texts(rule, _peer_end(direction), "Port", "Range")]
    own_ports = [_ports(text) for text in _texts(rule, own_end, "Port", "Range")]
    has_ports = any(each != _ALL_PORTS for each in (*peer_ports, *own_ports))
    protocol = rule["protocol"].lower()
    protocols = _HAS_PORTS if protocol == "*" and has_ports else ("all" if protocol == "*" else protocol,)
    for each in protocols:
        for peer in peers:
            for own in (network for network in owns if network.version == peer.version):
                for theirs in peer_ports if each in _HAS_PORTS else [_ALL_PORTS]:
                    for mine in own_ports if each in _HAS_PORTS else [_ALL_PORTS]:
                        yield _Clause(rule["access"] == "Allow", each, peer, own, theirs, mine)


def _peer_end(direction: str) -> str:
    return "source" if direction == "Inbound" else "destination"


def _texts(rule: Json, end: str, what: str, unit: str) -> list[str]:
    one = rule.get(f"{end}{what}{unit}")
    return [one] if one else list(rule[f"{end}{what}{unit}{'es' if unit == 'Prefix' else 's'}"])


def _ports(text: str) -> Ports:
    if text == "*":
        return _ALL_PORTS
    low, _, high = text.partition("-")
    return int(low), int(high or low)


def _covers(clauses: Sequence[_Clause], networks: Sequence[Network]) -> bool:
    """Whether every packet to or from these networks is decided by one of the clauses."""
    whole = [each.peer for each in clauses if each == replace(each, protocol="all", own=_any(each), **_NO_PORTS)]
    return all(any(_common(peer, network) == network for peer in whole) for network in networks)


_NO_PORTS: dict[str, Any] = {"peer_ports": _ALL_PORTS, "own_ports": _ALL_PORTS}


def _any(clause: _Clause) -> Network:
    return _EVERYWHERE[clause.peer.version == 6]


def _all_allow(lists: Sequence[list[_Clause]]) -> list[_Clause]:
    """One list by which a packet passes that passes each: what the first allows, the others decide."""
    first, *others = lists
    if not others:
        return first
    rest = _all_allow(others)
    found: list[_Clause] = []
    for clause in first:
        if not clause.allows:
            found.append(clause)
        else:
            found += [both for each in rest if (both := _both(clause, each)) is not None]
    return found


def _both(one: _Clause, other: _Clause) -> _Clause | None:
    """What fits both, decided as by the other one."""
    peer, own = _common(one.peer, other.peer), _common(one.own, other.own)
    protocols = {one.protocol, other.protocol} - {"all"}
    peer_ports, own_ports = _overlap(one.peer_ports, other.peer_ports), _overlap(one.own_ports, other.own_ports)
    if peer is None or own is None or peer_ports is None or own_ports is None or len(protocols) > 1:
        return None
    return _Clause(other.allows, next(iter(protocols), "all"), peer, own, peer_ports, own_ports)


def _common(one: Any, other: Any) -> Network | None:
    if one.version != other.version or not one.overlaps(other):
        return None
    narrower: Network = one if one.prefixlen >= other.prefixlen else other
    return narrower


def _overlap(one: Ports, other: Ports) -> Ports | None:
    low, high = max(one[0], other[0]), min(one[1], other[1])
    return (low, high) if low <= high else None


def _until_the_last(clauses: Sequence[_Clause]) -> Iterator[_Clause]:
    """Without what comes after a clause that fits everything of its version, and without doubles."""
    seen: set[_Clause] = set()
    is_over: set[int] = set()
    for each in clauses:
        key = replace(each, allows=True)
        if each.peer.version in is_over or key in seen:
            continue
        seen.add(key)
        yield each
        if key == _Clause(True, "all", _any(each), _any(each)):
            is_over.add(each.peer.version)


def _rule(direction: str, clause: _Clause) -> FilterRule:
    source, target = (clause.peer, clause.own) if direction == "in" else (clause.own, clause.peer)
    ends = (clause.peer_ports, clause.own_ports) if direction == "in" else (clause.own_ports, clause.peer_ports)
    return FilterRule(
        direction,
        "accept" if clause.allows else "drop",
        clause.protocol,
        clause.peer.version,
        source=str(source) if source.prefixlen else None,
        target=str(target) if target.prefixlen else None,
        source_ports=None if ends[0] == _ALL_PORTS else ends[0],
        target_ports=None if ends[1] == _ALL_PORTS else ends[1],
        state="NEW",
    )
