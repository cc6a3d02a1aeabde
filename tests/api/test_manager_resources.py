"""Lists of all resources, tags, providers, export."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.fake_kinds import BOOK, LAMP, SHELF, FakeChild, FakeKind, with_kinds
from tests.api.fake_world import GROUP, SET, SUB, Json, World

ROOT = f"/subscriptions/{SUB}"
ROOM = f"{GROUP}/providers/Test.Room"
TAGS = "providers/Microsoft.Resources/tags/default"


@pytest.fixture
def room(world: World) -> World:
    with_kinds(world, FakeKind(SHELF), FakeChild(BOOK), FakeKind(LAMP))
    world.put(f"{ROOT}/resourceGroups/other", {"location": "local", "tags": {"team": "blue"}})
    world.put()
    world.put(f"{ROOM}/shelves/one", {"location": "local", "tags": {"team": "blue"}})
    world.put(f"{ROOM}/lamps/bright", {"location": "local", "tags": {"team": "red", "x": "1"}})
    world.put(f"{ROOT}/resourceGroups/other/providers/Test.Room/lamps/dark", {"location": "local"})
    return world


def refusal(world: World, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
    answer = world.send(method, path, body)
    return answer.status_code, answer.json()["error"]["code"]


def listed(world: World, root: str = ROOT, **queries: Any) -> Json:
    query = "".join(f"&${name}={quote(str(value))}" for name, value in queries.items())
    return world.get(f"{root}/resources?api-version=2024-11-01{query}")


def names(answer: Json) -> list[str]:
    return sorted(each["name"] for each in answer["value"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, ["bright", "dark", "one", "web"]),
        ("resourceType eq 'test.room/LAMPS'", ["bright", "dark"]),
        ("resourceType eq 'Test.Room/lamps' and resourceGroup eq 'OTHER'", ["dark"]),
        ("resourceGroup ne 'other'", ["bright", "one", "web"]),
        ("name eq 'web' or name eq 'one'", ["one", "web"]),
        ("location eq 'elsewhere'", []),
        ("location eq 'Local' and substringof('r', name)", ["bright", "dark"]),
        ("tagName eq 'TEAM' and tagValue eq 'red'", ["bright"]),
        ("tagName eq 'team'", ["bright", "one"]),
    ],
)
def test_resources_of_every_type_are_listed_and_filtered(room: World, text: str | None, found: list[str]) -> None:
    assert names(listed(room, **({"filter": text} if text else {}))) == found


def test_a_list_is_of_one_group(room: World) -> None:
    assert names(listed(room, GROUP)) == ["bright", "one", "web"]
    assert refusal(room, "GET", f"{ROOT}/resourceGroups/none/resources") == (404, "ResourceGroupNotFound")


def test_an_item_is_short_unless_more_is_asked_for(room: World) -> None:
    (item,) = listed(room, filter="name eq 'web'")["value"]
    assert set(item) == {"id", "name", "type", "location", "tags", "sku"}
    more = "createdTime,changedTime,provisioningState"
    (item,) = listed(room, filter="name eq 'web'", expand=more)["value"]
    assert item["provisioningState"] == "Creating"
    assert item["createdTime"].startswith("2023-11-14T22:13:20")
    assert item["changedTime"] == item["createdTime"]
    (shelf,) = listed(room, filter="name eq 'one'", expand="createdTime")["value"]
    assert shelf["createdTime"].startswith("2023-11-14T22:13:20")
    assert "changedTime" not in shelf


def test_pages_lead_on(room: World) -> None:
    seen: list[str] = []
    answer = listed(room, top=3)
    while True:
        seen += [each["name"] for each in answer["value"]]
        if "nextLink" not in answer:
            break
        answer = room.get(answer["nextLink"].removeprefix("http://localhost"))
    assert sorted(seen) == ["bright", "dark", "one", "web"]


@pytest.mark.parametrize("query", ["$filter=colour eq 'red'", "$expand=everything", "$orderby=name"])
def test_what_a_list_does_not_know_is_refused(room: World, query: str) -> None:
    assert room.send("GET", f"{ROOT}/resources?api-version=2024-11-01&{query}").status_code == 400


@pytest.mark.parametrize("scope", [GROUP, SET, f"{ROOM}/shelves/one"])
def test_tags_are_replaced_merged_and_deleted_at_their_own_address(room: World, scope: str) -> None:
    path = f"{scope}/{TAGS}"

    def change(operation: str, **tags: str) -> Any:
        answer = room.send("PATCH", path, {"operation": operation, "properties": {"tags": tags}})
        assert answer.status_code == 200, answer.text
        assert answer.json() == room.get(path)
        assert room.get(scope)["tags"] == answer.json()["properties"]["tags"]
        return answer.json()["properties"]["tags"]

    made = room.send("PUT", path, {"properties": {"tags": {"a": "1", "b": "2"}}})
    assert (made.status_code, made.json()["id"].lower()) == (200, path.lower())
    assert room.get(scope)["tags"] == {"a": "1", "b": "2"}
    assert change("Merge", A="3", c="4") == {"b": "2", "A": "3", "c": "4"}
    assert change("Delete", b="other", c="") == {"b": "2", "A": "3"}
    assert change("delete", b="2") == {"A": "3"}
    assert change("Replace", z="9") == {"z": "9"}
    assert room.send("DELETE", path).status_code == 200
    assert room.get(scope)["tags"] == {}


def test_tagging_a_set_changes_nothing_else_of_it(room: World) -> None:
    before = room.get(SET)["properties"]
    room.send("PUT", f"{SET}/{TAGS}", {"properties": {"tags": {"a": "1"}}})
    after = room.get(SET)["properties"]
    assert {**after, "provisioningState": ""} == {**before, "provisioningState": ""}
    assert room.record.model_version == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PATCH", f"{GROUP}/{TAGS}", {"properties": {"tags": {}}}, 400),
        ("PATCH", f"{GROUP}/{TAGS}", {"operation": "Add", "properties": {"tags": {}}}, 400),
        ("PUT", f"{GROUP}/{TAGS}", {"operation": "Merge", "properties": {"tags": {}}}, 400),
        ("PUT", f"{GROUP}/{TAGS}", {"properties": {"tags": {str(n): "" for n in range(51)}}}, 400),
        ("PUT", f"{GROUP}/{TAGS[:-7]}other", {"properties": {"tags": {}}}, 404),
        ("PUT", f"{SET}none/{TAGS}", {"properties": {"tags": {}}}, 404),
        ("PUT", f"{ROOT}/{TAGS}", {"properties": {"tags": {}}}, 409),
        ("PUT", f"{ROOT}/tagNames/x", {}, 409),
        ("DELETE", f"{ROOT}/tagNames/x", None, 409),
        ("PUT", f"{ROOT}/tagNames/x/tagValues/y", {}, 409),
    ],
)
def test_tags_that_cannot_be_are_refused(room: World, method: str, path: str, body: Json, status: int) -> None:
    assert refusal(room, method, path, body)[0] == status
    assert room.get(GROUP)["tags"] == {}


def test_a_merge_keeps_to_the_limit_of_tags(room: World) -> None:
    room.send("PUT", f"{GROUP}/{TAGS}", {"properties": {"tags": {f"t{n}": "" for n in range(50)}}})
    body = {"operation": "Merge", "properties": {"tags": {"one": "more"}}}
    assert refusal(room, "PATCH", f"{GROUP}/{TAGS}", body)[0] == 400
    assert len(room.get(GROUP)["tags"]) == 50


def test_tags_in_use_are_counted(room: World) -> None:
    found = {each["tagName"]: each for each in room.get(f"{ROOT}/tagNames")["value"]}
    assert set(found) == {"team", "x"}
    assert found["team"]["count"] == {"type": "Total", "value": 3}
    assert [(each["tagValue"], each["count"]["value"]) for each in found["team"]["values"]] == [
        ("blue", 2),
        ("red", 1),
    ]


def test_providers_are_the_types_that_are_known(room: World) -> None:
    every = {each["namespace"]: each for each in room.get(f"{ROOT}/providers")["value"]}
    assert {"Test.Room", "Microsoft.Compute", "Microsoft.Resources"} <= set(every)
    one = room.get(f"{ROOT}/providers/test.room")
    assert one == every["Test.Room"]
    types = {each["resourceType"]: each for each in one["resourceTypes"]}
    assert set(types) == {"lamps", "shelves", "shelves/books"}
    assert types["lamps"]["locations"] == ["local"]
    assert types["lamps"]["zoneMappings"] == [{"location": "local", "zones": ["1", "2"]}]
    assert types["lamps"]["capabilities"] != types["shelves/books"]["capabilities"]
    assert "2024-11-01" in types["lamps"]["apiVersions"]
    assert room.get("/providers")["value"]
    assert room.get("/providers/Test.Room")["namespace"] == "Test.Room"
    assert room.send("POST", f"{ROOT}/providers/Test.Room/register").json() == one
    assert refusal(room, "POST", f"{ROOT}/providers/Test.Room/unregister") == (409, "OperationNotAllowed")
    assert refusal(room, "GET", f"{ROOT}/providers/No.Such") == (404, "InvalidResourceNamespace")


def test_an_exported_group_makes_the_same_anew(room: World) -> None:
    answer = room.send("POST", f"{GROUP}/exportTemplate", {"resources": ["*"]})
    template = answer.json()["template"]
    assert {each["name"] for each in template["resources"]} == {"web", "one", "bright"}
    web = next(each for each in template["resources"] if each["name"] == "web")
    assert not {"id", "etag"} & set(web)
    before = room.get(SET)
    again = room.put(SET, {key: value for key, value in web.items() if key not in {"apiVersion", "type"}})
    assert (again.status_code, again.json()["etag"]) == (200, before["etag"])
    one = room.send("POST", f"{GROUP}/exportTemplate", {"resources": [SET], "outputFormat": "json"}).json()[
        "template"
    ]
    assert [each["name"] for each in one["resources"]] == ["web"]
    other = f"{ROOT}/resourceGroups/other/providers/Test.Room/lamps/dark"
    assert refusal(room, "POST", f"{GROUP}/exportTemplate", {"resources": [other]})[0] == 400
    for more, status in (({"options": "IncludeComments"}, 400), ({"outputFormat": "Bicep"}, 409)):
        assert refusal(room, "POST", f"{GROUP}/exportTemplate", {"resources": ["*"], **more})[0] == status
