"""When a request to hibernate has ended."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.instance import Failure, WantedPower
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from orchestrator.plan.inputs import Seen, Sight
from orchestrator.plan.operations import judge_operation
from tests.unit.plan.tables import NOW, row, wish, world

BEGUN = NOW - 5
ASLEEP, AWAKE = WantedPower.HIBERNATED, WantedPower.RUNNING
NO_ROOM = Failure("AllocationFailed", "Host h1 ran out of disk.", NOW - 1)
EARLIER = Failure("AllocationFailed", "No other host can take it.", BEGUN - 1)


@pytest.mark.parametrize(
    ("changes", "sight", "status"),
    [
        ({"wanted_power": ASLEEP}, Sight.RUNNING, OperationStatus.IN_PROGRESS),
        ({"wanted_power": ASLEEP}, Sight.DEAD, OperationStatus.SUCCEEDED),
        ({"wanted_power": AWAKE, "failure": NO_ROOM}, Sight.RUNNING, OperationStatus.FAILED),
        ({"wanted_power": AWAKE, "failure": EARLIER}, Sight.RUNNING, OperationStatus.SUCCEEDED),
        ({"wanted_power": AWAKE}, Sight.RUNNING, OperationStatus.SUCCEEDED),
    ],
)
def test_it_ends_asleep_or_with_why_it_could_not_or_with_a_newer_wish(
    changes: dict[str, Any], sight: Sight, status: OperationStatus
) -> None:
    operation = Operation("o1", OperationKind.HIBERNATE, "a" * 12, BEGUN, NOW + 60, {0: 0})
    verdict = judge_operation(operation, wish(1), world([row(0, **changes)], i0=Seen(sight)))
    assert verdict.status is status
    assert (verdict.failure == NO_ROOM) is (status is OperationStatus.FAILED)
