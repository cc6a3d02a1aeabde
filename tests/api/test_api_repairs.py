"""Automatic repairs as people meet them: the service, instances in quarantine, and what health says."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_world import SET, World, health_extension, with_extensions

from orchestrator.model.custom_metrics import CustomMetrics
from orchestrator.model.health import Health
from orchestrator.model.instance import Failure, WantedPower
from orchestrator.plan.inputs import Seen, Sight

Json = dict[str, Any]
VM = f"{SET}/virtualMachines"
SERVICE = f"{SET}/setOrchestrationServiceState"
REPAIRING = with_extensions(health_extension(), automaticRepairsPolicy={"enabled": True})


@pytest.fixture
def kept(populated: World) -> World:
    """A set of three and, beside it, instance 2 in quarantine."""
    populated.change(
        2,
        quarantined_at=500.0,
        wanted_power=WantedPower.STOPPED,
        failure=Failure("RepeatedFailures", "Unhealthy for 65 s", 500.0),
    )
    populated.control.sights[2] = Seen(Sight.DEAD)
    return populated


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["error"]["code"])


def service(world: World, name: str = "AutomaticRepairs") -> Json:
    services: list[Json] = world.get(f"{SET}/instanceView")["orchestrationServices"]
    return next(each for each in services if each["serviceName"] == name)


def test_repairs_that_are_resumed_begin_with_a_fresh_count_and_a_fresh_grace(world: World) -> None:
    world.put(body=REPAIRING)
    world.populate()
    world.change(1, repairs=6)
    with world.store.write() as tx:
        tx.update_set_fields(world.record.uid, is_repair_suspended=True, changed_at=1.0)
    assert service(world)["serviceState"] == "Suspended"
    assert world.send("POST", SERVICE, {"serviceName": "AutomaticRepairs", "action": "Resume"}).status_code == 200
    assert service(world)["serviceState"] == "Running"
    assert world.rows()[1].repairs == 0
    assert world.record.changed_at > 1.0


def test_suspending_does_not_forget_what_failed(world: World) -> None:
    world.put(body=REPAIRING)
    world.populate()
    world.change(1, repairs=4)
    assert world.send("POST", SERVICE, {"serviceName": "AutomaticRepairs", "action": "Suspend"}).status_code == 200
    assert world.rows()[1].repairs == 4


def test_a_service_that_is_off_is_shown_and_cannot_be_suspended(populated: World) -> None:
    for name in ("AutomaticRepairs", "AutomaticZoneRebalancing"):
        assert service(populated, name)["serviceState"] == "NotRunning"
        answer = populated.send("POST", SERVICE, {"serviceName": name, "action": "Suspend"})
        assert code_of(answer) == (409, "OperationNotAllowed")


def test_an_instance_in_quarantine_is_shown_as_such(kept: World) -> None:
    view = kept.get(f"{VM}/2/instanceView")
    codes = [each["code"] for each in view["statuses"]]
    assert codes[1:] == ["PowerState/stopped", "VmssState/quarantined"]
    assert view["statuses"][2]["level"] == "Warning"
    assert "vmHealth" not in view


@pytest.mark.parametrize("verb", ["start", "restart", "poweroff", "deallocate", "redeploy", "reimage"])
def test_nothing_is_done_to_what_is_in_quarantine(kept: World, verb: str) -> None:
    answer = kept.send("POST", f"{SET}/{verb}", {"instanceIds": ["1", "2"]})
    assert code_of(answer) == (409, "OperationNotAllowed")
    assert "web_2" in answer.json()["error"]["message"]
    assert code_of(kept.send("POST", f"{VM}/2/{verb}")) == (409, "OperationNotAllowed")
    before = kept.rows()
    assert kept.send("POST", f"{SET}/{verb}").status_code == 202, "all are meant without it"
    changed = {number for number, row in kept.rows().items() if row != before[number]}
    assert 2 not in changed
    assert 2 not in kept.store.operations(kept.record.uid)[-1].instances


@pytest.mark.parametrize("ids", [["2"], ["*"]])
def test_deleting_it_does_not_lower_the_capacity(kept: World, ids: list[str]) -> None:
    assert kept.send("POST", f"{SET}/delete", {"instanceIds": ids}).status_code == 202
    assert kept.rows()[2].is_gone
    assert kept.record.capacity == (3 if ids == ["2"] else 1)


def test_what_a_rich_answer_said_is_shown(world: World) -> None:
    world.put(body=REPAIRING)
    world.populate()
    good = CustomMetrics('{"rollingUpgrade": {"PhaseOrderingNumber": 1}}', 1)
    bad = CustomMetrics("{", problem="customMetrics is not JSON")
    for number, metrics in enumerate((good, bad, None)):
        world.control.sights[number] = Seen(
            Sight.RUNNING, Health.HEALTHY, 5.0, health_detail="HTTP 200", metrics=metrics
        )
    codes = [_metrics_codes(world, number) for number in range(3)]
    assert codes == [["ComponentStatus/CustomMetrics/succeeded"], ["ComponentStatus/CustomMetrics/failed"], []]


def _metrics_codes(world: World, number: int) -> list[str]:
    [extension] = world.get(f"{VM}/{number}/instanceView")["extensions"]
    return [each["code"] for each in extension["substatuses"] if "CustomMetrics" in each["code"]]
