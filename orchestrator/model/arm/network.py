"""``virtualMachineProfile.networkProfile`` (reference 1.3): one card with one address, for now."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, bad_value, not_possible
from orchestrator.model.arm.envelope import Tags
from orchestrator.model.arm.storage import DeleteOption

_Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_FALSE = (False,)
_NO_BALANCER = "there are no load balancers yet"
_NO_FILTER = "there are no security groups yet, so nothing would be filtered"
_SUBNET_ID = re.compile(
    r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/"
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,79})/?$",
    re.IGNORECASE | re.ASCII,
)
_OWN_ID = re.compile(
    r"^/providers/Vmss\.Local/addressSpaces/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,79})/?$", re.IGNORECASE | re.ASCII
)


def address_space_of(subnet_id: str) -> str | None:
    """The configured address space that a subnet's id names, by the subnet's own name."""
    found = _SUBNET_ID.match(subnet_id) or _OWN_ID.match(subnet_id)
    return found["name"] if found else None


def _check_subnet_id(value: str) -> str:
    if address_space_of(value) is None:
        raise bad_value(
            "must be /providers/Vmss.Local/addressSpaces/NAME or the id of a subnet "
            "(…/virtualNetworks/NETWORK/subnets/NAME), where NAME is a configured address space"
        )
    return value


def _only_primary(value: bool) -> bool:
    if not value:
        raise bad_value("must be true: the only one is the primary one")
    return value


Primary = Annotated[Flag, AfterValidator(_only_primary)]


class AddressVersion(ArmEnum):
    IPV4 = "IPv4"
    IPV6 = "IPv6"


class AuxiliaryMode(ArmEnum):
    NONE = "None"
    ACCELERATED_CONNECTIONS = "AcceleratedConnections"
    FLOATING = "Floating"
    MAX_CONNECTIONS = "MaxConnections"


class AuxiliarySku(ArmEnum):
    NONE = "None"
    A1 = "A1"
    A2 = "A2"
    A4 = "A4"
    A8 = "A8"


class NetworkApiVersion(ArmEnum):
    V2020_11_01 = "2020-11-01"
    V2022_11_01 = "2022-11-01"


class Subnet(ArmModel):
    id: Annotated[str, AfterValidator(_check_subnet_id)]


class IpConfigurationProperties(ArmModel):
    subnet: Subnet
    primary: Primary = True
    private_ip_address_version: Annotated[
        AddressVersion, Only((AddressVersion.IPV4,), "address spaces hold IPv4 addresses only")
    ] = Field(default=AddressVersion.IPV4, alias="privateIPAddressVersion")
    private_ip_address_prefix_length: Annotated[Any, Refused("each instance has one address")] = Field(
        default=None, alias="privateIPAddressPrefixLength"
    )
    public_ip_address_configuration: Annotated[Any, Refused("there are no public addresses")] = Field(
        default=None, alias="publicIPAddressConfiguration"
    )
    load_balancer_backend_address_pools: Annotated[Any, Refused(_NO_BALANCER)] = None
    load_balancer_inbound_nat_pools: Annotated[Any, Refused(_NO_BALANCER)] = None
    application_gateway_backend_address_pools: Annotated[Any, Refused(_NO_BALANCER)] = None
    application_security_groups: Annotated[Any, Refused(_NO_FILTER)] = None


class IpConfiguration(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"id"})
    name: _Name
    properties: IpConfigurationProperties


class NicProperties(ArmModel):
    """What would change the traffic of a guest and does not is refused, so that nobody relies on it."""

    primary: Primary = True
    enable_accelerated_networking: Annotated[Flag | None, Only(_FALSE, "guests have virtio cards")] = None
    disable_tcp_state_tracking: Annotated[Flag | None, Only(_FALSE, "no connection is tracked here")] = None
    enable_fpga: Annotated[Flag | None, Only(_FALSE, "guests have virtio cards")] = None
    enable_ip_forwarding: Annotated[Flag | None, Only(_FALSE, "no route leads through a guest")] = Field(
        default=None, alias="enableIPForwarding"
    )
    network_security_group: Annotated[Any, Refused(_NO_FILTER)] = None
    dns_settings: Annotated[Any, Refused("the address space names its guests' servers")] = None
    delete_option: Annotated[
        DeleteOption | None, Only((DeleteOption.DELETE,), "an instance's card goes with the instance")
    ] = None
    auxiliary_mode: Annotated[AuxiliaryMode | None, Only((AuxiliaryMode.NONE,), "guests have virtio cards")] = None
    auxiliary_sku: Annotated[AuxiliarySku | None, Only((AuxiliarySku.NONE,), "guests have virtio cards")] = None
    ip_configurations: tuple[IpConfiguration, ...]

    @field_validator("ip_configurations")
    @classmethod
    def _exactly_one(cls, value: tuple[IpConfiguration, ...]) -> tuple[IpConfiguration, ...]:
        return _one(value, "IP configuration")


class NicConfiguration(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"id"})
    name: _Name
    tags: Tags | None = None
    properties: NicProperties


class NetworkProfile(ArmModel):
    health_probe: Annotated[
        Any, Refused("there are no load balancers yet; externalHealthProbe asks guests from outside")
    ] = None
    network_api_version: NetworkApiVersion | None = None
    network_interface_configurations: tuple[NicConfiguration, ...]

    @field_validator("network_interface_configurations")
    @classmethod
    def _exactly_one(cls, value: tuple[NicConfiguration, ...]) -> tuple[NicConfiguration, ...]:
        return _one(value, "network interface configuration")

    @property
    def address_space(self) -> str:
        """The configured address space that gives the guests their addresses."""
        [card] = self.network_interface_configurations
        return address_space_of(card.properties.ip_configurations[0].properties.subnet.id) or ""


_T = TypeVar("_T")


def _one(values: tuple[_T, ...], what: str) -> tuple[_T, ...]:
    if not values:
        raise bad_value(f"must have one {what}")
    if len(values) > 1:
        raise not_possible(f"can have only one {what} in this version")
    return values
