"""From what the loop sees, the catalogue knows and the store keeps to what the views show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from orchestrator.api.context import Api
from orchestrator.errors import VmssError
from orchestrator.model.arm.instance_views import ImageLook, Look, Subject
from orchestrator.model.arm.own_extension import with_own
from orchestrator.model.arm.statuses import PowerState
from orchestrator.model.arm.storage import ImageReference
from orchestrator.model.guest import Boot
from orchestrator.model.instance import Instance, Stage, WantedPower
from orchestrator.model.own_extension import OwnExtension
from orchestrator.model.scale_set import ScaleSet
from orchestrator.plan.inputs import Seen, Sight

_ON_THE_WAY_AND_THERE = {
    WantedPower.STOPPED: (PowerState.STOPPING, PowerState.STOPPED),
    WantedPower.DEALLOCATED: (PowerState.DEALLOCATING, PowerState.DEALLOCATED),
    WantedPower.HIBERNATED: (PowerState.DEALLOCATING, PowerState.DEALLOCATED),
}
_KEEPS_ITS_DOMAIN = {WantedPower.STOPPED, WantedPower.HIBERNATED}
_UNSEEN = Seen(Sight.UNKNOWN)


def power_state(row: Instance, sight: Sight) -> PowerState:
    """What the wish and the sight together are called."""
    if row.stage in {Stage.WAITING, Stage.CREATING} and row.generation == 1 and row.booted_at is None:
        return PowerState.CREATING
    if sight is Sight.UNKNOWN:
        return PowerState.UNKNOWN
    if row.wanted_power in _ON_THE_WAY_AND_THERE:
        on_the_way, there = _ON_THE_WAY_AND_THERE[row.wanted_power]
        is_there = sight is Sight.ABSENT or (sight is Sight.DEAD and row.wanted_power in _KEEPS_ITS_DOMAIN)
        return there if is_there else on_the_way
    if sight is Sight.RUNNING:
        return PowerState.RUNNING
    return PowerState.STARTING if row.stage is Stage.CREATING else PowerState.STOPPED


def profiles_of(api: Api, record: ScaleSet, rows: list[Instance]) -> Mapping[int, ScaleSet]:
    """The set as these rows know it, by model version, each read once."""
    versions = {row.model_version for row in rows}
    return {version: api.store.profile(record.uid, version) or record for version in versions}


def looks(api: Api, record: ScaleSet, rows: list[Instance]) -> Iterator[Subject]:
    """Each row with the model it is on and what is seen of it."""
    profiles = profiles_of(api, record, rows)
    seen = api.control.seen(record.uid)
    draining = {report.config.name for report in api.control.hosts() if report.is_draining}
    find_image = _image_finder(api)
    own = own_by_instance(api, record)
    for row in rows:
        model = with_own(profiles[row.model_version].model, own.get(row.instance_id, ()))
        sight = seen.get(row.instance_id, _UNSEEN)
        look = Look(
            power=power_state(row, sight.sight),
            health=sight.health,
            health_since=sight.health_since,
            health_detail=sight.health_detail,
            custom_metrics=sight.metrics,
            is_hibernated=_is_hibernated(row, sight.sight),
            is_host_draining=row.host in draining,
            image=find_image(_image_name(model, row)),
            agent_version=api.about.version,
        )
        yield Subject(record, model, row, row.owner(api.store.installation), look)


def own_by_instance(api: Api, record: ScaleSet) -> dict[int, list[OwnExtension]]:
    found: dict[int, list[OwnExtension]] = {}
    for each in api.store.own_extensions(record.uid):
        found.setdefault(each.instance_id, []).append(each)
    return found


def look_at(api: Api, record: ScaleSet, row: Instance) -> Subject:
    """One row, with all that is to be shown of it."""
    [found] = looks(api, record, [row])
    return found


def _is_hibernated(row: Instance, sight: Sight) -> bool:
    is_asked = row.wanted_power is WantedPower.HIBERNATED
    return is_asked and power_state(row, sight) is PowerState.DEALLOCATED


def _image_name(model: Mapping[str, Any], row: Instance) -> str | None:
    """As the catalogue is asked for the exact image that a row's disk stands on; ``None`` for none yet."""
    if row.image_version is None:
        return None
    profile = model["properties"]["virtualMachineProfile"]
    reference = ImageReference.model_validate(profile["storageProfile"]["imageReference"])
    return f"{reference.catalogue_name.rpartition(':')[0]}:{row.image_version}"


def _image_finder(api: Api) -> Callable[[str | None], ImageLook | None]:
    """Asks the catalogue once for each image. What it does not have, or cannot read, is not told of."""

    @lru_cache(maxsize=64)
    def find(name: str | None) -> ImageLook | None:
        if name is None or api.catalogue is None:
            return None
        try:
            image = api.catalogue.show(name)
        except VmssError:
            return None
        os_name, _, os_version = image.os_name.partition(" ")
        return ImageLook(os_name, os_version or image.version, "V2" if image.boot is Boot.UEFI else "V1")

    return find
