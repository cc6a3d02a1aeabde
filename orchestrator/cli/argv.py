"""Argument lists in az's manner, made digestible for typer.

az lets one flag take many values (``--zones 1 2 3``, ``--instance-ids 0 4``, ``--add path key=value``) and
lets a truth flag stand alone or take ``true``/``false``. Typer knows neither, so the words are rewritten
before it reads them. Pure functions over lists of words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

GROUP_SEPARATOR = "\x1f"
"""Joins the values of one occurrence of a grouped flag; no argument can hold it by accident."""

_TRUTHS = {"true", "false"}
_NEGATIVE_NUMBER = re.compile(r"^-\d")


@dataclass(frozen=True, slots=True)
class FlagKinds:
    """Which flags of one command are special. ``grouped`` is a subset of neither of the others."""

    repeatable: Collection[str] = ()
    grouped: Collection[str] = ()
    truths: Collection[str] = ()


def spread(words: Sequence[str], kinds: FlagKinds) -> list[str]:
    """Rewrite ``--zones 1 2`` to ``--zones 1 --zones 2``, group ``--add p a b``, complete a lone truth flag."""
    out: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            return out + list(words[position:])
        flag, has_value, value = word.partition("=")
        known = flag in kinds.repeatable or flag in kinds.grouped or flag in kinds.truths
        if not known:
            out.append(word)
            position += 1
            continue
        values = [value] if has_value else []
        values += _values_after(words, position + 1, _most(flag, kinds, len(values)))
        position += 1 + len(values) - bool(has_value)
        out += _rewritten(flag, values, kinds)
    return out


def _most(flag: str, kinds: FlagKinds, already: int) -> int | None:
    """How many more words a flag may take: all for lists, one at most for truth flags."""
    return 1 - already if flag in kinds.truths else None


def _values_after(words: Sequence[str], start: int, most: int | None) -> list[str]:
    values = list(_until_next_flag(words[start:]))
    if most is None:
        return values
    return [value for value in values[:most] if value.lower() in _TRUTHS]


def _until_next_flag(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("-") and word != "-" and not _NEGATIVE_NUMBER.match(word):
            return
        yield word


def _rewritten(flag: str, values: list[str], kinds: FlagKinds) -> list[str]:
    if flag in kinds.truths:
        return [flag, values[0] if values else "true"]
    if not values:
        return [flag]  # typer says that it needs an argument
    if flag in kinds.grouped:
        return [flag, GROUP_SEPARATOR.join(values)]
    return [part for value in values for part in (flag, value)]
