"""Functions of strings (Azure: "String functions for ARM templates")."""

from __future__ import annotations

import base64
import re
import uuid
from typing import Any
from urllib.parse import quote, unquote, urljoin

from orchestrator.errors import BadInput
from orchestrator.templates.jsonc import read_json
from orchestrator.templates.library import plain
from orchestrator.templates.unique_string import unique_string
from orchestrator.templates.values import SIZE_MAX, WrongValue, as_text, joined, mapping, sequence, text, whole

_FORMAT = re.compile(r"\{(\d+)(?:,(-?\d{1,3}))?(?::([^{}]*))?\}|\{\{|\}\}")
_PAD_MAX = 10_000
_GUID_SPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")  # the name space that Azure documents


@plain("base64", 1)
def _base64(value: Any) -> str:
    return base64.b64encode(text(value).encode()).decode()


@plain("base64ToString", 1)
def _from_base64(value: Any) -> str:
    return base64.b64decode(text(value), validate=True).decode()


@plain("base64ToJson", 1)
def _json_from_base64(value: Any) -> Any:
    return _json(base64.b64decode(text(value), validate=True).decode())


@plain("dataUri", 1)
def _data_uri(value: Any) -> str:
    return f"data:text/plain;charset=utf8;base64,{_base64(value)}"


@plain("dataUriToString", 1)
def _from_data_uri(value: Any) -> str:
    head, comma, body = text(value).partition(",")
    if not head.startswith("data:") or not comma:
        raise WrongValue("it is no data URI")
    return base64.b64decode(body).decode() if head.endswith(";base64") else unquote(body)


@plain("endsWith", 2)
def _ends_with(value: Any, end: Any) -> bool:
    return text(value).lower().endswith(text(end).lower())


@plain("startsWith", 2)
def _starts_with(value: Any, start: Any) -> bool:
    return text(value).lower().startswith(text(start).lower())


@plain("format", 1, None)
def _format(pattern: Any, *values: Any) -> str:
    def fill(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        words = _formatted(values[int(match[1])], match[3])
        width = int(match[2] or 0)
        return words.rjust(width) if width > 0 else words.ljust(-width)

    words, parts, at = text(pattern), [], 0
    for match in _FORMAT.finditer(words):
        parts += [words[at : match.start()], fill(match)]
        at = match.end()
        if sum(map(len, parts)) > SIZE_MAX:
            break
    return joined([*parts, words[at:]])


def _formatted(value: Any, pattern: str | None) -> str:
    if not pattern:
        return as_text(value)
    found = re.fullmatch(r"([DdXxNn])(\d{0,2})|0+", pattern)
    if found is None or isinstance(value, bool) or not isinstance(value, int):
        raise WrongValue(f"the format '{pattern}' is not supported")
    if found[1] is None:
        return f"{value:0{len(pattern)}d}"
    digits = int(found[2] or 0)
    if found[1] in "Nn":
        return f"{value:,.{digits if found[2] else 2}f}"
    return f"{value:0{digits}{found[1].replace('D', 'd')}}"


@plain("guid", 1, None)
def _guid(*values: Any) -> str:
    return str(uuid.uuid5(_GUID_SPACE, "-".join(text(each) for each in values)))


@plain("uniqueString", 1, None)
def _unique_string(*values: Any) -> str:
    return unique_string("-".join(text(each) for each in values))


@plain("indexOf", 2)
def _index_of(value: Any, wanted: Any) -> int:
    if isinstance(value, list):
        return value.index(wanted) if wanted in value else -1
    return text(value).lower().find(text(wanted).lower())


@plain("lastIndexOf", 2)
def _last_index_of(value: Any, wanted: Any) -> int:
    if isinstance(value, list):
        return len(value) - 1 - value[::-1].index(wanted) if wanted in value else -1
    return text(value).lower().rfind(text(wanted).lower())


@plain("join", 2)
def _join(values: Any, between: Any) -> str:
    return joined((as_text(each) for each in sequence(values)), text(between))


@plain("json", 1)
def _json(value: Any) -> Any:
    """As our reader of templates reads it: a text that no store can keep is refused there."""
    try:
        return read_json(text(value))
    except BadInput:
        raise WrongValue("the string is not JSON") from None


@plain("padLeft", 2, 3)
def _pad_left(value: Any, length: Any, filler: Any = " ") -> str:
    if len(text(filler)) != 1 or not 0 <= whole(length) <= _PAD_MAX:
        raise WrongValue("it wants a length and one character")
    return as_text(value).rjust(whole(length), filler)


@plain("replace", 3)
def _replace(value: Any, old: Any, new: Any) -> str:
    if not text(old):
        raise WrongValue("there is nothing to replace")
    return joined(text(value).split(old), text(new))


@plain("split", 2)
def _split(value: Any, separators: Any) -> list[str]:
    marks = [text(each) for each in separators] if isinstance(separators, list) else [text(separators)]
    wanted = "|".join(re.escape(each) for each in marks if each)
    return re.split(wanted, text(value)) if wanted else [text(value)]


@plain("string", 1)
def _string(value: Any) -> str:
    return as_text(value)


@plain("substring", 2, 3)
def _substring(value: Any, start: Any, length: Any = None) -> str:
    whole_text, begin = text(value), whole(start)
    end = len(whole_text) if length is None else begin + whole(length)
    if not 0 <= begin <= end <= len(whole_text):
        raise WrongValue("the start and the length do not lie within the string")
    return whole_text[begin:end]


@plain("toLower", 1)
def _to_lower(value: Any) -> str:
    return text(value).lower()


@plain("toUpper", 1)
def _to_upper(value: Any) -> str:
    return text(value).upper()


@plain("trim", 1)
def _trim(value: Any) -> str:
    return text(value).strip()


@plain("uri", 2)
def _uri(base: Any, relative: Any) -> str:
    return urljoin(text(base), text(relative))


@plain("uriComponent", 1)
def _uri_component(value: Any) -> str:
    return quote(text(value), safe="")


@plain("uriComponentToString", 1)
def _from_uri_component(value: Any) -> str:
    return unquote(text(value))


@plain("objectKeys", 1)
def _object_keys(value: Any) -> list[str]:
    return list(mapping(value))
