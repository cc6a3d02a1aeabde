"""Logging in at a daemon's port: the Unix socket asks nobody who they are, ports do."""

from __future__ import annotations

import json
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import httpx

from orchestrator.cli.authority import authority_of
from orchestrator.cli.faults import ApiError
from orchestrator.errors import BadInput

TOKEN_PATH = "/adfs/oauth2/token"  # noqa: S105  an address, no secret
_FRESH_ONE_HELPS = "insufficient_claims"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A service principal, and whom to trust (PEM): members of a principal's file, like the daemon's
    ``owner.json``. Without ``ca_pem`` it is whom the system trusts."""

    client_id: str
    secret: str
    ca_pem: str | None = None

    @classmethod
    def from_file(cls, path: Path) -> Credentials:
        """Raises ``BadInput`` when the file cannot be read or is not of this sort."""
        try:
            content = json.loads(path.read_text())
            client_id, secret = content["clientId"], content["clientSecret"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            words = f"the credentials {path} cannot be used: {error.__class__.__name__}: {error}"
            raise BadInput(words, target=str(path)) from error
        return cls(client_id, secret, authority_of(content))

    def trust(self) -> ssl.SSLContext | bool:
        """For ``verify`` of httpx."""
        if self.ca_pem is None:
            return True
        try:
            return ssl.create_default_context(cadata=self.ca_pem)
        except (ValueError, ssl.SSLError) as error:
            raise BadInput(f"the authority of the credentials is no certificate: {error}") from error


class Login(httpx.Auth):
    """Fetches a token with the first request, and another one when the daemon says that this helps."""

    requires_response_body = True

    def __init__(self, credentials: Credentials, base_url: str) -> None:
        self._credentials = credentials
        self._base_url = base_url
        self._token: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token is None:
            self._token = _token_of((yield self._question()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        answer = yield request
        if answer.status_code == 401 and _FRESH_ONE_HELPS in answer.headers.get("www-authenticate", ""):
            self._token = _token_of((yield self._question()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _question(self) -> httpx.Request:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.secret,
            "scope": f"{self._base_url}/.default",
        }
        return httpx.Request("POST", f"{self._base_url}{TOKEN_PATH}", data=form)


def _token_of(answer: httpx.Response) -> str:
    """Raises ``ApiError`` with the daemon's words when it refuses the login."""
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if answer.status_code != 200 or "access_token" not in body:
        words = str(body.get("error_description") or f"the login was answered with HTTP {answer.status_code}")
        raise ApiError(words, code=str(body.get("error") or "LoginFailed"), http_status=answer.status_code)
    return str(body["access_token"])
