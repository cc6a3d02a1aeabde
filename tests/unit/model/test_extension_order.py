from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.extension_order import extension_order

NAMES = "abcde"
GRAPHS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sets(st.sampled_from(NAMES + "z"))), unique_by=lambda pair: pair[0]
)


@pytest.mark.parametrize(
    ("needs", "order"),
    [
        ([], ""),
        ([("b", ()), ("a", ())], "ba"),
        ([("a", ("b",)), ("b", ())], "ba"),
        ([("a", ("C",)), ("b", ()), ("c", ("B",)), ("d", ())], "bcad"),
        ([("a", ("b", "c")), ("b", ("d",)), ("c", ("d",)), ("d", ())], "dbca"),
    ],
)
def test_each_runs_after_those_it_names_and_else_as_listed(needs: list[tuple[str, tuple[str]]], order: str) -> None:
    assert "".join(extension_order(needs).names) == order


def test_a_circle_is_told_with_those_that_wait_for_it() -> None:
    order = extension_order([("a", ("b",)), ("b", ("a",)), ("c", ("b",)), ("d", ())])
    assert (order.names, order.in_circle) == (("d",), ("a", "b", "c"))


def test_one_that_waits_for_itself_is_a_circle() -> None:
    assert extension_order([("a", ("A",))]).in_circle == ("a",)


def test_a_name_that_is_not_there_is_told_and_holds_nobody_up() -> None:
    order = extension_order([("a", ("gone",))])
    assert (order.names, order.missing) == (("a",), (("a", "gone"),))


@given(GRAPHS)
def test_every_extension_has_its_place_and_none_runs_too_early(needs: list[tuple[str, set[str]]]) -> None:
    order = extension_order(needs)
    assert sorted((*order.names, *order.in_circle)) == sorted(name for name, _ in needs)
    known = {name for name, _ in needs}
    for place, name in enumerate(order.names):
        assert dict(needs)[name] & known <= set(order.names[:place])
    for name in order.in_circle:
        assert dict(needs)[name] & set(order.in_circle)
