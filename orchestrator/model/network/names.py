"""What the name server answers. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """One name and one address, IPv4 or IPv6. A name may have several."""

    name: str
    address: str
