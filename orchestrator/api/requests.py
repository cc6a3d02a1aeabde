"""Reading requests: query values and JSON bodies, with a clear refusal for whatever they may hold."""

from __future__ import annotations

import json
from typing import Annotated, Any, NoReturn

from fastapi import Depends, Request

from orchestrator.errors import BadInput

BODY_MAX_BYTES = 1 << 20
_DEPTH_MAX = 40
_JSON_TYPES = frozenset({"application/json", "text/json"})

Body = dict[str, Any]


class BodyTooLarge(BadInput):
    """Answered with HTTP 413."""

    code = "RequestEntityTooLarge"


class UnsupportedMedia(BadInput):
    """Answered with HTTP 415."""

    code = "UnsupportedMediaType"


def query_value(request: Request, name: str) -> str | None:
    """A query parameter whatever its case; the last one if it is repeated."""
    found = [value for key, value in request.query_params.multi_items() if key.lower() == name.lower()]
    return found[-1] if found else None


def query_flag(request: Request, name: str) -> bool:
    value = query_value(request, name)
    if value is None or value.lower() == "false":
        return False
    if value.lower() != "true":
        raise BadInput(f"The query parameter {name} must be true or false.", target=name)
    return True


def is_expanded(request: Request) -> bool:
    """Whether ``$expand=instanceView`` is asked for. Raises ``BadInput`` for anything else."""
    expand = (query_value(request, "$expand") or "").lower()
    if expand not in {"", "instanceview"}:
        raise BadInput("Only instanceView can be expanded.", target="$expand")
    return expand == "instanceview"


def query_whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    value = query_value(request, name)
    if value is None:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) <= 18 and low <= int(value) <= high):
        raise BadInput(f"The query parameter {name} must be a whole number from {low} to {high}.", target=name)
    return int(value)


async def read_raw(request: Request, max_bytes: int = BODY_MAX_BYTES) -> bytes:
    """The body as it came. Raises ``BodyTooLarge`` before it is read whole."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge(f"The body is larger than {max_bytes} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


def check_media(request: Request) -> None:
    """Raises ``UnsupportedMedia`` for a body that says it is something other than plain JSON."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        words = f"The body is encoded by '{encoding[:40]}'; it must be sent as it is."
        raise UnsupportedMedia(words, target="Content-Encoding")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in _JSON_TYPES and not kind.endswith("+json"):
        words = f"The content media type '{kind[:80]}' is not supported. Only 'application/json' is supported."
        raise UnsupportedMedia(words, target="Content-Type")


async def read_optional_body(request: Request) -> Body | None:
    """The JSON object of the body, or ``None`` when there is no body."""
    raw = await read_raw(request)
    if not raw.strip():
        return None
    check_media(request)
    value = _parse(raw)
    if not isinstance(value, dict):
        raise _unreadable("must be a JSON object")
    _check_inside(value)
    return value


async def read_body(request: Request) -> Body:
    body = await read_optional_body(request)
    if body is None:
        raise _unreadable("is missing: a JSON object is needed")
    return body


OptionalBodyDep = Annotated[Body | None, Depends(read_optional_body)]
BodyDep = Annotated[Body, Depends(read_body)]


def _unreadable(words: str) -> BadInput:
    return BadInput(f"The body {words}.", code="InvalidRequestContent")


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant, object_pairs_hook=_no_repeats)
    except RecursionError:
        raise _unreadable("is nested too deeply") from None
    except UnicodeDecodeError:
        raise _unreadable("is not UTF-8") from None
    except ValueError as error:
        raise _unreadable(f"is not JSON: {str(error)[:200]}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member '{twice[:100]}' is given twice")
    return made


def _check_inside(value: Any) -> None:
    """Refuse what could not be kept: deep nesting, text that is not Unicode, NUL characters."""
    level = [value]
    for _ in range(_DEPTH_MAX):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner += [*each.keys(), *each.values()]
            elif isinstance(each, list):
                inner += each
            elif isinstance(each, str):
                _check_text(each)
        if not inner:
            return
        level = inner
    raise _unreadable(f"is nested too deeply: at most {_DEPTH_MAX} levels")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise _unreadable("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _unreadable("holds half of a surrogate pair, which is not text") from None
