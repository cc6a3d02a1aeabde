"""Placement groups (reference 4.2): at most 100 instances each; a new one joins the lowest group with room.

They have update domains of their own. Fault domains are counted over the whole set: here their numbers stand for
hosts that fail together, so they compare across groups. Flexible sets have no placement groups: all are in 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.model.arm.placement_rules import PLACEMENT_GROUP_MAX
from orchestrator.model.instance import Instance
from orchestrator.plan.inputs import SetWish

GROUP_MAX = PLACEMENT_GROUP_MAX


@dataclass(slots=True)
class PlacementGroups:
    """How full each group is, while a plan adds and takes away."""

    wish: SetWish
    _sizes: Counter[int] = field(default_factory=Counter)
    _lowest: int = 0

    def count(self, rows: Iterable[Instance]) -> None:
        """Count the instances that are there."""
        for row in rows:
            self._sizes[row.placement_group] += 1

    def uncount(self, row: Instance) -> None:
        """One that leaves makes room in its group."""
        self._sizes[row.placement_group] -= 1
        self._lowest = min(self._lowest, row.placement_group)

    def join(self) -> int:
        """The group of one more. A single group takes what it is given: the model holds its capacity to 100."""
        if self.wish.has_single_placement_group or self.wish.is_flexible:
            self._sizes[0] += 1
            return 0
        while self._sizes[self._lowest] >= GROUP_MAX:
            self._lowest += 1
        self._sizes[self._lowest] += 1
        return self._lowest

    def room_for_extras(self) -> int | None:
        """How many more than wanted may be there for a while; ``None`` means any number."""
        return max(0, GROUP_MAX - self._sizes[0]) if self.wish.has_single_placement_group else None
