"""A one-to-one shuffle of the 32-bit numbers, another one for each key: names that look random and never collide.

A Feistel network of four rounds over two halves of 16 bits. It is no cipher: it hides nothing, it only spreads.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

_ROUNDS = range(4)
_HALF = 0xFFFF


def _mixed(key: str, turn: int, half: int) -> int:
    digest = hashlib.blake2b(f"{turn}/{half}".encode(), digest_size=2, key=key.encode()[:64]).digest()
    return int.from_bytes(digest)


@lru_cache(maxsize=16_384)
def shuffled(key: str, number: int) -> int:
    """Where ``number`` goes. Raises ``ValueError`` for one of more than 32 bits."""
    if not 0 <= number < 1 << 32:
        raise ValueError(f"{number} has more than 32 bits")
    left, right = number >> 16, number & _HALF
    for turn in _ROUNDS:
        left, right = right, left ^ _mixed(key, turn, right)
    return left << 16 | right


def unshuffled(key: str, place: int) -> int:
    """Which number went to ``place``: the way back."""
    left, right = place >> 16, place & _HALF
    for turn in reversed(_ROUNDS):
        left, right = right ^ _mixed(key, turn, left), left
    return left << 16 | right
