"""Secrets of principals: 256 random bits, of which only a hash is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import replace

from orchestrator.model.principal import Principal, Role

_NOBODYS_HASH = hashlib.sha256(b"nobody").hexdigest()


def new_secret() -> str:
    """Random, so that a plain hash of it cannot be searched through; URL-safe, so that it can be typed anywhere."""
    return secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def new_principal(name: str, role: Role, secret: str, now: float, client_id: str | None = None) -> Principal:
    return Principal(client_id or str(uuid.uuid4()), name, role, hash_of(secret), str(uuid.uuid4()), now)


def with_secret(principal: Principal, secret: str) -> Principal:
    """The same principal under a new secret: tokens of the old one end."""
    return replace(principal, secret_hash=hash_of(secret), key_id=str(uuid.uuid4()))


def has_secret(principal: Principal | None, secret: str) -> bool:
    """Takes the same time whether there is such a principal or not, and wherever the secrets begin to differ."""
    is_same = hmac.compare_digest(hash_of(secret), principal.secret_hash if principal else _NOBODYS_HASH)
    return is_same and principal is not None


def whose_secret(principals: Iterable[Principal], secret: str) -> Principal | None:
    """Whom a secret alone belongs to. Every one is compared."""
    given, found = hash_of(secret), None
    for principal in principals:
        if hmac.compare_digest(given, principal.secret_hash):
            found = principal
    return found
