"""Every request over TCP passes here: who is it, may they, and not too often."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.api.identity.identity import Identity
from orchestrator.api.identity.roles import action_of, is_reading, needed_role
from orchestrator.api.identity.tokens import TokenProblem
from orchestrator.errors import Forbidden, Unauthenticated
from orchestrator.model.principal import Caller, Role
from orchestrator.store import Store

log = structlog.get_logger()

LOCAL = "vmss.is_local"
CALLER = "vmss.caller"
OWNER_OF_THE_SOCKET = Caller("local", Role.OWNER)
_TOKEN_MAX = 16_384

Headers = list[tuple[bytes, bytes]]


def from_unix_socket(app: ASGIApp) -> ASGIApp:
    """For the server of the Unix socket alone: who could open it owns the daemon, since the kernel holds its mode
    (0600) against everyone else. Nothing a request says can set this."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, LOCAL: True}, receive, send)

    return marked


class Gate:
    def __init__(self, store: Store, identity: Identity, now: Callable[[], float]) -> None:
        self._store = store
        self.identity = identity
        self._now = now

    def caller_of(self, scope: Scope) -> Caller:
        """Whose token came with the request. Raises ``Unauthenticated``."""
        try:
            return self._caller(_bearer_token(scope))
        except Unauthenticated as refused:
            log.warning("not logged in", reason=refused.message, **_facts(scope))
            raise

    def _caller(self, token: str) -> Caller:
        try:
            claims = self.identity.tokens.read(token, self._now())
        except TokenProblem as problem:
            raise Unauthenticated(problem.message, code=problem.code, is_cured_by_login=True) from problem
        if not (isinstance(claims["aud"], str) and self.identity.is_audience(claims["aud"])):
            raise _invalid("The access token is for another audience.")
        principal = self._store.principal(str(claims["appid"]))
        if principal is None or principal.key_id != claims["key_id"]:
            raise _invalid("The access token's principal is gone, or has another secret now.")
        return Caller(principal.name, principal.role, principal.client_id)

    def check(self, caller: Caller, scope: Scope, path: str) -> None:
        """Raises ``Forbidden`` when the caller's role is too small for this."""
        method = scope["method"]
        if caller.role.includes(needed_role(method, path)):
            return
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "replace")
        action, where = action_of(method, unquote(raw))
        log.warning("not allowed", principal=caller.name, role=caller.role.value, action=action, **_facts(scope))
        raise Forbidden(
            f"The client '{caller.client_id}' with object id '{caller.client_id}' "
            f"({caller.name}, {caller.role.value}) does not have authorization to perform action '{action}' "
            f"over scope '{where}' or the scope is invalid. If access was recently granted, please refresh your "
            "credentials."
        )

    def count(self, caller: Caller, method: str, path: str) -> Headers:
        """Count the request; headers that say how many more may come. Raises ``TooManyRequests``."""
        is_read = is_reading(method, path)
        left = self.identity.throttle.take(caller.client_id or "", is_read=is_read)
        name = b"x-ms-ratelimit-remaining-subscription-" + (b"reads" if is_read else b"writes")
        return [(name, str(left).encode())]


def challenge(refused: Unauthenticated, base_url: str) -> bytes:
    """``WWW-Authenticate``. Azure's clients fetch a fresh token by themselves, and try once more, when told
    ``insufficient_claims`` with claims to ask for: here, a token made from now on."""
    login = f'Bearer authorization_uri="{base_url}/adfs"'
    if not refused.is_cured_by_login:
        return f'{login}, error="invalid_token", error_description="{refused.code}"'.encode()
    wanted: Any = {"access_token": {"nbf": {"essential": True}}}
    claims = urlsafe_b64encode(json.dumps(wanted).encode()).decode()
    return f'{login}, error="insufficient_claims", claims="{claims}"'.encode()


def _invalid(words: str) -> Unauthenticated:
    return Unauthenticated(words, code="InvalidAuthenticationToken", is_cured_by_login=True)


def _bearer_token(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if not given:
        raise Unauthenticated("Authentication failed. The 'Authorization' header is missing.")
    value: str = given[0].decode("latin-1")
    scheme, _, token = value.strip().partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer" or not token.strip():
        words = "Authentication failed. The 'Authorization' header is not 'Bearer TOKEN'."
        raise Unauthenticated(words, code="AuthenticationFailedInvalidHeader")
    if len(token) > _TOKEN_MAX:
        raise _invalid("The access token is too long.")
    return token.strip()


def _facts(scope: Scope) -> dict[str, str]:
    address, _ = scope.get("client") or ("?", None)
    return {"client": str(address), "method": scope["method"], "path": scope["path"][:200]}
