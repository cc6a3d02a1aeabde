"""A group is deleted with all that is in it, step by step, through restarts."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest

from orchestrator.api.manager.group_deletion import delete_groups
from orchestrator.model.deployment import Deployment, DeploymentState
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.model.scale_set import OperationKind, OperationStatus
from tests.api.fake_kinds import FakeKind, with_kinds
from tests.api.fake_world import GROUP, NOW, SET, SUB, Json, World

NET = f"{GROUP}/providers/Microsoft.Network"
BODY = {"location": "local"}


class Killed(Exception):
    """The daemon ends here."""


class Room:
    """A world with networks in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kinds = {
            name: FakeKind(f"Microsoft.Network/{name}")
            for name in ("virtualNetworks", "publicIPAddresses", "loadBalancers", "networkSecurityGroups")
        }
        with_kinds(world, *self.kinds.values())

    def fill(self) -> None:
        for name in self.kinds:
            assert self.world.put(f"{NET}/{name}/a-{name}", BODY).status_code == 201

    def restart(self) -> None:
        """Another daemon on the same store."""
        self.world.identify()
        with_kinds(self.world, *self.kinds.values())

    def advance(self) -> bool:
        api = self.world.app.state.api
        return bool(asyncio.run(api.jobs.advance(api)))

    def end_set(self) -> None:
        """What the loop of the set does when its last instance is gone."""
        record = self.world.record
        with self.world.store.write() as tx:
            tx.drop_scale_set(record.uid)
            for each in self.world.store.operations(record.uid, in_progress=True):
                tx.put_operation(each.but(status=OperationStatus.SUCCEEDED, ended_at=NOW))

    def delete(self, query: str = "") -> httpx.Response:
        return self.world.send("DELETE", f"{GROUP}?api-version=2024-11-01{query}")

    def result(self, answer: httpx.Response) -> httpx.Response:
        return self.world.send("GET", answer.headers["location"].removeprefix("http://localhost"))

    @property
    def gone(self) -> list[str]:
        order: list[str] = []
        for kind in self.kinds.values():
            order += kind.deleted
        return order


@pytest.fixture
def room(world: World) -> Room:
    return Room(world)


def refusal(world: World, method: str, path: str, body: Json | None = None) -> tuple[int, str]:
    answer = world.send(method, path, body)
    return answer.status_code, answer.json()["error"]["code"]


def test_an_empty_group_is_gone_after_one_look(room: Room) -> None:
    answer = room.delete()
    assert (answer.status_code, answer.content) == (202, b"")
    assert int(answer.headers["retry-after"]) >= 1
    running = room.result(answer)
    assert (running.status_code, running.headers["location"]) == (202, answer.headers["location"])
    assert room.world.get(GROUP)["properties"]["provisioningState"] == "Deleting"
    assert not room.advance()
    done = room.result(answer)
    assert (done.status_code, done.content) == (200, b"")
    assert "content-type" not in done.headers
    assert refusal(room.world, "GET", GROUP) == (404, "ResourceGroupNotFound")
    assert refusal(room.world, "DELETE", GROUP) == (404, "ResourceGroupNotFound")


def test_a_set_goes_before_what_it_uses_and_networks_in_order(room: Room) -> None:
    world = room.world
    world.put()
    room.fill()
    calls: list[str] = []
    for kind in room.kinds.values():
        kind.deleted = calls
    answer = room.delete()
    assert room.advance()
    assert world.record.is_deleting
    assert not world.record.is_force_deleting
    assert room.advance()
    assert calls == []  # they wait for the set
    asked = [each for each in world.store.operations() if each.kind is OperationKind.DELETE_SET]
    assert len(asked) == 1  # a second look asks for nothing again
    room.end_set()
    assert not room.advance()
    assert calls == ["a-loadBalancers", "a-publicIPAddresses", "a-networkSecurityGroups", "a-virtualNetworks"]
    assert room.result(answer).status_code == 200


def test_nothing_is_made_in_a_group_that_is_being_deleted(room: Room) -> None:
    room.world.put()
    room.delete()
    for path in (SET, f"{SET}2", f"{NET}/virtualNetworks/n", GROUP):
        assert refusal(room.world, "PUT", path, {"location": "local"}) == (409, "ResourceGroupBeingDeleted")
    assert refusal(room.world, "PATCH", GROUP, {"tags": {}}) == (409, "ResourceGroupBeingDeleted")


def test_a_second_deletion_is_the_first(room: Room) -> None:
    room.world.put()
    assert room.delete().headers["location"] == room.delete().headers["location"]


def test_force_is_for_the_sets_also_when_it_comes_later(room: Room) -> None:
    room.world.put()
    room.delete()
    room.advance()
    assert not room.world.record.is_force_deleting
    assert refusal(room.world, "DELETE", f"{GROUP}?api-version=2024-11-01&forceDeletionTypes=a.b/c")[0] == 409
    room.delete("&forceDeletionTypes=Microsoft.Compute/virtualMachines,microsoft.compute/virtualmachinescalesets")
    assert room.world.record.is_force_deleting


def test_what_takes_its_time_is_awaited(room: Room) -> None:
    room.fill()
    balancers = room.kinds["loadBalancers"]
    balancers.slow.add("a-loadBalancers")
    answer = room.delete()
    assert room.advance()
    assert room.advance()
    assert balancers.deleted == ["a-loadBalancers"]
    assert room.kinds["virtualNetworks"].deleted == []
    balancers.end(room.world.app.state.api, parse_resource_id(f"{NET}/loadBalancers/a-loadBalancers"))
    assert not room.advance()
    assert room.result(answer).status_code == 200


def test_running_deployments_are_cancelled_and_awaited(room: Room) -> None:
    room.fill()
    with room.world.store.write() as tx:
        deployment = Deployment(SUB, "rg", "d", "op", NOW, NOW, DeploymentState.RUNNING)
        tx.put_deployment(deployment)
    room.delete()
    api = room.world.app.state.api
    assert asyncio.run(delete_groups(api))
    found = room.world.store.deployment(deployment.key)
    assert found
    assert found.is_to_cancel
    assert room.gone == []
    with room.world.store.write() as tx:
        tx.put_deployment(found.but(state=DeploymentState.CANCELED, ended_at=NOW))
    assert not asyncio.run(delete_groups(api))
    assert room.world.store.deployment(deployment.key) is None


def test_what_is_in_use_is_tried_again_after_what_uses_it(room: Room) -> None:
    room.fill()
    room.kinds["loadBalancers"].in_use.add("a-loadBalancers")
    room.delete()
    assert room.advance()
    assert room.world.send("HEAD", f"{NET}/virtualNetworks/a-virtualNetworks").status_code == 404
    room.kinds["loadBalancers"].in_use.clear()
    assert not room.advance()
    assert refusal(room.world, "GET", GROUP)[0] == 404


def test_a_group_that_cannot_be_emptied_is_told_why_and_stays(room: Room) -> None:
    room.fill()
    room.kinds["virtualNetworks"].in_use.add("a-virtualNetworks")
    answer = room.delete()
    while room.advance():
        pass
    failed = room.result(answer)
    assert (failed.status_code, failed.json()["error"]["code"]) == (409, "ResourceGroupDeletionBlocked")
    assert "a-virtualNetworks is in use" in failed.json()["error"]["message"]
    assert room.world.get(GROUP)["properties"]["provisioningState"] == "Succeeded"
    room.kinds["virtualNetworks"].in_use.clear()
    again = room.delete()
    assert again.headers["location"] != answer.headers["location"]
    assert not room.advance()
    assert room.result(again).status_code == 200


def test_a_deletion_has_a_deadline(room: Room) -> None:
    room.world.put()
    answer = room.delete()
    assert room.advance()
    room.world.clock[0] += 6000
    assert not room.advance()
    assert room.result(answer).json()["error"]["code"] == "ResourceGroupDeletionTimeout"
    assert room.world.get(GROUP)["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("commit", range(1, 9))
def test_a_killed_daemon_goes_on_where_it_was(room: Room, when: str, commit: int) -> None:
    """It is killed at the n-th commit of the whole deletion, before or after it; another one ends it."""
    world = room.world
    world.put()
    room.fill()
    count = 0

    def at_commit(moment: str) -> None:
        nonlocal count
        count += moment == "before"
        if count == commit and moment == when:
            raise Killed

    def whole() -> None:
        if world.store.group(SUB, "rg"):
            room.delete()
        for _ in range(10):
            room.advance()
            if any(each.is_deleting for each in world.store.scale_sets()):
                room.end_set()

    world.store._on_commit = at_commit
    with contextlib.suppress(Killed):
        whole()
    world.store._on_commit = None
    room.restart()
    whole()
    assert world.store.group(SUB, "rg") is None
    assert world.store.resources(subscription_id=SUB) == []
    assert world.store.scale_sets() == []
    deletions = [each for each in world.store.operations() if each.kind is OperationKind.DELETE_GROUP]
    assert [each.status for each in deletions] == [OperationStatus.SUCCEEDED]


def test_an_operation_of_no_set_is_shown_like_any_other(room: Room) -> None:
    answer: Any = room.delete()
    name = answer.headers["location"].split("/")[-1].split("?")[0]
    path = f"/subscriptions/{SUB}/providers/Microsoft.Compute/locations/local/operations/{name}"
    assert room.world.get(path)["status"] == "InProgress"
    room.advance()
    assert room.world.get(path)["status"] == "Succeeded"
    assert refusal(room.world, "GET", f"/subscriptions/{SUB}/operationresults/none") == (404, "NotFound")
