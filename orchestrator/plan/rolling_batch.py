"""The batch of a rolling upgrade that is under way, forwards or back (reference 4.5). Pure.

A batch ends when nobody in it is still on the way: each instance is well, or failed, or gone, or off. Old
instances that newcomers are to replace (``maxSurge``) leave when as many newcomers are well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.model.instance import Instance
from orchestrator.model.rolling_upgrade import RollingStatus, UpgradeReason
from orchestrator.plan.protection import is_protected_from_set_actions
from orchestrator.plan.repair import is_dead
from orchestrator.plan.rolling_pass import Rolling, Troubles
from orchestrator.plan.rolling_stop import TIMEOUT, UPGRADED, revert, stop
from orchestrator.plan.upgrade_health import Look, Standing, look_at, trouble
from orchestrator.plan.upgrade_ways import backwards, can_go_back, is_behind, onwards


@dataclass(slots=True)
class _Found:
    """How the instances of a batch stand. ``replaced`` are old ones that newcomers stand in for."""

    well: list[Instance] = field(default_factory=list)
    failed: Troubles = field(default_factory=list)
    replaced: list[Instance] = field(default_factory=list)
    well_newcomers: list[Instance] = field(default_factory=list)
    failed_newcomers: Troubles = field(default_factory=list)
    wakes: list[float] = field(default_factory=list)
    is_pending: bool = False
    are_all_timeouts: bool = True


def watch(rolling: Rolling) -> None:
    """Follow the batch; when it is over, judge it."""
    rows = {row.instance_id: row for row in rolling.world.rows if row.counts}
    if _note_the_dead(rolling, rows) or _without_room(rolling, rows):
        return
    found = _look(rolling, rows)
    if found.is_pending:
        rolling.draft.wake_times.extend(found.wakes)
    else:
        _judge(rolling, found, rows)


def _note_the_dead(rolling: Rolling, rows: dict[int, Instance]) -> bool:
    """A guest that stops running while it is upgraded has failed, even if it is up again when the batch ends."""
    upgrade, world = rolling.upgrade, rolling.world
    here = [rows[number] for number in upgrade.batch if number in rows and number not in upgrade.failed]
    dead = [row.instance_id for row in here if _is_changed(rolling, row) and is_dead(row, world)]
    if dead:
        words = f"{rolling.names(dead)} stopped running while being upgraded, and counts as failed"
        rolling.put(words, failed=(*upgrade.failed, *dead))
    return bool(dead)


def _is_changed(rolling: Rolling, row: Instance) -> bool:
    """In place, and not waiting for a newcomer to take its place."""
    return rolling.upgrade.reason is not UpgradeReason.MODEL or not is_behind(rolling.wish, rolling.upgrade, row)


def _without_room(rolling: Rolling, rows: dict[int, Instance]) -> bool:
    """A newcomer that lost its place before it ran is given up, and its old instance is changed in place."""
    upgrade = rolling.upgrade
    homeless = [number for number in upgrade.surged if number in rows and rows[number].host is None]
    waiting = [
        rows[number] for number in upgrade.batch if number in rows and not _is_changed(rolling, rows[number])
    ]
    if not homeless:
        return False
    for number in homeless:
        why = "no host has room for it; the one it was to replace is changed in place"
        rolling.give_up(rows[number], why)
    in_place = waiting[: len(homeless)]
    rolling.draft.decisions.extend(onwards(rolling.wish, rolling.world, upgrade, row) for row in in_place)
    words = f"no room for {rolling.names(homeless)}"
    rolling.put(words, surged=tuple(number for number in upgrade.surged if number not in homeless))
    return True


def _look(rolling: Rolling, rows: dict[int, Instance]) -> _Found:
    found = _Found()
    upgrade = rolling.upgrade
    for number in upgrade.batch:
        row = rows.get(number)
        if row is None:
            continue
        if not _is_changed(rolling, row):
            found.replaced.append(row)
            continue
        look = _look_at(rolling, row)
        if number in upgrade.failed and look.standing is not Standing.NOT_YET:
            look = Look(Standing.FAILED, look.why or "its guest stopped running")
        _sort(found, row, look, found.well, found.failed)
    for number in upgrade.surged:
        if number in rows:
            look = _look_at(rolling, rows[number])
            _sort(found, rows[number], look, found.well_newcomers, found.failed_newcomers)
    return found


def _look_at(rolling: Rolling, row: Instance) -> Look:
    began_at = rolling.upgrade.batch_began_at or rolling.upgrade.started_at
    return look_at(rolling.wish, rolling.world, row, began_at)


def _sort(found: _Found, row: Instance, look: Look, well: list[Instance], failed: Troubles) -> None:
    match look.standing:
        case Standing.NOT_YET:
            found.is_pending = True
            found.wakes.extend([look.until] if look.until is not None else [])
        case Standing.FAILED:
            failed.append((row, look.why))
            found.are_all_timeouts = found.are_all_timeouts and look.is_timeout
        case Standing.WELL | Standing.OFF:
            well.append(row)


def _judge(rolling: Rolling, found: _Found, rows: dict[int, Instance]) -> None:
    upgrade, policy = rolling.upgrade, rolling.policy
    replaced, missed = _exchange(rolling, found)
    done = [row.instance_id for row in (*found.well, *found.well_newcomers)]
    failed_now = [*(row.instance_id for row, _ in found.failed), *(row.instance_id for row in missed)]
    upgraded = (*upgrade.upgraded, *done)
    failed = tuple(dict.fromkeys((*upgrade.failed, *failed_now)))
    known = {*done, *failed}
    sick = [
        (rows[number], why)
        for number in upgrade.upgraded
        if number in rows and number not in known and (why := trouble(rolling.world, rows[number]))
    ]
    bad, all_of_them = len(failed) + len(sick), len(upgraded) + len(failed)
    if bad and bad * 100 > policy.unhealthy_upgraded_percent * all_of_them:
        failing = [*found.failed, *found.failed_newcomers, *sick]
        code = TIMEOUT if found.are_all_timeouts and failing and not sick else UPGRADED
        most = policy.unhealthy_upgraded_percent
        verb = "is" if bad == 1 else "are"
        words = f"{bad} of {all_of_them} upgraded instances {verb} unhealthy, more than the {most} % that may be"
        stop(rolling, code, failing, words, upgraded=upgraded, failed=failed)
        return
    _end_batch(rolling, found, upgraded, failed, replaced)


def _exchange(rolling: Rolling, found: _Found) -> tuple[list[Instance], list[Instance]]:
    """As many old instances leave as newcomers are well; for those that failed, as many old ones stay."""
    pairs = list(zip(found.replaced, found.well_newcomers, strict=False))
    for old, new in pairs:
        why = f"{rolling.wish.name_of(new.instance_id)} on {rolling.goal} is well and takes its place"
        rolling.give_up(old, why)
    for row, why in found.failed_newcomers:
        words = f"it was to take the place of another and failed: {why}"
        rolling.give_up(row, words)
    stay = found.replaced[len(pairs) :]
    return [old for old, _ in pairs], stay[: len(found.failed_newcomers)]


def _end_batch(
    rolling: Rolling, found: _Found, upgraded: tuple[int, ...], failed: tuple[int, ...], replaced: list[Instance]
) -> None:
    upgrade, policy = rolling.upgrade, rolling.policy
    gone = {row.instance_id for row in replaced}
    after = rolling.upgrade.but(upgraded=upgraded, failed=failed, batch={}, surged=())
    left = [
        row
        for row in Rolling(rolling.wish, rolling.world, after, rolling.draft).left()
        if row.instance_id not in gone
    ]
    pause_s = policy.pause_s
    if upgrade.batch_number == 1 and policy.canary_pause_s:
        pause_s = policy.canary_pause_s
    well = [row.instance_id for row in (*found.well, *found.well_newcomers)]
    parts = [f"{rolling.names(well)} {'is' if len(well) == 1 else 'are'} well on {rolling.goal}"] if well else []
    bad = [
        f"{rolling.wish.name_of(row.instance_id)}: {why}" for row, why in (*found.failed, *found.failed_newcomers)
    ]
    parts += [f"within what may fail: {'; '.join(bad)}"] if bad else []
    pause = f", the next batch in {pause_s:g} s" if left and pause_s else ""
    back = _restored(rolling, found)
    told = "; ".join(parts) or "nobody of it is left"
    rolling.put(
        f"batch {upgrade.batch_number} is over: {told}; {len(left)} to go{pause}",
        upgraded=upgraded,
        failed=failed,
        rolled_back=(*upgrade.rolled_back, *back),
        batch={},
        batch_images={},
        batch_began_at=None,
        surged=(),
        paused_until=rolling.world.now + pause_s if left and pause_s else None,
    )


def _restored(rolling: Rolling, found: _Found) -> list[int]:
    """An image that an instance was not healthy on is put back also where as many may fail (reference 4.6)."""
    upgrade = rolling.upgrade
    if upgrade.reason is not UpgradeReason.OS_IMAGE or not rolling.policy.rolls_back_failed:
        return []
    back = [
        row
        for row, _ in found.failed
        if can_go_back(upgrade, row.instance_id, upgrade.batch[row.instance_id])
        and not is_protected_from_set_actions(row)
    ]
    for row in back:
        version = upgrade.batch[row.instance_id]
        rolling.draft.decisions.append(backwards(rolling.wish, upgrade, row.instance_id, version))
    return [row.instance_id for row in back]


def watch_back(rolling: Rolling) -> None:
    """The way back of those that failed; then the upgrade is over."""
    upgrade = rolling.upgrade
    rows = {row.instance_id: row for row in rolling.world.rows if row.counts}
    looks = {number: _look_at(rolling, rows[number]) for number in upgrade.batch if number in rows}
    pending = [look for look in looks.values() if look.standing is Standing.NOT_YET]
    if pending:
        rolling.draft.wake_times.extend(look.until for look in pending if look.until is not None)
        return
    back = tuple(number for number, look in looks.items() if look.standing is not Standing.FAILED)
    missed = [number for number, look in looks.items() if look.standing is Standing.FAILED]
    words = f"the rolling upgrade to {rolling.goal} ends Faulted"
    if back:
        words += f"; {rolling.names(back)} {'is' if len(back) == 1 else 'are'} back and well"
    if missed:
        words += f"; {rolling.names(missed)} did not become well on the way back either"
    rolling.end(RollingStatus.FAULTED, words, upgrade.failure, rolled_back=(*upgrade.rolled_back, *back))
    revert(rolling)
