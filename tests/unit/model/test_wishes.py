from __future__ import annotations

import pytest

from orchestrator.model import wishes
from orchestrator.model.instance import Cause, ExtensionState, Failure, Instance, Stage, WantedPower


def row(**changes: object) -> Instance:
    made = Instance("0123456789ab", 7, 1, 1, Stage.READY, 100.0, 200.0, "10.90.0.7", "02:00", "private", "public")
    return made.but(host="h1", booted_at=150.0, image_version="1.0.0", **changes)


def test_a_reimage_is_a_new_disk_a_new_key_and_all_extensions_again() -> None:
    state = ExtensionState("run", "CustomScript", "2.1", 1, "succeeded", "", 1.0)
    before = row(extensions={"run": state}, restarts_wanted=2, wanted_power=WantedPower.STOPPED)
    after = wishes.reimaged(before, 300.0, model_version=5, host_key=("new", "newer"))
    assert (after.generation, after.model_version, after.stage) == (2, 5, Stage.CREATING)
    assert (after.host_key_private, after.host_key_public) == ("new", "newer")
    assert (after.extensions, after.image_version, after.booted_at) == ({}, None, None)
    assert (after.restarts_done, after.wanted_power) == (2, WantedPower.RUNNING)
    assert (after.instance_id, after.address, after.host) == (7, "10.90.0.7", "h1")


def test_a_reimage_of_what_waits_for_room_goes_on_waiting() -> None:
    waiting = row().but(host=None, stage=Stage.WAITING)
    assert wishes.reimaged(waiting, 1.0, model_version=1, host_key=("a", "b")).stage is Stage.WAITING


def test_restarting_what_is_off_starts_it() -> None:
    assert wishes.restarted(row(wanted_power=WantedPower.STOPPED), 1.0).wanted_power is WantedPower.RUNNING
    assert wishes.restarted(row(restarts_wanted=1), 1.0).restarts_wanted == 2


@pytest.mark.parametrize("power", [WantedPower.DEALLOCATED, WantedPower.HIBERNATED])
def test_powering_off_leaves_what_is_off_as_it_is(power: WantedPower) -> None:
    off = row(wanted_power=power)
    assert wishes.powered_off(off, 1.0, is_hard=True) == off


def test_powering_off_may_be_hard() -> None:
    assert wishes.powered_off(row(), 1.0, is_hard=True).is_hard_stop


@pytest.mark.parametrize(
    ("changes", "stage"),
    [({}, Stage.CONFIGURING), ({"moving_from": "h2"}, Stage.CREATING)],
)
def test_what_failed_before_its_disk_was_there_is_made_again(changes: dict[str, object], stage: Stage) -> None:
    assert wishes.reapplied(row(stage=Stage.FAILED, **changes), 1.0).stage is stage


def test_starting_what_runs_changes_nothing() -> None:
    assert wishes.started(row(), 9.0) == row()


@pytest.mark.parametrize(
    ("before", "after"),
    [(Stage.READY, Stage.CONFIGURING), (Stage.FAILED, Stage.CONFIGURING), (Stage.BOOTING, Stage.BOOTING)],
)
def test_a_new_configuration_runs_where_the_guest_has_come_far_enough(before: Stage, after: Stage) -> None:
    failed = row(stage=before, failure=Failure("x", "y", 1.0))
    changed = wishes.reconfigured(failed, 1.0, model_version=4)
    assert (changed.stage, changed.model_version) == (after, 4)


def test_giving_up_twice_is_as_once_but_may_bring_force() -> None:
    once = wishes.given_up(row(), 5.0, cause=Cause.USER)
    assert (once.is_gone, once.gone_at, once.cause) == (True, 5.0, Cause.USER)
    twice = wishes.given_up(once, 9.0, cause=Cause.REPAIR, is_forced=True)
    assert twice == once.but(is_force_delete=True)
