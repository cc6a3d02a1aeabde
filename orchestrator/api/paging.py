"""Lists in pages: ``$top`` says how many, ``nextLink`` leads on, and ``$skiptoken`` in it says from where.

A token names the last item that was shown, not a number of items: whatever comes or goes between two pages, nothing
that stays is lost or doubled.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from urllib.parse import quote

from fastapi import Request

from orchestrator.api.long_running import base_url
from orchestrator.api.queries import SKIP_TOKEN, Query, top
from orchestrator.api.requests import query_value, query_whole
from orchestrator.errors import BadInput
from orchestrator.model.arm.statuses import Json

PAGE = 1000
PAGED: tuple[Query, ...] = (top(PAGE), SKIP_TOKEN)
"""For ``takes``, on a route that answers with ``paged``."""
SKIP = SKIP_TOKEN.name
_TOKEN_MAX = 4096


def _id_of(item: Json) -> str:
    return str(item["id"]).lower()


def paged(
    request: Request, items: Iterable[Json], *, key: Callable[[Json], str] = _id_of, size: int = PAGE
) -> Json:
    """One page of ``items``, ordered by ``key``, which no two of them share. Raises ``BadInput`` for a token that
    no page gave."""
    wanted = query_whole(request, "$top", size, 1, size)
    after = _read_token(query_value(request, SKIP))
    rest = sorted((item for item in items if key(item) > after), key=key)
    page = rest[:wanted]
    answer: Json = {"value": page}
    if len(rest) > wanted:
        answer["nextLink"] = next_link(request, _token(key(page[-1])))
    return answer


def next_link(request: Request, token: str) -> str:
    """The address of the page that goes on after ``token``: whole, as the client wrote scheme and host."""
    kept = [(key, value) for key, value in request.query_params.multi_items() if key.lower() != SKIP]
    query = "&".join(f"{quote(key, safe='$')}={quote(value, safe='')}" for key, value in [*kept, (SKIP, token)])
    return f"{base_url(request)}{quote(request.url.path, safe='/')}?{query}"


def _token(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(text: str | None) -> str:
    if text is None:
        return ""
    try:
        if not text or len(text) > _TOKEN_MAX:
            raise ValueError
        found = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        if _token(found) != text:  # what is no base64 is passed over by the decoder
            raise ValueError
    except ValueError:  # binascii.Error and UnicodeDecodeError are such
        raise BadInput(f"{SKIP} is not one that a nextLink gave.", target=SKIP) from None
    return found
