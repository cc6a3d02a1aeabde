"""Which instances leave when capacity falls (reference 4.3).

Each rule first balances zones: the next one to leave comes from the fullest zone, or from any of the tied ones.
``Default`` then balances fault domains and takes the highest id; ``NewestVM`` takes the newest, ``OldestVM``
the oldest, and both leave fault domains alone. Protected instances are never chosen; deallocated ones may be.

Before all that, in this order, each by the same rule among themselves: what waits for room (it never ran); what
failed to come up (our own: what serves stays); what stands outside the zones that are wanted now; and with
``prioritizeUnhealthyVMs`` what is unhealthy or does not run.

Strict zone balance ends a scale-in where one more would leave the zones uneven.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.model.instance import Instance, Stage
from orchestrator.plan.inputs import ScaleInRule
from orchestrator.plan.protection import is_protected
from orchestrator.plan.zones import BALANCED_SPREAD, spread

_Group = tuple[str | None, int | None]


@dataclass(frozen=True, slots=True)
class Leaving:
    row: Instance
    reason: str


def choose_leaving(
    rows: Iterable[Instance],
    count: int,
    rule: ScaleInRule,
    is_unwell: Callable[[Instance], bool] = lambda row: False,
    *,
    zones: tuple[str, ...] = (),
    is_strict: bool = False,
) -> list[Leaving]:
    """The ``count`` instances that leave, in order; fewer when the rest is protected, or when ``is_strict``
    balance of ``zones`` forbids it. ``zones`` are the ones wanted; with none every zone will do."""
    staying = _Staying(rule, zones)
    for row in rows:
        staying.add(row, None if is_protected(row) else _turn(row, zones, is_unwell))
    leaving: list[Leaving] = []
    while len(leaving) < count:
        chosen = staying.next()
        if chosen is None or (is_strict and staying.grows_uneven_without(chosen.row)):
            break
        staying.remove(chosen.row)
        leaving.append(chosen)
    return leaving


_NEVER_RAN, _NEVER_CAME_UP, _OUTSIDE, _UNWELL, _WELL = range(5)


def _turn(row: Instance, zones: tuple[str, ...], is_unwell: Callable[[Instance], bool]) -> int:
    """When its turn to leave comes; see above."""
    if row.stage is Stage.WAITING:
        return _NEVER_RAN
    if row.stage is Stage.FAILED:
        return _NEVER_CAME_UP
    if zones and row.zone not in zones:
        return _OUTSIDE
    return _UNWELL if is_unwell(row) else _WELL


def _words(turn: int, row: Instance) -> str:
    """What is said before the words of the rule."""
    match turn:
        case 0 | 1:
            return f"it never came up ({row.stage.value})"
        case 2:
            return f"zone {row.zone} is not one of the set's, and what stands outside leaves first; "
        case 3:
            return "it is unhealthy or does not run, and such leave first; "
        case _:
            return ""


@dataclass(slots=True)
class _Staying:
    """Who is still there: counted by zone and fault domain, and those who may leave sorted by turn and group, so
    that each step looks at groups and not at instances."""

    rule: ScaleInRule
    wanted_zones: tuple[str, ...]
    zones: Counter[str | None] = field(default_factory=Counter)
    domains: Counter[_Group] = field(default_factory=Counter)
    turns: dict[int, dict[_Group, list[tuple[Any, Instance]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, row: Instance, turn: int | None) -> None:
        self.zones[row.zone] += 1
        self.domains[row.zone, row.fault_domain] += 1
        if turn is not None:
            insort(self.turns[turn][self._group(row)], (self._key(row), row), key=lambda each: each[0])

    def remove(self, row: Instance) -> None:
        self.zones[row.zone] -= 1
        self.domains[row.zone, row.fault_domain] -= 1
        turn = min(self.turns)
        groups = self.turns[turn]
        groups[self._group(row)].pop()
        if not groups[self._group(row)]:
            del groups[self._group(row)]
        if not groups:
            del self.turns[turn]

    def _group(self, row: Instance) -> _Group:
        return row.zone, row.fault_domain if self.rule == "Default" else None

    def _key(self, row: Instance) -> tuple[float, int]:
        """The last one leaves first."""
        match self.rule:
            case "Default":
                return 0.0, row.instance_id
            case "NewestVM":
                return row.created_at, row.instance_id
            case "OldestVM":
                return -row.created_at, -row.instance_id

    def next(self) -> Leaving | None:
        if not self.turns:
            return None
        turn = min(self.turns)
        groups = self.turns[turn]
        in_zones, zone_words = _fullest(list(groups), self.zones, lambda group: group[0], "zone")
        if self.rule == "Default":
            chosen, words = _fullest(in_zones, self.domains, lambda group: group, "fault domain")
            place = words or zone_words
        else:
            chosen, place = in_zones, zone_words
        row = max((groups[group][-1] for group in chosen), key=lambda each: each[0])[1]
        said = _words(turn, row)
        if turn <= _NEVER_CAME_UP:
            return Leaving(row, said)
        first = {"Default": "highest id", "NewestVM": "newest", "OldestVM": "oldest"}[self.rule]
        return Leaving(row, f"{said}{first} in {place or 'the set'}")

    def grows_uneven_without(self, row: Instance) -> bool:
        """Whether the zones would be more uneven than balance allows, and than they are."""
        before = {zone: self.zones[zone] for zone in self.wanted_zones}
        after = {zone: count - (zone == row.zone) for zone, count in before.items()}
        return spread(after) > max(BALANCED_SPREAD, spread(before))


def _fullest(
    groups: list[_Group], counts: Counter[Any], key: Callable[[_Group], Any], word: str
) -> tuple[list[_Group], str]:
    """The fullest groups, and a phrase that says so when there was a choice."""
    highest = max(counts[key(group)] for group in groups)
    chosen = [group for group in groups if counts[key(group)] == highest]
    if len({key(group) for group in groups}) < 2:
        return chosen, ""
    others = [count for count in counts.values() if 0 < count < highest]
    names = sorted({_group_name(key(group)) for group in chosen})
    if len(names) > 1:
        label, verb = f"{word}s {' and '.join(names)}", "which have"
    else:
        label, verb = f"{word} {names[0]}", "which has"
    if not others:
        return chosen, f"{label}, all with {highest}"
    return chosen, f"{label}, {verb} {highest} while others have {max(others)}"


def _group_name(group: object) -> str:
    return str(group[-1]) if isinstance(group, tuple) else str(group)
