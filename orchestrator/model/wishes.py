"""What the verbs ask of an instance, as changes to its row. Pure: the loop makes them true on the hosts.

The API writes them for people, the loop for repairs, so that a reimage is one thing whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.model.instance import Cause, Failure, Instance, Stage, WantedPower


def started(row: Instance, now: float) -> Instance:
    """Power on: its host is asked again to make it run, on the disk it has. What runs anyway stays as it is."""
    if row.wanted_power is WantedPower.RUNNING:
        return row
    stage = Stage.WAITING if row.host is None else Stage.CREATING
    return row.but(wanted_power=WantedPower.RUNNING, is_hard_stop=False, stage=stage, changed_at=now)


def powered_off(row: Instance, now: float, *, is_hard: bool) -> Instance:
    """Stopped on its host. One that is deallocated or hibernated stays so: it is off already."""
    if row.wanted_power in {WantedPower.DEALLOCATED, WantedPower.HIBERNATED}:
        return row
    return _off(row, now, WantedPower.STOPPED, is_hard_stop=is_hard)


def _off(row: Instance, now: float, power: WantedPower, *, is_hard_stop: bool = False) -> Instance:
    """A redeploy that has not begun is wanted no more: it would end with the instance running."""
    redeploys = row.redeploys_done
    return row.but(wanted_power=power, is_hard_stop=is_hard_stop, redeploys_wanted=redeploys, changed_at=now)


def deallocated(row: Instance, now: float) -> Instance:
    return _off(row, now, WantedPower.DEALLOCATED)


def restarted(row: Instance, now: float) -> Instance:
    """One more restart. Azure's restart of a stopped instance starts it, so this does too."""
    if row.wanted_power is not WantedPower.RUNNING:
        return started(row, now)
    return row.but(restarts_wanted=row.restarts_wanted + 1, changed_at=now)


def redeployed(row: Instance, now: float) -> Instance:
    """To another host with its disk, and running there. One that waits for room has no host to leave."""
    if row.host is None:
        return started(row, now)
    row = row.but(wanted_power=WantedPower.RUNNING, is_hard_stop=False, redeploys_wanted=row.redeploys_wanted + 1)
    return row.but(changed_at=now)


def reapplied(row: Instance, now: float) -> Instance:
    """What failed is tried again from where it failed, with the extensions that failed. What is well stays."""
    if row.stage is not Stage.FAILED:
        return row
    again = {name: state for name, state in row.extensions.items() if state.code == "succeeded"}
    is_there = row.booted_at is not None and row.moving_from is None
    stage = Stage.WAITING if row.host is None else Stage.CONFIGURING if is_there else Stage.CREATING
    return row.but(stage=stage, extensions=again, failure=None, changed_at=now)


def reimaged(row: Instance, now: float, *, model_version: int, host_key: tuple[str, str]) -> Instance:
    """A new disk from the newest model under the same id, place and address, and a new SSH server with it.

    ``host_key`` is the new pair (private, public). A row that waits for room goes on waiting."""
    private, public = host_key
    return row.but(
        generation=row.generation + 1,
        model_version=model_version,
        stage=Stage.WAITING if row.host is None else Stage.CREATING,
        wanted_power=WantedPower.RUNNING,
        is_hard_stop=False,
        restarts_done=row.restarts_wanted,
        host_key_private=private,
        host_key_public=public,
        image_version=None,
        booted_at=None,
        failure=None,
        extensions={},
        changed_at=now,
    )


def reconfigured(row: Instance, now: float, *, model_version: int) -> Instance:
    """On the newest model where its disk need not change: extensions with a new configuration run again."""
    is_provisioned = row.stage in {Stage.READY, Stage.FAILED} and row.booted_at is not None
    return row.but(
        model_version=model_version,
        stage=Stage.CONFIGURING if is_provisioned else row.stage,
        failure=None if is_provisioned else row.failure,
        changed_at=now,
    )


def renumbered(
    row: Instance, *, model_version: int, before: Mapping[str, int], after: Mapping[str, int]
) -> Instance:
    """On another model that asks nothing of it. An extension whose configuration is the same under another number
    has run under that one too. ``before`` and ``after`` are the numbers of the row's model and of the other."""
    extensions = {
        name: replace(state, sequence=after[name])
        if name in after and state.sequence == before.get(name)
        else state
        for name, state in row.extensions.items()
    }
    return row.but(model_version=model_version, extensions=extensions)


def redefined(row: Instance, now: float, *, model_version: int) -> Instance:
    """On another model that wants another domain on the same disk: another size. One that is off stays off and is
    made anew when it starts; extensions with a new configuration run then."""
    if row.wanted_power is WantedPower.RUNNING and row.host is not None:
        row = row.but(stage=Stage.CREATING)
    return row.but(model_version=model_version, is_to_redefine=True, failure=None, changed_at=now)


def can_hibernate(row: Instance) -> bool:
    """Whether it has a memory worth keeping: it runs and is provisioned, or sleeps already."""
    is_up = row.stage in {Stage.READY, Stage.FAILED} and row.booted_at is not None
    return row.wanted_power is WantedPower.HIBERNATED or (is_up and row.wanted_power is WantedPower.RUNNING)


def hibernated(row: Instance, now: float) -> Instance:
    """Off, with its memory kept. What cannot hibernate stays as it is."""
    if row.wanted_power is WantedPower.HIBERNATED or not can_hibernate(row):
        return row
    return _off(row, now, WantedPower.HIBERNATED)


def quarantined(row: Instance, now: float, failure: Failure) -> Instance:
    """Out of service and switched off, with its disk and log kept; ``failure`` says why."""
    off = row.but(wanted_power=WantedPower.STOPPED, is_hard_stop=True)
    return off.but(quarantined_at=now, failure=failure, changed_at=now)


def forgiven(row: Instance) -> Instance:
    """Repairs are resumed: what failed before counts no longer, or they would suspend themselves again at once."""
    return row.but(repairs=0)


def given_up(row: Instance, now: float, *, cause: Cause, is_forced: bool = False) -> Instance:
    """Wanted no more: the row stays until nothing of it is left. Repeating it changes nothing but force."""
    if row.is_gone:
        return row.but(is_force_delete=row.is_force_delete or is_forced)
    return row.but(is_gone=True, gone_at=now, cause=cause, is_force_delete=is_forced, changed_at=now)
