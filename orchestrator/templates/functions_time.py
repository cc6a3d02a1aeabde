"""Functions of time. There is no clock here: ``utcNow`` is told the time, in the defaults of parameters only."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.templates.library import plain, special
from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Scope, run
from orchestrator.templates.syntax import Call
from orchestrator.templates.values import text, whole

_DURATION = re.compile(
    r"^(?P<sign>-)?P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?$"
)
_DOTNET = {
    "yyyy": "%Y",
    "yy": "%y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "tt": "%p",
}
_PART = re.compile("|".join(_DOTNET))


def _written(at: datetime, pattern: str | None) -> str:
    if pattern in {None, ""}:
        return at.strftime("%Y%m%dT%H%M%SZ")
    if pattern == "d":
        return f"{at.month}/{at.day}/{at.year}"
    if pattern in {"u", "o"}:
        return at.strftime("%Y-%m-%d %H:%M:%SZ" if pattern == "u" else "%Y-%m-%dT%H:%M:%S.0000000Z")
    return _PART.sub(lambda part: at.strftime(_DOTNET[part[0]]), str(pattern).replace("%", "%%"))


def _read(value: Any) -> datetime:
    words = text(value)
    for pattern in ("%Y%m%dT%H%M%SZ", "%Y-%m-%d %H:%M:%SZ"):
        try:
            return datetime.strptime(words, pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
    read = datetime.fromisoformat(words.replace("Z", "+00:00"))
    return read if read.tzinfo else read.replace(tzinfo=UTC)


@special("utcNow", 0, 1)
def _utc_now(node: Call, scope: Scope) -> str:
    if scope.now is None:
        raise invalid("the function 'utcNow' can only be used in the default value of a parameter.")
    pattern = text(run(node.arguments[0], scope)) if node.arguments else None
    return _written(datetime.fromtimestamp(scope.now, UTC), pattern)


@special("newGuid", 0)
def _new_guid(_node: Call, scope: Scope) -> str:
    if scope.new_guid is None:
        raise invalid("the function 'newGuid' can only be used in the default value of a parameter.")
    return scope.new_guid()


@plain("dateTimeAdd", 2, 3)
def _add(base: Any, duration: Any, pattern: Any = None) -> str:
    found = _DURATION.match(text(duration))
    if found is None:
        raise ValueError(f"'{duration}' is not a duration")
    parts = {name: int(value) for name, value in found.groupdict().items() if value and name != "sign"}
    days = parts.pop("years", 0) * 365 + parts.pop("months", 0) * 30 + parts.pop("days", 0)
    change = timedelta(days=days, **parts)
    return _written(_read(base) + (-change if found["sign"] else change), pattern)


@plain("dateTimeToEpoch", 1)
def _to_epoch(value: Any) -> int:
    return int(_read(value).timestamp())


@plain("dateTimeFromEpoch", 1)
def _from_epoch(value: Any) -> str:
    return datetime.fromtimestamp(whole(value), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
