"""Merging a body into a set, what may change, and write-only members."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import BadInput, Conflict
from orchestrator.model.arm.merge import merge_body
from orchestrator.model.arm.mutability import check_mutable
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.write_only import join_secrets, split_secrets

Json = dict[str, Any]
SCRIPT = {"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1"}


def body(**properties: Any) -> Json:
    profile: Json = {
        "osProfile": {"customData": "aGk=", "adminUsername": "azureuser", "computerNamePrefix": "web"},
        "storageProfile": {
            "imageReference": {"publisher": "vmss", "offer": "micro", "sku": "1"},
            "osDisk": {"diskSizeGB": 10},
        },
        "extensionProfile": {
            "extensions": [
                {"name": "Run", "properties": {**SCRIPT, "protectedSettings": {"commandToExecute": "s3cret"}}}
            ]
        },
    }
    return {
        "location": "local",
        "tags": {"a": "1"},
        "zones": ["1"],
        "sku": {"name": "Lab_Micro", "capacity": 3},
        "properties": {"virtualMachineProfile": profile, **properties},
    }


def whole(given_body: Json | None = None) -> Json:
    return parse_scale_set(given_body or body(), name="web").to_json()


def test_putting_only_location_and_size_changes_nothing_else() -> None:
    """``az vmss scale`` sends no more than this."""
    before = whole()
    after = merge_body(before, {"location": "local", "sku": {"name": "Lab_Micro", "capacity": 9}})
    assert after["sku"] == {"name": "Lab_Micro", "tier": "Standard", "capacity": 9}
    assert {**after, "sku": None} == {**before, "sku": None}


def test_tags_and_arrays_are_replaced_and_objects_are_merged() -> None:
    after = merge_body(
        whole(), {"tags": {"b": "2"}, "zones": [], "properties": {"scaleInPolicy": {"forceDeletion": True}}}
    )
    assert after["tags"] == {"b": "2"}
    assert after["zones"] == []
    assert after["properties"]["scaleInPolicy"] == {
        "rules": ["Default"],
        "forceDeletion": True,
        "prioritizeUnhealthyVMs": False,
    }


def test_an_explicit_null_clears() -> None:
    before = whole(body(externalHealthProbe={"protocol": "tcp", "port": 80}))
    after = merge_body(before, {"properties": {"externalHealthProbe": None}})
    assert "externalHealthProbe" not in after["properties"]


def test_names_are_matched_in_any_case() -> None:
    after = merge_body(whole(), {"SKU": {"Capacity": 5}})
    assert after["sku"]["capacity"] == 5
    assert "SKU" not in after


def test_one_member_in_two_spellings_is_refused() -> None:
    with pytest.raises(BadInput):
        merge_body(whole(), {"sku": {"capacity": 1}, "Sku": {"capacity": 2}})


def test_merging_leaves_what_it_was_given_alone() -> None:
    before = whole()
    copy = whole()
    merge_body(before, {"tags": {}, "properties": {"virtualMachineProfile": {"osProfile": {"customData": None}}}})
    assert before == copy


def _extension_body(**properties: Any) -> Json:
    extension = {"name": "run", "properties": {**SCRIPT, **properties}}
    return {"properties": {"virtualMachineProfile": {"extensionProfile": {"extensions": [extension]}}}}


def _protected(merged: Json) -> Any:
    extensions = merged["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    return extensions[0]["properties"].get("protectedSettings")


def test_an_extension_put_back_without_its_secrets_keeps_them() -> None:
    """No client can read them, so a client that puts back what it read has none to send."""
    assert _protected(merge_body(whole(), _extension_body(forceUpdateTag="2"))) == {"commandToExecute": "s3cret"}


def test_secrets_are_cleared_by_null_and_replaced_by_others() -> None:
    assert _protected(merge_body(whole(), _extension_body(protectedSettings=None))) is None
    assert _protected(merge_body(whole(), _extension_body(protectedSettings={"script": "eA=="}))) == {
        "script": "eA=="
    }


def test_another_kind_of_extension_under_the_same_name_inherits_no_secrets() -> None:
    assert _protected(merge_body(whole(), _extension_body(type="Other"))) is None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(["sku", "properties", "tags", "Zones", "x"]), JSON_VALUES))
def test_whatever_is_merged_is_merged_or_refused_and_twice_is_as_once(given_body: Json) -> None:
    try:
        once = merge_body(whole(), given_body)
        twice = merge_body(once, given_body)
    except BadInput:
        return
    assert twice == once


def test_write_only_members_are_split_off_and_joined_again() -> None:
    public, secrets = split_secrets(whole())
    assert "s3cret" not in str(public)
    assert "aGk=" not in str(public)
    assert sorted(secrets.values(), key=str) == ["aGk=", {"commandToExecute": "s3cret"}]
    assert join_secrets(public, secrets) == whole()


def test_secrets_follow_their_extension_to_another_place() -> None:
    public, secrets = split_secrets(whole())
    extensions = public["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    extensions.insert(0, {"name": "first", "properties": dict(SCRIPT)})
    joined = join_secrets(public, secrets)["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert [each["properties"].get("protectedSettings") for each in joined] == [
        None,
        {"commandToExecute": "s3cret"},
    ]


def changed(change: Json) -> None:
    before = whole()
    check_mutable(parse_scale_set(before, name="web"), parse_scale_set(merge_body(before, change), name="web"))


def profile(**parts: Any) -> Json:
    return {"properties": {"virtualMachineProfile": parts}}


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"location": "elsewhere"}, "location"),
        ({"zones": []}, "zones"),
        ({"properties": {"platformFaultDomainCount": 1}}, "properties.platformFaultDomainCount"),
        ({"properties": {"singlePlacementGroup": True}}, "properties.singlePlacementGroup"),
        (
            profile(osProfile={"computerNamePrefix": "x"}),
            "properties.virtualMachineProfile.osProfile.computerNamePrefix",
        ),
        (profile(osProfile={"adminUsername": "eve"}), "properties.virtualMachineProfile.osProfile.adminUsername"),
        (
            profile(storageProfile={"osDisk": {"diskSizeGB": 9}}),
            "properties.virtualMachineProfile.storageProfile.osDisk.diskSizeGB",
        ),
        (
            profile(storageProfile={"osDisk": {"managedDisk": {"storageAccountType": "Premium_LRS"}}}),
            "properties.virtualMachineProfile.storageProfile.osDisk.managedDisk.storageAccountType",
        ),
    ],
)
def test_what_is_set_once_stays(change: Json, target: str) -> None:
    with pytest.raises(Conflict) as caught:
        changed(change)
    assert (caught.value.code, caught.value.target) == ("PropertyChangeNotAllowed", target)


def test_every_offence_is_named_at_once() -> None:
    with pytest.raises(Conflict) as caught:
        changed({"location": "x", "zones": ["2"], "properties": {"platformFaultDomainCount": 1}})
    assert len(caught.value.details) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"sku": {"name": "Lab_Small", "capacity": 0}, "tags": {}},
        {"zones": ["2", "1"]},
        profile(storageProfile={"osDisk": {"diskSizeGB": 20}, "imageReference": {"sku": "2"}}),
        profile(osProfile={"customData": "eA=="}),
        {"properties": {"scaleInPolicy": {"rules": ["NewestVM"]}}},
    ],
)
def test_what_may_change_does(change: Json) -> None:
    changed(change)
