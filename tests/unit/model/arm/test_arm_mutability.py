"""Worked examples of what may change on a set that exists (reference 1.4), held to the code and to the docs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from arm_bodies import HOSTS, SCRIPT, Json, extension_profile, full_path, with_values

from orchestrator.errors import Conflict, VmssError
from orchestrator.model.arm.merge import merge_body
from orchestrator.model.arm.mutability import (
    CODE,
    NOT_BY_PATCH,
    RULES,
    ChangeRule,
    check_mutable,
    check_patchable,
)
from orchestrator.model.arm.scale_set import ScaleSetResource, parse_scale_set

DIFFERENCES = Path(__file__).parents[4] / "docs" / "azure-differences.md"
_ELSEWHERE = "/providers/Vmss.Local/addressSpaces/other"


def _cards(subnet: str = "/providers/Vmss.Local/addressSpaces/fabric", name: str = "nic") -> list[Json]:
    ip = {"name": "ip", "properties": {"subnet": {"id": subnet}}}
    return [{"name": name, "properties": {"ipConfigurations": [ip]}}]


START = with_values(
    {
        "zones": ["1"],
        "tags": {"a": "1"},
        "p.singlePlacementGroup": True,
        "p.platformFaultDomainCount": 5,
        "vm.osProfile": {"adminUsername": "azureuser", "computerNamePrefix": "web"},
        "vm.storageProfile.osDisk": {"diskSizeGB": 10, "managedDisk": {"storageAccountType": "Standard_LRS"}},
        "vm.networkProfile": {"networkInterfaceConfigurations": _cards()},
    }
)


@dataclass(frozen=True, slots=True)
class Example:
    """A change of one property, and whether PUT and PATCH may make it."""

    path: str
    value: object
    by_put: bool
    by_patch: bool

    def __str__(self) -> str:
        return f"{self.path}={self.value}"[:60]


YES, PUT_ONLY, NO = (True, True), (True, False), (False, False)
_DISK = "vm.storageProfile.osDisk"
_KIND = f"{_DISK}.managedDisk.storageAccountType"
_CARDS = "vm.networkProfile.networkInterfaceConfigurations"
MUTABILITY = [
    Example(path, value, *may)
    for path, value, may in (
        ("location", "elsewhere", NO),
        ("location", "LOCAL", YES),
        ("zones", ["2"], NO),
        ("zones", [], NO),
        ("zones", ["1", "2"], YES),
        ("tags", {}, YES),
        ("sku.name", "Lab_Small", YES),
        ("sku.capacity", 0, YES),
        ("plan", {"name": "p"}, YES),
        ("p.orchestrationMode", "Flexible", NO),
        ("p.orchestrationMode", "uniform", YES),
        ("p.hostGroup", {"id": HOSTS}, PUT_ONLY),
        ("p.platformFaultDomainCount", 1, NO),
        ("p.platformFaultDomainCount", None, NO),
        ("p.singlePlacementGroup", False, YES),
        ("p.singlePlacementGroup", True, NO),
        ("p.overprovision", True, YES),
        ("p.zoneBalance", True, PUT_ONLY),
        ("p.scaleInPolicy", {"rules": ["NewestVM"]}, YES),
        ("p.upgradePolicy", {"mode": "Automatic"}, YES),
        ("p.automaticRepairsPolicy", {"repairAction": "Restart"}, YES),
        ("p.additionalCapabilities", {"hibernationEnabled": True}, YES),
        ("p.resiliencyPolicy", {"resilientVMCreationPolicy": {"enabled": True}}, YES),
        ("p.externalHealthProbe", {"protocol": "tcp", "port": 1}, YES),
        ("p.busyProbe", {"port": 1}, YES),
        ("vm.priority", "regular", YES),
        ("vm.licenseType", "None", YES),
        ("vm.osProfile.computerNamePrefix", "www", NO),
        ("vm.osProfile.adminUsername", "eve", NO),
        ("vm.osProfile.adminUsername", None, NO),
        ("vm.osProfile.allowExtensionOperations", False, PUT_ONLY),
        ("vm.osProfile.requireGuestProvisionSignal", True, PUT_ONLY),
        ("vm.osProfile.customData", "eA==", YES),
        ("vm.storageProfile.imageReference", {"sku": "2"}, YES),
        ("vm.storageProfile.diskControllerType", "NVMe", PUT_ONLY),
        (f"{_DISK}.diskSizeGB", 9, NO),
        (f"{_DISK}.diskSizeGB", None, NO),
        (f"{_DISK}.diskSizeGB", 11, YES),
        (f"{_DISK}.caching", "ReadOnly", YES),
        (_KIND, "Premium_LRS", NO),
        (_CARDS, _cards(_ELSEWHERE), NO),
        (_CARDS, _cards(name="other"), YES),
        ("vm.extensionProfile", extension_profile(run=SCRIPT), YES),
    )
]


# What else the set needs for the change to make sense.
_STARTS: dict[str, Json] = {
    "p.zoneBalance": {"zones": ["1", "2"]},
    "p.orchestrationMode": {"p.singlePlacementGroup": False, "p.platformFaultDomainCount": 1},
    "p.platformFaultDomainCount": {"p.singlePlacementGroup": False},
}


def _before_and_after(example: Example) -> tuple[ScaleSetResource, ScaleSetResource]:
    is_false_before = example.path == "p.singlePlacementGroup" and example.value is True
    values = {example.path: False} if is_false_before else _STARTS.get(example.path, {})
    start = with_values(values, START)
    old = parse_scale_set(start, name="web")
    change: Json = {}
    *parents, last = full_path(example.path).split(".")
    place = change
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = example.value
    return old, parse_scale_set(merge_body(old.to_json(), change), name="web")


def _told(path: str) -> str:
    return next(rule for rule in (*RULES, *NOT_BY_PATCH) if path == rule or path.startswith(f"{rule}."))


@pytest.mark.parametrize("example", MUTABILITY, ids=str)
def test_the_table_of_what_may_change(example: Example) -> None:
    old, new = _before_and_after(example)
    for check, may in ((check_mutable, example.by_put), (check_patchable, example.by_patch)):
        if may:
            check(old, new)
            continue
        with pytest.raises(Conflict) as caught:
            check(old, new)
        assert (caught.value.code, caught.value.target) == (CODE, _told(full_path(example.path)))


def test_every_rule_has_an_example_of_what_it_forbids() -> None:
    """But for the one property that has one value only, which cannot be changed in the first place."""
    forbidden = {_told(full_path(each.path)) for each in MUTABILITY if not (each.by_put and each.by_patch)}
    assert {*RULES, *NOT_BY_PATCH} - forbidden == {"properties.virtualMachineProfile.priority"}


def _short(path: str) -> str:
    return path.removeprefix("properties.").removeprefix("virtualMachineProfile.")


def test_the_docs_tell_every_rule() -> None:
    section = DIFFERENCES.read_text(encoding="utf-8").split("\n## What may change\n", 1)[1].split("\n## ")[0]
    lines = [line.split("|")[1:-1] for line in section.splitlines() if line.startswith("| `")]
    told = {name.strip(" `"): (rule.strip(), patch.strip()) for name, rule, patch in lines}
    no_patch = {*NOT_BY_PATCH, *(path for path, rule in RULES.items() if rule is ChangeRule.CREATE_ONLY)}
    rules = {path: str(RULES.get(path, "")) for path in {*RULES, *no_patch}}
    assert told == {_short(path): (rule, "no" if path in no_patch else "yes") for path, rule in rules.items()}


def test_put_and_patch_name_every_offence_at_once() -> None:
    old = parse_scale_set(START, name="web")
    change = {
        "location": "x",
        "zones": ["2", "3"],
        "properties": {
            "zoneBalance": True,
            "virtualMachineProfile": {
                "osProfile": {"computerNamePrefix": "x", "allowExtensionOperations": False},
                "storageProfile": {"osDisk": {"diskSizeGB": 1}},
            },
        },
    }
    new = parse_scale_set(merge_body(old.to_json(), change), name="web")
    counts = []
    for check in (check_mutable, check_patchable):
        with pytest.raises(Conflict) as caught:
            check(old, new)
        named = [detail.target for detail in caught.value.details]
        assert len(set(named)) == len(named)
        counts.append(len(named))
    assert counts == [4, 6]


def _change(start: Json, change: Json) -> None:
    old = parse_scale_set(start, name="web")
    check_mutable(old, parse_scale_set(merge_body(old.to_json(), change), name="web"))


@pytest.mark.parametrize(
    ("values", "is_allowed"),
    [
        ({}, True),
        ({"p.platformFaultDomainCount": 1}, True),
        ({"p.platformFaultDomainCount": 5}, True),
        ({"p.platformFaultDomainCount": 3, "zones": []}, False),
        ({"p.orchestrationMode": "Flexible", "p.platformFaultDomainCount": 2, "zones": []}, False),
        ({"p.hostGroup": {"id": HOSTS}}, False),
        ({"p.proximityPlacementGroup": {"id": HOSTS.replace("hostGroups", "proximityPlacementGroups")}}, False),
    ],
)
def test_zones_are_added_where_hosts_and_fault_domains_allow_it(values: Json, is_allowed: bool) -> None:
    start = with_values({"zones": ["1"], **values})
    if is_allowed:
        _change(start, {"zones": ["1", "2"]})
        return
    with pytest.raises(VmssError):
        _change(start, {"zones": ["1", "2"]})


def test_the_image_of_a_plan_changes_its_version_only() -> None:
    start = with_values({"plan": {"name": "p", "publisher": "x", "product": "y"}})

    def to(**image: str) -> None:
        _change(start, {"properties": {"virtualMachineProfile": {"storageProfile": {"imageReference": image}}}})

    to(version="2.0.0")
    to(publisher="VMSS")
    with pytest.raises(Conflict) as caught:
        to(offer="other")
    assert caught.value.target == "properties.virtualMachineProfile.storageProfile.imageReference"
