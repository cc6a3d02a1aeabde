"""What a balancer is to do, in its own terms: listeners, backends, members. Made from the resources of
Microsoft.Network and the instances that are there; carried out by HAProxy. Pure values.

All names are made of ``[A-Za-z0-9_.:-]`` and stay the same from one look to the next, so that what has not changed
is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Backend:
    """Members that share their work. Without a check every member is taken to be well."""

    name: str
    mode: Mode
    members: tuple[Member, ...]
    check: Check | None = None
    stickiness: Stickiness = Stickiness.NONE
    cookie: str = "ApplicationGatewayAffinity"
    is_tls: bool = False  # HTTPS to the members, whose certificate is not verified
    idle_timeout_s: float = 240.0
    host_header: str | None = None  # HTTP: what members are told instead of what the client asked for


@dataclass(frozen=True, slots=True)
class Route:
    """HTTP: requests for one of ``hosts`` (``*`` stands for a label's worth of anything; none: any host) and one of
    ``paths`` (``/x/*`` is a prefix; none: any path) go to ``backend``, or are sent to ``redirect``, an absolute
    URL."""

    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    backend: str | None = None
    redirect: str | None = None
    redirect_code: int = 301
    keeps_path: bool = False  # the request's own path and query follow ``redirect``


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of an address. Routes are tried in their order; what none takes goes to ``backend`` (none: HTTP 404,
    or closed). ``certificate_pem`` (chain and key) makes it TLS."""

    name: str
    address: str
    port: int
    mode: Mode
    backend: str | None
    side: Side = Side.GUESTS
    routes: tuple[Route, ...] = ()
    certificate_pem: str | None = None
    idle_timeout_s: float = 240.0


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
