"""Who may call the API: service principals and their roles. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Each may what the ones before it may. ``reader``: read everything, ask what would be done. ``operator``:
    make, change and delete what is in the subscription (Azure's Contributor). ``owner``: the installation as well:
    hosts, images, principals."""

    READER = "reader"
    OPERATOR = "operator"
    OWNER = "owner"

    def includes(self, other: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """A service principal. ``client_id`` is its appId, a UUID; ``secret_hash`` the SHA-256 (hex) of its secret,
    which is 256 random bits. ``key_id`` changes with the secret: tokens of an older one end."""

    client_id: str
    name: str
    role: Role
    secret_hash: str
    key_id: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is. ``name`` is for logs and events. The owner of the Unix socket has no ``client_id``."""

    name: str
    role: Role
    client_id: str | None = None
