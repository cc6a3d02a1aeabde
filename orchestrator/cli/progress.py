"""What is seen while waiting: one line that follows the instances on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from orchestrator.cli.output import dig

if TYPE_CHECKING:
    from rich.status import Status

_LOOK_EVERY_S = 1.0


def power_of(vm: Mapping[str, Any]) -> str:
    """``running``, ``stopped``, … from the instance view, else the provisioning state in small letters."""
    return _state(dig(vm, "properties.instanceView.statuses", []), "PowerState") or provisioning_of(vm).lower()


def provisioning_of(vm: Mapping[str, Any]) -> str:
    return str(dig(vm, "properties.provisioningState", ""))


def health_of(vm: Mapping[str, Any]) -> str:
    """``healthy``, ``unhealthy``, ``initializing``, ``unknown``; empty when nobody asks."""
    return _state([dig(vm, "properties.instanceView.vmHealth.status", {})], "HealthState")


def _state(statuses: Iterable[Mapping[str, Any]], kind: str) -> str:
    for status in statuses:
        family, _, state = str(status.get("code", "")).partition("/")
        if family.lower() == kind.lower():
            return state
    return ""


def summary(vms: Iterable[Mapping[str, Any]]) -> str:
    """One phrase on a set's instances: ``2 running (1 healthy, 1 initializing), 1 creating``."""
    health: dict[str, Counter[str]] = {}
    powers: Counter[str] = Counter()
    for vm in vms:
        state = provisioning_of(vm).lower()
        label = state if state in ("creating", "deleting", "failed") else power_of(vm)
        powers[label] += 1
        health.setdefault(label, Counter()).update([health_of(vm)] if health_of(vm) else [])
    if not powers:
        return "no instances"
    return ", ".join(f"{count} {label}{_in_brackets(health[label])}" for label, count in powers.most_common())


def _in_brackets(counts: Counter[str]) -> str:
    words = ", ".join(f"{count} {state}" for state, count in counts.most_common())
    return f" ({words})" if words else ""


class Progress:
    """Shows ``title`` and what ``look`` says of the world. ``look`` is asked at most once a second, and a
    failing look shows nothing new: the wait itself reports what is wrong."""

    def __init__(self, title: str, look: Callable[[], str] | None = None, *, stream: IO[str] | None = None) -> None:
        self._title = title
        self._look = look
        self._stream = stream or sys.stderr
        self._status: Status | None = None
        self._seen = ""
        self._looked_at_s = -_LOOK_EVERY_S

    def __enter__(self) -> Self:
        if self._stream.isatty():
            from rich.markup import escape  # noqa: PLC0415  (rich only where it is seen)

            from orchestrator.cli.output import console  # noqa: PLC0415

            self._status = console(self._stream).status(escape(self._title))
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def tick(self, waited_s: float) -> None:
        """Refresh, after ``waited_s`` seconds of waiting."""
        if self._look is not None and waited_s - self._looked_at_s >= _LOOK_EVERY_S:
            self._looked_at_s = waited_s
            self._refresh(self._look(), waited_s)
        elif self._status is not None:
            self._update(waited_s)

    def _refresh(self, seen: str, waited_s: float) -> None:
        is_new, self._seen = seen != self._seen, seen
        if self._status is not None:
            self._update(waited_s)
        elif is_new:
            print(self._line(seen, waited_s), file=self._stream, flush=True)

    def _update(self, waited_s: float) -> None:
        from rich.text import Text  # noqa: PLC0415

        assert self._status is not None
        self._status.update(Text(self._line(self._seen, waited_s)))

    def _line(self, seen: str, waited_s: float) -> str:
        return f"{self._title}: {seen or '…'} ({waited_s:.0f} s)"
