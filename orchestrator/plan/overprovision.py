"""Overprovisioning (reference 4.1): more instances than wanted are started, the first to come up are kept, the
rest go again; so ids have gaps. Pure.

All that a scale-out makes is *on trial*: what is missing, and one more for each five of it, rounded up (Azure
tells no number; up to twice as many were seen). One that came up is kept; when enough are kept, the others are
surplus. A trial that fails is made up for by the extras and is not made anew: when those still coming up no longer
fill the gap, the failed are kept, too, as they would be without overprovisioning. So a script that fails
everywhere ends with failed instances and not in a circle. One that a user has taken in hand (protected, stopped,
deallocated) is kept at once.

An instance on trial counts neither as there nor as missing. Those kept and those on trial are together never more
than the capacity and the extras of the capacity.

The newcomer of a zone rebalance is on trial for another reason (``plan/zone_rebalance.py``) and left out here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.model.instance import Cause, Instance, Stage, WantedPower
from orchestrator.plan.inputs import SetWish, World
from orchestrator.plan.protection import is_protected
from orchestrator.plan.repair import is_dead

_ONE_FOR_EACH = 5


@dataclass(frozen=True, slots=True)
class Trials:
    """What becomes of the instances on trial, with reasons, and what is started: ``missing`` and ``extra``."""

    kept: tuple[tuple[Instance, str], ...] = ()
    surplus: tuple[tuple[Instance, str], ...] = ()
    missing: int = 0
    extra: int = 0


def extras(wish: SetWish, count: int) -> int:
    """How many more are started so that ``count`` come up."""
    return -(-count // _ONE_FOR_EACH) if wish.is_overprovisioned else 0


def on_trial(rows: Iterable[Instance]) -> list[Instance]:
    """The rows that overprovisioning made and did not keep yet."""
    return [row for row in rows if row.is_on_trial and row.cause is not Cause.REBALANCE]


def judge_trials(wish: SetWish, world: World, trials: list[Instance], kept: int) -> Trials:
    """``kept`` is how many of the wanted are there already, ``trials`` those that are judged."""
    claimed = [row for row in trials if _is_claimed(row)]
    others = [row for row in trials if not _is_claimed(row)]
    up = sorted((row for row in others if _is_up(wish, row)), key=lambda row: (row.changed_at, row.instance_id))
    failed = [row for row in others if not _is_up(wish, row) and _has_failed(row, world)]
    coming = [row for row in others if not _is_up(wish, row) and not _has_failed(row, world)]

    gap = max(0, wish.capacity - kept - len(claimed))
    first = up[:gap]
    gap -= len(first)
    missing = max(0, gap - len(coming) - len(failed))
    extra = extras(wish, missing)
    filling = failed[: max(0, gap - len(coming) - missing - extra)]
    gap -= len(filling)
    rest = [*up[len(first) :], *reversed(failed[len(filling) :]), *reversed(coming)]
    spare = len(rest) if gap == 0 else kept + len(trials) - wish.capacity - extras(wish, wish.capacity)
    return Trials(
        (
            *((row, "somebody has taken it in hand while it was on trial") for row in claimed),
            *((row, "it was among the first to come up") for row in first),
            *((row, "it failed, and too few others come up to do without it") for row in filling),
        ),
        tuple((row, _why_surplus(gap, wish)) for row in rest[: max(0, spare)]),
        missing,
        extra,
    )


def _why_surplus(gap: int, wish: SetWish) -> str:
    if gap == 0:
        return "it was started beyond the capacity, and enough others came up first"
    return f"it was started beyond the capacity, which is {wish.capacity} now"


def _is_claimed(row: Instance) -> bool:
    return is_protected(row) or row.wanted_power is not WantedPower.RUNNING


def _is_up(wish: SetWish, row: Instance) -> bool:
    """Where extensions wait for the end of the trial, the answer of the operating system decides."""
    return row.stage is Stage.READY or (row.stage is Stage.CONFIGURING and not wish.runs_extensions_on_trial)


def _has_failed(row: Instance, world: World) -> bool:
    return row.stage is Stage.FAILED or is_dead(row, world)
