"""References between resources: whether what is referred to is there, and who refers to what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.network.subnets import check_cards
from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.arm.health_rules import HEALTH_PROBE
from orchestrator.model.arm.names import SCALE_SET_TYPE
from orchestrator.model.arm.problems import raise_problems
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.network.balancer_probe import is_in_use, probe_settings
from orchestrator.model.network.references import Use, is_of, is_within, respelt, top_of, uses_in
from orchestrator.model.resource_id import ResourceId, parse_resource_id
from orchestrator.model.scale_set import ScaleSet

_NAMESPACES = ("Microsoft.Network/",)
Json = dict[str, Any]


def resolved(api: Api, body: Json, own: ResourceId, *, leaves_out: Callable[[Use], bool] | None = None) -> Json:
    """The canonical body with every reference spelt as the resource that it names. References to children of
    ``own`` are looked up in ``body`` itself. Raises ``BadInput`` (``InvalidResourceReference``) that names all
    that are not there."""
    skipped = leaves_out or (lambda _use: False)
    wanted = [use for use in uses_in(body, str(own)) if _is_ours(use.target) and not skipped(use)]
    found: dict[str, ResourceId] = {}
    problems = []
    for use in wanted:
        spelling = _find(api, use.target, own, body)
        if spelling is None:
            words = f"Resource {use.target} referenced by resource {use.holder} was not found."
            problems.append(ErrorDetail("InvalidResourceReference", words, use.path))
        else:
            found[use.target.key] = spelling
    raise_problems(problems)
    made: Json = respelt(body, found)
    return made


def all_uses(api: Api) -> list[Use]:
    """Every reference of everything in the subscription."""
    subscription = api.site().subscription_id
    stored = api.store.resources(subscription_id=subscription)
    found = [use for each in stored for use in uses_in(each.body, str(each.id))]
    return [*found, *(use for record in api.store.scale_sets() for use in uses_of_set(record))]


def users_of(api: Api, target: ResourceId) -> Iterator[str]:
    """The ids of what refers to a resource or its children, but for itself and its own."""
    own = top_of(target)
    seen: set[str] = set()
    for use in all_uses(api):
        if is_within(use.target, target) and not is_of(use.holder, own) and use.holder.lower() not in seen:
            seen.add(use.holder.lower())
            yield use.holder


def set_identity(record: ScaleSet) -> ResourceId:
    """A scale set's id."""
    namespace, kind = SCALE_SET_TYPE.split("/")
    return ResourceId(record.subscription_id, record.resource_group, namespace, (kind,), (record.name,))


def uses_of_set(record: ScaleSet) -> Iterator[Use]:
    """What the network of a set's model refers to."""
    return uses_in(_network_alone(record.model), str(set_identity(record)))


def set_body(api: Api, own: ResourceId, resource: ScaleSetResource) -> Json:
    """A set's canonical body, with all that its network refers to found. A subnet whose name is that of a
    configured address space stands for it, and need not be there. Raises ``BadInput``."""
    body = resource.to_json()
    spaces = {each.lower() for each in api.site().address_spaces}

    def is_space(use: Use) -> bool:
        return use.member == "subnet" and use.target.name.lower() in spaces

    _check_probe(api, resource)
    check_cards(api, resource)
    if alone := _network_alone(body):
        made = resolved(api, alone, own, leaves_out=is_space)
        body["properties"]["virtualMachineProfile"] |= made["properties"]["virtualMachineProfile"]
    return body


def _check_probe(api: Api, resource: ScaleSetResource) -> None:
    """A probe that no rule uses asks nobody (reference 1.3). Raises ``BadInput``; one that is not there is told
    as any other reference."""
    network = resource.profile.network_profile
    if network is None or network.health_probe is None:
        return
    probe = parse_resource_id(network.health_probe.id)
    balancer = api.store.resource(top_of(probe))
    if balancer and probe_settings(balancer.body, probe) and not is_in_use(balancer.body, probe):
        words = f"{probe} cannot be a health source: no load-balancing rule uses it."
        raise BadInput(words, code="CannotUseInactiveHealthProbe", target=HEALTH_PROBE)


def _network_alone(model: Mapping[str, Any]) -> Json:
    """A set's body with nothing but its network: what extensions are told is no matter of ours."""
    network = model["properties"]["virtualMachineProfile"].get("networkProfile")
    return {"properties": {"virtualMachineProfile": {"networkProfile": network}}} if network else {}


def _is_ours(target: ResourceId) -> bool:
    return target.type.startswith(_NAMESPACES)


def _find(api: Api, target: ResourceId, own: ResourceId, body: Json) -> ResourceId | None:
    """The resource by its own spelling, or ``None``."""
    top = top_of(target)
    if top.key == own.key:
        return _child_of(own, body, target)
    stored = api.store.resource(top)
    return _child_of(stored.id, stored.body, target) if stored else None


def _child_of(top: ResourceId, body: Any, target: ResourceId) -> ResourceId | None:
    found = top
    holder = body
    for kind, name in zip(target.types[1:], target.names[1:], strict=True):
        properties = holder.get("properties") or {}
        collection = next((each for each in properties if each.lower() == kind.lower()), None)
        held = properties.get(collection) if collection else None
        child = next((e for e in held or () if isinstance(e, dict) and _is_named(e, name)), None)
        if collection is None or child is None:
            return None
        found, holder = found.child(collection, child["name"]), child
    return found


def _is_named(child: Json, name: str) -> bool:
    return str(child.get("name", "")).lower() == name.lower()


def check_location(api: Api, location: str | None) -> None:
    """Raises ``BadInput`` for another location than the site's."""
    own = api.site().location
    if location is not None and location != own:
        words = f"location '{location}' is not this site's; it is '{own}'."
        raise BadInput(words, code="LocationNotAvailableForResourceType", target="location")
