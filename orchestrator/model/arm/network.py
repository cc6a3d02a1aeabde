"""``virtualMachineProfile.networkProfile`` (reference 1.3): the cards of every instance, and their addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, Whole, bad_value, not_possible
from orchestrator.model.arm.envelope import Tags
from orchestrator.model.arm.references import (
    GatewayPoolReference,
    GroupReference,
    NatPoolReference,
    PoolReference,
    ProbeReference,
    SubnetReference,
)
from orchestrator.model.arm.storage import DeleteOption

_Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
_FALSE = (False,)
MOST_CARDS = 8
MOST_CONFIGURATIONS = 16
_NO_GROUPS = "there are no application security groups"
_NO_RANGES = "there are no ranges of public addresses"
_NO_NAMES = "there is no public zone of names"
_SUBNET_ID = re.compile(
    r"^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/"
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,79})/?$",
    re.IGNORECASE | re.ASCII,
)
_OWN_ID = re.compile(
    r"^/providers/Vmss\.Local/addressSpaces/(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,79})/?$", re.IGNORECASE | re.ASCII
)


def is_own_space(subnet_id: str) -> bool:
    """Whether an id is that of a configured address space, and not of a subnet."""
    return _OWN_ID.match(subnet_id) is not None


def address_space_of(subnet_id: str, spaces: Sequence[str]) -> str:
    """The configured address space that gives addresses on a subnet: the one whose name is the subnet's, and else
    the first. ``spaces`` are those configured; an id of a space names that one, configured or not."""
    found = _OWN_ID.match(subnet_id) or _SUBNET_ID.match(subnet_id)
    name = found["name"] if found else ""
    default = name if is_own_space(subnet_id) or not spaces else spaces[0]
    return next((each for each in spaces if each.lower() == name.lower()), default)


def _check_subnet_id(value: str) -> str:
    if is_own_space(value):
        return value
    if not _SUBNET_ID.match(value):
        raise bad_value(
            "must be the id of a subnet (…/virtualNetworks/NETWORK/subnets/NAME), or "
            "/providers/Vmss.Local/addressSpaces/NAME of a configured address space"
        )
    return SubnetReference(id=value).id


def _check_ipv4(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError:
        raise bad_value("must be an IPv4 address such as 10.0.0.4") from None


Ipv4 = Annotated[str, AfterValidator(_check_ipv4)]


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


class DnsSettings(ArmModel):
    dns_servers: tuple[Ipv4, ...] = ()


class PublicDnsSettings(ArmModel):
    domain_name_label: Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{1,61}[a-z0-9])$")] | None = None
    domain_name_label_scope: Annotated[Any, Refused(_NO_NAMES)] = None


class PublicAddressProperties(ArmModel):
    idle_timeout_in_minutes: Annotated[Whole, Field(ge=4, le=30)] | None = None
    dns_settings: PublicDnsSettings | None = None
    ip_tags: Annotated[Any, Refused("there is one kind of route to the Internet")] = None
    public_ip_prefix: Annotated[Any, Refused(_NO_RANGES)] = Field(default=None, alias="publicIPPrefix")
    public_ip_address_version: Annotated[
        AddressVersion | None, Only((AddressVersion.IPV4,), "an instance's public address is translated, and IPv4")
    ] = Field(default=None, alias="publicIPAddressVersion")
    delete_option: Annotated[
        DeleteOption | None, Only((DeleteOption.DELETE,), "an instance's address goes with the instance")
    ] = None


class PublicSku(ArmModel):
    """Its words are Azure's; nothing goes by them."""

    name: Annotated[str, StringConstraints(max_length=64)] | None = None
    tier: Annotated[str, StringConstraints(max_length=64)] | None = None


class PublicAddressConfiguration(ArmModel):
    name: _Name
    sku: PublicSku | None = None
    tags: Tags | None = None
    properties: PublicAddressProperties | None = None


class IpConfigurationProperties(ArmModel):
    subnet: Subnet
    primary: Flag | None = None
    private_ip_address_version: AddressVersion = Field(default=AddressVersion.IPV4, alias="privateIPAddressVersion")
    private_ip_address_prefix_length: Annotated[Any, Refused("a configuration has one address")] = Field(
        default=None, alias="privateIPAddressPrefixLength"
    )
    public_ip_address_configuration: PublicAddressConfiguration | None = Field(
        default=None, alias="publicIPAddressConfiguration"
    )
    load_balancer_backend_address_pools: tuple[PoolReference, ...] | None = None
    load_balancer_inbound_nat_pools: tuple[NatPoolReference, ...] | None = None
    application_gateway_backend_address_pools: tuple[GatewayPoolReference, ...] | None = None
    application_security_groups: Annotated[Any, Refused(_NO_GROUPS)] = None


class IpConfiguration(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"id"})
    name: _Name
    properties: IpConfigurationProperties


class NicProperties(ArmModel):
    """What Azure's clients send for every set is taken where it has no effect yet, and ``network_notices`` says so.
    All else that would change the traffic of a guest and does not is refused, so that nobody relies on it."""

    primary: Flag | None = None
    enable_accelerated_networking: Flag | None = None
    disable_tcp_state_tracking: Annotated[Flag | None, Only(_FALSE, "connections are always followed")] = None
    enable_fpga: Annotated[Flag | None, Only(_FALSE, "guests have virtio cards")] = None
    enable_ip_forwarding: Annotated[Flag | None, Only(_FALSE, "no route leads through a guest")] = Field(
        default=None, alias="enableIPForwarding"
    )
    network_security_group: GroupReference | None = None
    dns_settings: DnsSettings | None = None
    delete_option: Annotated[
        DeleteOption | None, Only((DeleteOption.DELETE,), "an instance's card goes with the instance")
    ] = None
    auxiliary_mode: Annotated[AuxiliaryMode | None, Only((AuxiliaryMode.NONE,), "guests have virtio cards")] = None
    auxiliary_sku: Annotated[AuxiliarySku | None, Only((AuxiliarySku.NONE,), "guests have virtio cards")] = None
    ip_configurations: tuple[IpConfiguration, ...]

    @field_validator("ip_configurations")
    @classmethod
    def _has_a_primary(cls, value: tuple[IpConfiguration, ...]) -> tuple[IpConfiguration, ...]:
        made = _with_one_primary(value, "IP configuration", MOST_CONFIGURATIONS)
        first = next(each for each in made if each.properties.primary)
        if first.properties.private_ip_address_version is not AddressVersion.IPV4:
            raise bad_value(f"has the primary IP configuration '{first.name}', which must be IPv4")
        return made


class NicConfiguration(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"id"})
    name: _Name
    tags: Tags | None = None
    properties: NicProperties


class NetworkProfile(ArmModel):
    health_probe: ProbeReference | None = None
    network_api_version: NetworkApiVersion | None = None
    network_interface_configurations: tuple[NicConfiguration, ...]

    @field_validator("network_interface_configurations")
    @classmethod
    def _has_a_primary(cls, value: tuple[NicConfiguration, ...]) -> tuple[NicConfiguration, ...]:
        made = _with_one_primary(value, "network interface configuration", MOST_CARDS)
        asked = [
            each.name
            for card in made
            for each in card.properties.ip_configurations
            if each.properties.public_ip_address_configuration is not None
        ]
        if len(asked) > 1:
            raise not_possible(f"can give an instance one public address, not one at each of {', '.join(asked)}")
        return made

    @property
    def subnet_id(self) -> str:
        """That of the primary address."""
        [card] = (each for each in self.network_interface_configurations if each.properties.primary)
        [first] = (each for each in card.properties.ip_configurations if each.properties.primary)
        return first.properties.subnet.id

    def address_space(self, spaces: Sequence[str]) -> str:
        """That of the ``spaces`` configured which gives the guests their addresses."""
        return address_space_of(self.subnet_id, spaces)


_T = TypeVar("_T", NicConfiguration, IpConfiguration)


def _with_one_primary(values: tuple[_T, ...], what: str, most: int) -> tuple[_T, ...]:
    """Each says whether it is the primary one: of several one says so, an only one need not."""
    if not values:
        raise bad_value(f"must have one {what}")
    if len(values) > most:
        raise not_possible(f"can have {most} {what}s at most")
    names = [each.name.lower() for each in values]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise bad_value(f"has {', '.join(twice)} twice")
    marked = [
        each.properties.primary is True or (len(values) == 1 and each.properties.primary is None) for each in values
    ]
    if marked.count(True) != 1:
        raise bad_value(f"must have exactly one primary {what}")
    return tuple(
        each.model_copy(update={"properties": each.properties.model_copy(update={"primary": is_primary})})
        for each, is_primary in zip(values, marked, strict=True)
    )
