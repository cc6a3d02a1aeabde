"""Ranges, words and conflicts of the set's properties (reference 1.2, 4.2), and all offences in one answer."""

from __future__ import annotations

from typing import Any

import pytest
from arm_bodies import HEALTH, HOSTS, PPG, PROBE, SCRIPT, Json, extension_profile, full_path, minimal, with_values

from orchestrator.errors import BadInput
from orchestrator.model.arm.scale_set import ScaleSetResource, parse_scale_set

ROLLING = "p.upgradePolicy.rollingUpgradePolicy"
FLEXIBLE: Json = {"p.orchestrationMode": "Flexible"}
REBALANCE = "p.resiliencyPolicy.automaticZoneRebalancingPolicy.enabled"
REPAIRS: Json = {"p.automaticRepairsPolicy": {"enabled": True}, "p.externalHealthProbe": PROBE}


def parsed(values: Json, name: str = "web") -> ScaleSetResource:
    return parse_scale_set(with_values(values), name=name)


def targets(values: Json, name: str = "web") -> list[str | None]:
    with pytest.raises(BadInput) as caught:
        parsed(values, name)
    return [detail.target for detail in caught.value.details] or [caught.value.target]


@pytest.mark.parametrize(
    ("path", "low", "high"),
    [
        ("sku.capacity", 0, 1000),
        ("p.platformFaultDomainCount", 1, 5),
        (f"{ROLLING}.maxBatchInstancePercent", 5, 100),
        (f"{ROLLING}.maxUnhealthyInstancePercent", 5, 100),
        (f"{ROLLING}.maxUnhealthyUpgradedInstancePercent", 0, 100),
        (f"{ROLLING}.canaryInstanceCount", 0, 1000),
        ("vm.storageProfile.osDisk.diskSizeGB", 1, 4095),
    ],
)
def test_a_number_is_taken_within_its_range_and_no_further(path: str, low: int, high: int) -> None:
    parsed({path: low})
    parsed({path: str(high)})
    for wrong in (low - 1, high + 1, "many", 1.5, True):
        assert targets({path: wrong}) == [full_path(path)]


@pytest.mark.parametrize(
    ("path", "low", "high", "beyond"),
    [
        (f"{ROLLING}.pauseTimeBetweenBatches", "PT0S", "P1D", "PT24H1S"),
        (f"{ROLLING}.canaryPause", "PT0S", "PT24H", "P1DT1S"),
        ("p.automaticRepairsPolicy.gracePeriod", "PT1S", "PT90M", "PT91M"),
        ("vm.extensionProfile.extensionsTimeBudget", "PT10S", "PT2H", "PT121M"),
        (
            "vm.scheduledEventsProfile.terminateNotificationProfile.notBeforeTimeout",
            "PT5M",
            "PT15M",
            "PT4M59S",
        ),
        ("vm.scheduledEventsProfile.osImageNotificationProfile.notBeforeTimeout", "PT15M", "PT900S", "PT14M"),
    ],
)
def test_a_duration_is_taken_within_its_range_and_no_further(path: str, low: str, high: str, beyond: str) -> None:
    parsed({path: low})
    parsed({path: high})
    for wrong in (beyond, "-PT1S", "soon", 60):
        assert targets({path: wrong}) == [full_path(path)]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("sku.tier", "Standard Basic"),
        ("p.orchestrationMode", "Uniform Flexible"),
        ("p.upgradePolicy.mode", "Automatic Manual"),
        ("p.automaticRepairsPolicy.repairAction", "Replace Restart Reimage"),
        ("p.resiliencyPolicy.automaticZoneRebalancingPolicy.rebalanceStrategy", "Recreate"),
        ("p.resiliencyPolicy.automaticZoneRebalancingPolicy.rebalanceBehavior", "CreateBeforeDelete"),
        ("p.zonalPlatformFaultDomainAlignMode", "Aligned Unaligned BestEffortAligned"),
        ("vm.storageProfile.osDisk.createOption", "FromImage"),
        ("vm.storageProfile.osDisk.caching", "None ReadOnly ReadWrite"),
        ("vm.storageProfile.osDisk.osType", "Linux"),
        ("vm.storageProfile.diskControllerType", "SCSI NVMe"),
    ],
)
def test_a_word_is_taken_in_any_case_and_no_other_word_is(path: str, words: str) -> None:
    for word in words.split():
        found: Any = parsed({path: word.upper()}).to_json()
        for name in full_path(path).split("."):
            found = found[name]
        assert found == word
    assert targets({path: "Sideways"}) == [full_path(path)]


CONFLICTS: dict[str, tuple[Json, str]] = {
    "a placement group holds a hundred": ({"p.singlePlacementGroup": True, "sku.capacity": 101}, "sku.capacity"),
    "Flexible over fault domains holds two hundred": (
        FLEXIBLE | {"p.platformFaultDomainCount": 2, "sku.capacity": 201},
        "sku.capacity",
    ),
    "Flexible has no placement groups": (
        FLEXIBLE | {"p.singlePlacementGroup": True, "p.platformFaultDomainCount": 2},
        "p.singlePlacementGroup",
    ),
    "Flexible makes no extra instances": (FLEXIBLE | {"p.overprovision": True}, "p.overprovision"),
    "Flexible has three fault domains at most": (
        FLEXIBLE | {"p.platformFaultDomainCount": 4},
        "p.platformFaultDomainCount",
    ),
    "Flexible in zones has one fault domain": (
        FLEXIBLE | {"p.platformFaultDomainCount": 2, "zones": ["1"]},
        "p.platformFaultDomainCount",
    ),
    "Flexible does not roll back what failed": (
        FLEXIBLE | {f"{ROLLING}.rollbackFailedInstancesOnPolicyBreach": True},
        f"{ROLLING}.rollbackFailedInstancesOnPolicyBreach",
    ),
    "in zones there are one or five fault domains": (
        {"p.platformFaultDomainCount": 3, "zones": ["1", "2"]},
        "p.platformFaultDomainCount",
    ),
    "spreading without bounds needs many placement groups": (
        {"p.platformFaultDomainCount": 1, "p.singlePlacementGroup": True},
        "p.singlePlacementGroup",
    ),
    "zones are balanced between two or more": ({"p.zoneBalance": True, "zones": ["1"]}, "p.zoneBalance"),
    "a proximity placement group lies in one zone": (
        {"p.proximityPlacementGroup": {"id": PPG}, "zones": ["1", "2"]},
        "p.proximityPlacementGroup",
    ),
    "dedicated hosts exclude a proximity placement group": (
        {"p.proximityPlacementGroup": {"id": PPG}, "p.hostGroup": {"id": HOSTS}},
        "p.proximityPlacementGroup",
    ),
    "dedicated hosts exclude extra instances": (
        {"p.overprovision": True, "p.hostGroup": {"id": HOSTS}},
        "p.overprovision",
    ),
    "a rule about extra instances needs them": (
        {"p.doNotRunExtensionsOnOverprovisionedVMs": True},
        "p.doNotRunExtensionsOnOverprovisionedVMs",
    ),
    "a group of another kind is none": ({"p.hostGroup": {"id": PPG}}, "p.hostGroup.id"),
    "repairs need health": ({"p.automaticRepairsPolicy": {"enabled": True}}, "p.automaticRepairsPolicy.enabled"),
    "batches need health": ({"p.upgradePolicy": {"mode": "Rolling"}}, "p.upgradePolicy.mode"),
    "rebalancing needs two zones": (REPAIRS | {REBALANCE: True, "zones": ["1"]}, REBALANCE),
    "rebalancing needs repairs": (
        {REBALANCE: True, "zones": ["1", "2"], "p.externalHealthProbe": PROBE},
        REBALANCE,
    ),
    "two health sources contradict each other": (
        {"p.externalHealthProbe": PROBE, "vm.extensionProfile": extension_profile(health=HEALTH)},
        "p.externalHealthProbe",
    ),
    "a pinned image is not followed": (
        {
            "p.upgradePolicy": {"automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": True}},
            "vm.storageProfile.imageReference.version": "1.0.0",
        },
        "p.upgradePolicy.automaticOSUpgradePolicy.enableAutomaticOSUpgrade",
    ),
    "extensions need leave": (
        {"vm.osProfile.allowExtensionOperations": False, "vm.extensionProfile": extension_profile(run=SCRIPT)},
        "vm.osProfile.allowExtensionOperations",
    ),
    "extensions need a way in": (
        {
            "vm.osProfile.linuxConfiguration.provisionVMAgent": False,
            "vm.extensionProfile": extension_profile(run=SCRIPT),
        },
        "vm.osProfile.linuxConfiguration.provisionVMAgent",
    ),
}


@pytest.mark.parametrize("rule", CONFLICTS)
def test_what_does_not_fit_together_is_refused_where_it_is(rule: str) -> None:
    values, target = CONFLICTS[rule]
    assert targets(values) == [full_path(target)]


@pytest.mark.parametrize(
    "values",
    [
        {"p.singlePlacementGroup": True, "sku.capacity": 100},
        FLEXIBLE | {"p.platformFaultDomainCount": 3, "sku.capacity": 200},
        FLEXIBLE | {"sku.capacity": 1000, "zones": ["1", "2", "3"]},
        {"p.platformFaultDomainCount": 5, "zones": ["1", "2"], "p.zoneBalance": True},
        {"p.platformFaultDomainCount": 3},
        {"p.overprovision": True, "p.doNotRunExtensionsOnOverprovisionedVMs": True},
        {"p.proximityPlacementGroup": {"id": PPG}, "zones": ["1"]},
        REPAIRS | {REBALANCE: True, "zones": ["1", "2"], "p.upgradePolicy": {"mode": "Rolling"}},
        {"p.upgradePolicy": {"automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": True}}},
        {"vm.osProfile.allowExtensionOperations": False},
    ],
)
def test_what_fits_together_is_taken(values: Json) -> None:
    parsed(values)


def test_a_flexible_sets_name_leaves_room_for_its_instances() -> None:
    parsed(FLEXIBLE, name="a" * 53)
    assert targets(FLEXIBLE, name="a" * 54) == ["name"]
    parsed({}, name="a" * 64)


def test_a_flexible_set_has_one_fault_domain_unless_more_are_named() -> None:
    assert parsed(FLEXIBLE).properties.platform_fault_domain_count == 1
    assert parsed({}).properties.platform_fault_domain_count is None


@pytest.mark.parametrize("prefix", ["/subscriptions/s/resourceGroups/g", ""])
def test_groups_go_by_the_last_word_of_their_id(prefix: str) -> None:
    near = f"{prefix}/providers/Microsoft.Compute/proximityPlacementGroups/near"
    own = f"{prefix}/providers/microsoft.compute/hostgroups/own"
    group = parsed({"p.proximityPlacementGroup": {"id": near}}).properties.proximity_placement_group
    hosts = parsed({"p.hostGroup": {"id": own}}).properties.host_group
    assert group is not None and hosts is not None
    assert (group.name, hosts.name) == ("near", "own")


def test_the_rolling_policy_is_shown_once_it_counts_and_its_defaults_are_azures() -> None:
    assert parsed({}).to_json()["properties"]["upgradePolicy"] == {"mode": "Manual"}
    rolling = parsed({"p.upgradePolicy": {"mode": "Rolling"}, "p.externalHealthProbe": PROBE}).to_json()
    assert rolling["properties"]["upgradePolicy"]["rollingUpgradePolicy"] == {
        "maxBatchInstancePercent": 20,
        "maxUnhealthyInstancePercent": 20,
        "maxUnhealthyUpgradedInstancePercent": 20,
        "pauseTimeBetweenBatches": "PT0S",
        "enableCrossZoneUpgrade": False,
        "prioritizeUnhealthyInstances": False,
        "maxSurge": False,
        "rollbackFailedInstancesOnPolicyBreach": False,
    }


def test_several_scripts_run_under_names_of_their_own() -> None:
    profile = extension_profile(first=SCRIPT, second={**SCRIPT, "provisionAfterExtensions": ["first"]})
    made = parsed({"vm.extensionProfile": profile}).profile.extension_profile.extensions
    assert [each.name for each in made] == ["first", "second"]


# All at once


def test_values_words_conflicts_and_what_is_not_done_are_told_in_one_answer() -> None:
    wrong: Json = {
        "sku.capacity": -1,
        "p.upgradePolicy.mode": "Sideways",
        f"{ROLLING}.maxBatchInstancePercent": 101,
        "p.zoneBalance": True,
        "p.doNotRunExtensionsOnOverprovisionedVMs": True,
        "p.automaticRepairsPolicy.gracePeriod": "soon",
        "vm.osProfile.adminPassword": "Secret-1234",
        "vm.securityProfile.encryptionAtHost": True,
        "vm.osProfile.adminUsername": "root",
        "vm.storageProfile.dataDisks": [{"lun": 0}],
        "vm.nonsense": 1,
        "identity": {"type": "SystemAssigned"},
    }
    with pytest.raises(BadInput) as caught:
        parsed(wrong)
    assert {detail.target for detail in caught.value.details} == {
        full_path(path) + (".type" if path == "identity" else "") for path in wrong
    }
    assert len(caught.value.details) == len(wrong)
    assert "Secret-1234" not in str(caught.value.details) + caught.value.message


def test_conflicts_are_told_together() -> None:
    values: Json = {
        "sku.capacity": 101,
        "p.singlePlacementGroup": True,
        "p.overprovision": True,
        "p.hostGroup": {"id": HOSTS},
        "p.proximityPlacementGroup": {"id": PPG},
        "p.platformFaultDomainCount": 3,
        "p.upgradePolicy": {"mode": "Rolling"},
        "zones": ["1", "2"],
    }
    expected = "sku.capacity p.platformFaultDomainCount p.proximityPlacementGroup p.proximityPlacementGroup"
    expected += " p.overprovision p.upgradePolicy.mode"
    assert targets(values) == [full_path(path) for path in expected.split()]


def test_no_conflict_is_made_up_out_of_a_value_that_could_not_be_read() -> None:
    """The policy that needs health may have it: the source is only written wrong."""
    values = {"p.automaticRepairsPolicy": {"enabled": True}, "p.externalHealthProbe": {"protocol": "smoke"}}
    assert targets(values) == ["properties.externalHealthProbe.protocol"]
    broken = extension_profile(health={**HEALTH, "typeHandlerVersion": "x"})
    values = {"p.automaticRepairsPolicy": {"enabled": True}, "vm.extensionProfile": broken}
    assert len(targets(values)) == 1


@pytest.mark.parametrize("missing", ["location", "sku", "properties"])
def test_a_member_that_is_missing_hides_no_other_offence(missing: str) -> None:
    body = with_values({"zones": ["1", "1"]})
    del body[missing]
    with pytest.raises(BadInput) as caught:
        parse_scale_set(body, name="web")
    assert {detail.target for detail in caught.value.details} == {missing, "zones"}


def test_a_conflict_is_told_beside_a_member_that_is_missing() -> None:
    body = with_values({"p.zoneBalance": True})
    del body["location"]
    del body["sku"]["capacity"]
    with pytest.raises(BadInput) as caught:
        parse_scale_set(body, name="web")
    found = {detail.target for detail in caught.value.details}
    assert found == {"location", "sku.capacity", "properties.zoneBalance"}


def test_a_body_without_fault_has_none() -> None:
    assert parse_scale_set(minimal(), name="web").sku.capacity == 3
