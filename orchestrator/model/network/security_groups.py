"""Microsoft.Network/networkSecurityGroups, with their rules and those that every group has."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from orchestrator.errors import ErrorDetail
from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, Whole, bad_value
from orchestrator.model.arm.references import SECURITY_GROUP
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.network.common import Child, ChildProperties, ExtendedResource
from orchestrator.model.network.shape import InUse, Json, Shape
from orchestrator.model.resource_id import ResourceId

_TAG = re.compile(r"^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z0-9]+)*$", re.ASCII)
_PORTS = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?$", re.ASCII)
_OWN_TAGS = ("virtualnetwork", "internet", "azureloadbalancer")
_NO_GROUPS = "there are no application security groups; name the addresses"


def _check_ports(value: str) -> str:
    if value == "*":
        return value
    found = _PORTS.match(value)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not 0 <= low <= high <= 65535:
        raise bad_value(f"'{value[:40]}' is not a port, a range such as 8000-8080, or *")
    return value


def _check_address(value: str) -> str:
    if value == "*" or _TAG.match(value):
        return value
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise bad_value(f"'{value[:60]}' is not a prefix, an address, a service tag, or *") from None
    return value


_Ports = Annotated[str, AfterValidator(_check_ports)]
_Addresses = Annotated[str, AfterValidator(_check_address)]


class Protocol(ArmEnum):
    TCP = "Tcp"
    UDP = "Udp"
    ICMP = "Icmp"
    ESP = "Esp"
    AH = "Ah"
    ANY = "*"


class Access(ArmEnum):
    ALLOW = "Allow"
    DENY = "Deny"


class Direction(ArmEnum):
    INBOUND = "Inbound"
    OUTBOUND = "Outbound"


class RuleProperties(ChildProperties):
    description: Annotated[str, StringConstraints(max_length=140)] | None = None
    protocol: Protocol
    source_port_range: _Ports | None = None
    destination_port_range: _Ports | None = None
    source_address_prefix: _Addresses | None = None
    destination_address_prefix: _Addresses | None = None
    source_port_ranges: tuple[_Ports, ...] = ()
    destination_port_ranges: tuple[_Ports, ...] = ()
    source_address_prefixes: tuple[_Addresses, ...] = ()
    destination_address_prefixes: tuple[_Addresses, ...] = ()
    source_application_security_groups: Annotated[Any, Refused(_NO_GROUPS)] = None
    destination_application_security_groups: Annotated[Any, Refused(_NO_GROUPS)] = None
    access: Access
    priority: Annotated[Whole, Field(ge=100, le=4096)]
    direction: Direction

    @model_validator(mode="after")
    def _each_end_once(self) -> Self:
        for one, many in (
            ("source_port_range", "source_port_ranges"),
            ("destination_port_range", "destination_port_ranges"),
            ("source_address_prefix", "source_address_prefixes"),
            ("destination_address_prefix", "destination_address_prefixes"),
        ):
            if bool(getattr(self, one)) == bool(getattr(self, many)):
                fields = type(self).model_fields
                raise bad_value(f"must have either {fields[one].alias} or {fields[many].alias}")
        return self


class SecurityRule(Child):
    properties: RuleProperties


class SecurityGroupProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset(
        {
            "provisioningstate",
            "resourceguid",
            "defaultsecurityrules",
            "networkinterfaces",
            "subnets",
            "flowlogs",
            "warnings",
        }
    )
    security_rules: tuple[SecurityRule, ...] = ()
    flush_connection: Annotated[Flag | None, Only((False,), "connections that are there go on")] = None


class SecurityGroup(ExtendedResource):
    properties: SecurityGroupProperties = SecurityGroupProperties()


def _priorities_differ(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    seen: dict[tuple[str, int], str] = {}
    for rule in body["properties"]["securityRules"]:
        key = (rule["properties"]["direction"], rule["properties"]["priority"])
        other = seen.setdefault(key, rule["name"])
        if other != rule["name"]:
            words = (
                f"Security rule {rule['name']} conflicts with rule {other}: "
                f"rules cannot have the same priority and direction ({key[1]}, {key[0]})."
            )
            yield ErrorDetail("SecurityRuleConflict", words, "properties.securityRules")


def _default(name: str, words: str, priority: int, direction: str, source: str, target: str, access: str) -> Json:
    return {
        "name": name,
        "properties": {
            "description": words,
            "protocol": "*",
            "sourcePortRange": "*",
            "destinationPortRange": "*",
            "sourceAddressPrefix": source,
            "destinationAddressPrefix": target,
            "sourcePortRanges": [],
            "destinationPortRanges": [],
            "sourceAddressPrefixes": [],
            "destinationAddressPrefixes": [],
            "access": access,
            "priority": priority,
            "direction": direction,
        },
    }


_NET, _LB = "VirtualNetwork", "AzureLoadBalancer"


def default_rules() -> list[Json]:
    """Those that every group has, of lowest priority."""
    return [
        _default("AllowVnetInBound", "Within the network, inwards", 65000, "Inbound", _NET, _NET, "Allow"),
        _default("AllowAzureLoadBalancerInBound", "From balancers", 65001, "Inbound", _LB, "*", "Allow"),
        _default("DenyAllInBound", "All else, inwards", 65500, "Inbound", "*", "*", "Deny"),
        _default("AllowVnetOutBound", "Within the network, outwards", 65000, "Outbound", _NET, _NET, "Allow"),
        _default("AllowInternetOutBound", "To the Internet", 65001, "Outbound", "*", "Internet", "Allow"),
        _default("DenyAllOutBound", "All else, outwards", 65500, "Outbound", "*", "*", "Deny"),
    ]


def _show(view: Json) -> None:
    view["properties"]["defaultSecurityRules"] = default_rules()


def _warnings(body: Mapping[str, Any]) -> Iterator[Notice]:
    for rule in body["properties"]["securityRules"]:
        own = rule["properties"]
        texts = [own.get(name) or "" for name in ("sourceAddressPrefix", "destinationAddressPrefix")]
        texts += [*own["sourceAddressPrefixes"], *own["destinationAddressPrefixes"]]
        if foreign := sorted({each for each in texts if _TAG.match(each) and each.lower() not in _OWN_TAGS}):
            words = f"Rule {rule['name']}: no address here is of {', '.join(foreign)}."
            yield Notice("ServiceTagIsEmpty", words, "properties.securityRules")


SHAPE = Shape(
    type=SECURITY_GROUP,
    model=SecurityGroup,
    collections=("securityRules",),
    addressable=("securityRules", "defaultSecurityRules"),
    rules=(_priorities_differ,),
    in_use=InUse("InUseNetworkSecurityGroupCannotBeDeleted", "is in use by"),
    warnings=_warnings,
    show=_show,
)
