"""Headers that every answer has, as the Resource Manager sends them (reference 3.3)."""

from __future__ import annotations

import re
import uuid
from ipaddress import ip_address

from starlette.types import Message, Scope, Send

from orchestrator.api.identity.gate import Headers
from orchestrator.api.identity.identity import LOOPBACK_NAMES, host_and_port

_ECHO = re.compile(rb"^[\x20-\x7e]{1,128}$")
_ALWAYS: Headers = [(b"x-content-type-options", b"nosniff")]
_UNLESS_SAID: Headers = [(b"cache-control", b"no-cache"), (b"pragma", b"no-cache"), (b"expires", b"-1")]
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")


def common_headers(scope: Scope) -> Headers:
    """Ids to trace the request by, and what a browser is to know. The client's own id comes back unless it says
    ``x-ms-return-client-request-id: false``."""
    given = {name.lower(): value for name, value in scope["headers"] if _ECHO.match(value)}
    request_id = str(uuid.uuid4()).encode()
    headers = [
        (b"x-ms-request-id", request_id),
        (b"x-ms-correlation-request-id", given.get(b"x-ms-correlation-request-id", request_id)),
        *_ALWAYS,
    ]
    is_echoed = given.get(b"x-ms-return-client-request-id", b"true").strip().lower() != b"false"
    if is_echoed and (client_id := given.get(b"x-ms-client-request-id")):
        headers.append((b"x-ms-client-request-id", client_id))
    return headers + ([_HTTPS_ONLY] if _is_for_https_alone(scope) else [])


def with_headers(headers: Headers, send: Send) -> Send:
    """Adds these, and that nothing is kept in a cache, where the answer itself does not say how it is."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            names = {name.lower() for name, _ in own}
            told = _UNLESS_SAID if b"cache-control" not in names else []
            fresh = [each for each in (*headers, *told) if each[0] not in names]
            message = {**message, "headers": [*own, *fresh]}
        await send(message)

    return sending


def _is_for_https_alone(scope: Scope) -> bool:
    """Only by a name that is the daemon's alone: a browser would keep it for every port of ``localhost``."""
    host, _ = host_and_port(scope)
    return scope["scheme"] == "https" and bool(host) and host not in LOOPBACK_NAMES and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
