"""Microsoft.Network/virtualNetworks, with their subnets."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from orchestrator.errors import ErrorDetail
from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, bad_value
from orchestrator.model.arm.network import Ipv4
from orchestrator.model.arm.references import VIRTUAL_NETWORK, GroupReference
from orchestrator.model.network.common import Child, ChildProperties, ExtendedResource, NotYet, Prefix
from orchestrator.model.network.shape import InUse, Json, Shape
from orchestrator.model.resource_id import ResourceId

_NO_ROUTES = "there are no routes but those of the hosts' network"
_NO_SERVICES = "there are no services of Azure's to reach from a subnet"
_IPV6_LENGTH = 64
_SMALLEST = 29  # Azure keeps five addresses of each subnet


class PrivatePolicies(ArmEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"
    SECURITY_GROUP = "NetworkSecurityGroupEnabled"
    ROUTE_TABLE = "RouteTableEnabled"


class LinkPolicies(ArmEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"


_NoPrivateEndpoints = Annotated[LinkPolicies | None, Only((LinkPolicies.DISABLED,), _NO_SERVICES)]


class SubnetProperties(ChildProperties):
    read_only: ClassVar[frozenset[str]] = ChildProperties.read_only | {
        "ipconfigurations",
        "ipconfigurationprofiles",
        "privateendpoints",
        "purpose",
        "resourcenavigationlinks",
        "serviceassociationlinks",
    }
    address_prefix: Prefix | None = None
    address_prefixes: tuple[Prefix, ...] | None = None
    network_security_group: GroupReference | None = None
    private_endpoint_network_policies: PrivatePolicies = PrivatePolicies.DISABLED
    private_link_service_network_policies: LinkPolicies = LinkPolicies.ENABLED
    default_outbound_access: Flag | None = None
    delegations: Annotated[Any, Refused(_NO_SERVICES)] = ()
    service_endpoints: Annotated[Any, Refused(_NO_SERVICES)] = None
    service_endpoint_policies: Annotated[Any, Refused(_NO_SERVICES)] = None
    application_gateway_ip_configurations: Annotated[Any, Refused("a gateway names its subnet")] = Field(
        default=None, alias="applicationGatewayIPConfigurations"
    )
    ip_allocations: Annotated[Any, Refused("there is no manager of addresses")] = None
    ipam_pool_prefix_allocations: Annotated[Any, Refused("there is no manager of addresses")] = None
    nat_gateway: Annotated[Any, Refused("there are no NAT gateways")] = None
    route_table: Annotated[Any, Refused(_NO_ROUTES)] = None
    sharing_scope: Annotated[Any, Refused("there is one tenant")] = None

    @property
    def prefixes(self) -> tuple[str, ...]:
        one = (self.address_prefix,) if self.address_prefix else ()
        return one or self.address_prefixes or ()


class SubnetResource(Child):
    properties: SubnetProperties

    @field_validator("properties")
    @classmethod
    def _has_a_prefix(cls, value: SubnetProperties) -> SubnetProperties:
        if not value.prefixes:
            raise bad_value("must have addressPrefix or addressPrefixes")
        if value.address_prefix and value.address_prefixes and value.address_prefixes != (value.address_prefix,):
            raise bad_value("has addressPrefix and addressPrefixes, which differ")
        for each in (ipaddress.ip_network(prefix) for prefix in value.prefixes):
            if each.version == 4 and each.prefixlen > _SMALLEST:
                raise bad_value(f"has a prefix longer than /{_SMALLEST}: five addresses of a subnet are kept back")
            if each.version == 6 and each.prefixlen != _IPV6_LENGTH:
                raise bad_value(f"has the IPv6 prefix {each}; a subnet's is of length /{_IPV6_LENGTH}")
        return value


class AddressSpace(ArmModel):
    address_prefixes: Annotated[tuple[Prefix, ...], Field(min_length=1)]
    ipam_pool_prefix_allocations: Annotated[Any, Refused("there is no manager of addresses")] = None


class DhcpOptions(ArmModel):
    dns_servers: tuple[Ipv4, ...] = ()


class Encryption(ArmModel):
    enabled: Annotated[Flag, Only((False,), "guests' traffic is not encrypted by the hosts")] = False
    enforcement: Annotated[Any, Refused("guests' traffic is not encrypted by the hosts")] = None


class VirtualNetworkProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset(
        {"provisioningstate", "resourceguid", "flowlogs", "defaultpublicnatgateway", "warnings"}
    )
    address_space: AddressSpace
    dhcp_options: DhcpOptions | None = None
    subnets: tuple[SubnetResource, ...] = ()
    virtual_network_peerings: Annotated[Any, Refused("networks are not joined")] = ()
    enable_ddos_protection: Annotated[Flag, Only((False,), "no flood is held off here")] = False
    enable_vm_protection: NotYet = None
    ddos_protection_plan: Annotated[Any, Refused("no flood is held off here")] = None
    encryption: Encryption | None = None
    private_endpoint_v_net_policies: _NoPrivateEndpoints = Field(default=None, alias="privateEndpointVNetPolicies")
    bgp_communities: Annotated[Any, Refused(_NO_ROUTES)] = None
    flow_timeout_in_minutes: Annotated[Any, Refused("no flow is tracked here")] = None
    ip_allocations: Annotated[Any, Refused("there is no manager of addresses")] = None
    summarized_gateway_prefixes: Annotated[Any, Refused(_NO_ROUTES)] = None


class VirtualNetwork(ExtendedResource):
    properties: VirtualNetworkProperties


def prefixes_of(subnet: Mapping[str, Any]) -> list[str]:
    """The prefixes of a subnet's canonical body."""
    properties = subnet["properties"]
    return [properties["addressPrefix"]] if properties.get("addressPrefix") else list(properties["addressPrefixes"])


def _ranges_fit(body: Json, _identity: ResourceId) -> Iterator[ErrorDetail]:
    """Prefixes of a network do not overlap; subnets are inside of one, and apart."""
    spaces = body["properties"]["addressSpace"]["addressPrefixes"]
    path = "properties.addressSpace.addressPrefixes"
    for one, other in _overlapping([("", each) for each in spaces]):
        words = f"{path}: {one[1]} and {other[1]} overlap."
        yield ErrorDetail("InvalidAddressSpaceOverlap", words, path)
    subnets = body["properties"]["subnets"]
    ranges = [(each["name"], prefix) for each in subnets for prefix in prefixes_of(each)]
    for name, prefix in ranges:
        if not any(is_inside(prefix, space) for space in spaces):
            words = f"Subnet '{name}' is not valid: {prefix} is not inside the network's address space."
            yield ErrorDetail("NetcfgInvalidSubnet", words, "properties.subnets")
    for one, other in _overlapping(ranges):
        words = f"Subnet '{one[0]}' is not valid: its range {one[1]} overlaps with {other[1]} of '{other[0]}'."
        yield ErrorDetail("NetcfgSubnetRangesOverlap", words, "properties.subnets")


def is_inside(prefix: str, outer: str) -> bool:
    """Whether all of one prefix is in another, of the same version."""
    one, other = ipaddress.ip_network(prefix), ipaddress.ip_network(outer)
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and one.subnet_of(other)


def _overlapping(ranges: list[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Pairs of neighbours in order of address: where any two overlap, two neighbours do."""
    ordered = sorted(ranges, key=lambda each: ipaddress.get_mixed_type_key(ipaddress.ip_network(each[1])))
    for before, after in itertools.pairwise(ordered):
        if is_inside(after[1], before[1]):
            yield after, before


SHAPE = Shape(
    type=VIRTUAL_NETWORK,
    model=VirtualNetwork,
    collections=("subnets",),
    addressable=("subnets",),
    rules=(_ranges_fit,),
    in_use=InUse("InUseSubnetCannotBeDeleted", "is in use by"),
)
