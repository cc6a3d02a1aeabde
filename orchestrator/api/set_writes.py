"""A set is made or changed: one transaction, whoever asked (PUT, PATCH, an extension's own address)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import Request

from orchestrator.api.context import Api, SetAddress
from orchestrator.api.long_running import new_operation
from orchestrator.api.network.subnets import carried, check_room, segments
from orchestrator.api.references import set_body, set_identity
from orchestrator.api.rolling_upgrades import DEADLINE_S, is_rolling, upgrade_again
from orchestrator.errors import BadInput, Conflict, NotPossible, PreconditionFailed
from orchestrator.model.arm.extension_numbers import next_numbers
from orchestrator.model.arm.merge import merge_body
from orchestrator.model.arm.mutability import check_mutable, check_patchable
from orchestrator.model.arm.names import SCALE_SET_TYPE
from orchestrator.model.arm.network_notices import network_notices
from orchestrator.model.arm.scale_set import ScaleSetResource, parse_scale_set
from orchestrator.model.arm.site import check_site
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.arm.write_only import join_secrets, split_secrets
from orchestrator.model.resource_id import named
from orchestrator.model.scale_set import Event, Operation, OperationKind, ScaleSet

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Written:
    record: ScaleSet
    operation: Operation


def check_preconditions(request: Request, etag: str | None, name: str) -> None:
    """``If-Match`` and ``If-None-Match`` (reference 3.3). ``etag`` is ``None`` for what does not exist.

    Raises ``PreconditionFailed``, or ``BadInput`` for an If-None-Match other than ``*``."""
    only_new, wanted = request.headers.get("if-none-match"), request.headers.get("if-match")
    if only_new is not None:
        if only_new.strip() != "*":
            raise BadInput("If-None-Match can only be '*'.", target="If-None-Match")
        if etag is not None:
            raise PreconditionFailed(f"{name} exists already, and If-None-Match asks that it does not.")
    if wanted is None:
        return
    if etag is None:
        raise PreconditionFailed(f"{name} does not exist, and If-Match asks that it does.")
    if wanted.strip() != "*" and etag.strip('"') not in {part.strip().strip('"') for part in wanted.split(",")}:
        raise PreconditionFailed(f"{name} has changed since it was read: its ETag is {etag}, not {wanted[:200]}.")


def create_set(api: Api, address: SetAddress, body: Mapping[str, Any]) -> Written:
    """A new set. Raises ``BadInput`` for all that is wrong with the body at once."""
    record = _made_from(api, address, body)
    operation = new_operation(api, record, OperationKind.CREATE_OR_UPDATE)
    words = f"the scale set was created with {record.capacity} instances of {record.model['sku']['name']}"
    with api.store.write() as tx:
        tx.add_scale_set(record)
        tx.put_operation(operation)
        tx.add_events([api.note(record, words), *_without_effect(api, record)])
    api.wake(record.uid)
    return Written(record, operation)


def _made_from(api: Api, address: SetAddress, body: Mapping[str, Any]) -> ScaleSet:
    resource = parse_scale_set(_without_read_only_name(body), name=address.name)
    check_site(resource, api.site())
    own = named(address.subscription_id, address.group, SCALE_SET_TYPE, address.name)
    model, hidden = split_secrets(set_body(api, own, resource))
    check_room(api, resource, 0)
    now = api.now()
    return ScaleSet(
        uid=secrets.token_hex(6),
        subscription_id=address.subscription_id,
        resource_group=address.group,
        name=address.name,
        location=resource.location,
        model=model,
        secrets=hidden,
        created_at=now,
        changed_at=now,
        extension_sequences={each.name: 1 for each in resource.profile.extension_profile.extensions},
    )


def update_set(api: Api, record: ScaleSet, body: Mapping[str, Any], *, is_patch: bool = False) -> Written:
    """Merge a body into a set. Raises ``BadInput``, or ``Conflict`` for what may not change (so)."""
    changed = _changed_by(api, record, body, is_patch=is_patch)
    operation = new_operation(api, changed, OperationKind.CREATE_OR_UPDATE)
    again = upgrade_again(api, record, changed)
    if is_rolling(changed):
        operation = operation.but(deadline_at=operation.started_at + DEADLINE_S)
    with api.store.write() as tx:
        if changed.version != record.version:
            tx.put_scale_set(changed, expected_version=record.version)
            tx.add_events([api.note(changed, _what_changed(record, changed))])
            if _network_of(record) != _network_of(changed):
                tx.add_events(_without_effect(api, changed))
        if changed.model_version != record.model_version:
            tx.put_profile(changed)
        if again is not None:
            tx.put_rolling_upgrade(again)
            words = f"the rolling upgrade to model {again.model_version} starts again"
            tx.add_events([api.note(changed, words)])
        tx.put_operation(operation)
    api.wake(changed.uid)
    return Written(changed, operation)


def _changed_by(api: Api, record: ScaleSet, body: Mapping[str, Any], *, is_patch: bool = False) -> ScaleSet:
    if record.is_deleting:
        raise NotPossible(f"The scale set {record.name} is being deleted.", target=record.name)
    before = join_secrets(record.model, record.secrets)
    old = parse_scale_set(before, name=record.name)
    new = parse_scale_set(merge_body(before, _without_read_only_name(body)), name=record.name)
    (check_patchable if is_patch else check_mutable)(old, new, segments(api))
    _refuse_names_of_instances(api, record, old, new)
    if _asks_the_site(old) != _asks_the_site(new) or new.sku.capacity > old.sku.capacity:
        check_site(new, api.site())
    if new.sku.capacity > old.sku.capacity:
        check_room(api, new, len(api.store.instances(record.uid)))
    is_same_network = old.profile.network_profile == new.profile.network_profile
    after = new.to_json() if is_same_network else set_body(api, set_identity(record), new)
    return _changed(record, old, new, after, api.now())


def _network_of(record: ScaleSet) -> Any:
    return record.model["properties"]["virtualMachineProfile"].get("networkProfile")


def notices_of(api: Api, record: ScaleSet) -> list[Notice]:
    """What the network of a set's model asks for in vain."""
    site = api.site()
    return network_notices(
        record.model, site.address_spaces, carried(api), has_public_addresses=bool(site.public_pool)
    )


def _without_effect(api: Api, record: ScaleSet) -> list[Event]:
    """One event for each thing that the model asks for in vain, told in the log too."""
    told = [each.message for each in notices_of(api, record)]
    if told and not api.store.is_rehearsing:
        log.warning("a scale set asks for what has no effect yet", scale_set=record.name, why=told)
    return [api.note(record, words) for words in told]


def _refuse_names_of_instances(api: Api, record: ScaleSet, old: ScaleSetResource, new: ScaleSetResource) -> None:
    """Raises ``Conflict`` for a new extension under a name that an instance has for an extension of its own."""
    profiles = old.profile.extension_profile, new.profile.extension_profile
    known, wanted = ({each.name.lower() for each in profile.extensions} for profile in profiles)
    added = wanted - known
    taken = {each.name for each in api.store.own_extensions(record.uid) if each.name.lower() in added}
    if taken:
        words = f"Instances have extensions of their own named {', '.join(sorted(taken))}: remove those first."
        raise Conflict(words, target="properties.virtualMachineProfile.extensionProfile")


def with_capacity(record: ScaleSet, capacity: int, now: float) -> ScaleSet:
    """The set with another capacity, as deleting instances by id leaves it."""
    model = {**record.model, "sku": {**record.model["sku"], "capacity": capacity}}
    return record.but(model=model, version=record.version + 1, changed_at=now)


def _without_read_only_name(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A null name is no name; any other is compared with the address by the parser."""
    return {key: value for key, value in body.items() if not (key.lower() == "name" and value is None)}


def _changed(
    record: ScaleSet, old: ScaleSetResource, new: ScaleSetResource, after: dict[str, Any], now: float
) -> ScaleSet:
    """``after`` is the canonical body of ``new``."""
    before = old.to_json()
    if before == after:
        return record
    model, hidden = split_secrets(after)
    is_new_model = _what_instances_are_made_of(before) != _what_instances_are_made_of(after)
    return record.but(
        model=model,
        secrets=hidden,
        version=record.version + 1,
        model_version=record.model_version + (1 if is_new_model else 0),
        changed_at=now,
        extension_sequences=next_numbers(record.extension_sequences, old, new),
    )


def _what_instances_are_made_of(model: Mapping[str, Any]) -> tuple[Any, ...]:
    """What ``latestModelApplied`` is about: the profile and the size, not capacity, policies or tags."""
    return model["sku"]["name"], model["properties"]["virtualMachineProfile"]


def _asks_the_site(resource: ScaleSetResource) -> tuple[Any, ...]:
    """What a site may not have. While it stays, and nothing is added, the site is not asked again: scaling in
    must not fail over an image that was taken out of the catalogue meanwhile."""
    storage, network = resource.profile.storage_profile, resource.profile.network_profile
    count, group = resource.properties.platform_fault_domain_count, resource.properties.host_group
    return resource.sku.name, resource.zones, storage, network, count, group


def _what_changed(before: ScaleSet, after: ScaleSet) -> str:
    parts = []
    if before.capacity != after.capacity:
        parts.append(f"its capacity from {before.capacity} to {after.capacity}")
    if before.model_version != after.model_version:
        parts.append(f"its model to version {after.model_version}")
    if before.model["properties"] != after.model["properties"] and before.model_version == after.model_version:
        parts.append("its policies")
    return f"a request changed {' and '.join(parts) or 'its tags or zones'}"
