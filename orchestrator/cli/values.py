"""Reading the values that several flags share: files by ``@``, JSON, ``key=value`` pairs, durations."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.errors import BadInput

_INSTANCE_ID = re.compile(r"^(?:\d+|.+_[0-9a-f]{8})$", re.ASCII | re.IGNORECASE)
"""A number, or the name of an instance in Flexible orchestration."""
_SIMPLE_DURATION = re.compile(r"^(\d+)([smh]?)$", re.IGNORECASE)


def read_file(name: str, flag: str) -> bytes:
    """A file's content. Raises ``BadInput`` that names the flag."""
    try:
        return Path(name).expanduser().read_bytes()
    except OSError as error:
        raise BadInput(f"{flag}: cannot read {name}: {error.strerror}") from None


def json_object(text: str | None, flag: str) -> dict[str, Any] | None:
    """A JSON object given as text, or as ``@file`` or the name of a file."""
    if text is None:
        return None
    if text.startswith("@"):
        text = read_file(text[1:], flag).decode("utf-8", "replace")
    elif not text.lstrip().startswith("{") and Path(text).is_file():
        text = read_file(text, flag).decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{flag} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadInput(f"{flag} must be a JSON object")
    return value


def file_or_text_base64(value: str, flag: str) -> str:
    """The content of ``@file`` or of an existing file, else the text itself, as base64."""
    if value.startswith("@"):
        return base64.b64encode(read_file(value[1:], flag)).decode()
    is_file = "\n" not in value and len(value) < 4096 and Path(value).expanduser().is_file()
    return base64.b64encode(read_file(value, flag) if is_file else value.encode()).decode()


def tags_of(pairs: Sequence[str] | None) -> dict[str, str] | None:
    """``a=b c`` as ``{"a": "b", "c": ""}``; one empty value clears them; ``None`` when not given."""
    if pairs is None:
        return None
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs) if key}


def duration(text: str | None, flag: str) -> str | None:
    """An ISO 8601 duration from ``PT5M``, ``30s``, ``5m``, ``1h``, or a bare number of minutes as az takes it."""
    if text is None or text.upper().startswith("P"):
        return text
    found = _SIMPLE_DURATION.match(text)
    if not found:
        raise BadInput(f"{flag}: not a duration: {text}; write 30s, 5m, PT10M or a number of minutes")
    return f"PT{found[1]}{(found[2] or 'm').upper()}"


def instance_ids(values: Sequence[str] | None) -> list[str] | None:
    """Ids as the API takes them; ``None`` for all. Raises ``BadInput`` for what cannot be one.

    No flag and ``*`` mean all; a flag with nothing usable after it never does."""
    if values is None or list(values) == ["*"]:
        return None
    wrong = [value for value in values if not _INSTANCE_ID.match(value)]
    if wrong or not values:
        raise BadInput(f"not an instance id: {', '.join(wrong)} (a scale set's NAME goes before --instance-ids)")
    return list(values)
