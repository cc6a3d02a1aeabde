"""Quarantine, our own: an instance whose slot failed again and again is replaced but not thrown away.

It counts no longer and its guest is switched off; its disk and serial log stay on its host for a look, until it is
deleted by id, or with its set. A set keeps few of them: for one more the oldest goes.
"""

from __future__ import annotations

from orchestrator.model.instance import Cause, Instance
from orchestrator.plan import steps
from orchestrator.plan.inputs import Rules, SetWish, World
from orchestrator.plan.steps import Draft


def is_to_be_kept(row: Instance, rules: Rules) -> bool:
    """Whether a failing instance that is replaced goes into quarantine: this failure counts, too."""
    is_on = rules.quarantine_after > 0 and rules.quarantine_most > 0
    return is_on and row.repairs + 1 >= rules.quarantine_after


def plan_quarantine(wish: SetWish, world: World, draft: Draft) -> None:
    """Give up what is in quarantine and is not to stay there."""
    kept = [row for row in world.rows if row.is_quarantined and not row.is_gone]
    if wish.is_deleting:
        for row in kept:
            draft.decisions.append(
                steps.GiveUpInstance(row.instance_id, "the scale set is deleted", Cause.SET_DELETED)
            )
        return
    most = world.rules.quarantine_most
    oldest_first = sorted(kept, key=lambda row: (row.quarantined_at or 0.0, row.instance_id))
    for row in oldest_first[: max(0, len(kept) - most)]:
        reason = f"{len(kept)} are in quarantine, it is the oldest, and {most} are kept"
        draft.decisions.append(steps.GiveUpInstance(row.instance_id, reason, Cause.REPAIR))
