"""Which methods a path has. The general routes match every path, so a router cannot tell."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastapi import Request
from starlette.exceptions import HTTPException

from orchestrator.api.openapi.entries import Entry

_A_NAME = re.compile(r"\\\{\w+\\\}")  # as re.escape leaves it


class Methods:
    """Of all paths, whoever serves them."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        table: dict[str, set[str]] = {}
        for entry in entries:
            table.setdefault(entry.path, set()).add(entry.method.upper())
        self._table = [
            (re.compile(_A_NAME.sub("[^/]+", re.escape(path))), methods) for path, methods in table.items()
        ]

    def at(self, path: str) -> list[str]:
        """None for a canonical path that nothing serves."""
        return sorted(set().union(*(methods for pattern, methods in self._table if pattern.fullmatch(path))))


def methods_here(request: Request) -> list[str]:
    state = request.app.state
    found: Methods = state.methods(state.api.kinds)
    return found.at(request.url.path)


async def check_method(request: Request) -> None:
    """405 before anything else is looked at. A path that nothing serves is left to its route, which says why."""
    methods = methods_here(request)
    if methods and request.method not in methods:
        raise HTTPException(405)
