"""Placing as requests see it: dedicated hosts that are there, and instances on trial."""

from __future__ import annotations

from fake_world import SET, World, a_set


def _in_group(name: str) -> dict[str, object]:
    group = {"id": f"/providers/Microsoft.Compute/hostGroups/{name}"}
    return a_set() | {"properties": a_set(hostGroup=group)["properties"]}


def test_a_host_group_that_no_host_is_in_is_refused(world: World) -> None:
    answer = world.put(body=_in_group("Iron"))
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, "properties.hostGroup")
    assert "no host is in a group 'Iron' (there is gold)" in answer.json()["error"]["message"]


def test_a_host_group_is_found_in_any_case(world: World) -> None:
    assert world.put(body=_in_group("GOLD")).status_code == 201


def test_deleting_one_on_trial_lowers_no_capacity(populated: World) -> None:
    before = populated.record.capacity
    row = populated.rows()[0]
    with populated.store.write() as tx:
        tx.put_instance(row.but(is_on_trial=True))
    answer = populated.send("POST", f"{SET}/delete", {"instanceIds": ["0", "1"]})
    assert answer.status_code == 202
    assert populated.record.capacity == before - 1
