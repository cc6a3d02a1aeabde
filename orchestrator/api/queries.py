"""Query parameters: each route says which it takes, and the rest of Azure's is refused by name.

What begins with ``$`` asks for another answer, so to pass over one that is not known would give a wrong answer in
silence. What a route takes is said once, by ``takes``: the check and the OpenAPI document both go by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request

from orchestrator.errors import BadInput

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_TAKEN = "__vmss_queries__"


@dataclass(frozen=True, slots=True)
class Query:
    """One query parameter. ``schema`` is JSON schema."""

    name: str
    words: str
    schema: dict[str, Any] = field(default_factory=lambda: {"type": "string"})


def expand(*values: str) -> Query:
    return Query("$expand", "What to show beside the usual.", {"type": "string", "enum": list(values)})


def select(*values: str) -> Query:
    return Query("$select", "What to show alone.", {"type": "string", "enum": list(values)})


def filtering(words: str, *examples: str) -> Query:
    """``words`` say which filters there are; ``examples`` are filters that are taken."""
    return Query("$filter", words, {"type": "string", **({"examples": list(examples)} if examples else {})})


def flag(name: str, words: str) -> Query:
    return Query(name, words, {"type": "boolean"})


def whole(name: str, words: str, low: int, high: int) -> Query:
    return Query(name, words, {"type": "integer", "minimum": low, "maximum": high})


def top(high: int) -> Query:
    return whole("$top", "How many at most on a page; nextLink leads to the rest.", 1, high)


SKIP_TOKEN = Query("$skiptoken", "Where the page before ended, as its nextLink has it.")


def takes(*queries: Query) -> Callable[[Endpoint], Endpoint]:
    """On a route's function, nearest to it: these query parameters, beside ``api-version``."""

    def marked(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _TAKEN, queries)
        return endpoint

    return marked


def taken_by(endpoint: Callable[..., Any]) -> tuple[Query, ...]:
    found: tuple[Query, ...] = getattr(endpoint, _TAKEN, ())
    return found


async def check_query(request: Request) -> None:
    """Raises ``BadInput`` for a ``$…`` that this route does not take, and for one that is given twice."""
    given = [key for key in request.query_params.keys() if key.startswith("$")]  # noqa: SIM118  with repeats
    if not given:
        return
    known = [each.name for each in taken_by(request.scope["endpoint"]) if each.name.startswith("$")]
    lower = [key.lower() for key, _ in request.query_params.multi_items() if key.startswith("$")]
    for key in given:
        if key.lower() not in known:
            there = f"here there are {', '.join(known)}" if known else "here there are none"
            words = f"The query parameter '{key[:80]}' is not known at this address; {there}."
            raise BadInput(words, code="InvalidQueryParameter", target=key[:80])
        if lower.count(key.lower()) > 1:
            raise BadInput(f"The query parameter '{key}' is given twice.", code="InvalidQueryParameter", target=key)
