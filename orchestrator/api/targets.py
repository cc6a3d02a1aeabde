"""Which instances a request on a set means (reference 3.1): none named is all, an empty list is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import BadInput, ErrorDetail, NotFound, NotPossible
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.problems import UNKNOWN_MEMBER
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import ScaleSet
from orchestrator.store import Store

_MEMBER = "instanceIds"


@dataclass(frozen=True, slots=True)
class Targets:
    """The rows meant. ``is_all`` when the request means the set rather than names instances."""

    rows: tuple[Instance, ...]
    is_all: bool

    @property
    def unprotected(self) -> tuple[Instance, ...]:
        """Without those protected from scale-set actions, unless they were named (reference 4.4)."""
        if not self.is_all:
            return self.rows
        return tuple(row for row in self.rows if not row.protection.from_scale_set_actions)


def find_targets(
    record: ScaleSet,
    body: Mapping[str, Any] | None,
    rows: Sequence[Instance],
    *,
    is_required: bool = False,
    keep_gone: bool = False,
) -> Targets:
    """Raises ``BadInput`` (target ``instanceIds``) that names every id which is not there.

    ``keep_gone`` counts instances on their way out as there: deleting twice is no mistake. Nothing but that can be
    done to what is in quarantine: all are meant without it, and to name it is ``NotPossible``."""
    there = {row.instance_id: row for row in rows if keep_gone or not row.is_gone}
    in_service = {number: row for number, row in there.items() if keep_gone or not row.is_quarantined}
    names = InstanceNames.of(record)
    ids = _read_ids(body or {}, names)
    if ids is None:
        if is_required:
            raise BadInput(f"{_MEMBER} is required: name instances, or '*' for all.", target=_MEMBER)
        return Targets(tuple(in_service.values()), is_all=True)
    if "*" in ids:
        return Targets(tuple(in_service.values()), is_all=True)
    numbers = {text: names.number(text) for text in ids}
    missing = [text for text, number in numbers.items() if number is None or number not in there]
    if missing:
        details = [ErrorDetail(BadInput.code, f"There is no instance {text}.", _MEMBER) for text in missing]
        raise BadInput(f"There is no instance {', '.join(missing)}.", target=_MEMBER, details=details)
    wanted = {number for number in numbers.values() if number is not None}
    check_in_service(record, [there[number] for number in sorted(wanted - in_service.keys())])
    return Targets(tuple(there[number] for number in sorted(wanted)), is_all=False)


def check_in_service(record: ScaleSet, rows: Iterable[Instance]) -> None:
    """Raises ``NotPossible`` if any of these is in quarantine."""
    names = InstanceNames.of(record)
    if kept := ", ".join(names.name(row.instance_id) for row in rows if row.is_quarantined):
        words = f"In quarantine after repeated failures: {kept}. Read its console, look at its disk, and delete it."
        raise NotPossible(words, target=_MEMBER)


def _read_ids(body: Mapping[str, Any], names: InstanceNames) -> list[str] | None:
    unknown = [key for key in body if key.lower() != _MEMBER.lower()]
    if unknown:
        details = [ErrorDetail(UNKNOWN_MEMBER, f"Not supported by this version: {key}.", key) for key in unknown]
        words = f"Not supported by this version: {', '.join(unknown)}."
        raise BadInput(words, code=UNKNOWN_MEMBER, target=unknown[0], details=details)
    given = [value for value in body.values() if value is not None]
    if not given:
        return None
    if len(given) > 1 or not isinstance(given[0], list):
        raise BadInput(f"{_MEMBER} must be one array of strings.", target=_MEMBER)
    if not given[0]:
        raise BadInput(f"{_MEMBER} is empty: name instances, or leave it out to mean all.", target=_MEMBER)
    return [_id_text(value, names) for value in given[0]]


def _id_text(value: Any, names: InstanceNames) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and (text == "*" or names.number(text) is not None):
        return text
    shown = text[:80] if isinstance(text, str) else type(text).__name__
    form = f"an id such as {names.id(0)}" if names.is_flexible else "a non-negative whole number"
    raise BadInput(f"{_MEMBER}: '{shown}' is neither {form} nor '*'.", target=_MEMBER)


def find_instance(store: Store, record: ScaleSet, instance_id: str) -> Instance:
    """Raises ``NotFound`` for an id that is not there, or cannot be one."""
    number = InstanceNames.of(record).number(instance_id)
    row = store.instance(record.uid, number) if number is not None else None
    if row is None:
        words = f"The instance {instance_id[:80]} of the scale set {record.name} was not found."
        raise NotFound(words, code="NotFound", target=instance_id[:80])
    return row
