"""The layer before routing: one door through which every request comes.

Clients vary the case of path segments (``resourcegroups``, ``microsoft.Compute``, ``poweroff``), double slashes and
add trailing ones. Types and verbs are made lower case here, so routes are written once, in lower case; names keep
theirs, by their place in the path. ``api-version`` is required, and any date is one.
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import date
from urllib.parse import parse_qsl, unquote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.faults import envelope
from orchestrator.errors import BadInput, Forbidden, VmssError

log = structlog.get_logger()

_VERSION = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:-preview|-alpha|-beta|-privatepreview)?$", re.ASCII | re.IGNORECASE)
_ECHO = re.compile(rb"^[\x20-\x7e]{1,128}$")
_PATH_MAX = 4096
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def canonical_path(raw: str) -> str:
    """The path with types in lower case and names as they are. Raises ``BadInput`` for one that cannot be.

    Types and names take turns; what follows ``providers`` is a namespace, and what follows that a type."""
    if len(raw) > _PATH_MAX:
        raise BadInput(f"The path is longer than {_PATH_MAX} characters.", code="InvalidRequestUri")
    segments = [unquote(segment, errors="strict") for segment in raw.split("/") if segment]
    if any("/" in segment or not segment.isprintable() for segment in segments):
        raise BadInput("The path has a name with a slash or a control character.", code="InvalidRequestUri")
    result: list[str] = []
    kind = "type"
    for segment in segments:
        result.append(segment if kind == "name" else segment.lower())
        is_before_namespace = kind == "type" and segment.lower() == "providers"
        kind = "namespace" if is_before_namespace else "name" if kind == "type" else "type"
    return "/" + "/".join(result)


def check_api_version(query: str) -> None:
    """Raises ``BadInput`` when it is missing or not a date."""
    given = [value for key, value in parse_qsl(query, keep_blank_values=True) if key.lower() == "api-version"]
    if not given or not given[-1]:
        words = "The api-version query parameter (?api-version=) is required for all requests."
        raise BadInput(words, code="MissingApiVersionParameter")
    found = _VERSION.match(given[-1])
    try:
        date.fromisoformat(found[1] if found else "")
    except ValueError:
        words = f"The api-version '{given[-1][:40]}' is invalid: it must be a date such as 2024-11-01."
        raise BadInput(words, code="InvalidApiVersionParameter") from None


def refuse_web_pages(scope: Scope) -> None:
    """On a TCP port any page in a browser of this machine could knock. Programs send no ``Origin``, and know the
    port by a loopback name (DNS rebinding does not). Raises ``Forbidden``."""
    _, port = scope.get("server") or ("", None)
    if port is None:  # the Unix socket: its mode decides who may come
        return
    headers = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0].strip("[]").lower()
    if b"origin" in headers or host not in _LOOPBACK_NAMES:
        raise Forbidden("Web pages may not ask this port: send no Origin, and a loopback Host.")


class FrontDoor:
    """Makes paths canonical, requires ``api-version``, and gives every answer its request ids."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = _with_ids(scope, send)
        try:
            refuse_web_pages(scope)
            raw = scope.get("raw_path") or scope["path"].encode()
            path = canonical_path(raw.decode("ascii"))
            if path.startswith(("/subscriptions", "/providers")):
                check_api_version(scope["query_string"].decode("ascii"))
        except UnicodeDecodeError:
            error = BadInput("The address is not written in ASCII and UTF-8.", code="InvalidRequestUri")
            await _send_error(error, 400, named)
        except Forbidden as refused:
            await _send_error(refused, 403, named)
        except BadInput as refused:
            await _send_error(refused, 400, named)
        else:
            await self._pass_on({**scope, "path": path, "raw_path": path.encode()}, receive, named)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What nobody foresaw is logged, and answered without its words: they may hold a secret."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            log.exception("a request failed", method=scope["method"], path=scope["path"])
            if has_begun:
                raise
            words = "The request failed for a reason that was not foreseen; the daemon's log says which."
            await _send_error(VmssError(words), 500, send)


def _with_ids(scope: Scope, send: Send) -> Send:
    given = {name.lower(): value for name, value in scope["headers"] if _ECHO.match(value)}
    request_id = str(uuid.uuid4()).encode()
    ids = [
        (b"x-ms-request-id", request_id),
        (b"x-ms-correlation-request-id", given.get(b"x-ms-correlation-request-id", request_id)),
    ]
    if client_id := given.get(b"x-ms-client-request-id"):
        ids.append((b"x-ms-client-request-id", client_id))

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), *ids]}
        await send(message)

    return named


async def _send_error(error: VmssError, status: int, send: Send) -> None:
    body = json.dumps(envelope(error)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
