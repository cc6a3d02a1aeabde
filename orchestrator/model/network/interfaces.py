"""The cards of an instance in the shape of Microsoft.Network, with what its set's model refers to. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.model.arm.instance_resources import instance_etag
from orchestrator.model.arm.instance_views import Subject, set_id_of
from orchestrator.model.arm.statuses import Json, provisioning_state, stable_uuid
from orchestrator.model.network.cards import address_at, card_mac, configured_cards, is_primary, key_of
from orchestrator.model.scale_set import ScaleSet

_SHOWN = (
    "subnet",
    "loadBalancerBackendAddressPools",
    "loadBalancerInboundNatPools",
    "applicationGatewayBackendAddressPools",
)


def _cards_of(record: ScaleSet) -> list[Mapping[str, Any]]:
    return configured_cards(record.model["properties"]["virtualMachineProfile"])


def card_ids(record: ScaleSet, instance_id: str, group: str) -> Iterator[str]:
    """The ids of the cards of an instance whose own security group this is."""
    for card in _cards_of(record):
        reference = card["properties"].get("networkSecurityGroup")
        if reference and reference["id"].lower() == group.lower():
            yield f"{set_id_of(record).instance(instance_id)}/networkInterfaces/{card['name']}"


def configuration_ids(record: ScaleSet, instance_id: str, target: str) -> list[str]:
    """The ids of its IP configurations that name ``target``, a pool or a subnet; of its primary one where none
    does, since what is held by an instance is held there."""
    found, primary = [], ""
    for card in _cards_of(record):
        for each in card["properties"]["ipConfigurations"]:
            own = f"{set_id_of(record).instance(instance_id)}/networkInterfaces/{card['name']}"
            own = f"{own}/ipConfigurations/{each['name']}"
            if is_primary(card) and is_primary(each):
                primary = own
            if target.lower() in set(_references(each["properties"])):
                found.append(own)
    return found or [primary]


def _references(configuration: Mapping[str, Any]) -> Iterator[str]:
    for name in _SHOWN:
        value = configuration.get(name) or ()
        for each in (value,) if isinstance(value, Mapping) else value:
            yield each["id"].lower()


def interfaces(it: Subject) -> list[Json]:
    """All cards as GET gives them, in the order of the model."""
    return [_interface(it, card) for card in configured_cards(it.profile)]


def _interface(it: Subject, configured: Mapping[str, Any]) -> Json:
    name, wanted = configured["name"], configured["properties"]
    own_id = f"{it.resource_id}/networkInterfaces/{name}"
    etag = instance_etag(it.row)
    servers = list((wanted.get("dnsSettings") or {}).get("dnsServers") or ())
    guid = f"{it.owner.vm_uuid} card" if is_primary(configured) else f"{it.owner.vm_uuid} card {name.lower()}"
    properties: Json = {
        "provisioningState": provisioning_state(it.row),
        "resourceGuid": stable_uuid(guid),
        "ipConfigurations": [
            _configuration(it, configured, each, own_id, etag) for each in wanted["ipConfigurations"]
        ],
        "dnsSettings": {"dnsServers": servers, "appliedDnsServers": servers},
        "enableAcceleratedNetworking": bool(wanted.get("enableAcceleratedNetworking")),
        "enableIPForwarding": False,
        "primary": is_primary(configured),
        "virtualMachine": {"id": it.resource_id},
        "hostedWorkloads": [],
    }
    if it.row.mac:
        mac = card_mac(it.row, it.owner, name, is_primary=is_primary(configured))
        properties["macAddress"] = mac.replace(":", "-").upper()
    if group := wanted.get("networkSecurityGroup"):
        properties["networkSecurityGroup"] = dict(group)
    return {"name": name, "id": own_id, "etag": etag, "properties": properties}


def _configuration(
    it: Subject, card: Mapping[str, Any], configured: Mapping[str, Any], own_id: str, etag: str
) -> Json:
    wanted = configured["properties"]
    properties: Json = {
        "provisioningState": provisioning_state(it.row),
        "privateIPAllocationMethod": "Dynamic",
        "privateIPAddressVersion": wanted.get("privateIPAddressVersion", "IPv4"),
        "primary": is_primary(configured),
        **{name: copy.deepcopy(wanted[name]) for name in _SHOWN if wanted.get(name)},
    }
    is_first = is_primary(card) and is_primary(configured)
    if address := address_at(it.row, key_of(card["name"], configured["name"]), is_first=is_first):
        properties["privateIPAddress"] = address
    return {
        "name": configured["name"],
        "id": f"{own_id}/ipConfigurations/{configured['name']}",
        "etag": etag,
        "properties": properties,
    }
