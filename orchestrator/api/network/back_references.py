"""What resources show of those that refer to them, as Azure does: nobody can set it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orchestrator.api.context import Api
from orchestrator.api.network.held import add_rules_of_instances
from orchestrator.api.network.public_addresses import fqdn
from orchestrator.model.arm.names import SCALE_SET_TYPE, InstanceNames
from orchestrator.model.arm.references import BALANCER, PUBLIC_ADDRESS, SECURITY_GROUP, VIRTUAL_NETWORK
from orchestrator.model.arm.statuses import Json
from orchestrator.model.instance import Instance
from orchestrator.model.network.interfaces import card_ids, configuration_ids
from orchestrator.model.network.public_addresses import label_of
from orchestrator.model.network.references import Use, is_within
from orchestrator.model.network.shape import Shape
from orchestrator.model.resource_id import parse_resource_id
from orchestrator.model.scale_set import ScaleSet

_HOLDING = ("backendAddressPools", "subnets")
"""The collections that show instances. What is in a NAT pool shows as NAT rules; a probe shows its rules alone."""


def add_back_references(api: Api, shape: Shape, view: Json, uses: Iterable[Use]) -> None:
    """Adds to a view who refers to it, and to its children."""
    own = parse_resource_id(view["id"])
    mine = [use for use in uses if is_within(use.target, own)]
    properties = view["properties"]
    if shape.type == PUBLIC_ADDRESS:
        if holder := next((use.holder for use in mine if use.member == "publicIPAddress"), None):
            properties["ipConfiguration"] = {"id": holder}
        if label := label_of(view):
            properties["dnsSettings"] = {**properties["dnsSettings"], "fqdn": fqdn(api, label)}
    elif shape.type == SECURITY_GROUP:
        _add(properties, "subnets", (use.holder for use in mine if "/subnets/" in use.holder))
        _add(properties, "networkInterfaces", _cards(api, mine))
    elif shape.type in (BALANCER, VIRTUAL_NETWORK):
        _show_in_children(api, shape, view, mine)


def _show_in_children(api: Api, shape: Shape, view: Json, mine: list[Use]) -> None:
    """Rules show in what they refer to; instances in pools and subnets, as the frontends of balancers do."""
    own = f"{view['id']}/".lower()
    if shape.type == BALANCER:
        pools = [use for use in mine if "/backendaddresspools/" in use.target.key]
        targets = {use.target.key: [each for each in pools if each.target.key == use.target.key] for use in pools}
        add_rules_of_instances(api, view, {key: list(_configurations(api, them)) for key, them in targets.items()})
    name = "ipConfigurations" if shape.type == VIRTUAL_NETWORK else "backendIPConfigurations"
    for collection in shape.collections:
        for child in shape.children(view, collection):
            of_it = [use for use in mine if use.target.key == child["id"].lower()]
            for use in of_it:
                if use.holder.lower().startswith(own):
                    _add(child["properties"], use.holder.split("/")[-2], [use.holder])
                elif parse_resource_id(use.holder).type != SCALE_SET_TYPE:
                    _add(child["properties"], name, [use.holder])
            if collection in _HOLDING:
                _add(child["properties"], name, _configurations(api, of_it))


def _add(properties: Json, name: str, ids: Iterable[str]) -> None:
    new = [{"id": each} for each in ids]
    held: list[Any] = properties.setdefault(name, []) if new else []
    held.extend(each for each in new if each not in held)


def _cards(api: Api, mine: list[Use]) -> Iterator[str]:
    for record, row in _instances(api, mine):
        number = InstanceNames.of(record).id(row.instance_id)
        for target in dict.fromkeys(str(use.target) for use in mine):
            yield from card_ids(record, number, target)


def _configurations(api: Api, mine: list[Use]) -> Iterator[str]:
    for record, row in _instances(api, mine):
        number = InstanceNames.of(record).id(row.instance_id)
        for target in dict.fromkeys(str(use.target) for use in mine):
            yield from configuration_ids(record, number, target)


def _instances(api: Api, mine: list[Use]) -> Iterator[tuple[ScaleSet, Instance]]:
    """The instances of the sets among the holders."""
    seen: set[str] = set()
    for use in mine:
        if use.holder.lower() in seen:
            continue
        seen.add(use.holder.lower())
        holder = parse_resource_id(use.holder)
        if holder.type == SCALE_SET_TYPE:
            record = api.store.find_scale_set(holder.subscription_id, holder.resource_group, holder.name)
            yield from ((record, row) for row in api.store.instances(record.uid) if not row.is_gone)
