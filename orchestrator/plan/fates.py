"""What becomes of each instance by itself: (wanted, power, stage, sight) -> the next step.

Counting, placing and repairing look at the whole set and have files of their own; everything one row and
its guest decide alone is here, as a table to be read from the top: the first line that fits is the fate.
"""

from __future__ import annotations

from orchestrator.model.instance import Cause, Instance, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.extensions import next_extension
from orchestrator.plan.inputs import Seen, SetWish, Sight, World
from orchestrator.plan.steps import Draft


def plan_fate(wish: SetWish, world: World, row: Instance, draft: Draft) -> None:
    """Add this row's next step to the draft, if it has one."""
    seen = world.of(row)
    if seen.is_busy:
        return
    if row.is_gone:
        _leave(wish, world, row, seen, draft)
    elif row.stage is Stage.WAITING or row.host is None:
        return  # the placer deals with it
    elif _host_is_silent(world, row):
        _be_unreachable(world, row, draft)
    elif seen.retry_at > world.now:
        draft.wake_times.append(seen.retry_at)
    elif row.wanted_power is not WantedPower.RUNNING:
        _rest(row, seen, draft)
    else:
        _live(wish, row, seen, draft)


def _host_is_silent(world: World, row: Instance) -> bool:
    host = world.hosts.get(row.host or "")
    return host is None or not host.is_up


_HARD_CAUSES = {Cause.REPAIR, Cause.HOST_LOST}
# Its operating system is not up yet and would not hear that it is to power off.
_DEAF_STAGES = {Stage.WAITING, Stage.CREATING, Stage.BOOTING}


def _leave(wish: SetWish, world: World, row: Instance, seen: Seen, draft: Draft) -> None:
    host = world.hosts.get(row.host or "")
    if host is None:
        reason = "it was never placed" if row.host is None else f"host {row.host} was taken out for good"
        draft.decisions.append(steps.ForgetInstance(row.instance_id, reason))
    elif not host.is_up:
        draft.notes.append(f"{row.instance_id}: to be removed when host {host.name} answers again")
    elif seen.retry_at > world.now:
        draft.wake_times.append(seen.retry_at)
    else:
        why = "it was declared lost and its host is back: fence it" if row.is_lost else "it is wanted no more"
        is_hard = wish.is_force_deletion or row.is_force_delete or row.cause in _HARD_CAUSES
        is_hard = is_hard or row.stage in _DEAF_STAGES
        draft.actions.append(steps.RemoveGuest(row.instance_id, why, host.name, is_hard))


def _be_unreachable(world: World, row: Instance, draft: Draft) -> None:
    """Silence is not death: only after the lease is the instance given up."""
    host = world.hosts.get(row.host or "")
    since = host.silent_since if host else world.now - world.rules.host_lease_s
    lost_at = (world.now if since is None else since) + world.rules.host_lease_s
    if world.now < lost_at:
        draft.notes.append(f"{row.instance_id}: unreachable, host {row.host} does not answer")
        draft.wake_times.append(lost_at)
    elif host is not None and not any(other.is_up for other in world.hosts.values()):
        draft.notes.append(f"{row.instance_id}: kept although its lease is over: no host at all answers")
    else:
        reason = f"host {row.host} has not answered for {world.rules.host_lease_s:g} s, its lease is over"
        if host is None:
            reason = f"host {row.host} was taken out for good"
        draft.decisions.append(steps.DeclareLost(row.instance_id, reason))


def _rest(row: Instance, seen: Seen, draft: Draft) -> None:
    """Power that should be off."""
    host = row.host or ""
    if row.wanted_power is WantedPower.DEALLOCATED and seen.sight is not Sight.ABSENT:
        reason = "deallocation was asked for: it gives up its place and keeps its disk"
        draft.actions.append(steps.DeallocateGuest(row.instance_id, reason, host, row.is_hard_stop))
    elif row.wanted_power is WantedPower.STOPPED and seen.sight is Sight.RUNNING:
        reason = "power-off was asked for"
        draft.actions.append(steps.StopGuest(row.instance_id, reason, host, row.is_hard_stop))


def _live(wish: SetWish, row: Instance, seen: Seen, draft: Draft) -> None:
    """Power that should be on. Dead guests of provisioned rows are left to the repair rule."""
    if row.stage is Stage.CREATING:
        reason = "it is wanted and not there" if row.generation == 1 else "its disk is made anew"
        draft.actions.append(steps.CreateGuest(row.instance_id, reason, row.host or ""))
    elif is_restarting(row, seen):
        draft.actions.append(steps.RestartGuest(row.instance_id, "a restart was asked for", row.host or ""))
    elif seen.sight is not Sight.RUNNING:
        return
    elif row.stage is Stage.BOOTING and wish.has_agent:
        draft.actions.append(steps.AwaitGuest(row.instance_id, "its operating system starts"))
    elif row.stage is Stage.BOOTING:
        reason = "its domain runs, and it has no agent to wait for"
        draft.decisions.append(steps.Advance(row.instance_id, reason, Stage.CONFIGURING))
    elif row.stage is Stage.CONFIGURING:
        _configure(wish, row, draft)


def is_restarting(row: Instance, seen: Seen) -> bool:
    """A restart is owed. One that a crash broke off in the middle shows a dead guest, which is no death."""
    return row.restarts_wanted > row.restarts_done and seen.sight in {Sight.RUNNING, Sight.DEAD}


def _configure(wish: SetWish, row: Instance, draft: Draft) -> None:
    wishes = wish.extensions_of(row)
    found = next_extension(row, wishes)
    if found.run:
        reason = f"extension {found.run.name} has not run with configuration {found.run.sequence}"
        step = steps.RunExtension(row.instance_id, reason, found.run.name, found.run.sequence)
        draft.actions.append(step)
    elif found.failed:
        reason = f"extension {found.failed.name} failed: {found.failed.message}"
        draft.decisions.append(steps.FailInstance(row.instance_id, reason, "VMExtensionProvisioningError"))
    else:
        reason = "all its extensions have run" if wishes else "it has no extensions to run"
        draft.decisions.append(steps.Advance(row.instance_id, reason, Stage.READY))
