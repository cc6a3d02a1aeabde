"""Microsoft.Network/publicIPAddresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints

from orchestrator.errors import ErrorDetail
from orchestrator.model.arm.base import ArmModel, Refused, Whole
from orchestrator.model.arm.references import PUBLIC_ADDRESS
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.network.common import Allocation, ExtendedResource, IpVersion, NetworkSku, Zones
from orchestrator.model.network.shape import InUse, Json, Shape
from orchestrator.model.resource_id import ResourceId

_NO_NAMES = "there is no zone but that of this installation"


class DnsSettings(ArmModel):
    """``label.LOCATION.ZONE`` is the name of the address; the zone is the installation's own."""

    read_only: ClassVar[frozenset[str]] = frozenset({"fqdn"})
    domain_name_label: Annotated[str | None, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{1,61}[a-z0-9])$")] = None
    domain_name_label_scope: Annotated[Any, Refused(_NO_NAMES)] = None
    reverse_fqdn: Annotated[Any, Refused(_NO_NAMES)] = None


class PublicAddressProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset(
        {"provisioningstate", "resourceguid", "ipaddress", "ipconfiguration", "warnings"}
    )
    public_ip_allocation_method: Allocation = Field(default=Allocation.DYNAMIC, alias="publicIPAllocationMethod")
    public_ip_address_version: IpVersion = Field(default=IpVersion.IPV4, alias="publicIPAddressVersion")
    idle_timeout_in_minutes: Annotated[Whole, Field(ge=4, le=30)] = 4
    dns_settings: DnsSettings | None = None
    ip_tags: Annotated[Any, Refused("there is one kind of route to the Internet")] = ()
    public_ip_prefix: Annotated[Any, Refused("there are no ranges of public addresses")] = Field(
        default=None, alias="publicIPPrefix"
    )
    ddos_settings: Annotated[Any, Refused("no flood is held off here")] = None
    delete_option: Annotated[Any, Refused("an address belongs to no machine")] = None
    nat_gateway: Annotated[Any, Refused("there are no NAT gateways")] = None


class PublicAddress(ExtendedResource):
    sku: NetworkSku = NetworkSku()
    zones: Zones = ()
    properties: PublicAddressProperties = PublicAddressProperties()


def label_of(body: Mapping[str, Any]) -> str | None:
    """The label of an address, if it has one."""
    found: str | None = (body["properties"].get("dnsSettings") or {}).get("domainNameLabel")
    return found


def _standard_is_static(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    path = "properties.publicIPAllocationMethod"
    if body["sku"]["name"] == "Standard" and body["properties"]["publicIPAllocationMethod"] != "Static":
        words = f"{path} must be Static for sku Standard."
        yield ErrorDetail("PublicIPAddressSkuMustBeStatic", words, path)


def _warnings(body: Mapping[str, Any]) -> Iterator[Notice]:
    if body["properties"].get("ipAddress"):
        return
    words = "No public addresses are configured, so there is no ipAddress: the resource is kept and shown only."
    yield Notice("NoPublicAddress", words, "properties.ipAddress")
    if label_of(body):
        words = "The label is kept and shown only: there is no address of which it would be the name."
        yield Notice("DnsLabelHasNoEffect", words, "properties.dnsSettings.domainNameLabel")


SHAPE = Shape(
    type=PUBLIC_ADDRESS,
    model=PublicAddress,
    rules=(_standard_is_static,),
    in_use=InUse("PublicIPAddressCannotBeDeleted", "is still allocated to"),
    warnings=_warnings,
)
