"""The rolling upgrade as a machine: what it decides from a record, rows and sights (reference 4.5, 4.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.model.health import Health
from orchestrator.model.instance import Failure, Instance, Protection, Stage, WantedPower
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.plan import steps
from orchestrator.plan.inputs import Cost, Difference, ImageUpgradeWish, RollingPolicy, Seen, SetWish, Sight, World
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import Plan
from tests.unit.plan.tables import DEAD, NOW, SILENT, row, sick, wish, world

SCRIPT = Difference(Cost.IN_PLACE, ("properties.virtualMachineProfile.extensionProfile.extensions[page]",))
WELL = Seen(Sight.RUNNING, Health.HEALTHY, 1000.0)
FAILED = {"stage": Stage.FAILED, "failure": Failure("VMExtensionProvisioningError", "exit code 1", NOW)}


def rolling(capacity: int, **changes: Any) -> SetWish:
    policy = RollingPolicy(**changes.pop("policy", {}))
    values: dict[str, Any] = {
        "model_version": 2,
        "upgrade_mode": "Rolling",
        "rolling": policy,
        "differences": {1: SCRIPT},
        "proven_model_version": 1,
    }
    return wish(capacity, **{**values, **changes})


def upgrade(**changes: Any) -> RollingUpgrade:
    values: dict[str, Any] = {
        "reason": UpgradeReason.MODEL,
        "model_version": 2,
        "previous_model_version": 1,
        "batch_began_at": NOW - 10,
    }
    return RollingUpgrade(id="u", set_uid="a" * 12, started_at=9000.0, **{**values, **changes})


def plan(wanted: SetWish, rows: list[Instance], record: RollingUpgrade | None = None, **seen: Seen) -> Plan:
    return plan_set(wanted, _with(world(rows, **seen), record))


def _with(there: World, record: RollingUpgrade | None) -> World:
    return replace(there, upgrade=record)


def put(found: Plan) -> RollingUpgrade:
    [step] = [step for step in found.set_decisions if isinstance(step, steps.PutUpgrade)]
    return step.upgrade


def applied(found: Plan) -> dict[int, tuple[int, Cost]]:
    return {
        step.instance_id: (step.model_version, step.how)
        for step in found.decisions
        if isinstance(step, steps.ApplyModel)
    }


def rows_on(*versions: int) -> list[Instance]:
    return [row(number, model_version=version) for number, version in enumerate(versions)]


# Beginning


def test_it_begins_by_itself_when_instances_are_behind() -> None:
    found = plan(rolling(2), rows_on(1, 2))
    record = put(found)
    assert (record.model_version, record.previous_model_version, record.status) == (
        2,
        1,
        RollingStatus.ROLLING_FORWARD,
    )
    assert plan(rolling(2), rows_on(1, 2)) == found, "same inputs, same plan, the same id too"


@pytest.mark.parametrize("status", [RollingStatus.FAULTED, RollingStatus.CANCELLED])
def test_a_model_that_ended_badly_is_not_tried_again_by_itself(status: RollingStatus) -> None:
    found = plan(rolling(2), rows_on(1, 1), upgrade(status=status))
    assert not found.set_decisions and not found.decisions
    assert any(status.value in note for note in found.notes)
    assert put(plan(rolling(2, model_version=3), rows_on(1, 1), upgrade(status=status))).model_version == 3


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"protection": Protection(True, True)}, WELL),
        ({"wanted_power": WantedPower.HIBERNATED}, Seen(Sight.DEAD)),
        ({}, Seen(Sight.RUNNING, Health.HEALTHY, 1000.0, is_upgrade_skipped=True)),
    ],
)
def test_the_protected_the_hibernated_and_those_who_ask_to_be_skipped_are_left_alone(
    changes: dict[str, Any], seen: Seen
) -> None:
    assert not plan(rolling(1), [row(0, **changes)], i0=seen).set_decisions


def test_what_costs_nothing_needs_no_batch() -> None:
    found = plan(rolling(2, differences={1: Difference(Cost.NOTHING)}), rows_on(1, 1))
    assert applied(found) == {0: (2, Cost.NOTHING), 1: (2, Cost.NOTHING)}
    assert not found.set_decisions


# Between batches


@pytest.mark.parametrize(
    ("unhealthy", "percent", "stops"),
    [(0, 20, False), (1, 20, False), (2, 20, True), (2, 40, False), (3, 40, True), (5, 100, False)],
)
@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (0, "MaxUnhealthyInstancePercentExceededBeforeRollingUpgrade"),
        (1, "MaxUnhealthyInstancePercentExceededInRollingUpgrade"),
    ],
)
def test_the_share_of_the_unhealthy_is_checked_before_each_batch(
    unhealthy: int, percent: int, stops: bool, batch: int, code: str
) -> None:
    wanted = rolling(5, policy={"unhealthy_percent": percent})
    ill = {f"i{number}": sick() for number in range(unhealthy)}
    record = put(plan(wanted, rows_on(1, 1, 1, 1, 1), upgrade(batch_number=batch), **ill))
    assert (record.status is RollingStatus.FAULTED) is stops
    if stops:
        assert record.failure is not None and record.failure.code == code
        assert all(f"web_{number}: Unhealthy" in record.failure.message for number in range(unhealthy))


@pytest.mark.parametrize("proven", [0, 1])
def test_a_fix_is_not_held_up_by_what_a_bad_model_broke_and_begins_with_it(proven: int) -> None:
    wanted = rolling(4, model_version=3, differences={1: SCRIPT, 2: SCRIPT}, proven_model_version=proven, policy={})
    found = plan(wanted, rows_on(1, 1, 2, 1), upgrade(model_version=3), i2=sick())
    if proven:
        assert list(put(found).batch) == [2]
    else:
        assert put(found).status is RollingStatus.FAULTED, "whether model 1 was any better is not known"


def test_what_never_came_up_is_upgraded_first_and_counts_as_no_illness() -> None:
    rows = [row(0), row(1), row(2, **FAILED), row(3)]
    assert list(put(plan(rolling(4), rows, upgrade())).batch) == [2]


@pytest.mark.parametrize(
    ("seen", "word"),
    [(Seen(Sight.RUNNING, Health.INITIALIZING, NOW), "web_1 is Initializing"), (SILENT, "h1 does not answer")],
)
def test_it_waits_while_somebodys_health_is_not_known(seen: Seen, word: str) -> None:
    found = plan(rolling(2), rows_on(1, 1), upgrade(), i1=seen)
    assert not found.set_decisions
    assert any(word in note for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, Cost.IN_PLACE),
        (FAILED, Cost.IN_PLACE),
        ({"stage": Stage.FAILED, "failure": Failure("OSProvisioningTimedOut", "silent", NOW)}, Cost.REIMAGE),
    ],
)
def test_the_least_that_does_it_is_done(changes: dict[str, Any], how: Cost) -> None:
    assert applied(plan(rolling(1), [row(0, **changes)], upgrade())) == {0: (2, how)}


def test_what_is_dead_is_started_on_the_new_model() -> None:
    wanted = rolling(1, policy={"unhealthy_percent": 100})
    assert applied(plan(wanted, [row(0)], upgrade(), i0=DEAD)) == {0: (2, Cost.RESTART)}


def test_the_canary_batch_has_its_own_size_and_what_is_off_is_brought_over_at_once() -> None:
    wanted = rolling(6, policy={"batch_percent": 100, "canary_count": 2})
    rows = [*rows_on(1, 1, 1, 1, 1), row(5, wanted_power=WantedPower.DEALLOCATED)]
    first = plan(wanted, rows, upgrade(), i5=Seen(Sight.ABSENT))
    assert applied(first) == {5: (2, Cost.IN_PLACE)} and put(first).upgraded == (5,)
    rows[5] = rows[5].but(model_version=2)
    canary = put(plan(wanted, rows, put(first), i5=Seen(Sight.ABSENT)))
    assert list(canary.batch) == [0, 1]
    rest = canary.but(batch={}, upgraded=(5, 0, 1))
    rows[0], rows[1] = rows[0].but(model_version=2), rows[1].but(model_version=2)
    assert list(put(plan(wanted, rows, rest, i5=Seen(Sight.ABSENT))).batch) == [2, 3, 4]


def test_the_order_that_health_asks_for_is_read_at_the_start_and_kept() -> None:
    wanted = rolling(2, policy={"batch_percent": 50})
    late = Seen(Sight.RUNNING, Health.HEALTHY, 1000.0, phase=5)
    early = Seen(Sight.RUNNING, Health.HEALTHY, 1000.0, phase=1)
    record = put(plan(wanted, rows_on(1, 1), upgrade(), i0=late, i1=early))
    assert list(record.batch) == [1] and record.phases == {0: 5, 1: 1}


def test_a_pause_is_a_time_to_look_again() -> None:
    found = plan(rolling(1), rows_on(1), upgrade(batch_number=1, paused_until=NOW + 30))
    assert not found.set_decisions and found.look_again_at == NOW + 30


@pytest.mark.parametrize(
    ("wanted", "record", "word"),
    [
        (rolling(2), upgrade(is_cancel_wanted=True, paused_until=NOW + 9), "a request"),
        (rolling(2, upgrade_mode="Manual"), upgrade(), "Manual"),
    ],
)
def test_it_is_cancelled_between_batches(wanted: SetWish, record: RollingUpgrade, word: str) -> None:
    ended = put(plan(wanted, rows_on(1, 1), record))
    assert ended.status is RollingStatus.CANCELLED and ended.failure and word in ended.failure.message


def test_a_newer_model_ends_it_and_what_it_made_beyond_the_capacity() -> None:
    rows = [*rows_on(1, 1), row(2, model_version=2)]
    record = upgrade(batch={0: 1}, surged=(2,))
    found = plan(rolling(2, model_version=3), rows, record)
    assert put(found).status is RollingStatus.CANCELLED
    assert [step.instance_id for step in found.decisions] == [2]


def test_a_small_percentage_is_warned_of() -> None:
    found = plan(rolling(4), rows_on(1, 1, 1, 1), upgrade(batch_number=1, paused_until=NOW + 30))
    assert any("20 % of 4 is less than one instance: batches are of one" in note for note in found.notes)


# The batch under way


@pytest.mark.parametrize(
    ("seen", "changes", "outcome"),
    [
        (WELL, {}, "upgraded"),
        (Seen(Sight.RUNNING, Health.HEALTHY, NOW - 5), {}, "waits"),  # one answer is not enough
        (Seen(Sight.RUNNING, Health.HEALTHY, NOW - 6), {}, "upgraded"),
        (Seen(Sight.RUNNING, Health.INITIALIZING, NOW), {"changed_at": NOW}, "waits"),
        (sick(NOW - 1), {"changed_at": NOW - 299}, "waits"),
        (sick(NOW - 1), {"changed_at": NOW - 300}, "failed"),
        (Seen(Sight.RUNNING), {"stage": Stage.BOOTING}, "waits"),
        (Seen(Sight.RUNNING), FAILED, "failed"),
        (WELL, {"wanted_power": WantedPower.STOPPED}, "upgraded"),
        (WELL, {"is_gone": True}, "gone"),
    ],
)
def test_how_an_instance_of_a_batch_stands(seen: Seen, changes: dict[str, Any], outcome: str) -> None:
    wanted = rolling(2, policy={"unhealthy_upgraded_percent": 100})
    rows = [row(0, model_version=2, **changes), row(1)]
    found = plan(wanted, rows, upgrade(batch={0: 1}, batch_number=1, batch_began_at=NOW - 400), i0=seen)
    if outcome == "waits":
        assert not found.set_decisions and found.look_again_at is not None
    else:
        after = put(found)
        assert (after.upgraded, after.failed) == {
            "upgraded": ((0,), ()),
            "failed": ((), (0,)),
            "gone": ((), ()),
        }[outcome]
        assert after.batch == {}


def test_what_never_gets_ready_is_not_waited_for_for_ever() -> None:
    wanted = rolling(2, extensions_budget_s=600.0)
    rows = [row(0, model_version=2, stage=Stage.CREATING), row(1)]
    record = upgrade(batch={0: 1}, batch_number=1, batch_began_at=NOW - 1800)
    ended = put(plan(wanted, rows, record, i0=Seen(Sight.ABSENT)))
    assert ended.status is RollingStatus.FAULTED
    assert ended.failure is not None and ended.failure.code == "RollingUpgradeTimeoutError"


def test_a_guest_that_dies_in_a_batch_has_failed_even_if_it_comes_up_again() -> None:
    wanted = rolling(2, policy={"unhealthy_upgraded_percent": 100})
    record = upgrade(batch={0: 1}, batch_number=1)
    rows = [row(0, model_version=2), row(1)]
    told = put(plan(wanted, rows, record, i0=DEAD))
    assert told.failed == (0,) and told.batch == {0: 1}
    after = put(plan(wanted, rows, told))
    assert after.failed == (0,) and after.upgraded == () and after.batch == {}


@pytest.mark.parametrize(
    ("failed", "well", "percent", "stops"),
    [(1, 4, 20, False), (1, 3, 20, True), (2, 8, 20, False), (3, 7, 20, True), (1, 9, 0, True), (5, 0, 100, False)],
)
def test_too_many_failed_of_the_upgraded_stop_it(failed: int, well: int, percent: int, stops: bool) -> None:
    count = failed + well
    wanted = rolling(count + 1, policy={"unhealthy_upgraded_percent": percent, "unhealthy_percent": 100})
    rows = [row(n, model_version=2, **(FAILED if n < failed else {})) for n in range(count)] + [row(count)]
    record = put(plan(wanted, rows, upgrade(batch=dict.fromkeys(range(count), 1), batch_number=1)))
    assert (record.status is RollingStatus.FAULTED) is stops
    if stops:
        assert record.failure is not None
        assert record.failure.code == "MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade"
        assert all(f"web_{n}: exit code 1" in record.failure.message for n in range(failed))


def test_one_that_was_upgraded_before_and_is_sick_now_counts() -> None:
    rows = [*rows_on(2, 2), row(2)]
    record = upgrade(batch={1: 1}, upgraded=(0,), batch_number=2)
    assert put(plan(rolling(3), rows, record, i0=sick())).status is RollingStatus.FAULTED


def test_the_failed_go_back_to_the_versions_that_they_had_and_then_it_is_faulted() -> None:
    wanted = rolling(
        3, model_version=3, policy={"rolls_back_failed": True}, differences={1: Difference(Cost.RESTART), 2: SCRIPT}
    )
    rows = [row(0, model_version=3, **FAILED), row(1, model_version=3, **FAILED), row(2, model_version=2)]
    record = upgrade(model_version=3, batch={0: 1, 1: 2}, batch_number=1)
    found = plan(wanted, rows, record)
    assert applied(found) == {0: (1, Cost.RESTART), 1: (2, Cost.REIMAGE)}
    going = put(found)
    assert going.status is RollingStatus.ROLLING_BACK and going.batch == {0: 1, 1: 2}
    back = [row(0, model_version=1), row(1, model_version=2, **FAILED), row(2, model_version=2)]
    ended = put(plan(wanted, back, going))
    assert ended.status is RollingStatus.FAULTED and ended.rolled_back == (0,)
    assert ended.failure == going.failure


@pytest.mark.parametrize(("proven", "reverts"), [(1, [1]), (0, []), (2, [])])
def test_the_model_goes_back_to_the_proven_one_if_there_is_an_older(proven: int, reverts: list[int]) -> None:
    wanted = rolling(2, policy={"rolls_back_model": True}, proven_model_version=proven)
    going = upgrade(status=RollingStatus.ROLLING_BACK, batch={0: 1}, batch_number=1, failure=Failure("X", "x", NOW))
    found = plan(wanted, rows_on(1, 1), going)
    assert [s.model_version for s in found.set_decisions if isinstance(s, steps.RevertSet)] == reverts


# Surge


def test_newcomers_begin_beside_the_batch_and_protected_ones_are_changed_in_place() -> None:
    wanted = rolling(2, policy={"batch_percent": 100, "has_surge": True})
    rows = [row(0), row(1, protection=Protection(True))]
    found = plan(wanted, rows, upgrade())
    assert [step.instance_id for step in found.decisions if isinstance(step, steps.AddInstance)] == [100]
    assert list(applied(found)) == [1]
    assert put(found).surged == (100,) and put(found).batch == {0: 1, 1: 1}


def test_the_old_leave_when_as_many_newcomers_are_well_and_stay_for_those_that_failed() -> None:
    wanted = rolling(3, policy={"has_surge": True, "unhealthy_upgraded_percent": 50})
    rows = [*rows_on(1, 1, 1), row(3, model_version=2), row(4, model_version=2, **FAILED)]
    found = plan(wanted, rows, upgrade(batch={0: 1, 1: 1}, surged=(3, 4), batch_number=1))
    assert [step.instance_id for step in found.decisions if isinstance(step, steps.GiveUpInstance)] == [0, 4]
    assert (put(found).upgraded, put(found).failed) == ((3,), (1,))


def test_a_newcomer_that_finds_no_room_is_given_up_and_its_old_one_changed_in_place() -> None:
    wanted = rolling(1, policy={"has_surge": True})
    rows = [row(0), row(1, model_version=2, stage=Stage.WAITING, host=None)]
    found = plan(wanted, rows, upgrade(batch={0: 1}, surged=(1,), batch_number=1), i1=Seen(Sight.ABSENT))
    assert applied(found) == {0: (2, Cost.IN_PLACE)} and put(found).surged == ()


def test_newcomers_are_neither_surplus_nor_do_they_fill_a_gap() -> None:
    record = upgrade(batch={0: 1}, surged=(2,), batch_number=1)
    rows = [*rows_on(1, 1), row(2, model_version=2, stage=Stage.BOOTING)]
    assert not plan(rolling(2), rows, record).decisions
    added = plan(rolling(3), rows, record).decisions
    assert [type(step) for step in added] == [steps.AddInstance]
    assert [step.instance_id for step in plan(rolling(1), rows, record).decisions] == [1], "never one of the batch"


# Images


def test_an_image_comes_by_a_new_disk_at_most_a_fifth_at_once_and_without_newcomers() -> None:
    wanted = rolling(10, upgrade_mode="Manual", policy={"batch_percent": 100, "has_surge": True}, model_version=1)
    rows = [row(n, image_version="1.0.0") for n in range(10)]
    record = upgrade(reason=UpgradeReason.OS_IMAGE, image_version="1.0.1", model_version=1)
    found = plan(wanted, rows, record)
    assert applied(found) == {0: (1, Cost.REIMAGE), 1: (1, Cost.REIMAGE)}
    assert put(found).batch_images == {0: "1.0.0", 1: "1.0.0"}
    own = replace(wanted, image_upgrades=ImageUpgradeWish(uses_rolling_policy=True))
    assert len(applied(plan(own, rows, record))) == 10


@pytest.mark.parametrize(
    ("started_by", "rolls_back", "image"),
    [("Platform", True, "1.0.0"), ("Platform", False, None), ("User", True, None)],
)
def test_only_what_began_by_itself_puts_the_image_back(
    started_by: str, rolls_back: bool, image: str | None
) -> None:
    wanted = rolling(2, model_version=1, image_upgrades=ImageUpgradeWish(True, rolls_back))
    rows = [row(0, image_version="1.0.1", **FAILED), row(1, image_version="1.0.0")]
    record = upgrade(
        reason=UpgradeReason.OS_IMAGE,
        image_version="1.0.1",
        model_version=1,
        started_by=started_by,
        batch={0: 1},
        batch_images={0: "1.0.0"},
        batch_number=1,
    )
    found = plan(wanted, rows, record)
    back = [step.image_version for step in found.decisions if isinstance(step, steps.ApplyModel)]
    assert back == ([image] if image else [])
    assert (put(found).status is RollingStatus.ROLLING_BACK) is bool(image)
