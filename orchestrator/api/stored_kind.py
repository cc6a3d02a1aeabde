"""Types of resources that are one stored document, and of their children, by a shape."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from orchestrator.api.context import Api
from orchestrator.api.kinds import Put
from orchestrator.api.network.back_references import add_back_references
from orchestrator.api.references import all_uses, check_location, resolved, users_of
from orchestrator.errors import BadInput, Conflict, NotFound
from orchestrator.model.arm.merge import member
from orchestrator.model.arm.scale_set import canonical_location
from orchestrator.model.arm.statuses import Json, stable_uuid
from orchestrator.model.arm.warnings import Notice, with_warnings
from orchestrator.model.network.references import Use
from orchestrator.model.network.secret_members import split, with_kept
from orchestrator.model.network.shape import Shape, check_name, replaced
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import ResourceId
from orchestrator.model.scale_set import Event, EventPhase, Operation

log = structlog.get_logger()

Completion = Callable[[Api, ResourceId, StoredResource | None, Json], Json]
"""Adds to a canonical body what is given by us and kept with it; may look at what stood there before. The body has
its secrets in it, those that were given and those that are kept."""


def _as_it_is(_api: Api, _own: ResourceId, _before: StoredResource | None, made: Json) -> Json:
    return made


def _no_notices(_api: Api, _body: Mapping[str, Any]) -> Iterable[Notice]:
    return ()


@dataclass(frozen=True, slots=True)
class StoredKind:
    """Read, shown and kept by its shape. ``checks`` look at a canonical body in the light of all else that is
    there, and raise ``BadInput`` or ``Conflict``; ``notices`` say what of it has no effect on this site."""

    shape: Shape
    checks: Sequence[Any] = ()
    complete: Completion = _as_it_is
    notices: Callable[[Api, Mapping[str, Any]], Iterable[Notice]] = _no_notices

    @property
    def type(self) -> str:
        return self.shape.type

    def view(self, api: Api, identity: ResourceId) -> Json | None:
        found = api.store.resource(identity)
        return self._show(api, found, all_uses(api)) if found else None

    def views(self, api: Api, group: str | None) -> Iterable[Json]:
        subscription = api.site().subscription_id
        found = api.store.resources(subscription_id=subscription, group=group, resource_type=self.type)
        uses = all_uses(api) if found else []
        return [self._show(api, each, uses) for each in found]

    def put(self, api: Api, identity: ResourceId, body: Mapping[str, Any]) -> Put:
        before = api.store.resource(identity)
        made = self._made(api, identity, before, body)
        is_new = before is None
        if made != before:
            self._write(api, made, "made" if is_new else "changed")
        return Put(self._show(api, made, all_uses(api)), is_new)

    def delete(self, api: Api, identity: ResourceId, *, is_forced: bool = False) -> Operation | None:
        """Done at once. Being forced makes no difference: what is in use stays."""
        found = api.store.resource(identity)
        if found is None:
            return None
        self.check_unused(api, found.id)
        with api.store.write() as tx:
            tx.drop_resource(identity)
            words = f"{self.type} {found.id.name} was deleted"
            tx.add_events([Event(api.now(), "request", EventPhase.NOTE, words)])
        return None

    def check_unused(self, api: Api, identity: ResourceId) -> None:
        """Raises ``Conflict`` that names who uses it, or one of its children."""
        users = list(users_of(api, identity))
        if users:
            words = f"{identity} {self.shape.in_use.words} {', '.join(users[:10])} and cannot be deleted."
            raise Conflict(words, code=self.shape.in_use.code, target=str(identity))

    def _write(self, api: Api, made: StoredResource, what: str) -> None:
        """With an event, which says as the log does what of it has no effect."""
        told = [each.message for each in self._warnings(api, made.body)]
        reason = " ".join([f"{self.type} {made.id.name} was {what}.", *told])
        with api.store.write() as tx:
            tx.put_resource(made)
            tx.add_events([Event(api.now(), "request", EventPhase.NOTE, reason)])
        if told and not api.store.is_rehearsing:
            log.warning("a resource has no effect yet", resource=str(made.id), why=told)

    def _made(
        self, api: Api, identity: ResourceId, before: StoredResource | None, body: Mapping[str, Any]
    ) -> StoredResource:
        """What a PUT leaves. Raises whatever is wrong with that."""
        given = replaced(self.shape, {"location": before.location, **before.body}, body) if before else body
        made = self.shape.parse(given, before.id if before else identity)
        location = made.pop("location", None)
        check_location(api, location)
        own = before.id if before else identity
        made = resolved(api, made, own)
        for check in self.checks:
            check(api, own, made)
        made = with_kept(made, before.secrets if before else {}, self.shape.secrets)
        made, secrets = split(self.complete(api, own, before, made), self.shape.secrets)
        now = api.now()
        if before is None:
            place = location or api.site().location
            return StoredResource(identity, place, made, secrets, created_at=now, changed_at=now)
        if (made, secrets) == (before.body, before.secrets):
            return before
        self._check_removed(api, before, made)
        return before.but(body=made, secrets=secrets, changed_at=now, version=before.version + 1)

    def _check_removed(self, api: Api, before: StoredResource, made: Json) -> None:
        for collection in self.shape.collections:
            for child in self.shape.children(before.body, collection):
                if self.shape.child(made, collection, child["name"]) is None:
                    self.check_unused(api, before.id.child(collection, child["name"]))

    def _show(self, api: Api, record: StoredResource, uses: Sequence[Use]) -> Json:
        body = copy.deepcopy(dict(record.body))
        properties = {"provisioningState": "Succeeded", **body.pop("properties", {})}
        if self.shape.has_guid:
            properties["resourceGuid"] = stable_uuid(f"{record.key} {record.created_at}")
        view: Json = {
            "name": record.id.name,
            "id": str(record.id),
            "type": self.type,
            "location": record.location,
            "tags": body.pop("tags", {}),
            "etag": record.etag,
            **body,
            "properties": properties,
        }
        self.shape.show(view)
        self._show_children(view)
        add_back_references(api, self.shape, view, uses)
        return with_warnings(view, self._warnings(api, record.body))

    def _warnings(self, api: Api, body: Mapping[str, Any]) -> list[Notice]:
        return [*self.shape.warnings(body), *self.notices(api, body)]

    def _show_children(self, view: Json) -> None:
        for collection in {*self.shape.collections, *self.shape.addressable}:
            for child in self.shape.children(view, collection):
                child["id"] = f"{view['id']}/{collection}/{child['name']}"
                child["type"] = f"{self.type}/{collection}"
                child["etag"] = view["etag"]
                child["properties"] = {"provisioningState": "Succeeded", **child.get("properties", {})}


@dataclass(frozen=True, slots=True)
class ChildKind:
    """An element of a collection of its parent, whose document it is in."""

    parent: StoredKind
    collection: str

    @property
    def type(self) -> str:
        return f"{self.parent.type}/{self.collection}"

    def view(self, api: Api, identity: ResourceId) -> Json | None:
        above = self.parent.view(api, _above(identity))
        return self.parent.shape.child(above, self.collection, identity.name) if above else None

    def views(self, api: Api, group: str | None) -> Iterable[Json]:
        return ()

    def put(self, api: Api, identity: ResourceId, body: Mapping[str, Any]) -> Put:
        is_new = self._own(api, identity) is None
        done = self.parent.put(api, _above(identity), self._whole(api, identity, body))
        return Put(self._in(done.view, identity), is_new, done.operation)

    def delete(self, api: Api, identity: ResourceId, *, is_forced: bool = False) -> Operation | None:
        if self._own(api, identity) is None:
            return None
        self._check_is_own(identity)
        above = _above(identity)
        if all(each["name"].lower() != identity.name.lower() for each in self._siblings(api, identity)):
            words = f"'{identity.name}' was made for an instance, and goes with it or with its pool."
            raise BadInput(words, code="OperationNotAllowed", target=str(identity))
        self.parent.check_unused(api, identity)
        left = [each for each in self._siblings(api, identity) if each["name"].lower() != identity.name.lower()]
        return self.parent.put(api, above, self._parents_body(api, above, left)).operation

    def _own(self, api: Api, identity: ResourceId) -> Json | None:
        return self.view(api, identity)

    def _whole(self, api: Api, identity: ResourceId, body: Mapping[str, Any]) -> Json:
        """The parent's body with this child in it, put in the place of the one of that name."""
        self._check_is_own(identity)
        check_name(body, identity)
        location = member(body, "location")
        check_location(api, canonical_location(location) if isinstance(location, str) else None)
        siblings = self._siblings(api, identity)
        old = next((each for each in siblings if each["name"].lower() == identity.name.lower()), None)
        given = {key: value for key, value in body.items() if key.lower() not in {"name", "location"}}
        if old is not None and member(given, "properties") is None:
            given = {**old, **given}
        child = {**given, "name": old["name"] if old else identity.name}
        others = [child if each is old else each for each in siblings]
        return self._parents_body(api, _above(identity), others if old else [*others, child])

    def _siblings(self, api: Api, identity: ResourceId) -> list[Json]:
        stored = api.store.resource(_above(identity))
        return self.parent.shape.children(stored.body, self.collection) if stored else []

    def _parents_body(self, api: Api, above: ResourceId, children: list[Json]) -> Json:
        """Raises ``NotFound`` where the parent is not there."""
        stored = api.store.resource(above)
        if stored is None:
            words = f"The parent '{above}' was not found."
            raise NotFound(words, code="ParentResourceNotFound", target=str(above))
        properties = {**stored.body.get("properties", {}), self.collection: children}
        return {"location": stored.location, **stored.body, "properties": properties}

    def _in(self, above: Json, identity: ResourceId) -> Json:
        found = self.parent.shape.child(above, self.collection, identity.name)
        if found is None:
            raise NotFound(f"{identity} was not found.")
        return found

    def _check_is_own(self, identity: ResourceId) -> None:
        if self.collection not in self.parent.shape.collections:
            words = f"{self.type} are there by themselves; '{identity.name}' cannot be written or deleted."
            raise BadInput(words, code="OperationNotAllowed", target=str(identity))


def kinds_of(
    shape: Shape,
    checks: Sequence[Any] = (),
    complete: Completion = _as_it_is,
    notices: Callable[[Api, Mapping[str, Any]], Iterable[Notice]] = _no_notices,
) -> Iterator[StoredKind | ChildKind]:
    """The type and those of its children that have addresses."""
    kind = StoredKind(shape, checks, complete, notices)
    yield kind
    for collection in shape.addressable:
        yield ChildKind(kind, collection)


def _above(identity: ResourceId) -> ResourceId:
    parent = identity.parent
    if parent is None:
        raise BadInput(f"{identity} has no parent.", code="InvalidResourceType")
    return parent
