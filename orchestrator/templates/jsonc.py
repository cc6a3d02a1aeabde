"""Reading what clients send as a template: JSON, JSON with comments, and the hybrid that ``az deployment`` sends.

``az`` pastes the text of a template file raw after an unquoted member name, comments and strings over several lines
included, so the body as a whole is no JSON. All of that is read here; anything else is refused with its place.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from orchestrator.errors import BadInput

_CODE = "InvalidRequestContent"
_DEPTH_MAX = 100
_SPACE = re.compile(r"(?:[ \t\r\n\ufeff]+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_PLAIN = re.compile(r'[^"\\]+')
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None}
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def read_json(data: str | bytes) -> Any:
    """The value. Raises ``BadInput`` with line and column."""
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    except UnicodeDecodeError:
        raise BadInput("The body is not UTF-8.", code=_CODE) from None
    reader = _Reader(text)
    value = reader.value(0)
    reader.skip()
    if reader.at < len(text):
        reader.refuse("something follows the end")
    return value


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def refuse(self, why: str) -> NoReturn:
        before = self.text[: self.at]
        line, column = before.count("\n") + 1, self.at - (before.rfind("\n") + 1) + 1
        raise BadInput(f"The body is not JSON: {why} at line {line}, column {column}.", code=_CODE)

    def skip(self) -> None:
        if found := _SPACE.match(self.text, self.at):
            self.at = found.end()

    def _next(self) -> str:
        self.skip()
        return self.text[self.at] if self.at < len(self.text) else ""

    def value(self, depth: int) -> Any:
        if depth > _DEPTH_MAX:
            self.refuse(f"it is nested deeper than {_DEPTH_MAX} levels")
        match self._next():
            case "{":
                return self._object(depth)
            case "[":
                return self._array(depth)
            case '"':
                return self._string()
        return self._scalar()

    def _object(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        self.at += 1
        while self._next() != "}":
            name = self._string() if self._next() == '"' else self._bare_name()
            if name in made:
                self.refuse(f"the member '{name[:80]}' is given twice")
            if self._next() != ":":
                self.refuse("':' is expected")
            self.at += 1
            made[name] = self.value(depth + 1)
            if not self._comma("}"):
                return made
        self.at += 1
        return made

    def _array(self, depth: int) -> list[Any]:
        made: list[Any] = []
        self.at += 1
        while self._next() != "]":
            made.append(self.value(depth + 1))
            if not self._comma("]"):
                return made
        self.at += 1
        return made

    def _comma(self, end: str) -> bool:
        """Past a comma (more may come, or the end: one too many is no mistake), or past the end."""
        mark = self._next()
        if mark not in {",", end} or not mark:
            self.refuse(f"',' or '{end}' is expected")
        self.at += 1
        return mark == ","

    def _bare_name(self) -> str:
        found = _NAME.match(self.text, self.at)
        if found is None:
            self.refuse("the name of a member is expected")
        self.at = found.end()
        return found[0]

    def _string(self) -> str:
        parts: list[str] = []
        self.at += 1
        while True:
            if found := _PLAIN.match(self.text, self.at):
                parts.append(found[0])
                self.at = found.end()
            mark = self.text[self.at : self.at + 1]
            if not mark:
                self.refuse("a string has no end")
            self.at += 1
            if mark == '"':
                return self._checked("".join(parts))
            parts.append(self._escape())

    def _escape(self) -> str:
        mark = self.text[self.at : self.at + 1]
        self.at += 1
        if mark in _ESCAPES and mark:
            return _ESCAPES[mark]
        digits = self.text[self.at : self.at + 4]
        if mark != "u" or not re.fullmatch(r"[0-9A-Fa-f]{4}", digits):
            self.refuse("a string has an unknown escape")
        self.at += 4
        return chr(int(digits, 16))

    def _checked(self, text: str) -> str:
        if not any("\ud800" <= each <= "\udfff" or each == "\0" for each in text):
            return text
        try:
            whole: str = json.loads(json.dumps(text)).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.refuse("a string holds half of a surrogate pair")
        if "\0" in whole:
            self.refuse("a string holds a NUL character")
        return whole

    def _scalar(self) -> Any:
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            is_whole = found[0].lstrip("-").isdigit()
            if is_whole and len(found[0]) > 20:
                self.refuse("a number is too long")
            number = int(found[0]) if is_whole else float(found[0])
            if not math.isfinite(number):
                self.refuse("a number is too large")
            return number
        found = _NAME.match(self.text, self.at)
        if found is None or found[0] not in _WORDS:
            self.refuse("a value is expected")
        self.at = found.end()
        return _WORDS[found[0]]
