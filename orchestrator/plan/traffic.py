"""What the balancers of this installation are to do: their resources and the instances that are there, made into
listeners and backends. Pure.

Note [In rotation]: an instance is in its pools while it is ready and wanted as it is. As soon as anything else is
decided about it (deletion, stop, restart, another model, another host) it drains: what it has goes on, nothing new
comes. What acts on its guest waits for that first (control/front.py). One whose provisioning failed stays where a
probe can vouch for it: a bad script must not take every instance away at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.model.network.traffic import (
    Backend,
    Check,
    Listener,
    Member,
    MemberState,
    Mode,
    Side,
    Stickiness,
    Traffic,
)
from orchestrator.model.resource_id import ResourceId
from orchestrator.plan.inputs import Sight

Json = Mapping[str, Any]
Address = tuple[str, Side]
Addresses = Callable[[Json], Sequence[Address]]
"""Where the frontend with these properties listens; none when it has no address yet."""

DRAIN_S = 30.0  # for connections that do not end by themselves, where a pool does not say otherwise
_OTHER = re.compile(r"[^A-Za-z0-9_.-]")
_IDLE_S = 60.0


class Rotation(StrEnum):
    """What part an instance has in the work of its pools."""

    SERVES = "serves"
    VOUCHED = "vouched"  # serves where a probe says that it is well
    DRAINS = "drains"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Place:
    """An instance's address in a pool."""

    name: str
    address: str
    rotation: Rotation

    def member(self, port: int, *, is_checked: bool) -> Member | None:
        """As a member of a backend; ``None`` when it is none."""
        if self.rotation is Rotation.OUT:
            return None
        is_ready = self.rotation is Rotation.SERVES or (self.rotation is Rotation.VOUCHED and is_checked)
        return Member(self.name, self.address, port, MemberState.READY if is_ready else MemberState.DRAINING)


def rotation(row: Instance, sight: Sight) -> Rotation:
    """See Note [In rotation]. ``sight`` is that of any guest of this instance, of an earlier generation or on the
    host that it leaves, too: until it is gone it may have connections. What a silent host's guests do is not known:
    the balancer's own probes tell."""
    if row.stage in {Stage.WAITING, Stage.BOOTING} or sight in {Sight.DEAD, Sight.ABSENT} or row.is_lost:
        return Rotation.OUT
    if row.stage is Stage.CREATING and sight is not Sight.RUNNING:
        return Rotation.OUT
    if row.stage is Stage.CREATING or not _is_wanted_as_it_is(row):
        return Rotation.DRAINS
    if row.stage is Stage.READY:
        return Rotation.SERVES
    return Rotation.VOUCHED if row.stage is Stage.FAILED else Rotation.DRAINS


def _is_wanted_as_it_is(row: Instance) -> bool:
    return (
        not row.is_gone
        and not row.is_quarantined
        and not row.is_to_redefine
        and row.moving_from is None
        and row.wanted_power is WantedPower.RUNNING
        and row.restarts_wanted <= row.restarts_done
        and row.redeploys_wanted <= row.redeploys_done
    )


def balancer_traffic(
    identity: ResourceId,
    body: Json,
    addresses: Addresses,
    places: Mapping[str, Sequence[Place]],
    ports: Mapping[str, Mapping[str, int]],
) -> Traffic:
    """What a Microsoft.Network/loadBalancers does. ``places`` are those in each pool, ``ports`` the frontend ports
    of each NAT pool or rule by the instance's name; both by the id in small letters."""
    parts = _Parts(identity, body["properties"], addresses, places)
    rules = [parts.rule(each) for each in parts.children("loadBalancingRules")]
    forwards = [
        parts.forward(collection, each, ports.get(parts.id_of(collection, each), {}))
        for collection in ("inboundNatPools", "inboundNatRules")
        for each in parts.children(collection)
    ]
    return joined([*rules, *(one for many in forwards for one in many)])


def joined(parts: Iterable[Traffic]) -> Traffic:
    """All of them as one."""
    listeners: list[Listener] = []
    backends: list[Backend] = []
    for each in parts:
        listeners.extend(each.listeners)
        backends.extend(each.backends)
    return Traffic(tuple(listeners), tuple(backends))


def drain_times(identity: ResourceId, body: Json) -> dict[str, float]:
    """How long instances of each pool may take to finish, by the pool's id in small letters, where it says so."""
    return {
        f"{identity}/backendAddressPools/{pool['name']}".lower(): float(pool["properties"]["drainPeriodInSeconds"])
        for pool in body["properties"].get("backendAddressPools") or ()
        if pool["properties"].get("drainPeriodInSeconds") is not None
    }


def name_of(*words: str) -> str:
    """A name for the balancer's own use, each for one row of words: the words where they allow it, and else with a
    mark of what they were."""
    whole = ".".join(words)
    plain = _OTHER.sub("-", whole)
    is_plain = plain == whole and len(whole) <= _LONGEST and not any("." in each for each in words)
    mark = hashlib.sha256("/".join(words).lower().encode()).hexdigest()[:8]
    return plain if is_plain else f"{plain[: _LONGEST - 9]}.{mark}"


_LONGEST = 100


@dataclass(frozen=True, slots=True)
class _Parts:
    """One load balancer's document, with what its parts refer to."""

    identity: ResourceId
    properties: Json
    addresses: Addresses
    places: Mapping[str, Sequence[Place]]

    def children(self, collection: str) -> Sequence[Json]:
        return self.properties.get(collection) or ()

    def id_of(self, collection: str, child: Json) -> str:
        return f"{self.identity}/{collection}/{child['name']}".lower()

    def child(self, collection: str, reference: Json) -> Json | None:
        wanted = reference["id"].lower()
        return next((each for each in self.children(collection) if self.id_of(collection, each) == wanted), None)

    def rule(self, rule: Json) -> Traffic:
        own = rule["properties"]
        if own["protocol"] != "Tcp":
            return Traffic()
        name = name_of(self.identity.resource_group, self.identity.name, rule["name"])
        probe = self.child("probes", own["probe"]) if own.get("probe") else None
        check = check_of(probe["properties"]) if probe else None
        members = self._members(own, check)
        is_sticky = own["loadDistribution"] != "Default"
        stickiness = Stickiness.SOURCE_ADDRESS if is_sticky else Stickiness.NONE
        idle_s = own["idleTimeoutInMinutes"] * _IDLE_S
        backend = Backend(name, Mode.TCP, members, check, stickiness, idle_timeout_s=idle_s)
        return Traffic(tuple(self._listeners(name, own, own["frontendPort"], name, idle_s)), (backend,))

    def _members(self, own: Json, check: Check | None) -> tuple[Member, ...]:
        one = own.get("backendAddressPool")
        pools = [one] if one else own.get("backendAddressPools") or ()
        found: dict[str, Member] = {}
        for pool in pools:
            for place in self.places.get(pool["id"].lower(), ()):
                member = place.member(own["backendPort"], is_checked=check is not None)
                if member is not None:
                    found[member.name] = member
        return tuple(found.values())

    def forward(self, collection: str, child: Json, ports: Mapping[str, int]) -> Iterator[Traffic]:
        """One port for each instance. Nobody asks these whether they are well: people want to look at the sick."""
        own = child["properties"]
        if own["protocol"] != "Tcp":
            return
        pool = own["backendAddressPool"]["id"] if own.get("backendAddressPool") else self.id_of(collection, child)
        here = {place.name: place for place in self.places.get(pool.lower(), ())}
        for instance, port in sorted(ports.items()):
            place = here.get(instance)
            if place is None or place.rotation is Rotation.OUT:
                continue
            words = (self.identity.name, collection, child["name"], instance)
            name = name_of(self.identity.resource_group, *words)
            member = Member(place.name, place.address, own["backendPort"])
            idle_s = own["idleTimeoutInMinutes"] * _IDLE_S
            backend = Backend(name, Mode.TCP, (member,), idle_timeout_s=idle_s)
            yield Traffic(tuple(self._listeners(name, own, port, name, idle_s)), (backend,))

    def _listeners(self, name: str, own: Json, port: int, backend: str, idle_s: float) -> Iterator[Listener]:
        frontend = self.child("frontendIPConfigurations", own["frontendIPConfiguration"])
        for number, (address, side) in enumerate(self.addresses(frontend["properties"]) if frontend else ()):
            yield Listener(
                f"{name}.{number}",
                address,
                port,
                Mode.TCP,
                backend,
                side,
                idle_timeout_s=idle_s,
                of=str(self.identity),
            )


def check_of(probe: Json) -> Check:
    """A load balancer's probe. ``numberOfProbes``, the older word for ``probeThreshold``, is kept only."""
    return Check(
        probe["protocol"].lower(),
        probe["port"],
        float(probe["intervalInSeconds"]),
        probe.get("requestPath") or "/",
        fall=max(1, probe.get("probeThreshold") or 1),
    )


def backends_of(listener: Listener) -> frozenset[str]:
    """The names of all that a listener may lead to."""
    found = {listener.backend, *(route.backend for route in listener.routes)}
    return frozenset(each for each in found if each is not None)


def without_twins(traffic: Traffic) -> tuple[Traffic, tuple[str, ...]]:
    """Each address and port once; the second of two that want the same is left out, and named."""
    seen: dict[tuple[str, int, Side], str] = {}
    kept, left_out = [], []
    for each in traffic.listeners:
        key = (each.address, each.port, each.side)
        if key in seen:
            left_out.append(f"{each.name} wants port {each.port} of {each.address}, which {seen[key]} has")
        else:
            seen[key] = each.name
            kept.append(each)
    return replace(traffic, listeners=tuple(kept)), tuple(left_out)
