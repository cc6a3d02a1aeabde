"""What the resources of Microsoft.Network share: references, children, prefixes, ports."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field, StringConstraints

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, Whole, bad_value
from orchestrator.model.arm.envelope import Tags
from orchestrator.model.arm.scale_set import canonical_location

ResourceName = Annotated[
    str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_])?$")
]
Location = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(canonical_location)]
Port = Annotated[Whole, Field(ge=1, le=65535)]
AnyPort = Annotated[Whole, Field(ge=0, le=65535)]
Zones = tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,16}$")], ...]
NO_EDGE = "there is one location, and nothing at its edge"


class IpVersion(ArmEnum):
    IPV4 = "IPv4"
    IPV6 = "IPv6"


class Allocation(ArmEnum):
    STATIC = "Static"
    DYNAMIC = "Dynamic"


class SkuName(ArmEnum):
    BASIC = "Basic"
    STANDARD = "Standard"
    STANDARD_V2 = "StandardV2"
    GATEWAY = "Gateway"


class SkuTier(ArmEnum):
    REGIONAL = "Regional"
    GLOBAL = "Global"


class NetworkSku(ArmModel):
    """Of an address or a balancer. The tiers are Azure's regions, of which there is one here."""

    name: Annotated[
        SkuName, Only((SkuName.BASIC, SkuName.STANDARD), "there are no appliances to be balanced; use Standard")
    ] = SkuName.BASIC
    tier: Annotated[SkuTier, Only((SkuTier.REGIONAL,), "there is one region")] = SkuTier.REGIONAL


class ExtendedResource(ArmModel):
    """What stands around ``properties`` of every resource here."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "name", "type", "etag", "systemdata", "kind"})
    location: Location
    tags: Tags = Field(default_factory=dict)
    extended_location: Annotated[Any, Refused(NO_EDGE)] = None


class Child(ArmModel):
    """An element of a collection, which has an id of its own."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "type", "etag"})
    name: ResourceName


class ChildProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"provisioningstate"})


def _prefix(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=True)
    except ValueError:
        raise bad_value(f"'{value[:60]}' is not a prefix such as 10.0.0.0/24 whose other bits are zero") from None
    if "/" not in value:
        raise bad_value(f"'{value[:60]}' has no length, as in 10.0.0.0/24")
    return value


Prefix = Annotated[str, AfterValidator(_prefix)]
NotYet = Annotated[Flag | None, Only((False,), "nothing here does it")]
