"""What an application gateway does: its listeners, rules and settings, made into what the balancer is told. Pure.

Listeners of one frontend and port share one port of the balancer: those with a host name are tried before the one
without, and paths before their default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.model.network.certificates import root_pem
from orchestrator.model.network.secret_members import secret_path
from orchestrator.model.network.traffic import (
    Backend,
    BackendTls,
    Certificate,
    Check,
    Listener,
    Member,
    Mode,
    Redirect,
    Route,
    Stickiness,
    Tls,
    Traffic,
    certificate,
)
from orchestrator.model.resource_id import ResourceId
from orchestrator.plan.traffic import Addresses, Json, Place, name_of

_DEFAULT_PROBE: Json = {
    "interval": 30,
    "unhealthyThreshold": 3,
    "path": "/",
    "timeout": 30,
}  # Azure's, where none is named
_WELL = ((200, 399),)
_CODES = {"Permanent": 301, "Found": 302, "SeeOther": 303, "Temporary": 307}
_IDLE_S = 240.0  # how long a client may be silent, as Azure's balancers have it
_PORTS = {"http": 80, "https": 443}


def gateway_traffic(
    identity: ResourceId,
    body: Json,
    addresses: Addresses,
    places: Mapping[str, Sequence[Place]],
    secrets: Mapping[str, Any],
) -> Traffic:
    """What a Microsoft.Network/applicationGateways does. ``places`` are those in each pool, by its id in small
    letters; ``secrets`` are the gateway's own, with the keys of its certificates."""
    parts = _Parts(identity, body["properties"], addresses, places, secrets)
    listeners = tuple(parts.listeners())
    return Traffic(listeners, tuple(parts.backends()))


def gateway_drain_times(identity: ResourceId, body: Json) -> dict[str, float]:
    """How long instances of each pool may take to finish, where the settings that a rule joins it with say so."""
    parts = _Parts(identity, body["properties"], lambda _: (), {}, {})
    found: dict[str, float] = {}
    for pool, settings in parts.pairs():
        draining = settings["properties"].get("connectionDraining") or {}
        if draining.get("enabled"):
            key = f"{identity}/backendAddressPools/{pool['name']}".lower()
            found[key] = max(found.get(key, 0.0), float(draining["drainTimeoutInSec"]))
    return found


@dataclass(frozen=True, slots=True)
class _Way:
    """Where requests of one rule for some paths go: to a pool as its settings say, or elsewhere."""

    paths: tuple[str, ...]
    pool: Json | None
    settings: Json | None
    redirect: Json | None


@dataclass(frozen=True, slots=True)
class _Parts:
    """One gateway's document, with what its parts refer to."""

    identity: ResourceId
    properties: Json
    addresses: Addresses
    places: Mapping[str, Sequence[Place]]
    secrets: Mapping[str, Any]

    def children(self, collection: str) -> Sequence[Json]:
        return self.properties.get(collection) or ()

    def child(self, collection: str, reference: Json) -> Json:
        """The one that is referred to: its being there was checked when it was written."""
        wanted = reference["id"].lower()
        own = f"{self.identity}/{collection}/".lower()
        return next(each for each in self.children(collection) if f"{own}{each['name'].lower()}" == wanted)

    def found(self, collection: str, reference: Json | None) -> Json | None:
        return self.child(collection, reference) if reference else None

    def rules(self) -> Iterator[Json]:
        """In their order: what has a priority goes by it, and before what has none."""
        given = list(self.children("requestRoutingRules"))
        yield from sorted(given, key=lambda rule: rule["properties"].get("priority") or 1 << 31)

    def ways(self, rule: Json) -> Iterator[_Way]:
        """Those of a rule; what is for all other paths comes last, without any."""
        own = rule["properties"]
        if own["ruleType"] == "Basic":
            yield self._way((), own, "backendAddressPool", "backendHttpSettings", "redirectConfiguration")
            return
        paths = self.child("urlPathMaps", own["urlPathMap"])["properties"]
        for each in paths["pathRules"]:
            inner = each["properties"]
            names = ("backendAddressPool", "backendHttpSettings", "redirectConfiguration")
            yield self._way(tuple(inner["paths"]), inner, *names)
        names = ("defaultBackendAddressPool", "defaultBackendHttpSettings", "defaultRedirectConfiguration")
        yield self._way((), paths, *names)

    def _way(self, paths: tuple[str, ...], own: Json, pool: str, settings: str, redirect: str) -> _Way:
        return _Way(
            paths,
            self.found("backendAddressPools", own.get(pool)),
            self.found("backendHttpSettingsCollection", own.get(settings)),
            self.found("redirectConfigurations", own.get(redirect)),
        )

    # Backends: one for each pool with its settings

    def pairs(self) -> Iterator[tuple[Json, Json]]:
        """Each pool with the settings that some rule joins it with, once."""
        seen: set[str] = set()
        for way in (each for rule in self.rules() for each in self.ways(rule)):
            if way.pool is None or way.settings is None:
                continue
            if (name := self._name(way.pool, way.settings)) not in seen:
                seen.add(name)
                yield way.pool, way.settings

    def backends(self) -> Iterator[Backend]:
        for pool, settings in self.pairs():
            own = settings["properties"]
            is_sticky = own["cookieBasedAffinity"] == "Enabled"
            yield Backend(
                self._name(pool, settings),
                Mode.HTTP,
                tuple(self._members(pool, own["port"])),
                self._check(own),
                Stickiness.COOKIE if is_sticky else Stickiness.NONE,
                cookie=own.get("affinityCookieName") or "ApplicationGatewayAffinity",
                tls=self._backend_tls(own) if own["protocol"] == "Https" else None,
                idle_timeout_s=float(own["requestTimeout"]),
                host_header=own.get("hostName"),
            )

    def _members(self, pool: Json, port: int) -> Iterator[Member]:
        for place in self.places.get(f"{self.identity}/backendAddressPools/{pool['name']}".lower(), ()):
            if (member := place.member(port, is_checked=True)) is not None:
                yield member

    def _backend_tls(self, settings: Json) -> BackendTls:
        roots = [self.child("trustedRootCertificates", each) for each in settings["trustedRootCertificates"]]
        return BackendTls(
            settings.get("sniName") or settings.get("hostName"),
            settings["validateCertChainAndExpiry"],
            tuple(root_pem(each["properties"]["data"]) for each in roots),
        )

    def _check(self, settings: Json) -> Check:
        probe = self.child("probes", settings["probe"])["properties"] if settings.get("probe") else _DEFAULT_PROBE
        match = probe.get("match") or {}
        picks = probe.get("pickHostNameFromBackendHttpSettings")
        return Check(
            settings["protocol"].lower(),
            probe.get("port") or settings["port"],
            float(probe["interval"]),
            probe["path"],
            settings.get("hostName") if picks else probe.get("host"),
            fall=probe["unhealthyThreshold"],
            timeout_s=float(probe["timeout"]),
            statuses=tuple(_range(each) for each in match.get("statusCodes") or ()) or _WELL,
            body=match.get("body") or None,
        )

    def _name(self, pool: Json, settings: Json) -> str:
        words = (self.identity.name, "gateway", pool["name"], settings["name"])
        return name_of(self.identity.resource_group, *words)

    # Listeners

    def listeners(self) -> Iterator[Listener]:
        """One for each address and port, with a route for each rule whose listener has a host name."""
        ports: dict[tuple[str, int], list[Json]] = {}
        for rule in self.rules():
            listener = self._listener(rule)
            ports.setdefault((listener["frontendIPConfiguration"]["id"].lower(), self._port(listener)), []).append(
                rule
            )
        for (frontend_id, port), rules in ports.items():
            frontend = self.child("frontendIPConfigurations", {"id": frontend_id})
            routes, default = self._routes(rules)
            tls, idle_s = self._tls(rules), max([_IDLE_S, *self._request_times(rules)])
            for number, (address, side) in enumerate(self.addresses(frontend["properties"])):
                words = (self.identity.name, "gateway", frontend["name"], str(port), str(number))
                name = name_of(self.identity.resource_group, *words)
                yield Listener(
                    name, address, port, Mode.HTTP, default, side, routes, tls, idle_s, str(self.identity)
                )

    def _request_times(self, rules: Sequence[Json]) -> Iterator[float]:
        """How long answers may take: clients are silent for as long."""
        for way in (each for rule in rules for each in self.ways(rule)):
            if way.settings is not None:
                yield float(way.settings["properties"]["requestTimeout"])

    def _listener(self, rule: Json) -> Json:
        found: Json = self.child("httpListeners", rule["properties"]["httpListener"])["properties"]
        return found

    def _port(self, listener: Json) -> int:
        return int(self.child("frontendPorts", listener["frontendPort"])["properties"]["port"])

    def _routes(self, rules: Sequence[Json]) -> tuple[tuple[Route, ...], str | None]:
        """Those for a host first, exact names before patterns; each rule's paths before its default. And where all
        else goes, if that needs no route."""
        told = [(rank, hosts, rule) for rule in rules for rank, hosts in _ranked(_hosts(self._listener(rule)))]
        found = [
            self._route(hosts, way)
            for _, hosts, rule in sorted(told, key=lambda each: each[0])
            for way in self.ways(rule)
        ]
        last = found[-1]
        if last == Route(backend=last.backend):
            return tuple(found[:-1]), last.backend
        return tuple(found), None

    def _route(self, hosts: tuple[str, ...], way: _Way) -> Route:
        if way.pool is not None and way.settings is not None:
            prefix = way.settings["properties"].get("path")
            return Route(hosts, way.paths, self._name(way.pool, way.settings), path_prefix=prefix)
        own = way.redirect["properties"] if way.redirect else {}
        target = own.get("targetUrl") or self._url(self.child("httpListeners", own["targetListener"])["properties"])
        code, keeps = _CODES[own["redirectType"]], (own["includePath"], own["includeQueryString"])
        return Route(hosts, way.paths, redirect=Redirect(target, code, *keeps))

    def _url(self, listener: Json) -> str:
        """A listener's own, without a path. One of several host names, or of a pattern, is the one asked for."""
        scheme, port, hosts = listener["protocol"].lower(), self._port(listener), _hosts(listener)
        host = hosts[0] if len(hosts) == 1 and not _is_pattern(hosts[0]) else "*"
        return f"{scheme}://{host}" + ("" if port == _PORTS[scheme] else f":{port}")

    def _tls(self, rules: Sequence[Json]) -> Tls | None:
        """Who names no host that is known gets the certificate of the listener without one, or else of the first
        rule; nothing where all listeners require a name."""
        held = [self._listener(rule) for rule in rules]
        if held[0]["protocol"] != "Https":
            return None
        named = [self._certificate(each) for each in held]
        default = next((each for each in named if not each.hosts), certificate(named[0].pem))
        is_strict = all(each["requireServerNameIndication"] for each in held)
        least = (self.properties.get("sslPolicy") or {}).get("minProtocolVersion") or "TLSv1_2"
        return Tls(
            tuple(each for each in named if each.hosts),
            None if is_strict else default,
            least.replace("_", "."),
            self.properties["enableHttp2"],
        )

    def _certificate(self, listener: Json) -> Certificate:
        name = self.child("sslCertificates", listener["sslCertificate"])["name"]
        return certificate(self.secrets[secret_path("sslCertificates", name, "pem")], _hosts(listener))


def _hosts(listener: Json) -> tuple[str, ...]:
    return (listener["hostName"],) if listener.get("hostName") else tuple(listener.get("hostNames") or ())


def _is_pattern(host: str) -> bool:
    return any(mark in host for mark in "*?")


def _ranked(hosts: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Exact names, patterns and any host in the order that they are tried in."""
    if exact := tuple(each for each in hosts if not _is_pattern(each)):
        yield 0, exact
    if patterns := tuple(each for each in hosts if _is_pattern(each)):
        yield 1, patterns
    if not hosts:
        yield 2, ()


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)
