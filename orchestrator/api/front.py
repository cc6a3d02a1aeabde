"""The layer before routing: one door through which every request comes.

Clients vary the case of path segments (``resourcegroups``, ``microsoft.Compute``, ``poweroff``), double slashes and
add trailing ones. Types and verbs are made lower case here, so routes are written once, in lower case; names keep
theirs, by their place in the path. ``api-version`` is required, and any date is one.
"""

from __future__ import annotations

import json
import re
from datetime import date
from urllib.parse import parse_qsl, unquote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.answer_headers import common_headers, with_headers
from orchestrator.api.faults import envelope, status_of
from orchestrator.api.identity.gate import CALLER, LOCAL, OWNER_OF_THE_SOCKET, Gate, Headers, challenge
from orchestrator.api.identity.identity import Identity, host_and_port
from orchestrator.api.identity.roles import is_open
from orchestrator.errors import BadInput, Forbidden, TooManyRequests, Unauthenticated, VmssError

log = structlog.get_logger()

_VERSION = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:-preview|-alpha|-beta|-privatepreview)?$", re.ASCII | re.IGNORECASE)
_PATH_MAX = 4096
_VERSIONED = ("/subscriptions", "/providers")


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


def refuse_web_pages(scope: Scope, identity: Identity) -> None:
    """On a TCP port any page in a browser of this machine could knock. Programs send no ``Origin``, and know the
    port by a name of its own (DNS rebinding does not). Raises ``Forbidden``."""
    host, _ = host_and_port(scope)
    has_origin = any(name.lower() == b"origin" for name, _ in scope["headers"])
    if has_origin or not identity.is_own_name(host, is_tls=scope["scheme"] == "https"):
        raise Forbidden("Web pages may not ask this port: send no Origin, and a Host that is a name of its own.")


class FrontDoor:
    """Makes paths canonical, asks who comes, requires ``api-version``, and gives every answer its request ids."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = with_headers(common_headers(scope), send)
        try:
            entering, headers = self._let_in(scope)
        except VmssError as refused:
            headers = _headers_of(refused, self._gate.identity.base_url(scope))
            await _send_error(refused, status_of(refused), named, headers)
        except Exception:
            await _send_unforeseen(scope, named)
        else:
            await self._pass_on(entering, receive, with_headers(headers, named))

    def _let_in(self, scope: Scope) -> tuple[Scope, Headers]:
        """The scope as the routes see it, and headers for the answer. Raises what refuses the request; nobody
        learns more before they say who they are."""
        is_local = scope.get(LOCAL) is True
        if not is_local:
            refuse_web_pages(scope, self._gate.identity)
        path, problem = _path_or_problem(scope)
        entering = {**scope, "path": path, "raw_path": path.encode()}
        if problem is None and is_open(path):
            return entering, []
        caller = OWNER_OF_THE_SOCKET if is_local else self._gate.caller_of(scope)
        if problem is not None:
            raise problem
        headers: Headers = []
        if not is_local:
            self._gate.check(caller, scope, path)
            headers = self._gate.count(caller, scope["method"], path)
        if path.startswith(_VERSIONED):
            check_api_version(scope["query_string"].decode("latin-1"))
        return {**entering, CALLER: caller}, headers

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
            if has_begun:
                log.exception("a request failed half-way", method=scope["method"], path=scope["path"])
                raise
            await _send_unforeseen(scope, send)


def _path_or_problem(scope: Scope) -> tuple[str, BadInput | None]:
    raw = scope.get("raw_path") or scope["path"].encode()
    try:
        return canonical_path(raw.decode("ascii")), None
    except UnicodeDecodeError:
        return "", BadInput("The address is not written in ASCII and UTF-8.", code="InvalidRequestUri")
    except BadInput as problem:
        return "", problem


def _headers_of(refused: VmssError, base_url: str) -> Headers:
    if isinstance(refused, Unauthenticated):
        return [(b"www-authenticate", challenge(refused, base_url))]
    if isinstance(refused, TooManyRequests):
        return [(b"retry-after", str(refused.retry_after_s).encode())]
    return []


async def _send_unforeseen(scope: Scope, send: Send) -> None:
    """Call it from the handler of the exception."""
    log.exception("a request failed", method=scope["method"], path=scope["path"])
    words = "The request failed for a reason that was not foreseen; the daemon's log says which."
    await _send_error(VmssError(words), 500, send)


async def _send_error(error: VmssError, status: int, send: Send, more: Headers | None = None) -> None:
    body = json.dumps(envelope(error)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
