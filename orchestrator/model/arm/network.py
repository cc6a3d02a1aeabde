"""``virtualMachineProfile.networkProfile`` (reference 1.3): one card with one address, for now."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, bad_value, not_possible

_Name = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
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


class Subnet(ArmModel):
    id: Annotated[str, AfterValidator(_check_subnet_id)]


class IpConfigurationProperties(ArmModel):
    subnet: Subnet
    primary: Primary = True
    private_ip_address_version: AddressVersion = Field(default=AddressVersion.IPV4, alias="privateIPAddressVersion")


class IpConfiguration(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"id"})
    name: _Name
    properties: IpConfigurationProperties


class NicProperties(ArmModel):
    primary: Primary = True
    ip_configurations: tuple[IpConfiguration, ...]

    @field_validator("ip_configurations")
    @classmethod
    def _exactly_one(cls, value: tuple[IpConfiguration, ...]) -> tuple[IpConfiguration, ...]:
        return _one(value, "IP configuration")


class NicConfiguration(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"id"})
    name: _Name
    properties: NicProperties


class NetworkProfile(ArmModel):
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
