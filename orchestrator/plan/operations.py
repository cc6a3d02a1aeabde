"""Whether a long-running operation has reached what it was asked for: a pure reading of rows and sights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.model.instance import Failure, Instance, Stage, WantedPower
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from orchestrator.plan.inputs import SetWish, Sight, World
from orchestrator.plan.upgrade_ways import is_behind_model, may_be_upgraded
from orchestrator.plan.zone_rebalance import is_newcomer


@dataclass(frozen=True, slots=True)
class Verdict:
    """``IN_PROGRESS``, or an end with its failure."""

    status: OperationStatus
    failure: Failure | None = None


RUNNING_ON = Verdict(OperationStatus.IN_PROGRESS)
DONE = Verdict(OperationStatus.SUCCEEDED)
_ENDS_RUNNING = frozenset(
    {
        OperationKind.START,
        OperationKind.RESTART,
        OperationKind.REIMAGE,
        OperationKind.UPGRADE,
        OperationKind.REDEPLOY,
        OperationKind.EXTENSION,
    }
)
"""Asked of what is wanted to run; who powers it off then wants these no more."""


def judge_operation(
    operation: Operation, wish: SetWish | None, world: World, upgrades: Sequence[RollingUpgrade] = ()
) -> Verdict:
    """What has become of it. ``wish`` is ``None`` once the set itself is gone. ``upgrades`` are the latest ones;
    without them the latest is all that is known."""
    known = upgrades or ([world.upgrade] if world.upgrade else [])
    verdict = _judge(operation, wish, world, known)
    if verdict is RUNNING_ON and world.now >= operation.deadline_at:
        seconds = operation.deadline_at - operation.started_at
        message = f"The operation did not end within {seconds:.0f} s; the scale set goes on by itself."
        return Verdict(OperationStatus.FAILED, Failure("OperationTimedOut", message, world.now))
    return verdict


def _judge(operation: Operation, wish: SetWish | None, world: World, upgrades: Sequence[RollingUpgrade]) -> Verdict:
    if operation.kind is OperationKind.RUN_COMMAND:
        return RUNNING_ON  # whoever runs the command ends it
    if wish is None:
        return DONE
    if operation.kind is OperationKind.DELETE_SET:
        return RUNNING_ON
    if operation.kind is OperationKind.CREATE_OR_UPDATE:
        return _judge_write(operation, upgrades, wish, world)
    if operation.kind is OperationKind.ROLLING_UPGRADE:
        return _judge_upgrade(operation, upgrades, world.now)
    if operation.kind is OperationKind.CANCEL_UPGRADE:
        return RUNNING_ON if world.upgrade is not None and world.upgrade.is_running else DONE
    rows = {row.instance_id: row for row in world.rows}
    if operation.kind is OperationKind.DELETE_INSTANCES:
        return RUNNING_ON if any(number in rows for number in operation.instances) else DONE
    return _worst(_judge_one(operation, wish, number, rows, world) for number in operation.instances)


def _worst(verdicts: Iterable[Verdict]) -> Verdict:
    found = list(verdicts)
    for verdict in found:
        if verdict.status is OperationStatus.FAILED:
            return verdict
    return RUNNING_ON if any(verdict is RUNNING_ON for verdict in found) else DONE


def _judge_upgrade(operation: Operation, upgrades: Sequence[RollingUpgrade], now: float) -> Verdict:
    """The operation has the id of its upgrade and ends as that does."""
    for upgrade in upgrades:
        if upgrade.id == operation.id:
            return _end_of(upgrade, now) or DONE
    return Verdict(
        OperationStatus.CANCELED, Failure("OperationPreempted", "Its upgrade is not kept any more.", now)
    )


def _end_of(upgrade: RollingUpgrade, now: float) -> Verdict | None:
    """``None`` when it is complete."""
    match upgrade.status:
        case RollingStatus.COMPLETED:
            return None
        case RollingStatus.CANCELLED:
            failure = Failure("OperationCanceled", "The rolling upgrade was cancelled.", now)
            return Verdict(OperationStatus.CANCELED, upgrade.failure or failure)
        case RollingStatus.FAULTED:
            return Verdict(OperationStatus.FAILED, upgrade.failure)
    return RUNNING_ON


def _judge_write(operation: Operation, upgrades: Sequence[RollingUpgrade], wish: SetWish, world: World) -> Verdict:
    """A write is done when the instances are as wanted; one that began a rolling upgrade, when that has ended (the
    first one since: another may have begun, to go back); in a set of mode Automatic, when those that may be are on
    its model, or one of those that are has failed."""
    since = operation.started_at
    mine = [each for each in upgrades if each.reason is UpgradeReason.MODEL and each.started_at >= since]
    first = min(mine, key=lambda each: each.started_at, default=None)
    if first is not None and (verdict := _end_of(first, world.now)):
        return verdict
    if wish.upgrade_mode == "Automatic" and _is_on_its_way(wish, world):
        return RUNNING_ON
    return _judge_whole(wish, world)


def _is_on_its_way(wish: SetWish, world: World) -> bool:
    counted = world.counted()
    if any(row.stage is Stage.FAILED and not is_behind_model(wish, row) for row in counted):
        return False
    return any(is_behind_model(wish, row) and may_be_upgraded(row, world) for row in counted)


def _judge_whole(wish: SetWish, world: World) -> Verdict:
    """A rebalance of zones goes on by itself: nobody who writes meanwhile waits for its newcomer, or for what was
    powered off on its way and goes on when it is started."""
    counted = [row for row in world.counted() if not is_newcomer(row)]
    leaving = [row for row in world.rows if row.is_gone and not row.is_lost]
    failed = [row for row in counted if row.stage in {Stage.FAILED, Stage.WAITING}]
    settled = {Stage.FAILED, Stage.WAITING, Stage.READY}
    moving = [row for row in counted if row.stage not in settled and row.wanted_power is WantedPower.RUNNING]
    if moving or leaving or len(counted) < wish.capacity:
        return RUNNING_ON
    if failed:
        return Verdict(OperationStatus.FAILED, _all_failures(wish, failed, world.now))
    return DONE


def _all_failures(wish: SetWish, failed: list[Instance], now: float) -> Failure:
    """Every failed instance is named, not only the first."""
    codes = [row.failure.code for row in failed if row.failure]
    lines = [f"{wish.name_of(row.instance_id)}: {row.failure.message}" for row in failed if row.failure]
    return Failure(codes[0] if codes else "AllocationFailed", "; ".join(lines), now)


def _judge_one(
    operation: Operation, wish: SetWish, number: int, rows: Mapping[int, Instance], world: World
) -> Verdict:
    row = rows.get(number)
    if row is None or row.is_gone:
        message = f"Instance {wish.id_of(number)} was deleted before the operation ended."
        return Verdict(OperationStatus.FAILED, Failure("OperationPreempted", message, world.now))
    if row.is_quarantined:
        message = f"Instance {wish.id_of(number)} failed again and again and was taken out of service."
        return Verdict(OperationStatus.FAILED, Failure("OperationPreempted", message, world.now))
    if row.stage is Stage.FAILED and row.failure and _needs_ready(operation.kind):
        return Verdict(OperationStatus.FAILED, row.failure)
    if operation.kind is OperationKind.REDEPLOY and row.redeploys_wanted < operation.instances[number]:
        message = f"Instance {wish.id_of(number)} was powered off before it moved."
        preempted = Failure("OperationPreempted", message, world.now)
        return Verdict(OperationStatus.FAILED, row.failure or preempted)  # it stays where it is
    if operation.kind in _ENDS_RUNNING and row.wanted_power is not WantedPower.RUNNING:
        message = f"Instance {wish.id_of(number)} was powered off before the operation ended."
        return Verdict(OperationStatus.FAILED, Failure("OperationPreempted", message, world.now))
    if operation.kind is OperationKind.HIBERNATE and (failure := _why_awake(operation, row)) is not None:
        return Verdict(OperationStatus.FAILED, failure)
    return DONE if _has_reached(operation, row, world) else RUNNING_ON


def _why_awake(operation: Operation, row: Instance) -> Failure | None:
    """Why its memory could not be saved, so that it is wanted to run again."""
    is_recent = row.failure is not None and row.failure.at >= operation.started_at
    return row.failure if is_recent and row.wanted_power is WantedPower.RUNNING else None


def _needs_ready(kind: OperationKind) -> bool:
    return kind not in {
        OperationKind.POWER_OFF,
        OperationKind.DEALLOCATE,
        OperationKind.HIBERNATE,
        OperationKind.CANCEL_EXTENSION,
    }


def _has_reached(operation: Operation, row: Instance, world: World) -> bool:
    sight = world.of(row).sight
    wanted = operation.instances[row.instance_id]
    is_running = row.stage is Stage.READY and sight is Sight.RUNNING
    match operation.kind:
        case OperationKind.POWER_OFF:
            return sight in {Sight.DEAD, Sight.ABSENT} or row.wanted_power is WantedPower.RUNNING
        case OperationKind.DEALLOCATE:
            return sight is Sight.ABSENT or row.wanted_power is not WantedPower.DEALLOCATED
        case OperationKind.HIBERNATE:
            return sight is Sight.DEAD or row.wanted_power is not WantedPower.HIBERNATED
        case OperationKind.REDEPLOY:
            return is_running and row.redeploys_done >= wanted and row.moving_from is None
        case OperationKind.CANCEL_EXTENSION:
            return not any(state.is_running and state.cancelled_by for state in row.extensions.values())
        case OperationKind.REAPPLY:
            return is_running or row.wanted_power is not WantedPower.RUNNING
        case OperationKind.RESTART:
            return is_running and row.restarts_done >= wanted
        case OperationKind.REIMAGE:
            return is_running and row.generation >= wanted
        case OperationKind.UPGRADE:
            return is_running and row.model_version >= wanted
        case _:
            return is_running
