"""Whatever is sent: a clear answer in the envelope, never a 5xx, and a refusal changes nothing."""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import quote

from fake_world import SET, World, a_set, health_extension, make_world, script_extension
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Json = dict[str, Any]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

WORDS = st.sampled_from(
    ["*", "0", "true", "PT10M", "Manual", "latest", "Default", "[concat('a')]", "../..", "", "web"]
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | WORDS
)
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text() | WORDS, v, max_size=4), max_leaves=12
)


def whole() -> Json:
    """A body with nearly every member that is known."""
    body = a_set(
        automaticRepairsPolicy={"enabled": True, "gracePeriod": "PT10M", "repairAction": "Replace"},
        scaleInPolicy={"rules": ["Default"], "forceDeletion": False},
        upgradePolicy={"mode": "Manual"},
        platformFaultDomainCount=1,
    )
    script, health = script_extension(), health_extension()
    script["properties"] |= {"protectedSettings": {"fileUris": []}}
    health["properties"] |= {"provisionAfterExtensions": ["script"]}
    profile = body["properties"]["virtualMachineProfile"]
    profile["extensionProfile"] = {"extensions": [script, health]}
    subnet = {"id": "/providers/Vmss.Local/addressSpaces/fabric"}
    ip = {"name": "ip", "properties": {"subnet": subnet}}
    profile["networkProfile"] = {
        "networkInterfaceConfigurations": [
            {"name": "nic", "properties": {"primary": True, "ipConfigurations": [ip]}}
        ]
    }
    return body | {"tags": {"a": "b"}, "zones": ["1"]}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return found + [inner for key, each in items for inner in places(each, (*path, key))]


def spoiled(path: tuple[Any, ...], value: Any) -> Json:
    body = copy.deepcopy(whole())
    parent = body
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return body


def sane(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert error["code"]
        assert error["message"]


def test_the_whole_body_that_is_spoiled_below_is_right(world: World) -> None:
    assert world.put(body=whole()).status_code == 201


@FUZZ
@given(st.sampled_from(places(whole())), VALUES)
def test_a_body_with_one_member_spoiled_is_taken_or_refused_whole(path: tuple[Any, ...], value: Any) -> None:
    world = make_world()
    answer = world.put(body=spoiled(path, value))
    sane(answer)
    assert len(world.store.scale_sets()) == (1 if answer.status_code == 201 else 0)
    world.store.close()


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from(["sku", "properties", "tags", "zones", "location"]) | st.text(), VALUES, max_size=5
    )
)
def test_a_change_of_anything_is_taken_or_refused_whole(body: Json) -> None:
    world = make_world()
    world.put(body=whole())
    before = world.record
    answer = world.send("PATCH", SET, body)
    sane(answer)
    if answer.status_code == 200:
        assert world.put(body=world.get()).status_code == 200
    else:
        assert world.record == before
    world.store.close()


@FUZZ
@given(
    st.sampled_from(
        ["start", "delete", "reimage", "manualupgrade", "setOrchestrationServiceState", "virtualMachines/0"]
    ),
    VALUES | st.fixed_dictionaries({"instanceIds": VALUES}) | st.fixed_dictionaries({"properties": VALUES}),
)
def test_a_verb_with_any_body_gets_a_clear_answer(verb: str, body: Any) -> None:
    world = make_world()
    world.put()
    world.populate()
    sane(world.send("PUT" if "virtual" in verb else "POST", f"{SET}/{verb}", body))
    world.store.close()


METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH"])
PARTS = st.text(min_size=1) | st.sampled_from(["subscriptions", "providers", "Vmss.Local", "hosts", "images"])


@FUZZ
@given(METHODS, st.lists(PARTS, max_size=9))
def test_any_path_gets_a_clear_answer(method: str, path: list[str]) -> None:
    world = make_world()
    sane(world.send(method, "/" + "/".join(quote(part.encode("utf-8", "replace"), safe="") for part in path)))
    world.store.close()
