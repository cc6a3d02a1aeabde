"""What a change of the model costs an instance, and which properties are told (reference 4.5)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.plan.inputs import Cost, Difference
from orchestrator.plan.upgrade_cost import back_again, difference, short_names
from tests.simulation.story import KEY, body

Json = dict[str, Any]


def _canonical(change: Callable[[Json], object] = lambda it: None) -> Json:
    content = copy.deepcopy(body())
    change(content)
    return parse_scale_set(content, name="web").to_json()


def _profile(it: Json) -> Json:
    profile: Json = it["properties"]["virtualMachineProfile"]
    return profile


def _script(it: Json) -> Json:
    properties: Json = _profile(it)["extensionProfile"]["extensions"][0]["properties"]
    return properties


def _keys(it: Json) -> None:
    _profile(it)["osProfile"]["linuxConfiguration"] = {"ssh": {"publicKeys": [{"keyData": KEY}]}}


@pytest.mark.parametrize(
    ("change", "cost", "properties"),
    [
        (lambda it: None, Cost.NOTHING, ""),
        (lambda it: it["sku"].update(capacity=9), Cost.NOTHING, ""),
        (lambda it: it.update(tags={"team": "web"}), Cost.NOTHING, ""),
        (lambda it: it["properties"].update(scaleInPolicy={"rules": ["OldestVM"]}), Cost.NOTHING, ""),
        (lambda it: it.update(zones=["1", "2"]), Cost.NOTHING, "zones"),
        (lambda it: _profile(it).update(diagnosticsProfile={}), Cost.NOTHING, "diagnosticsProfile"),
        (
            lambda it: _profile(it)["storageProfile"]["osDisk"].update(caching="ReadOnly"),
            Cost.NOTHING,
            "storageProfile.osDisk",
        ),
        (lambda it: _script(it).update(forceUpdateTag="2"), Cost.IN_PLACE, "extensionProfile.extensions[page]"),
        (
            lambda it: _script(it).update(settings={}, protectedSettings={"commandToExecute": "secret"}),
            Cost.IN_PLACE,
            "extensionProfile.extensions[page]",
        ),
        (
            lambda it: _profile(it)["extensionProfile"]["extensions"].pop(0),
            Cost.IN_PLACE,
            "extensionProfile.extensions[page]",
        ),
        (lambda it: _profile(it)["extensionProfile"]["extensions"].reverse(), Cost.NOTHING, ""),
        (
            lambda it: _profile(it)["extensionProfile"].update(extensionsTimeBudget="PT20M"),
            Cost.NOTHING,
            "extensionProfile",
        ),
        (lambda it: it["sku"].update(name="Lab_Small"), Cost.RESTART, "sku.name"),
        (
            lambda it: _profile(it)["storageProfile"]["imageReference"].update(version="1.0.1"),
            Cost.REIMAGE,
            "storageProfile.imageReference",
        ),
        (
            lambda it: _profile(it)["storageProfile"]["osDisk"].update(diskSizeGB=8),
            Cost.REIMAGE,
            "storageProfile.osDisk.diskSizeGB",
        ),
        (lambda it: _profile(it)["osProfile"].update(customData="aGk="), Cost.REIMAGE, "osProfile.customData"),
        (
            lambda it: _profile(it)["osProfile"].update(adminUsername="anne"),
            Cost.REIMAGE,
            "osProfile.adminUsername",
        ),
        (
            lambda it: _profile(it)["osProfile"].update(computerNamePrefix="www"),
            Cost.REIMAGE,
            "osProfile.computerNamePrefix",
        ),
        (_keys, Cost.REIMAGE, "osProfile.linuxConfiguration.ssh.publicKeys"),
    ],
)
def test_the_table_of_what_a_change_costs(change: Callable[[Json], object], cost: Cost, properties: str) -> None:
    found = difference(_canonical(), _canonical(change))
    assert (found.cost, short_names(found)) == (cost, properties or "nothing")


def test_the_dearest_change_decides_and_comes_first() -> None:
    def change(it: Json) -> None:
        it["sku"]["name"] = "Lab_Small"
        _script(it)["forceUpdateTag"] = "2"
        _profile(it)["osProfile"]["customData"] = "aGk="

    found = difference(_canonical(), _canonical(change))
    assert found.cost is Cost.REIMAGE
    assert short_names(found) == "osProfile.customData, sku.name, extensionProfile.extensions[page]"


def test_no_secret_is_told() -> None:
    def change(it: Json) -> None:
        _script(it).update(settings={}, protectedSettings={"commandToExecute": "letmein"})

    assert "letmein" not in str(difference(_canonical(), _canonical(change)))


def test_what_no_line_names_is_part_of_the_disk() -> None:
    before, after = _canonical(), _canonical()
    after["properties"]["virtualMachineProfile"]["hardwareProfile"] = {"vmSizeProperties": {"vCPUsPerCore": 1}}
    found = difference(before, after)
    assert found.cost is Cost.REIMAGE
    assert short_names(found) == "hardwareProfile.vmSizeProperties.vCPUsPerCore"


def test_what_asks_for_nothing_is_as_if_it_were_absent() -> None:
    before, after = _canonical(), _canonical()
    after["properties"]["virtualMachineProfile"].update(userData=None, applicationProfile={}, secrets=[], x=False)
    assert difference(before, after) == Difference(Cost.NOTHING)


def test_a_model_that_is_not_kept_costs_a_new_disk() -> None:
    assert difference(None, _canonical()).cost is Cost.REIMAGE


@pytest.mark.parametrize(
    ("forward", "back"),
    [
        (Difference(Cost.NOTHING), Cost.NOTHING),
        (Difference(Cost.RESTART, ("sku.name",)), Cost.RESTART),
        (Difference(Cost.REIMAGE, ("properties.virtualMachineProfile.osProfile.customData",)), Cost.REIMAGE),
        (
            Difference(Cost.IN_PLACE, ("properties.virtualMachineProfile.extensionProfile.extensions[page]",)),
            Cost.REIMAGE,
        ),
        (
            Difference(
                Cost.RESTART, ("sku.name", "properties.virtualMachineProfile.extensionProfile.extensions[page]")
            ),
            Cost.REIMAGE,
        ),
    ],
)
def test_the_way_back_over_a_script_is_a_new_disk(forward: Difference, back: Cost) -> None:
    assert back_again(forward) is back
