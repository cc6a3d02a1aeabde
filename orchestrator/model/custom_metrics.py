"""What an application says of itself beside its health: ``customMetrics`` of a rich answer (reference 4.5). No I/O.

It is JSON in a string, in JSON. Only ``rollingUpgrade`` means something here; all else is the application's own and
is shown as it is. It comes from inside a guest and is not to be trusted: what is too long or malformed is
told and has no effect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TEXT_MAX = 4096
PHASE_MAX = 2**31 - 1
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class CustomMetrics:
    """``text`` is what was said, empty for nothing. ``phase`` is its turn in a rolling upgrade, ascending, ``None``
    for the last; ``is_upgrade_skipped`` asks to be left out of it. ``problem`` says why it has no effect."""

    text: str = ""
    phase: int | None = None
    is_upgrade_skipped: bool = False
    problem: str | None = None


def read_custom_metrics(answer: Mapping[str, Any]) -> CustomMetrics:
    """From the body of a rich answer, already JSON."""
    given = answer.get("customMetrics")
    if given is None:
        return CustomMetrics()
    if not isinstance(given, str):
        return CustomMetrics(problem="customMetrics must be a string that holds JSON")
    if len(given) > TEXT_MAX:
        return CustomMetrics(problem=f"customMetrics is longer than {TEXT_MAX} characters")
    try:
        value = json.loads(given)
    except (ValueError, RecursionError):
        return CustomMetrics(given, problem="customMetrics is not JSON")
    if not isinstance(value, dict):
        return CustomMetrics(given, problem="customMetrics must hold a JSON object")
    return _read_rolling_upgrade(given, value.get("rollingUpgrade"))


def _read_rolling_upgrade(text: str, value: Any) -> CustomMetrics:
    if value is None:
        return CustomMetrics(text)
    if not isinstance(value, dict):
        return CustomMetrics(text, problem="rollingUpgrade must be an object")
    phase, skip = value.get("PhaseOrderingNumber"), value.get("SkipUpgrade", False)
    if isinstance(skip, str):
        skip = _TRUTH.get(skip.lower())
    if phase is not None and (type(phase) is not int or not 0 <= phase <= PHASE_MAX):
        return CustomMetrics(text, problem=f"PhaseOrderingNumber must be a whole number from 0 to {PHASE_MAX}")
    if not isinstance(skip, bool):
        return CustomMetrics(text, problem="SkipUpgrade must be true or false")
    return CustomMetrics(text, phase, skip)
