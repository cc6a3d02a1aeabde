"""What becomes of one instance by itself, line by line of the table."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.instance import ExtensionState, Stage, WantedPower
from orchestrator.plan.inputs import ExtensionWish, HostFacts, Seen, Sight
from orchestrator.plan.planner import plan_set
from orchestrator.plan.steps import Plan
from tests.unit.plan.tables import NOW, host, row, wish, world

RUNNING, DEAD, ABSENT = Seen(Sight.RUNNING), Seen(Sight.DEAD), Seen(Sight.ABSENT)
SCRIPT = {1: (ExtensionWish("page", 1),)}


def _plan(changes: dict[str, Any], seen: Seen, **wishes: Any) -> Plan:
    return plan_set(wish(1, **wishes), world([row(0, **changes)], i0=seen))


def _ran(code: str, sequence: int = 1) -> dict[str, ExtensionState]:
    return {"page": ExtensionState("page", "t", "2.1", sequence, code, "said so", NOW)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "seen", "kinds"),
    [
        ({"stage": Stage.CREATING}, ABSENT, ["create"]),
        ({"stage": Stage.CREATING}, RUNNING, ["create"]),
        ({"stage": Stage.BOOTING}, RUNNING, ["await"]),
        ({"stage": Stage.CONFIGURING}, RUNNING, ["advance"]),
        ({}, RUNNING, []),
        ({"restarts_wanted": 1}, RUNNING, ["restart"]),
        ({"restarts_wanted": 1}, DEAD, ["restart"]),
        ({"wanted_power": WantedPower.STOPPED}, RUNNING, ["stop"]),
        ({"wanted_power": WantedPower.STOPPED}, DEAD, []),
        ({"wanted_power": WantedPower.DEALLOCATED}, RUNNING, ["deallocate"]),
        ({"wanted_power": WantedPower.DEALLOCATED}, DEAD, ["deallocate"]),
        ({"wanted_power": WantedPower.DEALLOCATED}, ABSENT, []),
        ({"stage": Stage.FAILED}, RUNNING, []),
        ({"wanted_power": WantedPower.HIBERNATED}, RUNNING, ["hibernate"]),
        ({"wanted_power": WantedPower.HIBERNATED}, DEAD, []),
        ({"wanted_power": WantedPower.HIBERNATED}, ABSENT, []),
        ({"stage": Stage.CREATING, "moving_from": "h2"}, ABSENT, ["create"]),
        ({"stage": Stage.CREATING, "moving_from": "h2", "wanted_power": WantedPower.STOPPED}, ABSENT, ["create"]),
        ({"stage": Stage.FAILED, "moving_from": "h2", "wanted_power": WantedPower.STOPPED}, ABSENT, []),
    ],
)
def test_the_table_of_fates(changes: dict[str, Any], seen: Seen, kinds: list[str]) -> None:
    assert [step.kind for step in _plan(changes, seen).steps] == kinds


@pytest.mark.parametrize(
    ("extensions", "kinds"),
    [
        ({}, ["extension"]),
        (_ran("transitioning"), ["extension"]),
        (_ran("succeeded"), ["advance"]),
        (_ran("failed"), ["fail"]),
        (_ran("succeeded", sequence=0), ["extension"]),
    ],
)
def test_an_extension_runs_once_for_each_configuration(
    extensions: dict[str, ExtensionState], kinds: list[str]
) -> None:
    changes = {"stage": Stage.CONFIGURING, "extensions": extensions}
    assert [step.kind for step in _plan(changes, RUNNING, extensions=SCRIPT).steps] == kinds


def test_a_suppressed_failure_does_not_fail_the_instance() -> None:
    wishes = {1: (ExtensionWish("page", 1, is_failure_suppressed=True),)}
    changes = {"stage": Stage.CONFIGURING, "extensions": _ran("failed")}
    assert [step.kind for step in _plan(changes, RUNNING, extensions=wishes).steps] == ["advance"]


def test_extensions_run_after_those_they_name() -> None:
    wishes = {1: (ExtensionWish("page", 1, after=("Tools",)), ExtensionWish("tools", 1))}
    plan = _plan({"stage": Stage.CONFIGURING}, RUNNING, extensions=wishes)
    assert "extension tools" in plan.actions[0].reason


def test_a_busy_instance_is_left_to_what_it_does() -> None:
    assert not _plan({"stage": Stage.CREATING}, Seen(Sight.ABSENT, is_busy=True)).steps


def test_a_failed_action_waits_for_its_time_and_asks_to_be_woken_then() -> None:
    plan = _plan({"stage": Stage.CREATING}, Seen(Sight.ABSENT, retry_at=NOW + 7))
    assert not plan.steps
    assert plan.look_again_at == NOW + 7


def test_silence_within_the_lease_changes_nothing() -> None:
    hosts = [host("h1", silent_since=NOW - 5), host("h2")]
    plan = plan_set(wish(1), world([row(0)], hosts, i0=Seen(Sight.UNKNOWN)))
    assert not plan.steps
    assert plan.look_again_at == NOW + 10


def test_after_the_lease_an_instance_is_declared_lost() -> None:
    hosts = [host("h1", silent_since=NOW - 15), host("h2")]
    plan = plan_set(wish(1), world([row(0)], hosts, i0=Seen(Sight.UNKNOWN)))
    assert [step.kind for step in plan.steps] == ["declare_lost"]


def test_when_no_host_answers_nothing_is_declared_lost() -> None:
    hosts = [host("h1", silent_since=NOW - 999), host("h2", silent_since=NOW - 999)]
    plan = plan_set(wish(1), world([row(0)], hosts, i0=Seen(Sight.UNKNOWN)))
    assert not plan.steps
    assert "no host at all answers" in plan.notes[0]


def test_a_lost_instance_is_fenced_when_its_host_returns() -> None:
    lost = row(0, is_gone=True, gone_at=NOW - 50, lost_at=NOW - 50)
    plan = plan_set(wish(0), world([lost]))
    assert [(step.kind, "fence" in step.reason) for step in plan.steps] == [("remove", True)]


@pytest.mark.parametrize(
    ("stage", "is_hard"), [(Stage.BOOTING, True), (Stage.CONFIGURING, False), (Stage.READY, False)]
)
def test_a_guest_is_asked_to_power_off_before_its_removal_where_it_can_hear_that(
    stage: Stage, is_hard: bool
) -> None:
    plan = _plan({"stage": stage, "is_gone": True, "gone_at": NOW}, Seen(Sight.RUNNING))
    assert [(step.kind, getattr(step, "is_hard", None)) for step in plan.actions] == [("remove", is_hard)]


def test_a_replacement_of_a_running_guest_is_held_until_the_old_one_is_gone() -> None:
    rows = [row(0, is_gone=True, gone_at=NOW), row(1, stage=Stage.CREATING)]
    plan = plan_set(wish(1), world(rows, i0=RUNNING, i1=ABSENT))
    assert [step.kind for step in plan.actions] == ["remove"]
    assert "never more than 1 at once" in plan.notes[0]


def test_a_removal_that_is_stuck_does_not_hold_others_up_for_ever() -> None:
    rows = [row(0, is_gone=True, gone_at=NOW - 61), row(1, stage=Stage.CREATING)]
    plan = plan_set(wish(1), world(rows, i0=RUNNING, i1=ABSENT))
    assert {step.kind for step in plan.actions} == {"remove", "create"}


def test_the_same_inputs_give_the_same_plan() -> None:
    rows = [row(n) for n in range(3)]
    assert plan_set(wish(5), world(rows)) == plan_set(wish(5), world(rows))


def test_ids_go_on_from_the_highest_ever_used() -> None:
    plan = plan_set(wish(2, next_instance_id=7), world([]))
    assert [step.instance_id for step in plan.decisions] == [7, 8]


@pytest.mark.parametrize(
    ("behind", "seen", "kinds"),
    [
        (host("h2", silent_since=NOW - 5), ABSENT, []),
        (host("h2", silent_since=NOW - 20), ABSENT, ["declare_lost"]),
        (host("h2", silent_since=NOW - 20), RUNNING, ["create"]),
    ],
)
def test_an_instance_that_moves_depends_on_the_host_with_its_disk_until_it_is_on_the_other(
    behind: HostFacts, seen: Seen, kinds: list[str]
) -> None:
    moving = row(0, stage=Stage.CREATING, moving_from="h2")
    plan = plan_set(wish(1), world([moving], [host("h1"), behind, host("h3")], i0=seen))
    assert [step.kind for step in plan.steps] == kinds


def test_one_that_is_wanted_no_more_is_removed_when_both_its_hosts_answer() -> None:
    leaving = row(0, is_gone=True, gone_at=NOW, moving_from="h2")
    silent = [host("h1"), host("h2", silent_since=NOW - 5)]
    assert plan_set(wish(0), world([leaving], silent, i0=ABSENT)).steps == ()
    plan = plan_set(wish(0), world([leaving], [host("h1"), host("h2")], i0=ABSENT))
    assert [step.kind for step in plan.steps] == ["remove"]
