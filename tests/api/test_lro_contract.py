"""Long-running requests, verb by verb: what every client's poller needs (reference 3.2).

202, empty and without a kind of content; two addresses, and whole seconds to wait; both addresses tell the end.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from fake_world import GROUP, NOW, SET, World, a_set, health_extension, script_extension, with_extensions

from orchestrator.model.host import HostConfig
from orchestrator.model.instance import ExtensionState, Stage
from orchestrator.model.reports import HostReport
from orchestrator.model.run_command import ExecutionState
from orchestrator.model.scale_set import Operation, OperationStatus

Json = dict[str, Any]
ALL = {"instanceIds": ["*"]}
ONE = {"instanceIds": ["0"]}
VM = f"{SET}/virtualMachines/0"
POWER = [
    "start",
    "restart",
    "powerOff",
    "deallocate",
    "redeploy",
    "performMaintenance",
    "reapply",
    "reimage",
    "reimageAll",
]
REQUESTS: tuple[tuple[str, str, Json | None], ...] = (
    *(("POST", f"{SET}/{verb}", None) for verb in POWER),
    *(("POST", f"{SET}/{verb}", ONE) for verb in POWER if verb != "reapply"),
    *(("POST", f"{VM}/{verb}", None) for verb in POWER),
    ("POST", f"{SET}/manualUpgrade", ALL),
    ("POST", f"{SET}/delete", ONE),
    ("POST", f"{SET}/scaleOut", {"capacity": 1}),
    ("POST", f"{SET}/osRollingUpgrade", None),
    ("POST", f"{SET}/extensionRollingUpgrade", None),
    ("POST", f"{SET}/rollingUpgrades/cancel", None),
    ("POST", f"{VM}/runCommand", {"commandId": "RunShellScript", "script": ["true"]}),
    ("POST", f"{VM}/extensions/own/cancel", None),
    ("DELETE", f"{VM}/extensions/own", None),
    ("DELETE", f"{VM}/runCommands/look", None),
    ("DELETE", f"{SET}/extensions/script", None),
    ("DELETE", VM, None),
    ("DELETE", SET, None),
)
WRITES: tuple[tuple[str, str, Json, int], ...] = (
    ("PUT", f"{SET}2", a_set(), 201),
    ("PUT", SET, {"location": "local", "sku": {"name": "Lab_Micro", "capacity": 4}}, 200),
    ("PATCH", SET, {"sku": {"capacity": 4}}, 200),
    ("PUT", f"{SET}/extensions/script", {"properties": script_extension()["properties"]}, 200),
    ("PATCH", f"{SET}/extensions/script", {"properties": {"settings": {"commandToExecute": "false"}}}, 200),
    ("PUT", f"{VM}/extensions/more", {"properties": script_extension()["properties"]}, 201),
    ("PATCH", f"{VM}/extensions/own", {"properties": {"settings": {"commandToExecute": "false"}}}, 200),
    ("PUT", f"{VM}/runCommands/more", {"location": "local", "properties": {"source": {"script": "true"}}}, 201),
    ("PATCH", f"{VM}/runCommands/look", {"properties": {"source": {"script": "false"}}}, 200),
)
AT_ONCE = {
    "convertToSinglePlacementGroup",
    "setOrchestrationServiceState",
    "approveRollingUpgrade",
    "migrateVMAvailabilityZone",
    "forceRecoveryServiceFabricPlatformUpdateDomainWalk",
    "simulateEviction",
    "attachDetachDataDisks",
    "retrieveBootDiagnosticsData",
}
"""What is done when it is answered, or refused."""


@pytest.fixture
def busy(world: World) -> World:
    """A set with all that can be told something: extensions, a run command, a host to leave."""
    policy = {"mode": "Rolling", "rollingUpgradePolicy": {}}
    body = with_extensions(script_extension(), health_extension(), upgradePolicy=policy)
    assert world.put(body=body).status_code == 201
    world.populate()
    world.control.reports["h1"] = HostReport(HostConfig("h1", "simulated:///"), "draining", True, False, 3)
    own = {"properties": script_extension()["properties"]}
    assert world.put(f"{VM}/extensions/own", own).status_code == 201
    command = {"location": "local", "properties": {"source": {"script": "true"}}}
    assert world.put(f"{VM}/runCommands/look", command).status_code == 201
    return world


def end(world: World, link: str, status: OperationStatus) -> Operation:
    found = re.search(r"/operations/([0-9a-f-]{36})\?", link)
    assert found, link
    operation = world.store.operation(found[1])
    assert operation is not None
    ended = operation.but(status=status, ended_at=world.clock[0])
    with world.store.write() as tx:
        tx.put_operation(ended)
    return ended


def local(link: str) -> str:
    assert link.startswith("http://localhost/subscriptions/"), link
    return link.removeprefix("http://localhost")


def set_to_work(world: World) -> None:
    """The extension and the run command run now, in the guest."""
    running = ExtensionState("own", "CustomScript", "2.1", 1, "transitioning", "it runs", NOW, began_at=NOW)
    world.change(0, stage=Stage.CONFIGURING, extensions={"own": running})
    command = world.store.run_command(world.record.uid, 0, "look")
    assert command is not None
    with world.store.write() as tx:
        tx.put_run_command(command.but(state=ExecutionState.RUNNING, began_at=NOW, generation=1))


def begin(world: World, method: str, path: str, body: Json | None) -> Any:
    if path.endswith(("own/cancel", "/look")):
        set_to_work(world)
    if path.endswith("cancel") and "rollingUpgrades" in path:
        assert world.send("POST", f"{SET}/extensionRollingUpgrade").status_code == 202
    return world.send(method, path, body)


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_what_takes_time_is_202_and_leads_to_its_end(
    busy: World, method: str, path: str, body: Json | None
) -> None:
    answer = begin(busy, method, path, body)
    assert (answer.status_code, answer.content) == (202, b""), answer.text
    assert "content-type" not in answer.headers
    assert answer.headers["retry-after"].isdecimal()
    assert int(answer.headers["retry-after"]) >= 1
    status, monitor = answer.headers["azure-asyncoperation"], answer.headers["location"]
    assert monitor == f"{status}&monitor=true"
    _check_running(busy, status, monitor)
    end(busy, status, OperationStatus.SUCCEEDED)
    _check_ended(busy, status, monitor)


def _check_running(world: World, status: str, monitor: str) -> None:
    running = world.send("GET", local(status))
    assert running.status_code == 200
    assert running.json()["status"] == "InProgress"
    assert int(running.headers["retry-after"]) >= 1
    waiting = world.send("GET", local(monitor))
    assert (waiting.status_code, waiting.content) == (202, b"")
    assert "content-type" not in waiting.headers
    assert waiting.headers["location"] == monitor
    assert int(waiting.headers["retry-after"]) >= 1


def _check_ended(world: World, status: str, monitor: str) -> None:
    shown = world.get(local(status))
    assert shown["status"] == "Succeeded"
    assert set(shown) >= {"name", "startTime", "endTime"}
    result = world.send("GET", local(monitor))
    assert (result.status_code, result.content) == (200, b"")
    assert "content-type" not in result.headers
    assert "retry-after" not in result.headers


@pytest.mark.parametrize(("method", "path", "body", "expected"), WRITES)
def test_a_write_shows_the_resource_and_leads_to_its_end(
    busy: World, method: str, path: str, body: Json, expected: int
) -> None:
    answer = busy.send(method, path, body)
    assert answer.status_code == expected, answer.text
    assert answer.json()["properties"]["provisioningState"] in {"Creating", "Updating"}
    assert int(answer.headers["retry-after"]) >= 1
    assert "location" not in answer.headers  # a poller would take it for where the result is
    status = answer.headers["azure-asyncoperation"]
    assert busy.get(local(status))["status"] == "InProgress"
    end(busy, status, OperationStatus.SUCCEEDED)
    assert busy.get(local(status))["status"] == "Succeeded"


def test_an_end_that_is_bad_has_a_code_and_a_message(busy: World) -> None:
    answer = busy.send("POST", f"{SET}/restart")
    status, monitor = answer.headers["azure-asyncoperation"], answer.headers["location"]
    end(busy, status, OperationStatus.CANCELED)
    assert busy.get(local(status))["status"] == "Canceled"
    result = busy.send("GET", local(monitor))
    assert result.status_code == 409
    assert result.json()["error"]["message"]


def test_a_group_that_goes_leads_to_its_end(busy: World) -> None:
    answer = busy.send("DELETE", GROUP)
    assert (answer.status_code, answer.content) == (202, b"")
    assert int(answer.headers["retry-after"]) >= 1
    waiting = busy.send("GET", local(answer.headers["location"]))
    assert (waiting.status_code, waiting.content) == (202, b"")


def test_no_verb_is_left_out(world: World) -> None:
    """Every verb of a set and of its instances in the document is tried above, or is done at once."""
    tried = {path.partition("/web")[2].replace("/0", "/{}").replace("/own", "/{}") for _, path, _ in REQUESTS}
    for path, methods in world.send("GET", "/openapi.json?").json()["paths"].items():
        verb = path.rpartition("/")[2]
        below = re.sub(r"\{\w+\}", "{}", path.partition("/{vmScaleSetName}")[2])
        is_of_set = "{vmScaleSetName}/" in path and "post" in methods
        if is_of_set and verb not in AT_ONCE and below != "/rollingUpgrades/{}":
            assert below in tried, path
