"""The API over HTTP: requests, pages, and the error envelope turned into exceptions.

Note [URLs come back with a host]. Operation URLs and ``nextLink`` are absolute, but behind a Unix socket
their host means nothing. Only their path and query are used, always on the connection we already have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from orchestrator.cli.endpoint import Endpoint
from orchestrator.cli.faults import ApiError, DaemonUnreachable
from orchestrator.errors import ErrorDetail, NotFound

if TYPE_CHECKING:
    import ssl

    import httpx

API_VERSION = "2024-11-01"
COMPUTE = "Microsoft.Compute"
OWN = "/providers/Vmss.Local"
_MAX_TRIES_WHEN_BUSY = 4
_MAX_BUSY_PAUSE_S = 10.0

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Header names are in lower case."""

    status: int
    body: Any
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def operation_url(self) -> str | None:
        """Where to ask how a long-running operation goes; ``None`` when it was done at once."""
        return self.headers.get("azure-asyncoperation")

    @property
    def retry_after_s(self) -> float | None:
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdigit() else None


@dataclass(frozen=True, slots=True)
class SetRef:
    """A scale set by resource group and name."""

    group: str
    name: str


class Client:
    """A connection to one daemon. Opens on the first request; every call has a deadline."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout_s: float = 60.0,
    ) -> None:
        self.endpoint = endpoint
        self.timeout_s = timeout_s
        self._transport = transport
        self._sleep = sleep

    @cached_property
    def _http(self) -> httpx.Client:
        import httpx  # noqa: PLC0415  (a tenth of a second, which `vmss --help` need not pay)

        transport = self._transport
        if transport is None and self.endpoint.socket_path is not None:
            transport = httpx.HTTPTransport(uds=str(self.endpoint.socket_path))
        auth, trusted = self._login()
        # Proxies of the environment are for the world outside, not for a daemon on this machine.
        return httpx.Client(
            auth=auth,
            verify=trusted,
            base_url=self.endpoint.base_url,
            transport=transport,
            timeout=self.timeout_s,
            trust_env=False,
        )

    def _login(self) -> tuple[httpx.Auth | None, ssl.SSLContext | bool]:
        if self.endpoint.credentials is None:
            return None, True
        from orchestrator.cli.credentials import Credentials, Login  # noqa: PLC0415

        credentials = Credentials.from_file(self.endpoint.credentials)
        return Login(credentials, self.endpoint.base_url), credentials.trust()

    def close(self) -> None:
        """Drop the connection. The next request makes a new one."""
        if (http := self.__dict__.pop("_http", None)) is not None:
            http.close()

    @cached_property
    def daemon(self) -> Resource:
        """What the daemon says of itself: version, location, subscription, network namespace."""
        return dict(self.get(f"{OWN}/status"))

    def path_of_group(self, group: str) -> str:
        return f"/subscriptions/{self.daemon['subscriptionId']}/resourceGroups/{quote(group, safe='')}"

    def ensure_group(self, group: str) -> None:
        """Make the resource group when there is none: who makes the first set of a group means the group, too."""
        path = self.path_of_group(group)
        try:
            self.get(path)
        except NotFound:
            self.send("PUT", path, body={"location": self.daemon["location"]})

    def path_of(self, scale_set: SetRef, *more: str) -> str:
        """The path of a scale set, or of what ``more`` names below it."""
        below = "".join(f"/{quote(part, safe='')}" for part in more)
        kind = f"providers/{COMPUTE}/virtualMachineScaleSets"
        return f"{self.path_of_group(scale_set.group)}/{kind}/{quote(scale_set.name, safe='')}{below}"

    def get(self, path: str, **query: str) -> Any:
        return self.send("GET", path, query=query).body

    def pages(self, path: str, **query: str) -> Iterator[Any]:
        """The items of a list, over all its pages."""
        body = self.get(path, **query)
        yield from body["value"]
        while link := body.get("nextLink"):
            body = self.get(link)
            yield from body["value"]

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Reply:
        """One request. Waits politely where the daemon says it is busy; raises ``ApiError``, ``NotFound`` or
        ``DaemonUnreachable``."""
        path, in_path = _local(path)
        params = {"api-version": API_VERSION, **in_path, **(query or {})}
        for tries_left in reversed(range(_MAX_TRIES_WHEN_BUSY)):
            reply = self._once(method, path, params, body, headers or {}, timeout_s or self.timeout_s)
            # 429 was refused untouched, so any verb may come again; 503 may have begun, so reads only.
            is_busy = reply.status == 429 or (reply.status == 503 and method == "GET")
            if not is_busy or not tries_left:
                break
            self._sleep(min(reply.retry_after_s or 1.0, _MAX_BUSY_PAUSE_S))
        if reply.status == 401 and self.endpoint.credentials is None:
            words = f"{self.endpoint} asks who comes: let VMSS_CREDENTIALS name a file like its owner.json"
            raise ApiError(words, code="AuthenticationFailed", http_status=401)
        if reply.status >= 400:
            raise error_of(reply, f"{method} {path}")
        return reply

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        body: Any,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Reply:
        socket_path = self.endpoint.socket_path
        if self._transport is None and socket_path is not None and not socket_path.exists():
            raise DaemonUnreachable(_unreachable(self.endpoint, "there is no such socket"))
        import httpx  # noqa: PLC0415

        try:
            answer = self._http.request(method, path, params=params, json=body, headers=headers, timeout=timeout_s)
        except httpx.TimeoutException as error:
            raise DaemonUnreachable(
                f"vmssd at {self.endpoint} did not answer {method} {path} within {timeout_s:.0f} s"
            ) from error
        except httpx.TransportError as error:
            raise DaemonUnreachable(_unreachable(self.endpoint, str(error))) from error
        return Reply(answer.status_code, _body(answer), answer.text, dict(answer.headers))


def _unreachable(endpoint: Endpoint, why: str) -> str:
    advice = "is vmssd running?"
    if "Permission denied" in why:
        advice = "the socket belongs to root; try sudo"
    if "CERTIFICATE_VERIFY_FAILED" in why:
        advice = "let VMSS_CREDENTIALS name a file like its owner.json, which says whom to trust"
    return f"cannot reach vmssd at {endpoint} ({endpoint.why}): {why}; {advice}"


def _local(url: str) -> tuple[str, dict[str, str]]:
    """Path and query of a URL or path; see Note [URLs come back with a host]."""
    from urllib.parse import parse_qsl  # noqa: PLC0415

    parts = urlsplit(url)
    return parts.path, dict(parse_qsl(parts.query, keep_blank_values=True))


def _body(answer: httpx.Response) -> Any:
    if not answer.content or "json" not in answer.headers.get("content-type", ""):
        return None
    try:
        return answer.json()
    except ValueError:
        return None


def error_of(reply: Reply, request: str) -> ApiError | NotFound:
    """The exception for an answer of 400 and above: Azure's envelope, or what can be said without one."""
    envelope = reply.body.get("error") if isinstance(reply.body, dict) else None
    if not isinstance(envelope, dict):
        text = reply.text.strip()[:500] or "no explanation"
        return ApiError(
            f"{request} was answered with HTTP {reply.status}: {text}",
            code=f"Http{reply.status}",
            http_status=reply.status,
        )
    return error_from_envelope(envelope, reply.status)


def error_from_envelope(envelope: Mapping[str, Any], http_status: int = 0) -> ApiError | NotFound:
    """``{"code", "message", "target", "details"}`` as an exception."""
    code = str(envelope.get("code") or f"Http{http_status}")
    message = str(envelope.get("message") or "the daemon gave no explanation")
    target = envelope.get("target")
    details = [
        ErrorDetail(str(each.get("code", "")), str(each.get("message", "")), each.get("target"))
        for each in envelope.get("details") or ()
    ]
    if http_status == 404:
        return NotFound(message, code=code, target=target, details=details)
    return ApiError(message, code=code, http_status=http_status, target=target, details=details)
