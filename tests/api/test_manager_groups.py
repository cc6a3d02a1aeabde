"""Resource groups, subscriptions, tenants, locations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.fake_world import GROUP, SET, SETS, SUB, TENANT, Json, World

GROUPS = f"/subscriptions/{SUB}/resourceGroups"
NEW = f"{GROUPS}/Blue"
BODY = {"location": "local", "tags": {"team": "blue"}}


def refusal(world: World, method: str, path: str, body: Json | None = None, **more: Any) -> tuple[int, str]:
    answer = world.send(method, path, body, **more)
    return answer.status_code, answer.json()["error"]["code"]


def test_a_group_is_made_changed_and_shown(world: World) -> None:
    made = world.put(NEW, BODY)
    assert made.status_code == 201
    assert made.json() == {
        "id": NEW,
        "name": "Blue",
        "type": "Microsoft.Resources/resourceGroups",
        "location": "local",
        "tags": {"team": "blue"},
        "properties": {"provisioningState": "Succeeded"},
    }
    again = world.put(NEW.lower().replace("blue", "BLUE"), {"location": "Local"})
    assert (again.status_code, again.json()["name"], again.json()["tags"]) == (200, "Blue", {})
    assert world.send("PATCH", NEW, {"tags": {"a": "b"}}).json()["tags"] == {"a": "b"}
    assert world.send("PATCH", NEW, {}).json()["tags"] == {"a": "b"}
    assert world.get(NEW)["tags"] == {"a": "b"}
    assert world.send("HEAD", NEW).status_code == 204
    assert world.send("HEAD", f"{GROUPS}/none").status_code == 404


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("new", {}, 400, "LocationRequired"),
        ("new", {"location": "westeurope"}, 400, "LocationNotAvailableForResourceGroup"),
        ("rg", {"location": "westeurope"}, 409, "InvalidResourceGroupLocation"),
        ("new", {"location": "local", "tags": {f"t{n}": "" for n in range(51)}}, 400, "InvalidParameter"),
        ("new", {"location": "local", "tags": {"x" * 513: "a"}}, 400, "InvalidParameter"),
        ("new", {"location": "local", "tags": {"x": "a" * 257}}, 400, "InvalidParameter"),
        ("new", {"location": "local", "tags": {"x": "a", "X": "b"}}, 400, "InvalidParameter"),
        ("new", {"location": "local", "name": "other"}, 400, "InvalidParameter"),
        ("new", {"location": "local", "colour": "red"}, 400, "BadRequest"),
        ("new.", {"location": "local"}, 400, "InvalidParameter"),
        ("new", {"location": "local", "managedBy": "/x"}, 409, "OperationNotAllowed"),
    ],
)
def test_a_group_that_cannot_be_is_refused(world: World, name: str, body: Json, status: int, code: str) -> None:
    assert refusal(world, "PUT", f"{GROUPS}/{name}", body) == (status, code)
    assert [each["name"] for each in world.get(GROUPS)["value"]] == ["rg"]
    assert world.get(GROUP)["tags"] == {}


def test_groups_are_listed_by_tag_and_in_pages(world: World) -> None:
    for name, colour in (("a", "blue"), ("b", "red"), ("c", "blue")):
        world.put(f"{GROUPS}/{name}", {"location": "local", "tags": {"colour": colour}})

    def names(query: str) -> list[str]:
        return [each["name"] for each in world.get(f"{GROUPS}?api-version=2024-11-01&{query}")["value"]]

    assert names("$filter=tagName eq 'colour' and tagValue eq 'blue'") == ["a", "c"]
    assert names("$filter=tagname eq 'colour'") == ["a", "b", "c"]
    assert names("$top=2") == ["a", "b"]
    assert refusal(world, "GET", f"{GROUPS}?api-version=2024-11-01&$filter=name eq 'a'") == (
        400,
        "InvalidFilterInQueryString",
    )


def test_etags_guard_groups(world: World) -> None:
    etag = world.put(NEW, BODY).headers["etag"]
    changed = world.send("PATCH", NEW, {"tags": {}}, headers={"If-Match": etag}).headers["etag"]
    assert changed != etag
    for method, body in (("PUT", BODY), ("PATCH", {"tags": {}}), ("DELETE", None)):
        assert refusal(world, method, NEW, body, headers={"If-Match": etag}) == (412, "PreconditionFailed")
    assert refusal(world, "PUT", NEW, BODY, headers={"If-None-Match": "*"}) == (412, "PreconditionFailed")


def test_sets_of_a_group_that_is_not_there_are_not_an_empty_list(world: World) -> None:
    nowhere = SETS.replace("/rg/", "/none/")
    assert refusal(world, "GET", nowhere) == (404, "ResourceGroupNotFound")
    assert world.get(SETS) == {"value": []}


def test_a_set_is_in_the_group_as_that_is_written(world: World) -> None:
    world.put(NEW, BODY)
    made = world.put(SET.replace("/rg/", "/BLUE/"))
    assert made.json()["id"] == SET.replace("/rg/", "/Blue/")


def test_a_subscription_says_whose_it_is(world: World) -> None:
    listed = world.get("/subscriptions")["value"]
    assert listed == [world.get(f"/subscriptions/{SUB}")]
    own = listed[0]
    assert (own["tenantId"], own["state"], own["managedByTenants"]) == (TENANT, "Enabled", [])
    assert world.get("/tenants")["value"][0]["tenantId"] == TENANT


def test_the_location_maps_the_zones_in_which_hosts_stand(world: World) -> None:
    place = world.get(f"/subscriptions/{SUB}/locations")["value"][0]
    assert (place["name"], place["metadata"]["regionType"]) == ("local", "Physical")
    assert [each["logicalZone"] for each in place["availabilityZoneMappings"]] == ["1", "2"]
