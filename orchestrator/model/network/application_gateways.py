"""Microsoft.Network/applicationGateways: as far as Azure's clients make one beside a scale set, over plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, Whole, bad_value
from orchestrator.model.arm.network import Ipv4
from orchestrator.model.arm.references import (
    GATEWAY,
    AddressReference,
    GatewayPoolReference,
    Reference,
    SubnetReference,
)
from orchestrator.model.arm.warnings import Notice
from orchestrator.model.network.common import Allocation, Child, ChildProperties, ExtendedResource, Port, Zones
from orchestrator.model.network.load_balancers import refers_to_own
from orchestrator.model.network.shape import InUse, Shape

_NO_TLS = "there is no store for certificates; a gateway is kept for plain HTTP"
_NO_LINK = "there are no services of Azure's to reach"
_NO_WALL = "no request is looked at"
_NO_REDIRECT = "no request is redirected or rewritten"
_HOST = r"^[A-Za-z0-9*?]([A-Za-z0-9.*?-]{0,253}[A-Za-z0-9*?])?$"
_PATH = r"^/[!-)+-~]*\*?$"  # a star stands at its end only
COLLECTIONS = (
    "gatewayIPConfigurations",
    "frontendIPConfigurations",
    "frontendPorts",
    "backendAddressPools",
    "backendHttpSettingsCollection",
    "httpListeners",
    "requestRoutingRules",
    "urlPathMaps",
    "probes",
)


class FrontendReference(Reference):
    types = (f"{GATEWAY}/frontendIPConfigurations",)


class PortReference(Reference):
    types = (f"{GATEWAY}/frontendPorts",)


class SettingsReference(Reference):
    types = (f"{GATEWAY}/backendHttpSettingsCollection",)


class ListenerReference(Reference):
    types = (f"{GATEWAY}/httpListeners",)


class PathMapReference(Reference):
    types = (f"{GATEWAY}/urlPathMaps",)


class ProbeReference(Reference):
    types = (f"{GATEWAY}/probes",)


class GatewaySkuName(ArmEnum):
    STANDARD_SMALL = "Standard_Small"
    STANDARD_MEDIUM = "Standard_Medium"
    STANDARD_LARGE = "Standard_Large"
    STANDARD_V2 = "Standard_v2"
    BASIC = "Basic"


class GatewayTier(ArmEnum):
    STANDARD = "Standard"
    STANDARD_V2 = "Standard_v2"
    BASIC = "Basic"


class GatewaySku(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset({"family"})
    name: GatewaySkuName = GatewaySkuName.STANDARD_MEDIUM
    tier: GatewayTier | None = None
    capacity: Annotated[Whole, Field(ge=1, le=125)] | None = None


class Scheme(ArmEnum):
    HTTP = "Http"
    HTTPS = "Https"


_Http = Annotated[Scheme, Only((Scheme.HTTP,), _NO_TLS)]


class _Properties(ChildProperties):
    """Of a child; what refers to it is not shown."""

    read_only: ClassVar[frozenset[str]] = ChildProperties.read_only | {
        "backendipconfigurations",
        "httplisteners",
        "requestroutingrules",
    }


class GatewayIpProperties(_Properties):
    subnet: SubnetReference


class GatewayIp(Child):
    properties: GatewayIpProperties


class FrontendProperties(_Properties):
    private_ip_address: Ipv4 | None = Field(default=None, alias="privateIPAddress")
    private_ip_allocation_method: Allocation = Field(default=Allocation.DYNAMIC, alias="privateIPAllocationMethod")
    subnet: SubnetReference | None = None
    public_ip_address: AddressReference | None = Field(default=None, alias="publicIPAddress")
    private_link_configuration: Annotated[Any, Refused(_NO_LINK)] = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.subnet is None) == (self.public_ip_address is None):
            raise bad_value("must have either subnet or publicIPAddress")
        return self


class Frontend(Child):
    properties: FrontendProperties


class FrontendPortProperties(_Properties):
    port: Port


class FrontendPort(Child):
    properties: FrontendPortProperties


class PoolProperties(_Properties):
    backend_addresses: Annotated[Any, Refused("instances come into a pool by the model of their scale set")] = ()


class Pool(Child):
    properties: PoolProperties = PoolProperties()


class Draining(ArmModel):
    enabled: Flag = False
    drain_timeout_in_sec: Annotated[Whole, Field(ge=1, le=3600)] = 1


class Affinity(ArmEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"


class SettingsProperties(_Properties):
    port: Port
    protocol: _Http = Scheme.HTTP
    cookie_based_affinity: Affinity = Affinity.DISABLED
    request_timeout: Annotated[Whole, Field(ge=1, le=86_400)] = 30
    connection_draining: Draining | None = None
    pick_host_name_from_backend_address: Flag = False
    probe: ProbeReference | None = None


class Settings(Child):
    properties: SettingsProperties


class ListenerProperties(_Properties):
    frontend_ip_configuration: FrontendReference = Field(alias="frontendIPConfiguration")
    frontend_port: PortReference
    protocol: _Http = Scheme.HTTP
    host_name: Annotated[str, StringConstraints(pattern=_HOST)] | None = None
    host_names: Annotated[tuple[Annotated[str, StringConstraints(pattern=_HOST)], ...], Field(max_length=5)] = ()
    require_server_name_indication: Annotated[Flag, Only((False,), _NO_TLS)] = False
    ssl_certificate: Annotated[Any, Refused(_NO_TLS)] = None
    ssl_profile: Annotated[Any, Refused(_NO_TLS)] = None

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        if self.host_name and self.host_names:
            raise bad_value("has both hostName and hostNames; use one of them")
        return self


class Listener(Child):
    properties: ListenerProperties


class RuleType(ArmEnum):
    BASIC = "Basic"
    PATHS = "PathBasedRouting"


class RuleProperties(_Properties):
    """``Basic`` has a pool with its settings, ``PathBasedRouting`` a map of paths."""

    rule_type: RuleType = RuleType.BASIC
    priority: Annotated[Whole, Field(ge=1, le=20_000)] | None = None
    http_listener: ListenerReference
    backend_address_pool: GatewayPoolReference | None = None
    backend_http_settings: SettingsReference | None = None
    url_path_map: PathMapReference | None = None
    redirect_configuration: Annotated[Any, Refused(_NO_REDIRECT)] = None
    rewrite_rule_set: Annotated[Any, Refused(_NO_REDIRECT)] = None

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        own = (self.backend_address_pool, self.backend_http_settings)
        if self.rule_type is RuleType.BASIC and (None in own or self.url_path_map is not None):
            raise bad_value(
                "must have backendAddressPool and backendHttpSettings, and no urlPathMap, as it is Basic"
            )
        if self.rule_type is RuleType.PATHS and (own != (None, None) or self.url_path_map is None):
            raise bad_value("must have urlPathMap, and no pool of its own, as it is PathBasedRouting")
        return self


class Rule(Child):
    properties: RuleProperties


class PathRuleProperties(_Properties):
    paths: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=_PATH, max_length=2048)], ...], Field(min_length=1)
    ]
    backend_address_pool: GatewayPoolReference
    backend_http_settings: SettingsReference
    redirect_configuration: Annotated[Any, Refused(_NO_REDIRECT)] = None
    rewrite_rule_set: Annotated[Any, Refused(_NO_REDIRECT)] = None
    firewall_policy: Annotated[Any, Refused(_NO_WALL)] = None


class PathRule(Child):
    properties: PathRuleProperties


class PathMapProperties(_Properties):
    """What no rule's paths take goes to the default."""

    default_backend_address_pool: GatewayPoolReference
    default_backend_http_settings: SettingsReference
    default_redirect_configuration: Annotated[Any, Refused(_NO_REDIRECT)] = None
    default_rewrite_rule_set: Annotated[Any, Refused(_NO_REDIRECT)] = None
    path_rules: tuple[PathRule, ...] = ()


class PathMap(Child):
    properties: PathMapProperties


class ProbeProperties(_Properties):
    protocol: _Http
    host: Annotated[str, StringConstraints(max_length=255)] | None = None
    path: Annotated[str, StringConstraints(pattern=r"^/", max_length=2048)]
    interval: Annotated[Whole, Field(ge=1, le=86_400)] = 30
    timeout: Annotated[Whole, Field(ge=1, le=86_400)] = 30
    unhealthy_threshold: Annotated[Whole, Field(ge=1, le=20)] = 3
    pick_host_name_from_backend_http_settings: Flag = False
    min_servers: Annotated[Whole, Field(ge=0)] = 0


class Probe(Child):
    properties: ProbeProperties


class GatewayProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset(
        {"provisioningstate", "operationalstate", "resourceguid", "warnings"}
    )
    sku: GatewaySku
    gateway_ip_configurations: Annotated[tuple[GatewayIp, ...], Field(min_length=1)] = Field(
        alias="gatewayIPConfigurations"
    )
    frontend_ip_configurations: tuple[Frontend, ...] = Field(default=(), alias="frontendIPConfigurations")
    frontend_ports: tuple[FrontendPort, ...] = ()
    backend_address_pools: tuple[Pool, ...] = ()
    backend_http_settings_collection: tuple[Settings, ...] = ()
    http_listeners: tuple[Listener, ...] = ()
    request_routing_rules: tuple[Rule, ...] = ()
    probes: tuple[Probe, ...] = ()
    enable_http2: Flag = False
    enable_fips: Annotated[Flag | None, Only((False,), _NO_TLS)] = None
    autoscale_configuration: Annotated[Any, Refused("a gateway would be one process of the daemon's")] = None
    authentication_certificates: Annotated[Any, Refused(_NO_TLS)] = None
    ssl_certificates: Annotated[Any, Refused(_NO_TLS)] = None
    ssl_policy: Annotated[Any, Refused(_NO_TLS)] = None
    ssl_profiles: Annotated[Any, Refused(_NO_TLS)] = None
    trusted_root_certificates: Annotated[Any, Refused(_NO_TLS)] = None
    trusted_client_certificates: Annotated[Any, Refused(_NO_TLS)] = None
    url_path_maps: tuple[PathMap, ...] = ()
    redirect_configurations: Annotated[Any, Refused(_NO_REDIRECT)] = None
    rewrite_rule_sets: Annotated[Any, Refused(_NO_REDIRECT)] = None
    custom_error_configurations: Annotated[Any, Refused(_NO_REDIRECT)] = None
    firewall_policy: Annotated[Any, Refused(_NO_WALL)] = None
    web_application_firewall_configuration: Annotated[Any, Refused(_NO_WALL)] = None
    private_link_configurations: Annotated[Any, Refused(_NO_LINK)] = None
    private_endpoint_connections: Annotated[Any, Refused(_NO_LINK)] = None


class Gateway(ExtendedResource):
    zones: Zones | None = None
    identity: Annotated[Any, Refused("there are no managed identities")] = None
    properties: GatewayProperties


def _warnings(body: Mapping[str, Any]) -> Iterator[Notice]:
    for child in body["properties"]["frontendIPConfigurations"]:
        if child["properties"].get("subnet"):
            words = f"Frontend {child['name']} listens nowhere: only public addresses are listened at."
            yield Notice("FrontendListensNowhere", words, "properties.frontendIPConfigurations")


SHAPE = Shape(
    type=GATEWAY,
    model=Gateway,
    collections=COLLECTIONS,
    rules=(refers_to_own,),
    in_use=InUse("ApplicationGatewayInUseByVirtualMachineScaleSet", "is in use by"),
    warnings=_warnings,
)
