"""From what the loop sees to the words of the instance view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.model.arm.instance_views import Look
from orchestrator.model.arm.statuses import PowerState
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.model.scale_set import ScaleSet
from orchestrator.plan.inputs import Seen, Sight

_OFF_WHEN_WANTED_OFF = {
    WantedPower.STOPPED: (PowerState.STOPPING, PowerState.STOPPED),
    WantedPower.DEALLOCATED: (PowerState.DEALLOCATING, PowerState.DEALLOCATED),
}


def power_state(row: Instance, sight: Sight) -> PowerState:
    """What the wish and the sight together are called."""
    if row.stage in {Stage.WAITING, Stage.CREATING} and row.generation == 1 and row.booted_at is None:
        return PowerState.CREATING
    if sight is Sight.UNKNOWN:
        return PowerState.UNKNOWN
    if row.wanted_power in _OFF_WHEN_WANTED_OFF:
        on_the_way, there = _OFF_WHEN_WANTED_OFF[row.wanted_power]
        is_there = sight is Sight.ABSENT or (sight is Sight.DEAD and row.wanted_power is WantedPower.STOPPED)
        return there if is_there else on_the_way
    if sight is Sight.RUNNING:
        return PowerState.RUNNING
    return PowerState.STARTING if row.stage is Stage.CREATING else PowerState.STOPPED


def look_of(row: Instance, seen: Seen | None) -> Look:
    if seen is None:
        return Look(power_state(row, Sight.UNKNOWN))
    return Look(power_state(row, seen.sight), seen.health, seen.health_since)


def profiles_of(api: Api, record: ScaleSet, rows: list[Instance]) -> Mapping[int, Mapping[str, Any]]:
    """The models that these rows are on, by version, each read once."""
    versions = {row.model_version for row in rows}
    found = {version: api.store.profile(record.uid, version) for version in versions}
    return {version: (profile or record).model for version, profile in found.items()}


def looks(api: Api, record: ScaleSet, rows: list[Instance]) -> Iterator[tuple[Mapping[str, Any], Instance, Look]]:
    """Each row with the model it is on and what is seen of it."""
    profiles = profiles_of(api, record, rows)
    seen = api.control.seen(record.uid)
    for row in rows:
        yield profiles[row.model_version], row, look_of(row, seen.get(row.instance_id))
