"""Microsoft.Network/applicationGateways: HTTP and HTTPS before scale sets, as far as HAProxy does it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, Whole
from orchestrator.model.arm.references import GATEWAY
from orchestrator.model.network.common import ExtendedResource, Zones
from orchestrator.model.network.gateway_backends import Pool, Probe, Settings
from orchestrator.model.network.gateway_base import NO_CLIENTS, NO_LINK, NO_REWRITE, NO_WALL
from orchestrator.model.network.gateway_checks import CHECKS
from orchestrator.model.network.gateway_listeners import Frontend, FrontendPort, GatewayIp, Listener
from orchestrator.model.network.gateway_rules import PathMap, Redirect, Rule
from orchestrator.model.network.gateway_tls import SECRETS, SslCertificate, SslPolicy, TrustedRoot
from orchestrator.model.network.load_balancers import refers_to_own
from orchestrator.model.network.shape import InUse, Shape

COLLECTIONS = (
    "gatewayIPConfigurations",
    "frontendIPConfigurations",
    "frontendPorts",
    "sslCertificates",
    "trustedRootCertificates",
    "backendAddressPools",
    "backendHttpSettingsCollection",
    "httpListeners",
    "requestRoutingRules",
    "urlPathMaps",
    "redirectConfigurations",
    "probes",
)
_NO_OTHERS = "a gateway carries HTTP and HTTPS; a load balancer carries TCP"


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


class GatewayProperties(ArmModel):
    read_only: ClassVar[frozenset[str]] = frozenset(
        {"provisioningstate", "operationalstate", "resourceguid", "warnings", "defaultpredefinedsslpolicy"}
    )
    sku: GatewaySku
    gateway_ip_configurations: Annotated[tuple[GatewayIp, ...], Field(min_length=1)] = Field(
        alias="gatewayIPConfigurations"
    )
    frontend_ip_configurations: tuple[Frontend, ...] = Field(default=(), alias="frontendIPConfigurations")
    frontend_ports: tuple[FrontendPort, ...] = ()
    ssl_certificates: tuple[SslCertificate, ...] = ()
    trusted_root_certificates: tuple[TrustedRoot, ...] = ()
    backend_address_pools: tuple[Pool, ...] = ()
    backend_http_settings_collection: tuple[Settings, ...] = ()
    http_listeners: tuple[Listener, ...] = ()
    request_routing_rules: tuple[Rule, ...] = ()
    url_path_maps: tuple[PathMap, ...] = ()
    redirect_configurations: tuple[Redirect, ...] = ()
    probes: tuple[Probe, ...] = ()
    enable_http2: Flag = False
    ssl_policy: SslPolicy | None = None
    enable_fips: Annotated[Flag | None, Only((False,), "the machine's TLS library is used as it is")] = None
    autoscale_configuration: Annotated[Any, Refused("a gateway is one process of the daemon's")] = None
    authentication_certificates: Annotated[Any, Refused("use trustedRootCertificates")] = None
    ssl_profiles: Annotated[Any, Refused(NO_CLIENTS)] = None
    trusted_client_certificates: Annotated[Any, Refused(NO_CLIENTS)] = None
    rewrite_rule_sets: Annotated[Any, Refused(NO_REWRITE)] = None
    custom_error_configurations: Annotated[Any, Refused("the balancer has its own pages for errors")] = None
    firewall_policy: Annotated[Any, Refused(NO_WALL)] = None
    force_firewall_policy_association: Annotated[Any, Refused(NO_WALL)] = None
    web_application_firewall_configuration: Annotated[Any, Refused(NO_WALL)] = None
    private_link_configurations: Annotated[Any, Refused(NO_LINK)] = None
    private_endpoint_connections: Annotated[Any, Refused(NO_LINK)] = None
    load_distribution_policies: Annotated[Any, Refused("requests are shared alike")] = None
    global_configuration: Annotated[Any, Refused("requests and answers are held as the balancer does")] = None
    listeners: Annotated[Any, Refused(_NO_OTHERS)] = None
    routing_rules: Annotated[Any, Refused(_NO_OTHERS)] = None
    backend_settings_collection: Annotated[Any, Refused(_NO_OTHERS)] = None
    entra_jwt_validation_configs: Annotated[Any, Refused("tokens are not looked at")] = Field(
        default=None, alias="entraJWTValidationConfigs"
    )


class Gateway(ExtendedResource):
    zones: Zones | None = None
    identity: Annotated[Any, Refused("there are no managed identities")] = None
    properties: GatewayProperties


SHAPE = Shape(
    type=GATEWAY,
    model=Gateway,
    collections=COLLECTIONS,
    rules=(refers_to_own, *CHECKS),
    in_use=InUse("ApplicationGatewayInUseByVirtualMachineScaleSet", "is in use by"),
    secrets=SECRETS,
)
