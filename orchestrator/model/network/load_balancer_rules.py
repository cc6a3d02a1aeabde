"""The children of a load balancer: frontends, pools, rules, probes, NAT rules and pools, outbound rules."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from orchestrator.model.arm.base import ArmEnum, Flag, Only, Refused, Whole, bad_value
from orchestrator.model.arm.network import Ipv4
from orchestrator.model.arm.references import BALANCER, AddressReference, PoolReference, Reference, SubnetReference
from orchestrator.model.network.common import Allocation, AnyPort, Child, ChildProperties, IpVersion, Port, Zones

_BANNED = frozenset({19, 21, 25, 70, 110, 119, 143, 220, 993})  # reference 4.8
_NO_ADDRESSES = "instances come into a pool by the model of their scale set"


class FrontendReference(Reference):
    types = (f"{BALANCER}/frontendIPConfigurations",)


class ProbeReference(Reference):
    types = (f"{BALANCER}/probes",)


class Transport(ArmEnum):
    TCP = "Tcp"
    UDP = "Udp"
    ALL = "All"


class ProbeProtocol(ArmEnum):
    HTTP = "Http"
    HTTPS = "Https"
    TCP = "Tcp"


class Distribution(ArmEnum):
    DEFAULT = "Default"
    SOURCE_IP = "SourceIP"
    SOURCE_IP_PROTOCOL = "SourceIPProtocol"


_OnePort = Annotated[
    Transport, Only((Transport.TCP, Transport.UDP), "a port is of one protocol; use a rule for all ports")
]
_Idle = Annotated[Whole, Field(ge=4, le=100)]


class FrontendProperties(ChildProperties):
    read_only: ClassVar[frozenset[str]] = ChildProperties.read_only | {
        "inboundnatrules",
        "inboundnatpools",
        "outboundrules",
        "loadbalancingrules",
    }
    private_ip_address: Ipv4 | None = Field(default=None, alias="privateIPAddress")
    private_ip_allocation_method: Allocation = Field(default=Allocation.DYNAMIC, alias="privateIPAllocationMethod")
    private_ip_address_version: IpVersion | None = Field(default=None, alias="privateIPAddressVersion")
    subnet: SubnetReference | None = None
    public_ip_address: AddressReference | None = Field(default=None, alias="publicIPAddress")
    public_ip_prefix: Annotated[Any, Refused("there are no ranges of public addresses")] = Field(
        default=None, alias="publicIPPrefix"
    )
    gateway_load_balancer: Annotated[Any, Refused("there are no appliances to be balanced")] = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.subnet is None) == (self.public_ip_address is None):
            raise bad_value("must have either subnet or publicIPAddress")
        is_static = self.private_ip_allocation_method is Allocation.STATIC
        if is_static and self.subnet is not None and self.private_ip_address is None:
            raise bad_value("must have privateIPAddress, as privateIPAllocationMethod is Static")
        if self.subnet is not None and self.private_ip_address_version is IpVersion.IPV6:
            raise bad_value("cannot have privateIPAddressVersion IPv6 in a subnet; with a publicIPAddress it can")
        return self


class Frontend(Child):
    zones: Zones | None = None
    properties: FrontendProperties


class SyncMode(ArmEnum):
    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class PoolProperties(ChildProperties):
    read_only: ClassVar[frozenset[str]] = ChildProperties.read_only | {
        "backendipconfigurations",
        "loadbalancingrules",
        "outboundrule",
        "outboundrules",
        "inboundnatrules",
    }
    load_balancer_backend_addresses: Annotated[Any, Refused(_NO_ADDRESSES)] = ()
    drain_period_in_seconds: Annotated[Whole, Field(ge=0, le=4000)] | None = None
    location: Annotated[Any, Refused("there is one location, that of the balancer")] = None
    virtual_network: Annotated[Any, Refused(_NO_ADDRESSES)] = None
    sync_mode: Annotated[Any, Refused(_NO_ADDRESSES)] = None
    tunnel_interfaces: Annotated[Any, Refused("there are no appliances to be balanced")] = None


class Pool(Child):
    properties: PoolProperties = PoolProperties()


class RuleProperties(ChildProperties):
    frontend_ip_configuration: FrontendReference = Field(alias="frontendIPConfiguration")
    backend_address_pool: PoolReference | None = None
    backend_address_pools: tuple[PoolReference, ...] | None = None
    probe: ProbeReference | None = None
    protocol: Transport
    load_distribution: Distribution = Distribution.DEFAULT
    frontend_port: AnyPort
    backend_port: AnyPort = 0
    idle_timeout_in_minutes: _Idle = 4
    enable_floating_ip: Flag = Field(default=False, alias="enableFloatingIP")
    enable_tcp_reset: Flag = False
    disable_outbound_snat: Flag = False
    enable_connection_tracking: Annotated[Flag | None, Only((False,), "no connection is tracked here")] = None

    @model_validator(mode="after")
    def _all_ports_go_together(self) -> Self:
        is_for_all = (self.frontend_port == 0, self.backend_port == 0, self.protocol is Transport.ALL)
        if any(is_for_all) and not all(is_for_all):
            raise bad_value("must have protocol All, frontendPort 0 and backendPort 0 together, or none of them")
        one, many = self.backend_address_pool, self.backend_address_pools
        if one and many and [each.id.lower() for each in many] != [one.id.lower()]:
            raise bad_value("has backendAddressPool and backendAddressPools, which differ")
        return self


class Rule(Child):
    properties: RuleProperties


class ProbeProperties(ChildProperties):
    read_only: ClassVar[frozenset[str]] = ChildProperties.read_only | {"loadbalancingrules"}
    protocol: ProbeProtocol
    port: Port
    request_path: Annotated[str, StringConstraints(max_length=2048)] | None = None
    interval_in_seconds: Annotated[Whole, Field(ge=5, le=2_147_483_646)] = 15
    number_of_probes: Annotated[Whole, Field(ge=1, le=2_147_483_646)] = 2
    probe_threshold: Annotated[Whole, Field(ge=1, le=100)] = 1
    no_healthy_backends_behavior: Annotated[Any, Refused("without a healthy instance nothing is sent")] = None

    @field_validator("port")
    @classmethod
    def _not_banned(cls, value: int) -> int:
        if value in _BANNED:
            raise bad_value(f"cannot be {value}: some hosts' networks hold that port back")
        return value

    @model_validator(mode="after")
    def _path_is_for_http(self) -> Self:
        is_http = self.protocol is not ProbeProtocol.TCP
        if is_http and not self.request_path:
            raise bad_value(f"must have requestPath, as protocol is {self.protocol.value}")
        if self.request_path and not is_http:
            raise bad_value("cannot have requestPath, as protocol is Tcp")
        return self


class Probe(Child):
    properties: ProbeProperties


class NatRuleProperties(ChildProperties):
    """The first sort has ``frontendPort`` and is for one machine; the second has a pool and a range of ports."""

    read_only: ClassVar[frozenset[str]] = ChildProperties.read_only | {"backendipconfiguration"}
    frontend_ip_configuration: FrontendReference = Field(alias="frontendIPConfiguration")
    backend_address_pool: PoolReference | None = None
    protocol: _OnePort = Transport.TCP
    frontend_port: AnyPort | None = None
    frontend_port_range_start: AnyPort | None = None
    frontend_port_range_end: AnyPort | None = None
    backend_port: Port
    idle_timeout_in_minutes: _Idle = 4
    enable_floating_ip: Flag = Field(default=False, alias="enableFloatingIP")
    enable_tcp_reset: Flag = False

    @model_validator(mode="after")
    def _one_sort(self) -> Self:
        start, end = self.frontend_port_range_start or 0, self.frontend_port_range_end or 0
        if self.backend_address_pool is None:
            if start or end or not self.frontend_port:
                raise bad_value("must have frontendPort, or backendAddressPool with a range of frontend ports")
        elif self.frontend_port or not 1 <= start <= end:
            words = "must have frontendPortRangeStart and frontendPortRangeEnd in this order, and no frontendPort"
            raise bad_value(f"{words}, as it has a backendAddressPool")
        return self


class NatRule(Child):
    properties: NatRuleProperties


class NatPoolProperties(ChildProperties):
    frontend_ip_configuration: FrontendReference = Field(alias="frontendIPConfiguration")
    protocol: _OnePort
    frontend_port_range_start: Port
    frontend_port_range_end: Port
    backend_port: Port
    idle_timeout_in_minutes: _Idle = 4
    enable_floating_ip: Flag = Field(default=False, alias="enableFloatingIP")
    enable_tcp_reset: Flag = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.frontend_port_range_start > self.frontend_port_range_end:
            raise bad_value("must have frontendPortRangeStart not above frontendPortRangeEnd")
        return self


class NatPool(Child):
    properties: NatPoolProperties


class OutboundProperties(ChildProperties):
    frontend_ip_configurations: Annotated[tuple[FrontendReference, ...], Field(min_length=1)] = Field(
        alias="frontendIPConfigurations"
    )
    backend_address_pool: PoolReference
    protocol: Transport
    allocated_outbound_ports: Annotated[Whole, Field(ge=0, le=64000, multiple_of=8)] = 0
    idle_timeout_in_minutes: Annotated[Whole, Field(ge=4, le=120)] = 4
    enable_tcp_reset: Flag = False


class Outbound(Child):
    properties: OutboundProperties
