"""What an instance holds of something that many share: a port of a NAT pool, a public address. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

PUBLIC_ADDRESSES = "public addresses"
"""The pool of those; all other pools are ids of NAT pools and rules, in small letters."""
Key = tuple[str, int]
"""A set's uid and the number of one of its instances."""


@dataclass(frozen=True, slots=True)
class Claim:
    """``value`` is the address or the port; nobody else of the pool has it. It is held as long as the instance's
    row is there, unless the pool itself changes."""

    pool: str
    value: str
    set_uid: str
    instance_id: int

    @property
    def key(self) -> Key:
        return self.set_uid, self.instance_id
