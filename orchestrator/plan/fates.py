"""What becomes of each instance by itself: (wanted, power, stage, sight) -> the next step.

Counting, placing and repairing look at the whole set and have files of their own; everything one row and
its guest decide alone is here, as a table to be read from the top: the first line that fits is the fate.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.model.instance import Cause, ExtensionState, Instance, Stage, WantedPower
from orchestrator.plan import steps
from orchestrator.plan.extensions import next_extension, told_failures
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
    elif row.is_quarantined and _host_is_silent(world, row):
        return  # nobody waits for it: it is looked at when the host answers
    elif (silent := _silent_host(world, row, seen)) is not None:
        _be_unreachable(wish, world, row, silent, draft)
    elif seen.retry_at > world.now:
        draft.wake_times.append(seen.retry_at)
    elif row.wanted_power is not WantedPower.RUNNING:
        _rest(row, seen, draft)
    else:
        _live(wish, row, seen, draft)


def _silent_host(world: World, row: Instance, seen: Seen) -> str | None:
    """The host it cannot do without: its own, or, before it is on that, the one that has its disk."""
    if _host_is_silent(world, row):
        return row.host
    return _silent_of(world, (row.moving_from,)) if seen.sight is Sight.ABSENT else None


def _silent_of(world: World, names: Iterable[str | None]) -> str | None:
    """The first of these hosts that does not answer. One that was taken out for good is waited for no more."""
    hosts = [world.hosts.get(name or "") for name in names]
    return next((host.name for host in hosts if host is not None and not host.is_up), None)


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
    elif (silent := _silent_of(world, (row.host, row.moving_from))) is not None:
        draft.notes.append(f"{wish.id_of(row.instance_id)}: to be removed when host {silent} answers again")
    elif seen.retry_at > world.now:
        draft.wake_times.append(seen.retry_at)
    else:
        why = "it was declared lost and its host is back: fence it" if row.is_lost else "it is wanted no more"
        is_hard = wish.is_force_deletion or row.is_force_delete or row.cause in _HARD_CAUSES
        is_hard = is_hard or row.stage in _DEAF_STAGES
        draft.actions.append(steps.RemoveGuest(row.instance_id, why, host.name, is_hard))


def _be_unreachable(wish: SetWish, world: World, row: Instance, name: str, draft: Draft) -> None:
    """Silence is not death: only after the lease is the instance given up."""
    host = world.hosts.get(name)
    since = host.silent_since if host else world.now - world.rules.host_lease_s
    lost_at = (world.now if since is None else since) + world.rules.host_lease_s
    if world.now < lost_at:
        draft.notes.append(f"{wish.id_of(row.instance_id)}: unreachable, host {name} does not answer")
        draft.wake_times.append(lost_at)
    elif host is not None and not any(other.is_up for other in world.hosts.values()):
        name_of_it = wish.id_of(row.instance_id)
        draft.notes.append(f"{name_of_it}: kept although its lease is over: no host at all answers")
    else:
        reason = f"host {name} has not answered for {world.rules.host_lease_s:g} s, its lease is over"
        if host is None:
            reason = f"host {name} was taken out for good"
        draft.decisions.append(steps.DeclareLost(row.instance_id, reason))


def _rest(row: Instance, seen: Seen, draft: Draft) -> None:
    """Power that should be off."""
    host = row.host or ""
    if row.moving_from is not None:
        if row.stage is not Stage.FAILED:
            reason = f"its disk is brought here from host {row.moving_from} first"
            draft.actions.append(steps.CreateGuest(row.instance_id, reason, host))
    elif row.wanted_power is WantedPower.HIBERNATED and seen.sight is Sight.RUNNING:
        reason = "hibernation was asked for: its memory is saved"
        draft.actions.append(steps.HibernateGuest(row.instance_id, reason, host))
    elif row.wanted_power is WantedPower.DEALLOCATED and seen.sight is not Sight.ABSENT:
        reason = "deallocation was asked for: it gives up its place and keeps its disk"
        draft.actions.append(steps.DeallocateGuest(row.instance_id, reason, host, row.is_hard_stop))
    elif row.wanted_power is WantedPower.STOPPED and seen.sight is Sight.RUNNING:
        reason = "it is in quarantine" if row.is_quarantined else "power-off was asked for"
        draft.actions.append(steps.StopGuest(row.instance_id, reason, host, row.is_hard_stop))


def _live(wish: SetWish, row: Instance, seen: Seen, draft: Draft) -> None:
    """Power that should be on. Dead guests of provisioned rows are left to the repair rule."""
    if row.stage is Stage.CREATING:
        reason = _why_create(row)
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
    elif row.stage is Stage.CONFIGURING and not _is_held(wish, row):
        _configure(wish, row, draft)


def _is_held(wish: SetWish, row: Instance) -> bool:
    """Whether its extensions wait until it is kept (``doNotRunExtensionsOnOverprovisionedVMs``)."""
    is_extra = row.is_on_trial and row.cause is not Cause.REBALANCE
    return is_extra and not wish.runs_extensions_on_trial


def _why_create(row: Instance) -> str:
    if row.moving_from is not None and row.booted_at is not None:
        return f"it moves here with its disk from host {row.moving_from}"
    if row.is_to_redefine and row.booted_at is not None:
        return "its domain is made anew on its disk"
    return "it is wanted and not there" if row.generation == 1 or row.booted_at else "its disk is made anew"


def is_restarting(row: Instance, seen: Seen) -> bool:
    """A restart is owed. One that a crash broke off in the middle shows a dead guest, which is no death."""
    return row.restarts_wanted > row.restarts_done and seen.sight in {Sight.RUNNING, Sight.DEAD}


def _configure(wish: SetWish, row: Instance, draft: Draft) -> None:
    wishes = wish.extensions_of(row)
    found = next_extension(row, wishes)
    if found.stop:
        draft.actions.append(_stop(row, found.stop))
    elif found.run:
        reason = f"extension {found.run.name} has not run with configuration {found.run.sequence}"
        step = steps.RunExtension(row.instance_id, reason, found.run.name, found.run.sequence)
        draft.actions.append(step)
    elif found.failed:
        reason = told_failures(found)
        draft.decisions.append(steps.FailInstance(row.instance_id, reason, "VMExtensionProvisioningError"))
    else:
        reason = "all its extensions have run" if wishes else "it has no extensions to run"
        draft.decisions.append(steps.Advance(row.instance_id, reason, Stage.READY))


def _stop(row: Instance, state: ExtensionState) -> steps.StopExtension:
    is_cancelled = state.cancelled_by is not None
    why = f"cancelled by {state.cancelled_by}" if is_cancelled else "its configuration is wanted no more"
    reason = f"extension {state.name} still runs with configuration {state.sequence}: {why}"
    return steps.StopExtension(row.instance_id, reason, state.name, state.sequence, is_cancelled)
