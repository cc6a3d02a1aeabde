"""In what order extensions run, what a failure holds up, what is ended, and how long it may take."""

from __future__ import annotations

import pytest

from orchestrator.model.instance import ExtensionCode, ExtensionState, Instance, Stage
from orchestrator.plan import steps
from orchestrator.plan.extensions import next_extension, time_left_s, told_failures
from orchestrator.plan.fates import plan_fate
from orchestrator.plan.inputs import ExtensionWish, SetWish
from orchestrator.plan.steps import Draft, Step
from tests.unit.plan.tables import row, wish, world

A, B, C = ExtensionWish("a", 1), ExtensionWish("b", 1, ("A",)), ExtensionWish("c", 1)


def state(name: str, code: ExtensionCode = "succeeded", sequence: int = 1, **more: object) -> ExtensionState:
    return ExtensionState(name, "t", "2.1", sequence, code, f"{name} says so", 50.0, **more)  # type: ignore[arg-type]


def having(*states: ExtensionState) -> Instance:
    return row(0, stage=Stage.CONFIGURING, extensions={each.name: each for each in states})


def decided(instance: Instance, *wishes: ExtensionWish, **more: object) -> Step:
    the_wish: SetWish = wish(1, extensions={1: wishes}, **more)
    draft = Draft()
    plan_fate(the_wish, world([instance]), instance, draft)
    [step] = (*draft.decisions, *draft.actions)
    return step


@pytest.mark.parametrize(
    ("states", "runs"),
    [
        ((), "a"),
        ((state("a"),), "b"),
        ((state("a", "failed"),), "c"),
        ((state("a"), state("b", "failed")), "c"),
        ((state("a"), state("c"), state("b", sequence=0)), "b"),
        ((state("a", "transitioning"),), "a"),
    ],
)
def test_each_runs_after_those_it_names_and_whatever_else_failed(
    states: tuple[ExtensionState, ...], runs: str
) -> None:
    found = next_extension(having(*states), (B, A, C))
    assert found.run is not None and found.run.name == runs


def test_a_failure_holds_up_only_what_comes_after_it_and_all_of_it_is_told() -> None:
    d = ExtensionWish("d", 1, ("b",))
    found = next_extension(having(state("a", "failed"), state("c", "failed")), (A, B, C, d))
    assert found.run is None
    assert [each.name for each in found.failed] == ["a", "c"]
    assert found.held_up == (("b", "A"), ("d", "b"))
    told = told_failures(found)
    assert all(words in told for words in ("a failed", "c failed", "b was not run", "d was not run"))


def test_an_instance_fails_when_nothing_more_can_run_and_not_before() -> None:
    assert isinstance(decided(having(state("a", "failed")), A, B, C), steps.RunExtension)
    failed = decided(having(state("a", "failed"), state("c")), A, B, C)
    assert isinstance(failed, steps.FailInstance) and failed.code == "VMExtensionProvisioningError"
    assert "b was not run: it is provisioned after A" in failed.reason


def test_a_suppressed_failure_holds_nobody_up_and_the_instance_becomes_ready() -> None:
    suppressed = ExtensionWish("a", 1, is_failure_suppressed=True)
    failed = state("a", "failed")
    assert decided(having(failed), suppressed, B) == steps.RunExtension(
        0, "extension b has not run with configuration 1", "b", 1
    )
    ready = decided(having(failed, state("b")), suppressed, B)
    assert isinstance(ready, steps.Advance) and ready.stage is Stage.READY


@pytest.mark.parametrize(
    ("running", "is_cancelled"),
    [
        (state("a", "transitioning", cancelled_by="a request"), True),
        (state("a", "transitioning", sequence=0), False),
        (state("removed", "transitioning"), False),
    ],
)
def test_what_runs_and_is_not_to_run_on_is_ended_before_anything_else(
    running: ExtensionState, is_cancelled: bool
) -> None:
    step = decided(having(state("c"), running), A, B, C)
    assert isinstance(step, steps.StopExtension)
    assert (step.name, step.sequence, step.is_cancelled) == (running.name, running.sequence, is_cancelled)


def test_a_cancelled_extension_has_failed_and_is_not_run_again() -> None:
    cancelled = state("a", "failed", cancelled_by="a request")
    assert isinstance(decided(having(cancelled), A), steps.FailInstance)


def test_an_instance_runs_its_own_extensions_beside_those_of_the_model_and_others_do_not() -> None:
    own = {0: (ExtensionWish("own", 4, ("a",)),)}
    assert decided(having(state("a")), A, own_extensions=own) == steps.RunExtension(
        0, "extension own has not run with configuration 4", "own", 4
    )
    other = row(1, stage=Stage.CONFIGURING, extensions={"a": state("a")})
    assert isinstance(decided(other, A, own_extensions=own), steps.Advance)


@pytest.mark.parametrize(
    ("states", "left_s"),
    [
        ((), 60.0),
        ((state("a", began_at=40.0),), 50.0),
        ((state("a", began_at=40.0), state("c", "failed", began_at=35.0)), 35.0),
        ((state("a", began_at=40.0, sequence=0),), 60.0),
        ((state("b", "transitioning", began_at=10.0),), 60.0),
        ((state("a", began_at=-50.0),), -40.0),
    ],
)
def test_all_extensions_of_an_instance_share_one_time_budget(
    states: tuple[ExtensionState, ...], left_s: float
) -> None:
    assert time_left_s(having(*states), (A, B, C), "b", 60.0) == left_s
