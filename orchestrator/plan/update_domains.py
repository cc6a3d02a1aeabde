"""Update domains (reference 4.2): five in each placement group of a Uniform set; a new instance joins the
emptiest one, the lowest of those. Flexible sets have none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.model.instance import Instance
from orchestrator.plan.inputs import SetWish

UPDATE_DOMAINS = 5


@dataclass(slots=True)
class UpdateDomains:
    """How full each group's update domains are, while a plan adds and takes away."""

    wish: SetWish
    _sizes: Counter[tuple[int, int]] = field(default_factory=Counter)

    def count(self, rows: Iterable[Instance]) -> None:
        """Count the instances that are there."""
        for row in rows:
            self._shift(row, 1)

    def uncount(self, row: Instance) -> None:
        """One that leaves makes its update domain emptier."""
        self._shift(row, -1)

    def _shift(self, row: Instance, by: int) -> None:
        if row.update_domain is not None:
            self._sizes[row.placement_group, row.update_domain] += by

    def join(self, group: int) -> int | None:
        """The update domain of one more in the group."""
        if self.wish.is_flexible:
            return None
        domain = min(range(UPDATE_DOMAINS), key=lambda each: (self._sizes[group, each], each))
        self._sizes[group, domain] += 1
        return domain
