"""Where a proximity placement group has its instances (reference 1.2, 4.2).

Here "close together" means: in one zone. The group is a name that scale sets share; it begins with the first
instance that is placed for it, and is forgotten with the last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.scale_set import ScaleSet
from orchestrator.store import Store


def group_name(resource: ScaleSetResource) -> str | None:
    """The group's name as it is compared, or ``None`` for a set without one."""
    group = resource.properties.proximity_placement_group
    return group.name.lower() if group else None


def proximity_zone(
    store: Store, resource_of: Callable[[ScaleSet], ScaleSetResource], name: str | None
) -> str | None:
    """The zone that holds most of the group's instances, of whatever set; ``None`` while it holds none."""
    if name is None:
        return None
    by_set: dict[str, Counter[str]] = {}
    for row in store.instances():
        if row.counts and row.zone is not None:
            by_set.setdefault(row.set_uid, Counter())[row.zone] += 1
    return _fullest(zones for uid, zones in by_set.items() if _is_member(store, resource_of, uid, name))


def _is_member(store: Store, resource_of: Callable[[ScaleSet], ScaleSetResource], uid: str, name: str) -> bool:
    record = store.scale_set(uid)
    return record is not None and group_name(resource_of(record)) == name


def _fullest(counts: Iterable[Counter[str]]) -> str | None:
    total: Counter[str] = Counter()
    for zones in counts:
        total.update(zones)
    return min(total, key=lambda zone: (-total[zone], zone)) if total else None
