"""/providers/Vmss.Local/principals, and the owner's file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import NOW, OWN, World, make_world

from orchestrator.api.identity.owner_file import OwnerFile
from orchestrator.api.identity.secrets import has_secret, hash_of, new_secret, whose_secret
from orchestrator.model.principal import Role

PRINCIPALS = f"{OWN}/principals"
FACTS = {"tenantId": "t", "endpoint": "https://localhost:8443"}


def body(role: str) -> dict[str, object]:
    return {"properties": {"role": role}}


@pytest.fixture
def owned(tmp_path: Path) -> Iterator[tuple[World, Path]]:
    """A world after its first start."""
    world, path = make_world(), tmp_path / "owner.json"
    OwnerFile(path).ensure(world.store, FACTS, NOW)
    world.identify(owner_file=path)
    yield world, path
    world.store.close()


def test_a_secret_is_shown_once_and_kept_as_a_hash(world: World) -> None:
    made = world.send("PUT", f"{PRINCIPALS}/teacher", body("operator"))
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    properties = made.json()["properties"]
    secret = properties.pop("clientSecret")
    assert len(secret) >= 43
    [kept] = world.store.principals()
    assert (kept.role, kept.secret_hash) == (Role.OPERATOR, hash_of(secret))
    assert world.get(f"{PRINCIPALS}/Teacher")["properties"] == properties
    assert world.get(PRINCIPALS)["value"] == [world.get(f"{PRINCIPALS}/teacher")]
    assert secret not in json.dumps(world.get(PRINCIPALS))


def test_a_principal_that_is_there_gets_a_role_and_keeps_its_secret(world: World) -> None:
    world.send("PUT", f"{PRINCIPALS}/teacher", body("operator"))
    [before] = world.store.principals()
    again = world.send("PUT", f"{PRINCIPALS}/TEACHER", body("Reader"))
    assert again.status_code == 200
    assert "clientSecret" not in again.json()["properties"]
    [after] = world.store.principals()
    assert (after.role, after.name) == (Role.READER, "teacher")
    assert (after.secret_hash, after.key_id) == (before.secret_hash, before.key_id)


def test_what_get_shows_can_be_put_back(world: World) -> None:
    world.send("PUT", f"{PRINCIPALS}/teacher", body("operator"))
    assert world.send("PUT", f"{PRINCIPALS}/teacher", world.get(f"{PRINCIPALS}/teacher")).status_code == 200


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("x", {}),
        ("x", {"properties": {}}),
        ("x", {"properties": "owner"}),
        ("x", body("king")),
        ("x", {"properties": {"role": 1}}),
        ("x", {"properties": {"role": "reader", "secret": "mine"}}),
        ("x", {"properties": {"role": "reader"}, "sku": {}}),
        ("-x", body("reader")),
        ("x" * 65, body("reader")),
        ("x y", body("reader")),
    ],
)
def test_a_principal_that_is_wrong_is_refused_and_not_made(world: World, name: str, wrong: object) -> None:
    assert world.send("PUT", f"{PRINCIPALS}/{name}", wrong).status_code == 400
    assert world.store.principals() == []


def test_a_reset_gives_a_new_secret_and_ends_the_old_one(world: World) -> None:
    first = world.send("PUT", f"{PRINCIPALS}/teacher", body("operator")).json()["properties"]["clientSecret"]
    [before] = world.store.principals()
    second = world.send("POST", f"{PRINCIPALS}/teacher/resetSecret").json()["properties"]["clientSecret"]
    [after] = world.store.principals()
    assert first != second
    assert not has_secret(after, first)
    assert has_secret(after, second)
    assert after.key_id != before.key_id
    assert after.client_id == before.client_id


def test_a_principal_that_is_not_there_is_not_found_and_its_deletion_is_done(world: World) -> None:
    assert world.send("GET", f"{PRINCIPALS}/x").status_code == 404
    assert world.send("POST", f"{PRINCIPALS}/x/resetSecret").status_code == 404
    assert world.send("DELETE", f"{PRINCIPALS}/x").status_code == 204


def test_the_last_owner_stays_an_owner(owned: tuple[World, Path]) -> None:
    world, _ = owned
    for refused in (
        world.send("DELETE", f"{PRINCIPALS}/owner"),
        world.send("PUT", f"{PRINCIPALS}/owner", body("operator")),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "LastOwner")
    world.send("PUT", f"{PRINCIPALS}/second", body("owner"))
    assert world.send("DELETE", f"{PRINCIPALS}/owner").status_code == 200
    assert world.send("DELETE", f"{PRINCIPALS}/second").status_code == 409


# The owner's file


def test_the_first_owner_is_made_once_and_lies_in_a_file_for_the_owner_alone(owned: tuple[World, Path]) -> None:
    world, path = owned
    content = json.loads(path.read_text())
    [owner] = world.store.principals()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (owner.name, owner.role, owner.client_id) == ("owner", Role.OWNER, content["clientId"])
    assert has_secret(owner, content["clientSecret"])
    assert FACTS.items() <= content.items()
    OwnerFile(path).ensure(world.store, FACTS, NOW)
    assert (world.store.principals(), json.loads(path.read_text())) == ([owner], content)


def test_facts_that_changed_are_written_down_and_the_secret_stays(owned: tuple[World, Path]) -> None:
    world, path = owned
    before = json.loads(path.read_text())
    OwnerFile(path).ensure(world.store, {**FACTS, "endpoint": "https://localhost:9443"}, NOW)
    assert json.loads(path.read_text()) == {**before, "endpoint": "https://localhost:9443"}


def test_a_daemon_killed_between_the_file_and_the_row_makes_the_row_from_the_file(
    owned: tuple[World, Path], world: World
) -> None:
    _, path = owned
    content = json.loads(path.read_text())
    OwnerFile(path).ensure(world.store, FACTS, NOW)
    [owner] = world.store.principals()
    assert owner.client_id == content["clientId"]
    assert has_secret(owner, content["clientSecret"])


def test_a_file_that_was_taken_away_does_not_make_a_second_owner(owned: tuple[World, Path]) -> None:
    world, path = owned
    path.unlink()
    OwnerFile(path).ensure(world.store, FACTS, NOW)
    assert not path.exists()
    assert len(world.store.principals()) == 1


def test_the_file_follows_its_principal(owned: tuple[World, Path]) -> None:
    world, path = owned
    secret = world.send("POST", f"{PRINCIPALS}/owner/resetSecret").json()["properties"]["clientSecret"]
    assert json.loads(path.read_text())["clientSecret"] == secret
    world.send("PUT", f"{PRINCIPALS}/second", body("owner"))
    world.send("POST", f"{PRINCIPALS}/second/resetSecret")
    assert json.loads(path.read_text())["clientSecret"] == secret
    world.send("DELETE", f"{PRINCIPALS}/owner")
    assert not path.exists()


def test_a_secret_alone_finds_its_principal(world: World) -> None:
    for name in ("a", "b", "c"):
        world.send("PUT", f"{PRINCIPALS}/{name}", body("reader"))
    secret = world.send("POST", f"{PRINCIPALS}/b/resetSecret").json()["properties"]["clientSecret"]
    found = whose_secret(world.store.principals(), secret)
    assert found is not None
    assert found.name == "b"
    assert whose_secret(world.store.principals(), new_secret()) is None
