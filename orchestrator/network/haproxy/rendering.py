"""From what is wanted to HAProxy's configuration. Pure: the same traffic, the same text.

Note [In time]: a member that falls silent right after a good answer has to be out within one interval (of ``fall``
of them). HAProxy waits ``inter`` after an answer, then for the connection, then for the answer; so the three
together are one interval.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from orchestrator.errors import BadInput
from orchestrator.model.network.traffic import (
    Backend,
    BackendTls,
    Check,
    Listener,
    Member,
    MemberState,
    Mode,
    Redirect,
    Route,
    Side,
    Stickiness,
    Tls,
    Traffic,
)
from orchestrator.network.haproxy.files import list_name, roots_name

_NAME = re.compile(r"^[A-Za-z0-9_.:-]{1,200}$", re.ASCII)
_INTER_SHARE, _READ_SHARE = 0.5, 0.3  # of the interval; the rest is for the connection, see Note [In time]
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_TEMPLATES = Environment(
    loader=PackageLoader("orchestrator.network.haproxy", "."),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  no markup: every value is checked or quoted here
    keep_trailing_newline=True,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where this HAProxy has its files. ``machine`` is the name of the other namespace, where there is one;
    ``cookie_key`` keeps cookies from telling addresses; ``user`` is whom it runs as when it has bound its ports;
    ``folder`` holds its certificates."""

    socket: str
    state_file: str
    cookie_key: str
    machine: str | None = None
    user: str | None = None
    folder: str = "/nowhere"


def skeleton_of(traffic: Traffic) -> Traffic:
    """Without members: what only a reload can change."""
    return replace(traffic, backends=tuple(replace(each, members=()) for each in traffic.backends))


def fingerprint(traffic: Traffic) -> str:
    """Tells skeletons apart, and nothing of what is in them. Certificates are in it by their digests."""
    return hashlib.sha256(repr(skeleton_of(traffic)).encode()).hexdigest()


def render(traffic: Traffic, place: Place) -> str:
    """The whole configuration. Members that drain are left out: they take nothing new, and a balancer that starts
    with this has none of their connections. Raises ``BadInput`` for a name that HAProxy does not take."""
    listeners = [_listener(each, place) for each in traffic.listeners]
    backends = [_backend(each, place) for each in traffic.backends]
    return _TEMPLATES.get_template("haproxy.cfg.j2").render(
        skeleton=fingerprint(traffic),
        socket=quoted(place.socket),
        state_file=quoted(place.state_file),
        user=place.user,
        folder=quoted(place.folder),
        listeners=listeners,
        backends=backends,
    )


def quoted(text: str) -> str:
    """One word of the configuration, whatever is in it (configuration manual 2.2: strong quotes)."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise BadInput("A text with control characters cannot be told to the balancer.", target=text[:60])
    return "'" + text.replace("'", "'\\''") + "'"


def _escaped(text: str) -> str:
    """One word of the configuration and of the runtime API, which knows no quotes."""
    return re.sub(r"([^A-Za-z0-9_./:-])", r"\\\1", text)


def checked_name(name: str) -> str:
    """Raises ``BadInput``."""
    if not _NAME.match(name):
        raise BadInput(f"'{name[:100]}' cannot be a name in the balancer.", target=name[:100])
    return name


def address_of(address: str, port: int) -> str:
    """``10.0.0.1:80`` or ``[fd00::1]:80``; port 0 of a member is the one the client came to."""
    found = ipaddress.ip_address(address)
    shown = f"[{found}]" if found.version == 6 else str(found)
    return f"{shown}:{port}" if port else shown


def _listener(listener: Listener, place: Place) -> dict[str, Any]:
    bind = address_of(listener.address, listener.port)
    if ":" in listener.address:
        bind += " transparent"  # of a range that is local as a whole: IPv6 binds to that only so
    if listener.side is Side.MACHINE and place.machine:
        bind += f" namespace {place.machine}"
    if listener.tls is not None:
        bind += f" {_bind_tls(listener.tls, place)}"
    return {
        "name": checked_name(listener.name),
        "mode": listener.mode.value,
        "bind": bind,
        "is_tls": listener.tls is not None,
        "idle_ms": int(listener.idle_timeout_s * 1000),
        "backend": checked_name(listener.backend) if listener.backend else None,
        "rules": list(_rules(listener)) if listener.mode is Mode.HTTP else [],
    }


def _bind_tls(tls: Tls, place: Place) -> str:
    """Only suites with forward secrecy, whatever the least version is."""
    words = ["ssl", "crt-list", quoted(f"{place.folder}/{list_name(tls)}"), "ssl-min-ver", tls.minimum]
    words += ["ciphers", _CIPHERS, "alpn", "h2,http/1.1" if tls.speaks_h2 else "http/1.1"]
    return " ".join([*words, *(() if tls.default else ("strict-sni",))])


def _rules(listener: Listener) -> Iterator[str]:
    """In their order: HAProxy takes the redirects before all choices of a backend, so each of those says that none
    of the routes before it was meant."""
    yield "http-request set-var(txn.host) req.hdr(host),host_only,lower"
    for number, route in enumerate(listener.routes):
        condition = " ".join(_conditions(route))
        once = "!{ var(txn.route) -m found }"
        yield f"http-request set-var(txn.route) int({number}) if {once} {condition}".rstrip()
    for number, route in enumerate(listener.routes):
        is_it = f"{{ var(txn.route) -m int {number} }}"
        if route.redirect is not None:
            yield from _redirect(route.redirect, is_it)
        elif route.backend is not None:
            if route.path_prefix is not None:
                yield f"http-request replace-path {_replacement(route, route.path_prefix)} if {is_it}"
            yield f"use_backend {checked_name(route.backend)} if {is_it}"
    if listener.backend is None:
        yield "http-request return status 404 if !{ var(txn.route) -m found }"


def _redirect(redirect: Redirect, is_it: str) -> Iterator[str]:
    """The target is a format of HAProxy's (configuration manual 8.2.4), where a percent sign is two."""
    scheme, _, rest = redirect.target.replace("%", "%%").partition("://")
    if rest.startswith("*"):
        yield f"http-request return status 400 if {is_it} !{{ var(txn.host) -m found }}"
        rest = f"%[var(txn.host)]{rest[1:]}"
    target = f"{scheme}://{rest}"
    if redirect.keeps_path:
        target = target.rstrip("/") + ("%[pathq]" if redirect.keeps_query else "%[path]")
    elif redirect.keeps_query:
        yield f"{_location(f'{target}?%[query]', redirect.code)} if {is_it} {{ query,length gt 0 }}"
    yield f"{_location(target, redirect.code)} if {is_it}"


def _location(target: str, code: int) -> str:
    return f"http-request redirect location {quoted(target)} code {code}"


def _replacement(route: Route, prefix: str) -> str:
    """What of a path is replaced, and with what: the longest prefix that fits is taken away."""
    patterns = sorted(route.paths, key=len, reverse=True)
    taken = "|".join(re.escape(each[:-1]) if each.endswith("*") else f"{re.escape(each)}$" for each in patterns)
    plain = prefix.rstrip("/").replace("%", "%%")
    return f"{quoted(f'(?i)^(?:{taken})/?(.*)$')} {quoted(f'{plain}/' + chr(92) + '1')}"


def _conditions(route: Route) -> Iterator[str]:
    if route.hosts:
        patterns = " ".join(quoted(_host_pattern(each)) for each in route.hosts)
        yield f"{{ var(txn.host) -m reg {patterns} }}"
    exact = [each for each in route.paths if not each.endswith("*")]
    begins = [each[:-1] for each in route.paths if each.endswith("*")]
    parts = [f"{{ path -m str -i {' '.join(map(quoted, exact))} }}"] if exact else []
    parts += [f"{{ path -m beg -i {' '.join(map(quoted, begins))} }}"] if begins else []
    if len(parts) == 2:
        both = "|".join([*(f"{re.escape(each)}$" for each in exact), *map(re.escape, begins)])
        yield f"{{ path -m reg -i {quoted(f'^({both})')} }}"
    else:
        yield from parts


def _host_pattern(host: str) -> str:
    plain = re.escape(host.lower())
    return "^" + plain.replace(r"\*", "[^.]*").replace(r"\?", "[^.]") + "$"


def _backend(backend: Backend, place: Place) -> dict[str, Any]:
    name = checked_name(backend.name)
    is_sticky = backend.stickiness is Stickiness.COOKIE and backend.mode is Mode.HTTP
    ready = [each for each in backend.members if each.state is MemberState.READY]
    return {
        "name": name,
        "mode": backend.mode.value,
        "balance": "source" if backend.stickiness is Stickiness.SOURCE_ADDRESS else "roundrobin",
        "idle_ms": int(backend.idle_timeout_s * 1000),
        "cookie": checked_name(backend.cookie) if is_sticky else None,
        "cookie_key": place.cookie_key,
        "host_header": quoted(backend.host_header) if backend.host_header else None,
        "default_server": " ".join(_member_tls(backend.tls, place)) if backend.tls else None,
        "check_lines": list(_check_lines(backend.check)) if backend.check else [],
        "servers": [f"{checked_name(each.name)} {' '.join(server_words(backend, each, place))}" for each in ready],
    }


def server_words(backend: Backend, member: Member, place: Place) -> list[str]:
    """What follows a server's name, in the configuration and for ``add server`` alike."""
    words = [address_of(member.address, member.port)]
    if backend.tls is not None:
        words += _member_tls(backend.tls, place)
    if (check := backend.check) is not None:
        inter_ms = max(100, int(check.interval_s * _INTER_SHARE * 1000))
        words += ["check", "inter", f"{inter_ms}ms", "rise", str(check.rise), "fall", str(check.fall)]
        words += ["port", str(check.port)] if check.port else []
        if check.protocol == "https":
            words += ["check-ssl", *(("verify", "none") if backend.tls is None else ())]
    return words


def _member_tls(tls: BackendTls, place: Place) -> list[str]:
    """The name is one of a host, so it is a word of a runtime command as it is."""
    words = ["ssl"]
    if tls.name is not None:
        words += ["sni", f"str({checked_name(tls.name)})", "check-sni", tls.name]
    if not tls.is_verified:
        return [*words, "verify", "none"]
    words += [
        "verify",
        "required",
        "ca-file",
        _escaped(f"{place.folder}/{roots_name(tls)}") if tls.roots else "@system-ca",
    ]
    return words + (["verifyhost", tls.name] if tls.name is not None else [])


def _check_lines(check: Check) -> Iterator[str]:
    limit_s = check.interval_s * _READ_SHARE
    if check.timeout_s is not None:
        limit_s = min(limit_s, check.timeout_s)
    yield f"timeout check {max(50, int(limit_s * 1000))}ms"
    yield f"timeout connect {min(1000, max(50, int(check.interval_s * 200)))}ms"
    if check.protocol == "tcp":
        return
    host = f" hdr Host {quoted(check.host)}" if check.host else ""
    yield "option httpchk"
    yield f"http-check send meth GET uri {quoted(check.path)} ver HTTP/1.1{host or ' hdr Host localhost'}"
    statuses = ",".join(f"{low}-{high}" if high > low else str(low) for low, high in check.statuses)
    yield f"http-check expect status {statuses}"
    if check.body is not None:
        yield f"http-check expect string {quoted(check.body)}"
