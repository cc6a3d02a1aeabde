"""A rolling upgrade that breaks a limit: what is told, who goes back, and the set's own model. Pure."""

from __future__ import annotations

from orchestrator.model.instance import Failure
from orchestrator.model.rolling_upgrade import RollingStatus, UpgradeReason
from orchestrator.plan import steps
from orchestrator.plan.protection import is_protected_from_set_actions
from orchestrator.plan.rolling_pass import Rolling, Troubles, told_troubles
from orchestrator.plan.upgrade_ways import backwards, can_go_back, is_behind

BEFORE = "MaxUnhealthyInstancePercentExceededBeforeRollingUpgrade"
DURING = "MaxUnhealthyInstancePercentExceededInRollingUpgrade"
UPGRADED = "MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade"
TIMEOUT = "RollingUpgradeTimeoutError"


def stop(rolling: Rolling, code: str, failing: Troubles, words: str, **changes: object) -> None:
    """A limit is exceeded. Every instance that failed is named, not only the first."""
    told = told_troubles(rolling.wish, failing)
    words = f"the rolling upgrade to {rolling.goal} stops: {words}" + (f" ({told})" if told else "")
    failure = Failure(code, f"{words[0].upper()}{words[1:]}", rolling.world.now)
    back = _going_back(rolling, failing)
    if not back:
        rolling.end(RollingStatus.FAULTED, words, failure, **changes)
        revert(rolling)
        return
    rolling.draft.decisions.extend(backwards(rolling.wish, rolling.upgrade, *each) for each in back.items())
    words = f"{words}; {rolling.names(back)} {'goes' if len(back) == 1 else 'go'} back"
    rolling.put(
        words,
        **{
            **changes,
            "status": RollingStatus.ROLLING_BACK,
            "failure": failure,
            "batch": back,
            "batch_images": {number: rolling.upgrade.batch_images.get(number, "") for number in back},
            "batch_began_at": rolling.world.now,
            "surged": (),
            "paused_until": None,
        },
    )


def _going_back(rolling: Rolling, failing: Troubles) -> dict[int, int]:
    """Instances that return to what they had, with the model version of that."""
    policy, upgrade = rolling.policy, rolling.upgrade
    if not (policy.rolls_back_failed or policy.rolls_back_model):
        return {}
    back: dict[int, int] = {}
    for row, _ in failing:
        version = upgrade.batch.get(row.instance_id, upgrade.previous_model_version)
        is_touched = row.instance_id in {*upgrade.batch, *upgrade.upgraded, *upgrade.failed}
        has_it = is_touched and not is_behind(rolling.wish, upgrade, row)
        if is_protected_from_set_actions(row):
            continue  # protected since it was upgraded: it is told of, and left as it is
        if version and has_it and can_go_back(upgrade, row.instance_id, version):
            back[row.instance_id] = version
    return back


def revert(rolling: Rolling) -> None:
    """The set's own model back to the newest one that was seen to work."""
    proven, target = rolling.wish.proven_model_version, rolling.upgrade.model_version
    if rolling.upgrade.batch_number == 0:
        return  # nobody was on the new model yet: it is not what made them unhealthy
    if not rolling.policy.rolls_back_model or rolling.upgrade.reason is not UpgradeReason.MODEL:
        return
    if not 0 < proven < target:
        rolling.draft.notes.append(f"the set stays on model {target}: no older one was seen healthy")
        return
    reason = f"model {target} broke its limits: the set goes back to what model {proven} was, which was healthy"
    rolling.draft.set_decisions.append(steps.RevertSet(reason, proven))
