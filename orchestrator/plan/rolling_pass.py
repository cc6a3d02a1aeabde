"""One rolling upgrade in one pass of its set: what the parts of the machine in ``plan/rolling.py`` share. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.model.instance import Cause, Failure, Instance
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.plan import steps
from orchestrator.plan.inputs import RollingPolicy, SetWish, World
from orchestrator.plan.protection import is_protected
from orchestrator.plan.steps import Draft
from orchestrator.plan.upgrade_ways import is_behind, may_be_upgraded, policy_of

Troubles = list[tuple[Instance, str]]


@dataclass(frozen=True, slots=True)
class Rolling:
    """One upgrade in one pass."""

    wish: SetWish
    world: World
    upgrade: RollingUpgrade
    draft: Draft

    @property
    def policy(self) -> RollingPolicy:
        return policy_of(self.wish, self.upgrade)

    @property
    def goal(self) -> str:
        """What it brings, in words."""
        if self.upgrade.reason is UpgradeReason.OS_IMAGE:
            return f"image version {self.upgrade.image_version}"
        return f"model {self.upgrade.model_version}"

    def put(self, reason: str, **changes: object) -> None:
        self.draft.set_decisions.append(steps.PutUpgrade(reason, self.upgrade.but(**changes)))

    def end(self, status: RollingStatus, reason: str, failure: Failure | None = None, **changes: object) -> None:
        """The batch is over, whatever became of it."""
        over: dict[str, object] = {"batch": {}, "batch_images": {}, "surged": (), "paused_until": None}
        self.put(reason, status=status, failure=failure, ended_at=self.world.now, **{**over, **changes})

    def give_up(self, row: Instance, why: str) -> None:
        """One of the surge leaves, or one whose place it took. A protected one stays; scale-in finds another."""
        if not is_protected(row):
            self.draft.decisions.append(steps.GiveUpInstance(row.instance_id, why, Cause.SURGE))

    def names(self, numbers: Iterable[int]) -> str:
        return named(self.wish, numbers)

    def left(self) -> list[Instance]:
        """Those it still has to upgrade."""
        done = {*self.upgrade.upgraded, *self.upgrade.failed, *self.upgrade.skipped}
        return [
            row
            for row in self.world.rows
            if row.instance_id not in done
            and may_be_upgraded(row, self.world)
            and is_behind(self.wish, self.upgrade, row)
        ]


def named(wish: SetWish, numbers: Iterable[int]) -> str:
    names = [wish.name_of(number) for number in numbers]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def total(world: World) -> int:
    """Instances of the set, without those that an upgrade made beyond the capacity."""
    surged = world.surged()
    return sum(1 for row in world.rows if row.counts and row.instance_id not in surged)


def told_troubles(wish: SetWish, troubles: Troubles) -> str:
    """Every instance with what is wrong with it, on one line: what a script said may have many."""
    return "; ".join(f"{wish.name_of(row.instance_id)}: {' '.join(why.split())}" for row, why in troubles)
