from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.differences import changes, merge, merge_patch

# Null members are left out on purpose: in a merge, null means "not there".
LEAVES = st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3)
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), LEAVES | inner, max_size=3),
)


@given(OBJECTS, OBJECTS)
def test_merging_the_patch_into_the_old_gives_the_new(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert merge(before, merge_patch(before, after)) == after


@given(OBJECTS)
def test_the_patch_between_equals_is_empty(value: dict[str, Any]) -> None:
    assert merge_patch(value, value) == {}


def test_a_patch_holds_only_what_differs_and_null_for_what_is_gone() -> None:
    before = {"sku": {"name": "S", "capacity": 2}, "zones": ["1"], "gone": {"x": 1}}
    after = {"sku": {"name": "S", "capacity": 5}, "zones": ["1"]}
    assert merge_patch(before, after) == {"sku": {"capacity": 5}, "gone": None}


def test_changes_are_said_leaf_by_leaf_and_list_elements_go_by_name() -> None:
    before = {"sku": {"capacity": 2}, "x": [{"name": "a", "v": 1}, {"name": "b", "v": 1}], "old": 1}
    after = {"sku": {"capacity": 5}, "x": [{"name": "b", "v": 2}, {"name": "a", "v": 1}], "new": True}
    assert [str(change) for change in changes(before, after)] == [
        "~ sku.capacity: 2 -> 5",
        "~ x[b].v: 1 -> 2",
        "- old: 1",
        "+ new: true",
    ]


def test_what_only_the_daemon_writes_is_no_change() -> None:
    before = {"etag": "1", "properties": {"provisioningState": "Updating"}}
    after = {"etag": "2", "properties": {"provisioningState": "Succeeded"}}
    assert list(changes(before, after)) == []
