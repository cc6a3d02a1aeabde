"""When the operations around an upgrade end, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.model.instance import Failure, Instance, Protection, Stage
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from orchestrator.plan.inputs import UpgradeMode, World
from orchestrator.plan.operations import Verdict, judge_operation
from tests.unit.plan.tables import NOW, row, wish, world

BEGUN = NOW - 60
FAILURE = Failure("MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade", "web_0: HTTP 500", NOW)


def _operation(kind: OperationKind) -> Operation:
    return Operation("u1", kind, "a" * 12, BEGUN, NOW + 60)


def _world(rows: Iterable[Instance] = (), upgrade: RollingUpgrade | None = None) -> World:
    return replace(world(rows), upgrade=upgrade)


def _upgrade(status: RollingStatus, **changes: Any) -> RollingUpgrade:
    made = RollingUpgrade("u1", "a" * 12, UpgradeReason.MODEL, 1, BEGUN, status=status)
    return made.but(**changes)


def _judge(kind: OperationKind, upgrade: RollingUpgrade | None) -> Verdict:
    return judge_operation(_operation(kind), wish(1), _world([row(0)], upgrade))


@pytest.mark.parametrize(
    ("upgrade", "status", "code"),
    [
        (_upgrade(RollingStatus.ROLLING_FORWARD), OperationStatus.IN_PROGRESS, None),
        (_upgrade(RollingStatus.ROLLING_BACK, failure=FAILURE), OperationStatus.IN_PROGRESS, None),
        (_upgrade(RollingStatus.COMPLETED), OperationStatus.SUCCEEDED, None),
        (_upgrade(RollingStatus.FAULTED, failure=FAILURE), OperationStatus.FAILED, FAILURE.code),
        (_upgrade(RollingStatus.CANCELLED), OperationStatus.CANCELED, "OperationCanceled"),
        (_upgrade(RollingStatus.ROLLING_FORWARD, id="u2"), OperationStatus.CANCELED, "OperationPreempted"),
    ],
)
def test_the_operation_of_an_upgrade_ends_as_it_does(
    upgrade: RollingUpgrade, status: OperationStatus, code: str | None
) -> None:
    verdict = _judge(OperationKind.ROLLING_UPGRADE, upgrade)
    assert (verdict.status, verdict.failure.code if verdict.failure else None) == (status, code)


@pytest.mark.parametrize(
    ("upgrade", "status"),
    [
        (_upgrade(RollingStatus.ROLLING_FORWARD, is_cancel_wanted=True), OperationStatus.IN_PROGRESS),
        (_upgrade(RollingStatus.CANCELLED), OperationStatus.SUCCEEDED),
        (_upgrade(RollingStatus.COMPLETED), OperationStatus.SUCCEEDED),
        (_upgrade(RollingStatus.FAULTED, failure=FAILURE), OperationStatus.SUCCEEDED),
    ],
)
def test_a_cancel_is_done_when_nothing_runs_any_more(upgrade: RollingUpgrade, status: OperationStatus) -> None:
    assert _judge(OperationKind.CANCEL_UPGRADE, upgrade).status is status


@pytest.mark.parametrize(
    ("upgrade", "status"),
    [
        (_upgrade(RollingStatus.ROLLING_FORWARD), OperationStatus.IN_PROGRESS),
        (_upgrade(RollingStatus.COMPLETED), OperationStatus.SUCCEEDED),
        (_upgrade(RollingStatus.FAULTED, failure=FAILURE), OperationStatus.FAILED),
        (_upgrade(RollingStatus.CANCELLED), OperationStatus.CANCELED),
        (_upgrade(RollingStatus.ROLLING_FORWARD, started_at=BEGUN - 1), OperationStatus.SUCCEEDED),
        (_upgrade(RollingStatus.FAULTED, failure=FAILURE, started_at=BEGUN - 1), OperationStatus.SUCCEEDED),
    ],
)
def test_a_write_waits_for_the_upgrade_that_it_began_and_for_no_other(
    upgrade: RollingUpgrade, status: OperationStatus
) -> None:
    assert _judge(OperationKind.CREATE_OR_UPDATE, upgrade).status is status


@pytest.mark.parametrize(
    ("mode", "rows", "status"),
    [
        ("Automatic", [row(0, model_version=2), row(1)], OperationStatus.IN_PROGRESS),
        ("Manual", [row(0, model_version=2), row(1)], OperationStatus.SUCCEEDED),
        ("Automatic", [row(0, model_version=2), row(1, model_version=2)], OperationStatus.SUCCEEDED),
        (
            "Automatic",
            [row(0, model_version=2), row(1, protection=Protection(True, True))],
            OperationStatus.SUCCEEDED,
        ),
        (
            "Automatic",
            [row(0, model_version=2, stage=Stage.FAILED, failure=FAILURE), row(1)],
            OperationStatus.FAILED,
        ),
    ],
)
def test_a_write_in_automatic_mode_waits_until_all_that_may_be_are_on_its_model(
    mode: UpgradeMode, rows: list[Instance], status: OperationStatus
) -> None:
    wanted = wish(2, model_version=2, upgrade_mode=mode)
    assert judge_operation(_operation(OperationKind.CREATE_OR_UPDATE), wanted, _world(rows)).status is status
