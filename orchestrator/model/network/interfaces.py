"""The card of an instance in the shape of Microsoft.Network, with what its set's model refers to. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from orchestrator.model.arm.instance_resources import instance_etag
from orchestrator.model.arm.instance_views import Subject, set_id_of
from orchestrator.model.arm.statuses import Json, provisioning_state, stable_uuid
from orchestrator.model.scale_set import ScaleSet

_CARD = "primary"
_CONFIGURATION = "primary"
_SHOWN = (
    "subnet",
    "loadBalancerBackendAddressPools",
    "loadBalancerInboundNatPools",
    "applicationGatewayBackendAddressPools",
)


def _configured(profile: Mapping[str, Any]) -> Mapping[str, Any]:
    network = profile.get("networkProfile") or {}
    return next(iter(network.get("networkInterfaceConfigurations") or ()), {"name": _CARD, "properties": {}})


def _ip_of(card: Mapping[str, Any]) -> Mapping[str, Any]:
    found = card["properties"].get("ipConfigurations") or ()
    return next(iter(found), {"name": _CONFIGURATION, "properties": {}})


def card_id(record: ScaleSet, instance_id: str) -> str:
    """The id of the only card of an instance, whose id is as the API writes it."""
    card = _configured(record.model["properties"]["virtualMachineProfile"])
    return f"{set_id_of(record).instance(instance_id)}/networkInterfaces/{card['name']}"


def configuration_id(record: ScaleSet, instance_id: str) -> str:
    """The id of its only IP configuration."""
    card = _configured(record.model["properties"]["virtualMachineProfile"])
    return f"{card_id(record, instance_id)}/ipConfigurations/{_ip_of(card)['name']}"


def interface(it: Subject) -> Json:
    """The card as GET gives it. What a security group or a pool is named for, it does not do yet."""
    configured = _configured(it.profile)
    own_id = f"{it.resource_id}/networkInterfaces/{configured['name']}"
    etag = instance_etag(it.row)
    servers = list((configured["properties"].get("dnsSettings") or {}).get("dnsServers") or ())
    properties: Json = {
        "provisioningState": provisioning_state(it.row),
        "resourceGuid": stable_uuid(f"{it.owner.vm_uuid} card"),
        "ipConfigurations": [_configuration(it, configured, own_id, etag)],
        "dnsSettings": {"dnsServers": servers, "appliedDnsServers": []},
        "enableAcceleratedNetworking": False,
        "enableIPForwarding": False,
        "primary": True,
        "virtualMachine": {"id": it.resource_id},
        "hostedWorkloads": [],
    }
    if it.row.mac:
        properties["macAddress"] = it.row.mac.replace(":", "-").upper()
    if group := configured["properties"].get("networkSecurityGroup"):
        properties["networkSecurityGroup"] = dict(group)
    return {"name": configured["name"], "id": own_id, "etag": etag, "properties": properties}


def _configuration(it: Subject, card: Mapping[str, Any], own_id: str, etag: str) -> Json:
    configured = _ip_of(card)
    wanted = configured["properties"]
    properties: Json = {
        "provisioningState": provisioning_state(it.row),
        "privateIPAllocationMethod": "Dynamic",
        "privateIPAddressVersion": "IPv4",
        "primary": True,
        **{name: copy.deepcopy(wanted[name]) for name in _SHOWN if wanted.get(name)},
    }
    if it.row.address:
        properties["privateIPAddress"] = it.row.address
    return {
        "name": configured["name"],
        "id": f"{own_id}/ipConfigurations/{configured['name']}",
        "etag": etag,
        "properties": properties,
    }
