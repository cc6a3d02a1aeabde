"""Where an application gateway listens: frontends, ports and listeners."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, model_validator

from orchestrator.model.arm.base import Flag, Refused, bad_value, not_possible
from orchestrator.model.arm.network import Ipv4
from orchestrator.model.arm.references import AddressReference, SubnetReference
from orchestrator.model.network.common import Allocation, Child, Port
from orchestrator.model.network.gateway_base import (
    HOST,
    NO_CLIENTS,
    NO_LINK,
    NO_WALL,
    FrontendReference,
    PartProperties,
    PortReference,
    Scheme,
    SslCertificateReference,
)


class GatewayIpProperties(PartProperties):
    subnet: SubnetReference


class GatewayIp(Child):
    properties: GatewayIpProperties


class FrontendProperties(PartProperties):
    private_ip_address: Ipv4 | None = Field(default=None, alias="privateIPAddress")
    private_ip_allocation_method: Allocation = Field(default=Allocation.DYNAMIC, alias="privateIPAllocationMethod")
    subnet: SubnetReference | None = None
    public_ip_address: AddressReference | None = Field(default=None, alias="publicIPAddress")
    private_link_configuration: Annotated[Any, Refused(NO_LINK)] = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.subnet is None) == (self.public_ip_address is None):
            raise bad_value("must have either subnet or publicIPAddress")
        return self


class Frontend(Child):
    properties: FrontendProperties


class FrontendPortProperties(PartProperties):
    port: Port


class FrontendPort(Child):
    properties: FrontendPortProperties


Host = Annotated[str, StringConstraints(pattern=HOST)]


class ListenerProperties(PartProperties):
    """Of an https listener, ``hostName`` and ``hostNames`` are those that clients name before the handshake."""

    frontend_ip_configuration: FrontendReference = Field(alias="frontendIPConfiguration")
    frontend_port: PortReference
    protocol: Scheme = Scheme.HTTP
    host_name: Host | None = None
    host_names: Annotated[tuple[Host, ...], Field(max_length=5)] = ()
    require_server_name_indication: Flag = False
    ssl_certificate: SslCertificateReference | None = None
    ssl_profile: Annotated[Any, Refused(NO_CLIENTS)] = None
    custom_error_configurations: Annotated[Any, Refused("the balancer has its own pages for errors")] = None
    firewall_policy: Annotated[Any, Refused(NO_WALL)] = None

    @property
    def hosts(self) -> tuple[str, ...]:
        return (self.host_name,) if self.host_name else self.host_names

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if self.host_name and self.host_names:
            raise bad_value("has both hostName and hostNames; use one of them")
        return self

    @model_validator(mode="after")
    def _has_what_its_protocol_needs(self) -> Self:
        is_https = self.protocol is Scheme.HTTPS
        if is_https != (self.ssl_certificate is not None):
            what = "must have sslCertificate, as it is Https" if is_https else "has sslCertificate and is Http"
            raise bad_value(what)
        if self.require_server_name_indication and not (is_https and self.hosts):
            raise bad_value("has requireServerNameIndication, which needs protocol Https and a host name")
        return self

    @model_validator(mode="after")
    def _can_be_named_before_the_handshake(self) -> Self:
        odd = next((each for each in self.hosts if any(mark in each.removeprefix("*.") for mark in "*?")), None)
        if self.protocol is Scheme.HTTPS and odd is not None:
            raise not_possible(
                f"has host name '{odd}': of an Https listener a star stands for the first label only"
            )
        return self


class Listener(Child):
    properties: ListenerProperties
