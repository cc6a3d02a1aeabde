"""What a decision makes of a row. Pure, so that the loop, a preview and the property tests share one meaning."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.model import wishes
from orchestrator.model.instance import Cause, Failure, Instance, Stage
from orchestrator.plan import steps
from orchestrator.plan.inputs import Cost, SetWish, Sight
from orchestrator.plan.steps import Step

MakeKey = Callable[[], tuple[str, str]]


def applied(
    step: Step, row: Instance, wish: SetWish, sight: Sight, now: float, new_key: MakeKey
) -> Instance | None:
    """The row after the decision; ``None`` when it is dropped. ``new_key`` makes an SSH host key pair: it is
    asked only where a new disk is. A row whose public key changed has to be written with its key.

    Raises ``TypeError`` for a step that is no decision about a row that exists."""
    match step:
        case steps.ForgetInstance():
            return None
        case steps.RepairInPlace(is_reimage=is_reimage):
            return _repaired(row, wish, sight, now, new_key if is_reimage else None)
        case steps.ApplyModel():
            return _on_model(step, row, wish, now, new_key)
        case steps.PlaceInstance() | steps.MoveInstance():
            return _placed(step, row, now)
        case steps.Advance() | steps.FailInstance():
            return _staged(step, row, now)
        case _:
            return _counted_otherwise(step, row, now)


def _placed(step: steps.PlaceInstance | steps.MoveInstance, row: Instance, now: float) -> Instance:
    """One that moves leaves its disk behind until the new host has it."""
    behind = row.moving_from or row.host
    has_disk = row.booted_at is not None and behind not in {None, step.host}
    return row.but(
        host=step.host,
        zone=step.zone,
        fault_domain=step.fault_domain,
        moving_from=behind if has_disk else None,
        stage=Stage.CREATING,
        redeploys_done=row.redeploys_wanted,
        failure=None,
        changed_at=now,
    )


def _staged(step: steps.Advance | steps.FailInstance, row: Instance, now: float) -> Instance:
    if isinstance(step, steps.Advance):
        return row.but(stage=step.stage, changed_at=now, failure=None)
    return row.but(stage=Stage.FAILED, changed_at=now, failure=Failure(step.code, step.reason, now))


def _counted_otherwise(step: Step, row: Instance, now: float) -> Instance:
    match step:
        case steps.GiveUpInstance(cause=cause):
            return row.but(is_gone=True, gone_at=now, cause=cause)
        case steps.DeclareLost():
            return row.but(is_gone=True, gone_at=now, lost_at=now, cause=Cause.HOST_LOST)
        case steps.RefuseRedeploy(reason=reason):
            failure = Failure("AllocationFailed", reason, now)
            return row.but(redeploys_wanted=row.redeploys_done, failure=failure)
        case steps.QuarantineInstance(reason=reason):
            return wishes.quarantined(row, now, Failure("RepeatedFailures", reason, now))
        case steps.ForgetRepairs():
            return wishes.forgiven(row)
        case steps.KeepInstance():
            return row.but(is_on_trial=False)
        case _:
            raise TypeError(f"{step.kind} is not a decision about a row")


def _repaired(row: Instance, wish: SetWish, sight: Sight, now: float, new_key: MakeKey | None) -> Instance:
    counted = row.but(repairs=row.repairs + 1, cause=Cause.REPAIR, changed_at=now)
    if new_key is not None:
        fresh = wishes.reimaged(counted, now, model_version=wish.model_version, host_key=new_key())
        return fresh.but(vcpus=wish.vcpus, memory_mib=wish.memory_mib)
    if sight is Sight.RUNNING:
        return counted.but(restarts_wanted=row.restarts_wanted + 1)
    return counted.but(stage=Stage.CREATING)


def _on_model(step: steps.ApplyModel, row: Instance, wish: SetWish, now: float, new_key: MakeKey) -> Instance:
    """Size figures follow the model where the domain is made anew. What is off stays off, whatever it costs."""
    vcpus, memory_mib = wish.sizes.get(step.model_version, (wish.vcpus, wish.memory_mib))
    size = {"vcpus": vcpus, "memory_mib": memory_mib}
    match step.how:
        case Cost.NOTHING:
            before = {each.name: each.sequence for each in wish.extensions_of(row)}
            after = {each.name: each.sequence for each in wish.extensions.get(step.model_version, ())}
            return wishes.renumbered(row, model_version=step.model_version, before=before, after=after)
        case Cost.IN_PLACE:
            return wishes.reconfigured(row, now, model_version=step.model_version)
        case Cost.RESTART:
            return wishes.redefined(row, now, model_version=step.model_version).but(**size)
        case Cost.REIMAGE:
            fresh = wishes.reimaged(row, now, model_version=step.model_version, host_key=new_key())
            power = {"wanted_power": row.wanted_power, "is_hard_stop": row.is_hard_stop}
            return fresh.but(image_version=step.image_version, **power, **size)
        case Cost.REPLACE:
            raise TypeError("replacing an instance makes another one; it is not done to a row")
