"""Template deployments on an app with a fake loop behind it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fake_world import GROUP, SET, Json, World, a_set

from orchestrator.model.scale_set import OperationStatus

DEPLOYMENTS = f"{GROUP}/providers/Microsoft.Resources/deployments"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"


def template(*resources: Json, **parts: Any) -> Json:
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": list(resources), **parts}


def set_resource(name: str = "web", **members: Any) -> Json:
    kind = "Microsoft.Compute/virtualMachineScaleSets"
    return {"type": kind, "apiVersion": "2024-11-01", "name": name, **a_set(), **members}


def body(what: Json, mode: str = "Incremental", **parameters: Any) -> Json:
    given = {name: {"value": value} for name, value in parameters.items()}
    return {"properties": {"mode": mode, "template": what, "parameters": given}}


def advance(world: World) -> bool:
    """One pass of the jobs."""
    api = world.app.state.api
    return asyncio.run(api.jobs.advance(api))


def finish_sets(world: World, status: OperationStatus = OperationStatus.SUCCEEDED) -> None:
    """What the loops of the sets would have come to."""
    with world.store.write() as tx:
        for each in world.store.operations(in_progress=True):
            if each.set_uid:
                tx.put_operation(each.but(status=status, ended_at=world.clock[0]))


def run(world: World, name: str, what: Json, **more: Any) -> Json:
    assert world.put(f"{DEPLOYMENTS}/{name}", body(what, **more)).status_code == 201
    for _ in range(20):
        if not advance(world):
            break
        finish_sets(world)
    return world.get(f"{DEPLOYMENTS}/{name}")["properties"]


def test_a_deployment_makes_what_its_template_says_and_answers_with_its_outputs(world: World) -> None:
    outputs = {"VMSSSize": {"type": "string", "value": "[reference('web', '', 'Full').sku.name]"}}
    done = run(world, "d1", template(set_resource(), outputs=outputs))
    assert done["provisioningState"] == "Succeeded"
    assert done["outputs"] == {"vmssSize": {"type": "String", "value": "Lab_Micro"}}
    assert [each["id"] for each in done["outputResources"]] == [SET]
    assert world.record.capacity == 3


def test_a_put_is_accepted_and_its_operation_tells_what_is_wrong(world: World) -> None:
    answer = world.put(f"{DEPLOYMENTS}/bad", body(template(set_resource(name="[nonsense()]"))))
    assert answer.status_code == 201
    assert int(answer.headers["retry-after"]) >= 1
    advance(world)
    path = answer.headers["azure-asyncoperation"].removeprefix("http://localhost")
    status = world.send("GET", path).json()
    assert (status["status"], status["error"]["code"]) == ("Failed", "InvalidTemplate")
    assert "nonsense" in status["error"]["message"]
    assert world.store.scale_sets() == []


def test_what_fails_is_told_with_its_reason_and_nothing_after_it_is_begun(world: World) -> None:
    first = set_resource("one", sku={"name": "No_Such_Size", "capacity": 1})
    done = run(world, "d", template(first, set_resource("two", dependsOn=["one"])))
    assert done["provisioningState"] == "Failed"
    assert done["error"]["code"] == "DeploymentFailed"
    [detail] = done["error"]["details"]
    assert "No_Such_Size" in detail["message"] and detail["target"].endswith("/one")
    assert world.store.scale_sets() == []
    [operation] = world.get(f"{GROUP}/deployments/d/operations")["value"]
    assert operation["properties"]["provisioningState"] == "Failed"


def test_dependencies_are_awaited(world: World) -> None:
    world.put(f"{DEPLOYMENTS}/d", body(template(set_resource("b", dependsOn=["a"]), set_resource("a"))))
    assert advance(world)
    assert [each.name for each in world.store.scale_sets()] == ["a"]
    finish_sets(world)
    assert advance(world)
    assert [each.name for each in world.store.scale_sets()] == ["a", "b"]


def test_a_daemon_that_was_killed_goes_on_where_it_was(world: World) -> None:
    world.put(f"{DEPLOYMENTS}/d", body(template(set_resource("b", dependsOn=["a"]), set_resource("a"))))
    advance(world)
    world.app = world.make_app(world.app.state.api.identity)
    finish_sets(world)
    advance(world)
    finish_sets(world)
    advance(world)
    assert world.get(f"{DEPLOYMENTS}/d")["properties"]["provisioningState"] == "Succeeded"


def test_a_cancelled_deployment_begins_nothing_more(world: World) -> None:
    world.put(f"{DEPLOYMENTS}/d", body(template(set_resource("b", dependsOn=["a"]), set_resource("a"))))
    advance(world)
    assert world.send("POST", f"{DEPLOYMENTS}/d/cancel").status_code == 204
    finish_sets(world)
    advance(world)
    assert world.get(f"{DEPLOYMENTS}/d")["properties"]["provisioningState"] == "Canceled"
    assert [each.name for each in world.store.scale_sets()] == ["a"]
    assert world.send("POST", f"{DEPLOYMENTS}/d/cancel").status_code == 409


def test_one_of_the_same_name_has_to_end_first(world: World) -> None:
    world.put(f"{DEPLOYMENTS}/d", body(template(set_resource())))
    again = world.put(f"{DEPLOYMENTS}/D", body(template(set_resource())))
    assert (again.status_code, again.json()["error"]["code"]) == (409, "DeploymentActive")


def test_secure_values_are_never_shown(world: World) -> None:
    parts = {
        "parameters": {"word": {"type": "securestring"}, "plain": {"type": "string", "defaultValue": "open"}},
        "outputs": {"echo": {"type": "securestring", "value": "[parameters('word')]"}},
    }
    done = run(world, "d", template(**parts), word="hunter2-hidden")
    assert done["parameters"] == {"word": {"type": "securestring"}, "plain": {"type": "string", "value": "open"}}
    assert "hunter2" not in str(done)
    assert done["outputs"] == {"echo": {"type": "SecureString"}}


def test_complete_mode_deletes_what_the_template_does_not_name(world: World) -> None:
    world.put(SET.replace("/web", "/old"))
    finish_sets(world)
    world.put(f"{DEPLOYMENTS}/d", body(template(set_resource()), mode="Complete"))
    for _ in range(3):
        advance(world)
        finish_sets(world)
    old = world.store.find_scale_set(world.record.subscription_id, "rg", "old")
    assert old.is_deleting
    assert not world.record.is_deleting


def test_validation_names_every_offence_and_makes_nothing(world: World) -> None:
    wrong = template(
        set_resource("one", sku={"name": "No_Such_Size", "capacity": 1}), set_resource("two", location="mars")
    )
    answer = world.send("POST", f"{DEPLOYMENTS}/d/validate", body(wrong))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidTemplateDeployment")
    assert len(answer.json()["error"]["details"]) == 2
    right = world.send("POST", f"{DEPLOYMENTS}/d/validate", body(template(set_resource())))
    assert right.json()["properties"]["validatedResources"] == [{"id": SET}]
    assert world.store.scale_sets() == [] and world.store.operations() == [] and world.store.events() == []


def test_what_if_tells_resources_and_instances_and_keeps_nothing(world: World) -> None:
    world.put(SET.replace("/web", "/other"))
    before = world.store.operations()
    answer = world.send("POST", f"{DEPLOYMENTS}/d/whatIf", body(template(set_resource())))
    changes = {each["resourceId"]: each for each in answer.json()["properties"]["changes"]}
    assert changes[SET]["changeType"] == "Create"
    assert changes[f"{SET}/virtualMachines/0"]["after"]["reason"] == "the set needs 1 more instance"
    assert changes[SET.replace("/web", "/other")]["changeType"] == "Ignore"
    assert [each.name for each in world.store.scale_sets()] == ["other"]
    assert world.store.operations() == before


def test_what_if_names_the_properties_that_change(world: World) -> None:
    world.put()
    smaller = set_resource(sku={"name": "Lab_Micro", "capacity": 1})
    answer = world.send("POST", f"{DEPLOYMENTS}/d/whatIf", body(template(smaller)))
    change = next(each for each in answer.json()["properties"]["changes"] if each["resourceId"] == SET)
    assert change["changeType"] == "Modify"
    assert [(each["path"], each["before"], each["after"]) for each in change["delta"]] == [("sku.capacity", 3, 1)]
    assert world.record.capacity == 3


def test_a_nested_deployment_is_a_deployment_of_its_own(world: World) -> None:
    inner = {
        **template(set_resource("[parameters('name')]")),
        "parameters": {"name": {"type": "string"}},
        "outputs": {"made": {"type": "string", "value": "[parameters('name')]"}},
    }
    nested = {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2024-11-01",
        "name": "inside",
        "properties": {
            "mode": "Incremental",
            "expressionEvaluationOptions": {"scope": "inner"},
            "parameters": {"name": {"value": "web"}},
            "template": inner,
        },
    }
    outputs = {"made": {"type": "string", "value": "[reference('inside').outputs.made.value]"}}
    done = run(world, "outside", template(nested, outputs=outputs))
    assert done["outputs"]["made"]["value"] == "web", done
    assert world.get(f"{DEPLOYMENTS}/inside")["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(
    ("changed", "target"),
    [
        ({"mode": "Sometimes"}, "properties.mode"),
        ({"template": "text"}, "properties.template"),
        ({"templateLink": {"uri": "https://example.com"}}, "properties.templatelink"),
        ({"nonsense": 1}, "properties.nonsense"),
    ],
)
def test_what_is_no_deployment_is_refused_at_once(world: World, changed: Json, target: str) -> None:
    wrong = body(template())
    wrong["properties"] |= changed
    answer = world.put(f"{DEPLOYMENTS}/d", wrong)
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, target)
    assert world.store.deployments() == []


def test_the_body_that_az_sends_is_no_json_and_is_read(world: World) -> None:
    text = """{"properties": {"mode": "Incremental", "parameters": {}, template: {
        // made by hand
        "$schema": "SCHEMA", /* and more */ "contentVersion": "1.0.0.0",
        "resources": [], "outputs": {"two": {"type": "string", "value": "a
b"}},
    }}}""".replace("SCHEMA", SCHEMA)
    headers = {"content-type": "application/json"}
    answer = world.send("PUT", f"{DEPLOYMENTS}/d", content=text, headers=headers)
    assert answer.status_code == 201, answer.text
    advance(world)
    assert world.get(f"{DEPLOYMENTS}/d")["properties"]["outputs"]["two"]["value"] == "a\nb"


def test_the_template_comes_back_as_it_was_sent(world: World) -> None:
    sent = template(set_resource())
    world.put(f"{DEPLOYMENTS}/d", body(sent))
    assert world.send("POST", f"{DEPLOYMENTS}/d/exportTemplate").json() == {"template": sent}
    assert "template" not in world.get(f"{DEPLOYMENTS}/d")["properties"]
    assert [each["name"] for each in world.get(DEPLOYMENTS)["value"]] == ["d"]
