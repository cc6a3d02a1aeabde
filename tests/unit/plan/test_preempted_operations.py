"""What was asked of an instance that somebody powers off before it is done."""

from __future__ import annotations

import pytest

from orchestrator.model.instance import Stage, WantedPower
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from orchestrator.plan.operations import judge_operation
from tests.unit.plan.tables import NOW, row, wish, world

OFF = (WantedPower.STOPPED, WantedPower.DEALLOCATED, WantedPower.HIBERNATED)
GOALS = {
    OperationKind.START: 0,
    OperationKind.RESTART: 1,
    OperationKind.REIMAGE: 2,
    OperationKind.UPGRADE: 2,
    OperationKind.EXTENSION: 0,
}


def operation(kind: OperationKind, instances: dict[int, int] | None = None) -> Operation:
    return Operation("u1", kind, "a" * 12, NOW - 60, NOW + 5400, instances or {})


@pytest.mark.parametrize("power", OFF)
@pytest.mark.parametrize("kind", GOALS)
def test_what_would_end_with_it_running_is_preempted(kind: OperationKind, power: WantedPower) -> None:
    booting = row(0, stage=Stage.BOOTING).but(wanted_power=power)
    verdict = judge_operation(operation(kind, {0: GOALS[kind]}), wish(1), world([booting]))
    assert verdict.status is OperationStatus.FAILED
    assert verdict.failure is not None and verdict.failure.code == "OperationPreempted"


@pytest.mark.parametrize("kind", GOALS)
def test_while_it_is_wanted_to_run_they_go_on(kind: OperationKind) -> None:
    booting = row(0, stage=Stage.BOOTING)
    verdict = judge_operation(operation(kind, {0: GOALS[kind]}), wish(1), world([booting]))
    assert verdict.status is OperationStatus.IN_PROGRESS


@pytest.mark.parametrize("power", OFF)
@pytest.mark.parametrize("stage", [Stage.CREATING, Stage.BOOTING, Stage.CONFIGURING])
def test_a_write_does_not_wait_for_what_goes_on_when_it_is_started(stage: Stage, power: WantedPower) -> None:
    rows = [row(0), row(1, stage=stage).but(wanted_power=power)]
    verdict = judge_operation(operation(OperationKind.CREATE_OR_UPDATE), wish(2), world(rows))
    assert verdict.status is OperationStatus.SUCCEEDED


def test_a_write_waits_for_what_is_on_its_way() -> None:
    rows = [row(0), row(1, stage=Stage.BOOTING)]
    verdict = judge_operation(operation(OperationKind.CREATE_OR_UPDATE), wish(2), world(rows))
    assert verdict.status is OperationStatus.IN_PROGRESS
