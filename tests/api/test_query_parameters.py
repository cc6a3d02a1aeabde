"""What a query may ask, route by route; lists in pages."""

from __future__ import annotations

import httpx
import pytest
from fake_world import GROUP, SET, SETS, SUB, V, World

VM = f"{SET}/virtualMachines/0"


def code(answer: httpx.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", SETS, "$filter=name eq 'web'"),
        ("GET", SET, "$select=name"),
        ("GET", SET, "$nonsense=1"),
        ("GET", VM, "$filter=x"),
        ("GET", f"{SET}/instanceView", "$EXPAND=all"),
        ("POST", f"{SET}/start", "$top=3"),
        ("DELETE", SET, "$expand=userData"),
        ("PUT", SET, "$filter=x"),
        ("GET", "/providers/Vmss.Local/hosts", "$top=1"),
    ],
)
def test_what_a_route_does_not_take_is_refused_by_name(
    populated: World, method: str, path: str, query: str
) -> None:
    before = populated.record
    answer = populated.send(method, f"{path}{V}&{query}", {})
    assert (answer.status_code, code(answer)) == (400, "InvalidQueryParameter")
    assert answer.json()["error"]["target"] == query.partition("=")[0]
    assert populated.record == before


def test_a_parameter_given_twice_has_no_meaning(populated: World) -> None:
    answer = populated.send("GET", f"{VM}{V}&$expand=instanceView&%24Expand=userData")
    assert (answer.status_code, code(answer)) == (400, "InvalidQueryParameter")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (SET, "$Expand=userData"),
        (VM, "$expand=instanceView"),
        (f"{SET}/virtualMachines", "$select=instanceView&$expand=instanceView"),
        (f"{GROUP}/providers/Microsoft.Compute/virtualMachines", "$expand=instanceView"),
        (f"/subscriptions/{SUB}/providers/Microsoft.Compute/skus", "$filter=location eq 'local'"),
    ],
)
def test_what_a_route_takes_passes(populated: World, path: str, query: str) -> None:
    assert populated.send("GET", f"{path}{V}&{query}").status_code == 200


def test_a_list_is_read_page_by_page_whatever_goes_meanwhile(world: World) -> None:
    names = [f"s{number}" for number in range(5)]
    for name in reversed(names):
        assert world.put(f"{SETS}/{name}").status_code == 201
    page = world.get(f"{SETS}{V}&$top=2")
    assert page["nextLink"].startswith("http://localhost/subscriptions/")
    found = page["value"]
    with world.store.write() as tx:
        tx.drop_scale_set(world.store.find_scale_set(SUB, "rg", "s1").uid)
    while "nextLink" in page:
        page = world.get(page["nextLink"].removeprefix("http://localhost"))
        found += page["value"]
    assert [each["name"] for each in found] == names


@pytest.mark.parametrize("query", ["$top=0", "$top=-1", "$top=x", "$top=99999", "$skiptoken=%FF", "$skiptoken=*"])
def test_a_page_that_cannot_be_is_refused(world: World, query: str) -> None:
    answer = world.send("GET", f"{SETS}{V}&{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["target"] == query.partition("=")[0]
