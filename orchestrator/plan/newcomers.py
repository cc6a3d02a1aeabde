"""New instances: each with the next id, its place, its placement group and its update domain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.model.instance import Cause, Instance
from orchestrator.plan import steps
from orchestrator.plan.inputs import SetWish, World
from orchestrator.plan.placement import NO_ROOM, NoPlace, Place, Placer
from orchestrator.plan.placement_groups import PlacementGroups
from orchestrator.plan.update_domains import UpdateDomains

# What stands in for an instance that was there, and does not wait for all fault domains to be there again.
_REPLACING = {Cause.REPAIR, Cause.HOST_LOST, Cause.DRAIN}


@dataclass(slots=True)
class Newcomers:
    """Everything that one plan of one set adds. Ids count up and are never used again."""

    wish: SetWish
    placer: Placer
    groups: PlacementGroups
    domains: UpdateDomains
    next_id: int
    _refused: dict[bool, NoPlace] = field(default_factory=dict)

    @classmethod
    def of(cls, wish: SetWish, world: World) -> Newcomers:
        """With all that is there counted."""
        placer = Placer(wish, world.hosts, world.rules.disk_reserve_mib)
        here = cls(wish, placer, PlacementGroups(wish), UpdateDomains(wish), wish.next_instance_id)
        counted = world.counted()
        here.placer.count(row for row in counted if row.host)
        here.groups.count(counted)
        here.domains.count(counted)
        return here

    def leave(self, rows: Iterable[Instance]) -> None:
        """These are about to leave: what comes for them may stand where they stood."""
        for row in rows:
            self.placer.uncount(row)
            self.groups.uncount(row)
            self.domains.uncount(row)
        self._refused.clear()

    def place(self, cause: Cause) -> Place | NoPlace:
        """A place for one with this cause. Once nothing fits, nothing fits for the rest of the plan either."""
        is_replacement = cause in _REPLACING
        if is_replacement in self._refused:
            return self._refused[is_replacement]
        found = self.placer.place(is_replacement=is_replacement)
        if isinstance(found, NoPlace):
            self._refused[is_replacement] = found
        return found

    def add(self, cause: Cause, why: str, repairs: int = 0, *, is_on_trial: bool = False) -> steps.AddInstance:
        """One more, on the best place, or waiting for room where there is none."""
        return self.add_at(self.place(cause), cause, why, repairs, is_on_trial=is_on_trial)

    def add_at(
        self, place: Place | NoPlace, cause: Cause, why: str, repairs: int = 0, *, is_on_trial: bool = False
    ) -> steps.AddInstance:
        """One more, on a place that was found already."""
        number, self.next_id = self.next_id, self.next_id + 1
        group = self.groups.join()
        domain = self.domains.join(group)
        if isinstance(place, NoPlace):
            host, zone, fault_domain, shortage, code = None, None, None, place.shortage, place.code
            reason = f"{why}; it waits for room: {place.shortage}"
        else:
            host, zone, fault_domain, shortage, code = place.host, place.zone, place.fault_domain, None, NO_ROOM
            reason = f"{why}; on {place.reason}"
        return steps.AddInstance(
            number, reason, host, zone, fault_domain, cause, repairs, shortage, code, group, domain, is_on_trial
        )
