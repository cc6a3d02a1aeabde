"""Who is upgraded together (reference 4.5): how many at once, and which ones next.

A batch stays inside one phase, one update domain and one zone; ``enableCrossZoneUpgrade`` lets it span zones, never
update domains. An instance without an update domain (Flexible sets have none) counts as of one domain with all
such instances.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.model.instance import Instance
from orchestrator.plan.inputs import RollingPolicy


@dataclass(frozen=True, slots=True)
class Candidate:
    """An instance that is to be upgraded. ``is_out``: it serves nobody as it is, so upgrading it takes nothing
    away; such ones go first. ``phase`` is the order that its own health asked for."""

    row: Instance
    phase: int | None = None
    is_out: bool = False
    is_unhealthy: bool = False


def batch_size(total: int, percent: int) -> int:
    """``percent`` of ``total``, rounded down, and at least one."""
    return max(1, total * percent // 100)


def next_batch(candidates: Iterable[Candidate], size: int, policy: RollingPolicy) -> list[Instance]:
    """At most ``size`` instances, in order; fewer where the update domain or zone holds no more of them."""
    ordered = sorted(candidates, key=lambda each: _rank(each, policy))
    if not ordered:
        return []
    group = _group(ordered[0], policy)
    return [each.row for each in ordered if _group(each, policy) == group][:size]


def _rank(each: Candidate, policy: RollingPolicy) -> tuple[object, ...]:
    """Phases ascend, those without one come last; domain by domain, lowest ids first."""
    is_sick_first = policy.is_unhealthy_first and each.is_unhealthy
    no_phase = each.phase is None
    return (
        not each.is_out,
        no_phase,
        each.phase or 0,
        not is_sick_first,
        *_place(each, policy),
        each.row.instance_id,
    )


def _group(each: Candidate, policy: RollingPolicy) -> tuple[object, ...]:
    return (each.phase, *_place(each, policy))


def _place(each: Candidate, policy: RollingPolicy) -> tuple[str, int, int]:
    """Update domains are numbered in each placement group anew."""
    zone = "" if policy.is_cross_zone else each.row.zone or ""
    domain = each.row.update_domain
    return zone, each.row.placement_group, -1 if domain is None else domain


def small_shares(policy: RollingPolicy, total: int) -> tuple[str, ...]:
    """A warning for each percentage that is below one instance of this set."""
    notes = []
    if total and total * policy.batch_percent < 100:
        notes.append(f"{policy.batch_percent} % of {total} is less than one instance: batches are of one")
    if total and total * policy.unhealthy_percent < 100:
        what = f"{policy.unhealthy_percent} % of {total} is less than one instance"
        notes.append(f"{what}: a single unhealthy one stops the rolling upgrade (maxUnhealthyInstancePercent)")
    return tuple(notes)
