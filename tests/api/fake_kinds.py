"""Types of resources for tests: a shelf with books in it, and a lamp that may be in use or take its time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.kinds import Kind, Kinds, Put
from orchestrator.errors import BadInput, Conflict
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import ResourceId
from orchestrator.model.scale_set import Operation, OperationKind, OperationStatus
from tests.api.fake_world import Json, World

SHELF, BOOK, LAMP = "Test.Room/shelves", "Test.Room/shelves/books", "Test.Room/lamps"


class FakeKind:
    """Stored as one document. ``in_use``: names that cannot be deleted. ``slow``: those that take an operation."""

    def __init__(self, kind: str) -> None:
        self.type = kind
        self.in_use: set[str] = set()
        self.slow: set[str] = set()
        self.deleted: list[str] = []
        self.was_forced = False

    def view(self, api: Api, identity: ResourceId) -> Json | None:
        found = api.store.resource(identity)
        return _show(found) if found else None

    def views(self, api: Api, group: str | None) -> Iterable[Json]:
        subscription = api.site().subscription_id
        for each in api.store.resources(subscription_id=subscription, group=group, resource_type=self.type):
            yield _show(each)

    def put(self, api: Api, identity: ResourceId, body: Mapping[str, Any]) -> Put:
        if "wrong" in body:
            raise BadInput("wrong", target="wrong")
        old = api.store.resource(identity)
        now = api.now()
        new = StoredResource(identity, "local", {**(old.body if old else {}), **body}, created_at=now)
        if old:
            new = old.but(body=new.body, version=old.version + 1)
        with api.store.write() as tx:
            tx.put_resource(new)
        return Put(_show(new), old is None)

    def delete(self, api: Api, identity: ResourceId, *, is_forced: bool = False) -> Operation | None:
        if identity.name in self.in_use:
            raise Conflict(f"{identity.name} is in use", code="InUse")
        self.was_forced = is_forced
        self.deleted.append(identity.name)
        with api.store.write() as tx:
            if identity.name in self.slow:
                now = api.now()
                one = Operation("slow-" + identity.name, OperationKind.DEPLOYMENT, "", now, now + 100)
                tx.put_operation(one)
                found = api.store.resource(identity)
                assert found
                tx.put_resource(found.but(body={**found.body, "properties": {"provisioningState": "Deleting"}}))
                return one
            tx.drop_resource(identity)
        return None

    def end(self, api: Api, identity: ResourceId) -> None:
        """What its operation waits for."""
        found = api.store.operation("slow-" + identity.name)
        assert found
        with api.store.write() as tx:
            tx.drop_resource(identity)
            tx.put_operation(found.but(status=OperationStatus.SUCCEEDED, ended_at=api.now()))


class FakeChild(FakeKind):
    """Lives in its parent's body."""

    def view(self, api: Api, identity: ResourceId) -> Json | None:
        parent = api.store.resource(identity.parent) if identity.parent else None
        held = parent.body.get("properties", {}).get("books", []) if parent else []
        return next((each for each in held if each["name"] == identity.name), None)

    def views(self, api: Api, group: str | None) -> Iterable[Json]:
        return ()

    def put(self, api: Api, identity: ResourceId, body: Mapping[str, Any]) -> Put:
        parent = api.store.resource(identity.parent) if identity.parent else None
        assert parent
        made = {"id": str(identity), "name": identity.name, **body}
        old = parent.body.get("properties", {}).get("books", [])
        books = [*(each for each in old if each["name"] != identity.name), made]
        with api.store.write() as tx:
            tx.put_resource(parent.but(body={**parent.body, "properties": {"books": books}}))
        return Put(made, all(each["name"] != identity.name for each in old))


def _show(found: StoredResource) -> Json:
    view = {"id": str(found.id), "name": found.id.name, "type": found.id.type, "location": found.location}
    return {**view, "tags": {}, "properties": {}, **found.body, "etag": found.etag}


def with_kinds(world: World, *kinds: Kind) -> Api:
    """The world's app with these types beside its own."""
    api: Api = world.app.state.api
    more = dataclasses.replace(api, kinds=Kinds([*api.kinds, *kinds]))
    world.app.state.api = more
    return more
