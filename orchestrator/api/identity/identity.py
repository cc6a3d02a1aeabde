"""What the API knows of logins: keys, names, limits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from starlette.types import Scope

from orchestrator.api.identity.throttle import Throttle
from orchestrator.api.identity.tokens import Tokens
from orchestrator.model.principal import Principal

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_AZURES_NAMES = frozenset({"management.azure.com", "management.core.windows.net"})
"""Clients that were given our address, and no scope, still ask for a token for Azure's own. It is signed by our
key, and good for nothing there."""
_TENANT_WORDS = frozenset({"adfs", "common", "organizations"})


@dataclass(frozen=True)
class Identity:
    """``names``: by which the ports are called, beside loopback's. ``https_url`` is ``None`` where HTTPS is off.
    ``metadata_identity``: the principal whose token anyone gets who asks the instance metadata endpoint.
    ``owner_file``: where the first owner's secret lies; ``ca_file``: whom clients have to trust."""

    tokens: Tokens
    throttle: Throttle
    names: Collection[str] = ()
    https_url: str | None = None
    metadata_identity: str | None = None
    owner_file: Path | None = None
    ca_file: Path | None = None

    def is_own_name(self, host: str, *, is_tls: bool) -> bool:
        """Names beyond loopback's are for TLS alone, where the certificate says them, too."""
        return host in LOOPBACK_NAMES or (is_tls and host in self.names)

    def is_tenant(self, text: str) -> bool:
        return text.lower() in {*_TENANT_WORDS, self.tokens.tenant_id.lower()}

    def is_audience(self, text: str) -> bool:
        """Whether a token for this resource is for us: whatever the port, which may be forwarded."""
        try:
            parts = urlsplit(text)
            host = (parts.hostname or "").lower()
        except ValueError:
            return False
        is_url = parts.scheme in {"http", "https"} and not parts.path.strip("/") and not parts.query
        return is_url and (host in _AZURES_NAMES or self.is_own_name(host, is_tls=True))

    def issue(self, principal: Principal, audience: str, now: float) -> tuple[str, int]:
        """A token, and when it ends in epoch seconds. ``audience`` was asked for, and is one of ours."""
        return self.tokens.make(principal, audience, now)

    def base_url(self, scope: Scope) -> str:
        """What clients are told to go to: by the name they came by. Who came over plain HTTP is told the HTTPS port
        where there is one: Azure's clients send tokens nowhere else."""
        host, port = host_and_port(scope)
        if scope["scheme"] == "http" and self.https_url is not None:
            return self.https_url
        name = f"[{host}]" if ":" in host else host
        return f"{scope['scheme']}://{name}" + (f":{port}" if port is not None else "")


def host_and_port(scope: Scope) -> tuple[str, int | None]:
    """The ``Host`` header; an empty name when it is none."""
    header = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    try:
        parts = urlsplit(f"//{header}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    is_plain = parts.netloc == header and "@" not in header
    return (host.lower(), port) if is_plain else ("", None)
