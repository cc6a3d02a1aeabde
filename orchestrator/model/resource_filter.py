"""``$filter`` on groups and resources: a small part of OData, and the rest refused by name. No I/O.

resourceType eq 'Microsoft.Compute/virtualMachineScaleSets' and location ne 'west'
substringof('web', name) or (tagName eq 'team' and tagValue eq 'blue')
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol

from orchestrator.errors import BadInput

TAG_FIELDS = frozenset({"tagname", "tagvalue"})
_LENGTH_MAX = 4096
_DEPTH_MAX = 20
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_][\w/.]*)|(?P<mark>[(),]))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a filter looks at. ``fields`` has names in small letters; everything is compared without case."""

    fields: Mapping[str, str]
    tags: Mapping[str, str]


class Filter(Protocol):
    def matches(self, facts: Facts) -> bool: ...


@dataclass(frozen=True, slots=True)
class Everything:
    def matches(self, facts: Facts) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Compared:
    field: str
    value: str
    is_negated: bool = False

    def matches(self, facts: Facts) -> bool:
        return (facts.fields.get(self.field, "").lower() == self.value.lower()) is not self.is_negated


@dataclass(frozen=True, slots=True)
class Contained:
    field: str
    part: str

    def matches(self, facts: Facts) -> bool:
        return self.part.lower() in facts.fields.get(self.field, "").lower()


@dataclass(frozen=True, slots=True)
class Tagged:
    """Has the tag: of this name, or one that begins so; with this value, or any (``None``)."""

    name: str
    value: str | None = None
    is_prefix: bool = False

    def matches(self, facts: Facts) -> bool:
        return any(self._fits(name.lower(), value.lower()) for name, value in facts.tags.items())

    def _fits(self, name: str, value: str) -> bool:
        wanted = self.name.lower()
        is_named = name.startswith(wanted) if self.is_prefix else name == wanted
        return is_named and (self.value is None or value == self.value.lower())


@dataclass(frozen=True, slots=True)
class TagValue:
    """Half of a pair; it says nothing without its ``tagName``."""

    value: str

    def matches(self, facts: Facts) -> bool:
        return any(value.lower() == self.value.lower() for value in facts.tags.values())


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Filter, ...]

    def matches(self, facts: Facts) -> bool:
        return all(part.matches(facts) for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Filter, ...]

    def matches(self, facts: Facts) -> bool:
        return any(part.matches(facts) for part in self.parts)


def parse_filter(text: str | None, fields: Collection[str]) -> Filter:
    """``fields`` are those that can be asked for, as Azure writes them; ``tagName`` and ``tagValue`` belong
    together. Raises ``BadInput`` (``InvalidFilterInQueryString``) that names what is not known."""
    if text is None or not text.strip():
        return Everything()
    return _Parser(text, fields).whole()


class _Parser:
    """By recursive descent; ``and`` binds closer than ``or``."""

    def __init__(self, text: str, fields: Collection[str]) -> None:
        self._names = {name.lower(): name for name in fields}
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Filter:
        found = self._any_of()
        if self._next < len(self._tokens):
            refuse(f"'{self._peek()[:80]}' is not expected there")
        return found

    def _any_of(self) -> Filter:
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            refuse(f"it is nested too deeply: at most {_DEPTH_MAX} levels")
        parts = [self._all()]
        while self._takes("or"):
            parts.append(self._all())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        return _with_pairs(parts)

    def _one(self) -> Filter:
        if self._takes("("):
            inner = self._any_of()
            self._expect(")")
            return inner
        word = self._take("a field")
        if self._takes("("):
            return self._function(word)
        verb = self._take("eq or ne")
        if verb.lower() not in {"eq", "ne"}:
            refuse(f"the operator '{verb[:40]}' is not known; here there are eq and ne")
        return self._comparison(word, self._text(), is_negated=verb.lower() == "ne")

    def _comparison(self, word: str, value: str, *, is_negated: bool) -> Filter:
        field = self._field(word)
        if field not in TAG_FIELDS:
            return Compared(field, value, is_negated)
        if is_negated:
            refuse(f"{word} can be compared with eq alone")
        return Tagged(value) if field == "tagname" else TagValue(value)

    def _function(self, name: str) -> Filter:
        match name.lower():
            case "substringof":
                part = self._text()
                self._expect(",")
                word = self._take("a field")
            case "startswith":
                word = self._take("a field")
                self._expect(",")
                part = self._text()
            case _:
                refuse(f"the function '{name[:40]}' is not known; here there are substringof and startswith")
        self._expect(")")
        field = self._field(word)
        if name.lower() == "startswith":
            if field != "tagname":
                refuse("startswith is for tagName alone")
            return Tagged(part, is_prefix=True)
        if field in TAG_FIELDS:
            refuse("substringof is not for tags")
        return Contained(field, part)

    def _field(self, word: str) -> str:
        if word.lower() not in self._names:
            refuse(f"the field '{word[:80]}' is not known; here there are {', '.join(self._names.values())}")
        return word.lower()

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self, what: str) -> str:
        token = self._peek()
        if not token or token[0] in "'(),":
            refuse(f"{what} is expected, not '{token[:80]}'")
        self._next += 1
        return token

    def _text(self) -> str:
        token = self._peek()
        if not token.startswith("'"):
            refuse(f"a text in single quotes is expected, not '{token[:80]}'")
        self._next += 1
        return token[1:-1].replace("''", "'")

    def _takes(self, token: str) -> bool:
        is_there = self._peek().lower() == token
        self._next += is_there
        return is_there

    def _expect(self, mark: str) -> None:
        if not self._takes(mark):
            refuse(f"'{mark}' is expected, not '{self._peek()[:80]}'")


def _with_pairs(parts: list[Filter]) -> Filter:
    """``tagName eq 'a' and tagValue eq 'b'`` means one tag, not two questions."""
    values = [part for part in parts if isinstance(part, TagValue)]
    names = [part for part in parts if isinstance(part, Tagged)]
    rest = [part for part in parts if not isinstance(part, TagValue | Tagged)]
    if values and (len(values) > 1 or len(names) != 1):
        refuse("tagValue goes with one tagName before or after it: tagName eq 'a' and tagValue eq 'b'")
    if values:
        names = [Tagged(names[0].name, values[0].value, names[0].is_prefix)]
    made = (*rest, *names)
    return made[0] if len(made) == 1 else All(made)


def _tokens(text: str) -> list[str]:
    if len(text) > _LENGTH_MAX:
        refuse(f"it is longer than {_LENGTH_MAX} characters")
    tokens: list[str] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            refuse(f"it cannot be read from '{text[at : at + 40]}' on")
        tokens.append(str(found["text"] or found["word"] or found["mark"]))
        at = found.end()
    return tokens


def refuse(words: str) -> NoReturn:
    raise BadInput(f"The $filter is not understood: {words}.", code="InvalidFilterInQueryString", target="$filter")
