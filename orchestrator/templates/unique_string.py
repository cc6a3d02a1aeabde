"""The 13 letters and digits of ``uniqueString``, the same as Azure's.

A hash of 64 bits, made of two of 32 bits that are mixed with each other in the manner of MurmurHash3, then written
five bits at a time, the highest first. Not meant to keep secrets: it only spreads names.
"""

from __future__ import annotations

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LENGTH = 13
_BITS_32 = 0xFFFFFFFF
_FIRST = 0x239B961B
_SECOND = 0xAB0E9789
_ADDED_TO_LOW = 0x561CCD1B
_ADDED_TO_HIGH = 0x0BCAA747


def unique_string(text: str) -> str:
    """``text``: the values, joined by hyphens."""
    number = _hash(text.encode())
    return "".join(_ALPHABET[(number << (5 * place) & (1 << 64) - 1) >> 59] for place in range(_LENGTH))


def _hash(data: bytes) -> int:
    low = high = 0
    end = len(data) - len(data) % 8
    for at in range(0, end, 8):
        low = _turned(low ^ _scrambled(data[at : at + 4], _FIRST, 15, _SECOND), 19) + high
        low = (low * 5 + _ADDED_TO_LOW) & _BITS_32
        high = _turned(high ^ _scrambled(data[at + 4 : at + 8], _SECOND, 17, _FIRST), 13) + low
        high = (high * 5 + _ADDED_TO_HIGH) & _BITS_32
    rest = data[end:]
    low ^= _scrambled(rest[:4], _FIRST, 15, _SECOND) ^ len(data)
    high ^= _scrambled(rest[4:], _SECOND, 17, _FIRST) ^ len(data)
    low, high = _mixed(low, high)
    low, high = _mixed(_finished(low), _finished(high))
    return high << 32 | low


def _scrambled(part: bytes, before: int, places: int, after: int) -> int:
    number = int.from_bytes(part, "little") * before & _BITS_32
    return _turned(number, places) * after & _BITS_32


def _turned(number: int, places: int) -> int:
    return (number << places | number >> (32 - places)) & _BITS_32


def _mixed(low: int, high: int) -> tuple[int, int]:
    low = low + high & _BITS_32
    return low, high + low & _BITS_32


def _finished(number: int) -> int:
    number = (number ^ number >> 16) * 0x85EBCA6B & _BITS_32
    number = (number ^ number >> 13) * 0xC2B2AE35 & _BITS_32
    return number ^ number >> 16
