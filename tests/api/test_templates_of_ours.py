"""The templates of docs/templates: each is valid, makes what it says, and making it again changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_world import GROUP, Json, World
from test_deployments import DEPLOYMENTS, advance, finish_sets

FOLDER = Path(__file__).parent.parent.parent / "docs/templates"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json") if not path.stem.endswith(".parameters"))


def body(name: str, **changes: object) -> Json:
    template = json.loads((FOLDER / f"{name}.json").read_text())
    given = json.loads((FOLDER / f"{name}.parameters.json").read_text())["parameters"]
    given |= {key: {"value": value} for key, value in changes.items()}
    return {"properties": {"mode": "Incremental", "template": template, "parameters": given}}


def deploy(world: World, what: Json) -> Json:
    world.put(f"{DEPLOYMENTS}/d", what)
    for _ in range(20):
        if not advance(world):
            break
        finish_sets(world)
    return world.get(f"{DEPLOYMENTS}/d")["properties"]


def here(name: str) -> Json:
    """On a world of two zones."""
    return body(name, zones=["1", "2"]) if name == "zonal-health-repairs" else body(name)


def test_there_are_three() -> None:
    assert NAMES == ["autoscale", "web-custom-script", "zonal-health-repairs"]


@pytest.mark.parametrize("name", NAMES)
def test_what_if_says_what_the_deployment_then_makes(world: World, name: str) -> None:
    foretold = world.send("POST", f"{DEPLOYMENTS}/d/whatIf", here(name)).json()["properties"]["changes"]
    made = {each["resourceId"] for each in foretold if "/virtualMachines/" not in each["resourceId"]}
    assert {each["changeType"] for each in foretold} == {"Create"}
    assert world.store.scale_sets() == []
    done = deploy(world, here(name))
    assert done["provisioningState"] == "Succeeded", done
    assert {each["id"] for each in done["outputResources"]} == made
    assert done["outputs"]["vmssId"]["value"] in made


@pytest.mark.parametrize("name", NAMES)
def test_a_second_deployment_changes_nothing(world: World, name: str) -> None:
    deploy(world, here(name))
    again = world.send("POST", f"{DEPLOYMENTS}/d/whatIf", here(name)).json()["properties"]["changes"]
    own = [each for each in again if "/virtualMachines/" not in each["resourceId"]]
    assert {each["changeType"] for each in own} == {"NoChange"}, own


def test_a_parameter_that_is_not_allowed_is_refused_by_name(world: World) -> None:
    wrong = body("web-custom-script", upgradeMode="Sometimes", instanceCount=500, vmssName="x")
    answer = world.send("POST", f"{DEPLOYMENTS}/d/validate", wrong)
    targets = {each["target"] for each in answer.json()["error"]["details"]}
    assert targets == {"parameters.upgradeMode", "parameters.instanceCount", "parameters.vmssName"}


def test_what_a_condition_leaves_out_is_not_made(world: World) -> None:
    deploy(world, body("autoscale", isAutoscaleEnabled=False))
    assert world.get(f"{GROUP}/resources")["value"]
    kinds = {each["type"].lower() for each in world.get(f"{GROUP}/resources")["value"]}
    assert "microsoft.insights/autoscalesettings" not in kinds
