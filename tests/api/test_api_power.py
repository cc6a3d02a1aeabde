from __future__ import annotations

from typing import Any

import pytest
from fake_world import SET, V, World, a_set

from orchestrator.model.host import HostConfig
from orchestrator.model.instance import Failure, Stage, WantedPower
from orchestrator.model.reports import HostReport
from orchestrator.model.scale_set import Operation, OperationKind

Json = dict[str, Any]
VM = f"{SET}/virtualMachines"
HIBERNATION = {"additionalCapabilities": {"hibernationEnabled": True}}


def last_operation(world: World) -> Operation:
    return world.store.operations(world.record.uid)[-1]


def allow_hibernation(world: World) -> None:
    assert world.send("PATCH", SET, {"properties": HIBERNATION}).status_code == 200


def test_hibernation_has_to_be_allowed_by_the_model(populated: World) -> None:
    answer = populated.send("POST", f"{VM}/1/deallocate{V}&hibernate=true")
    assert answer.status_code == 409
    assert answer.json()["error"]["target"] == "properties.additionalCapabilities.hibernationEnabled"
    assert populated.rows()[1].wanted_power is WantedPower.RUNNING


def test_an_instance_hibernates(populated: World) -> None:
    allow_hibernation(populated)
    assert populated.send("POST", f"{VM}/1/deallocate{V}&hibernate=true").status_code == 202
    assert [row.wanted_power for row in populated.rows().values()] == [
        WantedPower.RUNNING,
        WantedPower.HIBERNATED,
        WantedPower.RUNNING,
    ]
    assert last_operation(populated).kind is OperationKind.HIBERNATE


def test_what_is_off_has_no_memory_to_save(populated: World) -> None:
    allow_hibernation(populated)
    populated.change(2, wanted_power=WantedPower.STOPPED)
    answer = populated.send("POST", f"{SET}/deallocate{V}&hibernate=true")
    assert answer.status_code == 409 and "unlike 2" in answer.json()["error"]["message"]
    assert populated.rows()[0].wanted_power is WantedPower.RUNNING, "nobody was touched"


def test_a_redeploy_is_owed_until_another_host_has_the_instance(populated: World) -> None:
    assert populated.send("POST", f"{VM}/1/redeploy").status_code == 202
    row = populated.rows()[1]
    assert (row.redeploys_wanted, row.redeploys_done) == (1, 0)
    assert last_operation(populated).instances == {1: 1}


def test_a_redeploy_starts_what_is_off(populated: World) -> None:
    populated.change(1, wanted_power=WantedPower.STOPPED)
    assert populated.send("POST", f"{SET}/redeploy", {"instanceIds": ["1"]}).status_code == 202
    assert populated.rows()[1].wanted_power is WantedPower.RUNNING


def test_maintenance_is_for_instances_on_draining_hosts(populated: World) -> None:
    assert populated.send("POST", f"{SET}/performMaintenance").status_code == 409
    for number, name in enumerate(["h1", "h2", "h3"]):
        populated.change(number, host=name)
        config = HostConfig(name, "simulated:///")
        condition = "draining" if name == "h2" else "up"
        report = HostReport(config, condition, name == "h2", True, 1, None, None)  # type: ignore[arg-type]
        populated.control.reports[name] = report
    assert populated.send("POST", f"{SET}/performMaintenance").status_code == 202
    assert [row.redeploys_wanted for row in populated.rows().values()] == [0, 1, 0]


def test_reapply_tries_again_from_where_it_failed(populated: World) -> None:
    failure = Failure("VMExtensionProvisioningError", "no", 5.0)
    populated.change(1, stage=Stage.FAILED, failure=failure)
    populated.change(2, stage=Stage.FAILED, failure=failure, booted_at=None)
    assert populated.send("POST", f"{SET}/reapply").status_code == 202
    assert [row.stage for row in populated.rows().values()] == [Stage.READY, Stage.CONFIGURING, Stage.CREATING]
    assert all(row.failure is None for row in populated.rows().values())


def test_a_reimage_can_name_an_exact_version_of_the_image(populated: World) -> None:
    assert populated.send("POST", f"{VM}/0/reimage", {"exactVersion": "1.0.7"}).status_code == 202
    assert populated.rows()[0].image_version == "1.0.7"
    assert populated.send("POST", f"{SET}/reimage", {"instanceIds": ["1"]}).status_code == 202
    assert populated.rows()[1].image_version is None


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"tempDisk": True}, "tempDisk"),
        ({"forceUpdateOSDiskForEphemeral": True}, "forceUpdateOSDiskForEphemeral"),
        ({"osProfile": {"customData": "eA=="}}, "osProfile"),
        ({"nonsense": 1}, "nonsense"),
        ({"instanceIds": ["1"]}, "instanceIds"),
    ],
)
def test_what_a_reimage_cannot_do_is_refused(populated: World, body: Json, target: str) -> None:
    before = populated.rows()
    answer = populated.send("POST", f"{VM}/0/reimage", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["target"] == target
    assert populated.rows() == before


def test_scale_out_adds_to_the_capacity(populated: World) -> None:
    assert populated.send("POST", f"{SET}/scaleOut", {"capacity": 2}).status_code == 202
    assert populated.record.capacity == 5
    assert populated.send("POST", f"{SET}/scaleOut", {"capacity": 0}).status_code == 400
    zoned = {"capacity": 1, "properties": {"zone": "1"}}
    assert populated.send("POST", f"{SET}/scaleOut", zoned).status_code == 409


def test_a_small_set_goes_back_to_one_placement_group(populated: World) -> None:
    assert populated.send("POST", f"{SET}/convertToSinglePlacementGroup").status_code == 200
    assert populated.get(SET)["properties"]["singlePlacementGroup"] is True


def test_only_a_placement_group_that_is_there_can_be_the_one(populated: World) -> None:
    unknown = {"activePlacementGroupId": "11111111-1111-1111-1111-111111111111"}
    assert populated.send("POST", f"{SET}/convertToSinglePlacementGroup", unknown).status_code == 400
    assert populated.get(SET)["properties"]["singlePlacementGroup"] is False
    there = {"activePlacementGroupId": populated.get(f"{VM}/0/instanceView")["placementGroupId"]}
    assert populated.send("POST", f"{SET}/convertToSinglePlacementGroup", there).status_code == 200


def test_a_set_of_many_placement_groups_stays_one(world: World) -> None:
    assert world.send("PUT", SET, a_set(101)).status_code == 201
    answer = world.send("POST", f"{SET}/convertToSinglePlacementGroup")
    assert answer.status_code == 409
    assert "placement groups" in answer.json()["error"]["message"]
