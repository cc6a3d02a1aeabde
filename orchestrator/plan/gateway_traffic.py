"""What an application gateway does: its listeners, rules and settings, made into what the balancer is told. Pure.

Listeners of one frontend and port share one port of the balancer: those with a host name are tried before the one
without, and paths before their default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model.network.traffic import Backend, Check, Listener, Member, Mode, Route, Stickiness, Traffic
from orchestrator.model.resource_id import ResourceId
from orchestrator.plan.traffic import Addresses, Json, Place, name_of

_DEFAULT_PROBE: Json = {
    "interval": 30,
    "unhealthyThreshold": 3,
    "path": "/",
    "timeout": 30,
}  # Azure's, where none is named
_WELL = ((200, 399),)


def gateway_traffic(
    identity: ResourceId, body: Json, addresses: Addresses, places: Mapping[str, Sequence[Place]]
) -> Traffic:
    """What a Microsoft.Network/applicationGateways does. ``places`` are those in each pool, by its id in small
    letters."""
    parts = _Parts(identity, body["properties"], addresses, places)
    listeners = tuple(parts.listeners())
    return Traffic(listeners, tuple(parts.backends()))


def gateway_drain_times(identity: ResourceId, body: Json) -> dict[str, float]:
    """How long instances of each pool may take to finish, where the settings that a rule joins it with say so."""
    parts = _Parts(identity, body["properties"], lambda _: (), {})
    found: dict[str, float] = {}
    for pool, settings in parts.pairs():
        draining = settings["properties"].get("connectionDraining") or {}
        if draining.get("enabled"):
            key = f"{identity}/backendAddressPools/{pool['name']}".lower()
            found[key] = max(found.get(key, 0.0), float(draining["drainTimeoutInSec"]))
    return found


@dataclass(frozen=True, slots=True)
class _Parts:
    """One gateway's document, with what its parts refer to."""

    identity: ResourceId
    properties: Json
    addresses: Addresses
    places: Mapping[str, Sequence[Place]]

    def children(self, collection: str) -> Sequence[Json]:
        return self.properties.get(collection) or ()

    def child(self, collection: str, reference: Json) -> Json:
        """The one that is referred to: its being there was checked when it was written."""
        wanted = reference["id"].lower()
        own = f"{self.identity}/{collection}/".lower()
        return next(each for each in self.children(collection) if f"{own}{each['name'].lower()}" == wanted)

    def rules(self) -> Iterator[Json]:
        """In their order: what has a priority goes by it, and before what has none."""
        given = list(self.children("requestRoutingRules"))
        yield from sorted(given, key=lambda rule: rule["properties"].get("priority") or 1 << 31)

    # Backends: one for each pool with its settings

    def choices(self, rule: Json) -> Iterator[tuple[tuple[str, ...], Json, Json]]:
        """Where a rule leads: paths, pool and settings; what is for all other paths comes last, without any."""
        own = rule["properties"]
        if own["ruleType"] == "Basic":
            yield (), own["backendAddressPool"], own["backendHttpSettings"]
            return
        paths = self.child("urlPathMaps", own["urlPathMap"])["properties"]
        for each in paths["pathRules"]:
            inner = each["properties"]
            yield tuple(inner["paths"]), inner["backendAddressPool"], inner["backendHttpSettings"]
        yield (), paths["defaultBackendAddressPool"], paths["defaultBackendHttpSettings"]

    def pairs(self) -> Iterator[tuple[Json, Json]]:
        """Each pool with the settings that some rule joins it with, once."""
        seen: set[str] = set()
        for rule in self.rules():
            for _, pool_id, settings_id in self.choices(rule):
                pool = self.child("backendAddressPools", pool_id)
                settings = self.child("backendHttpSettingsCollection", settings_id)
                if (name := self._name(pool, settings)) not in seen:
                    seen.add(name)
                    yield pool, settings

    def backends(self) -> Iterator[Backend]:
        for pool, settings in self.pairs():
            own = settings["properties"]
            check = self._check(own)
            is_sticky = own["cookieBasedAffinity"] == "Enabled"
            yield Backend(
                self._name(pool, settings),
                Mode.HTTP,
                tuple(self._members(pool, own["port"])),
                check,
                Stickiness.COOKIE if is_sticky else Stickiness.NONE,
                idle_timeout_s=float(own["requestTimeout"]),
            )

    def _members(self, pool: Json, port: int) -> Iterator[Member]:
        for place in self.places.get(f"{self.identity}/backendAddressPools/{pool['name']}".lower(), ()):
            if (member := place.member(port, is_checked=True)) is not None:
                yield member

    def _check(self, settings: Json) -> Check:
        probe = self.child("probes", settings["probe"])["properties"] if settings.get("probe") else _DEFAULT_PROBE
        return Check(
            "http",
            settings["port"],
            float(probe["interval"]),
            probe["path"],
            probe.get("host"),
            fall=probe["unhealthyThreshold"],
            timeout_s=float(probe["timeout"]),
            statuses=_WELL,
        )

    def _name(self, pool: Json, settings: Json) -> str:
        return name_of(self.identity.resource_group, self.identity.name, pool["name"], settings["name"])

    # Listeners

    def listeners(self) -> Iterator[Listener]:
        """One for each address and port, with a route for each rule whose listener has a host name."""
        ports: dict[tuple[str, int], list[Json]] = {}
        for rule in self.rules():
            listener = self.child("httpListeners", rule["properties"]["httpListener"])["properties"]
            port = self.child("frontendPorts", listener["frontendPort"])["properties"]["port"]
            ports.setdefault((listener["frontendIPConfiguration"]["id"].lower(), port), []).append(rule)
        for (frontend_id, port), rules in ports.items():
            frontend = self.child("frontendIPConfigurations", {"id": frontend_id})
            routes = tuple(self._routes(rules))
            default = next((each.backend for each in routes if not each.hosts and not each.paths), None)
            kept = tuple(each for each in routes if each.hosts or each.paths)
            for number, (address, side) in enumerate(self.addresses(frontend["properties"])):
                words = (self.identity.name, frontend["name"], str(port), str(number))
                name = name_of(self.identity.resource_group, *words)
                yield Listener(name, address, port, Mode.HTTP, default, side, kept)

    def _routes(self, rules: Sequence[Json]) -> Iterator[Route]:
        """Those for a host first, exact names before patterns; each rule's paths before its default."""
        for rule in sorted(rules, key=lambda each: _rank(self._hosts(each))):
            hosts = self._hosts(rule)
            for paths, pool_id, settings_id in self.choices(rule):
                pool = self.child("backendAddressPools", pool_id)
                settings = self.child("backendHttpSettingsCollection", settings_id)
                yield Route(hosts, paths, self._name(pool, settings))

    def _hosts(self, rule: Json) -> tuple[str, ...]:
        listener = self.child("httpListeners", rule["properties"]["httpListener"])["properties"]
        return (listener["hostName"],) if listener.get("hostName") else tuple(listener.get("hostNames") or ())


def _rank(hosts: tuple[str, ...]) -> int:
    if not hosts:
        return 2
    return 1 if any(mark in each for each in hosts for mark in "*?") else 0
