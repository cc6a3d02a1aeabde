"""Extensions of single instances, and what a set's extensions may not do beside them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_world import SET, V, World, health_extension, script_extension, with_extensions

from orchestrator.model.instance import ExtensionCode, ExtensionState, Stage, WantedPower
from orchestrator.model.scale_set import Operation, OperationKind

Json = dict[str, Any]
VM = f"{SET}/virtualMachines"
OWN = f"{VM}/1/extensions/own"
SECRET = "canary-4711"


@pytest.fixture
def scripted(world: World) -> World:
    """Three instances on a model with a script named ``setup``."""
    world.put(body=with_extensions(script_extension("setup"), capacity=3))
    world.populate()
    return world


def body(named: str = "own", **more: Any) -> Json:
    properties = {**script_extension(named)["properties"], **more}
    return {"location": "local", "properties": properties}


def error(answer: httpx.Response) -> Json:
    found: Json = answer.json()["error"]
    return found


def state(name: str, code: ExtensionCode, sequence: int = 1) -> ExtensionState:
    return ExtensionState(name, "T", "2.1", sequence, code, "words", 5.0, began_at=4.0)


def last_operation(world: World) -> Operation:
    return world.store.operations(world.record.uid)[-1]


def sequence_of(world: World, name: str = "own") -> int:
    found = world.store.own_extension(world.record.uid, 1, name)
    assert found is not None
    return found.sequence


def test_an_instance_gets_an_extension_of_its_own_and_the_others_do_not(scripted: World) -> None:
    answer = scripted.put(OWN, body())
    assert answer.status_code == 201 and "Azure-AsyncOperation" in answer.headers
    assert answer.json()["id"].endswith("/virtualMachines/1/extensions/own")
    assert answer.json()["properties"]["provisioningState"] == "Creating"
    operation = last_operation(scripted)
    assert (operation.kind, dict(operation.instances)) == (OperationKind.EXTENSION, {1: 0})
    assert scripted.rows()[1].stage is Stage.CONFIGURING and scripted.rows()[0].stage is Stage.READY
    assert scripted.woken[-1] == scripted.record.uid
    names = {
        number: [each["name"] for each in scripted.get(f"{VM}/{number}/extensions")["value"]] for number in (0, 1)
    }
    assert names == {0: ["setup"], 1: ["setup", "own"]}


def test_its_own_extensions_are_shown_with_the_instance_which_is_customised_then(scripted: World) -> None:
    scripted.put(OWN, body())
    shown = scripted.get(f"{VM}/1{V}&$expand=instanceView")
    assert [each["name"] for each in shown["resources"]] == ["setup", "own"]
    assert [each["name"] for each in shown["properties"]["instanceView"]["extensions"]] == ["setup", "own"]
    assert shown["properties"]["modelDefinitionApplied"] == "VirtualMachine"
    assert scripted.get(f"{VM}/0")["properties"]["modelDefinitionApplied"] == "VirtualMachineScaleSet"
    view = scripted.get(f"{OWN}{V}&$expand=instanceView")["properties"]["instanceView"]
    assert view["statuses"][0]["code"] == "ProvisioningState/transitioning"
    assert '"own": true' not in scripted.send("GET", f"{VM}/1").text.lower()
    assert scripted.send("PUT", f"{VM}/1", shown).status_code == 200, "it can be put back as it was read"


def test_protected_settings_are_kept_sealed_and_never_shown(scripted: World) -> None:
    secret: Json = {"settings": {}, "protectedSettings": {"commandToExecute": f"echo {SECRET}"}}
    answers = [scripted.put(OWN, body(**secret)), scripted.send("PATCH", OWN, {"properties": {"settings": {}}})]
    answers += [scripted.send("GET", path) for path in (OWN, f"{VM}/1", f"{VM}/1/extensions", VM)]
    assert all(SECRET not in answer.text for answer in answers)
    found = scripted.store.own_extension(scripted.record.uid, 1, "OWN")
    assert found is not None and found.secrets["protectedSettings"] == secret["protectedSettings"]
    assert SECRET not in str(found.properties)


def test_it_runs_again_only_when_what_it_runs_changes(scripted: World) -> None:
    first = body(forceUpdateTag="1", protectedSettings={"fileUris": ["http://h/f"]})
    scripted.put(OWN, first)
    answer = scripted.put(OWN, body(forceUpdateTag="1"))
    assert (answer.status_code, sequence_of(scripted)) == (200, 1), "its protected settings are kept"
    scripted.put(OWN, body(forceUpdateTag="2"))
    assert sequence_of(scripted) == 2
    assert scripted.send("PATCH", OWN, {"properties": {"forceUpdateTag": "3"}}).status_code == 200
    assert sequence_of(scripted) == 3
    scripted.send("PATCH", OWN, {"properties": {"suppressFailures": True}})
    assert sequence_of(scripted) == 3


def test_a_name_of_the_model_and_a_name_of_its_own_exclude_each_other(scripted: World) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        answer = scripted.send(method, f"{VM}/1/extensions/SETUP", body() if method != "DELETE" else None)
        assert (answer.status_code, error(answer)["code"]) == (409, "Conflict")
    scripted.put(OWN, body())
    new = scripted.put(f"{SET}/extensions/Own", script_extension("Own"))
    assert (new.status_code, error(new)["code"]) == (409, "Conflict")
    assert "own" in error(new)["message"]


def test_an_old_models_name_is_taken_while_the_instance_is_on_it(scripted: World) -> None:
    assert scripted.send("DELETE", f"{SET}/extensions/setup").status_code == 202
    answer = scripted.put(f"{VM}/1/extensions/setup", body("setup"))
    assert error(answer)["code"] == "Conflict"
    scripted.change(
        1, model_version=scripted.record.model_version, extensions={"setup": state("setup", "succeeded", 4)}
    )
    assert scripted.put(f"{VM}/1/extensions/setup", body("setup")).status_code == 201
    assert sequence_of(scripted, "setup") == 5, "no number stands for two configurations"


def test_it_survives_an_upgrade_of_the_model_and_goes_with_its_instance(scripted: World) -> None:
    scripted.put(OWN, body())
    scripted.put(f"{SET}/extensions/setup", script_extension("setup", commandToExecute="false"))
    scripted.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["1"]})
    assert scripted.get(OWN)["name"] == "own"
    with scripted.store.write() as tx:
        tx.drop_instance(scripted.record.uid, 1)
    assert scripted.store.own_extensions(scripted.record.uid) == []


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"settings": {"commandToExecute": "a", "script": "b"}}, 400, "exactly one of them"),
        ({"settings": {}}, 400, "properties.settings.commandToExecute is required"),
        ({"provisionAfterExtensions": ["nobody"]}, 400, "not in the model"),
        ({"provisionAfterExtensions": ["own"]}, 400, "circle"),
        (health_extension()["properties"], 409, "for the whole scale set"),
        ({"type": "Other"}, 409, "does not have"),
    ],
)
def test_what_cannot_be_run_is_refused(scripted: World, changes: Json, status: int, words: str) -> None:
    answer = scripted.put(OWN, body(**changes))
    assert answer.status_code == status and words in error(answer)["message"], answer.text
    assert scripted.rows()[1].stage is Stage.READY


def test_an_instance_that_is_off_takes_no_extension_but_lets_go_of_one(scripted: World) -> None:
    scripted.put(OWN, body())
    scripted.change(1, wanted_power=WantedPower.STOPPED)
    refused = scripted.put(OWN, body(forceUpdateTag="2"))
    assert (refused.status_code, error(refused)["code"]) == (409, "OperationNotAllowed")
    assert scripted.send("DELETE", OWN).status_code == 200


def test_removing_the_extension_that_failed_lets_its_instance_try_again(scripted: World) -> None:
    scripted.put(OWN, body())
    states = {"setup": state("setup", "succeeded"), "own": state("own", "failed")}
    scripted.change(1, stage=Stage.FAILED, extensions=states)
    assert scripted.send("DELETE", OWN).status_code == 202
    row = scripted.rows()[1]
    assert row.stage is Stage.CONFIGURING and list(row.extensions) == ["setup"]
    assert scripted.send("DELETE", OWN).status_code == 204
    assert scripted.send("GET", OWN).status_code == 404


def test_one_that_runs_keeps_its_state_when_it_is_removed_so_that_it_is_ended(scripted: World) -> None:
    scripted.put(OWN, body())
    scripted.change(1, stage=Stage.CONFIGURING, extensions={"own": state("own", "transitioning")})
    assert scripted.send("DELETE", OWN).status_code == 202
    assert scripted.rows()[1].extensions["own"].is_running


def test_one_that_another_is_provisioned_after_cannot_be_removed(scripted: World) -> None:
    scripted.put(OWN, body())
    scripted.put(f"{VM}/1/extensions/later", body("later", provisionAfterExtensions=["OWN", "setup"]))
    refused = scripted.send("DELETE", OWN)
    assert refused.status_code == 409 and "later is provisioned after own" in error(refused)["message"]


def test_a_running_extension_is_cancelled_and_one_that_does_not_run_is_not(scripted: World) -> None:
    path = f"{VM}/2/extensions/Setup/cancel"
    assert error(scripted.send("POST", path))["code"] == "OperationNotAllowed"
    scripted.change(2, stage=Stage.CONFIGURING, extensions={"setup": state("setup", "transitioning")})
    assert scripted.send("POST", path).status_code == 202
    assert scripted.rows()[2].extensions["setup"].cancelled_by == "a request"
    assert last_operation(scripted).kind is OperationKind.CANCEL_EXTENSION


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_an_instance_that_is_not_there_has_no_extensions(scripted: World, method: str) -> None:
    content = None if method in {"GET", "DELETE"} else body()
    assert scripted.send(method, f"{VM}/9/extensions/own", content).status_code == 404


def test_only_the_instance_view_can_be_expanded(scripted: World) -> None:
    assert scripted.send("GET", f"{VM}/1/extensions{V}&$expand=all").status_code == 400


def test_an_extension_of_the_model_tells_how_it_goes_on_the_instances(scripted: World) -> None:
    scripted.change(0, extensions={"setup": state("setup", "succeeded")})
    scripted.change(1, extensions={"setup": state("setup", "failed")})
    path = f"{SET}/extensions/setup"
    view = scripted.get(f"{path}{V}&$expand=instanceView")["properties"]["instanceView"]
    assert {each["code"]: each["count"] for each in view["statusesSummary"]} == {
        "ProvisioningState/succeeded": 1,
        "ProvisioningState/failed": 1,
        "ProvisioningState/transitioning": 1,
    }
    assert "instanceView" not in scripted.get(path)["properties"]
    assert scripted.send("GET", f"{path}{V}&$expand=all").status_code == 400
