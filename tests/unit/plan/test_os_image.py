from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.instance import Instance, Stage
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.plan.os_image import why_upgrade_image


def _row(number: int, image_version: str | None, **changes: Any) -> Instance:
    made = Instance("s", number, 1, 1, Stage.READY, 0.0, 0.0, f"10.0.0.{number}", "m", "k", "p")
    return made.but(image_version=image_version, **changes)


def _upgrade(status: RollingStatus, version: str, reason: UpgradeReason = UpgradeReason.OS_IMAGE) -> RollingUpgrade:
    return RollingUpgrade("u", "s", reason, 1, 0.0, image_version=version, status=status)


def test_instances_on_an_older_version_are_the_reason() -> None:
    rows = [_row(0, "1.0.9"), _row(1, "1.0.10"), _row(2, "1.0.2")]
    assert why_upgrade_image(rows, 1, "1.0.10", []) == (
        "image version 1.0.10 is there, and 2 instances stand on 1.0.2, 1.0.9"
    )


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(_row(0, "1.0.1"), id="it has the newest"),
        pytest.param(_row(0, "1.0.2"), id="the newest was taken out of the catalogue"),
        pytest.param(_row(0, None), id="it has no disk yet, and gets the newest"),
        pytest.param(_row(0, "1.0.0", is_gone=True), id="it is on its way out"),
        pytest.param(_row(0, "1.0.0", quarantined_at=1.0), id="it is out of service"),
    ],
)
def test_nothing_begins_where_nobody_is_behind(row: Instance) -> None:
    assert why_upgrade_image([row], 1, "1.0.1", []) is None


@pytest.mark.parametrize(
    ("upgrade", "begins"),
    [
        (_upgrade(RollingStatus.ROLLING_FORWARD, "1.0.0", UpgradeReason.MODEL), False),
        (_upgrade(RollingStatus.ROLLING_BACK, "1.0.1"), False),
        (_upgrade(RollingStatus.FAULTED, "1.0.1"), False),
        (_upgrade(RollingStatus.CANCELLED, "1.0.1"), False),
        (_upgrade(RollingStatus.COMPLETED, "1.0.1"), False),
        (_upgrade(RollingStatus.FAULTED, "1.0.0"), True),
        (_upgrade(RollingStatus.FAULTED, "1.0.1", UpgradeReason.MODEL), True),
        (_upgrade(RollingStatus.FAULTED, "1.0.1").but(model_version=0), True),
    ],
)
def test_a_version_is_tried_once_for_a_model_and_one_upgrade_runs_at_a_time(
    upgrade: RollingUpgrade, begins: bool
) -> None:
    assert bool(why_upgrade_image([_row(0, "1.0.0")], 1, "1.0.1", [upgrade])) is begins
