"""Resources of types that have no routes of their own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.fake_kinds import BOOK, LAMP, SHELF, FakeChild, FakeKind, with_kinds
from tests.api.fake_world import GROUP, SET, SUB, Json, World

ROOM = f"{GROUP}/providers/Test.Room"
NO_ROOM = f"/subscriptions/{SUB}/resourceGroups/none/providers/Test.Room"
SHELF_1 = f"{ROOM}/shelves/s1"
BODY = {"location": "local", "tags": {"a": "1"}, "properties": {"books": []}}


@pytest.fixture
def room(world: World) -> World:
    with_kinds(world, FakeKind(SHELF), FakeChild(BOOK), FakeKind(LAMP))
    return world


def refusal(world: World, method: str, path: str, body: Json | None = None, **more: Any) -> tuple[int, str]:
    answer = world.send(method, path, body, **more)
    return answer.status_code, answer.json()["error"]["code"]


def test_a_resource_is_made_shown_changed_and_deleted_by_its_id(room: World) -> None:
    made = room.put(SHELF_1, BODY)
    assert (made.status_code, made.json()["id"]) == (201, SHELF_1)
    assert made.headers["etag"] == made.json()["etag"]
    assert room.put(SHELF_1, BODY).status_code == 200
    assert room.get(SHELF_1)["tags"] == {"a": "1"}
    assert room.send("HEAD", SHELF_1).status_code == 204
    gone = room.send("DELETE", SHELF_1)
    assert (gone.status_code, gone.content) == (200, b"")
    assert "content-type" not in gone.headers
    assert room.send("DELETE", SHELF_1).status_code == 204
    assert room.send("HEAD", SHELF_1).status_code == 404
    assert refusal(room, "GET", SHELF_1) == (404, "ResourceNotFound")


def test_types_come_back_in_azures_spelling_and_the_group_in_its_own(room: World) -> None:
    path = f"/subscriptions/{SUB}/RESOURCEGROUPS/RG/providers/TEST.room//SHELVES/s1/"
    assert room.put(path, BODY).json()["id"] == SHELF_1


def test_patch_changes_tags_and_nothing_else(room: World) -> None:
    room.put(SHELF_1, BODY)
    patched = room.send("PATCH", SHELF_1, {"tags": {"b": "2"}})
    assert patched.status_code == 200
    assert (patched.json()["tags"], patched.json()["properties"]) == ({"b": "2"}, {"books": []})
    assert refusal(room, "PATCH", SHELF_1, {"properties": {}})[0] == 400
    assert refusal(room, "PATCH", f"{ROOM}/shelves/other", {"tags": {}}) == (404, "ResourceNotFound")


def test_etags_guard_writes(room: World) -> None:
    etag = room.put(SHELF_1, BODY).headers["etag"]
    room.put(SHELF_1, BODY)
    old = {"If-Match": etag}
    assert refusal(room, "PUT", SHELF_1, BODY, headers=old) == (412, "PreconditionFailed")
    assert refusal(room, "PATCH", SHELF_1, {"tags": {}}, headers=old) == (412, "PreconditionFailed")
    assert refusal(room, "DELETE", SHELF_1, headers=old) == (412, "PreconditionFailed")
    assert refusal(room, "PUT", SHELF_1, BODY, headers={"If-None-Match": "*"}) == (412, "PreconditionFailed")
    now = {"If-Match": room.get(SHELF_1)["etag"]}
    assert room.send("DELETE", SHELF_1, headers=now).status_code == 200


def test_children_are_made_in_their_parent_and_listed_from_it(room: World) -> None:
    book = f"{SHELF_1}/books/b1"
    assert refusal(room, "PUT", book, {}) == (404, "ParentResourceNotFound")
    assert refusal(room, "GET", book) == (404, "ParentResourceNotFound")
    assert refusal(room, "GET", f"{SHELF_1}/books") == (404, "ParentResourceNotFound")
    room.put(SHELF_1, BODY)
    assert room.put(book, {"pages": 3}).status_code == 201
    assert room.get(book)["pages"] == 3
    assert [each["name"] for each in room.get(f"{SHELF_1}/BOOKS")["value"]] == ["b1"]
    assert refusal(room, "GET", f"{SHELF_1}/books/b2") == (404, "ResourceNotFound")


def test_lists_of_a_type_are_of_a_group_or_of_the_subscription(room: World) -> None:
    other = f"/subscriptions/{SUB}/resourceGroups/other"
    room.put(other, {"location": "local"})
    room.put(SHELF_1, BODY)
    room.put(f"{other}/providers/Test.Room/shelves/s2", BODY)
    assert [each["name"] for each in room.get(f"{ROOM}/shelves")["value"]] == ["s1"]
    everywhere = room.get(f"/subscriptions/{SUB}/providers/test.room/shelves")["value"]
    assert {each["name"] for each in everywhere} == {"s1", "s2"}
    assert room.get(f"{ROOM}/lamps") == {"value": []}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{GROUP}/providers/No.Such/things/x", 404, "InvalidResourceNamespace"),
        ("GET", f"{ROOM}/tables/x", 404, "InvalidResourceType"),
        ("GET", f"{ROOM}/tables", 404, "InvalidResourceType"),
        ("PUT", f"{ROOM}/tables/x", 404, "InvalidResourceType"),
        ("GET", f"/subscriptions/{SUB}/providers/Test.Room/tables", 404, "InvalidResourceType"),
        ("PUT", f"{ROOM}/shelves", 405, "MethodNotAllowed"),
        ("DELETE", f"{ROOM}/shelves", 405, "MethodNotAllowed"),
        ("POST", f"{ROOM}/shelves/s1", 405, "MethodNotAllowed"),
        ("POST", f"{ROOM}/shelves/s1/dust", 404, "NotFound"),
        ("DELETE", f"{SET}/instanceView", 405, "MethodNotAllowed"),
        ("GET", f"{SET}/restart", 405, "MethodNotAllowed"),
        ("GET", f"{NO_ROOM}/shelves/s1", 404, "ResourceGroupNotFound"),
        ("PUT", f"{NO_ROOM}/shelves/s1", 404, "ResourceGroupNotFound"),
        ("GET", f"{NO_ROOM}/shelves", 404, "ResourceGroupNotFound"),
    ],
)
def test_what_is_not_there_is_told_by_name(room: World, method: str, path: str, status: int, code: str) -> None:
    body = {"location": "local"} if method == "PUT" else None
    assert refusal(room, method, path, body) == (status, code)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", SET, {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("DELETE", f"{SET}/instanceView", {"GET"}),
        ("POST", SHELF_1, {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("PUT", f"{ROOM}/shelves", {"GET"}),
    ],
)
def test_a_method_that_is_not_possible_is_told_with_those_that_are(
    room: World, method: str, path: str, allowed: set[str]
) -> None:
    answer = room.send(method, path, {} if method == "PUT" else None)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_refused_body_makes_nothing(room: World) -> None:
    assert refusal(room, "PUT", SHELF_1, {"wrong": 1}) == (400, "InvalidParameter")
    assert room.send("HEAD", SHELF_1).status_code == 404
