from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import BadInput, Conflict
from orchestrator.model.arm.instance_put import parse_instance_put
from orchestrator.model.arm.instance_resources import instance_resource
from orchestrator.model.arm.instance_views import Look, Subject, instance_view
from orchestrator.model.arm.names import computer_name, parse_instance_id
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.statuses import PowerState
from orchestrator.model.arm.views import public_view, scale_set_instance_view, set_provisioning_state
from orchestrator.model.arm.write_only import split_secrets
from orchestrator.model.health import Health
from orchestrator.model.instance import ExtensionState, Failure, Instance, Protection, Stage
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus, ScaleSet

Json = dict[str, Any]
SCRIPT = {"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1"}
HEALTH = {
    "publisher": "Microsoft.ManagedServices",
    "type": "ApplicationHealthLinux",
    "typeHandlerVersion": "1.0",
    "settings": {"protocol": "tcp", "port": 80},
}
RUNNING = Look(PowerState.RUNNING)


def record(**changes: Any) -> ScaleSet:
    profile = {
        "osProfile": {"customData": "aGk=", "adminUsername": "azureuser"},
        "storageProfile": {"imageReference": {"publisher": "vmss", "offer": "micro", "sku": "1"}},
        "extensionProfile": {
            "extensions": [
                {"name": "run", "properties": {**SCRIPT, "protectedSettings": {"commandToExecute": "s3cret"}}},
                {"name": "health", "properties": HEALTH},
            ]
        },
    }
    repairs = {"enabled": True, "gracePeriod": "PT30S"}
    given = {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 2},
        "properties": {"virtualMachineProfile": profile, "automaticRepairsPolicy": repairs},
    }
    model, secrets = split_secrets(parse_scale_set(given, name="web").to_json())
    made = ScaleSet("0123456789ab", "sub", "rg", "web", "local", model, secrets, created_at=100.0)
    return made.but(**changes)


def row(**changes: Any) -> Instance:
    made = Instance("0123456789ab", 7, 1, 1, Stage.READY, 100.0, 200.0, "10.90.0.7", "02:00", "private", "public")
    return made.but(**{"host": "h1", "zone": "2", "fault_domain": 1, "booted_at": 150.0, **changes})


def subject(given_row: Instance | None = None, look: Look = RUNNING, of_set: ScaleSet | None = None) -> Subject:
    of_set, given_row = of_set or record(), given_row or row()
    return Subject(of_set, of_set.model, given_row, given_row.owner("abcdef01"), look)


def codes(given_row: Instance, look: Look = RUNNING) -> list[str]:
    return [each["code"] for each in instance_view(subject(given_row, look))["statuses"]]


def test_no_write_only_member_is_shown() -> None:
    shown = str(public_view(record(), "Succeeded"))
    assert "s3cret" not in shown
    assert "aGk=" not in shown
    assert "protectedSettings" not in shown


def test_a_set_is_shown_with_its_id_its_etag_and_its_state() -> None:
    shown = public_view(record(version=4), "Updating")
    assert shown["id"].endswith("/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/web")
    assert shown["etag"] == '"0123456789ab-4"'
    assert shown["properties"]["provisioningState"] == "Updating"
    assert "zones" not in shown


@pytest.mark.parametrize(
    ("given_row", "expected"),
    [
        (row(), "ProvisioningState/succeeded"),
        (row(stage=Stage.CREATING, booted_at=None), "ProvisioningState/creating"),
        (row(stage=Stage.CREATING), "ProvisioningState/updating"),
        (row(stage=Stage.BOOTING), "ProvisioningState/creating/OSProvisioningInProgress"),
        (row(stage=Stage.CONFIGURING), "ProvisioningState/creating/OSProvisioningComplete"),
        (row(stage=Stage.CREATING, restarts_wanted=1), "ProvisioningState/updating"),
        (row(stage=Stage.BOOTING, generation=2), "ProvisioningState/updating/OSProvisioningInProgress"),
        (
            row(stage=Stage.FAILED, failure=Failure("ImageNotFound", "gone", 1.0)),
            "ProvisioningState/failed/ImageNotFound",
        ),
        (
            row(stage=Stage.WAITING, failure=Failure("AllocationFailed", "full", 1.0)),
            "ProvisioningState/failed/AllocationFailed",
        ),
        (row(is_gone=True), "ProvisioningState/deleting"),
        (row(is_gone=True, lost_at=5.0), "ProvisioningState/deleting"),
    ],
)
def test_each_stage_has_its_code(given_row: Instance, expected: str) -> None:
    assert codes(given_row)[0] == expected


def test_a_failure_says_why() -> None:
    failed = row(stage=Stage.WAITING, failure=Failure("AllocationFailed", "memory ran out on h1", 1.0))
    status = instance_view(subject(failed))["statuses"][0]
    assert (status["level"], status["message"]) == ("Error", "memory ran out on h1")


@pytest.mark.parametrize("power", list(PowerState))
def test_power_is_told_in_azures_words(power: PowerState) -> None:
    assert codes(row(), Look(power))[1] == f"PowerState/{power.value}"


def test_health_is_told_only_where_somebody_asks() -> None:
    assert "vmHealth" not in instance_view(subject())
    sick = instance_view(subject(look=Look(PowerState.RUNNING, Health.UNHEALTHY, 120.0)))
    assert sick["vmHealth"]["status"]["code"] == "HealthState/unhealthy"
    assert sick["vmHealth"]["status"]["level"] == "Error"


def test_a_failed_script_shows_its_exit_code_and_its_output() -> None:
    state = ExtensionState("run", "CustomScript", "2.1", 1, "failed", "[stderr]no such file", 9.0, 127)
    view = instance_view(subject(row(extensions={"run": state})))["extensions"][0]
    assert view["statuses"][0]["code"] == "ProvisioningState/failed/127"
    assert "no such file" in view["statuses"][0]["message"]


def test_an_extension_that_has_not_run_is_transitioning() -> None:
    views = instance_view(subject())["extensions"]
    assert [view["statuses"][0]["code"] for view in views] == ["ProvisioningState/transitioning"] * 2


def test_the_health_extension_shows_what_it_was_told() -> None:
    look = Look(PowerState.RUNNING, Health.HEALTHY, 120.0)
    view = instance_view(subject(look=look))["extensions"][1]
    assert view["statuses"][0]["code"] == "ProvisioningState/succeeded"
    assert [each["code"] for each in view["substatuses"]] == [
        "ComponentStatus/AppHealthStatus/succeeded",
        "ComponentStatus/ApplicationHealthState/succeeded",
    ]
    assert view["substatuses"][1]["message"] == "Healthy"


def test_an_instance_knows_whether_it_is_on_the_newest_model() -> None:
    old, owner = row(model_version=1), row().owner("abcdef01")
    shown = instance_resource(subject(old, of_set=record(model_version=2)))
    assert shown["properties"]["latestModelApplied"] is False
    assert shown["properties"]["vmId"] == owner.vm_uuid
    assert shown["properties"]["osProfile"]["computerName"] == "web000007"
    assert shown["name"] == "web_7"
    assert "instanceView" not in shown["properties"]


def test_the_set_counts_its_instances_by_state() -> None:
    rows = [row(), row().but(instance_id=8, stage=Stage.BOOTING), row().but(instance_id=9)]
    looks = [Look(PowerState.RUNNING, Health.HEALTHY), RUNNING, Look(PowerState.STOPPED)]
    given = [subject(each, look) for each, look in zip(rows, looks, strict=True)]
    view = scale_set_instance_view(record(is_repair_suspended=True), given, "Succeeded", 300.0)
    counted = {each["code"]: each["count"] for each in view["virtualMachine"]["statusesSummary"]}
    assert counted == {
        "HealthState/healthy": 1,
        "PowerState/running": 2,
        "PowerState/stopped": 1,
        "ProvisioningState/creating": 1,
        "ProvisioningState/succeeded": 2,
    }
    assert [each["serviceState"] for each in view["orchestrationServices"]] == ["Suspended", "NotRunning"]


def operation(status: OperationStatus, started_at: float = 100.0) -> Operation:
    return Operation("x", OperationKind.CREATE_OR_UPDATE, "0123456789ab", started_at, 9e9, status=status)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([], "Succeeded"),
        ([operation(OperationStatus.IN_PROGRESS)], "Creating"),
        ([operation(OperationStatus.SUCCEEDED), operation(OperationStatus.IN_PROGRESS, 200.0)], "Updating"),
        ([operation(OperationStatus.SUCCEEDED), operation(OperationStatus.FAILED, 200.0)], "Failed"),
        ([operation(OperationStatus.FAILED), operation(OperationStatus.SUCCEEDED, 200.0)], "Succeeded"),
    ],
)
def test_a_sets_state_is_what_its_last_write_came_to(operations: list[Operation], expected: str) -> None:
    assert set_provisioning_state(record(), operations) == expected


def test_a_set_that_is_being_deleted_says_so_whatever_else_goes_on() -> None:
    assert set_provisioning_state(record(is_deleting=True), [operation(OperationStatus.IN_PROGRESS)]) == "Deleting"


@pytest.mark.parametrize(("number", "name"), [(0, "web000000"), (10, "web00000a"), (36**6 - 1, "webzzzzzz")])
def test_a_computers_name_has_its_id_in_base_36(number: int, name: str) -> None:
    assert computer_name("web", number) == name


@pytest.mark.parametrize("text", ["01", "-1", "+1", " 1", "1 ", "", "x", "1.0", "٣", "99999999999"])
def test_what_is_no_instance_id_is_not_read_as_one(text: str) -> None:
    assert parse_instance_id(text) is None


def put(body: Json, **changes: Any) -> Protection:
    current = instance_resource(subject(row(**changes)), is_expanded=True)
    return parse_instance_put(body, current, "web_7")


def policy(**flags: Any) -> Json:
    return {"location": "local", "properties": {"protectionPolicy": flags}}


def test_protection_from_set_actions_brings_protection_from_scale_in() -> None:
    assert put(policy(protectFromScaleSetActions="true")) == Protection(True, True)
    assert put(policy(protectFromScaleIn=True)) == Protection(True, False)


def test_contradicting_flags_are_refused() -> None:
    with pytest.raises(BadInput):
        put(policy(protectFromScaleSetActions=True, protectFromScaleIn=False))


def test_an_instance_put_back_as_it_was_read_changes_nothing() -> None:
    protected = row(protection=Protection(True, False))
    current = instance_resource(subject(protected), is_expanded=True)
    assert parse_instance_put(current, current, "web_7") == Protection(True, False)


def test_a_policy_that_is_not_named_stays_and_null_lifts_it() -> None:
    assert put({"properties": {}}, protection=Protection(True, True)) == Protection(True, True)
    assert put({"properties": {"protectionPolicy": None}}, protection=Protection(True, True)) == Protection()


def test_all_else_that_differs_is_named() -> None:
    with pytest.raises(Conflict) as caught:
        put({"tags": {"a": "b"}, "properties": {"osProfile": {"computerName": "evil"}}})
    assert caught.value.code == "PropertyChangeNotAllowed"
    assert [detail.target for detail in caught.value.details] == ["tags.a", "properties.osProfile.computerName"]


@pytest.mark.parametrize(
    "body", [{"properties": 1}, {"properties": {"protectionPolicy": 1}}, policy(protectFromEvil=True)]
)
def test_a_malformed_policy_is_refused(body: Json) -> None:
    with pytest.raises(BadInput):
        put(body)
