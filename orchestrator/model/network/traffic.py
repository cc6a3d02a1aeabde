"""What a balancer is to do, in its own terms: listeners, backends, members. Made from the resources of
Microsoft.Network and the instances that are there; carried out by HAProxy. Pure values.

All names are made of ``[A-Za-z0-9_.:-]`` and stay the same from one look to the next, so that what has not changed
is left alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum


class Mode(StrEnum):
    TCP = "tcp"
    HTTP = "http"


class MemberState(StrEnum):
    READY = "ready"
    DRAINING = "draining"  # what it has goes on, nothing new comes to it


class Side(StrEnum):
    """Where a listener listens: beside the guests, or on the machine that the daemon was started on. They differ
    only where the daemon reaches its guests from a network namespace (``network_namespace``)."""

    GUESTS = "guests"
    MACHINE = "machine"


class Stickiness(StrEnum):
    NONE = "none"
    SOURCE_ADDRESS = "source"
    COOKIE = "cookie"  # HTTP only


@dataclass(frozen=True, slots=True)
class Member:
    """One instance behind a backend. ``address`` is IPv4 or IPv6; ``port`` 0 is the one the client asked for."""

    name: str
    address: str
    port: int
    state: MemberState = MemberState.READY


@dataclass(frozen=True, slots=True)
class Check:
    """How members are asked. A silent one is out at the latest ``interval_s`` after its last good answer times
    ``fall``. ``statuses`` are ranges of HTTP statuses that are well."""

    protocol: str  # tcp, http, https
    port: int  # 0: the member's own
    interval_s: float
    path: str = "/"
    host: str | None = None
    rise: int = 1
    fall: int = 1
    timeout_s: float | None = None
    statuses: tuple[tuple[int, int], ...] = ((200, 200),)
    body: str | None = None  # what has to be in the answer


@dataclass(frozen=True, slots=True)
class BackendTls:
    """HTTPS to members. ``name`` is what they are told before the handshake, and whom their certificate has to be
    for where it is verified: against ``roots`` (PEM), or without any against the machine's own."""

    name: str | None = None
    is_verified: bool = False
    roots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Backend:
    """Members that share their work. Without a check every member is taken to be well."""

    name: str
    mode: Mode
    members: tuple[Member, ...]
    check: Check | None = None
    stickiness: Stickiness = Stickiness.NONE
    cookie: str = "ApplicationGatewayAffinity"
    tls: BackendTls | None = None
    idle_timeout_s: float = 240.0
    host_header: str | None = None  # HTTP: what members are told instead of what the client asked for


@dataclass(frozen=True, slots=True)
class Redirect:
    """To ``target``, an absolute URL, whose host may be ``*``: the one that was asked for. What is kept of the
    request's own follows it."""

    target: str
    code: int = 301
    keeps_path: bool = False
    keeps_query: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """HTTP: requests for one of ``hosts`` (``*`` stands for a label's worth of anything; none: any host) and one of
    ``paths`` (``/x/*`` is a prefix; none: any path) go to ``backend``, or are redirected. ``path_prefix`` stands
    before what is left of the path when that prefix is taken away."""

    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    backend: str | None = None
    redirect: Redirect | None = None
    path_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """Chain and key, for clients that name one of ``hosts`` before the handshake. ``digest`` tells it from others,
    in logs and configurations too, which never have the key."""

    digest: str
    hosts: tuple[str, ...]
    pem: str = field(repr=False)


def certificate(pem: str, hosts: tuple[str, ...] = ()) -> Certificate:
    """With its digest."""
    return Certificate(hashlib.sha256(pem.encode()).hexdigest()[:32], hosts, pem)


@dataclass(frozen=True, slots=True)
class Tls:
    """Of a listener. ``default`` is for clients that name no host, or one that no certificate is for; without it
    they get no answer."""

    certificates: tuple[Certificate, ...]
    default: Certificate | None = None
    minimum: str = "TLSv1.2"  # or TLSv1.3
    speaks_h2: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of an address. Routes are tried in their order; what none takes goes to ``backend`` (none: HTTP 404,
    or closed). ``of`` is the id of the resource that it is there for."""

    name: str
    address: str
    port: int
    mode: Mode
    backend: str | None
    side: Side = Side.GUESTS
    routes: tuple[Route, ...] = ()
    tls: Tls | None = None
    idle_timeout_s: float = 240.0
    of: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """All that the balancer of this installation does."""

    listeners: tuple[Listener, ...] = ()
    backends: tuple[Backend, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberSight:
    """One member as the balancer sees it. ``is_up`` is ``None`` while nobody has asked it yet."""

    backend: str
    name: str
    state: MemberState
    is_up: bool | None
    sessions: int
    detail: str = ""
