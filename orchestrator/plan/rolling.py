"""The rolling upgrade (reference 4.5, 4.6): a state machine over its durable record. Pure.

It begins by itself in a set of mode Rolling whose instances are behind the model, unless an upgrade to that very
model ended badly or was cancelled: then a newer model or a request begins the next. Between batches it may be
cancelled, paused, held (the health of somebody is not known) or stopped (too many are unhealthy);
``plan/rolling_batch.py`` follows the batch under way. It ends Completed, Cancelled or Faulted; with
``rollbackFailedInstancesOnPolicyBreach`` the instances that failed go back first, and with
``rollbackModelOnPolicyBreach`` the set's own model as well (``plan/rolling_stop.py``).

Note [Alone]: while rows have decisions of their own to take, an upgrade takes none, and what it takes is taken
alone. The next look follows at once, so nothing is lost but two decisions about one row.

Note [Nothing for nothing]: what costs an instance nothing, or is not running and so serves nobody, needs no batch.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable

from orchestrator.model.instance import Failure, Instance, WantedPower
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.plan import steps
from orchestrator.plan.batches import Candidate, batch_size, next_batch
from orchestrator.plan.inputs import Cost, SetWish, World
from orchestrator.plan.protection import is_protected
from orchestrator.plan.rolling_pass import Rolling, Troubles, total
from orchestrator.plan.rolling_stop import BEFORE, DURING, stop
from orchestrator.plan.steps import Draft, Step
from orchestrator.plan.upgrade_health import is_broken_by_a_model, serves, trouble, unsettled
from orchestrator.plan.upgrade_ways import difference_of, is_behind_model, may_be_upgraded, onwards

Adder = Callable[[str], steps.AddInstance | None]  # one more instance for this reason; None where no host has room
_ENDED_EARLY = {RollingStatus.FAULTED, RollingStatus.CANCELLED}


def begin(wish: SetWish, world: World, draft: Draft) -> None:
    """Begin an upgrade to the newest model if one is due."""
    latest = world.upgrade
    is_again = latest is not None and latest.model_version == wish.model_version
    missed = set(latest.failed) if latest is not None and is_again else set()
    behind = [
        row
        for row in world.rows
        if is_behind_model(wish, row) and row.instance_id not in missed and may_be_upgraded(row, world)
    ]
    if not behind:
        return
    if latest is not None and is_again and latest.status in _ENDED_EARLY:
        how = f"the rolling upgrade to model {wish.model_version} ended {latest.status.value}"
        draft.notes.append(f"{len(behind)} stay behind the model: {how}")
        return
    started_at = max(world.now, latest.started_at + 0.001) if latest else world.now
    size = batch_size(total(world), wish.rolling.batch_percent)
    words = f"{len(behind)} of {total(world)} behind, in batches of {'one' if size == 1 else f'up to {size}'}"
    upgrade = RollingUpgrade(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{wish.uid}/{wish.model_version}/{started_at}")),
        set_uid=wish.uid,
        reason=UpgradeReason.MODEL,
        model_version=wish.model_version,
        previous_model_version=max(row.model_version for row in behind),
        started_at=started_at,
        last_action_at=started_at,
    )
    reason = f"a rolling upgrade to model {wish.model_version} begins: {words}"
    draft.set_decisions.append(steps.PutUpgrade(reason, upgrade))


def superseded(rolling: Rolling) -> bool:
    """A newer model ends an upgrade to an older one, and begins its own; the batch under way is among its first."""
    upgrade, newest = rolling.upgrade, rolling.wish.model_version
    is_older = upgrade.reason is UpgradeReason.MODEL and upgrade.model_version != newest
    if not is_older or upgrade.status is not RollingStatus.ROLLING_FORWARD:
        return False
    words = f"the rolling upgrade to model {upgrade.model_version} ends: model {newest} came"
    surged = rolling.world.surged()
    for row in rolling.world.rows:
        if row.instance_id in surged and row.counts:
            rolling.give_up(row, f"it was made for model {upgrade.model_version}, and model {newest} came")
    failure = Failure("OperationPreempted", f"{words[0].upper()}{words[1:]}.", rolling.world.now)
    rolling.end(RollingStatus.CANCELLED, words, failure)
    return True


def between_batches(rolling: Rolling, add: Adder) -> None:
    """End, wait, stop, or begin the next batch."""
    upgrade, world, draft = rolling.upgrade, rolling.world, rolling.draft
    left = rolling.left()
    if not left:
        _complete(rolling)
    elif why := _why_cancelled(rolling):
        words = f"the rolling upgrade to {rolling.goal} is cancelled: {why}; {len(left)} stay behind"
        failure = Failure("OperationCanceled", f"{words[0].upper()}{words[1:]}.", world.now)
        rolling.end(RollingStatus.CANCELLED, words, failure)
    elif _at_once(rolling, left):
        return
    elif upgrade.paused_until is not None and world.now < upgrade.paused_until:
        draft.wake_times.append(upgrade.paused_until)
    elif waiting := unsettled(rolling.wish, world, world.counted()):
        whys = sorted({why for _, why in waiting})
        draft.notes.append(f"the rolling upgrade to {rolling.goal} waits: {', '.join(whys)}")
    elif sick := _too_many_unhealthy(rolling):
        code = BEFORE if upgrade.batch_number == 0 else DURING
        stop(rolling, code, sick, _share_words(rolling, sick))
    else:
        _begin_batch(rolling, left, add)


def _complete(rolling: Rolling) -> None:
    upgrade = rolling.upgrade
    failed = f"; {rolling.names(upgrade.failed)} failed" if upgrade.failed else ""
    words = f"the rolling upgrade to {rolling.goal} is complete: {len(upgrade.upgraded)} upgraded{failed}"
    rolling.end(RollingStatus.COMPLETED, words)


def _why_cancelled(rolling: Rolling) -> str | None:
    if rolling.upgrade.is_cancel_wanted:
        return "a request asked for it"
    if rolling.upgrade.reason is UpgradeReason.MODEL and rolling.wish.upgrade_mode != "Rolling":
        return f"the set's upgrade mode is {rolling.wish.upgrade_mode} now"
    return None


def _at_once(rolling: Rolling, left: list[Instance]) -> bool:
    """See Note [Nothing for nothing]."""
    rows = [row for row in left if row.wanted_power is not WantedPower.RUNNING or row.host is None]
    if not rows:
        return False
    numbers = tuple(row.instance_id for row in rows)
    rolling.draft.decisions.extend(onwards(rolling.wish, rolling.world, rolling.upgrade, row) for row in rows)
    reason = f"{rolling.names(numbers)}: brought over at once, since nothing of {_them(numbers)} runs"
    rolling.put(reason, upgraded=(*rolling.upgrade.upgraded, *numbers))
    return True


def _them(numbers: tuple[int, ...]) -> str:
    return "it" if len(numbers) == 1 else "them"


def _too_many_unhealthy(rolling: Rolling) -> Troubles:
    """All that are unhealthy, if they are more than may be."""
    wish, world, target = rolling.wish, rolling.world, rolling.upgrade.model_version
    found = [
        (row, why)
        for row in world.counted()
        if (why := trouble(world, row)) and not is_broken_by_a_model(wish, row, target)
    ]
    return found if len(found) * 100 > rolling.policy.unhealthy_percent * total(world) else []


def _share_words(rolling: Rolling, sick: Troubles) -> str:
    most = rolling.policy.unhealthy_percent
    verb = "is" if len(sick) == 1 else "are"
    return f"{len(sick)} of {total(rolling.world)} instances {verb} unhealthy, more than the {most} % that may be"


def _begin_batch(rolling: Rolling, left: list[Instance], add: Adder) -> None:
    upgrade, policy, world = rolling.upgrade, rolling.policy, rolling.world
    is_first = upgrade.batch_number == 0
    phases, skipped = upgrade.phases, upgrade.skipped
    if is_first:
        phases = {row.instance_id: phase for row in left if (phase := world.of(row).phase) is not None}
        skipped = tuple(row.instance_id for row in world.counted() if world.of(row).is_upgrade_skipped)
    is_canary = is_first and policy.canary_count > 0
    size = policy.canary_count if is_canary else batch_size(total(world), policy.batch_percent)
    batch = next_batch((_candidate(rolling, row, phases.get(row.instance_id)) for row in left), size, policy)
    surging, changing, added = _surge(rolling, batch, add)
    rolling.draft.decisions.extend(changing)
    rolling.draft.decisions.extend(added)
    number = upgrade.batch_number + 1
    what = rolling.names(row.instance_id for row in batch)
    newcomers = rolling.names(step.instance_id for step in added)
    beside = f"; beside: {newcomers}" if added else ""
    kind = "canary batch" if is_canary else f"batch {number}"
    rolling.put(
        f"{kind} of the rolling upgrade to {rolling.goal}: {what}{beside}",
        batch_number=number,
        batch={row.instance_id: row.model_version for row in batch},
        batch_images={row.instance_id: row.image_version for row in batch if row.image_version},
        batch_began_at=world.now,
        surged=tuple(surging),
        phases=phases,
        skipped=skipped,
        paused_until=None,
    )


def _candidate(rolling: Rolling, row: Instance, phase: int | None) -> Candidate:
    world = rolling.world
    is_sick = trouble(world, row) is not None
    is_mended = is_sick and is_broken_by_a_model(rolling.wish, row, rolling.upgrade.model_version)
    is_out = is_mended or not (serves(row, world) or is_sick)
    return Candidate(row, phase, is_out, is_sick)


def _surge(
    rolling: Rolling, batch: list[Instance], add: Adder
) -> tuple[list[int], list[Step], list[steps.AddInstance]]:
    """With ``maxSurge`` a new instance for each of the batch; the old ones go when those are well. Where no host
    has room, and where the old one is protected from leaving, it is changed in place."""
    added: list[steps.AddInstance] = []
    changing: list[Step] = []
    for row in batch:
        why = f"comes up on {rolling.goal}, to take the place of {rolling.wish.name_of(row.instance_id)}"
        step = add(why) if rolling.policy.has_surge and not is_protected(row) else None
        if step is None:
            changing.append(onwards(rolling.wish, rolling.world, rolling.upgrade, row))
        else:
            added.append(step)
    return [step.instance_id for step in added], changing, added


def for_nothing(wish: SetWish, world: World, draft: Draft) -> None:
    """See Note [Nothing for nothing]: instances that a newer model asks nothing of get its number."""
    for row in world.rows:
        is_free = is_behind_model(wish, row) and difference_of(wish, row).cost is Cost.NOTHING
        if is_free and may_be_upgraded(row, world):
            what = f"model {wish.model_version} asks nothing of it"
            draft.decisions.append(steps.ApplyModel(row.instance_id, what, wish.model_version, Cost.NOTHING))
