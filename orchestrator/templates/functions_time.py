"""Functions of time. There is no clock here: ``utcNow`` is told the time, in the defaults of parameters only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.templates.library import plain, special
from orchestrator.templates.problems import invalid
from orchestrator.templates.scope import Scope, run
from orchestrator.templates.syntax import Call
from orchestrator.templates.values import WrongValue, text, whole

_DURATION = re.compile(
    r"^(?P<sign>-)?P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?$"
)
# What .NET's letters stand for, in the culture that belongs to nobody.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PARTS: Mapping[str, Callable[[datetime], str]] = {
    "yyyy": lambda at: f"{at.year:04}",
    "yy": lambda at: f"{at.year % 100:02}",
    "MMMM": lambda at: _MONTHS[at.month - 1],
    "MMM": lambda at: _MONTHS[at.month - 1][:3],
    "MM": lambda at: f"{at.month:02}",
    "M": lambda at: str(at.month),
    "dddd": lambda at: _DAYS[at.weekday()],
    "ddd": lambda at: _DAYS[at.weekday()][:3],
    "dd": lambda at: f"{at.day:02}",
    "d": lambda at: str(at.day),
    "HH": lambda at: f"{at.hour:02}",
    "H": lambda at: str(at.hour),
    "hh": lambda at: f"{(at.hour + 11) % 12 + 1:02}",
    "h": lambda at: str((at.hour + 11) % 12 + 1),
    "mm": lambda at: f"{at.minute:02}",
    "m": lambda at: str(at.minute),
    "ss": lambda at: f"{at.second:02}",
    "s": lambda at: str(at.second),
    "fffffff": lambda at: f"{at.microsecond:06}0",
    "fff": lambda at: f"{at.microsecond // 1000:03}",
    "tt": lambda at: "AM" if at.hour < 12 else "PM",
    "T": lambda _at: "T",
    "Z": lambda _at: "Z",
}
_COMPACT = "yyyyMMddTHHmmssZ"
_ALONE = {
    "d": "MM/dd/yyyy",
    "D": "dddd, dd MMMM yyyy",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
    "y": "yyyy MMMM",
}
_ALONE |= {"O": _ALONE["o"], "R": _ALONE["r"], "Y": _ALONE["y"]}
_PART = re.compile(r"'([^']*)'|\\(.)|([A-Za-z])\3*")
_READ = (
    (_COMPACT, "%Y%m%dT%H%M%SZ"),
    (_ALONE["u"], "%Y-%m-%d %H:%M:%SZ"),
    ("yyyy-MM-ddTHH:mm:ssZ", "%Y-%m-%dT%H:%M:%SZ"),
)


def _written(at: datetime, pattern: str | None) -> str:
    """``pattern`` is one of .NET: a letter for a usual one, or letters in the place of parts."""

    def part(match: re.Match[str]) -> str:
        if match[3] is None:
            return match[1] if match[1] is not None else match[2]
        if match[0] not in _PARTS:
            raise WrongValue(f"'{match[0][:20]}' in a format of time is not supported")
        return _PARTS[match[0]](at)

    wanted = pattern or _COMPACT
    if len(wanted) == 1 and wanted not in _ALONE:
        raise WrongValue(f"the format of time '{wanted}' is not supported")
    return _PART.sub(part, _ALONE.get(wanted, wanted))


def _read(value: Any) -> tuple[datetime, str]:
    """The time, and the pattern in which it is written."""
    words = text(value)
    for pattern, format_ in _READ:
        try:
            return datetime.strptime(words, format_).replace(tzinfo=UTC), pattern
        except ValueError:
            continue
    try:
        read = datetime.fromisoformat(words)
    except ValueError:
        raise WrongValue("the string is no time, such as 2026-01-31T12:00:00Z") from None
    return (read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)), _ALONE["o"]


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
    """A year is 365 days and a month 30, as .NET has it. Without a pattern the time is written as it was given."""
    found = _DURATION.match(text(duration))
    if found is None:
        raise WrongValue("the second argument is no duration, such as P1DT2H")
    parts = {name: int(value) for name, value in found.groupdict().items() if value and name != "sign"}
    days = parts.pop("years", 0) * 365 + parts.pop("months", 0) * 30 + parts.pop("days", 0)
    change = timedelta(days=days, **parts)
    at, written = _read(base)
    return _written(at + (-change if found["sign"] else change), pattern or written)


@plain("dateTimeToEpoch", 1)
def _to_epoch(value: Any) -> int:
    return int(_read(value)[0].timestamp())


@plain("dateTimeFromEpoch", 1)
def _from_epoch(value: Any) -> str:
    return datetime.fromtimestamp(whole(value), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
