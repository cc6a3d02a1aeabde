"""ISO 8601 durations as the Resource Manager writes them. No I/O."""

from __future__ import annotations

import re
from datetime import timedelta

_DURATION = re.compile(
    r"^P(?=\d|T\d)(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?$",
    re.IGNORECASE | re.ASCII,
)


def parse_duration(text: str) -> timedelta:
    """Read ``PT1H30M`` and the like: days, hours, minutes, seconds. Years, months and weeks have no fixed
    or no usual length here and are refused. Raises ``ValueError`` with a sentence for people."""
    found = _DURATION.match(text.strip())
    if not found or text.strip().upper().endswith("T"):
        raise ValueError(f"'{text}' is not an ISO 8601 duration such as PT10M or PT30S")
    return timedelta(**{unit: float(amount) for unit, amount in found.groupdict().items() if amount})


def format_duration(duration: timedelta) -> str:
    """Write it in its largest units: 600 s is ``PT10M``. Raises ``ValueError`` for a negative one."""
    if duration < timedelta(0):
        raise ValueError("a negative duration cannot be written")
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{duration.days}D" if duration.days else ""
    fraction = f".{duration.microseconds:06d}".rstrip("0") if duration.microseconds else ""
    clock = "".join(
        f"{amount}{fraction if unit == 'S' else ''}{unit}"
        for amount, unit in ((hours, "H"), (minutes, "M"), (seconds, "S"))
        if amount or (unit == "S" and fraction)
    )
    if not days and not clock:
        return "PT0S"
    return f"P{days}{'T' + clock if clock else ''}"
