"""Which instances leave when capacity falls (reference 4.3).

Each rule first balances zones: the next one to leave comes from the fullest zone, or from any of the tied
ones. ``Default`` then balances fault domains and takes the highest id; ``NewestVM`` takes the newest,
``OldestVM`` the oldest. Protected instances are never chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.model.instance import Instance, Stage
from orchestrator.plan.inputs import ScaleInRule


@dataclass(frozen=True, slots=True)
class Leaving:
    row: Instance
    reason: str


def is_protected(row: Instance) -> bool:
    """``protectFromScaleSetActions`` implies ``protectFromScaleIn`` (reference 4.4)."""
    return row.protection.from_scale_in or row.protection.from_scale_set_actions


def choose_leaving(
    rows: Iterable[Instance],
    count: int,
    rule: ScaleInRule,
    is_unwell: Callable[[Instance], bool] = lambda row: False,
) -> list[Leaving]:
    """The ``count`` instances that leave, in order; fewer when the rest is protected.

    What never came up (waiting for room, or failed) leaves before what serves; then, if ``is_unwell`` says
    so, what is unhealthy.
    """
    staying = list(rows)
    leaving: list[Leaving] = []
    while len(leaving) < count:
        chosen = _next(staying, rule, is_unwell)
        if chosen is None:
            break
        staying.remove(chosen.row)
        leaving.append(chosen)
    return leaving


def _next(staying: list[Instance], rule: ScaleInRule, is_unwell: Callable[[Instance], bool]) -> Leaving | None:
    candidates = [row for row in staying if not is_protected(row)]
    if not candidates:
        return None
    useless = [row for row in candidates if row.stage in {Stage.WAITING, Stage.FAILED}]
    if useless:
        row = max(useless, key=lambda row: row.instance_id)
        return Leaving(row, f"it never came up ({row.stage.value})")
    unwell = [row for row in candidates if is_unwell(row)]
    if unwell:
        return Leaving(max(unwell, key=lambda row: row.instance_id), "it is unhealthy, and those leave first")
    return _by_rule(staying, candidates, rule)


def _by_rule(staying: list[Instance], candidates: list[Instance], rule: ScaleInRule) -> Leaving:
    zones = Counter(row.zone for row in staying)
    in_zones, zone_reason = _fullest(candidates, zones, lambda row: row.zone, "zone")
    if rule == "Default":
        domains = Counter((row.zone, row.fault_domain) for row in staying)
        left, domain_reason = _fullest(in_zones, domains, lambda row: (row.zone, row.fault_domain), "fault domain")
        row = max(left, key=lambda row: row.instance_id)
        return Leaving(row, f"highest id in {domain_reason or zone_reason or 'the set'}")
    by_age = sorted(in_zones, key=lambda row: (row.created_at, row.instance_id))
    row, word = (by_age[-1], "newest") if rule == "NewestVM" else (by_age[0], "oldest")
    return Leaving(row, f"{word} in {zone_reason or 'the set'}")


def _fullest(
    candidates: list[Instance], counts: Counter[Any], key: Callable[[Instance], Any], word: str
) -> tuple[list[Instance], str]:
    """The candidates of the fullest groups, and a phrase that says so when there was a choice."""
    highest = max(counts[key(row)] for row in candidates)
    chosen = [row for row in candidates if counts[key(row)] == highest]
    if len({key(row) for row in candidates}) < 2:
        return chosen, ""
    others = [count for group, count in counts.items() if count < highest]
    names = sorted({_group_name(key(row)) for row in chosen})
    if len(names) > 1:
        label, verb = f"{word}s {' and '.join(names)}", "which have"
    else:
        label, verb = f"{word} {names[0]}", "which has"
    if not others:
        return chosen, f"{label}, all with {highest}"
    return chosen, f"{label}, {verb} {highest} while others have {max(others)}"


def _group_name(group: object) -> str:
    return str(group[-1]) if isinstance(group, tuple) else str(group)
