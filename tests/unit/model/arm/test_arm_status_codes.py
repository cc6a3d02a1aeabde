"""The codes and words of the instance view, as a table (reference 2), and what else it tells."""

from __future__ import annotations

from typing import Any

import pytest
from test_arm_views import codes, record, row, subject

from orchestrator.api.sights import power_state
from orchestrator.model.arm import statuses
from orchestrator.model.arm.instance_resources import instance_resource, machine_resource
from orchestrator.model.arm.instance_views import ImageLook, Look, instance_view, placement_group_id
from orchestrator.model.arm.statuses import PowerState
from orchestrator.model.arm.views import scale_set_instance_view
from orchestrator.model.custom_metrics import CustomMetrics
from orchestrator.model.health import Health
from orchestrator.model.instance import Cause, ExtensionState, Failure, Stage, WantedPower
from orchestrator.plan.inputs import Sight

Json = dict[str, Any]
RUNNING = Look(PowerState.RUNNING)
TIMED_OUT = Failure("OSProvisioningTimedOut", "it did not come up", 1.0)
DEALLOCATED = Look(PowerState.DEALLOCATED)


@pytest.mark.parametrize(
    ("made", "code", "level", "words"),
    [
        (statuses.provisioning_status(row()), "ProvisioningState/succeeded", "Info", "Provisioning succeeded"),
        (
            statuses.provisioning_status(
                row(stage=Stage.FAILED, failure=Failure("OSProvisioningTimedOut", "x", 1.0))
            ),
            "ProvisioningState/failed/OSProvisioningTimedOut",
            "Error",
            "Provisioning failed",
        ),
        (statuses.provisioning_status(row(is_gone=True)), "ProvisioningState/deleting", "Info", "Deleting"),
        (
            statuses.provisioning_status(row(stage=Stage.BOOTING)),
            "ProvisioningState/creating/OSProvisioningInProgress",
            "Info",
            "Creating",
        ),
        (
            statuses.provisioning_status(row(stage=Stage.CONFIGURING)),
            "ProvisioningState/creating/OSProvisioningComplete",
            "Info",
            "Creating",
        ),
        (
            statuses.provisioning_status(row(stage=Stage.CONFIGURING, generation=2)),
            "ProvisioningState/updating/OSProvisioningComplete",
            "Info",
            "Updating",
        ),
        *(
            (statuses.power_status(power), f"PowerState/{power}", "Info", f"VM {power}")
            for power in ("creating", "starting", "running", "stopping", "stopped", "deallocating", "deallocated")
        ),
        (statuses.hibernation_status(row()), "HibernationState/Hibernated", "Info", "VM hibernated"),
        (
            statuses.health_status(Health.HEALTHY, 1.0),
            "HealthState/healthy",
            "Info",
            "The VM reports that it is healthy",
        ),
        (
            statuses.health_status(Health.UNHEALTHY, 1.0),
            "HealthState/unhealthy",
            "Error",
            "The VM reports that it is unhealthy, or cannot be reached",
        ),
        (
            statuses.health_status(Health.INITIALIZING, 1.0),
            "HealthState/initializing",
            "Info",
            "The VM is not yet done with its first probes",
        ),
        (
            statuses.health_status(Health.UNKNOWN, 1.0),
            "HealthState/unknown",
            "Warning",
            "The VM's health is not known",
        ),
        (statuses.agent_status(is_ready=True), "ProvisioningState/succeeded", "Info", "Ready"),
        (statuses.agent_status(is_ready=False), "ProvisioningState/Unavailable", "Warning", "Not Ready"),
        (
            statuses.extension_status(ExtensionState("a", "b", "1", 1, "transitioning", "", 1.0)),
            "ProvisioningState/transitioning",
            "Info",
            "Transitioning",
        ),
        (
            statuses.extension_status(ExtensionState("a", "b", "1", 1, "failed", "", 1.0, 3)),
            "ProvisioningState/failed/3",
            "Error",
            "Provisioning failed",
        ),
        (statuses.service_status(row(quarantined_at=5.0)), "VmssState/quarantined", "Warning", "In quarantine"),
        (statuses.service_status(row(is_on_trial=True)), "VmssState/onTrial", "Info", "On trial"),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" in value else "",
)
def test_each_state_has_its_code_its_level_and_its_words(made: Json, code: str, level: str, words: str) -> None:
    assert (made["code"], made["level"], made["displayStatus"]) == (code, level, words)


@pytest.mark.parametrize(
    ("wanted", "sight", "power"),
    [
        (WantedPower.HIBERNATED, Sight.RUNNING, PowerState.DEALLOCATING),
        (WantedPower.HIBERNATED, Sight.DEAD, PowerState.DEALLOCATED),
        (WantedPower.DEALLOCATED, Sight.DEAD, PowerState.DEALLOCATING),
        (WantedPower.DEALLOCATED, Sight.ABSENT, PowerState.DEALLOCATED),
        (WantedPower.STOPPED, Sight.DEAD, PowerState.STOPPED),
    ],
)
def test_one_that_hibernates_is_deallocated_once_its_memory_is_saved(
    wanted: WantedPower, sight: Sight, power: PowerState
) -> None:
    assert power_state(row(wanted_power=wanted), sight) is power


def test_hibernation_stands_beside_the_power_state() -> None:
    look = Look(PowerState.DEALLOCATED, is_hibernated=True)
    assert codes(row(), look)[1:] == ["PowerState/deallocated", "HibernationState/Hibernated"]


# Place


def test_a_placement_group_has_one_id_in_its_set_and_none_when_deallocated() -> None:
    first, second = row(placement_group=0), row(placement_group=1)
    assert placement_group_id(first) == placement_group_id(first.but(instance_id=99))
    assert placement_group_id(first) != placement_group_id(second)
    assert instance_view(subject(second))["placementGroupId"] == placement_group_id(second)
    assert "placementGroupId" not in instance_view(subject(second, DEALLOCATED))


def test_domains_are_numbers_and_the_update_domain_is_uniforms_alone() -> None:
    placed = row(fault_domain=3, update_domain=4)
    view = instance_view(subject(placed))
    assert (view["platformFaultDomain"], view["platformUpdateDomain"], view["assignedHost"]) == (3, 4, "h1")
    model = record().model
    flexible = record(model={**model, "properties": {**model["properties"], "orchestrationMode": "Flexible"}})
    assert "platformUpdateDomain" not in instance_view(subject(placed, of_set=flexible))


def test_maintenance_is_allowed_while_the_host_is_drained() -> None:
    draining = instance_view(subject(look=Look(PowerState.RUNNING, is_host_draining=True)))
    assert draining["maintenanceRedeployStatus"]["isCustomerInitiatedMaintenanceAllowed"] is True
    assert "maintenanceRedeployStatus" not in instance_view(subject())


# What is inside


def test_the_system_is_told_where_the_catalogue_knows_the_image() -> None:
    look = Look(PowerState.RUNNING, image=ImageLook("debian", "12", "V2"))
    view = instance_view(subject(look=look))
    assert (view["osName"], view["osVersion"], view["hyperVGeneration"]) == ("debian", "12", "V2")
    assert not {"osName", "osVersion", "hyperVGeneration"} & instance_view(subject()).keys()


@pytest.mark.parametrize(
    ("changes", "power", "ready"),
    [
        ({}, PowerState.RUNNING, True),
        ({"stage": Stage.CONFIGURING}, PowerState.RUNNING, True),
        ({"stage": Stage.BOOTING}, PowerState.RUNNING, False),
        ({}, PowerState.STOPPED, False),
        ({"stage": Stage.FAILED}, PowerState.RUNNING, False),
    ],
)
def test_the_agent_is_ready_when_the_guest_answers(changes: Json, power: PowerState, ready: bool) -> None:
    view = instance_view(subject(row(**changes), Look(power, agent_version="1.2.3")))["vmAgent"]
    assert view["vmAgentVersion"] == "1.2.3"
    words = "Ready" if ready else "Not Ready"
    assert view["statuses"][0]["displayStatus"] == words
    assert {each["type"]: each["status"]["displayStatus"] for each in view["extensionHandlers"]} == {
        "Microsoft.Azure.Extensions.CustomScript": words,
        "Microsoft.ManagedServices.ApplicationHealthLinux": words,
    }


def test_disks_and_boot_diagnostics_name_what_is_there() -> None:
    view = instance_view(subject())
    [disk] = view["disks"]
    assert disk["name"] == "vmss-abcdef01-0123456789ab-7-g1-disk.qcow2"
    assert disk["statuses"][0]["code"] == "ProvisioningState/succeeded"
    assert view["bootDiagnostics"]["serialConsoleLogBlobUri"].endswith("/virtualMachines/7/console")
    unmade = instance_view(subject(row(booted_at=None)))
    assert unmade["disks"][0]["statuses"][0]["code"] == "ProvisioningState/creating"


@pytest.mark.parametrize(
    ("health", "outcome"),
    [
        (Health.HEALTHY, "succeeded"),
        (Health.UNHEALTHY, "failed"),
        (Health.INITIALIZING, "transitioning"),
        (Health.UNKNOWN, "failed"),
    ],
)
def test_the_health_extension_reports_in_substatuses(health: Health, outcome: str) -> None:
    metrics = CustomMetrics('{"rollingUpgrade":{}}')
    look = Look(PowerState.RUNNING, health, 120.0, "HTTP 200", metrics)
    view = instance_view(subject(look=look))["extensions"][1]
    told = {each["code"]: each["message"] for each in view["substatuses"]}
    assert told == {
        f"ComponentStatus/AppHealthStatus/{outcome}": "HTTP 200",
        f"ComponentStatus/ApplicationHealthState/{outcome}": health.value,
        "ComponentStatus/CustomMetrics/succeeded": '{"rollingUpgrade":{}}',
    }


def test_custom_metrics_that_have_no_effect_say_why() -> None:
    look = Look(PowerState.RUNNING, Health.HEALTHY, custom_metrics=CustomMetrics("x", problem="it is not JSON"))
    told = instance_view(subject(look=look))["extensions"][1]["substatuses"][-1]
    assert (told["code"], told["displayStatus"]) == ("ComponentStatus/CustomMetrics/failed", "it is not JSON")


# The model view


def test_an_instance_shows_its_disk_its_card_and_what_overrides_nothing() -> None:
    shown = instance_resource(subject(row(image_version="1.0.0")))["properties"]
    assert shown["storageProfile"]["osDisk"]["name"] == "vmss-abcdef01-0123456789ab-7-g1-disk.qcow2"
    assert shown["storageProfile"]["imageReference"]["exactVersion"] == "1.0.0"
    assert shown["storageProfile"]["dataDisks"] == []
    [card] = shown["networkProfile"]["networkInterfaces"]
    assert card["id"].endswith("/virtualMachines/7/networkInterfaces/primary")
    assert card["properties"] == {"primary": True}
    assert shown["modelDefinitionApplied"] == "VirtualMachineScaleSet"
    assert "virtualMachineResourceId" not in shown
    assert "computerNamePrefix" not in shown["osProfile"]


def test_an_instances_card_is_called_as_the_model_calls_it() -> None:
    made = record()
    network = {"networkInterfaceConfigurations": [{"name": "nic7", "properties": {"ipConfigurations": []}}]}
    profile = {**made.model["properties"]["virtualMachineProfile"], "networkProfile": network}
    model = {**made.model, "properties": {**made.model["properties"], "virtualMachineProfile": profile}}
    shown = instance_resource(subject(of_set=made.but(model=model)))["properties"]
    assert shown["networkProfile"]["networkInterfaces"][0]["id"].endswith("/networkInterfaces/nic7")
    assert shown["networkProfileConfiguration"] == network


def test_a_vm_by_itself_is_the_same_instance_without_what_only_a_set_has() -> None:
    model = record().model
    flexible = record(model={**model, "properties": {**model["properties"], "orchestrationMode": "Flexible"}})
    inside = instance_resource(subject(of_set=flexible))
    alone = machine_resource(subject(of_set=flexible))
    assert inside["properties"]["virtualMachineResourceId"] == alone["id"]
    assert alone["properties"]["vmId"] == inside["properties"]["vmId"]
    assert not {"instanceId", "sku"} & alone.keys()
    assert not {"latestModelApplied", "protectionPolicy"} & alone["properties"].keys()


# The set


def test_extras_and_the_quarantined_are_counted_apart() -> None:
    rows = [row(), row(instance_id=8, is_on_trial=True), row(instance_id=9, quarantined_at=5.0)]
    view = scale_set_instance_view(record(), [subject(each) for each in rows], "Succeeded", 300.0)
    counted = {each["code"]: each["count"] for each in view["virtualMachine"]["statusesSummary"]}
    assert counted == {
        "PowerState/running": 1,
        "ProvisioningState/succeeded": 1,
        "VmssState/onTrial": 1,
        "VmssState/quarantined": 1,
    }


@pytest.mark.parametrize(
    ("enabled", "suspended", "rows", "state", "latest"),
    [
        (False, False, [], "NotRunning", "Completed"),
        (True, False, [], "Running", "Completed"),
        (True, True, [], "Suspended", "Completed"),
        (True, False, [row(cause=Cause.REPAIR, stage=Stage.BOOTING)], "Running", "InProgress"),
        (True, False, [row(cause=Cause.REPAIR, is_gone=True)], "Running", "InProgress"),
        (True, False, [row(cause=Cause.REPAIR)], "Running", "Completed"),
        (True, False, [row(cause=Cause.SCALE, stage=Stage.BOOTING)], "Running", "Completed"),
    ],
)
def test_automatic_repairs_tell_their_state_and_their_latest_operation(
    enabled: bool, suspended: bool, rows: list[Any], state: str, latest: str
) -> None:
    model = record().model
    policy = {"automaticRepairsPolicy": {"enabled": enabled}}
    of_set = record(model={**model, "properties": {**model["properties"], **policy}}, is_repair_suspended=suspended)
    view = scale_set_instance_view(of_set, [subject(each, of_set=of_set) for each in rows], "Succeeded", 300.0)
    repairs = view["orchestrationServices"][0]
    assert (repairs["serviceName"], repairs["serviceState"]) == ("AutomaticRepairs", state)
    assert repairs["latestOperationStatus"] == latest
    assert repairs["lastStatusChangeTime"].endswith("Z")


@pytest.mark.parametrize(
    ("enabled", "suspended", "state"),
    [(False, False, "NotRunning"), (True, False, "Running"), (True, True, "Suspended")],
)
def test_the_rebalancing_of_zones_is_a_service_too(enabled: bool, suspended: bool, state: str) -> None:
    model = record().model
    policy = {"resiliencyPolicy": {"automaticZoneRebalancingPolicy": {"enabled": enabled}}}
    of_set = record(
        model={**model, "properties": {**model["properties"], **policy}},
        is_rebalance_suspended=suspended,
        rebalanced_at=900.0,
    )
    service = scale_set_instance_view(of_set, [], "Succeeded", 300.0)["orchestrationServices"][1]
    assert (service["serviceName"], service["serviceState"]) == ("AutomaticZoneRebalancing", state)
    assert service["lastStatusChangeTime"].startswith("1970-01-01T00:15:00")
