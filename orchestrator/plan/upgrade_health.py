"""How an instance stands in an upgrade (reference 4.5): well, not yet, or failed, and why. Pure.

Note [No lucky probe]: an instance is well once it is ready, runs, and its health source has said Healthy for more
than one probing interval without a break, so at least two answers agree. What comes up, answers once and falls over
is not well. Without a health source, ready and running is all there is to know.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.model.health import Health
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.plan.inputs import SetWish, Sight, World
from orchestrator.plan.repair import is_dead, is_sick

COMING_UP_S = 900.0  # for a new disk and a boot, retries included; both have nearer limits of their own
_MORE_THAN_ONE = 1.2  # intervals: they vary by a twentieth, and the answer takes its time


class Standing(StrEnum):
    WELL = "well"
    NOT_YET = "not yet"
    FAILED = "failed"
    OFF = "off"  # it is not to run, or has no host: nobody waits for it


@dataclass(frozen=True, slots=True)
class Look:
    """One instance's standing. ``why`` is for people; ``until`` is when time alone may change the answer."""

    standing: Standing
    why: str = ""
    until: float | None = None
    is_timeout: bool = False


def serves(row: Instance, world: World) -> bool:
    """Ready and running."""
    is_up = row.stage is Stage.READY and row.wanted_power is WantedPower.RUNNING
    return is_up and world.of(row).sight is Sight.RUNNING


def well_at(wish: SetWish, world: World, row: Instance) -> float | None:
    """Since when, or from when on, it is well if it stays as it is; ``None`` when it is not on its way to that.
    See Note [No lucky probe]."""
    seen = world.of(row)
    if not serves(row, world) or seen.health not in {None, Health.HEALTHY}:
        return None
    if seen.health is None:
        return row.changed_at
    return seen.health_since + _MORE_THAN_ONE * (wish.health_interval_s or 0.0)


def look_at(wish: SetWish, world: World, row: Instance, since: float) -> Look:
    """How an instance stands that was changed at ``since``."""
    if row.wanted_power is not WantedPower.RUNNING or row.host is None:
        return Look(Standing.OFF)
    if row.stage is Stage.FAILED:
        return Look(Standing.FAILED, row.failure.message if row.failure else "it failed")
    if is_dead(row, world):
        return Look(Standing.FAILED, "its guest stopped running")
    good_at = well_at(wish, world, row)
    if good_at is not None:
        return Look(Standing.WELL) if good_at <= world.now else Look(Standing.NOT_YET, "", good_at)
    if row.stage is Stage.READY and world.of(row).sight is Sight.RUNNING:
        return _until_healthy(world, row, max(row.changed_at, since) + world.rules.upgrade_settle_s)
    limit = since + COMING_UP_S + wish.extensions_budget_s + world.rules.upgrade_settle_s
    if world.now < limit:
        return Look(Standing.NOT_YET, "", limit)
    return Look(Standing.FAILED, f"it was not ready after {limit - since:.0f} s", is_timeout=True)


def _until_healthy(world: World, row: Instance, limit: float) -> Look:
    if world.now < limit:
        return Look(Standing.NOT_YET, "", limit)
    settle_s = world.rules.upgrade_settle_s
    return Look(Standing.FAILED, f"it was {_health_word(world, row)} {settle_s:g} s after it was ready")


def _health_word(world: World, row: Instance) -> str:
    health = world.of(row).health
    return health.value if health else "not healthy"


def trouble(world: World, row: Instance) -> str | None:
    """What is wrong with an instance that should serve; ``None`` for one that is well, off, or still coming up."""
    if row.wanted_power is not WantedPower.RUNNING:
        return None
    if row.stage is Stage.FAILED:
        return row.failure.message if row.failure else "it failed"
    if is_dead(row, world):
        return "its guest stopped running"
    return _health_word(world, row) if is_sick(row, world) else None


def is_broken_by_a_model(wish: SetWish, row: Instance, target: int) -> bool:
    """Whether what is wrong with it is no reason to hold an upgrade: it is about to be mended by it. So with what
    never came up on an older model, and with what stands on a model that came after the proven one."""
    if row.model_version == target:
        return False
    return row.stage is Stage.FAILED or 0 < wish.proven_model_version < row.model_version


def unsettled(wish: SetWish, world: World, rows: Iterable[Instance]) -> list[tuple[Instance, str]]:
    """Whose health is not known yet, or whose host is silent: before the next batch they are waited for. Both end
    by themselves: the grace period of the health source, the lease of the host."""
    found = []
    for row in rows:
        if row.host is None or row.wanted_power is not WantedPower.RUNNING:
            continue
        if world.of(row).sight is Sight.UNKNOWN:
            found.append((row, f"host {row.host} does not answer"))
        elif serves(row, world) and world.of(row).health is Health.INITIALIZING:
            found.append((row, f"{wish.name_of(row.instance_id)} is Initializing"))
    return found
