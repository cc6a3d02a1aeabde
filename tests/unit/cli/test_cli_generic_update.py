from __future__ import annotations

from typing import Any

import pytest

from orchestrator.cli.generic_update import apply_updates, parse_path, parse_value
from orchestrator.errors import BadInput


def web() -> dict[str, Any]:
    extensions = [{"name": "one", "properties": {"type": "A"}}, {"name": "t.wo", "properties": {"type": "B"}}]
    return {
        "name": "web",
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 2},
        "zones": ["1", "2"],
        "properties": {
            "upgradePolicy": {"mode": "Manual"},
            "scaleInPolicy": {"rules": ["Default"]},
            "virtualMachineProfile": {"extensionProfile": {"extensions": extensions}},
        },
    }


def changed(*sets: str, add: list[list[str]] | None = None, remove: list[list[str]] | None = None) -> Any:
    resource = web()
    apply_updates(resource, sets, add or (), remove or ())
    return resource


EXTENSIONS = "virtualMachineProfile.extensionProfile.extensions"


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("sku.capacity", ["sku", "capacity"]),
        ("upgradePolicy.mode", ["properties", "upgradePolicy", "mode"]),
        ("properties.upgradePolicy.mode", ["properties", "upgradePolicy", "mode"]),
        ("zones[1]", ["zones", 1]),
        ("a[0][-1].b", ["properties", "a", 0, -1, "b"]),
        ("tags.x", ["tags", "x"]),
        ("extensions[name=t.wo].type", ["properties", "extensions", ("name", "t.wo"), "type"]),
    ],
)
def test_a_path_reads_as_steps_and_a_flattened_one_lies_below_properties(path: str, steps: list[Any]) -> None:
    assert parse_path(path) == steps


@pytest.mark.parametrize("path", ["", ".", "a..b", "a[", "a[x]", "a]b", "a[0]b"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(BadInput):
        parse_path(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("true", True), ("null", None), ('{"a":[1]}', {"a": [1]}), ("PT5M", "PT5M"), ('"3"', "3"), ("", "")],
)
def test_a_value_is_json_where_it_reads_as_json_and_else_the_text(text: str, value: Any) -> None:
    assert parse_value(text) == value


def test_set_changes_a_member_whatever_the_case_of_its_name() -> None:
    resource = changed("SKU.Capacity=5", "UPGRADEPOLICY.Mode=Rolling")
    assert resource["sku"] == {"name": "Lab_Micro", "capacity": 5}
    assert resource["properties"]["upgradePolicy"] == {"mode": "Rolling"}


def test_set_makes_the_objects_that_are_missing_on_the_way() -> None:
    resource = changed("automaticRepairsPolicy.enabled=true", "tags.owner=me=you")
    assert resource["properties"]["automaticRepairsPolicy"] == {"enabled": True}
    assert resource["tags"] == {"owner": "me=you"}


def test_a_tags_value_is_text_even_where_it_reads_as_a_number() -> None:
    assert changed("tags.a=1", 'tags={"b": "2"}', "tags.c=true")["tags"] == {"b": "2", "c": "true"}


def test_set_reaches_list_elements_by_index_from_either_end_and_by_key() -> None:
    resource = changed("zones[0]=7", "zones[-1]=9", f"{EXTENSIONS}[name=t.wo].properties.type=C")
    assert resource["zones"] == ["7", "9"]
    extensions = resource["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert [each["properties"]["type"] for each in extensions] == ["A", "C"]


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("zones[2]=x", "zones: the list has 2 elements|zones\\[2\\]"),
        ("zones[-3]=x", "the list has 2 elements"),
        ("sku[0]=x", "sku is not a list"),
        ("location.x=1", "location is not an object"),
        (f"{EXTENSIONS}[name=three].properties.type=C", "no element has name=three"),
        ("sku.capacity", "path=value"),
        ("=3", "path=value"),
    ],
)
def test_a_set_that_does_not_fit_says_where(assignment: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        changed(assignment)


def test_add_appends_plain_values_and_makes_one_object_of_pairs() -> None:
    path = f"{EXTENSIONS}[name=one].properties.provisionAfterExtensions"
    resource = changed(add=[["zones", "3"], [path, "x", "y"], [EXTENSIONS, "name=three", "count=2"]])
    assert resource["zones"] == ["1", "2", "3"]
    extensions = resource["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert extensions[0]["properties"]["provisionAfterExtensions"] == ["x", "y"]
    assert extensions[2] == {"name": "three", "count": 2}


@pytest.mark.parametrize("group", [["zones"], ["sku", "x"], ["zones[0]", "x"]])
def test_an_add_without_a_value_or_to_what_is_no_list_is_refused(group: list[str]) -> None:
    with pytest.raises(BadInput):
        changed(add=[group])


def test_remove_takes_away_a_member_or_one_element_of_a_list() -> None:
    resource = changed(remove=[["scaleInPolicy"], ["zones", "0"], [f"{EXTENSIONS}[name=one]"]])
    assert "scaleInPolicy" not in resource["properties"]
    assert resource["zones"] == ["2"]
    extensions = resource["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert [each["name"] for each in extensions] == ["t.wo"]


@pytest.mark.parametrize("group", [["nothing"], ["upgradePolicy.nothing"], ["zones", "5"], ["zones", "0", "1"]])
def test_removing_what_is_not_there_is_refused(group: list[str]) -> None:
    with pytest.raises(BadInput):
        changed(remove=[group])


def test_sets_come_before_adds_and_adds_before_removes() -> None:
    resource = changed('zones=["a"]', add=[["zones", "b"]], remove=[["zones", "0"]])
    assert resource["zones"] == ["b"]


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("sku.name=5", "5"),
        ("sku.name=null", None),
        ('sku.name="x"', "x"),
        ("sku.capacity=5", 5),
        ("sku.tier=5", 5),
    ],
)
def test_a_number_stays_text_where_text_stands_now(assignment: str, expected: Any) -> None:
    member = assignment.partition("=")[0].removeprefix("sku.")
    assert changed(assignment)["sku"][member] == expected


def test_with_force_string_nothing_is_read_as_json() -> None:
    resource = web()
    apply_updates(resource, ["sku.capacity=3"], [["upgradePolicy.list", "1", "a=true"]], is_text=True)
    assert resource["sku"]["capacity"] == "3"
    assert resource["properties"]["upgradePolicy"]["list"] == ["1", {"a": "true"}]
