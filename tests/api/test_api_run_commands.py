"""POST runCommand and runCommands: what is written down, what is refused, what is shown."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_world import SET, SUB, V, World

from orchestrator.model.instance import Stage, WantedPower
from orchestrator.model.run_command import ExecutionState, RunCommand
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from orchestrator.plan.inputs import Seen, Sight

Json = dict[str, Any]
VM = f"{SET}/virtualMachines"
JOB = f"{VM}/1/runCommands/job"
SECRET = "canary-0815"


def action(**changes: Any) -> Json:
    return {"commandId": "RunShellScript", "script": [f"echo {SECRET}"], **changes}


def managed(**changes: Any) -> Json:
    return {"location": "local", "properties": {"source": {"script": "echo hi"}, **changes}}


def error(answer: httpx.Response) -> Json:
    found: Json = answer.json()["error"]
    return found


def operations(world: World) -> list[Operation]:
    found = world.store.operations(world.record.uid)
    return [each for each in found if each.kind is OperationKind.RUN_COMMAND]


def job(world: World) -> RunCommand:
    found = world.store.run_command(world.record.uid, 1, "job")
    assert found is not None
    return found


def write(world: World, command: RunCommand) -> None:
    with world.store.write() as tx:
        tx.put_run_command(command)


def test_a_script_to_be_run_is_written_down_sealed_and_answered_with_an_operation(populated: World) -> None:
    answer = populated.send("POST", f"{VM}/0/runCommand", action())
    assert answer.status_code == 202
    [operation] = operations(populated)
    [command] = populated.store.run_commands()
    assert (command.operation_id, command.is_action, command.instance_id) == (operation.id, True, 0)
    assert SECRET not in str(command.properties) and SECRET in str(command.secrets)
    assert populated.get(f"{VM}/0/runCommands")["value"] == [], "it is no resource"
    assert SECRET not in str([each.reason for each in populated.store.events()])


def test_what_the_script_said_is_the_operations_output_and_at_its_location(populated: World) -> None:
    answer = populated.send("POST", f"{VM}/0/runCommand", action())
    [operation] = operations(populated)
    output = {"value": [{"code": "ProvisioningState/succeeded", "message": "[stdout]\nhi\n[stderr]\n"}]}
    with populated.store.write() as tx:
        tx.put_operation(operation.but(status=OperationStatus.SUCCEEDED, ended_at=1.0, output=output))
    path = answer.headers["Azure-AsyncOperation"].removeprefix("http://localhost")
    assert populated.get(path)["properties"]["output"] == output
    assert populated.get(answer.headers["Location"].removeprefix("http://localhost")) == output


@pytest.mark.parametrize(
    ("changes", "sight"),
    [
        ({"wanted_power": WantedPower.STOPPED}, Sight.RUNNING),
        ({}, Sight.DEAD),
        ({}, Sight.UNKNOWN),
        ({"stage": Stage.BOOTING}, Sight.RUNNING),
        ({"is_gone": True}, Sight.RUNNING),
    ],
)
def test_an_instance_that_does_not_run_runs_no_script(populated: World, changes: Json, sight: Sight) -> None:
    populated.change(0, **changes)
    populated.control.sights[0] = Seen(sight)
    answer = populated.send("POST", f"{VM}/0/runCommand", action())
    assert (answer.status_code, error(answer)["code"]) == (409, "OperationNotAllowed")
    assert populated.store.run_commands() == []


@pytest.mark.parametrize(
    ("given", "status"), [(action(commandId="RunPowerShellScript"), 409), (action(script=[]), 400), ({}, 400)]
)
def test_an_action_that_cannot_be_run_is_refused(populated: World, given: Json, status: int) -> None:
    assert populated.send("POST", f"{VM}/0/runCommand", given).status_code == status


def test_a_managed_command_is_made_shown_listed_and_deleted(populated: World) -> None:
    made = populated.put(JOB, managed(protectedParameters=[{"name": "s", "value": SECRET}]))
    assert made.status_code == 201 and made.json()["properties"]["provisioningState"] == "Creating"
    assert "instanceView" not in populated.get(JOB)["properties"]
    shown = populated.get(f"{JOB}{V}&$expand=instanceView")
    assert shown["properties"]["instanceView"]["executionState"] == "Pending"
    [listed] = populated.get(f"{VM}/1/runCommands{V}&$expand=instanceView")["value"]
    assert listed == shown
    assert SECRET not in made.text + str(shown) + str(job(populated).properties)
    assert populated.get(f"{VM}/0/runCommands")["value"] == []
    assert populated.send("DELETE", JOB).status_code == 200
    assert populated.send("DELETE", JOB).status_code == 204
    assert populated.send("GET", JOB).status_code == 404


def test_the_same_again_runs_nothing_and_another_script_runs_anew(populated: World) -> None:
    secret = [{"name": "s", "value": SECRET}]
    populated.put(JOB, managed(protectedParameters=secret))
    write(populated, job(populated).ended(ExecutionState.SUCCEEDED, 9.0, exit_code=0, operation_id=None))
    same = populated.put(JOB, managed(treatFailureAsDeploymentFailure=True))
    assert (same.status_code, job(populated).sequence, job(populated).state) == (200, 1, "Succeeded")
    assert operations(populated)[-1].status is OperationStatus.SUCCEEDED
    changed = populated.send("PATCH", JOB, {"properties": {"timeoutInSeconds": 7}})
    assert changed.status_code == 200
    assert (job(populated).sequence, job(populated).state) == (2, "Pending")
    assert job(populated).secrets == {"protectedParameters": secret}


def test_a_newer_request_ends_what_runs_and_the_operation_that_waits_for_it(populated: World) -> None:
    populated.put(JOB, managed())
    write(populated, job(populated).but(state=ExecutionState.RUNNING, began_at=5.0, generation=1))
    populated.put(JOB, managed(source={"script": "echo ho"}))
    assert (job(populated).sequence, job(populated).stop_sequence) == (2, 1)
    first, second = operations(populated)
    assert (first.status, second.status) == (OperationStatus.CANCELED, OperationStatus.IN_PROGRESS)
    assert first.failure is not None and first.failure.code == "OperationPreempted"


def test_deleting_one_that_runs_ends_it_first(populated: World) -> None:
    populated.put(JOB, managed())
    write(populated, job(populated).but(state=ExecutionState.RUNNING, began_at=5.0, generation=1))
    assert populated.send("DELETE", JOB).status_code == 202
    command = job(populated)
    assert (command.is_gone, command.stop_sequence, command.state) == (True, 1, "Canceled")
    assert populated.get(JOB)["properties"]["provisioningState"] == "Deleting"
    assert [each.status for each in operations(populated)] == [
        OperationStatus.CANCELED,
        OperationStatus.IN_PROGRESS,
    ]


def test_an_instance_that_is_off_takes_a_managed_command_which_waits(populated: World) -> None:
    populated.change(1, wanted_power=WantedPower.STOPPED)
    assert populated.put(JOB, managed()).status_code == 201
    assert job(populated).state is ExecutionState.PENDING


def test_an_instance_has_a_limited_number_of_run_commands(populated: World) -> None:
    for number in range(25):
        assert populated.put(f"{VM}/1/runCommands/job{number}", managed()).status_code == 201
    assert error(populated.put(JOB, managed()))["code"] == "Conflict"
    assert populated.put(f"{VM}/1/runCommands/job3", managed()).status_code == 200


def test_paths_and_names_are_read_in_any_case(populated: World) -> None:
    populated.put(JOB, managed())
    assert populated.get(f"{VM}/1/RUNCOMMANDS/JOB")["name"] == "job"
    assert populated.put(JOB.replace("job", "a b"), managed()).status_code == 400
    assert SUB in populated.get(JOB)["id"]


def test_run_commands_go_with_their_instance(populated: World) -> None:
    populated.put(JOB, managed())
    with populated.store.write() as tx:
        tx.drop_instance(populated.record.uid, 1)
    assert populated.store.run_commands() == []
