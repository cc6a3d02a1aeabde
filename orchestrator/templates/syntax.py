"""Expressions as trees: ``[concat('a', parameters('b').c[0])]`` (Azure's "template syntax").

A string is an expression when it begins with ``[`` and ends with ``]``; ``[[`` at the beginning is one bracket of
plain text. Function names are the same in any case. There are no operators.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.templates.problems import invalid

LENGTH_MAX = 24_576  # Azure's limit for one expression
_DEPTH_MAX = 60
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<mark>\.\?|[()\[\],.]))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | int


@dataclass(frozen=True, slots=True)
class Call:
    """``name`` in small letters; with a dot for a function of the template's own (``contoso.uniqueName``)."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """``of.name`` or ``of[index]``. ``is_safe``: ``of.?name`` is null where there is none."""

    of: Node
    key: Node
    is_safe: bool = False


Node = Literal | Call | Member


def is_expression(text: str) -> bool:
    return len(text) > 2 and text[0] == "[" and text[-1] == "]" and not text.startswith("[[")


def unescaped(text: str) -> str:
    """Plain text as it is meant."""
    return text[1:] if text.startswith("[[") else text


@lru_cache(maxsize=4096)
def parse(text: str) -> Node:
    """Read an expression with its brackets. Raises ``BadInput``."""
    if len(text) > LENGTH_MAX:
        raise invalid(f"an expression is longer than {LENGTH_MAX} characters.")
    reader = _Reader(text[1:-1])
    node = reader.node(0)
    reader.expect_end()
    return node


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise self._wrong("it ends too early")
        self._at += 1
        return token

    def _expect(self, mark: str) -> None:
        if self._peek() != mark:
            raise self._wrong(f"'{mark}' is expected")
        self._at += 1

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise self._wrong(f"'{self._peek()[:20]}' is not expected")

    def _wrong(self, why: str) -> Exception:
        place = self._tokens[self._at][1] if self._at < len(self._tokens) else len(self._text)
        return invalid(f"the expression '{self._text[:120]}' cannot be read at position {place}: {why}.")

    def node(self, depth: int) -> Node:
        if depth > _DEPTH_MAX:
            raise self._wrong("it is nested too deeply")
        made = self._primary(depth)
        members = 0
        while self._peek() in {".", ".?", "["}:
            made = self._member(made, depth)
            members += 1
            if members > _DEPTH_MAX:
                raise self._wrong("it is nested too deeply")
        return made

    def _primary(self, depth: int) -> Node:
        token = self._take()
        if token.startswith("'"):
            return Literal(token[1:-1].replace("''", "'"))
        if token.lstrip("-").isdigit():
            return Literal(int(token))
        if not (token[0].isalpha() or token[0] == "_"):
            self._at -= 1
            raise self._wrong(f"'{token}' is not expected")
        name = token
        if self._peek() == "." and self._at + 2 < len(self._tokens) and self._tokens[self._at + 2][0] == "(":
            self._at += 1
            name = f"{token}.{self._take()}"
        self._expect("(")
        return Call(name.lower(), self._arguments(depth))

    def _arguments(self, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        while self._peek() != ")":
            if found:
                self._expect(",")
            found.append(self.node(depth + 1))
        self._expect(")")
        return tuple(found)

    def _member(self, of: Node, depth: int) -> Node:
        mark = self._take()
        is_safe = mark == ".?"
        if mark != "[" and self._peek() != "[":
            name = self._take()
            if not (name[0].isalpha() or name[0] == "_"):
                raise self._wrong("the name of a property is expected")
            return Member(of, Literal(name), is_safe)
        if mark != "[":
            self._expect("[")
        key = self.node(depth + 1)
        self._expect("]")
        return Member(of, key, is_safe)


def _tokens(text: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise invalid(f"the expression '{text[:120]}' cannot be read at position {at}: '{text[at : at + 10]}'.")
        found.append((match[0].strip(), match.start(match.lastgroup or 0)))
        at = match.end()
    return found
