"""Reading the free-form settings of an extension: every offence is noted, none ends the reading. No I/O.

Sentences name members and rules, never values: some of them are secrets.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.problems import UNKNOWN_MEMBER

_HALF_PAIR = re.compile("[\ud800-\udfff]")


class SettingsReader:
    """One settings object at ``path``; what is wrong with it is added to ``problems``.

    Names are compared with case, as the real extensions do; a member of value null is one that is not given.
    """

    def __init__(self, settings: object, path: str, problems: list[ErrorDetail]) -> None:
        self._path = path
        self._problems = problems
        if settings is not None and not isinstance(settings, Mapping):
            problems.append(ErrorDetail(BadInput.code, f"{path} must be an object.", path))
            settings = None
        self._settings: Mapping[str, Any] = settings or {}

    def offend(self, name: str, sentence: str, code: str = BadInput.code) -> None:
        """Note that the member ``name`` breaks a rule. ``sentence`` goes on from its path, without a full stop."""
        path = f"{self._path}.{name}"
        self._problems.append(ErrorDetail(code, f"{path} {sentence}.", path))

    def refuse_unknown(self, known: Collection[str]) -> None:
        for name in self._settings:
            if name not in known:
                path = f"{self._path}.{name}"
                words = f"Not a setting of this extension: {path}. It knows {', '.join(sorted(known)) or 'none'}."
                self._problems.append(ErrorDetail(UNKNOWN_MEMBER, words, path))

    def has(self, name: str) -> bool:
        return self._settings.get(name) is not None

    def text(self, name: str) -> str | None:
        """A string without NUL and without halves of surrogate pairs, or ``None`` when it is absent or wrong."""
        value = self._settings.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or "\0" in value or _HALF_PAIR.search(value):
            self.offend(name, "must be a string of Unicode characters without NUL")
            return None
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._settings.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.offend(name, "must be an array of strings")
            return ()
        return tuple(value)

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int | None:
        """A whole number from ``low`` to ``high``; the default when it is absent or wrong."""
        value = self._settings.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.offend(name, f"must be a whole number from {low} to {high}")
            return default
        return value

    def flag(self, name: str) -> bool | None:
        value = self._settings.get(name)
        if value is not None and not isinstance(value, bool):
            self.offend(name, "must be true or false")
            return None
        return value
